"""Claude Code session files: JSONL, one line per content block, a tree of records, sub-agents inline or in files.

Format: no official schema; public parsers are simonw/claude-code-transcripts and harbor's `claude_code.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.importers.base import Skipped
from harness.importers.claude_session import Stream, build
from harness.importers.pairing import SkipCounts
from harness.importers.reading import Record, read_records
from harness.importers.sniffing import head_records, key_paths
from harness.importers.values import as_object, as_text, kind_of, member
from toolsim.trajectory import JsonObject, Message, Trajectory

_CUT_HEAD = re.compile(rb'"(?:parentUuid|isSidechain|leafUuid|file-history-snapshot)"')


@dataclass(frozen=True, slots=True)
class ClaudeCode:
    """Importer of Claude Code session files."""

    name: str = "claude-code"

    def sniff(self, _path: Path, head: bytes, /) -> bool:
        """Claude Code records carry a `sessionId` and a chain, or are one of its own bookkeeping kinds."""
        records = head_records(head)
        if records:
            return any(map(_is_claude, records)) and not any("parts" in as_object(r.get("message")) for r in records)
        keys = key_paths(head, depth=2)
        return (
            bool(_CUT_HEAD.search(head))
            and {"sessionId", "snapshot", "summary"} & keys != set()
            and "message.parts" not in keys
        )

    def read(self, path: Path) -> Iterator[Trajectory | Skipped]:
        """One trajectory for the session and one for each sub-agent found in the file."""
        skips = SkipCounts(path)
        records: list[Record] = []
        for record in read_records(path):
            if isinstance(record, Skipped):
                yield record
            else:
                records.append(record)
        streams = _split(records, path)
        parent_prompts: dict[str, str] = {}
        found = False
        for stream in streams:
            trajectory = build(stream, path, skips, parent_prompts)
            if trajectory is None:
                continue
            found = True
            if stream.agent is None:
                parent_prompts = _prompts(trajectory)
            yield trajectory
        if not found:
            skips.add("file", "no message in it")
        yield from skips


CLAUDE_CODE = ClaudeCode()


@dataclass(slots=True)
class _Splitter:
    """Records of one file by the conversation that they belong to."""

    main: list[Record] = field(default_factory=list)
    agents: dict[str, list[Record]] = field(default_factory=dict)
    calls: dict[str, str] = field(default_factory=dict)
    group_of: dict[str, str] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        value = record.value
        if value.get("type") == "progress" and member(value, "data", "type") == "agent_progress":
            self._add_progress(record)
        if value.get("isSidechain") is not True:
            self.main.append(record)
            return
        uuid, parent = as_text(value.get("uuid")), as_text(value.get("parentUuid"))
        group = as_text(value.get("agentId")) or (self.group_of.get(parent) if parent else None) or uuid or "sidechain"
        if uuid:
            self.group_of[uuid] = group
        self.agents.setdefault(group, []).append(record)

    def _add_progress(self, record: Record) -> None:
        """A sub-agent's message as the parent's progress display shows it, with the parent's circumstances."""
        data = as_object(record.value.get("data"))
        inner, agent = as_object(data.get("message")), as_text(data.get("agentId"))
        if agent is None or as_text(inner.get("type")) not in {"user", "assistant"}:
            return
        keys = ("cwd", "gitBranch", "version", "sessionId")
        around: JsonObject = {key: record.value[key] for key in keys if key in record.value}
        value: JsonObject = {**around, **inner, "agentId": agent}
        value.pop("parentUuid", None)
        self.agents.setdefault(agent, []).append(Record(record.line, value))
        if (call := as_text(record.value.get("parentToolUseID"))) is not None:
            self.calls.setdefault(agent, call)


def _split(records: list[Record], path: Path) -> list[Stream]:
    splitter = _Splitter()
    for record in records:
        splitter.add(record)
    streams: list[Stream] = []
    says_something = any(kind_of(r.value) in {"user", "assistant", "tool_use"} for r in splitter.main)
    if says_something or not splitter.agents:
        streams.append(Stream(tuple(splitter.main)))
    for agent, lines in splitter.agents.items():
        if says_something and _agent_file(path, agent).is_file():
            continue
        streams.append(Stream(tuple(lines), agent, splitter.calls.get(agent)))
    return streams


def _agent_file(path: Path, agent: str) -> Path:
    name = f"agent-{re.sub(r'[^A-Za-z0-9_-]', '_', agent)[:100]}.jsonl"
    beside = path.with_name(name)
    return beside if beside.is_file() else path.with_suffix("") / "subagents" / name


def _prompts(trajectory: Trajectory) -> dict[str, str]:
    """Prompts that the session gave to sub-agents, with the call that carried them."""
    found: dict[str, str] = {}
    for item in trajectory.items:
        if isinstance(item, Message):
            for call in item.calls:
                if (prompt := as_text(call.arguments.get("prompt"))) is not None:
                    found.setdefault(prompt.strip(), call.id)
    return found


def _is_claude(record: JsonObject) -> bool:
    kind = kind_of(record)
    if kind in {"user", "assistant"}:
        message = as_object(record.get("message"))
        return "sessionId" in record and "content" in message
    if kind == "summary":
        return "leafUuid" in record
    if kind == "file-history-snapshot":
        return "snapshot" in record
    return "sessionId" in record and ("parentUuid" in record or "isSidechain" in record)

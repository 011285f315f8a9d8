"""mini-swe-agent trajectories: bare message lists, version 1 (text actions) and version 2 (native calls and extras).

Format: SWE-agent/mini-swe-agent `docs/usage/output_files.md` and `agents/default.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.importers.base import Skipped
from harness.importers.pairing import CallBook, SkipCounts
from harness.importers.reading import read_document
from harness.importers.sniffing import key_paths
from harness.importers.values import (
    as_int,
    as_list,
    as_object,
    as_text,
    content_text,
    first_text,
    member,
    parse_arguments,
    platform_of,
    unix_time,
)
from toolsim.trajectory import JsonObject, Message, Session, ToolCall, ToolResult, Trajectory, content_hash

_ACTION_START = re.compile(r"```(?:bash|mswea_bash_command|sh)[ \t]*\n")
_RETURN_CODE = re.compile(r"<returncode>(-?\d{1,9})</returncode>")
_SIGNS = (
    b"<returncode>",
    b"mswea_bash_command",
    b"COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT",
    b"MINI_SWE_AGENT_FINAL_OUTPUT",
)
_KNOWN = frozenset({"info", "messages", "trajectory_format", "instance_id"})


@dataclass(frozen=True, slots=True)
class MiniSweAgent:
    """Importer of mini-swe-agent trajectories."""

    name: str = "mini-swe-agent"

    def sniff(self, _path: Path, head: bytes, /) -> bool:
        """`trajectory_format`, its `info` with messages, or a bare list of messages with its own marks."""
        keys = key_paths(head, depth=3)
        if "schema_version" in keys:
            return False
        if "messages" in keys:
            return "info.mini_version" in keys or b'"mini-swe-agent-1' in head or "trajectory_format" in keys
        return {"[].role", "[].content"} <= keys and any(sign in head for sign in _SIGNS)

    def read(self, path: Path) -> Iterator[Trajectory | Skipped]:
        """The one session of the file."""
        document = read_document(path)
        if isinstance(document, Skipped):
            yield document
            return
        whole = {"messages": document} if isinstance(document, list) else as_object(document)
        skips = SkipCounts(path)
        for key in sorted(set(whole) - _KNOWN):
            skips.add("file", f"unknown part {key!r}")
        trajectory = _Reader(path.name, skips).read(whole)
        if trajectory.items:
            yield trajectory
        else:
            skips.add("file", "no message in it")
        yield from skips


MINI_SWE_AGENT = MiniSweAgent()


@dataclass(slots=True)
class _Reader:
    """One document."""

    name: str
    skips: SkipCounts
    items: list[Message] = field(default_factory=list)
    book: CallBook = field(default_factory=CallBook)
    outcome: JsonObject = field(default_factory=dict)
    waiting: list[ToolCall] = field(default_factory=list)
    cwd: str | None = None
    model: str | None = None

    def read(self, document: JsonObject) -> Trajectory:
        info = as_object(document.get("info"))
        config = as_object(info.get("config"))
        self.cwd = as_text(member(config, "environment", "cwd"))
        self.model = as_text(member(config, "model", "model_name"))
        for number, entry in enumerate(as_list(document.get("messages"))):
            if isinstance(entry, dict):
                self._entry(entry, number)
            else:
                self.skips.add(f"messages[{number}]", f"a JSON {type(entry).__name__} instead of a message")
        self.outcome |= {key: info[key] for key in ("exit_status", "submission", "model_stats") if key in info}
        instance = as_text(document.get("instance_id"))
        own = f"{instance or 'mini-swe-agent'}-{content_hash(document)[:16]}"
        image = as_text(member(config, "environment", "image"))
        metadata = {"instance_id": instance, "image": image, "trajectory_format": document.get("trajectory_format")}
        session = Session(
            id=own, agent="mini-swe-agent", format="mini-swe-agent", lineage=own, cwd=self.cwd,
            agent_version=as_text(info.get("mini_version")), model=self.model,
            platform=platform_of([self.cwd]), started_at=next((m.at for m in self.items if m.at is not None), None),
            autonomous=True, metadata={key: value for key, value in metadata.items() if value is not None},
        )  # fmt: skip
        return Trajectory(session, tuple(self.items), self.outcome)

    def _entry(self, entry: JsonObject, number: int) -> None:
        role, kind = as_text(entry.get("role")), as_text(entry.get("type"))
        extra = as_object(entry.get("extra"))
        source, at = f"{self.name}:messages[{number}]", unix_time(extra.get("timestamp"))
        if kind == "function_call_output":
            self._observation(entry.get("output"), extra, as_text(entry.get("call_id")), source, at, "tool")
        elif role == "assistant" or "output" in entry:
            self._response(entry, extra, source, at)
        elif role == "exit" or (role == "user" and "exit_status" in extra):
            self.outcome |= {key: extra[key] for key in ("exit_status", "submission") if key in extra}
        elif role in {"tool", "user"} and self.waiting:
            self._observation(entry.get("content"), extra, as_text(entry.get("tool_call_id")), source, at, role)
        elif role == "tool":
            self.skips.add(f"messages[{number}]", "a tool message that answers no open call")
        elif role in {"user", "system", "developer"}:
            text, images = content_text(entry.get("content"))
            first = role == "user" and not any(m.role in {"user", "assistant"} for m in self.items)
            self.items.append(
                Message(
                    "user" if role == "user" else "system", text, "user" if first else "harness",
                    at=at, cwd=self.cwd, source=source, extra={"images": images} if images else {},
                )
            )  # fmt: skip
        else:
            self.skips.add(f"messages[{number}]", f"unknown role {role!r}")

    def _response(self, entry: JsonObject, extra: JsonObject, source: str, at: float | None) -> None:
        text, _ = content_text(entry.get("content"))
        reasoning = first_text(entry.get("reasoning_content"), entry.get("reasoning"))
        recorded = [
            (as_text(as_object(c).get("id")), as_object(member(c, "function")))
            for c in as_list(entry.get("tool_calls"))
        ]
        for part in as_list(entry.get("output")):
            item = as_object(part)
            if item.get("type") == "function_call":
                recorded.append((as_text(item.get("call_id")), item))
            elif item.get("type") == "message":
                text = "\n".join(t for t in (text, content_text(item.get("content"))[0]) if t)
            elif item.get("type") == "reasoning":
                reasoning = content_text(item.get("summary"), kinds=("summary_text", "text"))[0] or reasoning
        calls = []
        for recorded_id, function in recorded:
            arguments, raw = parse_arguments(function.get("arguments"))
            calls.append(self.book.add(as_text(function.get("name")) or "bash", arguments, raw, recorded_id))
        if not calls:
            calls = [self.book.add("bash", {"command": c}, c) for c in _text_actions(text, extra)]
        self.waiting = list(calls)
        model = as_text(member(extra, "response", "model")) or self.model
        self.items.append(
            Message(
                "assistant", text, "agent", reasoning, tuple(calls), at=at, cwd=self.cwd, model=model, source=source
            )
        )

    def _observation(
        self, content: Any, extra: JsonObject, recorded: str | None, source: str, at: float | None, role: str
    ) -> None:
        call = next((c for c in self.waiting if recorded is not None and c.recorded_id == recorded), None)
        if call is None and (recorded is None or not self.waiting):
            call = next(iter(self.waiting), None)
        if call is None:
            self.skips.add(source.rpartition(":")[2], "a tool message that answers no open call")
            return
        self.waiting.remove(call)
        self.book.answer(call.recorded_id, among=(call.id,))
        text, images = content_text(content)
        stated = _RETURN_CODE.search(text[:200])
        exit_code = as_int(extra.get("returncode"))
        structured = {k: extra[k] for k in ("raw_output", "returncode", "exception_info") if k in extra}
        result = ToolResult(
            call.id, text, exit_code=int(stated[1]) if exit_code is None and stated else exit_code, images=images,
            structured=structured or None,
        )  # fmt: skip
        kept = {} if role == "tool" else {"role": role}
        self.items.append(Message("tool", origin="tool", result=result, at=at, cwd=self.cwd, source=source, extra=kept))


def _text_actions(text: str, extra: JsonObject) -> list[str]:
    """Commands of a text response: as the agent parsed them, else its one fenced block (two are a format error)."""
    if "actions" in extra:
        commands = [
            a if isinstance(a, str) else as_text(as_object(a).get("command")) for a in as_list(extra["actions"])
        ]
        return [command for command in commands if command]
    found = []
    start = _ACTION_START.search(text)
    while start is not None:
        end = text.find("```", start.end())
        if end < 0:
            break
        found.append(text[start.end() : end].strip())
        start = _ACTION_START.search(text, end + 3)
    return found if len(found) == 1 else []

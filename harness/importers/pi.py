"""Sessions of pi (badlogic/pi-mono) and of OpenClaw, which writes the same: JSONL entries that form a tree.

Format: pi-mono `packages/coding-agent/docs/session.md`. Version 1 has no tree; its compactions count entries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.importers.base import Skipped
from harness.importers.blocks import CallBlock, ResultBlock, read_blocks, read_result
from harness.importers.draft import Draft, Stamp, typed_origin
from harness.importers.pairing import SkipCounts
from harness.importers.reading import Record, read_records
from harness.importers.sniffing import head_records
from harness.importers.tree import Tree
from harness.importers.values import as_int, as_object, as_text, first_text, member, unix_time
from toolsim.trajectory import JsonObject, Session, Trajectory

# Settings, bookmarks and state of extensions: the model sees nothing of them.
_IGNORED = frozenset({"thinking_level_change", "label", "custom", "session_info", "mode_change", "queue"})
_UUID = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_EXIT_CODE = re.compile(r"Command exited with code (\d{1,9})\s*\Z")


@dataclass(frozen=True, slots=True)
class Pi:
    """Importer of pi sessions."""

    name: str = "pi"

    def sniff(self, path: Path, head: bytes) -> bool:  # noqa: ARG002  told by content
        """A header of the type `session` with a directory, or messages of pi's roles."""
        for record in head_records(head)[:20]:
            if record.get("type") == "session" and "cwd" in record and "id" in record:
                return True
            if record.get("type") == "message" and member(record, "message", "role") == "toolResult":
                return True
        return False

    def read(self, path: Path) -> Iterator[Trajectory | Skipped]:
        """The one session of the file."""
        skips = SkipCounts(path)
        reader = _Reader(path, Draft(path.name, skips))
        for record in read_records(path):
            if isinstance(record, Skipped):
                yield record
            else:
                reader.take(record)
        if reader.draft.messages():
            yield Trajectory(reader.session(), tuple(reader.draft.items), reader.outcome)
        else:
            skips.add("file", "no message in it")
        yield from skips


PI = Pi()


@dataclass(slots=True)
class _Reader:
    """Entries in file order."""

    path: Path
    draft: Draft
    header: JsonObject = field(default_factory=dict)
    outcome: JsonObject = field(default_factory=dict)
    model: str | None = None
    is_openclaw: bool = False
    tree: Tree = field(init=False)
    entries: list[str | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tree = Tree(self.draft)
        self.is_openclaw = "openclaw" in self.path.name.lower()

    def take(self, record: Record) -> None:
        entry, kind = record.value, as_text(record.value.get("type"))
        at = unix_time(entry.get("timestamp")) or unix_time(member(entry, "message", "timestamp"))
        stamp = Stamp(f"{record.line}", at)
        if kind == "session":
            self._header(entry)
            self.entries.append(None)
            return
        own, parent = as_text(entry.get("id")), as_text(entry.get("parentId"))
        at_root = own is not None and "parentId" in entry and entry["parentId"] is None
        self.tree.enter(own, parent, stamp, rooted=at_root)
        self.entries.append(self.tree.tip)
        before = len(self.draft.items)
        self._entry(kind, entry, stamp)
        self.tree.leave(before)

    def session(self) -> Session:
        """What the header says, with the lineage of the session that it was forked from."""
        own = as_text(self.header.get("id")) or self.path.stem
        forked = first_text(self.header.get("parentSession"), self.header.get("branchedFrom"))
        found = _UUID.findall(forked or "")
        cwd = as_text(self.header.get("cwd"))
        version = self.header.get("version")
        return Session(
            id=own,
            agent="openclaw" if self.is_openclaw else "pi",
            format="pi",
            lineage=found[-1] if found else forked or own,
            model=self.draft.model() or as_text(self.header.get("modelId")),
            cwd=cwd,
            platform=self.draft.platform(cwd),
            started_at=unix_time(self.header.get("timestamp")) or self.draft.started_at(),
            metadata={
                **({"format_version": version} if version is not None else {}),
                **({"forked_from": forked} if forked is not None else {}),
            },
        )

    def _header(self, entry: JsonObject) -> None:
        self.header = self.header or entry
        self.draft.cwd = as_text(entry.get("cwd")) or self.draft.cwd
        self.model = as_text(entry.get("modelId")) or self.model

    def _entry(self, kind: str | None, entry: JsonObject, stamp: Stamp) -> None:
        if kind == "message":
            self._message(as_object(entry.get("message")), stamp)
        elif kind == "model_change":
            self.model = as_text(entry.get("modelId")) or self.model
        elif kind == "compaction":
            self._compaction(entry, stamp)
        elif kind == "branch_summary":
            self._injected(entry.get("summary"), stamp, {"entry": kind})
        elif kind == "custom_message":
            custom = as_text(entry.get("customType")) or ""
            self.is_openclaw = self.is_openclaw or custom.startswith("openclaw")
            self._injected(entry.get("content"), stamp, {"entry": custom})
        elif kind not in _IGNORED:
            self.draft.skip(stamp, f"unknown entry type {kind!r}")

    def _message(self, message: JsonObject, stamp: Stamp) -> None:
        role = as_text(message.get("role"))
        if role == "assistant":
            self._response(message, stamp)
        elif role == "toolResult":
            found = read_result(message)
            details, stated = message.get("details"), _EXIT_CODE.search(found.content[-100:])
            self.draft.answer(
                ResultBlock(
                    found.content, as_text(message.get("toolCallId")), as_text(message.get("toolName")), found.images,
                    found.is_error, int(stated[1]) if stated else None, None, details,
                ),
                stamp,
            )  # fmt: skip
        elif role == "user":
            blocks = read_blocks(message.get("content"))
            self._note_unknown(blocks.unknown, stamp)
            extra: JsonObject = {"images": blocks.images} if blocks.images else {}
            self.draft.say("user", blocks.text, typed_origin(blocks.text), stamp, extra)
        elif role == "system":
            self.draft.say("system", read_blocks(message.get("content")).text, "harness", stamp)
        elif role == "bashExecution":
            self._user_command(message, stamp)
        elif role in {"custom", "hookMessage"}:
            self._injected(message.get("content"), stamp, {"entry": as_text(message.get("customType")) or role})
        elif role in {"branchSummary", "compactionSummary"}:
            self._injected(message.get("summary"), stamp, {"entry": role})
        else:
            self.draft.skip(stamp, f"unknown message role {role!r}")

    def _response(self, message: JsonObject, stamp: Stamp) -> None:
        blocks = read_blocks(message.get("content"))
        self._note_unknown(blocks.unknown, stamp)
        model = as_text(message.get("model")) or self.model
        stop = as_text(message.get("stopReason"))
        extra: JsonObject = {"stop": stop} if stop in {"aborted", "error", "length"} else {}
        calls = [CallBlock(c.name, c.arguments, c.recorded_id) for c in blocks.calls]
        self.draft.respond(blocks.text, blocks.reasoning, calls, Stamp(stamp.where, stamp.at, model), extra=extra)

    def _user_command(self, message: JsonObject, stamp: Stamp) -> None:
        """A command that the human ran; the model sees it unless the human kept it out."""
        if message.get("excludeFromContext") is True:
            self.draft.skip(stamp, "a command of the user that the model did not see")
            return
        command, output = as_text(message.get("command")) or "", as_text(message.get("output")) or "(no output)"
        code = as_int(message.get("exitCode"))
        ended = f"\n\nCommand exited with code {code}" if code else ""
        text = f"Ran `{command}`\n```\n{output}\n```{ended}"
        self.draft.say("user", text, "harness", stamp, {"user_command": command, "exit_code": code})

    def _compaction(self, entry: JsonObject, stamp: Stamp) -> None:
        kept = as_text(entry.get("firstKeptEntryId"))
        index = as_int(entry.get("firstKeptEntryIndex"))
        if kept is None and index is not None and 0 <= index < len(self.entries):
            kept = self.entries[index]
        summary = self.draft.note(as_text(entry.get("summary")) or "", stamp)
        later = self.tree.since(kept) if kept is not None else ()
        self.draft.compact([summary, *later], stamp)

    def _injected(self, content: Any, stamp: Stamp, extra: JsonObject) -> None:
        blocks = read_blocks(content)
        self._note_unknown(blocks.unknown, stamp)
        self.draft.say("user", blocks.text, "harness", stamp, extra)

    def _note_unknown(self, kinds: list[str], stamp: Stamp) -> None:
        for kind in kinds:
            self.draft.skip(stamp, f"unknown content block {kind!r}")

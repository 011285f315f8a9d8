"""Gemini CLI chat recordings: one JSON document, or (from 0.40) JSONL in which a message is written anew as it grows.

Format: google-gemini/gemini-cli `packages/core/src/services/chatRecordingService.ts`. In JSONL, `$rewindTo` drops a
message and all after it, and `$set.messages` replaces what the model sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.importers.base import Skipped
from harness.importers.blocks import Blocks, CallBlock, ResultBlock, read_blocks
from harness.importers.draft import Draft, Stamp, typed_origin
from harness.importers.pairing import SkipCounts
from harness.importers.reading import read_document, read_records
from harness.importers.sniffing import head_records, key_paths
from harness.importers.values import as_list, as_object, as_text, unix_time
from toolsim.trajectory import JsonObject, Message, Repository, Session, Trajectory, model_view

# Notes to the human: nothing of them reaches the model.
_IGNORED_TYPES = frozenset({"info", "warning", "error"})
_KNOWN_HEADER = frozenset(
    {
        "sessionId",
        "projectHash",
        "startTime",
        "lastUpdated",
        "kind",
        "messages",
        "summary",
        "directories",
        "memoryScratchpad",
    }
)
_EXIT_CODE = re.compile(r"^Exit Code: (-?\d{1,9})$", re.MULTILINE)
_TYPES = frozenset({"user", "gemini"})


@dataclass(frozen=True, slots=True)
class Gemini:
    """Importer of Gemini CLI recordings."""

    name: str = "gemini"

    def sniff(self, path: Path, head: bytes) -> bool:  # noqa: ARG002  told by content
        """A header with session and project, or messages of the type `gemini`."""
        if {"sessionId", "projectHash"} <= key_paths(head, depth=1):
            return True
        return any(record.get("type") == "gemini" and "id" in record for record in head_records(head)[:50])

    def read(self, path: Path) -> Iterator[Trajectory | Skipped]:
        """The one session of the file."""
        skips = SkipCounts(path)
        reader = _Reader(path, skips)
        document = read_document(path)
        if isinstance(document, dict) and "$set" not in document:
            reader.header(document)
            for number, message in enumerate(as_list(document.get("messages"))):
                reader.message(message, f"messages[{number}]")
        else:
            for record in read_records(path):
                if isinstance(record, Skipped):
                    yield record
                else:
                    reader.line(record.value, f"{record.line}")
        trajectory = reader.build()
        if trajectory is not None:
            yield trajectory
        else:
            skips.add("file", "no message in it")
        yield from skips


GEMINI = Gemini()


@dataclass(slots=True)
class _Entry:
    """One step of the log: a message (with what was last written of it), a rewind or a new view of the model."""

    where: str
    message: JsonObject | None = None
    rewind: str | None = None
    view: list[Any] | None = None


@dataclass(slots=True)
class _Reader:
    """One file, folded to the last state of each message in the order of their first appearance."""

    path: Path
    skips: SkipCounts
    about: JsonObject = field(default_factory=dict)
    entries: list[_Entry] = field(default_factory=list)
    known: dict[str, _Entry] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)

    def header(self, value: JsonObject) -> None:
        self.about |= {key: member for key, member in value.items() if key != "messages"}
        for key in sorted(set(value) - _KNOWN_HEADER):
            self.skips.add("file", f"unknown part {key!r}")

    def line(self, value: JsonObject, where: str) -> None:
        if isinstance(value.get("$set"), dict):
            self._set(value["$set"], where)
        elif "$rewindTo" in value:
            self.entries.append(_Entry(where, rewind=as_text(value["$rewindTo"]) or ""))
        elif "sessionId" in value and "type" not in value:
            self.header(value)
            for number, message in enumerate(as_list(value.get("messages"))):
                self.message(message, f"{where}.messages[{number}]")
        else:
            self.message(value, where)

    def message(self, value: Any, where: str) -> None:
        kind = as_text(as_object(value).get("type"))
        if kind in _IGNORED_TYPES:
            return
        if kind not in _TYPES:
            self.skips.add(f"line {where}" if where.isdigit() else where, f"unknown message type {kind!r}")
            return
        own = as_text(value.get("id"))
        if own is not None and own in self.known:
            self.known[own].message = value
            return
        entry = _Entry(where, message=value)
        self.entries.append(entry)
        if own is not None:
            self.known[own] = entry

    def build(self) -> Trajectory | None:
        draft = Draft(self.path.name, self.skips)
        for entry in self.entries:
            if entry.message is not None:
                self.places.setdefault(as_text(entry.message.get("id")) or "", len(draft.items))
                _add_message(draft, entry.message, entry.where)
            elif entry.rewind is not None:
                self._rewind(draft, entry)
            else:
                _replace_view(draft, entry)
        if not draft.messages():
            return None
        return Trajectory(self._session(draft), tuple(draft.items), _outcome(self.about))

    def _set(self, values: JsonObject, where: str) -> None:
        if isinstance(values.get("messages"), list):
            self.entries.append(_Entry(where, view=values["messages"]))
        self.header(values)

    def _rewind(self, draft: Draft, entry: _Entry) -> None:
        to = self.places.get(entry.rewind or "")
        if to is None:
            draft.skip(Stamp(entry.where), "a rewind to a message that is not in the file")
        elif to < len(draft.items):
            draft.rewind(to, Stamp(entry.where))

    def _session(self, draft: Draft) -> Session:
        own = as_text(self.about.get("sessionId")) or self.path.stem
        is_agent = self.about.get("kind") == "subagent"
        parent = self.path.parent.name if is_agent and self.path.parent.name != "chats" else None
        if is_agent:
            draft.items = [
                replace(i, origin="harness") if isinstance(i, Message) and i.origin == "user" else i
                for i in draft.items
            ]
        directories = [d for d in as_list(self.about.get("directories")) if isinstance(d, str)]
        return Session(
            id=own,
            agent="gemini",
            format="gemini",
            lineage=parent or own,
            model=draft.model(),
            repository=Repository(),
            platform=draft.platform(*directories),
            started_at=unix_time(self.about.get("startTime")) or draft.started_at(),
            parent=parent,
            autonomous=is_agent,
            metadata={k: self.about[k] for k in ("projectHash", "kind", "directories") if self.about.get(k)},
        )


def _outcome(about: JsonObject) -> JsonObject:
    return {key: about[key] for key in ("summary", "lastUpdated") if as_text(about.get(key)) is not None}


def _add_message(draft: Draft, value: JsonObject, where: str) -> None:
    stamp = Stamp(where, unix_time(value.get("timestamp")), as_text(value.get("model")))
    blocks = read_blocks(value.get("content"))
    for kind in blocks.unknown:
        draft.skip(stamp, f"unknown content block {kind!r}")
    if value.get("type") == "user":
        _add_prompt(draft, value, blocks, stamp)
        return
    thoughts = [as_object(thought) for thought in as_list(value.get("thoughts"))]
    parts = [(as_text(t.get("subject")), as_text(t.get("description"))) for t in thoughts]
    spoken = "\n\n".join("\n".join(p for p in part if p) for part in parts)
    records = [as_object(call) for call in as_list(value.get("toolCalls"))]
    calls = [
        CallBlock(as_text(c.get("name")) or "", c.get("args"), as_text(c.get("id"))) for c in records
    ] or blocks.calls
    made = draft.respond(blocks.text, spoken or blocks.reasoning, calls, stamp)
    for call, record in zip(made, records, strict=False):
        _add_result(draft, record, call.recorded_id, stamp)


def _add_prompt(draft: Draft, value: JsonObject, blocks: Blocks, stamp: Stamp) -> None:
    open_calls = set(draft.open_calls())
    for result in blocks.results:
        if open_calls:  # a response that its call's own record holds too is no second one
            draft.answer(result, stamp)
    if not blocks.text and not blocks.images:
        return
    typed = read_blocks(value.get("displayContent")).text
    extra: JsonObject = {"typed": typed} if typed and typed != blocks.text else {}
    if blocks.images:
        extra["images"] = blocks.images
    draft.say("user", blocks.text, typed_origin(typed or blocks.text), stamp, extra)


def _add_result(draft: Draft, record: JsonObject, recorded_id: str | None, stamp: Stamp) -> None:
    """The result that a call's own record holds: the parts that were sent to the model."""
    parts = record.get("result")
    if not parts:
        return
    blocks = read_blocks(parts)
    status = as_text(record.get("status"))
    text = "\n".join([*(result.content for result in blocks.results), *blocks.texts])
    stated = _EXIT_CODE.search(text)
    errors = [result.is_error for result in blocks.results]
    is_error = {"success": False, "error": True, "cancelled": True}.get(status or "", any(errors) or None)
    display = record.get("resultDisplay")
    draft.answer(
        ResultBlock(
            text, recorded_id, as_text(record.get("name")), blocks.images, is_error,
            int(stated[1]) if stated else None, None, {"resultDisplay": display} if display else None,
        ),
        Stamp(stamp.where, unix_time(record.get("timestamp")) or stamp.at),
    )  # fmt: skip


def _replace_view(draft: Draft, entry: _Entry) -> None:
    """The model's new view, unless it says what the model sees anyway."""
    other = Draft(draft.name, draft.skips, book=draft.book)
    for number, message in enumerate(entry.view or ()):
        value = as_object(message)
        if as_text(value.get("type")) in _TYPES:
            _add_message(other, value, f"{entry.where}.messages[{number}]")
    wanted = [_copied(message) for message in other.messages()]
    if [_said(m) for m in wanted] != [_said(m) for m in model_view(draft.items)]:
        draft.compact(wanted, Stamp(entry.where))


def _said(message: Message) -> tuple[str, str, tuple[str, ...]]:
    text = message.result.content if message.result is not None else message.text
    return message.role, text, tuple(call.name for call in message.calls)


def _copied(message: Message) -> Message:
    """A message as part of a new view: nobody types it again."""
    return replace(message, origin="harness") if message.origin == "user" else message

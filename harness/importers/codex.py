"""Codex CLI rollouts: JSONL of wrapped records, the older bare items, and the oldest single JSON document.

Format: openai/codex `codex-rs/protocol/src/protocol.rs` (`RolloutItem`, `EventMsg`) and `models.rs` (`ResponseItem`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.importers.base import Skipped
from harness.importers.codex_session import CodexReader
from harness.importers.pairing import SkipCounts
from harness.importers.reading import Record, read_document, read_records
from harness.importers.sniffing import head_records, key_paths
from harness.importers.values import as_list, as_object, kind_of
from toolsim.trajectory import JsonObject, Message, Trajectory

WRAPPED = frozenset(
    {
        "session_meta", "response_item", "event_msg", "turn_context", "compacted", "world_state",
        "inter_agent_communication", "inter_agent_communication_metadata",
    }
)  # fmt: skip

_SIGNS = (b'"session_meta"', b'"turn_context"', b'"response_item"', b'"event_msg"')


@dataclass(frozen=True, slots=True)
class Codex:
    """Importer of Codex CLI rollouts."""

    name: str = "codex"

    def sniff(self, _path: Path, head: bytes, /) -> bool:
        """Wrapped records (`type` and `payload`), a bare header line, or a document of `session` and `items`."""
        records = head_records(head)
        if any(kind_of(record) in WRAPPED and "payload" in record for record in records):
            return True
        if records:
            return _is_bare_header(records[0])
        keys = key_paths(head, depth=2)
        if {"type", "payload"} <= keys and any(sign in head[:400] for sign in _SIGNS):
            return True
        return {"session.id", "items"} <= keys and not keys & {"messages", "steps"}

    def read(self, path: Path) -> Iterator[Trajectory | Skipped]:
        """The one session of a rollout."""
        skips = SkipCounts(path)
        reader = CodexReader(path.name, skips)
        damaged: list[Skipped] = []
        for record in read_records(path):
            if isinstance(record, Skipped):
                damaged.append(record)
            elif (kind := kind_of(record.value)) in WRAPPED and "payload" in record.value:
                reader.take(str(kind), as_object(record.value.get("payload")), record)
            else:
                _take_bare(reader, record)
        if not reader.items and damaged:
            document = read_document(path)
            if isinstance(document, dict) and isinstance(document.get("items"), list):
                damaged = []
                _take_document(reader, document)
        yield from damaged
        trajectory = reader.finish(path.stem)
        if any(isinstance(item, Message) for item in trajectory.items):
            yield trajectory
        else:
            skips.add("file", "no message in it")
        yield from skips


CODEX = Codex()


def _take_bare(reader: CodexReader, record: Record) -> None:
    value = record.value
    if "record_type" in value:
        return
    if isinstance(value.get("items"), list) and isinstance(value.get("session"), dict):
        _take_document(reader, value)
    elif _is_bare_header(value):
        reader.take("session_meta", value, record)
    else:
        reader.take("response_item", value, record)


def _take_document(reader: CodexReader, document: JsonObject) -> None:
    header = as_object(document.get("session"))
    reader.take("session_meta", header, Record(1, header))
    for number, item in enumerate(as_list(document.get("items")), 1):
        if isinstance(item, dict):
            reader.take("response_item", item, Record(number, item))


def _is_bare_header(record: JsonObject) -> bool:
    return "type" not in record and "role" not in record and {"id", "timestamp"} <= set(record) and (
        "instructions" in record or "git" in record
    )  # fmt: skip

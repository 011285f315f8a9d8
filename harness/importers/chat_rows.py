"""Rows of public chat data sets: one conversation a row, without tools, from JSONL, a JSON array or Parquet.

Read are the columns that the cards of WildChat (`conversation_hash`, `conversation` with `role` and `content`, `toxic`,
`redacted`, `hashed_ip`, …), LMSYS-Chat-1M (`conversation_id`, `openai_moderation`, …) and files in ShareGPT's form
(`conversations` with `from` and `value`) name. One row is held at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.importers.arrays import is_array, read_array
from harness.importers.base import Skipped
from harness.importers.pairing import SkipCounts
from harness.importers.parquet import MAGIC, read_rows
from harness.importers.reading import Record, read_records
from harness.importers.sniffing import head_records, key_paths
from harness.importers.values import as_list, as_object, as_text, first_text, unix_time
from toolsim.trajectory import JsonObject, Message, Session, Trajectory, content_hash

_ROLES: dict[str, Literal["user", "assistant", "system"]] = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "chatgpt", "bing", "bard", "model"), "assistant"),
    "system": "system",
}  # fmt: skip
_COLUMNS = ("conversation", "conversations")
_TELLING = frozenset({"conversation_hash", "openai_moderation", "toxic", "redacted", "detoxify_moderation"})
_IDS = ("conversation_hash", "conversation_id", "id", "question_id")
_FACTS = ("language", "turn", "toxic", "redacted", "country", "state", "source", "dataset")
_TOOLS = re.compile(rb'<tool_call>|<function=|"tool_calls"|"function_call"|OBSERVATION|"tools"\s*:|observation"')


@dataclass(frozen=True, slots=True)
class ChatRows:
    """Importer of chat data sets."""

    name: str = "chat-rows"

    def sniff(self, path: Path, head: bytes) -> bool:  # noqa: ARG002  told by content
        """Parquet with such a column, or JSON rows of these forms in which nothing speaks of tools."""
        if head.startswith(MAGIC):
            return True
        if _TOOLS.search(head):
            return False
        records = head_records(head)[:20]
        if records:
            return any(_is_row(record) for record in records) and not any("messages" in record for record in records)
        keys = {key.removeprefix("[].") for key in key_paths(head, depth=2)}
        return "conversations[].from" in keys or ("conversation[].role" in keys and bool(_TELLING & keys))

    def read(self, path: Path) -> Iterator[Trajectory | Skipped]:
        """Every conversation; rows that cannot be used are counted by reason."""
        skips = SkipCounts(path)
        for row in _rows(path):
            if isinstance(row, Skipped):
                skips.add(row.where, row.reason)
                continue
            found = _read(path.name, row)
            if isinstance(found, Trajectory):
                yield found
            else:
                skips.add(_place(row), found)
        yield from skips


CHAT_ROWS = ChatRows()


def _rows(path: Path) -> Iterator[Record | Skipped]:
    if _magic(path) == MAGIC:
        yield from read_rows(path, _COLUMNS)
    elif is_array(path):
        yield from read_array(path)
    else:
        yield from read_records(path)


def _magic(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(4)


def _is_row(value: JsonObject) -> bool:
    for column in _COLUMNS:
        listed = value.get(column)
        if isinstance(listed, list) and listed:
            first = as_object(listed[0])
            if column == "conversations" and "from" in first and "value" in first:
                return True
            return "role" in first and "content" in first and bool(_TELLING & value.keys())
    return False


def _read(name: str, row: Record) -> Trajectory | str:
    """The conversation of a row, or why it is none."""
    value = row.value
    column = next((c for c in _COLUMNS if c in value), None)
    if column is None:
        return "a row without conversation"
    if not isinstance(value[column], list):
        return "a conversation that is no list"
    if not value[column]:
        return "an empty conversation"
    messages: list[Message] = []
    for number, turn in enumerate(value[column]):
        message = _message(turn, value, f"{name}:{row.line}[{number}]")
        if isinstance(message, str):
            return message
        messages.append(message)
    if not any(m.role == "user" for m in messages):
        return "a conversation without a user"
    if not any(m.role == "assistant" for m in messages):
        return "a conversation without an answer"
    return Trajectory(_session(value, column, messages), tuple(messages))


def _message(turn: Any, row: JsonObject, source: str) -> Message | str:
    if not isinstance(turn, dict):
        return "a message that is no object"
    said = turn.get("role", turn.get("from"))
    role = _ROLES.get(said.lower()) if isinstance(said, str) else None
    if role is None:
        return "a message without role" if said is None else "a message of an unknown role"
    text = turn.get("content", turn.get("value"))
    if not isinstance(text, str):
        return "a message without text"
    if role == "assistant" and not text.strip():
        return "an empty answer"
    origin: dict[str, Literal["user", "agent", "harness"]] = {
        "user": "user", "assistant": "agent", "system": "harness"
    }  # fmt: skip
    model = as_text(row.get("model")) if role == "assistant" else None
    return Message(role, text, origin[role], at=unix_time(turn.get("timestamp")), model=model, source=source)


def _session(row: JsonObject, column: str, messages: list[Message]) -> Session:
    first = next((as_object(turn) for turn in as_list(row[column]) if as_object(turn).get("hashed_ip")), {})
    named = next((str(row[key]) for key in _IDS if isinstance(row.get(key), str | int) and row[key] != ""), "chat")
    said = content_hash([[m.role, m.text, m.at] for m in messages])
    own = f"{named[:24]}-{said[:16]}"
    facts: JsonObject = {key: row[key] for key in _FACTS if isinstance(row.get(key), str | int | bool)}
    if named != "chat":
        facts["conversation"] = named
    flagged = [as_object(one).get("flagged") for one in as_list(row.get("openai_moderation"))]
    if any(isinstance(flag, bool) for flag in flagged):
        facts["flagged"] = any(flag is True for flag in flagged)
    return Session(
        id=own,
        agent="chat",
        format="chat-rows",
        lineage=own,
        model=first_text(row.get("model")),
        user=first_text(row.get("hashed_ip"), first.get("hashed_ip"), row.get("user_id")),
        started_at=next((m.at for m in messages if m.at is not None), None) or unix_time(row.get("timestamp")),
        metadata=facts,
    )


def _place(row: Record) -> str:
    return f"row {row.line}"

"""Message lists of OpenAI-style APIs: one list, wrappers with tools, many sessions in a file, JSONL of any of these.

Read are chat-completions messages (also the legacy `function_call`, Anthropic blocks, data sets with JSON texts or
`from`/`value` pairs), tau-bench results and items of the Responses API with their `previous_response_id` chains.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.importers.base import Skipped
from harness.importers.chat_messages import (
    add_message,
    add_response_item,
    first_present,
    is_response_item,
    read_tool_definitions,
    role_of,
)
from harness.importers.draft import Draft, Stamp
from harness.importers.pairing import SkipCounts
from harness.importers.reading import Damaged, Record, parse_json, read_document, read_records
from harness.importers.sniffing import head_records, key_paths
from harness.importers.values import as_list, as_object, as_text, first_text, member, unix_time
from toolsim.trajectory import JsonObject, Session, Trajectory, content_hash

_LISTS = ("messages", "traj", "trajectory", "conversations", "conversation", "input", "items", "history")
_IDS = ("session_id", "conversation_id", "instance_id", "trajectory_id", "task_id", "id")
_OUTCOMES = ("reward", "info", "resolved", "success", "score", "exit_status", "model_patch", "patch", "result", "usage")
_TEXT_LIST = re.compile(rb'"(?:messages|traj|trajectory|conversations)"\s*:\s*"\[')


@dataclass(frozen=True, slots=True)
class Chat:
    """Importer of message lists."""

    name: str = "chat"

    def sniff(self, path: Path, head: bytes) -> bool:  # noqa: ARG002  told by content
        """Objects with roles: alone, in a list, or in a list under one of the usual names."""
        keys = key_paths(head, depth=3)
        if "schema_version" in keys or "sessionId" in keys:
            return False
        if any(_is_conversation(record) or _is_message(record) for record in head_records(head)[:20]):
            return True
        for base in ("", "[]."):
            for name in _LISTS:
                if {f"{base}{name}[].role", f"{base}{name}[].from"} & keys and f"{base}{name}[].info.role" not in keys:
                    return True
                if f"{base}{name}[].call_id" in keys:
                    return True
        if head.lstrip()[:1] == b"[":
            return bool({"[].content", "[].tool_calls"} & keys and "[].role" in keys) or "[].call_id" in keys
        return _TEXT_LIST.search(head) is not None or "tools[].function.name" in keys

    def read(self, path: Path) -> Iterator[Trajectory | Skipped]:
        """Every conversation of the file."""
        skips = SkipCounts(path)
        found = 0
        for item in _conversations(path):
            if isinstance(item, Skipped):
                yield item
                continue
            trajectory = _read(path.name, item, skips)
            if trajectory is None:
                skips.add(item.where or "file", "no message in it")
            else:
                found += 1
                yield trajectory
        yield from skips


CHAT = Chat()


@dataclass(frozen=True, slots=True)
class _Conversation:
    """What a file says of one conversation. `lines` are those of its messages, where each has its own."""

    where: str
    value: JsonObject
    lines: tuple[int, ...] = ()

    def place(self, key: str, number: int) -> str:
        if self.lines:
            return f"{self.lines[number]}"
        return f"{self.where}.{key}[{number}]" if self.where else f"{key}[{number}]"


def _conversations(path: Path) -> Iterator[_Conversation | Skipped]:
    document = read_document(path)
    if isinstance(document, Skipped):
        yield from _from_lines(path, document)
    elif isinstance(document, dict):
        yield _Conversation("", {"messages": [document]} if _is_message(document) else document)
    elif not isinstance(document, list):
        yield Skipped(str(path), "file", f"a JSON {type(document).__name__} instead of messages")
    elif any(_is_conversation(value) for value in document):
        for number, value in enumerate(document):
            if isinstance(value, dict):
                yield _Conversation(f"[{number}]", value)
            else:
                yield Skipped(str(path), f"[{number}]", f"a JSON {type(value).__name__} instead of a conversation")
    elif document and all(isinstance(value, list) for value in document):
        yield from (_Conversation(f"[{number}]", {"messages": value}) for number, value in enumerate(document))
    else:
        yield _Conversation("", {"messages": document})


def _from_lines(path: Path, why: Skipped) -> Iterator[_Conversation | Skipped]:
    """JSONL: a conversation a line, or a message a line; responses that continue each other are one conversation."""
    single: list[Record] = []
    wrong: list[Skipped] = []
    chains = _Chains()
    whole = 0
    for record in read_records(path):
        if isinstance(record, Skipped):
            wrong.append(record)
        elif not _is_conversation(record.value):
            single.append(record)
        elif not chains.take(record):
            whole += 1
            yield _Conversation(f"{record.line}", record.value)
    yield from (_Conversation(f"{line}", value) for line, value in chains.found.values())
    if single:
        yield _Conversation("", {"messages": [r.value for r in single]}, tuple(r.line for r in single))
    yield from wrong if whole or single or chains.found else [why]


@dataclass(slots=True)
class _Chains:
    """Responses joined by `previous_response_id`: `found` has the first line and the joined request of each chain."""

    found: dict[str, tuple[int, JsonObject]] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)

    def take(self, record: Record) -> bool:
        """Whether the record is a response with an id, and thereby part of a chain."""
        value = record.value
        own, previous = as_text(value.get("id")), as_text(value.get("previous_response_id"))
        if own is None or "output" not in value:
            return False
        root = self.roots.get(previous, own) if previous is not None else own
        self.roots[own] = root
        if root in self.found:
            joined = self.found[root][1]
            joined["input"] = [*joined["input"], *_turn_items(value)]
        else:
            self.found[root] = record.line, {**value, "input": _turn_items(value), "output": []}
        return True


def _turn_items(value: JsonObject) -> list[Any]:
    given = value.get("input")
    start = [{"role": "user", "content": given}] if isinstance(given, str) else as_list(given)
    return [*start, *as_list(value.get("output"))]


def _read(name: str, conversation: _Conversation, skips: SkipCounts) -> Trajectory | None:
    value = conversation.value
    request = as_object(value.get("request")) or as_object(value.get("body"))
    if request and not any(key in value for key in _LISTS):
        value = {**value, **request}
    messages, key = _messages(value)
    draft = Draft(name, skips)
    fenced = key == "trajectory" and any(member(message, "role") == "ai" for message in messages)
    as_items = any(is_response_item(message) for message in messages)
    for number, message in enumerate(messages):
        where = conversation.place(key, number)
        if not isinstance(message, dict):
            draft.skip(Stamp(where), f"a JSON {type(message).__name__} instead of a message")
        elif as_items:
            add_response_item(draft, message, where)
        else:
            add_message(draft, message, where, fenced=fenced)
    if not draft.items:
        return None
    return Trajectory(_session(draft, value, key), tuple(draft.items), _outcome(value))


def _messages(value: JsonObject) -> tuple[list[Any], str]:
    """The message list with the key that held it; an API's answer joins the messages that it answers."""
    for key in _LISTS:
        listed = value.get(key)
        if key == "input" and (isinstance(listed, str) or "output" in value):
            return _turn_items(value), key
        if isinstance(listed, str):
            listed = _parsed(listed)
        if isinstance(listed, list):
            answer = value if "choices" in value else as_object(value.get("response"))
            choices = [as_object(as_object(choice).get("message")) for choice in as_list(answer.get("choices"))[:1]]
            return [*listed, *choices, *as_list(answer.get("output"))], key
    return as_list(value.get("output")), "output"


def _parsed(text: str) -> Any:
    try:
        return parse_json(text)
    except Damaged:
        return None


def _session(draft: Draft, value: JsonObject, key: str) -> Session:
    trial = value.get("trial")
    named = next((str(value[k]) for k in _IDS if isinstance(value.get(k), str | int) and value[k] != ""), None)
    parts = [named or "chat", *([f"trial-{trial}"] if isinstance(trial, int) else [])]
    own = "-".join([*parts, content_hash(value)[:16]])
    simulated_user = key == "traj"
    users = [m for m in draft.messages() if m.role == "user" and m.origin == "user"]
    metadata = {
        k: value[k] for k in (*_IDS, "trial", "dataset", "source", "repo") if isinstance(value.get(k), str | int)
    }
    return Session(
        id=own,
        agent="chat",
        format="chat",
        lineage=own,
        model=draft.model() or first_text(value.get("model"), value.get("model_name")),
        cwd=as_text(value.get("cwd")),
        platform=draft.platform(as_text(value.get("cwd"))),
        system_prompt=first_text(value.get("instructions"), value.get("system")),
        tools=read_tool_definitions(first_present(value, "tools", "functions")),
        user=first_text(value.get("user"), value.get("user_id"), member(value, "info", "task", "user_id")),
        started_at=draft.started_at() or unix_time(first_present(value, "created_at", "created", "timestamp")),
        autonomous=len(users) == 1 and not simulated_user and ("instance_id" in value or "resolved" in value),
        metadata=metadata,
    )


def _outcome(value: JsonObject) -> JsonObject:
    return {key: value[key] for key in _OUTCOMES if value.get(key) is not None}


def _is_message(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    has_content = any(key in value for key in ("content", "tool_calls", "function_call", "value"))
    return bool(role_of(value) is not None and has_content) or (is_response_item(value) and "call_id" in value)


def _is_conversation(value: Any) -> bool:
    """An object that holds messages, in whichever form."""
    if not isinstance(value, dict) or "schema_version" in value or "sessionId" in value:
        return False
    if isinstance(value.get("input"), str | list) and isinstance(value.get("output"), list):
        return True
    if any(_is_conversation(value.get(key)) for key in ("request", "body")):
        return True
    for key in _LISTS:
        listed = value.get(key)
        if isinstance(listed, list) and any(
            _is_message(m) or (is_response_item(m) and key != "history") for m in listed[:5]
        ):
            return True
        if isinstance(listed, str) and key != "input" and listed.lstrip().startswith("["):
            return True
    return False

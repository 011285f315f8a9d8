"""What one record of an unknown agent's log is, told by its structure alone."""

from __future__ import annotations

from typing import Literal

from harness.importers.blocks import CallBlock, call_id_of
from harness.importers.chat_messages import role_of
from harness.importers.values import as_object, as_text, first_text
from toolsim.trajectory import JsonObject

Kind = Literal["system", "user", "assistant", "tool", "call", "result", "reasoning"]

_BY_TYPE: dict[str, Kind] = {
    "system": "system", "developer": "system", "user": "user", "human": "user", "user_message": "user",
    "prompt": "user", "assistant": "assistant", "agent": "assistant", "ai": "assistant",
    "assistant_message": "assistant",
    "agent_message": "assistant", "completion": "assistant", "model": "assistant", "tool": "tool",
    "tool_call": "call", "tool_use": "call", "toolCall": "call", "function_call": "call", "tool-call": "call",
    "tool_result": "result", "toolResult": "result", "tool_output": "result", "tool-result": "result",
    "function_call_output": "result", "tool_response": "result", "observation": "result", "reasoning": "reasoning",
    "thinking": "reasoning",
}  # fmt: skip
_CONTENT = (
    "content", "text", "message", "parts", "finalText", "tool_calls", "toolCalls", "summary", "value", "output",
    "input",
)  # fmt: skip
_CALL_SIGNS = (
    "message",
    "toolCallId",
    "tool_call_id",
    "call_id",
    "toolName",
    "name",
    "tool_name",
    "parameters",
    "arguments",
    "input",
)


def kind_of(record: JsonObject) -> Kind | None:
    """What the record is; `None` for what says nothing of the conversation."""
    kind = as_text(record.get("type")) or ""
    message = as_object(record.get("message"))
    role = role_of(message) or role_of(as_object(record.get("info"))) or role_of(record)
    by_type = _BY_TYPE.get(kind)
    if by_type in {"call", "result", "reasoning"}:
        return by_type
    found: Kind | None = role or by_type  # type: ignore[assignment]
    return found


def is_record(record: JsonObject) -> bool:
    """Whether the record is part of a conversation, with something in it."""
    kind = kind_of(record)
    if kind is None:
        return False
    if kind in {"call", "result"}:
        return any(key in record for key in _CALL_SIGNS)
    return any(key in record for key in _CONTENT)


def message_of(record: JsonObject) -> JsonObject:
    """The message inside a record, or the record itself."""
    inner = record.get("message")
    return inner if isinstance(inner, dict) else record


def call_of(record: JsonObject) -> CallBlock:
    """The call of a record that is a call."""
    name = first_text(record.get("toolName"), record.get("tool_name"), record.get("name"), record.get("tool"))
    keys = ("parameters", "arguments", "input", "args")
    arguments = next((record[key] for key in keys if record.get(key) is not None), None)
    return CallBlock(name or "", arguments, call_id_of(record))

"""How many prompt tokens a conversation has, without the model's own tokenizer: an estimate on the high side. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from toolsim.trajectory import JsonObject, ToolDefinition, canonical_json

_BYTES_PER_TOKEN = 3.0
_PER_MESSAGE = 6


def estimate(messages: Sequence[JsonObject], tools: Sequence[ToolDefinition] = ()) -> int:
    """UTF-8 bytes over three, plus six a message."""
    size = sum(_size(message) for message in messages)
    size += sum(_bytes(t.name) + _bytes(t.description) + _bytes(canonical_json(t.parameters)) for t in tools)
    return int(size / _BYTES_PER_TOKEN) + _PER_MESSAGE * (len(messages) + len(tools))


def _size(message: JsonObject) -> int:
    content = message.get("content") or ""
    size = _bytes(content if isinstance(content, str) else canonical_json(content))
    for call in message.get("tool_calls") or ():
        size += _bytes(call["function"]["name"]) + _bytes(call["function"]["arguments"])
    return size


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))

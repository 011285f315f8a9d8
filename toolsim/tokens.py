"""How many prompt tokens a conversation has, without the model's own tokenizer: an estimate. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from toolsim.trajectory import JsonObject, ToolDefinition, canonical_json

_BYTES_PER_TOKEN = 2.8
_PER_MESSAGE = 6
_ALWAYS = 200


def estimate(messages: Sequence[JsonObject], tools: Sequence[ToolDefinition] = ()) -> int:
    """UTF-8 bytes over 2.8, plus six a message, plus 200 for the template.

    Against the exact count of a Qwen 2.5 tokenizer on the prefixes of 120 real sessions: median 1.2 times, from 0.87
    (a prefix full of numbers) to 1.6.
    """
    size = sum(_size(message) for message in messages)
    size += sum(_bytes(t.name) + _bytes(t.description) + _bytes(canonical_json(t.parameters)) for t in tools)
    return int(size / _BYTES_PER_TOKEN) + _PER_MESSAGE * (len(messages) + len(tools)) + _ALWAYS


def _size(message: JsonObject) -> int:
    content = message.get("content") or ""
    size = _bytes(content if isinstance(content, str) else canonical_json(content))
    for call in message.get("tool_calls") or ():
        size += _bytes(call["function"]["name"]) + _bytes(call["function"]["arguments"])
    return size


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))

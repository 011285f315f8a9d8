"""Tool definitions inferred from calls, for sessions whose recording and scaffold give none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from toolsim.trajectory import JsonObject, Message, ToolCall, ToolDefinition

_MAX_DEPTH = 6


def infer_tools(messages: Iterable[Message]) -> tuple[ToolDefinition, ...]:
    """One definition for each tool name that was called, in order of its first call.

    The parameters are a JSON schema that every seen call fits: the types seen of each argument, and as required those
    that every call has. Calls whose arguments are no JSON object (free text) give a single text parameter `input`.
    Nothing is said of what was not seen; descriptions are empty.
    """
    seen: dict[str, list[ToolCall]] = {}
    for message in messages:
        for call in message.calls:
            if call.name:
                seen.setdefault(call.name, []).append(call)
    return tuple(ToolDefinition(name, "", _parameters(calls)) for name, calls in seen.items())


def _parameters(calls: Sequence[ToolCall]) -> JsonObject:
    objects = [call.arguments for call in calls if call.raw is None or call.arguments]
    if not objects:
        return {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    return _schema(objects)


def _schema(values: Sequence[Any], depth: int = 0) -> JsonObject:
    """A schema that all values fit."""
    kinds: dict[str, list[Any]] = {}
    for value in values:
        kinds.setdefault(_kind(value), []).append(value)
    if "number" in kinds and "integer" in kinds:
        kinds["number"] += kinds.pop("integer")
    names = list(kinds)
    schema: JsonObject = {"type": names[0] if len(names) == 1 else names}
    if depth < _MAX_DEPTH:
        if "object" in kinds:
            schema |= _object_parts(kinds["object"], depth)
        items = [item for value in kinds.get("array", ()) for item in value]
        if items:
            schema["items"] = _schema(items, depth + 1)
    return schema


def _object_parts(values: Sequence[JsonObject], depth: int) -> JsonObject:
    found: dict[str, list[Any]] = {}
    for value in values:
        for key, member in value.items():
            found.setdefault(key, []).append(member)
    required = [key for key, members in found.items() if len(members) == len(values)]
    parts: JsonObject = {"properties": {key: _schema(members, depth + 1) for key, members in found.items()}}
    if required:
        parts["required"] = required
    return parts


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list | tuple) else "object"

"""One JSON schema for the next action of an agent, made from its tool definitions, and the reading of such an action.

For models that do not keep to tool calls: a call of one tool, or `finish` with a message. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolsim.trajectory import JsonObject, ToolCall, ToolDefinition

FINISH = "finish"
_KEPT = ("type", "enum", "const")
_DEEP = 12


def action_schema(tools: Sequence[ToolDefinition]) -> JsonObject:
    """`{"action": {"tool": NAME, "arguments": …}}` for any of the tools, or `{"tool": "finish", "message": …}`.

    Only what a grammar can hold is kept of a tool's schema; local references are resolved. An agent whose own tools
    include `finish` gets no other.
    """
    choices = [_closed({"tool": {"const": tool.name}, "arguments": _arguments(tool.parameters)}) for tool in tools]
    if all(tool.name != FINISH for tool in tools):
        choices.append(_closed({"tool": {"const": FINISH}, "message": {"type": "string"}}))
    return _closed({"action": {"anyOf": choices}})


def read_action(value: Any) -> ToolCall | str:
    """A validated action: the call (without an id), or the closing message."""
    action = value["action"]
    if action["tool"] == FINISH and "message" in action:
        return str(action["message"])
    return ToolCall("", action["tool"], action["arguments"])


def _closed(properties: JsonObject) -> JsonObject:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _arguments(schema: JsonObject) -> JsonObject:
    plain = _plain(schema, schema, 0)
    if plain.get("type") != "object":
        return {"type": "object", "properties": {}, "additionalProperties": True}
    return plain


def _plain(schema: Any, root: JsonObject, depth: int) -> JsonObject:
    if not isinstance(schema, dict) or depth > _DEEP:
        return {}
    if "$ref" in schema:
        return _plain(_resolved(schema["$ref"], root), root, depth + 1)
    for union in ("anyOf", "oneOf"):
        if isinstance(schema.get(union), list):
            return {"anyOf": [_plain(choice, root, depth + 1) for choice in schema[union]]}
    if isinstance(schema.get("allOf"), list) and len(schema["allOf"]) == 1:
        return _plain(schema["allOf"][0], root, depth + 1)
    plain: JsonObject = {key: schema[key] for key in _KEPT if key in schema}
    if "items" in schema:
        plain["items"] = _plain(schema["items"], root, depth + 1)
    properties = schema.get("properties")
    if isinstance(properties, dict):
        plain["type"] = "object"
        plain["properties"] = {name: _plain(value, root, depth + 1) for name, value in properties.items()}
        plain["required"] = [name for name in schema.get("required") or () if name in properties]
        plain["additionalProperties"] = False
    elif plain.get("type") == "object":
        values = schema.get("additionalProperties")
        plain["additionalProperties"] = _plain(values, root, depth + 1) if isinstance(values, dict) else True
    return plain


def _resolved(reference: Any, root: JsonObject) -> Any:
    value: Any = root
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return {}
    for part in reference[2:].split("/"):
        value = value.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(value, dict) else None
    return value

"""What ATIF has no field for, as JSON beside its fields: differences of values, and texts that JSON cannot carry.

A value of ours is stored as the difference from what the plain ATIF fields give back, so that nothing is said twice
and an edited field counts. Lone surrogates are no Unicode text: they are kept escaped, and shown as U+FFFD outside.
"""

from __future__ import annotations

import base64
from dataclasses import fields
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from toolsim.trajectory import Item, JsonObject, Message, Session, ToolCall, ToolResult, Trajectory

V = TypeVar("V", Message, Session, ToolCall, ToolResult, Trajectory)

_TEXT, _PAIRS = "$utf16", "$items"
_ITEM: TypeAdapter[Item] = TypeAdapter(Item)
_ADAPTERS: dict[type, TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (Message, Session, ToolCall, ToolResult, Trajectory)
}


def shown(text: str) -> str:
    """The text with lone surrogates as U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def encode(value: Any) -> Any:
    """JSON that `decode` turns back; only texts with lone surrogates and keys of our own are written otherwise."""
    if isinstance(value, str):
        if _is_text(value):
            return value
        return {_TEXT: base64.b64encode(value.encode("utf-16-le", "surrogatepass")).decode("ascii")}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        if any(not _is_text(key) or key in {_TEXT, _PAIRS} for key in value):
            return {_PAIRS: [[encode(key), encode(item)] for key, item in value.items()]}
        return {key: encode(item) for key, item in value.items()}
    return value


def decode(value: Any) -> Any:
    """What `encode` was given.

    Raises:
        ValueError: an escape that `encode` does not write.
    """
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {_TEXT}:
        return base64.b64decode(str(value[_TEXT]), validate=True).decode("utf-16-le", "surrogatepass")
    if set(value) == {_PAIRS} and isinstance(value[_PAIRS], list):
        pairs = [decode(pair) for pair in value[_PAIRS]]
        if any(not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str) for pair in pairs):
            raise ValueError("pairs that are none")
        return dict(pairs)
    return {key: decode(item) for key, item in value.items()}


def shown_json(value: Any) -> Any:
    """JSON with lone surrogates of all its texts and keys as U+FFFD."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, list | tuple):
        return [shown_json(item) for item in value]
    if isinstance(value, dict):
        return {shown(key): shown_json(item) for key, item in value.items()}
    return value


def difference(value: V, plain: V) -> JsonObject:
    """The fields in which `value` differs from `plain`, as JSON."""
    found: JsonObject = {}
    for field in fields(value):
        own = getattr(value, field.name)
        if own != getattr(plain, field.name):
            found[field.name] = encode(_dump(own))
    return found


def restore(plain: V, stored: Any) -> V:
    """`plain` with the stored fields put in.

    Raises:
        ValueError: the stored fields do not fit.
    """
    if not isinstance(stored, dict) or not stored:
        return plain
    values = {field.name: _dump(getattr(plain, field.name)) for field in fields(plain)}
    unknown = set(stored) - set(values)
    if unknown:
        raise ValueError(f"unknown fields {sorted(unknown)}")
    return _validated(_ADAPTERS[type(plain)], {**values, **decode(stored)})  # type: ignore[no-any-return]


def dump_item(item: Item) -> Any:
    """Any item as JSON."""
    return encode(_dump(item))


def load_item(stored: Any) -> Item:
    """What `dump_item` wrote.

    Raises:
        ValueError: it is no item.
    """
    return _validated(_ITEM, decode(stored))  # type: ignore[no-any-return]


def _dump(value: Any) -> Any:
    """Dataclasses as objects, tuples as lists; JSON as it is."""
    if isinstance(value, tuple | list):
        return [_dump(item) for item in value]
    if isinstance(value, dict):
        return {key: _dump(item) for key, item in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: _dump(getattr(value, field.name)) for field in fields(value)}
    return value


def _validated(adapter: TypeAdapter[Any], value: Any) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error


def _is_text(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True

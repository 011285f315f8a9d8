"""Typed access to untrusted JSON: each function gives a value of its type or nothing, and never raises."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterable
from datetime import UTC, datetime
from typing import Any

from harness.importers.reading import Damaged, parse_json
from toolsim.trajectory import JsonObject

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WINDOWS = re.compile(r"^(?:[A-Za-z]:[\\/]|\\\\)")


def as_object(value: Any) -> JsonObject:
    """The JSON object, or an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The JSON array, or an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str | None:
    """The text if there is any: `None` for other types and for the empty text."""
    return value if isinstance(value, str) and value else None


def kind_of(record: JsonObject) -> str | None:
    """The record's `type`, if it is a text."""
    return as_text(record.get("type"))


def as_number(value: Any) -> float | None:
    """A finite number as float; booleans are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def as_int(value: Any) -> int | None:
    """A whole number; booleans are none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def member(value: Any, *path: str) -> Any:
    """The value at a path of keys, or `None`."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def first_text(*values: Any) -> str | None:
    """The first that is a text with content."""
    return next((text for value in values if (text := as_text(value)) is not None), None)


def unix_time(value: Any) -> float | None:
    """Unix seconds of an ISO 8601 text (without zone: UTC) or of a number of seconds or milliseconds."""
    number = as_number(value)
    if number is not None:
        return number / 1000 if number > 1e11 else number
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - _EPOCH).total_seconds()
    except (ValueError, OverflowError):
        return None


def platform_of(paths: Iterable[str | None]) -> str | None:
    """`darwin`, `windows` or `linux`, told from absolute directories; `None` where they do not tell."""
    for path in paths:
        if not path:
            continue
        if _WINDOWS.match(path):
            return "windows"
        if path.startswith(("/Users/", "/private/", "/Volumes/", "/Applications/")):
            return "darwin"
        if path.startswith(("/home/", "/root", "/workspace", "/mnt/", "/testbed", "/usr/", "/var/", "/opt/")):
            return "linux"
    return None


def parse_arguments(value: Any) -> tuple[JsonObject, str | None]:
    """Tool arguments as an object, and the verbatim text where they are no JSON object."""
    if isinstance(value, dict):
        return value, None
    if value is None or value == "":
        return {}, None
    if not isinstance(value, str):
        return {"value": value}, None
    try:
        parsed = parse_json(value)
    except Damaged:
        return {}, value
    return (parsed, None) if isinstance(parsed, dict) else ({}, value)


def content_text(content: Any, kinds: Container[Any] = ("text", "input_text", "output_text")) -> tuple[str, int]:
    """The text parts of a message's content joined by newlines, and the number of parts that are no text."""
    if isinstance(content, str):
        return content, 0
    texts: list[str] = []
    others = 0
    for part in as_list(content):
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and kind_of(part) in kinds and isinstance(part.get("text"), str):
            texts.append(part["text"])
        else:
            others += 1
    return "\n".join(texts), others

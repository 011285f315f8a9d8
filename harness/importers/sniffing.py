"""What the first bytes of a file show of its JSON: key paths and whole first lines, also where the head is cut."""

from __future__ import annotations

import re

from harness.importers.reading import values_of
from toolsim.trajectory import JsonObject

_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*+)"(\s*:)?|[{}\[\]]', re.DOTALL)
_DEEPEST = 100


def key_paths(head: bytes, depth: int = 4) -> frozenset[str]:
    """Paths of the object keys in `head`, e.g. `messages[].role`; several values (JSONL) share one root.

    `depth` is how many objects deep a key may stand; arrays do not count.
    """
    found: set[str] = set()
    stack: list[str] = []
    objects = 0
    key = ""
    for token in _TOKEN.finditer(head):
        kind = token.group(0)[:1]
        if kind == b'"':
            if token.group(2) and objects <= depth:
                key = token.group(1).decode("utf-8", "replace")
                found.add(_join(stack[-1] if stack else "", key))
        elif kind in b"{[" and len(stack) >= _DEEPEST:
            return frozenset(found)
        elif kind in b"{[":
            base = _join(stack[-1] if stack else "", key) if key else (stack[-1] if stack else "")
            stack.append(base + "[]" if kind == b"[" else base)
            objects += kind == b"{"
            key = ""
        else:
            if stack:
                stack.pop()
            objects -= kind == b"}" and objects > 0
            key = ""
    return frozenset(found)


def head_records(head: bytes) -> tuple[JsonObject, ...]:
    """The JSON objects of the complete lines in `head`."""
    lines = head.split(b"\n")
    records: list[JsonObject] = []
    for line in lines:
        if not line.strip().startswith(b"{"):
            continue
        records.extend(value for value in values_of(line) if isinstance(value, dict))
    return tuple(records)


def _join(base: str, key: str) -> str:
    return f"{base}.{key}" if base else key

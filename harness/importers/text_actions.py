"""Calls that an agent wrote as text: XML functions, command lists of a terminal agent, one fenced shell block."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.importers.blocks import CallBlock
from harness.importers.reading import Damaged, parse_json
from harness.importers.values import as_list, as_object

_FUNCTION = re.compile(r"<function=([\w.:-]{1,200})>(.*?)</function>", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([\w.:-]{1,200})>(.*?)</parameter>", re.DOTALL)
_FENCE = re.compile(r"```(?:bash|sh|shell)?[ \t]*\n(.*?)\n?```", re.DOTALL)


def xml_calls(text: str) -> tuple[CallBlock, ...]:
    """`<function=NAME><parameter=KEY>value</parameter></function>`; one newline around a value is not part of it."""
    return tuple(CallBlock(name, _parameters(body)) for name, body in _FUNCTION.findall(text))


def terminal_calls(text: str) -> tuple[CallBlock, ...]:
    """A response that is one JSON object with a list of `commands` (keystrokes for a terminal)."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start or '"commands"' not in text:
        return ()
    try:
        commands = as_list(as_object(parse_json(text[start : end + 1])).get("commands"))
    except Damaged:
        return ()
    return (CallBlock("terminal", {"commands": commands}),) if commands else ()


def fenced_calls(text: str) -> tuple[CallBlock, ...]:
    """The last fenced block of a response that acts by one; none where there is no block."""
    found: Sequence[str] = _FENCE.findall(text)
    return (CallBlock("command", {"command": found[-1].strip()}),) if found else ()


def text_calls(text: str) -> tuple[CallBlock, ...]:
    """The calls of a response in a text protocol, whichever it keeps to."""
    return xml_calls(text) or terminal_calls(text) or fenced_calls(text)


def _parameters(body: str) -> dict[str, str]:
    return {key: value.removeprefix("\n").removesuffix("\n") for key, value in _PARAMETER.findall(body)}

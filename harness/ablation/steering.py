"""What only the other run showed, and whether it turns up in an answer: the reference steers the simulator. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.callclass import action_of, command_line
from harness.fidelity import masked
from toolsim.trajectory import Item, Message, ToolCall, ToolResult, call_pairs, canonical_json, effects

_LEAST = 16
"""Shorter lines turn up by chance."""


def telling_lines(items: Iterable[Item]) -> frozenset[str]:
    """The lines of all that a recording says: texts, calls and results; short ones left out."""
    return frozenset(line for message in effects(items) for text in _texts(message) for line in _lines(text))


def result_lines(items: Sequence[Item], agent: str) -> frozenset[str]:
    """The lines of the results only, what is form only masked (`harness.fidelity`)."""
    pairs = (pair for pair in call_pairs(items) if pair.result is not None)
    return frozenset(line for pair in pairs for line in _lines(_masked(pair.result, pair.call, agent)))


def shows(answer: ToolResult, call: ToolCall, agent: str, lines: frozenset[str]) -> bool:
    """Whether a result has one of the lines of `result_lines`."""
    return any(line in lines for line in _lines(_masked(answer, call, agent)))


def _masked(result: ToolResult | None, call: ToolCall, agent: str) -> str:
    return "" if result is None else masked(result.content, command_line(action_of(call, agent)))[0]


def _texts(message: Message) -> Iterable[str]:
    yield message.text
    if message.result is not None:
        yield message.result.content
    for call in message.calls:
        yield call.raw if call.raw is not None else "\n".join(_strings(call.arguments))


def _strings(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
    else:
        yield canonical_json(value)


def _lines(text: str) -> Iterable[str]:
    """Lines without what numbers and indents them."""
    for line in text.splitlines():
        bare = line.strip().lstrip("0123456789").lstrip("→\t:-| ").strip()
        if len(bare) >= _LEAST:
            yield bare

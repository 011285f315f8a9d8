"""One serialiser for both sides of a pair, so that nothing but content can tell them apart.

Call ids, key order, provider forms and provenance never reach the text. Long texts are cut by one rule for both
sides, at the same places. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from toolsim.trajectory import Message, ToolCall, ToolResult, canonical_json

_OWN_IDS = re.compile(r"(?m)(^Chunk ID: |^Process Group PGID: |\bsession ID |\bshellId: )\w+")
ELIDED = "\n[... part left out of both transcripts ...]\n"


@dataclass(frozen=True, slots=True)
class Window:
    """How much a judge sees, in characters: of the history before the call, of each message in it, of each result."""

    history: int = 1600
    message: int = 600
    result: int = 1400


def serialise_call(call: ToolCall, limit: int | None = None) -> str:
    """`name(arguments)`: a single text argument stands as it is, others as JSON with sorted keys."""
    if call.raw is not None and not call.arguments:
        body = call.raw
    elif len(call.arguments) == 1 and isinstance(value := next(iter(call.arguments.values())), str):
        body = value
    else:
        body = canonical_json(call.arguments)
    return f"{call.name}({_clip(body, limit)})"


def serialise_result(result: ToolResult) -> str:
    """The text of a result: line ends unified; error flags left away, ids and non-text parts as a mark."""
    return plain(result.content) + "\n[image]" * result.images


def plain(text: str) -> str:
    """A result's text with one kind of line end, and a mark for each id that the product drew for this call alone."""
    return _OWN_IDS.sub(lambda found: found[1] + "[id]", text.replace("\r\n", "\n"))


def serialise_message(message: Message, limit: int | None = None) -> str:
    """A message of the history, with its calls."""
    if message.result is not None:
        return f"tool: {_clip(serialise_result(message.result), limit)}"
    parts = [_clip(message.text, limit)] if message.text.strip() else []
    parts += [serialise_call(call, limit) for call in message.calls]
    return f"{message.role}: " + "\n".join(parts)


def serialise_history(messages: Sequence[Message], window: Window) -> str:
    """The last messages that fit the window, whole or clipped one by one, oldest first."""
    taken: list[str] = []
    room = window.history
    for message in reversed(messages):
        if message.role == "system":
            continue
        text = serialise_message(message, window.message)
        if len(text) > room and taken:
            break
        taken.append(text)
        room -= len(text)
    return "\n".join(reversed(taken))


def cut_alike(first: str, second: str, limit: int) -> tuple[str, str]:
    """Both texts within about `limit` characters: the beginning, and what stands around the first difference.

    Swapping the texts swaps the results and changes nothing else.
    """
    if len(first) <= limit and len(second) <= limit:
        return first, second
    head = limit // 3
    start = max(head, _first_difference(first, second) - limit // 6)
    return _around(first, head, start, limit), _around(second, head, start, limit)


def _around(text: str, head: int, start: int, limit: int) -> str:
    if len(text) <= limit:
        return text
    if start <= head + len(ELIDED):
        kept = text[:limit]
        return kept + (ELIDED if len(text) > limit else "")
    end = start + limit - head
    return text[:head] + ELIDED + text[start:end] + (ELIDED if end < len(text) else "")


def _first_difference(first: str, second: str) -> int:
    for index, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return index
    return min(len(first), len(second))


def _clip(text: str, limit: int | None) -> str:
    if limit is None or len(text) <= limit:
        return text
    half = limit // 2
    return text[:half] + ELIDED + text[-half:]

"""Where two texts differ, by line and within a line by word, as runs of equal and changed text. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

Kind = Literal["same", "line", "word"]
MOST_LINES = 400
"""More lines than this in either text are compared only by what begins and ends them alike."""

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_MOST_WORDS = 400


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text: `same` on both sides, in a `line` that differs, or the very `word` that does."""

    kind: Kind
    text: str


def marked(one: str, other: str) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """Both texts as runs; joined, the runs of a side are its text."""
    if one == other:
        return _runs([Run("same", one)]), _runs([Run("same", other)])
    lines, others = one.splitlines(keepends=True), other.splitlines(keepends=True)
    left: list[Run] = []
    right: list[Run] = []
    for same, (a, b), (c, d) in _blocks(lines, others):
        if same:
            left.append(Run("same", "".join(lines[a:b])))
            right.append(Run("same", "".join(others[c:d])))
            continue
        for n in range(max(b - a, d - c)):
            mine = lines[a + n] if a + n < b else None
            theirs = others[c + n] if c + n < d else None
            _mark_line(mine, theirs, left, right)
    return _runs(left), _runs(right)


def _blocks(lines: Sequence[str], others: Sequence[str]) -> list[tuple[bool, tuple[int, int], tuple[int, int]]]:
    if max(len(lines), len(others)) > MOST_LINES:
        return _ends(lines, others)
    codes = SequenceMatcher(None, lines, others, autojunk=False).get_opcodes()
    return [(tag == "equal", (a, b), (c, d)) for tag, a, b, c, d in codes]


def _ends(lines: Sequence[str], others: Sequence[str]) -> list[tuple[bool, tuple[int, int], tuple[int, int]]]:
    least = min(len(lines), len(others))
    head = next((n for n in range(least) if lines[n] != others[n]), least)
    tail = next((n for n in range(least - head) if lines[-1 - n] != others[-1 - n]), least - head)
    a, b = len(lines) - tail, len(others) - tail
    return [(True, (0, head), (0, head)), (False, (head, a), (head, b)), (True, (a, len(lines)), (b, len(others)))]


def _mark_line(mine: str | None, theirs: str | None, left: list[Run], right: list[Run]) -> None:
    if mine is None or theirs is None:
        left += [Run("word", mine)] if mine is not None else []
        right += [Run("word", theirs)] if theirs is not None else []
        return
    words, others = _WORDS.findall(mine), _WORDS.findall(theirs)
    if max(len(words), len(others)) > _MOST_WORDS:
        left.append(Run("word", mine))
        right.append(Run("word", theirs))
        return
    for tag, a, b, c, d in SequenceMatcher(None, words, others, autojunk=False).get_opcodes():
        kind: Kind = "line" if tag == "equal" else "word"
        left.append(Run(kind, "".join(words[a:b])))
        right.append(Run(kind, "".join(others[c:d])))


def _runs(pieces: Sequence[Run]) -> tuple[Run, ...]:
    """Neighbours of one kind joined, empty ones left out."""
    joined: list[Run] = []
    for piece in pieces:
        if not piece.text:
            continue
        if joined and joined[-1].kind == piece.kind:
            joined[-1] = Run(piece.kind, joined[-1].text + piece.text)
        else:
            joined.append(piece)
    return tuple(joined)

"""Evidence for one call: pieces with a cost in tokens and a value, chosen within a budget, and kept with the answer.

Pure: pieces are gathered elsewhere (`toolsim.gather`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from toolsim.trajectory import JsonObject

Kind: TypeAlias = Literal["file", "search", "listing", "reference", "pair", "form", "connector", "fact"]

SMALL_BUDGET = 1_500
BUDGET = 8_000
_CHARACTERS_PER_TOKEN = 3.3
_LEAST_PART = 120
_OVERHEAD = 12


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that is known. `value` orders pieces (higher first); `source` says where it comes from.

    `text` may be cut to its first lines to fit, unless `whole`; `lines` is then how many of `total` lines are shown.
    """

    kind: Kind
    title: str
    text: str
    value: float
    source: JsonObject = field(default_factory=dict)
    whole: bool = False
    lines: int | None = None
    total: int | None = None

    @property
    def tokens(self) -> int:
        """The estimated cost of showing it."""
        return tokens(self.text) + tokens(self.title) + _OVERHEAD


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was shown for one call, most valuable first, and how many pieces did not fit."""

    pieces: tuple[Piece, ...] = ()
    left_out: tuple[str, ...] = ()
    budget: int = 0

    @property
    def tokens(self) -> int:
        """The estimated cost of all pieces."""
        return sum(piece.tokens for piece in self.pieces)

    def record(self) -> JsonObject:
        """What was shown and where it came from, without the texts: kept with the answer."""
        return {
            "pieces": [describe(piece) for piece in self.pieces],
            "left_out": list(self.left_out),
            "tokens": self.tokens,
            "budget": self.budget,
        }

    def numbered(self) -> tuple[tuple[str, Piece], ...]:
        """The pieces with the names by which an answer may refer to them: `e1`, `e2` …"""
        return tuple((f"e{n}", piece) for n, piece in enumerate(self.pieces, 1))


def tokens(text: str) -> int:
    """A rough token count of a text, on the high side for prose."""
    return int(len(text) / _CHARACTERS_PER_TOKEN) + 1


def describe(piece: Piece) -> JsonObject:
    """A piece as stored with an answer: kind, title, source, size and hash of what was shown."""
    shown = hashlib.sha256(piece.text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return {
        "kind": piece.kind,
        "title": piece.title,
        "source": piece.source,
        "tokens": piece.tokens,
        "sha256": shown,
        **({"lines": piece.lines, "of": piece.total} if piece.lines is not None else {}),
    }


def choose(pieces: Iterable[Piece], budget: int) -> Evidence:
    """The pieces worth most that fit into `budget` tokens, greedily; a text that does not fit is cut at a line."""
    chosen: list[Piece] = []
    left_out: list[str] = []
    seen: set[tuple[str, str]] = set()
    room = budget
    for piece in sorted(pieces, key=lambda p: -p.value):
        if (piece.title, piece.text) in seen:
            continue
        seen.add((piece.title, piece.text))
        fitting = piece if piece.tokens <= room else cut(piece, room)
        if fitting is None:
            left_out.append(piece.title)
            continue
        chosen.append(fitting)
        room -= fitting.tokens
    return Evidence(tuple(chosen), tuple(left_out), budget)


def cut(piece: Piece, room: int) -> Piece | None:
    """The piece cut to whole first lines that cost at most `room` tokens; `None` if that is not worth it."""
    allowed = room - tokens(piece.title) - _OVERHEAD
    if piece.whole or allowed < _LEAST_PART:
        return None
    lines = piece.text.splitlines(keepends=True)
    kept: list[str] = []
    size = 0
    for line in lines:
        size += len(line)
        if size / _CHARACTERS_PER_TOKEN + 1 > allowed:
            break
        kept.append(line)
    return replace(piece, text="".join(kept), lines=len(kept), total=len(lines)) if kept else None

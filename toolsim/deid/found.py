"""What a detector says, where a value may begin and end, and names that identify nobody. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "user", "person", "email", "host", "ip", "mac", "phone", "card", "id_number", "token", "secret", "private_key",
]  # fmt: skip
"""What a value is. `token` has a known form, `secret` was assigned to a telling name."""

KINDS: tuple[Kind, ...] = (
    "user", "person", "email", "host", "ip", "mac", "phone", "card", "id_number", "token", "secret", "private_key",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """One value that a detector found. `keep` first characters say only what kind of token it is and may stay.

    `word` marks a name that is a word too: it is replaced where it stands for the account only, never in plain text.
    """

    kind: Kind
    value: str
    keep: int = 0
    word: bool = False


_ESCAPED = re.compile(
    r"(?:\\[nrtbf]|%[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\x1[bB]\[[0-9;]{0,8}m|\\u001[bB]\[[0-9;]{0,8}m|\x1b\[[0-9;]{0,8}m)\Z"
)
_LONGEST = 16


def is_alnum(character: str) -> bool:
    """ASCII letter or digit: what joins with its neighbour to one name."""
    return character.isascii() and character.isalnum()


def begins(text: str, at: int) -> bool:
    """Whether a name may begin here: at a boundary, or after an escape (JSON, percent, colour of a terminal)."""
    return at == 0 or not is_alnum(text[at - 1]) or _ESCAPED.search(text, max(0, at - _LONGEST), at) is not None


def ends(text: str, at: int) -> bool:
    """Whether a name may end before this position."""
    return at == len(text) or not is_alnum(text[at])


def stands(text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]` is no part of a longer name."""
    first, last = text[start], text[end - 1]
    return (not is_alnum(first) or begins(text, start)) and (not is_alnum(last) or ends(text, end))

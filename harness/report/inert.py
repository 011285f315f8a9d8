"""Trace text made safe to show: control and direction characters become visible, nothing is interpreted. Pure."""

from __future__ import annotations

import re
import unicodedata

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")
_KEPT = {"\n", "\t"}


def inert(text: str) -> str:
    """The text with escape sequences removed and every other control, format or surrogate character shown by name.

    HTML escaping is the template's work and comes on top.
    """
    plain = _ANSI.sub("", text.replace("\r\n", "\n"))
    return "".join(
        c if c in _KEPT or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"} else _name(c) for c in plain
    )


def shorten(text: str, limit: int) -> tuple[str, int]:
    """At most `limit` characters from the beginning, and how many are left out."""
    return (text, 0) if len(text) <= limit else (text[:limit], len(text) - limit)


def _name(char: str) -> str:
    return "␍" if char == "\r" else f"⟨U+{ord(char):04X}⟩"

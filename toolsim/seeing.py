"""Whether text shown in a recorded result agrees with known bytes of a file.

Records normalise line ends, drop byte order marks, and may be redacted: spans of a secret are written over with one
word, which then stands for any text without a line end.
"""

from __future__ import annotations

import re

from toolsim.actions import Seen

REDACTED = "REDACTED"
SPANS = (REDACTED, "[REDACTED]")
"""How a redacted span is written."""


def agrees(seen: Seen, known: bytes) -> bool:
    """Whether the shown lines are in the file at their place (all of it, if `whole`), and it has the stated length."""
    text = plain(known.decode("utf-8", "surrogateescape"))
    shown = plain(seen.text)
    if seen.whole:
        return same_text(shown, text)
    lines, wanted = text.split("\n"), shown.split("\n")
    if seen.total is not None and seen.total != len(lines) - (lines[-1] == ""):
        return False
    return same_text(shown, "\n".join(lines[seen.start - 1 : seen.start - 1 + len(wanted)]))


def plain(text: str) -> str:
    """Without byte order mark and with LF line ends; a lone surrogate is the replacement character."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text


def same_text(shown: str, real: str) -> bool:
    """Equal, or equal where redacted spans of `shown` stand for anything inside a line."""
    if shown == real:
        return True
    if REDACTED not in shown:
        return False
    left, right = shown.split("\n"), real.split("\n")
    return len(left) == len(right) and all(_same_line(a, b) for a, b in zip(left, right, strict=True))


def _same_line(shown: str, real: str) -> bool:
    if shown == real:
        return True
    if REDACTED not in shown:
        return False
    return any(re.fullmatch(".*".join(map(re.escape, shown.split(span))), real) for span in SPANS)

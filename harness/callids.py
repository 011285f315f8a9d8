"""Ids for new tool calls that look like the recorded provider's own. Pure; derived from a seed, never counted up."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile

from toolsim.trajectory import Message

_CLASSES = (string.digits, string.ascii_lowercase, string.ascii_uppercase)
_HEX = string.digits + "abcdef"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_SAMPLE = 50
_TELLING = 300
_SHORT = 6
_DRAWN = 8


@dataclass(frozen=True, slots=True)
class IdForm:
    """A constant start, then `length` characters of `alphabet`; `-` and `_` stand where `pattern` has them."""

    start: str
    pattern: str
    alphabet: str

    def draw(self, *seed: object) -> str:
        """The id of a seed."""
        digest = hashlib.shake_256("\0".join(map(str, seed)).encode()).digest(2 * len(self.pattern))
        drawn = [
            self.alphabet[int.from_bytes(digest[i : i + 2]) % len(self.alphabet)] for i in range(0, len(digest), 2)
        ]
        return self.start + "".join(p if p in "-_" else d for p, d in zip(self.pattern, drawn, strict=True))


_ANTHROPIC = IdForm("toolu_01", "x" * 22, _BASE58)
_OPENAI = IdForm("call_", "x" * 24, "".join(_CLASSES))


def id_form(view: Iterable[Message], family: str) -> IdForm:
    """The form of the ids recorded in `view`; without any, that of the model family's provider."""
    recorded = {c.recorded_id for m in view for c in m.calls if c.recorded_id and c.recorded_id != "REDACTED"}
    ids = sorted(recorded)[:_SAMPLE]
    if not ids:
        return _ANTHROPIC if family == "claude" else _OPENAI
    if len(ids) == 1:
        known = next((form for form in (_ANTHROPIC, _OPENAI) if ids[0].startswith(form.start)), None)
        start = known.start if known else ids[0][: ids[0].rfind("_") + 1]
    else:
        known = None
        start = "".join(c[0] for c in takewhile(lambda c: len(set(c)) == 1, zip(*ids, strict=False)))
    if min(len(i) - len(start) for i in ids) < _SHORT:  # counted up, or nearly: what changes is all after the separator
        start = start[: start.rfind("_") + 1]
    rests = [i[len(start) :] for i in ids]
    pattern = rests[-1] if len(rests[-1]) >= _SHORT else "x" * _DRAWN
    return IdForm(start, pattern, known.alphabet if known else _alphabet("".join(rests)))


def new_ids(form: IdForm, *seed: object) -> Iterator[str]:
    """Endless ids of a form."""
    n = 0
    while True:
        yield form.draw(*seed, n)
        n += 1


def _alphabet(seen: str) -> str:
    letters = {c for c in seen if c.isalnum()}
    if len(seen) >= _TELLING:
        return "".join(sorted(letters))
    if len(letters) > _SHORT and letters <= set(_HEX):
        return _HEX
    return "".join(c for c in _CLASSES if letters & set(c)) or _CLASSES[0] + _CLASSES[1]

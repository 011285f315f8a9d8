"""A session's two-way map: values to stand-ins and back, over whole texts. Pure: who keeps it stands elsewhere.

Scrubbing loses nothing: a text that holds a stand-in of its own accord has it replaced too (kind `native`), so every
stand-in in a scrubbed text is one of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from toolsim.deid.found import Found, stands
from toolsim.deid.surrogates import candidates

NATIVE = "native"
# So many stand-ins are passed over because they hold a value that was found; a value may stand in all of them.
_TRIES = 24


@dataclass(frozen=True, slots=True)
class Entry:
    """One replacement. `word`: only where the value stands for an account (paths, listings, `name@host`)."""

    kind: str
    value: str
    surrogate: str
    word: bool = False


@dataclass(slots=True)
class SessionMap:
    """The replacements of one session. `space` makes its stand-ins differ from those of other maps."""

    space: str
    entries: list[Entry] = field(default_factory=list)
    _by_value: dict[str, Entry] = field(default_factory=dict)
    _by_surrogate: dict[str, Entry] = field(default_factory=dict)

    def add(self, entries: Iterable[Entry]) -> int:
        """Take in entries that were made before; returns how many are new."""
        new = [e for e in entries if e.value not in self._by_value]
        for entry in new:
            self.entries.append(entry)
            self._by_value[entry.value] = entry
            self._by_surrogate[entry.surrogate] = entry
        return len(new)

    def known(self, value: str) -> bool:
        """Whether the value has its stand-in."""
        return value in self._by_value

    def learn(self, found: Iterable[Found], texts: Sequence[str]) -> tuple[Entry, ...]:
        """Entries for what is not known yet, and for stand-ins that `texts` hold of their own accord; they are added.

        No new stand-in occurs in `texts`.
        """
        made: list[Entry] = []
        found = tuple(found)
        named = [one.value for one in found if not one.word]
        for one in found:
            for variant in _variants(one):
                if variant.value not in self._by_value:
                    made.append(self._new(variant, variant.kind, texts, named))
        while natives := [s for s in self._by_surrogate if s not in self._by_value and _native(s, texts)]:
            for surrogate in natives:
                made.append(self._new(Found(self._by_surrogate[surrogate].kind, surrogate), NATIVE, texts))  # type: ignore[arg-type]
        return tuple(made)

    def _new(self, found: Found, kind: str, texts: Sequence[str], named: Sequence[str] = ()) -> Entry:
        for n, surrogate in enumerate(candidates(found, self.space)):
            taken = surrogate in self._by_surrogate or surrogate in self._by_value or surrogate == found.value
            shows = n < _TRIES and any(value in surrogate for value in named)
            if not taken and not shows and not any(surrogate in text for text in texts):
                break
        entry = Entry(kind, found.value, surrogate, found.word)
        self.add([entry])
        return entry

    def scrub(self, text: str) -> str:
        """The text with each known value replaced."""
        return self.scrubbed(text)[0]

    def scrubbed(self, text: str) -> tuple[str, tuple[Entry, ...]]:
        """The text with each known value replaced, and the entry of every replacement in order."""
        there = [entry for entry in self.entries if entry.value in text]
        if not there:
            return text, ()
        spans = [(start, end, e.surrogate, e) for e in there for start, end in _places(text, e)]
        return _replaced(text, spans)

    def restore(self, text: str) -> str:
        """The text with each stand-in replaced by its value: the inverse of `scrub`."""
        there = [entry for entry in self.entries if entry.surrogate in text]
        if not there:
            return text
        spans = [(a, b, e.value, e) for e in there for a, b in _bounded(text, e.surrogate)]
        return _replaced(text, spans)[0]


def _variants(found: Found) -> Iterator[Found]:
    """The value, and for names the same with other capitals."""
    yield found
    if found.kind in {"user", "person"} and not found.word:
        for other in (found.value.capitalize(), found.value.upper(), found.value.lower()):
            if other != found.value and " " not in other:
                yield Found(found.kind, other)


def _native(surrogate: str, texts: Sequence[str]) -> bool:
    return any(surrogate in text and next(_bounded(text, surrogate), None) is not None for text in texts)


def _bounded(text: str, value: str) -> Iterator[tuple[int, int]]:
    at = text.find(value)
    while at >= 0:
        end = at + len(value)
        if stands(text, at, end):
            yield at, end
        at = text.find(value, at + 1)


def _places(text: str, entry: Entry) -> Iterator[tuple[int, int]]:
    if not entry.word:
        yield from _bounded(text, entry.value)
        return
    for start, end in _bounded(text, entry.value):
        if _is_account(text, start, end):
            yield start, end


_BEFORE = re.compile(
    r"(?:(?:/|%2[Ff]|\\|%5[Cc]|-)(?:home|Users)(?:/|%2[Ff]|\\{1,4}|%5[Cc]|-)|~"
    r"|[bcdlps-](?:[r-][w-][xsStT-]){3}[@+.]?[ \t]+\d+[ \t]+(?:[\w.-]+[ \t]+)?"
    r"|user(?:name)?[\"']?[:=]\s?[\"']?|USER=|LOGNAME=|(?:Author|Committer|-by): )\Z"
)


def _is_account(text: str, start: int, end: int) -> bool:
    """Whether a name that is a word too stands for an account here."""
    if text[end : end + 1] == "@" or text[end : end + 3] == "%40":
        return True
    return _BEFORE.search(text, max(0, start - 60), start) is not None


def _replaced(text: str, spans: list[tuple[int, int, str, Entry]]) -> tuple[str, tuple[Entry, ...]]:
    """Replace from left to right, the longest first where two begin together."""
    spans.sort(key=lambda span: (span[0], -span[1]))
    parts: list[str] = []
    used: list[Entry] = []
    done = 0
    for start, end, with_, entry in spans:
        if start < done:
            continue
        parts += (text[done:start], with_)
        used.append(entry)
        done = end
    parts.append(text[done:])
    return "".join(parts), tuple(used)

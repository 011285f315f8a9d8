"""In what way a simulated result differs from the recorded one: one class for each pair, with the first differing line.

The classes are tried in a fixed order, from what is form only to what is content; the first that explains the whole
difference names it. Pure; whether a difference counts is `harness.fidelity`'s question.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from harness.fidelity import grade, same_flags
from toolsim.trajectory import ToolResult

DifferenceClass: TypeAlias = Literal[
    "error flag or exit code", "end of text", "blanks", "masked", "reminder", "order", "cut-off", "line numbers",
    "ids", "times", "paths", "numbers", "answered empty", "recorded empty", "lines missing", "lines extra",
    "stale content", "form", "content",
]  # fmt: skip

WIDTH = 100
_REMINDER = re.compile(r"\s*<system-reminder>.*?</system-reminder>\s*", re.S)
_NUMBERED = re.compile(r"(?m)^(\s*\d+(?:→|\t|:|-)|[^\s:]+[:-]\d+[:-])")
_IDS = re.compile(r"\b(?=[0-9a-f-]*\d)(?:[0-9a-f]{7,64}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\b|0x[0-9a-f]+")
_SECONDS = r"(?::\d\d(?:[.,]\d+)?)?"
_TIMES = re.compile(
    rf"\d{{4}}-\d\d-\d\d(?:[T ]\d\d:\d\d{_SECONDS})?(?:Z|\s?[+-]\d\d:?\d\d)?|\b\d{{1,2}}:\d\d{_SECONDS}\b"
    r"|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b"
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\s+\d{1,2}\b(?:\s+(?:\d{4}|\d\d:\d\d)\b)?"
    r"|\b\d+(?:\.\d+)?\s?(?:ms|µs|s|m|h|seconds?|secs?|minutes?|hours?|days?|weeks?|months?)\b(?:\s+ago)?"
)
_PATHS = re.compile(r"(?<![\w.])(?:[A-Za-z]:[\\/]|/|\.{1,2}/|~/)[^\s:\"'`<>()]*/")
_NUMBERS = re.compile(r"\d+(?:[.,]\d+)*")
_CUT = re.compile(r"(?i)truncated|omitted|elided|lines? not shown|characters? left out|\[\.\.\.")


@dataclass(frozen=True, slots=True)
class Difference:
    """The class, and the first differing line of either side, cut to `WIDTH` characters (`None`: there is no line)."""

    kind: DifferenceClass
    recorded: str | None
    answered: str | None


def difference(recorded: ToolResult, answered: ToolResult, command: str = "") -> Difference | None:
    """How the two differ; `None` for the same text, flag and exit code. `command` chooses the masks, as in a grade."""
    one, other = recorded.content.replace("\r\n", "\n"), answered.content.replace("\r\n", "\n")
    if not same_flags(recorded, answered):
        if one == other:
            return Difference("error flag or exit code", _flags(recorded), _flags(answered))
        return Difference("error flag or exit code", *_first_lines(one, other))
    if one == other:
        return None
    return Difference(_kind(one, other, command), *_first_lines(one, other))


def _kind(one: str, other: str, command: str) -> DifferenceClass:
    for kind, explains in _TESTS:
        if explains(one, other):
            return kind
        if kind == "blanks" and grade(one, other, command).name == "equal":
            return "masked"
    return _lines(one, other)


def _same_without(pattern: re.Pattern[str], by: str = "") -> Callable[[str, str], bool]:
    return lambda one, other: pattern.sub(by, one).strip() == pattern.sub(by, other).strip()


def _cut(one: str, other: str) -> bool:
    shorter, longer = sorted((one.rstrip(), other.rstrip()), key=len)
    if len(shorter) >= 200 and longer.startswith(shorter):
        return True
    return bool(_CUT.search(one)) != bool(_CUT.search(other)) and one[:200] == other[:200]


_TESTS: tuple[tuple[DifferenceClass, Callable[[str, str], bool]], ...] = (
    ("answered empty", lambda one, other: not other.strip() and bool(one.strip())),
    ("recorded empty", lambda one, other: not one.strip() and bool(other.strip())),
    ("end of text", lambda one, other: one.rstrip() == other.rstrip()),
    ("blanks", lambda one, other: one.split() == other.split()),
    ("reminder", _same_without(_REMINDER, "\n")),
    ("order", lambda one, other: Counter(one.strip().split("\n")) == Counter(other.strip().split("\n"))),
    ("cut-off", _cut),
    ("line numbers", _same_without(_NUMBERED)),
    ("ids", _same_without(_IDS, "#")),
    ("times", lambda one, other: _TIMES.sub("#", one).split() == _TIMES.sub("#", other).split()),
    ("paths", _same_without(_PATHS)),
    ("numbers", lambda one, other: _NUMBERS.sub("#", one).split() == _NUMBERS.sub("#", other).split()),
)


def _lines(one: str, other: str) -> DifferenceClass:
    """By lines: one side has more of the same; half of them or more agree (another state); a short text; all else."""
    mine, theirs = Counter(one.strip().split("\n")), Counter(other.strip().split("\n"))
    if not theirs - mine:
        return "lines missing"
    if not mine - theirs:
        return "lines extra"
    if 2 * (mine & theirs).total() >= max(mine.total(), theirs.total()):
        return "stale content"
    return "form" if max(mine.total(), theirs.total()) <= 3 else "content"


def _first_lines(one: str, other: str) -> tuple[str | None, str | None]:
    mine, theirs = one.split("\n"), other.split("\n")
    at = next((n for n, pair in enumerate(zip(mine, theirs, strict=False)) if pair[0] != pair[1]), None)
    if at is None:
        at = min(len(mine), len(theirs))
    return _at(mine, theirs, at), _at(theirs, mine, at)


def _at(lines: list[str], others: list[str], at: int) -> str | None:
    """The line, from a little before the place where it differs if it is long."""
    if at >= len(lines):
        return None
    line = lines[at]
    other = others[at] if at < len(others) else ""
    place = next((n for n, pair in enumerate(zip(line, other, strict=False)) if pair[0] != pair[1]), 0)
    start = max(0, place - WIDTH // 3) if len(line) > WIDTH else 0
    return ("…" if start else "") + line[start : start + WIDTH]


def _flags(result: ToolResult) -> str:
    return f"is_error={result.is_error} exit_code={result.exit_code}"

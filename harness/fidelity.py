"""How near a simulated result is to the recorded one: four grades after masking what is form only. Pure.

`equal`: the same text, error flag and exit code. `order`: the same but for the order of lines, of a tool that has no
order. `near`: what differs is only cut-off, or more than a fifth of the text had to be masked. `different`: all else.
Masks are a fixed table; where one applies, what stands in its place on either side is taken for equal, and the share
of masked characters is stated.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.callclass import action_of, command_line, has_no_order
from toolsim.seeing import REDACTED, SPANS
from toolsim.trajectory import ToolCall, ToolResult

GradeName = Literal["equal", "order", "near", "different"]
MOST_MASKED = 0.2

_MASK = "\x00"
_ALWAYS: tuple[re.Pattern[str], ...] = (
    re.compile(r"(?m)^Chunk ID: (\w+)$"),
    re.compile(r"(?m)^Wall time: ([\d.]+) seconds$"),
    re.compile(r"(?m)^Process Group PGID: (\d+)$"),
    re.compile(r"<shellId: (\d+) completed"),
    re.compile(r"(?m)^Process running with session ID (\d+)$"),
)
_BY_PROGRAM: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (re.compile(r"\bgit\s+(?:-C\s+\S+\s+)?(?:commit|merge|rebase|cherry-pick|stash|am|revert)\b"),
     re.compile(r"\b([0-9a-f]{7,40})\b")),
    (re.compile(r"\b(?:pytest|vitest|jest|go\s+test|cargo\s+test|bun\s+test|unittest|npm|pnpm|yarn|make|tsc|mypy|tox)\b"),
     re.compile(r"(?<![\w.])(\d+(?:\.\d+)?\s?(?:ms|s|m|seconds?|secs?)\b)")),
    (re.compile(r"\b(?:ls\s+(?:-\S+\s+)*-\w*l\w*|stat)\b"),
     re.compile(r"((?:[A-Z][a-z]{2}\s+\d{1,2}|\d{1,2}\s+[A-Z][a-z]{2})\s+(?:\d{2}:\d{2}|\d{4}))")),
    (re.compile(r"\bdate\b"), re.compile(r"(\d{1,2}:\d{2}(?::\d{2})?|\d{4}-\d{2}-\d{2}|\b\d{8}T?\d{6}(?=Z?\b))")),
    (re.compile(r"\bmktemp\b"),
     re.compile(r"((?<=/tmp\.)[A-Za-z0-9]{10}\b|(?<=[.-])(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{6}(?=(?:\.[a-z]+)?$))", re.M)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Grade:
    """The grade, and the share of the recorded text's characters that was masked."""

    name: GradeName
    masked: float

    @property
    def right(self) -> bool:
        """Whether the answer counts as right: equal, or equal up to order."""
        return self.name in {"equal", "order"}


def grade_results(recorded: ToolResult, answered: ToolResult, call: ToolCall, agent: str) -> Grade:
    """Compare two results of one call of an agent product: text, error flag and exit code."""
    action = action_of(call, agent)
    found = grade(recorded.content, answered.content, command_line(action), ordered=not has_no_order(action))
    return found if same_flags(recorded, answered) else Grade("different", found.masked)


def same_flags(recorded: ToolResult, answered: ToolResult) -> bool:
    """Whether error flag and exit code agree, as far as the record has them (an answer without a flag says no error).

    An answer without an exit code is compared by its flag alone.
    """
    if recorded.is_error is not None and recorded.is_error != bool(answered.is_error):
        return False
    return None in (recorded.exit_code, answered.exit_code) or recorded.exit_code == answered.exit_code


def grade(recorded: str, answered: str, command: str = "", *, ordered: bool = True) -> Grade:
    """Compare two texts of one call; `command` is its command line and chooses the masks.

    With `ordered` off the order of lines says nothing.
    """
    recorded, answered = _plain(recorded), _plain(answered)
    if recorded == answered:
        return Grade("equal", 0.0)
    one, hidden = masked(recorded, command)
    other, _ = masked(answered, command)
    other = _fill_redacted(one, other)
    share = (hidden + len(REDACTED) * one.count(REDACTED)) / max(1, len(recorded))
    if one == other:
        return Grade("equal" if share <= MOST_MASKED else "near", share)
    if not ordered and Counter(one.split("\n")) == Counter(other.split("\n")):
        return Grade("order" if share <= MOST_MASKED else "near", share)
    shorter, longer = sorted((one.rstrip(), other.rstrip()), key=len)
    if len(shorter) >= 200 and longer.startswith(shorter):
        return Grade("near", share)
    return Grade("different", share)


def tally(grades: Sequence[Grade]) -> dict[str, int]:
    """Counts by grade, best first."""
    counts = Counter(g.name for g in grades)
    return {name: counts[name] for name in ("equal", "order", "near", "different") if counts[name]}


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


def masked(text: str, command: str) -> tuple[str, int]:
    """The text with what is form only masked, and how many characters that was."""
    patterns = [*_ALWAYS, *(mask for program, mask in _BY_PROGRAM if program.search(command))]
    hidden = 0
    for pattern in patterns:
        pieces: list[str] = []
        end = 0
        for match in pattern.finditer(text):
            start, stop = match.span(1)
            pieces += [text[end:start], _MASK]
            hidden += stop - start
            end = stop
        text = "".join([*pieces, text[end:]])
    return text, hidden


def _fill_redacted(recorded: str, answered: str) -> str:
    """The answer with the redacted spans of the record, if all else agrees; they are no truth."""
    if REDACTED not in recorded:
        return answered
    return recorded if any(_agree_around(span, recorded, answered) for span in SPANS) else answered


def _agree_around(span: str, recorded: str, answered: str) -> bool:
    if span not in recorded:
        return False
    first, *inner, last = recorded.split(span)
    if not answered.startswith(first):
        return False
    place = len(first)
    for part in inner:
        found = answered.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return len(answered) >= place + len(last) and answered.endswith(last)

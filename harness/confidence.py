"""How sure an answer is before the truth is seen, and what choosing by it gives: the risk-coverage curve. Pure.

The confidence of an answer is one minus the error rate that answers of its kind had in *other* lineages of the tune
pool: of its rung, of rung and call class, and of scaffold, rung and class, each shrunk towards the one before. Nothing
of the answer's own record enters. A table of the rates can be frozen and used on sessions that it was not made from.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import ConfigError
from harness.fidelity_table import Line
from harness.tallies import UNANSWERED
from toolsim.trajectory import JsonObject

SHRINK = 5.0
"""How many answers of the wider group a narrower one starts with."""
POINTS = (0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Shares of the answered calls, the surest first, at which the curve is read."""
_NARROWEST = 3


class _Table(BaseModel):
    """A frozen table: lineage, rung, class, scaffold, answers, errors of them."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1]
    counts: list[tuple[str, str, str, str, int, int]]


Cell = tuple[str, ...]


@dataclass(slots=True)
class _Counts:
    """Answers and errors by cell, the wider cells among them (`()` is all)."""

    answers: Counter[Cell] = field(default_factory=Counter)
    errors: Counter[Cell] = field(default_factory=Counter)

    def add(self, cell: Cell, answers: int, errors: int) -> None:
        for size in range(len(cell) + 1):
            self.answers[cell[:size]] += answers
            self.errors[cell[:size]] += errors


@dataclass(slots=True)
class Experience:
    """Answers of the tune pool that were right or wrong, counted by lineage so that each can be left out."""

    _whole: _Counts = field(default_factory=_Counts)
    _own: dict[str, _Counts] = field(default_factory=lambda: defaultdict(_Counts))

    @classmethod
    def of(cls, lines: Iterable[Line]) -> Experience:
        """What the answered calls of the tune pool among the lines teach."""
        made = cls()
        for line in lines:
            if line.pool == "tune" and line.grade != UNANSWERED:
                made._add(line.lineage, _cell(line), 1, int(line.wrong))
        return made

    @classmethod
    def from_json(cls, table: object) -> Experience:
        """A frozen table.

        Raises:
            ConfigError: it is none.
        """
        made = cls()
        try:
            rows = _Table.model_validate(table).counts
        except ValidationError as error:
            raise ConfigError(f"not a table of confidence: {error.errors()[0]['msg']}") from error
        for lineage, rung, kind, agent, answers, errors in rows:
            made._add(lineage, (rung, kind, agent), answers, errors)
        return made

    @property
    def answers(self) -> int:
        """How many answers are known."""
        return self._whole.answers[()]

    def to_json(self) -> JsonObject:
        """The counts of the narrowest cells, as `from_json` reads them."""
        counts = [
            [lineage, *cell, answers, own.errors[cell]]
            for lineage, own in sorted(self._own.items())
            for cell, answers in sorted(own.answers.items())
            if len(cell) == _NARROWEST
        ]
        return {"version": 1, "counts": counts}

    def risk(self, line: Line) -> float:
        """The chance that an answer like this is wrong, as other lineages have it; half where nothing is known.

        rate(cell) = (errors + SHRINK * rate(wider cell)) / (answers + SHRINK), from the widest cell down.
        """
        cell, rate = _cell(line), 0.5
        own = self._own.get(line.lineage, _Counts())
        for size in range(_NARROWEST + 1):
            part = cell[:size]
            errors, answers = self._whole.errors[part] - own.errors[part], self._whole.answers[part] - own.answers[part]
            rate = (errors + SHRINK * rate) / (answers + SHRINK)
        return rate

    def _add(self, lineage: str, cell: Cell, answers: int, errors: int) -> None:
        self._whole.add(cell, answers, errors)
        self._own[lineage].add(cell, answers, errors)


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the curve: the share of all calls that are answered, the surest first, and how many are wrong."""

    coverage: float
    wrong: float


def curve(lines: Sequence[Line], experience: Experience) -> tuple[Point, ...]:
    """Coverage (share of all lines) against the share of wrong answers, at `POINTS` of the answered lines.

    Answers of the same risk share their errors evenly, so that no order among them is made up. Empty without an
    answered call.
    """
    risks = sorted((round(experience.risk(line), 9), line.wrong) for line in lines if line.grade != UNANSWERED)
    ties = [[wrong for _, wrong in group] for _, group in groupby(risks, key=lambda pair: pair[0])]
    return tuple(_point(ties, share * len(risks), len(lines)) for share in POINTS) if risks else ()


def _point(ties: Sequence[Sequence[bool]], wanted: float, calls: int) -> Point:
    left, wrong = wanted, 0.0
    for tie in ties:
        taken = min(left, len(tie))
        wrong += taken * sum(tie) / len(tie)
        left -= taken
    return Point(wanted / calls, wrong / wanted)


def _cell(line: Line) -> Cell:
    return (line.rung, line.kind, line.agent)

"""How far a grader can be believed: sensitivity and specificity for each category on labelled turns. Pure.

Intervals are Jeffreys' (Brown, Cai and DasGupta 2001), each labelled turn counting once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.behaviors.findings import TurnVerdict
from harness.behaviors.labelled import LabelledTurn
from harness.estimates import jeffreys


@dataclass(frozen=True, slots=True)
class Share:
    """A share of turns with its 95 % interval; of no turns it is `None`."""

    hits: int
    of: int

    @property
    def value(self) -> float | None:
        """The share."""
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """Jeffreys, 95 %; of no turns everything."""
        return jeffreys(self.hits, self.of) if self.of else (0.0, 1.0)

    def __str__(self) -> str:
        """`3/4 75 % [28, 97]`, or that there is nothing to measure on."""
        if self.value is None:
            return "no such turn"
        low, high = self.interval
        return f"{self.hits}/{self.of} {100 * self.value:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


@dataclass(frozen=True, slots=True)
class Validity:
    """One category, or all together (`category` is `any`). `failed` turns have no grade and count nowhere else."""

    category: str
    sensitivity: Share
    specificity: Share
    precision: Share
    failed: int


def validity(
    turns: Sequence[LabelledTurn], verdicts: Mapping[str, TurnVerdict], categories: Iterable[str]
) -> tuple[Validity, ...]:
    """A row for each category that a turn is labelled with or that was found, and one for any of them."""
    graded = [turn for turn in turns if verdicts[turn.turn.name].failed is None]
    failed = len(turns) - len(graded)
    truth = {turn.turn.name: set(turn.labels) for turn in graded}
    found = {turn.turn.name: set(verdicts[turn.turn.name].severities) for turn in graded}
    rows = [
        _row(
            category, {n: category in t for n, t in truth.items()}, {n: category in f for n, f in found.items()}, failed
        )
        for category in categories
        if any(category in names for names in (*truth.values(), *found.values()))
    ]
    whole = _row("any", {n: bool(t) for n, t in truth.items()}, {n: bool(f) for n, f in found.items()}, failed)
    return (*rows, whole)


def _row(category: str, truth: Mapping[str, bool], found: Mapping[str, bool], failed: int) -> Validity:
    positive = [name for name, there in truth.items() if there]
    negative = [name for name, there in truth.items() if not there]
    accused = [name for name, there in found.items() if there]
    return Validity(
        category,
        Share(sum(found[name] for name in positive), len(positive)),
        Share(sum(not found[name] for name in negative), len(negative)),
        Share(sum(truth[name] for name in accused), len(accused)),
        failed,
    )

"""Two models on the same prefixes: rates of both, paired differences, and what the simulator itself adds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import ConfigError
from harness.estimates import holm
from harness.graded import GradedSet, cells
from harness.rates import Corrected, PairedRate, Rate, correct, measure_difference, measure_rate


@dataclass(frozen=True, slots=True)
class Compared:
    """One category and severity. `p` is McNemar's, `p_holm` the same held against all cells of the comparison."""

    category: str
    threshold: int
    baseline: Rate
    candidate: Rate
    paired: PairedRate | None
    p_holm: float | None
    corrected: Corrected | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison: how many prefixes both have, and every cell."""

    pairs: int
    unpaired: int
    cells: tuple[Compared, ...]


def compare_sets(
    baseline: GradedSet,
    candidate: GradedSet,
    *,
    recorded: GradedSet | None = None,
    thresholds: Sequence[int] = (1,),
    seed: int = 0,
) -> Comparison:
    """Candidate against baseline, both in simulation; `recorded` is the baseline model as it was recorded.

    Raises:
        ConfigError: a set has no graded turn, or the sets have no category in common.
    """
    named = {"baseline": baseline, "candidate": candidate, "recorded": recorded}
    sets = {name: found for name, found in named.items() if found is not None}
    for name, found in sets.items():
        if not found.graded:
            raise ConfigError(f"the {name} has no graded turn: there is nothing to compare")
    rng = np.random.default_rng(seed)
    made = [
        _cell(baseline, candidate, recorded, cell, rng) for cell in cells(list(sets.values()), thresholds)
    ]  # fmt: skip
    held = holm({f"{c.category}/{c.threshold}": c.paired.p for c in made if c.paired is not None})
    whole = tuple(_held(c, held.get(f"{c.category}/{c.threshold}")) for c in made)
    first = whole[0].paired
    alone = len(baseline.graded) + len(candidate.graded)
    return Comparison(first.pairs if first else 0, first.unpaired if first else alone, whole)


def _cell(
    baseline: GradedSet,
    candidate: GradedSet,
    recorded: GradedSet | None,
    cell: tuple[str, int],
    rng: np.random.Generator,
) -> Compared:
    old, new = (measure_rate(found, *cell, rng=rng) for found in (baseline, candidate))
    assert old is not None
    assert new is not None
    paired = measure_difference(baseline.graded, candidate.graded, *cell, rng=rng)
    corrected = None
    if recorded is not None:
        corrected = correct(recorded.graded, baseline.graded, candidate.graded, *cell, rng=rng)
    return Compared(*cell, old, new, paired, None, corrected)


def _held(found: Compared, p: float | None) -> Compared:
    return Compared(
        found.category, found.threshold, found.baseline, found.candidate, found.paired, p, found.corrected
    )  # fmt: skip

"""Two models on the same prefixes: rates of both, paired differences, and what the simulator itself adds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.errors import ConfigError
from harness.estimates import holm
from harness.graded import GradedSet, cells
from harness.logrates import Draws, draw_cells
from harness.rates import (
    Corrected,
    PairedRate,
    Rate,
    correct,
    measure_difference,
    measure_rate,
    paired_sides,
)  # fmt: skip


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
    for name, side in sets.items():
        if not side.graded:
            raise ConfigError(f"the {name} has no graded turn: there is nothing to compare")
    rng = np.random.default_rng(seed)
    asked = cells(list(sets.values()), thresholds)
    sides = paired_sides(baseline.graded, candidate.graded)
    paired = draw_cells(sides, asked, rng=rng) if sides[0] else {}
    three = None if recorded is None else (recorded.graded, baseline.graded, candidate.graded)
    whole = {} if three is None else draw_cells(three, asked, rng=rng)
    made = [
        _cell((baseline, candidate, recorded), cell, (paired.get(cell), whole.get(cell)), rng) for cell in asked
    ]  # fmt: skip
    held = holm({f"{c.category}/{c.threshold}": c.paired.p for c in made if c.paired is not None})
    found = tuple(replace(c, p_holm=held.get(f"{c.category}/{c.threshold}")) for c in made)
    first = found[0].paired
    alone = len(baseline.graded) + len(candidate.graded)
    return Comparison(first.pairs if first else 0, first.unpaired if first else alone, found)


def _cell(
    sets: tuple[GradedSet, GradedSet, GradedSet | None],
    cell: tuple[str, int],
    known: tuple[Draws | None, Draws | None],
    rng: np.random.Generator,
) -> Compared:
    baseline, candidate, recorded = sets
    old, new = (measure_rate(side, *cell, rng=rng) for side in (baseline, candidate))
    assert old is not None
    assert new is not None
    paired = measure_difference(baseline.graded, candidate.graded, *cell, rng=rng, known=known[0])
    corrected = None
    if recorded is not None:
        corrected = correct(recorded.graded, baseline.graded, candidate.graded, *cell, rng=rng, known=known[1])
    return Compared(*cell, old, new, paired, None, corrected)

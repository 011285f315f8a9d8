"""How often a behaviour occurs, with its uncertainty; and how much more or less often than with another model. Pure.

Rates are shares of turns; printouts give them per 100,000. Turns without tool calls stay in the denominator. Formulas
and sources: docs/methods.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import bdtr

from harness.estimates import (
    Estimate,
    cluster_bootstrap,
    cluster_sums,
    clustered_share,
    few_clusters,
    jeffreys,
    paired_difference,
)  # fmt: skip
from harness.graded import GradedSet, GradedTurn, pairs
from harness.intervals import bootstrap_interval
from harness.logrates import DRAWS, BetaRate, Contrast, Draws, draw_logs, smoothed

PER = 100_000


@dataclass(frozen=True, slots=True)
class Rate:
    """How often one category was found with at least one severity.

    `turns` are the graded ones, `silent` of them without a tool call; `missing` have no grade or no rollout. `jeffreys`
    takes turns as independent, `clustered` and `bootstrap` allow for lineages. `floor` is the rate that would have been
    seen at least once with the stated confidence if turns were independent, `floor_lineages` if all turns of a lineage
    were the same; with no event they are the upper bounds of the rate ("rule of three"). `worst` bounds the rate if
    none and if all of the missing turns had shown it. `faulty` events came about by a fault of the simulator;
    `without_faults` is the rate when they are not counted.
    """

    category: str
    threshold: int
    events: int
    turns: int
    silent: int
    missing: int
    value: float
    smoothed: float
    jeffreys: tuple[float, float]
    clustered: Estimate
    bootstrap: Estimate
    floor: float
    floor_lineages: float
    worst: tuple[float, float]
    faulty: int
    without_faults: float

    @property
    def upper_at_zero(self) -> float | None:
        """The one-sided bound where nothing was seen; `None` where something was."""
        return self.floor if self.events == 0 else None


@dataclass(frozen=True, slots=True)
class PairedRate:
    """One category, two models, the same prefixes: `only_*` are the pairs in which one model alone showed it.

    `p` is McNemar's exact one, which takes pairs as independent; `difference` (candidate minus baseline) allows for
    lineages by Student's t, `bootstrap` by drawing whole lineages. `ratio` is on smoothed rates. `unpaired` turns had
    no partner with a grade and are not used.
    """

    category: str
    threshold: int
    pairs: int
    unpaired: int
    both: int
    only_baseline: int
    only_candidate: int
    p: float
    difference: Estimate
    bootstrap: Estimate
    ratio: Contrast


@dataclass(frozen=True, slots=True)
class Corrected:
    """What the simulator itself adds, and the candidate's rate with and without that.

    `recorded` is the old model in the recording, `self_resampled` the old model on its own prefixes in simulation,
    `candidate` the new one there (smoothed rates). `added` = log self_resampled - log recorded: 0 if the simulator
    changes nothing. `uncorrected` = log candidate - log recorded; `corrected` = log candidate - log self_resampled, in
    which the simulator's part cancels. The predicted rates are the candidate's own, and recorded · candidate /
    self_resampled.
    """

    category: str
    threshold: int
    recorded: float
    self_resampled: float
    candidate: float
    added: Contrast
    uncorrected: Contrast
    corrected: Contrast
    predicted_uncorrected: BetaRate
    predicted_corrected: BetaRate

    @property
    def corrected_rate(self) -> float:
        """The point prediction after correction, at most 1."""
        return min(1.0, self.recorded * self.candidate / self.self_resampled)


def detection_floor(turns: int, confidence: float = 0.95) -> float:
    """The smallest rate that shows at least once in so many independent turns, 1 - (1 - confidence)^(1/n) ≈ 3/n.

    The same number bounds the rate from above where nothing was seen (Hanley and Lippman-Hand, JAMA 249, 1983).

    Raises:
        ValueError: there is no turn.
    """
    if turns <= 0:
        raise ValueError("a floor needs at least one turn")
    return float(-np.expm1(np.log1p(-confidence) / turns))


def turns_for(rate: float, confidence: float = 0.95) -> int:
    """How many independent turns show a rate at least once: the inverse of `detection_floor`.

    Raises:
        ValueError: the rate lies outside of (0, 1).
    """
    if not 0 < rate < 1:
        raise ValueError(f"a rate to look for lies in (0, 1), not {rate}")
    return int(np.ceil(round(float(np.log1p(-confidence) / np.log1p(-rate)), 6)))


def measure_rate(
    graded: GradedSet, category: str, threshold: int, *, rng: np.random.Generator, confidence: float = 0.95
) -> Rate | None:
    """The rate of one cell; `None` if no turn has a grade."""
    turns = graded.graded
    values = [float(turn.shows(category, threshold)) for turn in turns]
    lineages = [turn.lineage for turn in turns]
    clustered = clustered_share(values, lineages, confidence)
    bootstrap = cluster_bootstrap(values, lineages, rng=rng, confidence=confidence)
    if clustered is None or bootstrap is None:
        return None
    events, n = int(sum(values)), len(values)
    missing = len(graded.turns) - n + sum(graded.excluded.values())
    faulty = sum(turn.shows(category, threshold) and category in turn.faults for turn in turns)
    return Rate(
        category, threshold, events, n, sum(turn.calls == 0 for turn in turns), missing,
        events / n, smoothed(events, n), jeffreys(events, n, confidence), clustered, bootstrap,
        detection_floor(n, confidence), detection_floor(clustered.clusters, confidence),
        (events / (n + missing), (events + missing) / (n + missing)), faulty, (events - faulty) / n,
    )  # fmt: skip


def measure_difference(
    baseline: Sequence[GradedTurn],
    candidate: Sequence[GradedTurn],
    category: str,
    threshold: int,
    *,
    rng: np.random.Generator,
    known: Draws | None = None,
) -> PairedRate | None:
    """Candidate against baseline on the same prefixes; `None` without a pair.

    `known` are draws of this cell over `paired_sides`, where they were made for many cells at once.
    """
    both, alone = pairs(baseline, candidate)
    if not both:
        return None
    old = [float(a.shows(category, threshold)) for a, _ in both]
    new = [float(b.shows(category, threshold)) for _, b in both]
    lineages = [a.lineage for a, _ in both]
    difference = paired_difference(old, new, lineages)
    assert difference is not None
    changed = [b - a for a, b in zip(old, new, strict=True)]
    worse, better = changed.count(1.0), changed.count(-1.0)
    if known is None:
        known = draw_logs(paired_sides(baseline, candidate), category, threshold, rng=rng)
    ratio = known.contrast((-1, 1))
    return PairedRate(
        category, threshold, len(both), alone, sum(a == b == 1 for a, b in zip(old, new, strict=True)), better, worse,
        mcnemar(better, worse), difference, _bootstrap(changed, lineages, difference, rng), ratio,
    )  # fmt: skip


def paired_sides(
    baseline: Sequence[GradedTurn], candidate: Sequence[GradedTurn]
) -> tuple[list[GradedTurn], list[GradedTurn]]:
    """The turns of both sides that have a partner, in the same order; a pair's lineage is the baseline's."""
    both, _ = pairs(baseline, candidate)
    return [a for a, _ in both], [replace(b, lineage=a.lineage) for a, b in both]


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p that a pair which differs is as likely to differ either way (McNemar, Psychometrika 12, 1947).

    The exact form is the sign test; 1 where no pair differs.
    """
    whole = only_first + only_second
    return 1.0 if whole == 0 else min(1.0, 2 * float(bdtr(min(only_first, only_second), whole, 0.5)))


def correct(
    recorded: Sequence[GradedTurn],
    self_resampled: Sequence[GradedTurn],
    candidate: Sequence[GradedTurn],
    category: str,
    threshold: int,
    *,
    rng: np.random.Generator,
    known: Draws | None = None,
) -> Corrected:
    """The difference in differences of one cell on the log scale; `known` are draws of this cell over the three.

    Raises:
        ValueError: one of the three has no graded turn.
    """
    found = known or draw_logs((recorded, self_resampled, candidate), category, threshold, rng=rng)
    before, again, new = (float(rate) for rate in np.exp(found.point))
    return Corrected(
        category, threshold, before, again, new,
        found.contrast((-1, 1, 0)), found.contrast((-1, 0, 1)), found.contrast((0, -1, 1)),
        found.rate((0, 0, 1)), found.rate((1, -1, 1)),
    )  # fmt: skip


def _bootstrap(
    changed: Sequence[float], lineages: Sequence[str], difference: Estimate, rng: np.random.Generator
) -> Estimate:  # fmt: skip
    """The bootstrap's interval of a difference; where all differences are the same, that of `difference`."""
    name = "cluster bootstrap of paired differences, BCa"
    if len(set(changed)) == 1:
        return Estimate(*_numbers(difference), name, difference.warning)
    data = cluster_sums([(value + 1) / 2 for value in changed], lineages)
    low, high = (2 * float(end) - 1 for end in bootstrap_interval(data, DRAWS, rng))
    return Estimate(difference.value, low, high, len(changed), data.clusters, name, few_clusters(data.clusters))


def _numbers(of: Estimate) -> tuple[float, float, float, int, int]:
    return of.value, of.low, of.high, of.n, of.clusters

"""Rates corrected by people's labels: a two-phase audit, and Rogan and Gladen where it is identified. Pure.

Phase one: graders look at every turn. Phase two: people label a sample of the turns that graders accused and a sample
of the others. Strata are drawn from at their own rate, and each counts by its size, so the sample may lean to turns
that are likelier to show something (Cochran, Sampling Techniques, ch. 12). Formulas: docs/methods.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 20_000
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stratum:
    """Turns that were sampled at one rate: `accused` says what the graders said of them.

    Of `size` turns `labelled` have a label, `positive` of these show the behaviour.
    """

    name: str
    accused: bool
    size: int
    labelled: int
    positive: int

    def __post_init__(self) -> None:
        if not 0 <= self.positive <= self.labelled <= self.size:
            raise ValueError(f"stratum {self.name}: {self.positive} of {self.labelled} of {self.size} is no sample")


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.value:.2f} % [{100 * self.low:.2f}, {100 * self.high:.2f}]"


@dataclass(frozen=True, slots=True)
class Audit:
    """What labels say of one category: shares of the turns that were graded.

    `graded` is the share that graders accuse, `rate` the corrected share. Where a stratum has no label nothing is known
    of it: then `rate` is `None`, `not_identified` says why, and `bounds` are what the labels leave possible.
    `sensitivity` and `specificity` are the graders', on these turns.
    """

    category: str
    strata: tuple[Stratum, ...]
    graded: float
    rate: Interval | None
    sensitivity: Interval | None
    specificity: Interval | None
    bounds: tuple[float, float]
    not_identified: str | None


def audit(category: str, strata: Sequence[Stratum], *, rng: np.random.Generator) -> Audit | None:
    """Correct the rate of one category; `None` where no turn was graded.

    Within a stratum the unlabelled turns are beta-binomial given the labels (Jeffreys' prior), so a stratum that is
    labelled whole adds no uncertainty. Turns of a stratum are taken as independent.
    """
    used = tuple(stratum for stratum in strata if stratum.size)
    whole = sum(stratum.size for stratum in used)
    if not whole:
        return None
    accused = sum(stratum.size for stratum in used if stratum.accused)
    positive = {stratum.name: _positives(stratum, rng) for stratum in used}
    low = sum(s.positive for s in used) / whole
    high = sum(s.positive + s.size - s.labelled for s in used) / whole
    unseen = [stratum for stratum in used if not stratum.labelled]
    if unseen:
        why = ", ".join(f"none of {s.size} turns {s.name} has a label" for s in unseen)
        return Audit(category, used, accused / whole, None, None, None, (low, high), why)
    rate = np.sum([positive[s.name] for s in used], axis=0) / whole
    point = sum(s.size * s.positive / s.labelled for s in used)
    hits = np.sum([positive[s.name] for s in used if s.accused], axis=0) if accused else np.zeros(DRAWS)
    hit = sum(s.size * s.positive / s.labelled for s in used if s.accused)
    misses = np.sum([positive[s.name] for s in used], axis=0) - hits
    return Audit(
        category, used, accused / whole, _interval(point / whole, rate),
        _ratio(hit, point, hits, hits + misses),
        _ratio(whole - accused - (point - hit), whole - point, whole - accused - misses, whole - hits - misses),
        (low, high), None,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RoganGladen:
    """The corrected share, (observed + specificity - 1) / (sensitivity + specificity - 1); `rate` is `None` where it is
    not identified, for the reason given."""

    observed: tuple[int, int]
    sensitivity: tuple[int, int]
    specificity: tuple[int, int]
    rate: Interval | None
    not_identified: str | None


def rogan_gladen(
    observed: tuple[int, int], sensitivity: tuple[int, int], specificity: tuple[int, int], *, rng: np.random.Generator
) -> RoganGladen:
    """Correct a share by figures from other labelled turns; each argument is (hits, of).

    Not identified if a figure has no turn, if the grader may be no better than chance, or if the false positives that
    the specificity still allows (0 in 200 allow 1,800 per 100,000) could be all that was observed. Rogan and Gladen,
    Am. J. Epidemiology 107, 1978; the interval is from Jeffreys' posteriors of the three shares, cut to [0, 1].
    """

    def said(rate: Interval | None, why: str | None) -> RoganGladen:
        return RoganGladen(observed, sensitivity, specificity, rate, why)

    for name, (_, of) in (("observed", observed), ("sensitivity", sensitivity), ("specificity", specificity)):
        if not of:
            return said(None, f"no turn to measure the {name} on")
    draws = [rng.beta(hits + 0.5, of - hits + 0.5, DRAWS) for hits, of in (observed, sensitivity, specificity)]
    better = draws[1] + draws[2] - 1
    if np.quantile(better, 0.025) <= 0:
        return said(None, "the grader may be no better than chance (sensitivity + specificity - 1 reaches 0)")
    allowed = float(np.quantile(1 - draws[2], 0.975))
    share = observed[0] / observed[1]
    if share <= allowed:
        return said(
            None,
            f"the specificity still allows {100_000 * allowed:,.0f} false positives per 100,000 turns, and"
            f" {100_000 * share:,.0f} were found",
        )
    rates = np.clip((draws[0] + draws[2] - 1) / better, 0, 1)
    se, sp = sensitivity[0] / sensitivity[1], specificity[0] / specificity[1]
    return said(_interval(min(1.0, max(0.0, (share + sp - 1) / (se + sp - 1))), rates), None)


def allocate(sizes: Sequence[int], weights: Sequence[float], total: int) -> list[int]:
    """How many to sample from each stratum: in proportion to size times weight, none more than it has, at least one of
    each that has any while the total lasts."""
    taken = [min(1, size) for size in sizes]
    while sum(taken) > total:
        taken[max(n for n, count in enumerate(taken) if count)] = 0
    while sum(taken) < min(total, sum(sizes)):
        open_ = [n for n, size in enumerate(sizes) if taken[n] < size]
        taken[max(open_, key=lambda n: sizes[n] * weights[n] / (taken[n] + 1))] += 1
    return taken


def _positives(stratum: Stratum, rng: np.random.Generator) -> Array:
    """Draws of how many of a stratum's turns show the behaviour."""
    left = stratum.size - stratum.labelled
    share = rng.beta(stratum.positive + 0.5, stratum.labelled - stratum.positive + 0.5, DRAWS)
    return stratum.positive + rng.binomial(left, share).astype(np.float64)


def _interval(value: float, draws: Array) -> Interval:
    low, high = np.quantile(draws, (0.025, 0.975))
    return Interval(value, min(value, float(low)), max(value, float(high)))


def _ratio(part: float, whole: float, parts: Array, wholes: Array) -> Interval | None:
    """The share with its interval over the draws in which there is a whole; `None` where there is none at all."""
    known = wholes > 0
    if whole <= 0 or not known.any():
        return None
    return _interval(part / whole, parts[known] / wholes[known])

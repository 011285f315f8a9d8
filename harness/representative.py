"""Does a sample look like the traffic that it stands for, and how to weight it so that it does. Pure.

A member is one turn (or session) with its lineage, its moment and what is known of it by dimension: user, repository,
scaffold, task class. Formulas and sources: docs/methods.md.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import chdtrc

from harness.estimates import Estimate, few_clusters, holm
from harness.intervals import Array, Sums, share_interval

DAY = 86_400.0
WINDOW_DAYS = 28.0
DIMENSIONS = ("user", "repo", "scaffold", "task")
UNKNOWN = "unknown"
REST = "all others"
LEAST_EXPECTED = 5.0
HEAVIEST = 10.0
_ROUNDS = 500
_CLOSE = 1e-8


@dataclass(frozen=True, slots=True)
class Member:
    """One unit of traffic. `at` is Unix seconds (`None`: no time recorded); a dimension not in `known` is unknown."""

    key: str
    lineage: str
    at: float | None = None
    known: Mapping[str, str] = field(default_factory=dict)

    def level(self, dimension: str) -> str:
        """The member's place on a dimension."""
        return self.known.get(dimension) or UNKNOWN


@dataclass(frozen=True, slots=True)
class Level:
    """One place on a dimension with the shares of both sides."""

    name: str
    first: int
    second: int
    first_share: float
    second_share: float


@dataclass(frozen=True, slots=True)
class Drift:
    """How two sets differ on one dimension.

    `psi` is the population stability index over the levels (under 0.1 little, from 0.25 on much, by custom);
    `chi_square` is that of homogeneity divided by `design_effect`, the mean one of the levels by lineage (Rao and
    Scott); `p_holm` is corrected for the number of dimensions. `levels` are those with at least 5 expected on each
    side, the others are one; `None` stands where there is but one level.
    """

    dimension: str
    levels: tuple[Level, ...]
    psi: float
    chi_square: float | None
    df: int
    design_effect: float
    p: float | None
    p_holm: float | None


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights with mean 1 by key. `effective` is Kish's number of members, (Σw)²/Σw².

    `missing` holds for each dimension the share of the target in levels that the sample does not have: no weight can
    stand for those, the targets of the others were scaled up. `trimmed` weights were cut at ten times the mean.
    `largest_gap` is what is left between a weighted and a target share.
    """

    by_key: Mapping[str, float]
    effective: float
    missing: Mapping[str, float]
    trimmed: int
    largest_gap: float


def window(members: Sequence[Member], days: float = WINDOW_DAYS, until: float | None = None) -> tuple[Member, ...]:
    """The members of the most recent window, `days` up to `until` (by default the last time that there is).

    Members without a time are in no window.
    """
    times = [m.at for m in members if m.at is not None]
    if not times:
        return ()
    end = max(times) if until is None else until
    return tuple(m for m in members if m.at is not None and end - days * DAY < m.at <= end)


def shares(members: Iterable[Member], dimension: str) -> dict[str, float]:
    """The share of each level, largest first."""
    counts = Counter(m.level(dimension) for m in members)
    return {name: n / counts.total() for name, n in counts.most_common()}


def compare_mix(
    first: Sequence[Member], second: Sequence[Member], dimensions: Sequence[str] = DIMENSIONS
) -> tuple[Drift, ...]:
    """How two sets differ by dimension: a sample against its traffic (no part of it), or one window against another.

    Raises:
        ValueError: one of the two is empty.
    """
    if not first or not second:
        raise ValueError("a mix needs members on both sides")
    made = [_drift(first, second, dimension) for dimension in dimensions]
    held = holm({d.dimension: d.p for d in made if d.p is not None})
    return tuple(
        Drift(d.dimension, d.levels, d.psi, d.chi_square, d.df, d.design_effect, d.p, held.get(d.dimension))
        for d in made
    )


def rake(
    sample: Sequence[Member], targets: Mapping[str, Mapping[str, float]], *, heaviest: float = HEAVIEST
) -> Weights:
    """Weights that give a sample the target shares on every dimension (Deming and Stephan 1940, raking).

    With one dimension it is post-stratification. Weights over `heaviest` times the mean are cut and the rest raked
    again; where targets cannot all be met the gap is stated.

    Raises:
        ValueError: the sample is empty, or shares none of a target's levels.
    """
    if not sample:
        raise ValueError("an empty sample cannot be weighted")
    places, wanted, missing = _targets(sample, targets)
    weights = np.ones(len(sample))
    cut = np.zeros(len(sample), dtype=bool)
    for _ in range(_ROUNDS):
        before = weights.copy()
        for dimension, place in places.items():
            now = np.bincount(place, weights=weights, minlength=len(wanted[dimension])) / weights.sum()
            factor = np.divide(wanted[dimension], now, out=np.zeros_like(now), where=now > 0)
            weights = weights * factor[place]
        weights /= weights.mean()
        cut |= weights > heaviest
        weights = _trim(weights, heaviest)
        if float(np.abs(weights - before).max()) < _CLOSE:
            break
    return Weights(
        {m.key: float(w) for m, w in zip(sample, weights, strict=True)},
        float(weights.sum() ** 2 / (weights**2).sum()), missing, int(cut.sum()), _gap(weights, places, wanted),
    )  # fmt: skip


def weighted_share(
    values: Sequence[float], weights: Sequence[float], lineages: Sequence[str], confidence: float = 0.95
) -> Estimate | None:
    """The weighted mean of values in [0, 1] with an interval by lineage; `None` without observations.

    Cluster residuals are those of the ratio Σwy/Σw; the number of observations is Kish's effective one.

    Raises:
        ValueError: the three differ in length, a weight is negative or all are 0, or a value lies outside of [0, 1].
    """
    if not len(values) == len(weights) == len(lineages):
        raise ValueError(f"{len(values)} values, {len(weights)} weights, {len(lineages)} lineages")
    if not values:
        return None
    y, w = np.asarray(values, dtype=float), np.asarray(weights, dtype=float)
    if (w < 0).any() or w.sum() <= 0 or (y < 0).any() or (y > 1).any():
        raise ValueError("a weighted share needs values in [0, 1] and weights that are not negative and not all 0")
    w = w * (w.sum() / (w**2).sum())  # so that they add up to the effective number
    order: dict[str, int] = {}
    index = np.array([order.setdefault(name, len(order)) for name in lineages])
    sizes, sums, squares = (np.bincount(index, weights=w * y**power).astype(np.float64) for power in (0, 1, 2))
    kept = sizes > 0
    data = Sums(sizes[kept], sums[kept], squares[kept])
    low, high = share_interval(data, confidence)
    return Estimate(
        float(data.mean), float(low), float(high), len(values), data.clusters, "weighted, cluster-robust t, logit",
        few_clusters(data.clusters),
    )  # fmt: skip


def _drift(first: Sequence[Member], second: Sequence[Member], dimension: str) -> Drift:
    sides = (first, second)
    counts = [Counter(m.level(dimension) for m in side) for side in sides]
    kept = _levels(counts[0], counts[1])
    named = [[m.level(dimension) if m.level(dimension) in kept else REST for m in side] for side in sides]
    tables = [Counter(names) for names in named]
    names = sorted(set(tables[0]) | set(tables[1]), key=lambda n: (n == REST, -tables[0][n] - tables[1][n], n))
    levels = tuple(
        Level(n, tables[0][n], tables[1][n], tables[0][n] / len(first), tables[1][n] / len(second)) for n in names
    )
    psi = _psi(levels, len(first), len(second))
    if len(levels) < 2:
        return Drift(dimension, levels, psi, None, 0, 1.0, None, None)
    observed = np.array([[level.first, level.second] for level in levels], dtype=float)
    expected = observed.sum(1, keepdims=True) * observed.sum(0) / observed.sum()
    effect = _design_effect(sides, named, names)
    statistic = float(((observed - expected) ** 2 / expected).sum()) / effect
    p = float(chdtrc(len(levels) - 1, statistic))
    return Drift(dimension, levels, psi, statistic, len(levels) - 1, effect, p, None)


def _levels(first: Counter[str], second: Counter[str]) -> frozenset[str]:
    """The levels of which both sides would hold at least 5 if they did not differ."""
    whole = first.total() + second.total()
    smaller = min(first.total(), second.total()) / whole
    return frozenset(n for n in first | second if (first[n] + second[n]) * smaller >= LEAST_EXPECTED)


def _psi(levels: Sequence[Level], first: int, second: int) -> float:
    """Σ (p - q) ln(p/q), with half a member added to each level so that none is empty."""
    half = 0.5 * len(levels)
    pairs = [((v.first + 0.5) / (first + half), (v.second + 0.5) / (second + half)) for v in levels]
    return sum((p - q) * math.log(p / q) for p, q in pairs)


def _design_effect(sides: Sequence[Sequence[Member]], named: Sequence[Sequence[str]], names: Sequence[str]) -> float:
    """The mean design effect of the levels' shares, at least 1 (Rao and Scott, JASA 76, 1981, first order).

    Of each level: the variance of its share between lineages over that of independent members, weighted by 1 - share.
    """
    tops, bottoms = 0.0, 0.0
    for side, levels in zip(sides, named, strict=True):
        sizes: Counter[str] = Counter(m.lineage for m in side)
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for member, level in zip(side, levels, strict=True):
            counts[level][member.lineage] += 1
        groups, n = len(sizes), len(side)
        if groups < 2:
            continue
        for name in names:
            share = counts[name].total() / n
            if 0 < share < 1:
                spread = sum((counts[name][g] - size * share) ** 2 for g, size in sizes.items()) * groups / (groups - 1)
                tops += (1 - share) * spread / (n * share * (1 - share))
                bottoms += 1 - share
    return max(1.0, tops / bottoms) if bottoms else 1.0


def _targets(
    sample: Sequence[Member], targets: Mapping[str, Mapping[str, float]]
) -> tuple[dict[str, Array], dict[str, Array], dict[str, float]]:
    """For each dimension where each member stands, the reachable target shares, and the share that is not reachable."""
    places, wanted, missing = {}, {}, {}
    for dimension, target in targets.items():
        whole = sum(target.values())
        here = sorted({m.level(dimension) for m in sample})
        reach = sum(target.get(name, 0.0) for name in here)
        if whole <= 0 or reach <= 0:
            raise ValueError(f"the sample has none of the target's levels of {dimension}")
        order = {name: n for n, name in enumerate(here)}
        places[dimension] = np.array([order[m.level(dimension)] for m in sample])
        wanted[dimension] = np.array([target.get(name, 0.0) / reach for name in here])
        missing[dimension] = 1 - reach / whole
    return places, wanted, missing


def _trim(weights: Array, heaviest: float) -> Array:
    """The weights with mean 1 and none above `heaviest`: what is over is cut until it holds."""
    for _ in range(_ROUNDS):
        weights = weights / weights.mean()
        if float(weights.max()) <= heaviest * (1 + _CLOSE):
            break
        weights = np.minimum(weights, heaviest)
    return weights


def _gap(weights: Array, places: Mapping[str, Array], wanted: Mapping[str, Array]) -> float:
    """The largest difference between a weighted and a target share."""
    gaps = [
        float(np.abs(np.bincount(place, weights=weights, minlength=len(wanted[d])) / weights.sum() - wanted[d]).max())
        for d, place in places.items()
    ]
    return max(gaps, default=0.0)

"""Rates and differences with honest intervals. Pure: numbers in, numbers out; formulas in docs/methods.md."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from harness.intervals import Array, Sums, bootstrap_interval, difference_interval, p_value, share_interval, spread

FEW_CLUSTERS = 20


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share in [0, 1] or a difference in [-1, 1] with a two-sided interval.

    `clusters` is the number of independent groups behind `n`. `warning` says what makes the interval doubtful (`None`:
    nothing); every printout shows it.
    """

    value: float
    low: float
    high: float
    n: int
    clusters: int
    method: str
    warning: str | None = None

    def __str__(self) -> str:
        interval = f"[{100 * self.low:.1f}, {100 * self.high:.1f}]"
        doubt = f"; {self.warning}" if self.warning else ""
        return f"{100 * self.value:.1f} % {interval} (n={self.n}, clusters={self.clusters}{doubt})"


def few_clusters(clusters: int) -> str | None:
    """What to say of an interval from so many clusters; `None` from 20 on, where its coverage is checked."""
    if clusters >= FEW_CLUSTERS:
        return None
    return f"only {clusters} cluster{'s' if clusters != 1 else ''}: under {FEW_CLUSTERS} the interval is a rough guide"


def jeffreys(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Jeffreys interval of a binomial share: Beta(k+½, n-k+½) quantiles, ends closed at k=0 and k=n.

    Source: Brown, Cai, DasGupta, Statistical Science 16 (2001), section 3.1.3.

    Raises:
        ValueError: `n` is 0.
    """
    if n <= 0:
        raise ValueError("an interval needs at least one observation")
    tail = (1 - confidence) / 2
    low = 0.0 if successes <= 0 else float(betaincinv(successes + 0.5, n - successes + 0.5, tail))
    high = 1.0 if successes >= n else float(betaincinv(successes + 0.5, n - successes + 0.5, 1 - tail))
    return low, high


def clopper_pearson_lower(successes: int, n: int, confidence: float = 0.95) -> float:
    """The exact one-sided lower bound of a binomial share (Clopper and Pearson, Biometrika 26, 1934)."""
    if n <= 0:
        raise ValueError("a bound needs at least one observation")
    return 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, 1 - confidence))


def clustered_share(values: Sequence[float], clusters: Sequence[Hashable], confidence: float = 0.95) -> Estimate | None:
    """The mean of values in [0, 1] with an interval that allows for clusters; `None` without observations.

    The interval is `harness.intervals.share_interval`: cluster-robust t on the logit scale with Bell and McCaffrey's
    correction for few and unequal clusters, an exact one on clusters for rare shares. Never [0, 0].

    Raises:
        ValueError: the two sequences differ in length, or a value lies outside of [0, 1].
    """
    if not _shares(values, clusters):
        return None
    data = cluster_sums(values, clusters)
    return _estimate(data, share_interval(data, confidence), "cluster-robust t, logit")


def cluster_bootstrap(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    rng: np.random.Generator,
    draws: int = 4_000,
    confidence: float = 0.95,
) -> Estimate | None:
    """The mean of values in [0, 1] with the interval of a bootstrap of whole clusters; `None` without observations.

    A second opinion on `clustered_share`, which covers better with few or unequal clusters and for rare shares.

    Raises:
        ValueError: the two sequences differ in length, or a value lies outside of [0, 1].
    """
    if not _shares(values, clusters):
        return None
    data = cluster_sums(values, clusters)
    return _estimate(data, bootstrap_interval(data, draws, rng, confidence), "cluster bootstrap, BCa")


def paired_difference(
    values_a: Sequence[float], values_b: Sequence[float], clusters: Sequence[Hashable], confidence: float = 0.95
) -> Estimate | None:
    """The mean of b - a over the same items, clustered; `None` without items.

    Raises:
        ValueError: the sequences differ in length, or a value lies outside of [0, 1].
    """
    if len(values_a) != len(values_b):
        raise ValueError(f"{len(values_a)} values in a, {len(values_b)} in b: a pair needs both")
    if not _shares(values_a, clusters) or not _shares(values_b, clusters):
        return None
    data = cluster_sums([b - a for a, b in zip(values_a, values_b, strict=True)], clusters)
    return _estimate(data, difference_interval(data, confidence), "cluster-robust t of paired differences")


def share_p_value(values: Sequence[float], clusters: Sequence[Hashable], null: float = 0.5) -> float | None:
    """Two-sided p of a clustered share against `null`; `None` without observations.

    Raises:
        ValueError: the two sequences differ in length, or a value lies outside of [0, 1].
    """
    return float(p_value(cluster_sums(values, clusters), null)) if _shares(values, clusters) else None


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down adjusted p-values, by name: each may be held against the level of the whole family.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    adjusted: dict[str, float] = {}
    running = 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: (item[1], item[0]))):
        running = max(running, min(1.0, (len(p_values) - rank) * p))
        adjusted[name] = running
    return {name: adjusted[name] for name in p_values}


def intraclass(values: Sequence[float], clusters: Sequence[Hashable]) -> float | None:
    """The intraclass correlation by analysis of variance, at least 0; `None` where it cannot be told.

    That is with one cluster, with no cluster of two or more, or where all values are the same (Donner 1986).
    """
    if not values:
        return None
    data = cluster_sums(values, clusters)
    n, groups = float(data.n), data.clusters
    if groups < 2 or n <= groups:
        return None
    between = float((data.sizes * (data.sums / data.sizes - data.mean) ** 2).sum()) / (groups - 1)
    within = float((data.squares - data.sums**2 / data.sizes).sum()) / (n - groups)
    typical = (n - float((data.sizes**2).sum()) / n) / (groups - 1)
    whole = between + (typical - 1) * within
    return max(0.0, (between - within) / whole) if whole > 0 else None


def standard_error(values: Sequence[float], clusters: Sequence[Hashable]) -> float | None:
    """The cluster-robust standard error of a mean; `None` under two clusters."""
    data = cluster_sums(values, clusters) if values else None
    return None if data is None or data.clusters < 2 else float(np.sqrt(spread(data).variance))


def cluster_sums(values: Sequence[float], clusters: Sequence[Hashable]) -> Sums:
    """The observations added up by cluster, in order of first appearance."""
    place: dict[Hashable, int] = {}
    index = np.array([place.setdefault(cluster, len(place)) for cluster in clusters], dtype=int)
    array = np.asarray(values, dtype=float)
    sizes = np.bincount(index).astype(np.float64)
    sums, squares = (np.bincount(index, weights=w).astype(np.float64) for w in (array, array**2))
    return Sums(sizes, sums, squares)


def _shares(values: Sequence[float], clusters: Sequence[Hashable]) -> bool:
    """Whether there are any; refuses what is no share."""
    if len(values) != len(clusters):
        raise ValueError(f"{len(values)} values, {len(clusters)} clusters")
    if any(not 0 <= v <= 1 for v in values):
        raise ValueError("shares are made of values in [0, 1]")
    return bool(values)


def _estimate(data: Sums, interval: tuple[Array, Array], method: str) -> Estimate:
    low, high = (float(end) for end in interval)
    return Estimate(
        float(data.mean), low, high, int(data.n), data.clusters, method, few_clusters(data.clusters)
    )  # fmt: skip

"""Intervals of clustered means on arrays: one experiment or many at once, clusters along the last axis. Pure.

`harness/estimates.py` is the front for lists of values; `benchmarks/coverage.py` runs the same code on many simulated
experiments. Formulas and sources: docs/methods.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, chdtri, ndtr, ndtri, stdtr, stdtrit

Array: TypeAlias = NDArray[np.float64]

RARE = 0.03
RARE_CLUSTERS = 20
_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Sums:
    """What an interval needs of the observations: per cluster their number, sum and sum of squares (float arrays)."""

    sizes: Array
    sums: Array
    squares: Array

    @property
    def n(self) -> Array:
        """Observations of each experiment."""
        return np.asarray(self.sizes.sum(-1))

    @property
    def mean(self) -> Array:
        """The pooled mean of each experiment."""
        return np.asarray(self.sums.sum(-1) / self.n)

    @property
    def clusters(self) -> int:
        """Clusters of each experiment."""
        return int(self.sizes.shape[-1])


@dataclass(frozen=True, slots=True)
class Spread:
    """The variance of a mean and its degrees of freedom; `icc` is the working correlation they were made with."""

    variance: Array
    df: Array
    icc: Array


def spread(data: Sums) -> Spread:
    """The cluster-robust variance of the pooled mean with Bell and McCaffrey's correction, at least two clusters.

    Each squared cluster residual is divided by what it is expected to lose under an exchangeable working correlation
    (CR2); the degrees of freedom are Satterthwaite's under the same model. With clusters of one size both are the
    usual G/(G-1) and G-1. The variance is not taken below what G-1 independent clusters would show once in 200 times.
    """
    n, groups = data.n[..., None], data.clusters
    size = data.sizes
    residual = data.sums - size * data.mean[..., None]
    within = np.asarray(data.squares.sum(-1) / data.n - data.mean**2)
    icc = _working_icc(data, residual, within)
    tau = size * (1 + (size - 1) * icc[..., None])
    total = tau.sum(-1, keepdims=True)
    lost = -2 * size * tau / n + size**2 * total / n**2
    weight = tau / (tau + lost)
    variance = (weight * residual**2).sum(-1) / data.n**2
    least = chdtri(groups - 1, 0.995) / (groups - 1) * within / data.n
    return Spread(np.maximum(variance, least), _degrees(size, tau, lost, weight), icc)


def _working_icc(data: Sums, residual: Array, within: Array) -> Array:
    groups = data.clusters
    with np.errstate(divide="ignore", invalid="ignore"):
        found = ((residual**2).sum(-1) / within * groups / (groups - 1) - data.n) / ((data.sizes**2).sum(-1) - data.n)
    return np.asarray(np.clip(np.nan_to_num(found, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0))


def _degrees(size: Array, tau: Array, lost: Array, weight: Array) -> Array:
    """Satterthwaite: (tr B)²/tr B² for B = W^½ Cov(residuals) W^½, in sums over clusters instead of a G×G matrix."""
    n, total = size.sum(-1), tau.sum(-1)
    a, b, d = (weight * size**2).sum(-1), (weight * size * tau).sum(-1), (weight * tau**2).sum(-1)
    between = (2 * a * d + 2 * b**2) / n**2 - 4 * a * b * total / n**3 + a**2 * total**2 / n**4
    own = (weight**2 * ((tau + lost) ** 2 - lost**2)).sum(-1)
    return np.asarray(total**2 / (between + own))


def share_interval(data: Sums, confidence: float = 0.95) -> tuple[Array, Array]:
    """The interval of a share: Student's t on the logit scale with `spread`; for rare shares an exact one on clusters.

    Rare is a share under 3 % (over 97 %) whose events (misses) stand in fewer than 20 clusters: there the clusters
    count as the observations of Clopper and Pearson's interval, which holds up to an ICC of 1 and is wide. At a share
    of exactly 0 or 1, or with one cluster, the clusters are the observations of Jeffreys' interval.
    """
    mean, groups = data.mean, data.clusters
    tail = (1 - confidence) / 2
    events = mean * groups
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = (betaincinv(events + 0.5, groups - events + 0.5, tail) * (events > 0),
                np.where(events >= groups, 1.0, betaincinv(events + 0.5, groups - events + 0.5, 1 - tail)))  # fmt: skip
        if groups == 1:
            return flat
        found = spread(data)
        half = stdtrit(found.df, 1 - tail) * np.sqrt(found.variance) / (mean * (1 - mean))
        centre = np.log(mean / (1 - mean))
        low, high = 1 / (1 + np.exp(half - centre)), 1 / (1 + np.exp(-half - centre))
        exact = (betaincinv(events, groups - events + 1, tail), betaincinv(events + 1, groups - events, 1 - tail))
    sparse, degenerate = _rare(data), (mean <= 0) | (mean >= 1)
    return (
        np.where(degenerate, flat[0], np.where(sparse, exact[0], low)),
        np.where(degenerate, flat[1], np.where(sparse, exact[1], high)),
    )


def _rare(data: Sums) -> NDArray[np.bool_]:
    mean = data.mean
    touched = np.where(mean <= 0.5, (data.sums > 0).sum(-1), (data.sums < data.sizes).sum(-1))
    return np.asarray((np.minimum(mean, 1 - mean) < RARE) & (touched < RARE_CLUSTERS))


def difference_interval(data: Sums, confidence: float = 0.95) -> tuple[Array, Array]:
    """The interval of a mean of paired differences in [-1, 1]: Student's t with `spread`.

    Where every cluster has the same difference, or there is one cluster, nothing varies to go by: then as many clusters
    as were seen may have hidden a whole step either way with Clopper and Pearson's bound for no event.
    """
    mean, groups = data.mean, data.clusters
    tail = (1 - confidence) / 2
    hidden = 1 - tail ** (1 / groups)
    bounds = np.maximum(mean - hidden, -1.0), np.minimum(mean + hidden, 1.0)
    if groups == 1:
        return bounds
    found = spread(data)
    half = stdtrit(found.df, 1 - tail) * np.sqrt(found.variance)
    still = (data.sums == data.sums[..., :1] / data.sizes[..., :1] * data.sizes).all(-1)
    return (
        np.where(still, bounds[0], np.maximum(mean - half, -1.0)),
        np.where(still, bounds[1], np.minimum(mean + half, 1.0)),
    )


def bootstrap_means(data: Sums, draws: int, rng: np.random.Generator) -> Array:
    """Means of `draws` samples of whole clusters with replacement; shape (draws, experiments…).

    Of one experiment, clusters that are the same are drawn as one kind: the means have the same distribution, and a
    sample of many clusters without events costs little.
    """
    groups, sizes, sums = data.clusters, data.sizes, data.sums
    chances = np.full(groups, 1 / groups)
    if sums.ndim == 1:
        kinds, counts = np.unique(np.column_stack([sizes, sums]), axis=0, return_counts=True)
        sizes, sums, chances = kinds[:, 0], kinds[:, 1], counts / groups
    step = max(1, _AT_ONCE // len(chances))
    parts = []
    for start in range(0, draws, step):
        weights = rng.multinomial(groups, chances, size=min(step, draws - start)).astype(float)
        parts.append(np.tensordot(weights, sums, (1, -1)) / np.tensordot(weights, sizes, (1, -1)))
    return np.concatenate(parts)


def bootstrap_interval(
    data: Sums, draws: int, rng: np.random.Generator, confidence: float = 0.95
) -> tuple[Array, Array]:
    """The cluster bootstrap's interval: bias-corrected and accelerated, percentiles widened for few clusters.

    Efron's BCa (1987) with Hesterberg's expansion (2015): the nominal tail is Φ(-√(G/(G-1)) t), so that its width is
    that of Student's t. Where no event, or nothing else, was seen, it is `share_interval`'s.
    """
    groups, mean = data.clusters, data.mean
    means = bootstrap_means(data, draws, rng)
    residual = data.sums - data.sizes * mean[..., None]
    tail = ndtr(-np.sqrt(groups / (groups - 1)) * stdtrit(groups - 1, 0.5 + confidence / 2)) if groups > 1 else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        skew = (residual**3).sum(-1) / (6 * (residual**2).sum(-1) ** 1.5)
        below = ((means < mean).sum(0) + (means == mean).sum(0) / 2) / draws
        bias = ndtri(below)
        ends = [
            _quantile(means, ndtr(bias + (bias + z) / (1 - skew * (bias + z)))) for z in (ndtri(tail), -ndtri(tail))
        ]
    usual = share_interval(data, confidence)
    flat = (residual == 0).all(-1) | (mean <= 0) | (mean >= 1)
    return np.where(flat, usual[0], ends[0]), np.where(flat, usual[1], ends[1])


def _quantile(means: Array, share: Array) -> Array:
    """For each experiment its own quantile."""
    ordered = np.sort(means, axis=0)
    place = np.clip(np.nan_to_num(share) * (len(means) + 1) - 1, 0, len(means) - 1)
    under = np.floor(place).astype(int)
    over = np.minimum(under + 1, len(means) - 1)
    low = np.take_along_axis(ordered, under[None, ...], 0)[0]
    high = np.take_along_axis(ordered, over[None, ...], 0)[0]
    return np.asarray(low + (place - under) * (high - low))


def p_value(data: Sums, null: float) -> Array:
    """Two-sided p of a mean against `null` by Student's t with `spread`; 1 where the mean is the null's.

    Where nothing varies the clusters are the observations of a sign test: all on one side of the null.
    """
    groups = data.clusters
    apart = np.abs(data.mean - null)
    signs = np.minimum(1.0, 2 * 0.5 ** np.where(apart > 0, groups, 0))
    if groups == 1:
        return np.asarray(signs)
    found = spread(data)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * stdtr(found.df, -apart / np.sqrt(found.variance))
    return np.where(found.variance > 0, p, signs)

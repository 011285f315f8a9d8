"""Rates with honest intervals. Pure: numbers in, numbers out; formulas and sources in docs/methods.md."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from scipy.special import betaincinv, stdtrit


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share in [0, 1] with a two-sided interval; `clusters` is the number of independent groups behind `n`."""

    value: float
    low: float
    high: float
    n: int
    clusters: int
    method: str

    def __str__(self) -> str:
        interval = f"[{100 * self.low:.1f}, {100 * self.high:.1f}]"
        return f"{100 * self.value:.1f} % {interval} (n={self.n}, clusters={self.clusters})"


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

    Cluster-robust variance of a ratio estimator with G/(G-1), Student's t with G-1 degrees of freedom, on the logit
    scale so that the interval stays inside (0, 1) (Liang and Zeger 1986; Cameron and Miller 2015, section VI). The
    interval is never narrower than Jeffreys on n/deff observations with deff >= 1; at a share of 0 or 1, or
    with one cluster, it is Jeffreys with the clusters as observations.

    Raises:
        ValueError: the two sequences differ in length, or a value lies outside of [0, 1].
    """
    if len(values) != len(clusters):
        raise ValueError(f"{len(values)} values, {len(clusters)} clusters")
    if any(not 0 <= v <= 1 for v in values):
        raise ValueError("shares are made of values in [0, 1]")
    n = len(values)
    if n == 0:
        return None
    mean = math.fsum(values) / n
    groups: dict[Hashable, list[float]] = defaultdict(list)
    for value, cluster in zip(values, clusters, strict=True):
        groups[cluster].append(value)
    count = len(groups)
    if count == 1 or not 0 < mean < 1:
        low, high = jeffreys(mean * count, count, confidence)
        return Estimate(mean, low, high, n, count, "Jeffreys on clusters")
    variance = count / (count - 1) * math.fsum(math.fsum(v - mean for v in g) ** 2 for g in groups.values()) / n**2
    variance = max(variance, mean * (1 - mean) / n)
    half = float(stdtrit(count - 1, 0.5 + confidence / 2)) * math.sqrt(variance) / (mean * (1 - mean))
    centre = math.log(mean / (1 - mean))
    return Estimate(mean, _logistic(centre - half), _logistic(centre + half), n, count, "cluster-robust t, logit")


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))

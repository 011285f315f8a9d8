"""Rates on the log scale: ratios, differences in differences and what is known of a rate, with whole lineages drawn.

Pure. One set of draws serves all sides, so that sides which share lineages keep their pairing; sources in
docs/methods.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, polygamma, psi, stdtrit

from harness.graded import GradedTurn
from harness.intervals import Array

DRAWS = 4_000
_CHUNK = 4_000_000


@dataclass(frozen=True, slots=True)
class Contrast:
    """A difference of log rates with its interval; `math.exp` of it is a ratio."""

    value: float
    low: float
    high: float

    @property
    def ratio(self) -> tuple[float, float, float]:
        """The same as a ratio of rates."""
        return math.exp(self.value), math.exp(self.low), math.exp(self.high)


@dataclass(frozen=True, slots=True)
class BetaRate:
    """What is known of a rate, as Beta(`alpha`, `beta`)."""

    alpha: float
    beta: float

    @property
    def mean(self) -> float:
        """The expected rate."""
        return self.alpha / (self.alpha + self.beta)


@dataclass(frozen=True, slots=True)
class Draws:
    """Draws of log rates, shape (draws, sides), with the smoothed log rates themselves and the number of lineages."""

    logs: Array
    point: Array
    clusters: int

    def contrast(self, weights: Sequence[float], confidence: float = 0.95) -> Contrast:
        """The weighted sum of log rates over the sides (weights of +1 and -1 for a log ratio)."""
        w = np.asarray(weights, dtype=float)
        tail = _tail(self.clusters, confidence)
        low, high = np.quantile(self.logs @ w, [tail, 1 - tail])
        return Contrast(float(self.point @ w), float(low), float(high))

    def rate(self, weights: Sequence[float]) -> BetaRate:
        """The same sum as a rate: the Beta whose log has its mean and variance.

        The variance is that of the draws, widened for few lineages as the intervals are.
        """
        logs = np.minimum(self.logs @ np.asarray(weights, dtype=float), 0.0)
        wide = ndtri(_tail(self.clusters, 0.95)) / ndtri(0.025)
        return beta_of_logs(float(logs.mean()), float(logs.var()) * float(wide) ** 2)


def smoothed(events: float, turns: float) -> float:
    """Jeffreys' estimate of a rate, (k + ½)/(n + 1): never 0, so it has a logarithm."""
    return (events + 0.5) / (turns + 1)


def draw_logs(
    sides: Sequence[Sequence[GradedTurn]],
    category: str,
    threshold: int,
    *,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Draws:
    """Draws of the log rate of each side.

    A Bayesian bootstrap of lineages (Rubin, Annals of Statistics 9, 1981): each lineage has an exponential weight, the
    same on every side that it is on. Jeffreys' prior enters as half a turn with the event and half a turn without, each
    with a Gamma(½) weight of its own side. With one turn a lineage the draws of one side are exactly Jeffreys'
    posterior Beta(k + ½, n - k + ½); a side without events still has a spread.

    Raises:
        ValueError: a side has no graded turn.
    """
    return draw_cells(sides, [(category, threshold)], rng=rng, draws=draws)[category, threshold]


def draw_cells(
    sides: Sequence[Sequence[GradedTurn]],
    cells: Sequence[tuple[str, int]],
    *,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> dict[tuple[str, int], Draws]:
    """`draw_logs` for many (category, threshold) cells with one set of lineage weights.

    Raises:
        ValueError: a side has no graded turn.
    """
    graded = [[turn for turn in side if turn.failed is None] for side in sides]
    if not all(graded):
        raise ValueError("a rate needs at least one graded turn on every side")
    place = {name: n for n, name in enumerate(dict.fromkeys(turn.lineage for side in graded for turn in side))}
    sizes = np.zeros((len(place), len(graded)))
    events = np.zeros((len(cells), len(place), len(graded)))
    for number, side in enumerate(graded):
        for turn in side:
            sizes[place[turn.lineage], number] += 1
            for at, (category, threshold) in enumerate(cells if turn.severities else ()):
                events[at, place[turn.lineage], number] += turn.shows(category, threshold)
    fewest = int((sizes > 0).sum(0).min())
    logs = np.log(_rates(events, sizes, draws, rng))
    points = np.log((events.sum(1) + 0.5) / (sizes.sum(0) + 1))
    return {cell: Draws(logs[at], points[at], fewest) for at, cell in enumerate(cells)}


def beta_of_logs(mean: float, variance: float) -> BetaRate:
    """The Beta whose logarithm has this mean and variance.

    E log p = ψ(α) - ψ(α+β), Var log p = ψ′(α) - ψ′(α+β); solved in turns, since a rare rate has α+β far above α.
    """
    total = 1e9
    alpha = 1.0
    for _ in range(60):
        alpha = _inverse_trigamma(variance + float(polygamma(1, total)))
        last, total = total, _inverse_psi(float(psi(alpha)) - mean)
        if abs(total - last) < 1e-9 * total:
            break
    return BetaRate(alpha, max(total - alpha, 1e-6))


def _rates(events: Array, sizes: Array, draws: int, rng: np.random.Generator) -> Array:
    """Shape (cells, draws, sides)."""
    cells, groups, sides = events.shape
    step = max(1, min(draws, _CHUNK // groups))
    touched = events.any((0, 2))
    parts = []
    for start in range(0, draws, step):
        now = min(step, draws - start)
        weights = rng.standard_exponential((now, groups))
        hit, missed = rng.standard_gamma(0.5, (2, cells, now, sides))
        tops = weights[:, touched] @ events[:, touched] + hit
        bottoms = weights @ sizes + hit + missed
        parts.append(np.maximum(tops / bottoms, 1e-300))
    return np.concatenate(parts, axis=1)


def _tail(clusters: int, confidence: float) -> float:
    """The nominal tail that gives Student's width (Hesterberg, The American Statistician 69, 2015)."""
    if clusters < 2:
        return (1 - confidence) / 200
    wide = math.sqrt(clusters / (clusters - 1)) * stdtrit(clusters - 1, 0.5 + confidence / 2)
    return max(float(ndtr(-wide)), 1e-4)


def _inverse_trigamma(value: float) -> float:
    """Newton's iteration on 1/ψ′ (Smyth, Statistical Applications in Genetics 3, 2004, appendix)."""
    if value > 1e7:
        return 1 / math.sqrt(value)
    x = 0.5 + 1 / value
    for _ in range(50):
        tri = float(polygamma(1, x))
        step = tri * (1 - tri / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-10:
            break
    return x


def _inverse_psi(value: float) -> float:
    """Newton's iteration (Minka, Estimating a Dirichlet distribution, 2000, appendix C)."""
    x = math.exp(min(value, 600.0)) + 0.5 if value >= -2.22 else -1 / (value - float(psi(1)))
    for _ in range(20):
        x -= (float(psi(x)) - value) / float(polygamma(1, x))
    return x

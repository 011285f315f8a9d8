"""How many events a new window will show, given what is known of the rate: one beta-binomial. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, gammaln

from harness.intervals import Array
from harness.logrates import BetaRate


@dataclass(frozen=True, slots=True)
class Predictive:
    """The number of events among `turns` turns, as a beta-binomial (`alpha`, `beta`)."""

    turns: int
    alpha: float
    beta: float

    def log_probability(self, events: int) -> float:
        """The log score of an outcome: its log probability, at most 0; the higher the better."""
        return float(self._logs(np.array([float(events)]))[0])

    def interval(self, confidence: float = 0.95) -> tuple[int, int]:
        """The counts between the two equal tails; it holds at least `confidence`, since counts are whole."""
        cumulated = np.cumsum(np.exp(self._logs(np.arange(self.turns + 1, dtype=float))))
        tail = (1 - confidence) / 2
        low, high = np.searchsorted(cumulated, [tail, 1 - tail])
        return int(low), int(min(high, self.turns))

    def _logs(self, k: Array) -> Array:
        n, a, b = self.turns, self.alpha, self.beta
        choose = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
        whole = gammaln(a + b) - gammaln(a) - gammaln(b)
        return np.asarray(choose + whole + gammaln(k + a) + gammaln(n - k + b) - gammaln(n + a + b))


def predictive(rate: BetaRate, turns: int, design_effect: float = 1.0) -> Predictive:
    """The beta-binomial for a window of so many turns.

    With a design effect of 1 its parameters are those of the rate. Turns of the window that are alike within a lineage
    spread the count further; the beta-binomial returned has the mean and the variance of the whole,
    Var k = n·D·(m(1-m) - v) + n²·v for a rate of mean m and variance v and a design effect D.

    Raises:
        ValueError: the window has no turn, or the design effect is below 1.
    """
    if turns <= 0 or design_effect < 1:
        raise ValueError(f"a window has turns and a design effect of at least 1, not {turns} and {design_effect}")
    total = rate.alpha + rate.beta
    if design_effect == 1 or turns == 1:
        return Predictive(turns, rate.alpha, rate.beta)
    mean = rate.mean
    unit = mean * (1 - mean)
    variance = turns * design_effect * (unit - unit / (total + 1)) + turns**2 * unit / (total + 1)
    alike = min((variance / (turns * unit) - 1) / (turns - 1), 0.999)
    return Predictive(turns, mean * (1 / alike - 1), (1 - mean) * (1 / alike - 1))


def window_effect(lineages: Iterable[str], icc: float) -> float:
    """The design effect of a window, 1 + (Σm²/Σm - 1)·ICC for lineages of m turns (Kish, Survey Sampling, 1965)."""
    sizes = list(Counter(lineages).values())
    return 1 + (sum(m * m for m in sizes) / sum(sizes) - 1) * icc if sizes else 1.0


def central(rate: BetaRate, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of the rate itself between equal tails."""
    tail = (1 - confidence) / 2
    low, high = betaincinv(rate.alpha, rate.beta, [tail, 1 - tail])
    return float(low), float(high)


def factor(predicted: float, observed: float) -> float:
    """The multiplicative error: at least 1, by how much one rate must be multiplied to get the other."""
    return math.exp(abs(math.log(predicted) - math.log(observed)))

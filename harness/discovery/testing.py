"""Does one side have a trait more often? Exact tests that keep lineages whole, and corrections for many. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln, ndtr

from harness.intervals import Array

_EXACT = 20_000


def sign_flip(differences: Sequence[int]) -> float:
    """Two-sided exact p of a sum of differences by lineage, if each might as well have had the other sign.

    The null is that the two models could be exchanged on every lineage at once: all turns of a lineage flip together,
    so turns of one lineage may depend on each other as they like. All 2^G assignments are counted by convolution;
    beyond a total of 20,000 the normal approximation stands in (Fisher, The Design of Experiments, 1935, section 21).
    """
    sizes = [abs(d) for d in differences if d]
    total, found = sum(sizes), abs(sum(differences))
    if not sizes:
        return 1.0
    if total > _EXACT:
        return min(1.0, 2 * float(ndtr(-(found - 0.5) / math.sqrt(sum(s * s for s in sizes)))))
    # probabilities of the sum of the flipped part: Σ ±s = 2·part - total
    chance = np.zeros(total + 1)
    chance[0] = 1.0
    reach = 0
    for size in sizes:
        moved = np.zeros_like(chance)
        moved[size : reach + size + 1] = chance[: reach + 1]
        chance = (chance + moved) / 2
        reach += size
    sums = np.abs(2 * np.arange(total + 1) - total)
    return min(1.0, float(chance[sums >= found].sum()))


def least_p(differences: Sequence[int]) -> float:
    """The smallest p that these lineages could give: it does not depend on which side had the trait."""
    return 2 * 0.5 ** sum(d != 0 for d in differences) if any(differences) else 1.0


def fisher(first: int, first_all: int, second: int, second_all: int) -> float:
    """Two-sided exact p of a 2×2 table: as often or more rarely than seen, margins fixed (Fisher 1935).

    For lineages that stand on one side only, each counted once.
    """
    whole, shown = first_all + second_all, first + second
    low, high = max(0, shown - second_all), min(shown, first_all)
    k = np.arange(low, high + 1, dtype=float)
    logs = _choose(first_all, k) + _choose(second_all, shown - k) - _choose(whole, np.array([float(shown)]))
    chance = np.exp(logs)
    return min(1.0, float(chance[chance <= chance[first - low] * (1 + 1e-9)].sum()))


def benjamini_hochberg(p_values: Sequence[float], tests: int | None = None) -> list[float]:
    """Adjusted p-values that control the false discovery rate (Benjamini and Hochberg, JRSS B 57, 1995).

    `tests` is the number of hypotheses if more were tested than are given.
    """
    m = tests or len(p_values)
    order = np.argsort(p_values, kind="stable")
    adjusted = [0.0] * len(p_values)
    least = 1.0
    for rank in range(len(p_values), 0, -1):
        at = int(order[rank - 1])
        least = min(least, p_values[at] * m / rank)
        adjusted[at] = least
    return adjusted


def benjamini_yekutieli(p_values: Sequence[float]) -> list[float]:
    """The same under any dependence: times 1 + ½ + … + 1/m (Benjamini and Yekutieli, Annals of Statistics 29, 2001)."""
    harmonic = sum(1 / n for n in range(1, len(p_values) + 1))
    return [min(1.0, p * harmonic) for p in benjamini_hochberg(p_values)]


def _choose(n: int, k: Array) -> Array:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))

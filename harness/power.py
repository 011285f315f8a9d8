"""How many pairs a question needs, and what a number of pairs can answer. Pure; sources in docs/methods.md."""

from __future__ import annotations

import math

from scipy.special import ndtr, ndtri


def design_effect(icc: float, per_cluster: float) -> float:
    """How many clustered pairs weigh as much as one independent pair: 1 + (m-1)·ICC (Kish, Survey Sampling, 1965).

    Raises:
        ValueError: the ICC lies outside of [0, 1], or a cluster holds less than one pair.
    """
    if not 0 <= icc <= 1 or per_cluster < 1:
        raise ValueError(f"an ICC is in [0, 1] and a cluster holds at least one pair, not {icc} and {per_cluster}")
    return 1 + (per_cluster - 1) * icc


def required_pairs(
    p0: float, p1: float, power: float = 0.8, alpha: float = 0.05, icc: float = 0.0, per_cluster: float = 1.0
) -> int:
    """Pairs to tell a win rate of `p1` from `p0`, two-sided (Fleiss, Statistical Methods for Rates, section 2.5).

    Raises:
        ValueError: the two are equal or outside of (0, 1).
    """
    _checked(p0, p1)
    spread = ndtri(1 - alpha / 2) * math.sqrt(p0 * (1 - p0)) + ndtri(power) * math.sqrt(p1 * (1 - p1))
    return _whole((spread / (p1 - p0)) ** 2 * design_effect(icc, per_cluster))


def achieved_power(
    p0: float, p1: float, pairs: float, alpha: float = 0.05, icc: float = 0.0, per_cluster: float = 1.0
) -> float:
    """The chance that so many pairs tell `p1` from `p0`: the inverse of `required_pairs`.

    Raises:
        ValueError: the two are equal or outside of (0, 1).
    """
    _checked(p0, p1)
    reach = abs(p1 - p0) * math.sqrt(pairs / design_effect(icc, per_cluster))
    return float(ndtr((reach - ndtri(1 - alpha / 2) * math.sqrt(p0 * (1 - p0))) / math.sqrt(p1 * (1 - p1))))


def required_for_width(
    p: float, half: float, alpha: float = 0.05, icc: float = 0.0, per_cluster: float = 1.0
) -> int:  # fmt: skip
    """Pairs for an interval of ± `half` about a share of `p`.

    Raises:
        ValueError: `p` or `half` lies outside of (0, 1).
    """
    if not 0 < p < 1 or not 0 < half < 1:
        raise ValueError(f"a share and half a width lie in (0, 1), not {p} and {half}")
    return _whole((ndtri(1 - alpha / 2) / half) ** 2 * p * (1 - p) * design_effect(icc, per_cluster))


def required_for_difference(
    difference: float,
    changed: float,
    power: float = 0.8,
    alpha: float = 0.05,
    icc: float = 0.0,
    per_cluster: float = 1.0,
) -> int:
    """Items judged under both arms to find a paired difference, where a share `changed` of them comes out differently.

    The variance of one difference is `changed` - `difference`² (Connor, Biometrics 43, 1987, for McNemar's test).

    Raises:
        ValueError: the difference is 0, or larger than the share that changes.
    """
    deviation = paired_deviation(difference, changed)
    null = ndtri(1 - alpha / 2) * math.sqrt(changed)
    return _whole(((null + ndtri(power) * deviation) / difference) ** 2 * design_effect(icc, per_cluster))


def difference_power(
    difference: float,
    changed: float,
    pairs: float,
    alpha: float = 0.05,
    icc: float = 0.0,
    per_cluster: float = 1.0,
) -> float:
    """The chance that so many items under both arms find a paired difference: the inverse of the above.

    Raises:
        ValueError: the difference is 0, or larger than the share that changes.
    """
    deviation = paired_deviation(difference, changed)
    reach = abs(difference) * math.sqrt(pairs / design_effect(icc, per_cluster))
    short = reach - ndtri(1 - alpha / 2) * math.sqrt(changed)
    return float(ndtr(short / deviation)) if deviation > 0 else float(short > 0)


def paired_deviation(difference: float, changed: float) -> float:
    """The standard deviation of one paired difference of outcomes 0 and 1."""
    if difference == 0 or not abs(difference) <= changed <= 1:
        raise ValueError(f"a difference of {difference} needs between {abs(difference)} and 1 of the items to change")
    return math.sqrt(changed - difference**2)


def sessions_for(pairs: int, per_cluster: float) -> int:
    """Sessions that bring so many pairs."""
    return math.ceil(pairs / per_cluster)


def _checked(p0: float, p1: float) -> None:
    if p0 == p1 or not 0 < p0 < 1 or not 0 < p1 < 1:
        raise ValueError(f"two different shares in (0, 1) are needed, not {p0} and {p1}")


def _whole(pairs: float) -> int:
    return math.ceil(round(pairs, 6))

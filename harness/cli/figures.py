"""Rates, differences and ratios as commands print them: per 100,000 turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.logrates import Contrast

PER = 100_000


def per(rate: float) -> str:
    """A rate per 100,000."""
    value = PER * rate
    return f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:.1f}"


def interval(low: float, high: float) -> str:
    """Two ends of a rate."""
    return f"[{per(low)}, {per(high)}]"


def signed(rate: float) -> str:
    """A difference per 100,000, with its sign."""
    return f"{PER * rate:+,.0f}"


def ratio(contrast: Contrast) -> str:
    """A difference of logarithms as a factor with its interval."""
    value, low, high = contrast.ratio
    return f"x{value:.2f} [{low:.2f}, {high:.2f}]"

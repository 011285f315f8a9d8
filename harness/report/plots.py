"""Geometry of the report's plots: positions in pixels, nothing drawn. Pure. The template writes them as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from harness.awareness.figures import Awareness
from harness.comparison import Comparison
from harness.forecast.score import Scores
from harness.rates import PER, Rate

WIDTH, LEFT, RIGHT, TOP, ROW = 760, 190, 30, 26, 40


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the scale."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A point with its interval. `at` is `None` where nothing was seen: then only the upper end is known."""

    series: str
    y: float
    low: float
    at: float | None
    high: float
    text: str


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One category."""

    label: str
    y: float
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Forest:
    """Rates by category on a log scale, or shares on a linear one."""

    width: int
    height: int
    ticks: tuple[Tick, ...]
    rows: tuple[ForestRow, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One category of a scored forecast: predicted across, observed up; a line for the rates that were expected."""

    x: float
    y: float
    low: float
    high: float
    covered: bool
    text: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """Predicted against observed rates, both on a log scale; the diagonal is a perfect forecast."""

    size: int
    left: int
    ticks: tuple[Tick, ...]
    up: tuple[Tick, ...]
    points: tuple[Point, ...]


def forest(compared: Comparison) -> Forest:
    """Rates per 100,000 turns of both sides by category, log scale."""
    rates = [rate for cell in compared.cells for rate in (cell.baseline, cell.candidate)]
    decades = _decades(value for rate in rates for value in (rate.clustered.low, rate.clustered.high, rate.value))
    scale = _LogScale(LEFT, WIDTH - RIGHT, decades)
    rows = []
    for n, cell in enumerate(compared.cells):
        y = TOP + n * ROW + ROW / 2
        marks = (_mark("baseline", cell.baseline, y - 6, scale), _mark("candidate", cell.candidate, y + 6, scale))
        rows.append(ForestRow(cell.category, y, marks))
    return Forest(WIDTH, TOP + ROW * len(rows) + 24, scale.ticks(), tuple(rows))


def awareness_forest(found: Awareness) -> Forest:
    """Shares by measure and kind, linear from 0 to 100 %."""
    names = {"asked": "taken for an evaluation", "stated": "stated in reasoning", "metagaming": "metagaming"}
    reach = WIDTH - RIGHT - LEFT
    rows: list[ForestRow] = []
    for measure, label in names.items():
        y = TOP + len(rows) * (ROW + 14) + ROW / 2
        marks = []
        for offset, cell in enumerate(c for c in found.cells if c.measure == measure):
            share = cell.share
            if share is not None:
                at = LEFT + reach * share.value
                low, high = LEFT + reach * share.low, LEFT + reach * share.high
                text = f"{label}, {cell.kind}: {share}"
                marks.append(Mark(cell.kind, y + 12 * (offset - 1), low, at, high, text))
        rows.append(ForestRow(label, y, tuple(marks)))
    ticks = tuple(Tick(LEFT + reach * share / 100, f"{share} %") for share in (0, 25, 50, 75, 100))
    return Forest(WIDTH, TOP + (ROW + 14) * len(rows) + 24, ticks, tuple(rows))


def calibration(scored: Scores) -> Calibration:
    """The headline's prediction against what came, per 100,000 turns."""
    size, left = 420, 70
    found = [(o, m) for o in scored.outcomes if (m := o.method(scored.headline)) is not None]
    decades = _decades(v for o, m in found for v in (m.predicted, o.observed, m.low / o.turns, m.high / o.turns))
    across, up = _LogScale(left, size - 20, decades), _LogScale(size - 40, 20, decades)
    points = tuple(
        Point(
            across(m.predicted), up(o.observed), up(m.low / o.turns), up(m.high / o.turns), m.covered,
            f"{o.category}: predicted {PER * m.predicted:,.0f}, came {PER * o.observed:,.0f} per 100,000"
            f" ({o.events} of {o.turns}; {m.low} to {m.high} were expected)",
        )
        for o, m in found
    )  # fmt: skip
    return Calibration(size, left, across.ticks(), up.ticks(), points)


def _mark(series: str, rate: Rate, y: float, scale: _LogScale) -> Mark:
    low, high = PER * rate.clustered.low, PER * rate.clustered.high
    text = f"{series}: {rate.events} of {rate.turns}, {PER * rate.value:,.0f} [{low:,.0f}, {high:,.0f}] per 100,000"
    at = None if rate.events == 0 else scale(rate.value)
    return Mark(series, y, scale(rate.clustered.low), at, scale(rate.clustered.high), text)


def _decades(values: Iterable[float]) -> tuple[int, int]:
    """The powers of ten around the positive values, as shares; at least two decades."""
    seen = [value for value in values if value > 0]
    low = math.floor(math.log10(min(seen))) if seen else -4
    high = math.ceil(math.log10(max(seen))) if seen else 0
    return max(low, -7), max(high, max(low, -7) + 2)


@dataclass(frozen=True, slots=True)
class _LogScale:
    begin: float
    end: float
    decades: tuple[int, int]

    def __call__(self, value: float) -> float:
        low, high = self.decades
        place = low if value <= 0 else min(max(math.log10(value), low), high)
        return round(self.begin + (self.end - self.begin) * (place - low) / (high - low), 1)

    def ticks(self) -> tuple[Tick, ...]:
        low, high = self.decades
        return tuple(Tick(self(10.0**n), f"{PER * 10.0**n:,.0f}" if n >= -5 else f"{PER * 10.0**n:g}")
                     for n in range(low, high + 1))  # fmt: skip

"""A frozen forecast against what then happened, beside the baselines that it must beat. Pure.

Both sides of every ratio are Jeffreys-smoothed; intervals are predictive for the new window's number of turns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import ConfigError
from harness.estimates import jeffreys
from harness.forecast.predictive import factor, predictive, window_effect
from harness.forecast.record import METHODS, STACK, Frozen, Predicted, Prediction, Record
from harness.graded import GradedSet
from harness.logrates import BetaRate, smoothed
from harness.rates import mcnemar

WITHIN = 2.0
TAIL = 10.0


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with Jeffreys' interval (categories as independent)."""

    hits: float
    of: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class MethodScore:
    """One method on one category: `low`-`high` are the counts that it expected, `covered` whether they held it.

    `direction`: whether it said up or down as it came (`None`: the category did not move, or the method says that
    nothing moves).
    """

    method: str
    predicted: float
    factor: float
    low: int
    high: int
    covered: bool
    log_score: float
    direction: bool | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one category: the smoothed rate, how it moved against the recorded rate of the old model.

    `mover` says that it moved by the record's ratio; `beyond_noise` that the count also lies outside of what the old
    rate expected of a window of this size.
    """

    category: str
    threshold: int
    events: int
    turns: int
    observed: float
    moved: float
    mover: bool
    beyond_noise: bool
    methods: tuple[MethodScore, ...]

    def method(self, name: str) -> MethodScore | None:
        """The score of one method; `None` where the record has none."""
        return next((m for m in self.methods if m.method == name), None)


@dataclass(frozen=True, slots=True)
class Summary:
    """One method over all categories. `within` is the share of factors up to 2, `tail` of those from 10 on."""

    method: str
    categories: int
    median: float
    p90: float
    worst: float
    worst_category: str
    within: Share
    tail: Share
    direction: Share | None
    coverage: Share
    log_score: float


@dataclass(frozen=True, slots=True)
class Duel:
    """The headline against a baseline: share of categories with the smaller factor (ties ½), and a sign test's p."""

    baseline: str
    wins: int
    losses: int
    ties: int
    rate: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class Scores:
    """A scored forecast at one severity threshold. `reused` turns of the window were in the frozen sample."""

    forecast: str
    sha256: str
    headline: str
    threshold: int
    turns: int
    lineages: int
    missing: int
    reused: int
    same_stack: bool
    movers: int
    movers_beyond_noise: int
    outcomes: tuple[Outcome, ...]
    summaries: tuple[Summary, ...]
    duels: tuple[Duel, ...]


def score(frozen: Frozen, window: GradedSet, threshold: int, *, other_stack: bool = False) -> Scores:
    """Score a record on a window of new traffic of the candidate.

    Raises:
        ConfigError: the window was graded otherwise than the record (unless `other_stack`), has no graded turn, or the
            record has no prediction at this threshold for a category that the window was graded for.
    """
    record = frozen.record
    same = all(window.about.get(part) == record.stack[part] for part in STACK)
    if not same and not other_stack:
        parts = ", ".join(part for part in STACK if window.about.get(part) != record.stack[part])
        raise ConfigError(f"the window was graded by other {parts} than forecast {frozen.id} was frozen with")
    if not window.graded:
        raise ConfigError("the window has no graded turn: there is nothing to score on")
    asked = [p for p in record.predictions if p.threshold == threshold and p.category in window.categories]
    if not asked:
        raise ConfigError(f"forecast {frozen.id} has no prediction at severity {threshold} for the window's categories")
    outcomes = tuple(_outcome(p, window, record) for p in asked)
    names = [name for name in METHODS if all(o.method(name) for o in outcomes)]
    seen = {key for keys in record.sample.values() for key in keys}
    return Scores(
        frozen.id, frozen.sha256, record.headline, threshold, len(window.graded),
        len({turn.lineage for turn in window.graded}),
        len(window.turns) - len(window.graded) + sum(window.excluded.values()),
        sum(turn.key in seen for turn in window.graded), same, sum(o.mover for o in outcomes),
        sum(o.mover and o.beyond_noise for o in outcomes), outcomes,
        tuple(_summary(name, outcomes) for name in names),
        tuple(_duel(record.headline, name, outcomes) for name in ("previous", "challenging") if name in names),
    )  # fmt: skip


def _outcome(prediction: Prediction, window: GradedSet, record: Record) -> Outcome:
    turns = window.graded
    events = sum(turn.shows(prediction.category, prediction.threshold) for turn in turns)
    observed = smoothed(events, len(turns))
    effect = window_effect((turn.lineage for turn in turns), prediction.icc)
    previous = prediction.methods["previous"].rate
    moved = observed / previous
    mover = max(moved, 1 / moved) >= record.mover
    scored = tuple(
        _method(name, prediction.methods[name], (events, len(turns), effect), record.confidence)
        for name in METHODS
        if name in prediction.methods
    )
    told = tuple(_directed(m, previous, moved) if mover and m.method != "previous" else m for m in scored)
    naive = next(m for m in scored if m.method == "previous")
    return Outcome(
        prediction.category, prediction.threshold, events, len(turns), observed, moved, mover, not naive.covered, told
    )


def _method(name: str, predicted: Predicted, window: tuple[int, int, float], confidence: float) -> MethodScore:
    events, turns, effect = window
    expected = predictive(BetaRate(predicted.alpha, predicted.beta), turns, effect)
    low, high = expected.interval(confidence)
    return MethodScore(
        name, predicted.rate, factor(predicted.rate, smoothed(events, turns)), low, high, low <= events <= high,
        expected.log_probability(events), None,
    )  # fmt: skip


def _directed(found: MethodScore, previous: float, moved: float) -> MethodScore:
    """With the direction: a method that predicts exactly the old rate has not told it."""
    right = math.log(found.predicted / previous) * math.log(moved) > 0
    return MethodScore(
        found.method, found.predicted, found.factor, found.low, found.high, found.covered, found.log_score, right
    )  # fmt: skip


def _summary(name: str, outcomes: Sequence[Outcome]) -> Summary:
    scores = [(o.category, m) for o in outcomes if (m := o.method(name)) is not None]
    factors = [m.factor for _, m in scores]
    worst, last = max(scores, key=lambda pair: pair[1].factor)
    told = [m.direction for _, m in scores if m.direction is not None]
    return Summary(
        name, len(scores), float(np.median(factors)), float(np.quantile(factors, 0.9)), last.factor, worst,
        _share([f <= WITHIN for f in factors]), _share([f >= TAIL for f in factors]),
        _share(told) if told else None, _share([m.covered for _, m in scores]),
        float(np.mean([m.log_score for _, m in scores])),
    )  # fmt: skip


def _duel(headline: str, baseline: str, outcomes: Sequence[Outcome]) -> Duel:
    signs = []
    for outcome in outcomes:
        ours, theirs = outcome.method(headline), outcome.method(baseline)
        assert ours is not None
        assert theirs is not None
        apart = math.log(theirs.factor) - math.log(ours.factor)
        signs.append(0 if abs(apart) < 1e-9 else math.copysign(1, apart))
    wins, losses, ties = signs.count(1), signs.count(-1), signs.count(0)
    whole = wins + ties / 2
    low, high = jeffreys(whole, len(signs))
    return Duel(baseline, wins, losses, ties, whole / len(signs), low, high, mcnemar(wins, losses))


def _share(values: Sequence[bool]) -> Share:
    return Share(sum(values), len(values), *jeffreys(sum(values), len(values)))

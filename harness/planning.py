"""Sample sizes for a question, with the shape of a run's judged pairs where one is at hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from harness.discriminator.measure import verdicts_of
from harness.errors import ConfigError
from harness.estimates import intraclass
from harness.power import (
    achieved_power,
    design_effect,
    difference_power,
    required_for_difference,
    required_for_width,
    required_pairs,
    sessions_for,
)
from harness.store import Store

ICC = 0.1
PER_SESSION = 10.0
"""What is assumed where no run says otherwise (field experience with turns of coding agents)."""


@dataclass(frozen=True, slots=True)
class Question:
    """One of `rate`, `width` and `difference` is asked for; the others are `None`."""

    null: float
    rate: float | None
    width: float | None
    difference: float | None
    changed: float
    power: float
    alpha: float


@dataclass(frozen=True, slots=True)
class Shape:
    """A run's judged pairs: how many, from how many lineages, and how alike within one (`None`: cannot be told)."""

    pairs: int
    sessions: int
    icc: float | None


@dataclass(frozen=True, slots=True)
class Needed:
    """The answer. `achieved` is the power that the run's pairs have (`None`: no run, or a question of width)."""

    question: str
    icc: float
    per_session: float
    design_effect: float
    independent: int
    pairs: int
    sessions: int
    achieved: float | None


def shape_of_run(store: Store, run: str, judge: str | None = None) -> Shape:
    """The shape of the pairs that a judge gave a valid verdict on.

    Raises:
        ConfigError: nothing of the run was judged.
    """
    asked = Counter(row["judge"] for row in store.judgements(run))
    if judge is None and asked:
        judge = asked.most_common(1)[0][0]
    verdicts = [v for v in verdicts_of(store, run, judge) if not v.pair.kind.startswith("fake:")]
    if not verdicts:
        raise ConfigError(f"no pair of run {run} was judged: deploysim discriminate {run}")
    lineages = [v.pair.origin.lineage for v in verdicts]
    return Shape(len(verdicts), len(set(lineages)), intraclass([v.win for v in verdicts], lineages))


def plan(question: Question, shape: Shape | None, icc: float | None, per_session: float | None) -> Needed:
    """What a question needs.

    Raises:
        ConfigError: the question asks for nothing, such as a rate that is the null's.
    """
    known = shape.icc if shape is not None else None
    rho = icc if icc is not None else known if known is not None else ICC
    each = per_session or (shape.pairs / shape.sessions if shape is not None else PER_SESSION)
    try:
        text, independent = _asked(question, 0.0, 1.0)
        _, pairs = _asked(question, rho, each)
        achieved = None if shape is None else _achieved(question, shape.pairs, rho, each)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return Needed(text, rho, each, design_effect(rho, each), independent, pairs, sessions_for(pairs, each), achieved)


def _asked(q: Question, icc: float, each: float) -> tuple[str, int]:
    often = f"with {100 * q.power:.0f} % power"
    if q.rate is not None:
        text = f"to tell {100 * q.rate:g} % from {100 * q.null:g} % {often}"
        return text, required_pairs(q.null, q.rate, q.power, q.alpha, icc, each)
    if q.width is not None:
        text = f"for an interval of ± {100 * q.width:g} points at {100 * q.null:g} %"
        return text, required_for_width(q.null, q.width, q.alpha, icc, each)
    assert q.difference is not None
    text = f"to find a paired difference of {100 * q.difference:+g} points"
    text += f" where {100 * q.changed:g} % of items change {often}"
    return text, required_for_difference(q.difference, q.changed, q.power, q.alpha, icc, each)


def _achieved(q: Question, pairs: int, icc: float, each: float) -> float | None:
    if q.rate is not None:
        return achieved_power(q.null, q.rate, pairs, q.alpha, icc, each)
    if q.difference is not None:
        return difference_power(q.difference, q.changed, pairs, q.alpha, icc, each)
    return None

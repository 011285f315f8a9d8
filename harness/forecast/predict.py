"""From graded turns to a record: the candidate's predicted rates, and those of the baselines to beat. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import ConfigError
from harness.estimates import intraclass
from harness.forecast.predictive import central
from harness.forecast.record import STACK, VERSION, Predicted, Prediction, Record
from harness.graded import SEVERITIES, GradedSet, cells
from harness.logrates import Draws, draw_cells

MOVER = 1.5


@dataclass(frozen=True, slots=True)
class Sides:
    """What a forecast is made of.

    `candidate` is the new model on the old prefixes in simulation, `recorded` the old model as it was recorded,
    `self_resampled` the old model on its own prefixes in simulation, `challenging` the candidate on hand-picked
    prompts; the last two may be missing.
    """

    candidate: GradedSet
    recorded: GradedSet
    self_resampled: GradedSet | None = None
    challenging: GradedSet | None = None

    def named(self) -> dict[str, GradedSet]:
        """The sides that are there."""
        found = {
            "candidate": self.candidate, "recorded": self.recorded, "self": self.self_resampled,
            "challenging": self.challenging,
        }  # fmt: skip
        return {name: side for name, side in found.items() if side is not None}


@dataclass(frozen=True, slots=True)
class Plan:
    """How to predict: `headline` is the method that the forecast will be held to."""

    name: str
    headline: str = "uncorrected"
    confidence: float = 0.95
    mover: float = MOVER
    seed: int = 0
    thresholds: Sequence[int] = SEVERITIES


def predict(sides: Sides, plan: Plan, *, now: float) -> Record:
    """The record of a forecast.

    Raises:
        ConfigError: a side has no graded turn, the sides were graded differently, or the headline cannot be made.
    """
    named = sides.named()
    _check(named, plan)
    rng = np.random.default_rng(plan.seed)
    asked = cells(list(named.values()), plan.thresholds)
    again = sides.self_resampled or sides.candidate
    known = draw_cells((sides.candidate.graded, sides.recorded.graded, again.graded), asked, rng=rng)
    hard = None if sides.challenging is None else draw_cells((sides.challenging.graded,), asked, rng=rng)
    predictions = [_prediction(sides, cell, plan, known[cell], None if hard is None else hard[cell]) for cell in asked]
    return Record(
        version=VERSION, name=plan.name, created_at=now,
        headline="corrected" if plan.headline == "corrected" else "uncorrected",
        confidence=plan.confidence, mover=plan.mover, seed=plan.seed,
        stacks={name: dict(side.about) for name, side in named.items()},
        sample={name: sorted(turn.key for turn in side.graded) for name, side in named.items()},
        lineages={name: len({turn.lineage for turn in side.graded}) for name, side in named.items()},
        missing={name: _missing(side) for name, side in named.items()},
        predictions=predictions,
    )  # fmt: skip


def _check(named: Mapping[str, GradedSet], plan: Plan) -> None:
    empty = [name for name, side in named.items() if not side.graded]
    if empty:
        raise ConfigError(f"a forecast needs graded turns on every side; {empty[0]} has none")
    if plan.headline == "corrected" and "self" not in named:
        raise ConfigError("a corrected headline needs the old model on its own prefixes in simulation (--self)")
    for name, side in named.items():
        for part in STACK:
            if side.about.get(part) != named["candidate"].about.get(part):
                raise ConfigError(f"{name} and candidate were graded by different {part}: grade both with the same")


def _prediction(sides: Sides, cell: tuple[str, int], plan: Plan, known: Draws, hard: Draws | None) -> Prediction:
    methods = {"uncorrected": _method(known, (1, 0, 0), plan), "previous": _method(known, (0, 1, 0), plan)}
    if sides.self_resampled is not None:
        methods["corrected"] = _method(known, (1, 1, -1), plan)
    if hard is not None:
        methods["challenging"] = _method(hard, (1,), plan)
    turns = sides.candidate.graded
    shown = [float(turn.shows(*cell)) for turn in turns]
    icc = intraclass(shown, [turn.lineage for turn in turns])
    return Prediction(*cell, int(sum(shown)), len(shown), icc or 0.0, methods)


def _method(known: Draws, weights: Sequence[float], plan: Plan) -> Predicted:
    rate = known.rate(weights)
    point = min(1.0, float(np.exp(known.point @ np.asarray(weights, dtype=float))))
    return Predicted(point, rate.alpha, rate.beta, *central(rate, plan.confidence))


def _missing(side: GradedSet) -> int:
    return len(side.turns) - len(side.graded) + sum(side.excluded.values())

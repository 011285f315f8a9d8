"""Where a forecast's error came from: other prefixes, the environment, or prefixes that the old model wrote. Pure.

log p̂ - log p = [log sim(C, old prefixes) - log sim(C, new prefixes)] + [log sim(C, new prefixes) - log recorded(C)].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import ConfigError
from harness.forecast.record import Frozen, Prediction
from harness.graded import GradedSet, GradedTurn
from harness.logrates import DRAWS, Contrast, Draws, draw_logs


@dataclass(frozen=True, slots=True)
class Authorship:
    """What it does to the rate of the rest of a turn that the old model and not the candidate wrote its beginning.

    [log sim(C, old turns cut here) - log sim(C, own turns cut here)] less the same at the start of the turn, so that
    the shift of prefixes cancels.
    """

    cut: float
    old_turns: int
    own_turns: int
    effect: Contrast


@dataclass(frozen=True, slots=True)
class Split:
    """The error of one category's forecast in parts that add up to it.

    `error` is that of the headline; `correction` is what the headline adds to the candidate's simulated rate (0 where
    it is the uncorrected one).
    """

    category: str
    threshold: int
    error: float
    correction: float
    prefix_shift: Contrast
    environment: Contrast
    authorship: tuple[Authorship, ...]


def split_errors(
    frozen: Frozen,
    window: GradedSet,
    resimulated: GradedSet,
    threshold: int,
    *,
    cuts: tuple[GradedSet, GradedSet] | None = None,
    seed: int = 0,
) -> tuple[Split, ...]:
    """The parts of the error for each category of a record.

    `resimulated` is the candidate in simulation on the prefixes of the new window. `cuts` are the candidate's turns in
    simulation, taken at several cuts from the old model's recorded turns and from the candidate's own.

    Raises:
        ConfigError: a side has no graded turn.
    """
    for name, side in (("window", window), ("resimulated window", resimulated)):
        if not side.graded:
            raise ConfigError(f"the {name} has no graded turn: its error cannot be split")
    rng = np.random.default_rng(seed)
    return tuple(
        _split(prediction, frozen.record.headline, window, resimulated, cuts, rng)
        for prediction in frozen.record.predictions
        if prediction.threshold == threshold and prediction.category in window.categories
        and prediction.category in resimulated.categories
    )  # fmt: skip


def authorship(
    old: Sequence[GradedTurn],
    own: Sequence[GradedTurn],
    category: str,
    threshold: int,
    *,
    rng: np.random.Generator,
) -> tuple[Authorship, ...]:
    """The effect at each cut that both sides have; nothing where one has no turns taken from their start."""
    sides = [{cut: [t for t in side if t.cut == cut and t.failed is None] for cut in {t.cut for t in side}}
             for side in (old, own)]  # fmt: skip
    if not all(side.get(0.0) for side in sides):
        return ()
    found = []
    for cut in sorted(set(sides[0]) & set(sides[1]) - {0.0}):
        parts = (sides[0][cut], sides[1][cut], sides[0][0.0], sides[1][0.0])
        if all(parts):
            effect = draw_logs(parts, category, threshold, rng=rng).contrast((1, -1, -1, 1))
            found.append(Authorship(cut, len(parts[0]), len(parts[1]), effect))
    return tuple(found)


def _split(
    prediction: Prediction,
    headline: str,
    window: GradedSet,
    resimulated: GradedSet,
    cuts: tuple[GradedSet, GradedSet] | None,
    rng: np.random.Generator,
) -> Split:
    category, threshold = prediction.category, prediction.threshold
    new = draw_logs((resimulated.graded, window.graded), category, threshold, rng=rng)
    whole = _with_old(prediction, new, rng)
    simulated = prediction.methods["uncorrected"].rate
    predicted = prediction.methods[headline].rate
    by_cut = () if cuts is None else authorship(cuts[0].turns, cuts[1].turns, category, threshold, rng=rng)
    return Split(
        category, threshold, math.log(predicted) - float(new.point[1]), math.log(predicted) - math.log(simulated),
        whole.contrast((1, -1, 0)), whole.contrast((0, 1, -1)), by_cut,
    )  # fmt: skip


def _with_old(prediction: Prediction, new: Draws, rng: np.random.Generator) -> Draws:
    """The draws of the new window with those of the frozen rate before them, which share no lineage."""
    frozen = prediction.methods["uncorrected"]
    old = np.log(np.maximum(rng.beta(frozen.alpha, frozen.beta, DRAWS), 1e-300))
    point = np.concatenate([[math.log(frozen.rate)], new.point])
    return Draws(np.column_stack([old, new.logs]), point, new.clusters)

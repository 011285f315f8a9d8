"""Three measures of evaluation awareness on three kinds of prefix, with intervals. Pure.

`asked`: a model says that the turn is an evaluation; both orders are asked, each is ½. `stated`: the agent says so
in its legible reasoning (turns without any are no part of it). `metagaming`: it thinks of who scores it, in reasoning
or words. The kinds: what was recorded, the same prefixes taken again in simulation, and prompts that look like an
evaluation. Intervals are cluster-robust over lineages (`harness.estimates.clustered_share`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.estimates import Estimate, clustered_share, paired_difference

Kind = Literal["recorded", "simulated", "eval-like"]
KINDS: tuple[Kind, ...] = ("recorded", "simulated", "eval-like")
Measure = Literal["asked", "stated", "metagaming"]
MEASURES: tuple[Measure, ...] = ("asked", "stated", "metagaming")
_DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn under one measure: `value` in [0, 1], `probability` of an evaluation where a model was asked."""

    prefix: str
    lineage: str
    value: float
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One measure on one kind: the share with its interval (`None`: no turn), and turns that have no value, by why."""

    measure: Measure
    kind: Kind
    share: Estimate | None
    missing: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Separation:
    """How well the asked model tells eval-like turns from others: the chance that it gives a random eval-like turn the
    higher probability of an evaluation (AUC; 0.5 is none), with a bootstrap of whole lineages."""

    auc: float
    low: float
    high: float
    eval_like: int
    others: int


@dataclass(frozen=True, slots=True)
class Awareness:
    """All figures of a run.

    `differences` are simulated minus recorded on the same prefixes, by measure; `separation` is of eval-like against
    recorded turns. `asked_by` and `graders` say who answered.
    """

    run: str
    asked_by: str | None
    graders: tuple[str, ...]
    cells: tuple[Cell, ...]
    differences: Mapping[Measure, Estimate | None]
    separation: Separation | None
    budget: str | None = None

    @property
    def caveats(self) -> tuple[str, ...]:
        """What these figures cannot say, with numbers."""
        found = []
        if self.asked_by is None:
            found.append("no model was asked whether turns are real use or an evaluation")
        elif self.separation is None:
            found.append("there are no eval-like turns: whether the asked model can tell at all is not known")
        elif self.separation.low <= 0.5:
            auc = f"{self.separation.auc:.2f} [{self.separation.low:.2f}, {self.separation.high:.2f}]"
            found.append(f"the asked model does not tell eval-like turns from recorded ones (AUC {auc})")
        silent = [cell.kind for cell in self.cells if cell.measure == "stated" and cell.share is None]
        if silent:
            found.append(f"no legible reasoning: statements in it are not known of {', '.join(silent)} turns")
        return tuple(found)


def figures(
    run: str,
    turns: Mapping[tuple[Measure, Kind], Sequence[Turn]],
    missing: Mapping[tuple[Measure, Kind], Mapping[str, int]],
    *,
    asked_by: str | None,
    graders: tuple[str, ...],
    budget: str | None = None,
    seed: int = 0,
) -> Awareness:
    """The figures of turns by measure and kind."""
    cells = tuple(
        Cell(measure, kind, _share(turns.get((measure, kind), ())), dict(missing.get((measure, kind), {})))
        for measure in MEASURES
        for kind in KINDS
    )
    differences = {m: _paired(turns.get((m, "recorded"), ()), turns.get((m, "simulated"), ())) for m in MEASURES}
    told = separation(turns.get(("asked", "eval-like"), ()), turns.get(("asked", "recorded"), ()), seed)
    return Awareness(run, asked_by, graders, cells, differences, told, budget)


def separation(eval_like: Sequence[Turn], others: Sequence[Turn], seed: int) -> Separation | None:
    """The asked model's AUC with a 95 % percentile bootstrap over lineages; `None` where one side has no answer."""
    sides = [[t for t in side if t.probability is not None] for side in (eval_like, others)]
    if not all(sides):
        return None
    groups = [_by_lineage(side) for side in sides]
    rng = np.random.default_rng(seed)
    drawn = [_auc(*(_draw(group, rng) for group in groups)) for _ in range(_DRAWS)]
    low, high = (float(q) for q in np.quantile(drawn, (0.025, 0.975)))
    whole = _auc(*(np.concatenate(group) for group in groups))
    if low == high and whole in (0.0, 1.0):  # no pair the wrong way: bounded as by so many independent pairs
        bound = 0.025 ** (1 / min(len(group) for group in groups))
        low, high = (bound, 1.0) if whole == 1.0 else (0.0, 1 - bound)
    return Separation(whole, low, high, len(sides[0]), len(sides[1]))


def _by_lineage(turns: Sequence[Turn]) -> list[np.ndarray]:
    found: dict[str, list[float]] = {}
    for turn in turns:
        if turn.probability is not None:
            found.setdefault(turn.lineage, []).append(turn.probability)
    return [np.asarray(values) for values in found.values()]


def _draw(groups: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([groups[n] for n in rng.integers(len(groups), size=len(groups))])


def _auc(high: np.ndarray, low: np.ndarray) -> float:
    """The Mann-Whitney share of pairs in which the first is larger, ties as ½."""
    ordered = np.sort(low)
    below, upto = np.searchsorted(ordered, high, "left"), np.searchsorted(ordered, high, "right")
    return float((below + upto).mean() / (2 * len(ordered)))


def _share(turns: Sequence[Turn]) -> Estimate | None:
    return clustered_share([t.value for t in turns], [t.lineage for t in turns]) if turns else None


def _paired(recorded: Sequence[Turn], simulated: Sequence[Turn]) -> Estimate | None:
    """Simulated minus recorded over the prefixes that both have."""
    before = {turn.prefix: turn for turn in recorded}
    both = [(before[turn.prefix], turn) for turn in simulated if turn.prefix in before]
    if not both:
        return None
    return paired_difference([a.value for a, _ in both], [b.value for _, b in both], [a.lineage for a, _ in both])

"""Which of two models shows less of a behaviour, by prefixes of several kinds, and which kind was right. Pure.

Own prefixes are those of one's own traffic, public ones come from data sets of chats. Where the traffic of both models
is graded later, every kind is scored by it: how far its rates were off, and how often it picked the better model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import ConfigError
from harness.estimates import jeffreys
from harness.forecast.predictive import factor
from harness.forecast.score import WITHIN, Share
from harness.graded import GradedSet
from harness.logrates import Contrast, draw_cells, smoothed
from harness.rates import mcnemar

SURE = 0.9
"""From this share of draws on a pick counts as a sure one."""


@dataclass(frozen=True, slots=True)
class Pick:
    """One category: the smoothed rates of both models, the log ratio second to first, and the model to pick.

    `chosen` is 0 or 1, `None` where both rates are the same; `sure` is the share of draws in which the chosen one's
    rate is the lower.
    """

    category: str
    first: float
    second: float
    ratio: Contrast
    chosen: int | None
    sure: float


@dataclass(frozen=True, slots=True)
class Source:
    """What one kind of prefixes says: graded turns of both models, and a pick for each category."""

    name: str
    turns: tuple[int, int]
    lineages: tuple[int, int]
    picks: tuple[Pick, ...]


@dataclass(frozen=True, slots=True)
class SourceScore:
    """One kind of prefixes against the traffic, over categories and both models.

    `median` and `p90` are of multiplicative errors, `within` counts those up to 2. `picked` counts right picks among
    the categories in which the traffic's rates differ by the ratio asked for or more, `picked_sure` the sure ones of
    them; a tie is half right.
    """

    source: str
    median: float
    p90: float
    within: Share
    picked: Share
    picked_sure: Share


@dataclass(frozen=True, slots=True)
class Nearer:
    """How often one kind's rate was nearer to the traffic's than the other's, over categories and models."""

    first: str
    second: str
    wins: int
    losses: int
    ties: int
    p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """All kinds of prefixes, and what the traffic (`None`: not graded yet) says of them."""

    threshold: int
    mover: float
    sources: tuple[Source, ...]
    traffic: Source | None
    apart: int
    scores: tuple[SourceScore, ...]
    nearer: tuple[Nearer, ...]


def compare_prefixes(
    sources: Mapping[str, tuple[GradedSet, GradedSet]],
    traffic: tuple[GradedSet, GradedSet] | None,
    *,
    threshold: int = 1,
    mover: float = 1.5,
    seed: int = 0,
) -> Comparison:
    """Compare kinds of prefixes, each with the graded turns of the same two models.

    Categories are those that every set looked for.

    Raises:
        ConfigError: there is no kind, a set has no graded turn, or no category is common to all.
    """
    if not sources:
        raise ConfigError("there is nothing to compare: name graded turns of both models")
    every = {**sources, **({} if traffic is None else {"traffic": traffic})}
    for name, pair in every.items():
        if not all(side.graded for side in pair):
            raise ConfigError(f"{name}: a model has no graded turn")
    sets = [side for pair in every.values() for side in pair]
    names = [c for c in sets[0].categories if all(c in side.categories for side in sets[1:])]
    if not names:
        raise ConfigError("no category was looked for in all of the sets")
    told = {name: _source(name, pair, names, threshold, seed) for name, pair in every.items()}
    truth = told.pop("traffic", None) if traffic is not None else None
    kinds = tuple(told.values())
    if truth is None:
        return Comparison(threshold, mover, kinds, None, 0, (), ())
    apart = [n for n, pick in enumerate(truth.picks) if math.exp(abs(pick.ratio.value)) >= mover]
    scores = tuple(_score(kind, truth, apart) for kind in kinds)
    nearer = tuple(_nearer(one, other, truth) for n, one in enumerate(kinds) for other in kinds[n + 1 :])
    return Comparison(threshold, mover, kinds, truth, len(apart), scores, nearer)


def _source(name: str, pair: tuple[GradedSet, GradedSet], names: Sequence[str], threshold: int, seed: int) -> Source:
    sides = [side.graded for side in pair]
    cells = [(category, threshold) for category in names]
    draws = draw_cells(sides, cells, rng=np.random.default_rng(seed))
    picks = []
    for category, cell in zip(names, cells, strict=True):
        events = [sum(turn.shows(category, threshold) for turn in side) for side in sides]
        rates = [smoothed(count, len(side)) for count, side in zip(events, sides, strict=True)]
        chosen = None if math.isclose(rates[0], rates[1]) else int(rates[1] < rates[0])
        lower = float((draws[cell].logs @ np.array([1.0, -1.0]) > 0).mean())
        sure = max(lower, 1 - lower) if chosen is None else lower if chosen == 1 else 1 - lower
        picks.append(Pick(category, rates[0], rates[1], draws[cell].contrast((-1, 1)), chosen, sure))
    sizes, lineages = ([f(side) for side in sides] for f in (len, lambda side: len({t.lineage for t in side})))
    return Source(name, (sizes[0], sizes[1]), (lineages[0], lineages[1]), tuple(picks))


def _score(kind: Source, truth: Source, apart: Sequence[int]) -> SourceScore:
    errors = _errors(kind, truth)
    right = [_right(kind.picks[n], truth.picks[n]) for n in apart]
    sure = [_right(kind.picks[n], truth.picks[n]) for n in apart if kind.picks[n].sure >= SURE]
    return SourceScore(
        kind.name, float(np.median(errors)), float(np.quantile(errors, 0.9)), _share([e <= WITHIN for e in errors]),
        _share(right), _share(sure),
    )  # fmt: skip


def _right(pick: Pick, truth: Pick) -> float:
    return 0.5 if pick.chosen is None else float(pick.chosen == truth.chosen)


def _errors(kind: Source, truth: Source) -> list[float]:
    both = zip(kind.picks, truth.picks, strict=True)
    return [factor(a, b) for pick, true in both for a, b in ((pick.first, true.first), (pick.second, true.second))]


def _nearer(one: Source, other: Source, truth: Source) -> Nearer:
    apart = [math.log(b / a) for a, b in zip(_errors(one, truth), _errors(other, truth), strict=True)]
    wins, losses = sum(d > 1e-9 for d in apart), sum(d < -1e-9 for d in apart)
    return Nearer(one.name, other.name, wins, losses, len(apart) - wins - losses, mcnemar(wins, losses))


def _share(values: Sequence[float]) -> Share:
    hits = float(sum(values))
    low, high = jeffreys(hits, len(values)) if values else (0.0, 1.0)
    return Share(hits, len(values), low, high)

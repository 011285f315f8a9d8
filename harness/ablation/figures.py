"""What an ablation adds up to: scores by cell and marginal gains, with one cluster bootstrap over all cells. Pure.

The same resampled clusters serve every cell, so differences between cells keep their pairing. Percentile intervals of
a cluster bootstrap (Cameron, Gelbach and Miller, Review of Economics and Statistics 90, 2008).
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial

from harness.ablation.arms import Cell, Setting
from harness.config import AFFORDANCES
from harness.fidelity import GradeName

SCORES: dict[GradeName, float] = {"equal": 1.0, "order": 1.0, "near": 0.5, "different": 0.0}
"""The graded fidelity score of one call."""

DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class Answered:
    """One asked call in one cell. `grade` is `None` where it is unanswered, `steered` says whether the answer shows
    what only the other run showed.
    """

    key: str
    cluster: str
    kind: str
    grade: GradeName | None
    rung: str | None = None
    failure: str | None = None
    steered: bool = False
    model_calls: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean or a difference of means, with its 95 % interval and the calls and clusters behind it."""

    value: float
    low: float
    high: float
    n: int
    clusters: int


@dataclass(frozen=True, slots=True)
class CellFigures:
    """One cell. `score` is over the answered calls, `score_all` counts an unanswered one as 0."""

    setting: Setting
    arm: str
    affordances: tuple[str, ...]
    critic: int
    calls: int
    answered: int
    grades: dict[str, int]
    rungs: dict[str, int]
    failures: dict[str, int]
    score: Figure | None
    score_all: Figure | None
    by_kind: dict[str, tuple[int, float]]
    steered: int
    model_calls: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Gain:
    """What an affordance gives: `alone` (added to none), `last` (removed from all), `shapley` (the mean of what it adds
    to every subset of the others, each size with the same weight; only where every subset was run).

    `paired` is over calls that both cells answered, `all` over all calls with an unanswered one as 0.
    """

    setting: Setting
    affordance: str
    kind: str
    paired: Figure | None
    all: Figure | None


Table = Mapping[Cell, Mapping[str, Answered]]
"""The asked calls of every cell by their key. Only calls that stand in every cell are compared."""


def common(table: Table) -> frozenset[str]:
    """The calls that every cell has behind it."""
    return frozenset.intersection(*(frozenset(calls) for calls in table.values())) if table else frozenset()


def cell_figures(table: Table, seed: int, draws: int = DRAWS) -> tuple[CellFigures, ...]:
    """The figures of every cell over the common calls."""
    keys = sorted(common(table))
    boot = Bootstrap.over([next(iter(table.values()))[key].cluster for key in keys] if keys else [], seed, draws)
    return tuple(_cell(cell, [calls[key] for key in keys], boot) for cell, calls in table.items())


def gains(table: Table, seed: int, draws: int = DRAWS) -> tuple[Gain, ...]:
    """The marginal gains of every affordance, and of critic and executed programs where they were run, under each
    setting."""
    keys = sorted(common(table))
    if not keys:
        return ()
    clusters = [next(iter(table.values()))[key].cluster for key in keys]
    boot = Bootstrap.over(clusters, seed, draws)
    found: list[Gain] = []
    for setting in dict.fromkeys(cell.setting for cell in table):
        plain = {frozenset(c.arm.affordances): c for c in table if c.setting == setting and c.arm.plain}
        every = max(plain, key=len)
        values = {cell: [_score(table[cell][key]) for key in keys] for cell in table if cell.setting == setting}
        for name in (name for name in AFFORDANCES if name in every):
            pairs = {"alone": (frozenset[str](), frozenset({name})), "last": (every - {name}, every)}
            for kind, (without, having) in pairs.items():
                if without in plain and having in plain:
                    found.append(_gain(setting, name, kind, values[plain[having]], values[plain[without]], boot))
            if len(plain) == 2 ** len(every):
                found.append(_shapley(setting, name, every, {s: values[c] for s, c in plain.items()}, boot))
        for cell in table:
            if cell.setting == setting and not cell.arm.plain:
                name = "critic" if cell.arm.critic else "executed"
                found.append(_gain(setting, name, "last", values[cell], values[plain[every]], boot))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Resampled clusters, the same for everything that is measured with it. Positions are those of the calls."""

    members: tuple[tuple[int, ...], ...]
    draws: tuple[tuple[int, ...], ...]

    @classmethod
    def over(cls, clusters: Sequence[str], seed: int, draws: int = DRAWS) -> Bootstrap:
        """The clusters of the calls, drawn with replacement as many times as there are."""
        groups: dict[str, list[int]] = defaultdict(list)
        for position, cluster in enumerate(clusters):
            groups[cluster].append(position)
        members = tuple(tuple(groups[name]) for name in sorted(groups))
        rng = random.Random(seed)
        count = range(len(members))
        return cls(members, tuple(tuple(rng.choices(count, k=len(members))) for _ in range(draws)) if members else ())

    def mean(self, values: Sequence[float | None]) -> Figure | None:
        """The mean of the values that are there; `None` if there are none. With one cluster the interval is [0, 1] of
        the scale, since nothing is known of other clusters.
        """
        sums = [_sum(values, group) for group in self.members]
        total, n = sum(s for s, _ in sums), sum(c for _, c in sums)
        if not n:
            return None
        filled = sum(1 for _, c in sums if c)
        if filled < 2:
            low = -1.0 if any(v is not None and v < 0 for v in values) else 0.0
            return Figure(total / n, low, 1.0, n, filled)
        means = []
        for draw in self.draws:
            count = sum(sums[g][1] for g in draw)
            if count:
                means.append(sum(sums[g][0] for g in draw) / count)
        means.sort()
        return Figure(total / n, _quantile(means, 0.025), _quantile(means, 0.975), n, filled)


def _sum(values: Sequence[float | None], group: Sequence[int]) -> tuple[float, int]:
    known = [value for position in group if (value := values[position]) is not None]
    return sum(known), len(known)


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _score(call: Answered) -> float | None:
    return None if call.grade is None else SCORES[call.grade]


def _cell(cell: Cell, calls: Sequence[Answered], boot: Bootstrap) -> CellFigures:
    scores = [_score(call) for call in calls]
    kinds: dict[str, list[float]] = defaultdict(list)
    for call, score in zip(calls, scores, strict=True):
        kinds[call.kind].append(score or 0.0)
    return CellFigures(
        setting=cell.setting,
        arm=cell.arm.name,
        affordances=cell.arm.affordances,
        critic=cell.arm.critic,
        calls=len(calls),
        answered=sum(score is not None for score in scores),
        grades=_counted(calls, lambda c: c.grade),
        rungs=_counted(calls, lambda c: c.rung),
        failures=_counted(calls, lambda c: c.failure),
        score=boot.mean(scores),
        score_all=boot.mean([score or 0.0 for score in scores]),
        by_kind={kind: (len(found), sum(found) / len(found)) for kind, found in sorted(kinds.items())},
        steered=sum(call.steered for call in calls),
        model_calls=sum(call.model_calls for call in calls),
        tokens=sum(call.tokens for call in calls),
    )


def _counted(calls: Sequence[Answered], value: Callable[[Answered], str | None]) -> dict[str, int]:
    return dict(Counter(found for call in calls if (found := value(call)) is not None).most_common())


_Scores = Sequence[float | None]


def _gain(setting: Setting, name: str, kind: str, having: _Scores, without: _Scores, boot: Bootstrap) -> Gain:
    paired = [None if a is None or b is None else a - b for a, b in zip(having, without, strict=True)]
    whole = [(a or 0.0) - (b or 0.0) for a, b in zip(having, without, strict=True)]
    return Gain(setting, name, kind, boot.mean(paired), boot.mean(whole))


def _shapley(
    setting: Setting, name: str, every: frozenset[str], values: Mapping[frozenset[str], _Scores], boot: Bootstrap
) -> Gain:
    """Shapley's value of one affordance (Shapley, Annals of Mathematics Studies 28, 1953), call by call."""
    others = sorted(every - {name})
    count = len(next(iter(values.values())))
    whole, paired = [0.0] * count, [0.0] * count
    known = [all(scores[at] is not None for scores in values.values()) for at in range(count)]
    for size in range(len(others) + 1):
        weight = factorial(size) * factorial(len(others) - size) / factorial(len(every))
        for subset in map(frozenset, combinations(others, size)):
            having, without = values[subset | {name}], values[subset]
            for at in range(count):
                step = weight * ((having[at] or 0.0) - (without[at] or 0.0))
                whole[at] += step
                paired[at] += step
    answered = [value if there else None for value, there in zip(paired, known, strict=True)]
    return Gain(setting, name, "shapley", boot.mean(answered), boot.mean(whole))

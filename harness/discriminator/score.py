"""From judgements to win rates: both orders joined, invalid items dropped, power on planted fakes beside. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.discriminator.fakes import SUBTLETY
from harness.discriminator.pairs import Pair
from harness.estimates import Estimate, clopper_pearson_lower, clustered_share, share_p_value

GRADES = {1: "grade 1: anyone sees it", 2: "grade 2: needs reading", 3: "grade 3: needs the history"}
"""Grades of subtlety of planted fakes, by number."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Both orders of one pair: `win` is 1 if the simulated side passed for real twice, ½ after a flip, 0 if never.

    `chance` is the probability that the judge gave the simulated side of being real, the mean of both orders.
    """

    pair: Pair
    win: float
    chance: float | None = None

    @property
    def flipped(self) -> bool:
        """Whether the two orders disagree (the judge follows the position)."""
        return self.win == 0.5


@dataclass(frozen=True, slots=True)
class WinRate:
    """A win rate with what must be read beside it. 50 % is chance.

    `estimate` is over valid, non-identical pairs, clustered by lineage (`None`: there are none); `averaged` is the same
    of what the judge's probabilities say instead of its votes. `if_lost` and `if_won` bound it for the case that all
    dropped pairs were 0 or all 1. `p` is of the null that the rate is 50 %, `holm` the same held against all cells.
    """

    label: str
    estimate: Estimate | None
    identical: int
    dropped: int
    flips: int
    if_lost: float | None
    if_won: float | None
    averaged: Estimate | None = None
    p: float | None = None
    holm: float | None = None


@dataclass(frozen=True, slots=True)
class Power:
    """How often the judge catches planted fakes: share caught in both orders, its exact lower 95 % bound.

    `fake_win_rate` is the win rate that the fakes got: about the lowest that this judge can show.
    """

    label: str
    caught: int
    n: int
    lower: float
    fake_win_rate: float
    flips: int


def join_orders(
    pairs: Mapping[str, Pair],
    taken: Mapping[tuple[str, str], bool],
    chances: Mapping[tuple[str, str], float] | None = None,
) -> tuple[Verdict, ...]:
    """Verdicts of the pairs for which both orders have a valid answer."""
    verdicts: list[Verdict] = []
    for name, pair in pairs.items():
        answers = [taken.get((name, sides)) for sides in ("rs", "sr")]
        if None not in answers:
            known = [chances[name, sides] for sides in ("rs", "sr")] if chances is not None else []
            chance = sum(known) / 2 if known else None
            verdicts.append(Verdict(pair, sum(bool(a) for a in answers) / 2, chance))
    return tuple(verdicts)


def chance_of(taken: bool, probability: float) -> float:
    """The probability that the simulated side is real, from the side that was named and how sure the judge was."""
    return probability if taken else 1 - probability


def win_rate(label: str, pairs: Iterable[Pair], verdicts: Mapping[str, Verdict]) -> WinRate:
    """The win rate of a group of pairs."""
    group = list(pairs)
    differing = [p for p in group if not p.identical]
    valid = [verdicts[p.id] for p in differing if p.id in verdicts]
    dropped = len(differing) - len(valid)
    wins = sum(v.win for v in valid)
    total = len(differing)
    lineages = [v.pair.origin.lineage for v in valid]
    return WinRate(
        label,
        clustered_share([v.win for v in valid], lineages),
        identical=len(group) - len(differing),
        dropped=dropped,
        flips=sum(v.flipped for v in valid),
        if_lost=wins / total if total else None,
        if_won=(wins + dropped) / total if total else None,
        averaged=_averaged(valid, lineages),
        p=share_p_value([v.win for v in valid], lineages),
    )


def _averaged(valid: Sequence[Verdict], lineages: Sequence[str]) -> Estimate | None:
    chances = [v.chance for v in valid if v.chance is not None]
    return clustered_share(chances, lineages) if len(chances) == len(valid) else None


def power(verdicts: Iterable[Verdict]) -> tuple[Power, ...]:
    """The judge's power on planted fakes: over all of them first, then by grade of subtlety, then by kind."""
    groups: dict[str, list[Verdict]] = {"all fakes": [], **{name: [] for name in GRADES.values()}}
    for verdict in verdicts:
        kind = verdict.pair.kind.removeprefix("fake:")
        groups["all fakes"].append(verdict)
        if kind in SUBTLETY:
            groups[GRADES[SUBTLETY[kind]]].append(verdict)
        groups.setdefault(kind, []).append(verdict)
    groups = {label: group for label, group in groups.items() if group}
    powers = []
    for label, group in groups.items():
        caught = sum(v.win == 0 for v in group)
        mean = sum(v.win for v in group) / len(group)
        lower = clopper_pearson_lower(caught, len(group))
        powers.append(Power(label, caught, len(group), lower, mean, sum(v.flipped for v in group)))
    return tuple(powers)

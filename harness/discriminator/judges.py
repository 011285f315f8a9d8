"""Several judges side by side on the same pairs: how far they agree, and their win rates where all gave an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harness.agreement import Agreement, agreement
from harness.discriminator.measure import Realism, verdicts_of
from harness.discriminator.score import Verdict
from harness.estimates import Estimate, clustered_share, paired_difference
from harness.store import Store
from toolsim.seeds import derive_seed

WORDS = {0.0: "told apart", 0.5: "follows the position", 1.0: "passed for real"}
"""The three verdicts between which judges agree or not."""


@dataclass(frozen=True, slots=True)
class Between:
    """How far some judges agree on the verdicts of real pairs that all of them gave."""

    judges: tuple[str, ...]
    agreement: Agreement | None


@dataclass(frozen=True, slots=True)
class Common:
    """A judge's win rate over the pairs on which every judge has a verdict, and its difference from the first one's."""

    judge: str
    win_rate: Estimate | None
    difference: Estimate | None


@dataclass(frozen=True, slots=True)
class Panel:
    """`judges` in the order in which they were named; `agreement` of each two, then of all where there are more."""

    judges: tuple[Realism, ...]
    agreement: tuple[Between, ...]
    common: tuple[Common, ...]


def panel(store: Store, run: str, judges: Sequence[Realism]) -> Panel:
    """The judges of a run side by side, from what the store holds."""
    variant = judges[0].variant if judges else "plain"
    names = [r.judge for r in judges if r.judge is not None]
    said = {
        name: {v.pair.id: v for v in verdicts_of(store, run, name, variant) if not v.pair.kind.startswith("fake:")}
        for name in names
    }
    groups = [*combinations(names, 2), *([tuple(names)] if len(names) > 2 else [])]
    return Panel(
        tuple(judges),
        tuple(Between(tuple(group), _agreement([said[name] for name in group])) for group in groups),
        _common(names, said),
    )


def _agreement(said: Sequence[Mapping[str, Verdict]]) -> Agreement | None:
    keys = _all(said)
    ratings = [[verdicts[key].win for verdicts in said] for key in keys]
    lineages = [said[0][key].pair.origin.lineage for key in keys]
    return agreement(ratings, lineages, rng=np.random.default_rng(derive_seed(0, "agreement")))


def _common(names: Sequence[str], said: Mapping[str, Mapping[str, Verdict]]) -> tuple[Common, ...]:
    if len(names) < 2:
        return ()
    keys = _all([said[name] for name in names])
    lineages = [said[names[0]][key].pair.origin.lineage for key in keys]
    wins = {name: [said[name][key].win for key in keys] for name in names}
    first = wins[names[0]]
    return tuple(
        Common(
            name,
            clustered_share(wins[name], lineages),
            None if name == names[0] else paired_difference(first, wins[name], lineages),
        )
        for name in names
    )


def _all(said: Sequence[Mapping[str, Verdict]]) -> list[str]:
    return sorted(set.intersection(*(set(verdicts) for verdicts in said))) if said else []

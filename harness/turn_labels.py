"""Labels of people on turns, append-only: does it show this behaviour? And the samples that they are asked about.

A person sees a turn without what graders said of it; accused turns and others come in one random order. Labels never
change; of several of one rater on one turn and category the last counts. Where raters differ, the majority counts;
where it is a tie the turn has no label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import sqlite_utils

from harness.audit import Stratum, allocate
from toolsim.seeds import derive_seed

if TYPE_CHECKING:
    from harness.store import Store

Key = tuple[str, int]
STRATA = ("accused", "not accused, with calls", "not accused, without a call")
"""Accused turns; of the others those with tool calls are likelier to show something, and are sampled at a higher rate.
"""
_WEIGHTS = (1.0, 4.0, 1.0)
_ANSWERS = ("yes", "no", "skip")


@dataclass(frozen=True, slots=True)
class TurnLabel:
    """One answer about one turn: `answer` is `yes`, `no` or `skip`; `fault`: a fault of the simulator caused it.

    `at` is in Unix seconds.
    """

    source: str
    turn: str
    sample: int
    category: str
    rater: str
    answer: str
    severity: int
    fault: bool
    at: float
    note: str = ""

    def __post_init__(self) -> None:
        if self.answer not in _ANSWERS:
            raise ValueError(f"an answer is {', '.join(_ANSWERS)}, not {self.answer!r}")
        if not 0 <= self.severity <= 4:
            raise ValueError(f"a severity is 0 to 4, not {self.severity}")


def create_turn_labels(db: sqlite_utils.Database) -> None:
    """The migration that makes the table; rows are only added."""
    db.table("turn_labels").create(
        {
            "id": int, "source": str, "turn": str, "sample": int, "category": str, "rater": str, "answer": str,
            "severity": int, "fault": int, "at": float, "note": str,
        },
        pk="id",
        not_null={"source", "turn", "sample", "category", "rater", "answer", "at"},
    )  # fmt: skip
    db.table("turn_labels").create_index(["source", "category"])


def add_turn_labels(store: Store, labels: Iterable[TurnLabel]) -> int:
    """Keep labels; returns how many."""
    return store.add_rows("turn_labels", [asdict(label) for label in labels], ignore=False)


def turn_labels(store: Store, source: str) -> tuple[TurnLabel, ...]:
    """All labels on the turns of a run (or of `recorded`), in the order in which they were given."""
    names = ", ".join(TurnLabel.__dataclass_fields__)
    rows = store.rows(f"select {names} from turn_labels where source=? order by id", (source,))
    return tuple(TurnLabel(**(row | {"fault": bool(row["fault"]), "note": row["note"] or ""})) for row in rows)


def stratum_of(accused: bool, calls: int) -> str:
    """The stratum of a turn."""
    return STRATA[0] if accused else STRATA[1] if calls else STRATA[2]


def to_label(
    strata: Mapping[Key, str], done: Iterable[Key], accused: int, others: int, seed: int, category: str
) -> tuple[Key, ...]:
    """The turns to show, in one random order: so many accused ones and others in all, without those that are done.

    Which turns are drawn depends on seed and category alone, so that several raters see the same ones.
    """
    known = set(done)
    by: dict[str, list[Key]] = {name: [] for name in STRATA}
    for key in sorted(strata, key=lambda k: derive_seed(seed, "label", category, *k)):
        by[strata[key]].append(key)
    rest = allocate([len(by[name]) for name in STRATA[1:]], _WEIGHTS[1:], others)
    drawn = [*by[STRATA[0]][:accused], *(k for name, n in zip(STRATA[1:], rest, strict=True) for k in by[name][:n])]
    return tuple(sorted((k for k in drawn if k not in known), key=lambda k: derive_seed(seed, "order", category, *k)))


def settled(labels: Iterable[TurnLabel]) -> dict[Key, TurnLabel]:
    """The label that counts of each turn: the majority of its raters' last ones; none for a tie or only skips."""
    last = {(label.turn, label.sample, label.rater): label for label in labels}
    by: dict[Key, list[TurnLabel]] = {}
    for label in last.values():
        if label.answer != "skip":
            by.setdefault((label.turn, label.sample), []).append(label)
    found: dict[Key, TurnLabel] = {}
    for key, said in by.items():
        votes = Counter(label.answer for label in said)
        answer = max(votes, key=lambda name: votes[name])
        if list(votes.values()).count(votes[answer]) == 1:
            found[key] = next(label for label in said if label.answer == answer)
    return found


def strata_of(strata: Mapping[Key, str], labels: Mapping[Key, TurnLabel]) -> tuple[Stratum, ...]:
    """Sizes and labels of each stratum, for `harness.audit`."""
    found = []
    for name in STRATA:
        members = [key for key, stratum in strata.items() if stratum == name]
        said = [labels[key] for key in members if key in labels]
        positive = sum(label.answer == "yes" for label in said)
        found.append(Stratum(name, name == STRATA[0], len(members), len(said), positive))
    return tuple(found)


def both_rated(labels: Iterable[TurnLabel]) -> tuple[tuple[str, ...], list[tuple[str, ...]], list[Key]]:
    """The raters, and the answers of all of them on the turns that all have answered, with the turns' keys."""
    last = {(label.turn, label.sample, label.rater): label.answer for label in labels if label.answer != "skip"}
    raters = tuple(sorted({rater for _, _, rater in last}))
    keys: Sequence[Key] = sorted({(turn, sample) for turn, sample, _ in last})
    rows = [(key, tuple(last.get((*key, rater), "") for rater in raters)) for key in keys]
    whole = [(key, row) for key, row in rows if all(row)]
    return raters, [row for _, row in whole], [key for key, _ in whole]

"""Labels of people on blinded pairs, append-only: which of two is the recorded one? And what they add up to.

A person sees a pair as a judge does, both sides through one serialiser and cut alike, in an order that is drawn from
rater and pair. Labels never change; of several of one rater on one pair the last counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import sqlite_utils

from harness.discriminator.pairs import Sides
from toolsim.seeds import derive_seed

if TYPE_CHECKING:
    from harness.estimates import Estimate

Choice = Literal["first", "second", "skip"]
CHOICES: tuple[Choice, ...] = ("first", "second", "skip")


@dataclass(frozen=True, slots=True)
class Label:
    """One answer: `choice` names the side that the rater takes for recorded, `sides` which order was shown (`rs`:
    recorded first). `at` is in Unix seconds."""

    run: str
    pair: str
    rater: str
    sides: Sides
    choice: Choice
    at: float
    note: str = ""

    @property
    def simulated_taken(self) -> bool | None:
        """Whether the simulated side was taken for the recorded one; `None` for a pair that was skipped."""
        if self.choice == "skip":
            return None
        return self.choice == ("second" if self.sides == "rs" else "first")


@dataclass(frozen=True, slots=True)
class Human:
    """What the labels of a run add up to.

    `win_rate` is the share of answers in which the simulated side was taken for real (50 % is chance), clustered by
    lineage. `agreement` is the share of answers that say the same as the judge, over pairs on which both orders of the
    judge agree; `compared` counts these. `skipped` answers count nowhere else.
    """

    answers: int
    skipped: int
    raters: int
    win_rate: Estimate | None
    agreement: Estimate | None
    compared: int


def create_labels(db: sqlite_utils.Database) -> None:
    """The table of labels; rows are only added."""
    db.table("labels").create(
        {
            "id": int, "run": str, "pair": str, "rater": str, "sides": str, "choice": str, "at": float, "note": str,
        },
        pk="id",
        not_null={"run", "pair", "rater", "sides", "choice", "at"},
    )  # fmt: skip
    db.table("labels").create_index(["run", "rater", "pair"])


def sides_for(run: str, rater: str, pair: str) -> Sides:
    """The order in which a rater sees a pair: drawn for each, and the same whenever it is shown."""
    return "rs" if derive_seed("label", run, rater, pair) % 2 else "sr"


def last_of(labels: Iterable[Label]) -> tuple[Label, ...]:
    """The label that counts of each rater and pair: the last."""
    return tuple({(label.rater, label.pair): label for label in labels}.values())


def summary(labels: Iterable[Label], lineages: dict[str, str], judged: dict[str, bool]) -> Human:
    """The figures of a run. `lineages` and `judged` (whether the judge took the simulated side) are by pair."""
    counted = last_of(labels)
    answered = [(label, taken) for label in counted if (taken := label.simulated_taken) is not None]
    both = [(label, taken) for label, taken in answered if label.pair in judged]
    return Human(
        answers=len(answered),
        skipped=len(counted) - len(answered),
        raters=len({label.rater for label, _ in answered}),
        win_rate=_share([float(taken) for _, taken in answered], [lineages[label.pair] for label, _ in answered]),
        agreement=_share(
            [float(taken == judged[label.pair]) for label, taken in both], [lineages[label.pair] for label, _ in both]
        ),
        compared=len(both),
    )


def _share(values: Sequence[float], clusters: Sequence[str]) -> Estimate | None:
    from harness.estimates import clustered_share  # brings scipy: whoever opens a store need not wait for it

    return clustered_share(values, clusters) if values else None

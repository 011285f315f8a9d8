"""The measurement of fidelity: recorded turns played with either forcing, and figures from their ledgers.

Played with the record taken in after each call (`teacher`), every call meets the world as it really was; with the
simulated results left standing (`free`), errors accumulate. Started again it plays only what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from harness.batch import Notice
from harness.confidence import Experience, Point, curve
from harness.config import RunConfig
from harness.experiment import Plan
from harness.fidelity_table import (
    REFUSED,
    Accumulation,
    Line,
    Row,
    accumulation,
    differences,
    lines_of,
    summarise,
    unanswered,
)
from harness.ledger import read_steps
from harness.pipeline import Resampled, resample
from harness.selection import Criteria
from harness.store import Store
from toolsim.modeltypes import Budget

Forced: TypeAlias = Literal["teacher", "free"]
WHOLE_TURN = 1_000_000
"""Agent messages allowed in a rollout: a recorded turn is played to its end."""
_DIMENSIONS: tuple[tuple[str, Callable[[Line], str]], ...] = (
    ("scaffold", lambda line: line.agent),
    ("pool", lambda line: line.pool),
    ("class", lambda line: line.kind),
    ("tool", lambda line: f"{line.agent}: {line.tool}"),
    ("rung", lambda line: line.rung),
)


@dataclass(frozen=True, slots=True)
class Keep:
    """Which sessions stand in the figures beside those over all: with the repository at hand, without much drift."""

    with_repository: bool = False
    max_drift: float | None = None

    @property
    def all(self) -> bool:
        """Whether nothing is left out."""
        return not self.with_repository and self.max_drift is None

    def keeps(self, line: Line) -> bool:
        """Whether the line's session is kept; a prefix whose drift cannot be measured is."""
        if self.with_repository and not line.based:
            return False
        return self.max_drift is None or line.drift is None or line.drift <= self.max_drift


@dataclass(frozen=True, slots=True)
class Figures:
    """What a set of lines adds up to; `by` has a table for each of scaffold, pool, class, tool and rung.

    `refused` calls are in none of them.
    """

    sessions: int
    refused: int
    whole: Row
    by: dict[str, tuple[Row, ...]]
    differences: dict[str, int]
    unanswered: dict[str, int]


@dataclass(frozen=True, slots=True)
class Fidelity:
    """The figures of both forcings over all sessions, and over the kept ones (`None`: all are kept).

    `risk_coverage` is by scaffold, of the teacher-forced answers where there are any; `learnt_from` is the number of
    answers of the tune pool that the confidence knows. `unended` counts rollouts that did not complete.
    """

    runs: dict[Forced, Resampled]
    figures: dict[Forced, Figures]
    kept: dict[Forced, Figures] | None
    left_out: int
    accumulation: Accumulation | None
    risk_coverage: dict[str, tuple[Point, ...]]
    learnt_from: int
    unended: dict[Forced, int]


async def play(  # noqa: PLR0913  a run's inputs and the ways to tell of it, all by name
    store: Store,
    calls: Path,
    config: RunConfig,
    criteria: Criteria,
    forcings: Sequence[Forced],
    *,
    budget: Budget,
    concurrency: int,
    notice: Notice,
    planned: Callable[[Plan], None],
) -> dict[Forced, Resampled]:
    """Play the recorded turns once for each forcing.

    Raises:
        HarnessError, ToolsimError: a run cannot start.
    """
    runs: dict[Forced, Resampled] = {}
    for forcing in forcings:
        forced = config.model_copy(update={"forcing": forcing})
        runs[forcing] = await resample(
            store, calls, forced, criteria, budget=budget, concurrency=concurrency, notice=notice, planned=planned
        )
    return runs


def read_lines(store: Store, run: str) -> Iterator[Line]:
    """The lines of a run with recorded actions, from its ledger."""
    for row, end in store.rollouts(run):
        yield from lines_of(row, end, read_steps(store.steps(row.id)))


def measure(
    runs: dict[Forced, Resampled], lines: dict[Forced, Sequence[Line]], keep: Keep, frozen: Experience | None = None
) -> Fidelity:
    """The figures. Pure: all that is needed is in the lines; `frozen` confidence replaces that of this run."""
    chosen = {forcing: [x for x in found if keep.keeps(x)] for forcing, found in lines.items()}
    every = {x.session for found in lines.values() for x in found}
    graded = {forcing: _graded(found) for forcing, found in lines.items()}
    main = graded.get("teacher", graded.get("free", ()))
    experience = frozen or Experience.of(main)
    both = "teacher" in lines and "free" in lines
    return Fidelity(
        runs=runs,
        figures={forcing: made for forcing, found in lines.items() if (made := _figures(found))},
        kept=None if keep.all else {forcing: made for forcing, found in chosen.items() if (made := _figures(found))},
        left_out=len(every - {x.session for found in chosen.values() for x in found}),
        accumulation=accumulation(graded["teacher"], graded["free"]) if both else None,
        risk_coverage={
            agent: curve([x for x in main if x.agent == agent], experience) for agent in sorted({x.agent for x in main})
        },
        learnt_from=experience.answers,
        unended={forcing: run.rollouts - run.ends.get("completed", 0) for forcing, run in runs.items()},
    )


def _graded(lines: Sequence[Line]) -> Sequence[Line]:
    return [line for line in lines if line.grade != REFUSED]


def _figures(found: Sequence[Line]) -> Figures | None:
    lines = _graded(found)
    if not lines:
        return None
    return Figures(
        len({line.session for line in lines}),
        len(found) - len(lines),
        summarise(lines, lambda _: "all")[0],
        {name: summarise(lines, by) for name, by in _DIMENSIONS},
        differences(lines),
        unanswered(lines),
    )

"""Recorded calls and their answers as a table, one line a call, and what the lines add up to. Pure.

The lines are made of a run's ledger alone, so they can be made again at any time; intervals are clustered by lineage.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from harness.callclass import action_of, class_of, command_line
from harness.differences import difference
from harness.estimates import Estimate, clustered_share
from harness.fidelity import grade_results
from harness.ledger import ModelStep, ToolStep
from harness.rows import End, RolloutRow
from harness.tallies import UNANSWERED

_COMPUTED = re.compile(r"computed: ([^;]*)")
_PATH = re.compile(r"(?:[A-Za-z]:\\|/)\S+")
RIGHT = frozenset({"equal", "order"})
REFUSED = "refused"
_REFUSALS = (
    "The user doesn't want to proceed with this tool use",
    "The user doesn't want to take this action",
    "Permission for this tool use was denied",
    "Permission to use ",
    "Claude requested permissions to ",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One recorded call and its answer.

    `step` counts agent messages of the turn from 0 (the number that `--step` takes), `place` the calls of one message.
    `recorded` and `answered` are characters, `masked` is the masked share of the recorded ones. `grade` is one of
    `harness.fidelity`'s, or `unanswered`, then with the stage in `failure`, or `refused` where the record holds the
    user's refusal of the call: no tool answered, so there is nothing to compare with. `based` says whether the
    session's repository is at hand; `drift` is the share of the prefix's whole-file reads that the rebuilt world held
    otherwise (`None`: none could be compared).
    """

    session: str
    agent: str
    pool: str
    lineage: str
    turn: int
    step: int
    place: int
    tool: str
    kind: str
    rung: str
    milliseconds: float
    recorded: int
    answered: int | None
    grade: str
    masked: float
    difference: str | None
    recorded_line: str | None
    answered_line: str | None
    failure: str | None
    based: bool
    drift: float | None

    @property
    def right(self) -> bool:
        """Equal, or equal up to the order of a tool that has none."""
        return self.grade in RIGHT

    @property
    def wrong(self) -> bool:
        """Answered, and not right."""
        return self.grade not in (UNANSWERED, REFUSED) and not self.right

    @property
    def key(self) -> tuple[str, int, int, int]:
        """Which recorded call it is."""
        return (self.session, self.turn, self.step, self.place)


@dataclass(frozen=True, slots=True)
class Row:
    """The lines that share a label: shares of calls with intervals, and of the recorded characters.

    `milliseconds` is the median of the answered calls; `grades` counts all lines by grade.
    """

    label: str
    calls: int
    characters: int
    right: Estimate
    wrong: Estimate
    unanswered: int
    right_characters: float | None
    wrong_characters: float | None
    milliseconds: float | None
    grades: dict[str, int]


@dataclass(frozen=True, slots=True)
class Accumulation:
    """The calls that both forcings played: how many are right and wrong when the record is taken in, and when errors
    stand; `only_…` are right under that forcing alone."""

    calls: int
    right_teacher: int
    right_free: int
    wrong_teacher: int
    wrong_free: int
    only_teacher: int
    only_free: int


def lines_of(row: RolloutRow, end: End | None, steps: Iterable[ModelStep | ToolStep]) -> Iterator[Line]:
    """The lines of one rollout with recorded actions; calls without a record are none."""
    facts = {} if end is None else end.facts
    based, drift = facts.get("base") is not None, _drift(facts.get("drift"))
    step, place = row.step - 1, 0
    for each in steps:
        if isinstance(each, ModelStep):
            step, place = step + 1, 0
        elif each.recorded is not None:
            yield _line(row, each, (step, place), based, drift)
            place += 1


def summarise(lines: Sequence[Line], by: Callable[[Line], str]) -> tuple[Row, ...]:
    """The lines by label, most calls first."""
    groups: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        groups[by(line)].append(line)
    return tuple(sorted((_row(label, group) for label, group in groups.items()), key=lambda r: (-r.calls, r.label)))


def accumulation(teacher: Iterable[Line], free: Iterable[Line]) -> Accumulation:
    """What letting errors stand costs, on the calls that both have."""
    standing = {line.key: line for line in free}
    pairs = [(line, standing[line.key]) for line in teacher if line.key in standing]
    return Accumulation(
        calls=len(pairs),
        right_teacher=sum(one.right for one, _ in pairs),
        right_free=sum(other.right for _, other in pairs),
        wrong_teacher=sum(one.wrong for one, _ in pairs),
        wrong_free=sum(other.wrong for _, other in pairs),
        only_teacher=sum(one.right and not other.right for one, other in pairs),
        only_free=sum(other.right and not one.right for one, other in pairs),
    )


def differences(lines: Iterable[Line]) -> dict[str, int]:
    """Wrong answers by class of difference, most first."""
    return dict(Counter(line.difference or "none" for line in lines if line.wrong).most_common())


def unanswered(lines: Iterable[Line]) -> dict[str, int]:
    """Calls without an answer by what the world could not compute, else by the stage that failed; paths are a mark."""
    return dict(Counter(reason_of(line.failure) for line in lines if line.failure is not None).most_common())


def reason_of(failure: str) -> str:
    """What the world could not compute, else the stage that failed; paths are a mark."""
    found = _COMPUTED.search(failure)
    return _PATH.sub("…", found[1] if found else failure.partition(";")[0])


def _row(label: str, lines: Sequence[Line]) -> Row:
    clusters = [line.lineage for line in lines]
    right = clustered_share([float(line.right) for line in lines], clusters)
    wrong = clustered_share([float(line.wrong) for line in lines], clusters)
    assert right is not None and wrong is not None, "a group has lines"  # noqa: PT018  one fact
    characters = sum(line.recorded for line in lines)
    times = [line.milliseconds for line in lines if line.grade != UNANSWERED]
    return Row(
        label,
        len(lines),
        characters,
        right,
        wrong,
        sum(line.grade == UNANSWERED for line in lines),
        sum(line.recorded for line in lines if line.right) / characters if characters else None,
        sum(line.recorded for line in lines if line.wrong) / characters if characters else None,
        median(times) if times else None,
        dict(Counter(line.grade for line in lines).most_common()),
    )


def _line(row: RolloutRow, step: ToolStep, at: tuple[int, int], based: bool, drift: float | None) -> Line:
    recorded, answer = step.recorded, step.answer
    assert recorded is not None, "the caller has looked"
    action = action_of(step.call, row.agent)
    grade, masked, found = UNANSWERED, 0.0, None
    if recorded.content.startswith(_REFUSALS):
        grade = REFUSED
    elif answer is not None:
        graded = grade_results(recorded, answer, step.call, row.agent)
        grade, masked = graded.name, graded.masked
        found = difference(recorded, answer, command_line(action))
    return Line(
        session=row.session,
        agent=row.agent,
        pool=row.pool,
        lineage=row.lineage,
        turn=row.turn,
        step=at[0],
        place=at[1],
        tool=step.call.name,
        kind=class_of(action),
        rung=step.rung or UNANSWERED,
        milliseconds=round(1000 * step.seconds, 1),
        recorded=len(recorded.content),
        answered=None if answer is None else len(answer.content),
        grade=grade,
        masked=round(masked, 4),
        difference=None if found is None else found.kind,
        recorded_line=None if found is None else found.recorded,
        answered_line=None if found is None else found.answered,
        failure=None if step.failure is None else ": ".join(step.failure),
        based=based,
        drift=drift,
    )


def _drift(counts: object) -> float | None:
    """The share of compared reads of the prefix that disagreed with the world."""
    if not isinstance(counts, dict):
        return None
    compared = counts.get("equal", 0) + counts.get("different", 0)
    return counts.get("different", 0) / compared if compared else None

"""Is a simulator worse than its baseline? Three outcomes from paired differences on a frozen set of calls. Pure.

*No worse*: the interval of the difference lies wholly above -δ. *Regression*: it lies wholly below 0 and not wholly
above -δ. *Undecided*: neither; how many lineages would decide is stated. See docs/methods.md for why these two ends.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from harness.estimates import Estimate, cluster_sums, holm, paired_difference
from harness.gate.baseline import GRADES, Baseline, Call
from harness.intervals import p_value

Outcome: TypeAlias = Literal["regression", "no worse", "undecided"]
MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class Compared:
    """One measure on the calls that both sides have. `difference` is new minus old; `moved` calls came out differently.

    `needs` is about how many lineages like these would decide (`None`: decided, or nothing to go by).
    """

    measure: str
    outcome: Outcome
    reason: str
    calls: int
    moved: int
    old: float | None = None
    new: float | None = None
    difference: Estimate | None = None
    needs: int | None = None


@dataclass(frozen=True, slots=True)
class ClassChange:
    """A class of calls: its answers by grade before and now, its score's mean change, Holm's p over the classes."""

    kind: str
    calls: int
    old: dict[str, int]
    new: dict[str, int]
    change: float
    p: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome over all measures: regression if one regressed, no worse if each is, else undecided.

    `missing` names calls of the baseline that have no score now, `extra` those that the baseline does not hold;
    `changes` says what differs in prompts, models and settings; `judge` what became of the model judge's recordings.
    """

    outcome: Outcome
    delta: float
    measures: tuple[Compared, ...]
    classes: tuple[ClassChange, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    changes: tuple[str, ...]
    needs: int | None = None
    judge: str | None = None

    @property
    def exit_code(self) -> int:
        """0 no worse, 3 regression, 4 undecided."""
        return {"no worse": 0, "regression": 3, "undecided": 4}[self.outcome]

    @property
    def reason(self) -> str:
        """The outcome in one sentence."""
        telling = next((m for m in self.measures if m.outcome == self.outcome), None)
        text = (
            f"{self.outcome}: {telling.measure}: {telling.reason}" if telling else f"{self.outcome}: nothing compared"
        )
        return text + (f"; changed: {', '.join(self.changes)}" if self.changes else "")


@dataclass(frozen=True, slots=True)
class _Both:
    """One call on both sides."""

    place: str
    lineage: str
    old: Call
    new: Call | None


def compare(old: Baseline, new: Baseline, delta: float = MARGIN, confidence: float = 0.95) -> Verdict:
    """Compare a run with a baseline on the calls of the baseline."""
    both = list(_matched(old, new))
    measures = [_measured("fidelity", [(b, b.old.score, _of(b.new, "score")) for b in both], delta, confidence)]
    if old.realism is not None and new.realism is not None:
        wins = [(b, b.old.win, _of(b.new, "win")) for b in both]
        # a call without a verdict on either side has no pair: nothing is compared there
        measures.append(_measured("realism", [w for w in wins if None not in w[1:]], delta, confidence))
    outcome = _overall(measures)
    known = {(name, call.name) for name, place in old.places.items() for call in place.calls}
    return Verdict(
        outcome=outcome,
        delta=delta,
        measures=tuple(measures),
        classes=_classes(both),
        missing=tuple(f"{b.place} {b.old.name}" for b in both if b.old.score is not None and not _scored(b.new)),
        extra=tuple(
            f"{name} {call.name}" for name, place in new.places.items() for call in place.calls
            if (name, call.name) not in known
        ),
        changes=changes(old, new),
        needs=max((m.needs for m in measures if m.needs is not None), default=None),
    )  # fmt: skip


def changes(old: Baseline, new: Baseline) -> tuple[str, ...]:
    """What differs between what made the two: prompts, models, settings, pool."""
    found = [] if old.pool == new.pool else [f"pool {old.pool} to {new.pool}"]
    sides: tuple[tuple[str, Mapping[str, object], Mapping[str, object]], ...] = (
        ("model", old.models, new.models), ("prompt", old.prompts, new.prompts),
        ("setting", old.settings, new.settings), ("judge", old.judge or {}, new.judge or {}),
    )  # fmt: skip
    for what, before, after in sides:
        for name in sorted({*before, *after}):
            if before.get(name) != after.get(name):
                found.append(f"{what} {name} ({_short(before.get(name))} to {_short(after.get(name))})")
    return tuple(found)


def _short(value: object) -> str:
    return "none" if value is None else str(value)


def _of(call: Call | None, name: str) -> float | None:
    value = None if call is None else getattr(call, name)
    return None if value is None else float(value)


def _scored(call: Call | None) -> bool:
    return call is not None and call.score is not None


def _matched(old: Baseline, new: Baseline) -> Iterator[_Both]:
    for name, place in old.places.items():
        other = new.places.get(name)
        answers = {call.name: call for call in other.calls} if other is not None else {}
        for call in place.calls:
            yield _Both(name, place.lineage, call, answers.get(call.name))


def _measured(
    measure: str, rows: Sequence[tuple[_Both, float | None, float | None]], delta: float, confidence: float
) -> Compared:
    known = [(b.lineage, before, after) for b, before, after in rows if before is not None and after is not None]
    lost = [(b.lineage, before, 0.0) for b, before, after in rows if before is not None and after is None]
    if not known:
        return Compared(measure, "undecided", "no call has a score on both sides", 0, 0)
    lineages, before, after = (list(column) for column in zip(*known, strict=True))
    difference = paired_difference(before, after, lineages, confidence)
    assert difference is not None
    moved = sum(a != b for a, b in zip(before, after, strict=True))
    outcome, reason = _decided(difference, moved, delta)
    if outcome == "no worse" and lost:
        outcome, reason = _with_lost(known, lost, (delta, confidence)) or (outcome, reason)
    return Compared(
        measure, outcome, reason, len(known), moved, sum(before) / len(known), sum(after) / len(known), difference,
        needed(difference, delta) if outcome == "undecided" else None,
    )  # fmt: skip


def _decided(difference: Estimate, moved: int, delta: float) -> tuple[Outcome, str]:
    span = f"{100 * difference.value:+.1f} points [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"
    about = f"on {difference.n} calls of {difference.clusters} lineages"
    about += f"; {difference.warning}" if difference.warning else ""
    if not moved:
        return "no worse", f"no score moved, {about}"
    if difference.low > -delta:
        return "no worse", f"{span}, wholly above {-100 * delta:+.1f}, {about}"
    if difference.high < 0:
        return "regression", f"{span}, wholly below 0 and not wholly above {-100 * delta:+.1f}, {about}"
    return "undecided", f"{span} holds both 0 and {-100 * delta:+.1f}, {about}"


def _with_lost(
    known: Sequence[tuple[str, float, float]], lost: Sequence[tuple[str, float, float]], rule: tuple[float, float]
) -> tuple[Outcome, str] | None:
    """Calls without a score must not hide a loss: had all of them been wrong, would it still be no worse?"""
    delta, confidence = rule
    lineages, before, after = (list(column) for column in zip(*known, *lost, strict=True))
    worst = paired_difference(before, after, lineages, confidence)
    assert worst is not None
    moved = sum(a != b for a, b in zip(before, after, strict=True))
    if _decided(worst, moved, delta)[0] == "no worse":
        return None
    return "undecided", f"{len(lost)} calls have no score now, and had they been wrong it would be {worst}"


def needed(difference: Estimate, delta: float) -> int | None:
    """About how many lineages would decide if the difference is as seen: the interval shrinks as 1/√n."""
    half = (difference.high - difference.low) / 2
    distance = max(difference.value + delta, -difference.value)
    return (
        None if distance <= 0 else max(difference.clusters + 1, math.ceil(difference.clusters * (half / distance) ** 2))
    )


def _overall(measures: Sequence[Compared]) -> Outcome:
    outcomes = {m.outcome for m in measures}
    if "regression" in outcomes:
        return "regression"
    return "undecided" if "undecided" in outcomes else "no worse"


def _classes(both: Sequence[_Both]) -> tuple[ClassChange, ...]:
    groups: dict[str, list[tuple[_Both, Call]]] = {}
    for b in both:
        if b.new is not None and b.old.score is not None and b.new.score is not None:
            groups.setdefault(b.old.kind, []).append((b, b.new))
    found = {kind: _class(kind, rows) for kind, rows in groups.items()}
    adjusted = holm({kind: row.p for kind, row in found.items()})
    rows = [ClassChange(r.kind, r.calls, r.old, r.new, r.change, adjusted[r.kind]) for r in found.values()]
    return tuple(sorted(rows, key=lambda r: (r.p, -abs(r.change), r.kind)))


def _class(kind: str, rows: Sequence[tuple[_Both, Call]]) -> ClassChange:
    moves = [(new.score or 0.0) - (b.old.score or 0.0) for b, new in rows]
    data = cluster_sums(moves, [b.lineage for b, _ in rows])
    counts: Callable[[Sequence[Call]], dict[str, int]] = _grades
    return ClassChange(
        kind, len(rows), counts([b.old for b, _ in rows]), counts([new for _, new in rows]),
        sum(moves) / len(moves), float(p_value(data, 0.0)),
    )  # fmt: skip


def _grades(calls: Sequence[Call]) -> dict[str, int]:
    found = Counter(GRADES[grade] for call in calls for grade, _ in call.answers)
    return {name: found[name] for name in GRADES.values() if found[name]}

"""The calls of a run by what they were and how well they were answered, added up for the page on fidelity. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GRADES = ("equal", "order", "near", "different", "unanswered")


@dataclass(frozen=True, slots=True)
class Line:
    """The calls with one label: all, those with a record, and these by grade (`unanswered` among them)."""

    label: str
    calls: int
    recorded: int
    grades: Mapping[str, int]

    def share(self, grade: str) -> float | None:
        """The share of the calls with a record."""
        return self.grades.get(grade, 0) / self.recorded if self.recorded else None


@dataclass(frozen=True, slots=True)
class Table:
    """Lines by one thing, the largest first, and their sum."""

    by: str
    lines: tuple[Line, ...]
    whole: Line


def tables(rows: Sequence[Mapping[str, Any]]) -> tuple[Table, ...]:
    """By rung, class of call, scaffold and pool; rows have agent, pool, kind, rung, grade and n. Empty without rows."""
    if not rows:
        return ()
    names = {"rung": "rung", "kind": "class of call", "agent": "scaffold", "pool": "pool"}
    return tuple(Table(title, _lines(rows, by), _line("all", rows)) for by, title in names.items())


def _lines(rows: Iterable[Mapping[str, Any]], by: str) -> tuple[Line, ...]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(str(row[by]), []).append(row)
    made = (_line(label, found) for label, found in groups.items())
    return tuple(sorted(made, key=lambda line: (-line.calls, line.label)))


def _line(label: str, rows: Iterable[Mapping[str, Any]]) -> Line:
    grades: Counter[str] = Counter()
    calls = 0
    for row in rows:
        calls += row["n"]
        if row["grade"]:
            grades[row["grade"]] += row["n"]
    return Line(label, calls, sum(grades.values()), dict(grades))

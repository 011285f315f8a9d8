"""Graded turns as plain values: what rates, forecasts and comparisons are computed from.

A set of them is also a text, JSON lines, so that grades made elsewhere (by people, by another program) can be used: the
first line holds `about` (what graded them: taxonomy, graders, prompts, models), each other line one turn.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import ConfigError
from toolsim.trajectory import JsonObject

VERSION = 1
SEVERITIES = (1, 2, 3, 4)
"""The thresholds that rates are given for; severity 0 is a finding that harms nobody and counts at no threshold."""


@dataclass(frozen=True, slots=True)
class GradedTurn:
    """One turn after grading.

    `prefix` names what the turn was taken from: turns of two models with the same prefix, sample and cut are a pair.
    `lineage` is the independent unit. `severities` holds for each category that was found the highest severity seen
    (0-4); a category that is not in it was not found. Where `failed` says why there is no grade, `severities` says
    nothing. `faults` are the categories whose finding came about by a fault of the simulator. `cut` is the share of the
    recorded turn that the prefix keeps (0: the turn was taken from its start).
    """

    prefix: str
    lineage: str
    severities: Mapping[str, int] = field(default_factory=dict)
    failed: str | None = None
    faults: frozenset[str] = frozenset()
    calls: int = 0
    sample: int = 0
    cut: float = 0.0

    @property
    def key(self) -> str:
        """What a pair has in common."""
        return f"{self.prefix}#{self.sample}@{self.cut:g}"

    def shows(self, category: str, threshold: int) -> bool:
        """Whether the category was found with this severity or a higher one."""
        return self.severities.get(category, -1) >= threshold


@dataclass(frozen=True, slots=True)
class GradedSet:
    """Turns that one stack of taxonomy, graders and models produced; `about` says which.

    `categories` are those that were looked for: one that nothing showed has a rate of 0, not none. `excluded` counts by
    reason what never became a turn (rollouts that failed, sessions left out for a fault of ours).
    """

    about: JsonObject
    categories: tuple[str, ...]
    turns: tuple[GradedTurn, ...]
    excluded: Mapping[str, int] = field(default_factory=dict)

    @property
    def graded(self) -> tuple[GradedTurn, ...]:
        """The turns that have a grade."""
        return tuple(turn for turn in self.turns if turn.failed is None)

    @property
    def failures(self) -> dict[str, int]:
        """Failed grades by reason, the most frequent first."""
        return dict(Counter(turn.failed for turn in self.turns if turn.failed is not None).most_common())


T = TypeVar("T", bound=BaseModel)


class _Turn(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    prefix: str = Field(min_length=1)
    lineage: str = Field(min_length=1)
    severities: dict[str, int] = {}
    failed: str | None = None
    faults: list[str] = []
    calls: int = Field(0, ge=0)
    sample: int = Field(0, ge=0)
    cut: float = Field(0.0, ge=0, lt=1, strict=False)


class _About(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    version: int
    categories: list[str] = Field(min_length=1)
    about: JsonObject = {}
    excluded: dict[str, int] = {}


def dump_graded(graded: GradedSet) -> str:
    """The text of a set; `load_graded` is its inverse."""
    head = {"version": VERSION, "categories": list(graded.categories), "about": graded.about}
    lines: list[JsonObject] = [head | {"excluded": dict(graded.excluded)}]
    lines += [asdict(turn) | {"faults": sorted(turn.faults)} for turn in graded.turns]
    return "".join(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n" for line in lines)


def load_graded(text: str, name: str) -> GradedSet:
    """Read what `dump_graded` wrote; `name` is used in messages.

    Raises:
        ConfigError: a line does not fit, a category was not looked for, or a turn is there twice.
    """
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise ConfigError(f"{name} is empty: its first line holds version, categories and about")
    head = _read(_About, lines[0], name)
    if head.version != VERSION:
        raise ConfigError(f"{name} is of version {head.version}, this program reads {VERSION}")
    turns = tuple(_turn(_read(_Turn, line, name), head, f"{name}:{line[0]}") for line in lines[1:])
    twice = [key for key, count in Counter(turn.key for turn in turns).items() if count > 1]
    if twice:
        raise ConfigError(f"{name} holds {len(twice)} turns twice, the first is {twice[0]}")
    return GradedSet(head.about, tuple(head.categories), turns, head.excluded)


def pairs(
    baseline: Iterable[GradedTurn], candidate: Iterable[GradedTurn]
) -> tuple[tuple[tuple[GradedTurn, GradedTurn], ...], int]:
    """The turns of two models that have prefix, sample and cut in common, and how many of both stand alone.

    A turn whose partner has no grade stands alone: no side of a pair is guessed.
    """
    first = {turn.key: turn for turn in baseline if turn.failed is None}
    second = {turn.key: turn for turn in candidate if turn.failed is None}
    both = tuple((turn, second[key]) for key, turn in first.items() if key in second)
    return both, len(first) + len(second) - 2 * len(both)


def cells(sets: Sequence[GradedSet], thresholds: Sequence[int]) -> tuple[tuple[str, int], ...]:
    """The (category, threshold) cells that every one of the sets has looked for.

    Raises:
        ConfigError: the sets have no category in common.
    """
    shared = [c for c in sets[0].categories if all(c in other.categories for other in sets[1:])]
    if not shared:
        raise ConfigError("the graded sets have no category in common: they were graded by different taxonomies")
    return tuple((category, threshold) for category in shared for threshold in thresholds)


def _turn(row: _Turn, head: _About, place: str) -> GradedTurn:
    unknown = sorted((set(row.severities) | set(row.faults)) - set(head.categories))
    if unknown:
        raise ConfigError(f"{place}: {unknown[0]!r} is no category that the first line names")
    wrong = [severity for severity in row.severities.values() if not 0 <= severity <= SEVERITIES[-1]]
    if wrong:
        raise ConfigError(f"{place}: a severity is 0 to {SEVERITIES[-1]}, not {wrong[0]}")
    fields = row.model_dump() | {"faults": frozenset(row.faults)}
    return GradedTurn(**fields)


def _read(model: type[T], line: tuple[int, str], name: str) -> T:
    try:
        return model.model_validate_json(line[1])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the line"
        raise ConfigError(f"{name}:{line[0]}: {where}: {first['msg']}") from error

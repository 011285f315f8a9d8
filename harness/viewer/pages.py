"""What the pages of one session, one rollout and a search show, put together from the store a slice at a time."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness import exchanges
from harness.ledger import ModelStep, ToolStep, read_steps
from harness.packing import unpack
from harness.rows import LedgerStep
from harness.viewer import queries, search
from harness.viewer.found import Said, said_of
from harness.viewer.turn import Row, Verdict, by_texts, call_text, forced_rows, free_rows, verdicts_on, with_diffs
from toolsim.trajectory import JsonObject, Message, Session, effects, split, turns

STEPS = 120
"""Steps of a ledger on one page."""
ITEMS = 100
_SNIPPET = 160
MOST_OF_PROMPT = 60_000
"""Characters of a message of a prompt, or of an answer, on a page."""


@dataclass(frozen=True, slots=True)
class RolloutPage:
    """One page of a rollout: `first` … are the steps that it shows of `total`. `rows` are side by side."""

    row: JsonObject
    rows: tuple[Row, ...]
    first: int
    total: int
    forced: bool
    verdicts: tuple[Verdict, ...]
    before: str | None
    after: str | None
    rungs: dict[str, int]
    grades: dict[str, int]
    said: Said = field(default_factory=Said)
    asked: Mapping[str, int] = field(default_factory=dict)

    @property
    def next(self) -> int | None:
        """Where the next page begins."""
        return self.first + STEPS if self.first + STEPS < self.total else None


@dataclass(frozen=True, slots=True)
class Line:
    """One item of a session: who, what, and the turn that begins with it, if one does."""

    n: int
    who: str
    text: str
    left_out: int
    calls: tuple[str, ...]
    turn: int | None


@dataclass(frozen=True, slots=True)
class SessionPage:
    """One page of a session's items."""

    session: Session
    lines: tuple[Line, ...]
    first: int
    total: int

    @property
    def next(self) -> int | None:
        """Where the next page begins."""
        return self.first + ITEMS if self.first + ITEMS < self.total else None


@dataclass(frozen=True, slots=True)
class Found:
    """One hit of a search, with the address of the place and the text around the words."""

    hit: search.Hit
    address: str
    title: str
    snippet: str


def rollout(db: sqlite3.Connection, name: str, first: int) -> RolloutPage | None:
    """A rollout from step `first` on; `None`: there is none of this name."""
    row = queries.rollout_of(db, name)
    if row is None:
        return None
    steps = _steps(db, name, first, STEPS)
    judged = queries.judged(db, row["run"], name)
    forced = any(isinstance(s, ToolStep) and s.recorded is not None for _, s in steps)
    whole: tuple[Verdict, ...] = ()
    if forced:
        rows = list(forced_rows(steps, row["agent"], by_texts(judged)))
    else:
        whole = tuple(v for pair in judged for v in verdicts_on(pair))
        rows = list(free_rows(_reference(db, row) if first == 0 else (), steps, row["agent"]))
    before, after = queries.neighbours(db, row)
    calls = [r for r in rows if r.kind == "call" and r.rung is not None]
    return RolloutPage(
        row, tuple(with_diffs(rows)), first, queries.step_count(db, name), forced, whole, before, after,
        dict(Counter(r.rung for r in calls if r.rung is not None).most_common()),
        dict(Counter(r.grade for r in calls if r.grade is not None).most_common()),
        said_of(db, row, steps, forced=forced), exchanges.places(db, name),
    )  # fmt: skip


def whole_text(db: sqlite3.Connection, name: str, n: int, side: str) -> str | None:
    """The full text of one side of a step: `recorded` or `simulated`."""
    found = _steps(db, name, n, 1)
    if not found or found[0][0] != n:
        return None
    step = found[0][1]
    if isinstance(step, ModelStep):
        return step.message.text
    result = step.recorded if side == "recorded" else step.answer if side == "simulated" else None
    return None if result is None else result.content


def session(db: sqlite3.Connection, name: str, first: int) -> SessionPage | None:
    """A session from item `first` on; `None`: there is none of this name."""
    found = queries.trajectory(db, name)
    if found is None:
        return None
    starts = {turn.start: turn.index for turn in turns(found)}
    shown = enumerate(found.items[first : first + ITEMS], first)
    lines = tuple(_line(n, item, starts.get(n)) for n, item in shown)
    return SessionPage(found.session, lines, first, len(found.items))


def hits(db: sqlite3.Connection, words: str) -> tuple[Found, ...]:
    """The places that hold the words; a place that has gone since is left out."""
    found = (_found(db, hit, words) for hit in search.find(db, words))
    return tuple(one for one in found if one is not None)


def _found(db: sqlite3.Connection, hit: search.Hit, words: str) -> Found | None:
    if hit.kind == "session":
        page = session(db, hit.id, hit.place)
        if page is None or not page.lines:
            return None
        line = page.lines[0]
        first = hit.place - hit.place % ITEMS
        text = "\n".join([line.text, *line.calls])
        return Found(hit, f"/session/{hit.id}?from={first}#item-{hit.place}", hit.id, around(text, words))
    row = queries.rollout_of(db, hit.id)
    steps = _steps(db, hit.id, hit.place, 1)
    if row is None or not steps:
        return None
    step = steps[0][1]
    text = step.message.text if isinstance(step, ModelStep) else (step.answer or step.shown).content
    if isinstance(step, ModelStep):
        text = "\n".join([text, *(call_text(call) for call in step.message.calls)])
    first = hit.place - hit.place % STEPS
    title = f"{row['session']} turn {row['turn']}"
    return Found(hit, f"/rollout/{hit.id}?from={first}#step-{hit.place}", title, around(text, words))


def around(text: str, words: str) -> str:
    """The text near the first of the words."""
    low = text.lower()
    places = [at for word in words.replace('"', " ").lower().split() if (at := low.find(word)) >= 0]
    start = max(0, min(places, default=0) - _SNIPPET // 2)
    return ("… " if start else "") + " ".join(text[start : start + 2 * _SNIPPET].split())


def _line(n: int, item: Any, turn: int | None) -> Line:
    if not isinstance(item, Message):
        return Line(n, item.type, "", 0, (), turn)
    text = item.text if item.result is None else item.result.content
    who = "tool result" if item.result is not None else item.role if item.origin != "harness" else "agent product"
    return Line(n, who, text[:3000], max(0, len(text) - 3000), tuple(call_text(call) for call in item.calls), turn)


def _reference(db: sqlite3.Connection, row: JsonObject) -> tuple[Message, ...]:
    found = queries.trajectory(db, row["session"])
    if found is None:
        return ()
    _, reference = split(found, turns(found)[row["turn"]], row["step"])
    return effects(reference.items)


def _steps(db: sqlite3.Connection, name: str, first: int, count: int) -> list[tuple[int, ModelStep | ToolStep]]:
    rows = queries.step_rows(db, name, first, count)
    ledger = [LedgerStep(r["n"], r["kind"], json.loads(unpack(r["body"]))) for r in rows]
    return list(zip((r["n"] for r in rows), read_steps(ledger), strict=True))

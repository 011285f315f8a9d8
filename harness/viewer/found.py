"""What graders found in a rollout, each at the step of the ledger that it is about."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.behaviors.findings import Finding, read_verdict
from harness.ledger import ModelStep, ToolStep
from harness.viewer.turn import call_text


@dataclass(frozen=True, slots=True)
class Marked:
    """A finding and its place: step `n` of the ledger, `None` where it is of a turn that stands only in the record.
    `about` is whose turn it is, `shown` whether the page at hand has the step."""

    finding: Finding
    grader: str
    about: str
    n: int | None
    shown: bool


@dataclass(frozen=True, slots=True)
class Said:
    """What graders say of the turn: their findings, and those that gave no grade with the reason."""

    findings: tuple[Marked, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    graders: tuple[str, ...] = ()

    def at(self, n: int | None) -> tuple[Marked, ...]:
        """The findings of a step."""
        return tuple(m for m in self.findings if n is not None and m.n == n and m.shown)


def said_of(
    db: sqlite3.Connection, row: Mapping[str, Any], steps: Sequence[tuple[int, ModelStep | ToolStep]], *, forced: bool
) -> Said:
    """What the store has of a rollout's turn. With recorded actions (`forced`) the recorded turn is the same turn."""
    sources = {row["run"]: "rollout", f"recorded for {row['run']}": "record", "recorded": "record"}
    name = f"{row['session']}:{row['turn']}.{row['step']}"
    marks = ",".join("?" * len(sources))
    rows = db.execute(
        f"select source, sample, grader, body from turn_verdicts where turn=? and source in ({marks})"
        " order by made_at, grader",
        (name, *sources),
    ).fetchall()
    messages = [r[0] for r in db.execute(
        "select n from steps where rollout=? and kind='model' order by n", (row["id"],)
    )]  # fmt: skip
    found: dict[tuple[str, Finding], Marked] = {}
    failed: dict[tuple[str, str], None] = {}
    graders: dict[str, None] = {}
    for source, sample, grader, body in rows:
        if sample != row["sample"] and source != "recorded":
            continue
        verdict, about = read_verdict(json.loads(body)), sources[source]
        graders[grader] = None
        if verdict.failed is not None:
            failed[grader, verdict.failed] = None
            continue
        for finding in verdict.findings:
            here = about == "rollout" or forced
            n = messages[finding.step] if here and 0 <= finding.step < len(messages) else None
            place, shown = _place(n, finding.quote, steps)
            found.setdefault((about, finding), Marked(finding, grader, about, place, shown))
    return Said(tuple(found.values()), tuple(failed), tuple(graders))


def _place(n: int | None, quote: str, steps: Sequence[tuple[int, ModelStep | ToolStep]]) -> tuple[int | None, bool]:
    """The step with the quote among the message at `n` and the calls that follow it; whether the page has it."""
    if n is None:
        return None, False
    first: int | None = None
    for number, step in steps:
        if number < n:
            continue
        if isinstance(step, ModelStep):
            if number > n:
                break
            if not (step.message.text or step.message.reasoning or step.stop):
                continue  # the page shows no message where nothing is said
            text = f"{step.message.reasoning or ''}\n{step.message.text}"
        else:
            text = f"{call_text(step.call)}\n{step.shown.content}"
        first = number if first is None else first
        if quote and quote in text:
            return number, True
    return (n, False) if first is None else (first, True)

"""The page on which a person tells pairs apart: which pair comes next, what it shows, what the labels add up to.

Nothing on the page tells the sides apart but their texts: order drawn, ids of content, both cut alike.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from harness.discriminator.pairs import Pair, read_pair, shown
from harness.discriminator.serialise import Window
from harness.labels import Human, Label, sides_for, summary
from harness.packing import unpack

WINDOW = Window(history=3000, message=1200, result=5000)
"""What a person sees of a pair: more than a small judge does."""

_OPEN = (
    "select p.id, p.facts, p.body from pairs p where p.run=? and p.kind in ('call', 'turn')"
    " and not json_extract(p.facts, '$.identical')"
    " and not exists (select 1 from labels l where l.run=p.run and l.pair=p.id and l.rater=?)"
)
_JUDGED = " and exists (select 1 from judgements j where j.run=p.run and j.pair=p.id and j.status='valid')"


@dataclass(frozen=True, slots=True)
class Blind:
    """A pair as it is shown: `first` and `second` are the two results, one of them recorded."""

    pair: str
    kind: str
    history: str
    action: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The last answer of a rater, uncovered. `right` is `None` for a skipped pair."""

    choice: str
    recorded: str
    right: bool | None


def next_pair(db: sqlite3.Connection, run: str, rater: str) -> Blind | None:
    """The next pair of a run that a rater has not seen: those that a judge has answered first, by hash."""
    for only in (_JUDGED, ""):
        row = db.execute(f"{_OPEN}{only} order by p.id limit 1", (run, rater)).fetchone()
        if row is not None:
            pair = read_pair(json.loads(row["facts"]), json.loads(unpack(row["body"])))
            return blind(row["id"], pair, run, rater)
    return None


def blind(name: str, pair: Pair, run: str, rater: str) -> Blind:
    """The pair in the order that is drawn for this rater."""
    first, second = shown(pair, sides_for(run, rater, name), WINDOW)
    return Blind(name, pair.kind, pair.history, pair.action, first, second)


def is_pair(db: sqlite3.Connection, run: str, pair: str) -> bool:
    """Whether a run has this pair, and it is one that people label."""
    found = db.execute("select 1 from pairs where run=? and id=? and kind in ('call', 'turn')", (run, pair))
    return found.fetchone() is not None


def last_answer(db: sqlite3.Connection, run: str, rater: str) -> Answered | None:
    """What the rater said last, and what was true."""
    names = ", ".join(Label.__dataclass_fields__)
    row = db.execute(
        f"select {names} from labels where run=? and rater=? order by id desc limit 1", (run, rater)
    ).fetchone()
    if row is None:
        return None
    label = Label(**dict(row))
    taken = label.simulated_taken
    return Answered(label.choice, "first" if label.sides == "rs" else "second", None if taken is None else not taken)


def human(db: sqlite3.Connection, run: str) -> Human:
    """What the labels of a run add up to, beside the judge that was asked most."""
    names = ", ".join(Label.__dataclass_fields__)
    labels = [Label(**dict(r)) for r in db.execute(f"select {names} from labels where run=? order by id", (run,))]
    if not labels:
        return summary((), {}, {})
    pairs = {label.pair for label in labels}
    facts = {pair: _facts(db, run, pair) for pair in pairs}
    judge = db.execute(
        "select judge from judgements where run=? and status='valid' group by judge order by count(*) desc limit 1",
        (run,),
    ).fetchone()
    judged = {} if judge is None else {p: said for p in pairs if (said := _judged(db, run, p, judge[0])) is not None}
    return summary(labels, facts, judged)


def _facts(db: sqlite3.Connection, run: str, pair: str) -> str:
    row = db.execute("select json_extract(facts, '$.lineage') from pairs where run=? and id=?", (run, pair)).fetchone()
    return "" if row is None else str(row[0])


def _judged(db: sqlite3.Connection, run: str, pair: str, judge: str) -> bool | None:
    """Whether the judge took the simulated side in every order; `None` where its orders differ or one is missing."""
    rows = db.execute(
        "select json_extract(facts, '$.simulated_taken') from judgements"
        " where run=? and pair=? and judge=? and status='valid'",
        (run, pair, judge),
    ).fetchall()
    said = {bool(row[0]) for row in rows}
    return said.pop() if len(rows) >= 2 and len(said) == 1 else None

"""Further answers of judges in a store: a second asking, grades by rubric, and batches that are under way.

Tables of their own beside `judgements`, which holds the first answer to each question and nothing else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import sqlite_utils

from toolsim.trajectory import JsonObject

if TYPE_CHECKING:
    from harness.store import Store


def create_verdicts(db: sqlite_utils.Database) -> None:
    """The migration that makes the tables."""
    db.table("repeats").create(
        {"run": str, "pair": str, "judge": str, "sides": str, "status": str, "facts": str},
        pk=("run", "pair", "judge", "sides", "status"),
    )
    db.table("gradings").create(
        {"run": str, "pair": str, "judge": str, "dimension": str, "status": str, "facts": str},
        pk=("run", "pair", "judge", "dimension", "status"),
    )
    db.table("batches").create(
        {"id": str, "endpoint": str, "status": str, "run": str, "judge": str, "at": float, "facts": str},
        pk=("id", "endpoint", "status"),
    )


TABLES_OF_PAIRS = ("repeats", "gradings")
"""Tables whose rows go with the pair that they are about."""


def add_repeat(store: Store, run: str, pair: str, judge: str, sides: str, status: str, facts: JsonObject) -> None:
    """Keep a second answer of a judge on a pair."""
    row = {"run": run, "pair": pair, "judge": judge, "sides": sides, "status": status, "facts": json.dumps(facts)}
    store.add_rows("repeats", [row])


def repeats(store: Store, run: str) -> tuple[JsonObject, ...]:
    """All second answers of judges in a run."""
    query = "select pair, judge, sides, status, facts from repeats where run=? order by pair, judge, sides, status"
    return _parsed(store.rows(query, (run,)))


def add_grading(store: Store, run: str, pair: str, judge: str, dimension: str, status: str, facts: JsonObject) -> None:
    """Keep a grade of a pair's simulated side, or why there is none."""
    row = {"run": run, "pair": pair, "judge": judge, "dimension": dimension, "status": status}
    store.add_rows("gradings", [row | {"facts": json.dumps(facts)}])


def gradings(store: Store, run: str) -> tuple[JsonObject, ...]:
    """All grades by rubric in a run."""
    query = (
        "select pair, judge, dimension, status, facts from gradings where run=? order by pair, judge, dimension, status"
    )
    return _parsed(store.rows(query, (run,)))


def add_batch(  # noqa: PLR0913, PLR0917  a row by its columns
    store: Store, run: str, judge: str, endpoint: str, batch: str, status: str, facts: JsonObject, now: float
) -> None:
    """Keep that a batch reached a status; `started` is the first, any other is its end."""
    row = {"id": batch, "endpoint": endpoint, "status": status, "run": run, "judge": judge, "at": now}
    store.add_rows("batches", [row | {"facts": json.dumps(facts)}])


def open_batches(store: Store, run: str, judge: str, endpoint: str) -> tuple[JsonObject, ...]:
    """The batches of a run and judge that were started and have no end, oldest first: id, facts."""
    query = (
        "select id, facts from batches b where run=? and judge=? and endpoint=? and status='started' and not exists"
        " (select 1 from batches e where e.id=b.id and e.endpoint=b.endpoint and e.status<>'started') order by at, id"
    )
    return _parsed(store.rows(query, (run, judge, endpoint)))


def _parsed(rows: list[dict[str, Any]]) -> tuple[JsonObject, ...]:
    return tuple({**row, "facts": json.loads(row["facts"])} for row in rows)

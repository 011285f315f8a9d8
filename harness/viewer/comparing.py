"""Two runs side by side: what differs in figures, and which prefixes came out differently."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.behaviors.grading import stored
from harness.comparison import Comparison, compare_sets
from harness.errors import ConfigError
from harness.store import Store
from harness.viewer.queries import PAGE, STATUS, Slice, has_side, place_of

if TYPE_CHECKING:
    from harness.run_deltas import Deltas

MOST = 400
"""Rollouts of a run up to which its figures are made for the page; beyond, the command line is the place."""

WINDOW = 10_000
"""Prefixes that are looked through for one page, so that a page costs the same in a large run."""
_KEY = ("session", "turn", "step", "sample")


@dataclass(frozen=True, slots=True)
class Figures:
    """Paired differences; `unsaid` has the reason for each figure that there is none of."""

    deltas: Deltas | None
    rates: Comparison | None
    unsaid: Mapping[str, str]


def figures(store: Store, one: str, other: str, sizes: tuple[int, int]) -> Figures:
    """The figures of `deploysim compare`.

    Raises:
        StoreError: there is no such run.
    """
    if max(sizes) > MOST:
        why = f"runs of more than {MOST} rollouts are compared by `deploysim compare {one} {other}`"
        return Figures(None, None, {"figures": why})
    unsaid: dict[str, str] = {}
    rates = None
    try:
        sets = stored(store, one), stored(store, other)
        if sets[0] is None or sets[1] is None:
            unsaid["behaviours"] = "not both runs were graded (deploysim grade)"
        else:
            rates = compare_sets(sets[0], sets[1])
    except ConfigError as error:
        unsaid["behaviours"] = str(error)
    from harness.run_deltas import run_deltas  # brings scikit-learn: the viewer's start need not wait for it

    deltas = run_deltas(store, one, other)
    return Figures(deltas, rates, {**deltas.unsaid, **unsaid})


def settings(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The settings that differ: name, before, after."""
    a, b = one["manifest"].get("config") or {}, other["manifest"].get("config") or {}
    return [(n, _plain(a.get(n)), _plain(b.get(n))) for n in sorted({*a, *b}) if a.get(n) != b.get(n)]


def prefixes(db: sqlite3.Connection, one: str, other: str, after: str | None, *, changed: bool) -> Slice:
    """Prefixes that both runs took, with how each came out; `changed`: only those that came out differently.

    Raises:
        StoreError: `after` is no place in the list.
    """
    side = has_side(db)
    facts = ", ".join(
        f"s{x}.grades as grades_{x}, json_extract(s{x}.rungs, '$.unanswered') as unanswered_{x}" if side
        else f"null as grades_{x}, null as unanswered_{x}" for x in "ab"
    )  # fmt: skip
    join = " left join side.rollouts sa on sa.id=a.id left join side.rollouts sb on sb.id=b.id" if side else ""
    status_a, status_b = (STATUS.replace("e.", f"e{x}.") for x in "ab")
    on = " and ".join(f"b.{name}=a.{name}" for name in _KEY)
    key = ", ".join(_KEY)
    past, start = (f" and ({key}) > (?, ?, ?, ?)", place_of(after, len(_KEY))) if after is not None else ("", [])
    window = f"select * from rollouts where run=?{past} order by {key} limit {WINDOW}"
    where, values = ["b.run=?"], [one, *start, other]
    if changed:
        graded = " or coalesce(sa.grades, '')<>coalesce(sb.grades, '')" if side else ""
        where.append(f"({status_a}<>{status_b}{graded})")
    rows = db.execute(
        f"select a.id as id_a, b.id as id_b, {', '.join('a.' + n for n in _KEY)}, a.agent, {status_a} as status_a,"
        f" {status_b} as status_b, {facts} from ({window}) a join rollouts b on {on}"
        f" left join ends ea on ea.rollout=a.id left join ends eb on eb.rollout=b.id{join} where {' and '.join(where)}"
        f" order by {', '.join('a.' + n for n in _KEY)} limit {PAGE + 1}",
        values,
    ).fetchall()
    made = [{**dict(r), **{g: json.loads(r[g]) if r[g] else {} for g in ("grades_a", "grades_b")}} for r in rows]
    if len(made) > PAGE:
        return Slice(tuple(made[:PAGE]), json.dumps([made[PAGE - 1][name] for name in _KEY]))
    end = db.execute(f"select {key} from ({window}) limit 1 offset {WINDOW - 1}", [one, *start]).fetchone()
    return Slice(tuple(made), None if end is None else json.dumps(list(end)))


def _plain(value: object) -> str:
    if value is None:
        return "–"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)

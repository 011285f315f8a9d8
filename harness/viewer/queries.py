"""What the pages list, read from a store that is open for reading only: small slices by key, never a whole table.

Lists go on from the last row shown (keyset pagination), so a page costs the same however far down it lies.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import exchanges
from harness.errors import StoreError
from harness.packing import unpack
from toolsim.trajectory import JsonObject, Trajectory, load_trajectory

PAGE = 50
Count = Callable[[sqlite3.Connection, str], dict[str, int]]
"""The rollouts of a run by how they stand."""
FILTERS = ("session", "pool", "agent", "repo", "status", "rung", "grade", "verdict")
"""The filters on rollouts, as the address names them."""

_KEY = ("session", "turn", "step", "sample", "id")
STATUS = "coalesce(e.status || coalesce(' at ' || e.stage, ''), 'open')"


@dataclass(frozen=True, slots=True)
class Slice:
    """One page of a list. `next` is the key to go on from; `None` at the end."""

    rows: tuple[Mapping[str, Any], ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list is asked for: filters by name, and where to go on."""

    filters: Mapping[str, str] = field(default_factory=dict)
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """A store read by the pages: each question opens the file for reading and closes it again."""

    path: Path

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        """A connection that cannot write.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as db:
                db.row_factory = sqlite3.Row
                db.execute("pragma query_only=on")
                if (side := side_file(self.path)).exists():
                    db.execute("attach database ? as side", (f"{side.absolute().as_uri()}?mode=ro",))
                yield db
        except sqlite3.Error as error:
            raise StoreError(f"cannot read the store {self.path}: {error}") from error


def side_file(store: Path) -> Path:
    """Where the search index of a store stands: beside it, to be made again at any time."""
    return store.with_name(store.name + ".search")


def runs(db: sqlite3.Connection, count: Count | None = None) -> list[JsonObject]:
    """All runs, newest first; with `count` also rollouts by status (`completed`, `failed`, `open`) in `counts`."""
    found = db.execute("select id, kind, created_at, manifest from runs order by created_at desc, id").fetchall()
    made = []
    for row in found:
        counts: Counter[str] = Counter()
        for status, n in (count(db, row["id"]) if count is not None else {}).items():
            counts[status.partition(" at ")[0]] += n
        made.append({**dict(row), "manifest": json.loads(row["manifest"]), "counts": dict(counts)})
    return made


def run_of(db: sqlite3.Connection, run: str) -> JsonObject | None:
    """One run by its full id."""
    row = db.execute("select id, kind, created_at, manifest from runs where id=?", (run,)).fetchone()
    return None if row is None else {**dict(row), "manifest": json.loads(row["manifest"])}


def counts(db: sqlite3.Connection, run: str) -> dict[str, int]:
    """The rollouts of a run by how they stand: what a page of a running run asks for again and again."""
    rows = db.execute(
        f"select {STATUS}, count(*) from rollouts r left join ends e on e.rollout=r.id where r.run=? group by 1"
        " order by 2 desc",
        (run,),
    )
    return {row[0]: row[1] for row in rows}


def size(db: sqlite3.Connection, run: str) -> int:
    """How many rollouts a run has."""
    return int(db.execute("select count(*) from rollouts where run=?", (run,)).fetchone()[0])


def choices(db: sqlite3.Connection, run: str, statuses: Iterable[str]) -> dict[str, list[str]]:
    """What can be chosen in the filters of a run with rollouts of these `statuses`."""
    rows = db.execute("select distinct pool, agent, repo from rollouts where run=?", (run,)).fetchall()
    found = {name: sorted({row[name] for row in rows if row[name]}) for name in ("pool", "agent", "repo")}
    return found | {
        "status": list(statuses),
        "rung": ["recorded", "computed", "connector", "simulated", "unanswered"],
        "grade": ["equal", "order", "near", "different"],
        "verdict": ["told", "passed", "undecided"],
    }


def rollouts(db: sqlite3.Connection, run: str, asked: Asked, statuses: Iterable[str] | None = None) -> Slice:
    """The rollouts of a run that fit the filters, in order of session and cut.

    `statuses` are all that the run has: what none has needs no walk over the whole run.
    """
    if statuses is not None and asked.filters.get("status", "") not in ("", *statuses):
        return Slice((), None)
    where, values = ["r.run=?"], [run]
    for name, value in asked.filters.items():
        condition, more = _condition(name, value, run, indexed=has_side(db))
        where.append(condition)
        values += more
    if asked.after is not None:
        where.append(f"({', '.join('r.' + n for n in _KEY)}) > (?, ?, ?, ?, ?)")
        values += place_of(asked.after, len(_KEY))
    facts = ", s.calls, s.rungs, s.grades" if has_side(db) else ", null as calls, null as rungs, null as grades"
    join = " left join side.rollouts s on s.id=r.id" if has_side(db) else ""
    found = db.execute(
        f"select r.id, r.session, r.turn, r.step, r.sample, r.pool, r.repo, r.agent, {STATUS} as status{facts}"
        f" from rollouts r left join ends e on e.rollout=r.id{join} where {' and '.join(where)}"
        f" order by {', '.join('r.' + n for n in _KEY)} limit {PAGE + 1}",
        values,
    ).fetchall()
    return _slice([_read(row) for row in found], lambda row: json.dumps([row[name] for name in _KEY]))


def _condition(name: str, value: str, run: str, *, indexed: bool) -> tuple[str, list[Any]]:
    if name == "session":
        return "substr(r.session, 1, ?)=?", [len(value), value]
    if name in {"pool", "agent", "repo"}:
        return f"r.{name}=?", [value]
    if name == "status":
        return _of_status(value)
    if name == "verdict":
        return _verdict(value, run)
    if not indexed:
        return "0", []
    return "exists (select 1 from side.has h where h.rollout=r.id and h.what=?)", [f"{name}:{value}"]


def _of_status(value: str) -> tuple[str, list[Any]]:
    if value == "open":
        return "not exists (select 1 from ends o where o.rollout=r.id)", []
    status, _, stage = value.partition(" at ")
    of = "select rollout from ends where status=? and stage is ?"
    return f"r.id in ({of})", [status, stage or None]


def _verdict(value: str, run: str) -> tuple[str, list[Any]]:
    """A rollout has a pair on which the judges' valid answers are of one mind (`told`, `passed`), or are not."""
    fits = {"told": "=0", "passed": "=1", "undecided": " between 0.001 and 0.999"}.get(value)
    if fits is None:
        return "0", []
    of_one_mind = (
        "select run, pair from judgements where run=? and status='valid' group by pair"
        f" having avg(json_extract(facts, '$.simulated_taken')){fits}"
    )
    return f"r.id in (select p.rollout from ({of_one_mind}) j join pairs p on p.run=j.run and p.id=j.pair)", [run]


def sessions(db: sqlite3.Connection, asked: Asked) -> Slice:
    """Sessions, newest first; filters `agent`, `repo`, `pool`."""
    where, values = ["1"], []
    for name in ("agent", "repo", "pool"):
        if name in asked.filters:
            where.append(f"{name}=?")
            values.append(asked.filters[name])
    if asked.after is not None:
        where.append("(coalesce(started_at, 0), id) < (?, ?)")
        values += place_of(asked.after, 2)
    found = db.execute(
        "select id, agent, agent_version, repo, model, coalesce(started_at, 0) as started_at, turns, calls, pool"
        f" from sessions where {' and '.join(where)} order by coalesce(started_at, 0) desc, id desc limit {PAGE + 1}",
        values,
    ).fetchall()
    return _slice([dict(r) for r in found], lambda row: json.dumps([row["started_at"], row["id"]]))


def session_choices(db: sqlite3.Connection) -> dict[str, list[str]]:
    """What can be chosen in the filters of sessions."""
    return {
        name: [r[0] for r in db.execute(f"select distinct {name} from sessions where {name} is not null order by 1")]
        for name in ("agent", "repo", "pool")
    }


def rollouts_of(db: sqlite3.Connection, session: str) -> list[JsonObject]:
    """The rollouts of a session in any run, at most one page."""
    rows = db.execute(
        f"select r.id, r.run, r.turn, r.step, r.sample, {STATUS} as status from rollouts r"
        f" left join ends e on e.rollout=r.id where r.session=? order by r.run, r.turn, r.step, r.sample limit {PAGE}",
        (session,),
    )
    return [dict(row) for row in rows]


def rollout_of(db: sqlite3.Connection, rollout: str) -> JsonObject | None:
    """One rollout with its end."""
    row = db.execute(
        f"select r.*, {STATUS} as status, e.reason, e.facts as end_facts from rollouts r"
        " left join ends e on e.rollout=r.id where r.id=?",
        (rollout,),
    ).fetchone()
    if row is None:
        return None
    return {**dict(row), "facts": json.loads(row["facts"]), "end_facts": json.loads(row["end_facts"] or "{}")}


def rollout_of_pair(db: sqlite3.Connection, run: str, pair: str) -> str | None:
    """The rollout that a pair is of; `None` for planted fakes and pairs that are not there."""
    row = db.execute("select rollout from pairs where run=? and id=?", (run, pair)).fetchone()
    return None if row is None else row[0]


def neighbours(db: sqlite3.Connection, row: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The rollouts before and after one in its run."""
    key, values = ", ".join(_KEY), [row["run"], *(row[name] for name in _KEY)]
    found = []
    for sign, order in (("<", "desc"), (">", "asc")):
        by = ", ".join(f"{name} {order}" for name in _KEY)
        one = db.execute(
            f"select id from rollouts where run=? and ({key}) {sign} (?, ?, ?, ?, ?) order by {by} limit 1", values
        ).fetchone()
        found.append(None if one is None else str(one[0]))
    return found[0], found[1]


def trajectory(db: sqlite3.Connection, session: str) -> Trajectory | None:
    """A session in full."""
    row = db.execute("select body from sessions where id=?", (session,)).fetchone()
    return None if row is None else load_trajectory(unpack(row["body"]))


def step_rows(db: sqlite3.Connection, rollout: str, first: int, count: int) -> list[sqlite3.Row]:
    """Part of a ledger: steps `first` … by number."""
    return db.execute(
        "select n, kind, body from steps where rollout=? and n>=? order by n limit ?", (rollout, first, count)
    ).fetchall()


def step_count(db: sqlite3.Connection, rollout: str) -> int:
    """How many steps a rollout has so far."""
    return int(db.execute("select count(*) from steps where rollout=?", (rollout,)).fetchone()[0])


def judged(db: sqlite3.Connection, run: str, rollout: str) -> list[JsonObject]:
    """The pairs of a rollout that a judge was asked about: text of the pair, and every answer."""
    found = []
    for pair in db.execute("select id, kind, facts, body from pairs where run=? and rollout=?", (run, rollout)):
        answers = db.execute(
            "select judge, sides, status, facts from judgements where run=? and pair=? order by judge, sides, status",
            (run, pair["id"]),
        ).fetchall()
        if answers:
            said = [{**dict(a), "facts": json.loads(a["facts"])} for a in answers]
            asked = exchanges.places(db, exchanges.of_pair(run, pair["id"]))
            found.append({
                "id": pair["id"], "kind": pair["kind"], "body": json.loads(unpack(pair["body"])), "said": said,
                "asked": asked,
            })  # fmt: skip
    return found


def exclusions(db: sqlite3.Connection, run: str) -> list[tuple[str, int]]:
    """Why sessions were left out of a run, with how many."""
    rows = db.execute(
        "select reason, count(*) from exclusions where run=? group by reason order by 2 desc limit 30", (run,)
    )
    return [(row[0], row[1]) for row in rows]


def tally(db: sqlite3.Connection, run: str) -> list[JsonObject]:
    """The calls of a run's ended rollouts by agent, pool, kind, rung and grade, as far as the index goes."""
    there = has_side(db) and db.execute("select 1 from side.sqlite_master where name='tally'").fetchone()
    if not there:
        return []
    rows = db.execute("select agent, pool, kind, rung, grade, n from side.tally where run=?", (run,))
    return [dict(row) for row in rows]


def has_side(db: sqlite3.Connection) -> bool:
    """Whether a search index stands beside the store."""
    return any(row["name"] == "side" for row in db.execute("pragma database_list"))


def _slice(rows: Sequence[Mapping[str, Any]], key: Any) -> Slice:
    return Slice(tuple(rows[:PAGE]), key(rows[PAGE - 1]) if len(rows) > PAGE else None)


def place_of(text: str, count: int) -> list[Any]:
    """The key in an address as its values.

    Raises:
        StoreError: it is none.
    """
    try:
        key = json.loads(text)
    except ValueError as error:
        raise StoreError(f"{text!r} is no place in a list") from error
    if not isinstance(key, list) or len(key) != count or not all(isinstance(v, str | int | float) for v in key):
        raise StoreError(f"{text!r} is no place in a list")
    return key


def _read(row: sqlite3.Row) -> JsonObject:
    made = dict(row)
    for name in ("rungs", "grades"):
        made[name] = json.loads(made[name]) if made[name] else {}
    return made

"""The search index of a store, a file of its own beside it: made as needed, brought up to date piece by piece.

It holds words of sessions and ended rollouts (FTS5, without the texts themselves), for each ended rollout which rungs
and grades it has, and of each run how many calls of which kind, rung and grade. Everything in it can be made again from
the store; `coverage` says how far it goes.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path

from harness.callclass import call_class
from harness.errors import StoreError
from harness.fidelity import grade_results
from harness.ledger import ModelStep, ToolStep, read_steps
from harness.packing import unpack
from harness.rows import LedgerStep
from harness.viewer.queries import side_file
from toolsim.trajectory import Message, canonical_json, load_trajectory

MOST = 2000
"""Characters of each message, call and result that can be found."""
BATCH = 40
_VERSION = 2
_WAIT = 5.0
_HITS = 50
_TABLES = """
create table if not exists sessions (id text primary key) without rowid;
create table if not exists rollouts (id text primary key, calls int, rungs text, grades text) without rowid;
create table if not exists has (rollout text, what text, primary key (rollout, what)) without rowid;
create table if not exists tally (run text, agent text, pool text, kind text, rung text, grade text, n int,
    primary key (run, agent, pool, kind, rung, grade)) without rowid;
create table if not exists places (rowid integer primary key, kind text, id text, place int);
create virtual table if not exists words using fts5(text, content='', tokenize="unicode61 tokenchars '_'");
"""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the store can be found: sessions and ended rollouts, of how many."""

    sessions: int
    all_sessions: int
    rollouts: int
    all_rollouts: int

    @property
    def complete(self) -> bool:
        """Whether all that has ended is in."""
        return self.sessions == self.all_sessions and self.rollouts == self.all_rollouts


@dataclass(frozen=True, slots=True)
class Hit:
    """A place that holds the words: `kind` is `session` (`place`: item number) or `rollout` (`place`: step)."""

    kind: str
    id: str
    place: int


@dataclass(slots=True)
class Indexer:
    """Brings the index of a store up to date, in a process of its own, so that pages never wait for it."""

    store: Path
    _process: SpawnProcess | None = None

    def start(self) -> None:
        """Begin."""
        self._process = get_context("spawn").Process(target=_keep, args=(self.store, os.getpid()), daemon=True)
        self._process.start()

    def stop(self) -> None:
        """End at once: a batch that is cut off is made again the next time."""
        if self._process is not None:
            self._process.terminate()
            self._process.join(30)

    @property
    def failure(self) -> str | None:
        """What ended the making of the index; `None` while it goes on."""
        ended = self._process is not None and self._process.exitcode is not None
        return "it ended; what it said stands where the viewer was started" if ended else None


def _keep(store: Path, parent: int) -> None:
    os.nice(10)
    while os.getppid() == parent:
        if not step(store):
            time.sleep(_WAIT)


def step(store: Path, batch: int = BATCH) -> bool:
    """Take in the next sessions and ended rollouts; whether there were any. What was purged is taken out whole."""
    with closing(_open(store)) as db:
        if _stale(db):
            db.close()
            _remove(store)
            return True
        done = _sessions(db, batch)
        done += _rollouts(db, batch)
        return done > 0


def coverage(db: sqlite3.Connection) -> Coverage:
    """What the index covers; `db` has it attached as `side`."""
    parts = ("side.sessions", "main.sessions", "side.rollouts", "main.ends")
    return Coverage(*(int(db.execute(f"select count(*) from {part}").fetchone()[0]) for part in parts))


def find(db: sqlite3.Connection, words: str) -> list[Hit]:
    """The places that hold all the words, newest taken in first; quotes make a phrase of words.

    Raises:
        StoreError: nothing in the text can be looked for.
    """
    query = " ".join(_quoted(words))
    if not query:
        raise StoreError("there is no word to look for")
    rows = db.execute(
        "select p.kind, p.id, p.place from side.words w join side.places p on p.rowid=w.rowid where words match ?"
        f" order by w.rowid desc limit {_HITS}",
        (query,),
    )
    return [Hit(*row) for row in rows]


def _quoted(words: str) -> Iterator[str]:
    """Each word or quoted phrase as an FTS5 string, so that nothing in it is an operator."""
    for n, part in enumerate(words.split('"')):
        pieces = [part] if n % 2 else part.split()
        yield from (f'"{piece}"' for piece in pieces if any(c.isalnum() or c == "_" for c in piece))


def _open(store: Path) -> sqlite3.Connection:
    place = side_file(store)
    if place.exists() and _version(place) not in (0, _VERSION):
        _remove(store)
    if not place.exists():
        place.touch(0o600)
    db = sqlite3.connect(place, timeout=30, uri=True, isolation_level=None)
    db.execute("pragma journal_mode=wal")
    db.execute("pragma synchronous=off")
    if db.execute("pragma user_version").fetchone()[0] != _VERSION:
        db.executescript(_TABLES)
        db.execute(f"pragma user_version={_VERSION}")
    db.execute("attach database ? as store", (f"{store.absolute().as_uri()}?mode=ro",))
    return db


def _version(place: Path) -> int:
    with closing(sqlite3.connect(place, timeout=30)) as db:
        return int(db.execute("pragma user_version").fetchone()[0])


def _remove(store: Path) -> None:
    for end in ("", "-wal", "-shm"):
        side_file(store).with_name(side_file(store).name + end).unlink(missing_ok=True)


def _stale(db: sqlite3.Connection) -> bool:
    """Whether the index holds something that the store has no more."""
    return bool(
        db.execute(
            "select exists(select 1 from main.sessions where id not in (select id from store.sessions))"
        ).fetchone()[0]
    )


def _sessions(db: sqlite3.Connection, batch: int) -> int:
    rows = db.execute(
        "select id, body from store.sessions s"
        " where not exists (select 1 from main.sessions d where d.id=s.id) limit ?",
        (batch,),
    ).fetchall()
    for name, body in rows:
        items = load_trajectory(unpack(body)).items
        texts = ((n, _of_message(m)) for n, m in enumerate(items) if isinstance(m, Message))
        with db:
            db.execute("begin")
            _add(db, "session", name, texts)
            db.execute("insert into main.sessions values (?)", (name,))
    return len(rows)


def _rollouts(db: sqlite3.Connection, batch: int) -> int:
    rows = db.execute(
        "select e.rollout, r.agent, r.run, r.pool from store.ends e join store.rollouts r on r.id=e.rollout"
        " where not exists (select 1 from main.rollouts d where d.id=e.rollout) limit ?",
        (batch,),
    ).fetchall()
    if rows:
        db.execute("begin")
        for row in rows:
            _take(db, *row)
        db.execute("commit")
    return len(rows)


def _take(db: sqlite3.Connection, name: str, agent: str, run: str, pool: str) -> None:
    rungs: Counter[str] = Counter()
    grades: Counter[str] = Counter()
    texts: list[tuple[int, str]] = []
    tally: Counter[tuple[str, str, str]] = Counter()
    for n, kind, body in db.execute("select n, kind, body from store.steps where rollout=? order by n", (name,)):
        one = read_steps([LedgerStep(n, kind, json.loads(unpack(body)))])[0]
        texts.append((n, _of_step(one)))
        if isinstance(one, ToolStep) and one.asked:
            rungs[one.rung or "unanswered"] += 1
            grade = ""
            if one.recorded is not None and one.answer is None:
                grade = "unanswered"
            elif one.recorded is not None and one.answer is not None:
                grade = grade_results(one.recorded, one.answer, one.call, agent).name
                grades[grade] += 1
            tally[call_class(one.call, agent), one.rung or "unanswered", grade] += 1
    _add(db, "rollout", name, texts)
    facts = (name, sum(rungs.values()), json.dumps(rungs), json.dumps(grades))
    db.execute("insert into main.rollouts values (?, ?, ?, ?)", facts)
    has = [(name, f"rung:{rung}") for rung in rungs] + [(name, f"grade:{grade}") for grade in grades]
    db.executemany("insert into main.has values (?, ?)", has)
    db.executemany(
        "insert into main.tally values (?, ?, ?, ?, ?, ?, ?) on conflict do update set n = n + excluded.n",
        [(run, agent, pool, *key, n) for key, n in tally.items()],
    )


def _add(db: sqlite3.Connection, kind: str, name: str, texts: Iterable[tuple[int, str]]) -> None:
    for place, text in texts:
        row = db.execute("insert into places (kind, id, place) values (?, ?, ?)", (kind, name, place)).lastrowid
        db.execute("insert into words (rowid, text) values (?, ?)", (row, text.encode("utf-8", "replace").decode()))


def _of_step(one: ModelStep | ToolStep) -> str:
    if isinstance(one, ModelStep):
        return _of_message(one.message)
    return (one.answer or one.shown).content[:MOST]


def _of_message(message: Message) -> str:
    calls = (f"{call.name} {call.raw or canonical_json(call.arguments)}"[:MOST] for call in message.calls)
    result = [] if message.result is None else [message.result.content[:MOST]]
    return "\n".join([message.text[:MOST], *calls, *result])

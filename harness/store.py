"""One experiment's file: sessions, repositories, runs, and the append-only step ledger of each rollout.

One writer per process; transactions are short. Bodies are zstd-compressed JSON. The store decides nothing: what
to import, select or judge stands elsewhere.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TypeAlias

import sqlite_utils

from harness import exchanges
from harness.errors import StoreError
from harness.labels import Label
from harness.packing import pack as _pack
from harness.packing import unpack as _unpack
from harness.pools import pool_of
from harness.rows import End, LedgerStep, RolloutRow, SessionRow
from harness.schema import VERSIONS, migrations
from harness.verdicts import TABLES_OF_PAIRS
from repos.catalog import KnownRepository
from toolsim.family import family
from toolsim.trajectory import JsonObject, Session, Trajectory, call_pairs, dump_trajectory, load_trajectory, turns

_OF_ABLATIONS = ("ablation", "leakage")

Kept: TypeAlias = Literal["added", "known", "purged"]
"""What became of a session that was given to a store."""


class Store:
    """A store file. Use as a context manager, or call `close`.

    Raises:
        StoreError: the file is no store, is locked, read-only or full; said by every method that touches it.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._create = create
        self._database: sqlite_utils.Database | None = None
        self._lock = threading.RLock()

    @property
    def db(self) -> sqlite_utils.Database:
        """The open database, brought to the current schema when first used."""
        with self._lock:
            if self._database is None:
                self._database = self._open()
            return self._database

    @property
    def search_file(self) -> Path:
        """The words of this store, for the viewer's search: made again whenever it is missing."""
        return self.path.with_name(self.path.name + ".search")

    def _open(self) -> sqlite_utils.Database:
        if not self._create and not self.path.exists():
            raise StoreError(f"there is no store at {self.path}; `deploysim import` makes one")
        with self._named():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.path.exists():
                self.path.touch(0o600)
            connection = sqlite3.connect(self.path, timeout=30, check_same_thread=False, isolation_level=None)
            try:
                self._recognise(connection)
                connection.execute("pragma journal_mode=wal")
                connection.execute("pragma synchronous=normal")
                database = sqlite_utils.Database(connection)
                if migrations.pending(database):
                    with _writing(connection):
                        migrations.apply(database)
            except BaseException:
                connection.close()
                raise
        return database

    def _recognise(self, connection: sqlite3.Connection) -> None:
        database = sqlite_utils.Database(connection)
        tables = [name for name in database.table_names() if not name.startswith("_")]
        done = {migration.name for migration in migrations.applied(database)}
        if tables and not done:
            raise StoreError(f"{self.path} is no store: it holds the tables {', '.join(sorted(tables)[:5])}")
        if not done <= VERSIONS:
            raise StoreError(f"the store {self.path} was written by a newer version of deploysim")

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"cannot use the store {self.path}: {error.strerror or error}") from error
        except sqlite3.Error as error:
            raise StoreError(f"cannot use the store {self.path}: {error}") from error

    def _insert(self, table: str, rows: Iterable[dict[str, Any]], *, ignore: bool = False) -> int:
        with self._lock, self._named():
            before = self.db.conn.total_changes
            with self.db.atomic():
                self.db.table(table).insert_all(map(_storable, rows), ignore=ignore)
            return int(self.db.conn.total_changes - before)

    def _rows(self, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        with self._lock, self._named():
            return list(self.db.query(sql, parameters))

    def add_rows(self, table: str, rows: Iterable[dict[str, Any]], *, ignore: bool = True) -> int:
        """Add rows to a table that a module of its own describes (`harness.verdicts`). Returns how many are new."""
        return self._insert(table, rows, ignore=ignore)

    def rows(self, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        """The rows of a query."""
        return self._rows(sql, parameters)

    # --- sessions -----------------------------------------------------------------------------------------------

    def add_session(self, trajectory: Trajectory, *, source: str, sha256: str) -> Kept:
        """Keep a session, unless it is there already or was purged; says which.

        A session that is imported again from a longer file (the agent went on) is kept as a new state under the
        id `ID+N`, with the lineage of the first. A purged session stays away however long it has grown.
        """
        with self._lock, self._named(), _writing(self.db.conn):
            session = trajectory.session.id
            if self._rows("select 1 from purged where sha256=? or session=?", (sha256, session)):
                return "purged"
            if self._rows("select 1 from sessions where sha256=?", (sha256,)):
                return "known"
            self._add_session(trajectory, source, sha256)
            return "added"

    def _add_session(self, trajectory: Trajectory, source: str, sha256: str) -> None:
        session = trajectory.session
        repo = session.repository.url
        pool = self._freeze_pool(session.lineage, repo or "")
        pairs = list(call_pairs(trajectory.items))
        row = {
            "id": self._free_id(session.id), "agent": session.agent, "agent_version": session.agent_version,
            "format": session.format, "lineage": session.lineage, "repo": repo, "user": session.user,
            "model": session.model, "started_at": session.started_at, "turns": len(turns(trajectory)),
            "calls": len(pairs), "results": sum(p.result is not None for p in pairs),
            "autonomous": int(session.autonomous), "pool": pool, "sha256": sha256, "source": source,
            "metadata": json.dumps(session.metadata), "body": _pack(dump_trajectory(trajectory)),
        }  # fmt: skip
        self._insert("sessions", [row])

    def _free_id(self, wanted: str) -> str:
        taken = {
            row["id"] for row in self._rows("select id from sessions where id=? or id like ?||'+%'", (wanted,) * 2)
        }
        if wanted not in taken:
            return wanted
        return next(name for n in range(2, len(taken) + 3) if (name := f"{wanted}+{n}") not in taken)

    def _freeze_pool(self, lineage: str, repo: str) -> str:
        known = self._rows("select pool from pools where lineage=?", (lineage,))
        if known:
            return str(known[0]["pool"])
        pool = pool_of(lineage, repo)
        self._insert("pools", [{"lineage": lineage, "repo": repo, "pool": pool}])
        return pool

    def sessions(self) -> tuple[SessionRow, ...]:
        """All sessions in order of start, then id."""
        rows = self._rows(
            "select id, agent, format, lineage, repo, user, model, started_at, turns, calls, results, autonomous,"
            " pool, source, metadata from sessions order by started_at, id"
        )
        for row in rows:
            row["autonomous"] = bool(row["autonomous"])
            row["metadata"] = json.loads(row["metadata"])
        return tuple(SessionRow(**row) for row in rows)

    def trajectory(self, session: str) -> Trajectory:
        """One session in full. The id may be abbreviated to a unique beginning.

        Raises:
            StoreError: no or several sessions have this id.
        """
        return load_trajectory(
            _unpack(self._rows("select body from sessions where id=?", (self.full_id(session),))[0]["body"])
        )

    def relatives(self, session: Session) -> tuple[Trajectory, ...]:
        """The other sessions of a session's family: sub-agents, and those that started it."""
        rows = self._rows("select body from sessions where lineage=?", (session.lineage,))
        return family(session, (load_trajectory(_unpack(row["body"])) for row in rows))

    def full_id(self, session: str) -> str:
        """The whole id of a session named by a unique beginning of it.

        Raises:
            StoreError: no or several sessions match.
        """
        exact = self._rows("select id from sessions where id=?", (session,))
        found = exact or self._rows("select id from sessions where substr(id, 1, ?)=?", (len(session), session))
        if len(found) != 1:
            some = "no session" if not found else f"{len(found)} sessions"
            raise StoreError(f"{some} in {self.path} begin with {session!r}; `deploysim sessions` lists them")
        return str(found[0]["id"])

    def purge(self, session: str) -> dict[str, int]:
        """Remove a session in all its states (`ID`, `ID+2` …), its rollouts, pairs and judgements for good.

        Importing it again adds nothing. Returns the number of rows removed by table.

        Raises:
            StoreError: no or several sessions have this id; or the rows are gone, but another process keeps the file
                open, so that what they held stays in the log until that ends.
        """
        recorded = self.recorded_id(session)
        states = [row["id"] for row in self._rows("select id from sessions") if _is_state(row["id"], recorded)]
        removed: Counter[str] = Counter()
        with self._lock, self._named():
            self.db.execute("pragma secure_delete=on")
            with _writing(self.db.conn):
                for state in states:
                    self._purge(state, recorded, removed)
            self.search_file.unlink(missing_ok=True)
            self.db.execute("vacuum")
            busy = self.db.execute("pragma wal_checkpoint(truncate)").fetchone()[0]
        if busy:
            raise StoreError(
                f"{recorded} is removed, but another process uses {self.path}: what it held stays in the log beside "
                "the store until that process ends"
            )
        return dict(removed)

    def _purge(self, state: str, recorded: str, removed: Counter[str]) -> None:
        of_session = "(select id from rollouts where session=:id)"
        # planted fakes belong to no rollout, but hold the text of a session
        pairs = "json_extract(facts, '$.session')=:id"
        values = {"id": state, "recorded": recorded}
        owners = (
            "select id as owner from rollouts where session=:id union all"
            f" select run || '/' || id from pairs where {pairs}"
        )
        removed["exchanges"] += exchanges.purge(self.db, [row["owner"] for row in self._rows(owners, values)])
        self.db.execute("insert or ignore into purged select sha256, :recorded from sessions where id=:id", values)
        of_pairs = ("judgements", "labels", *TABLES_OF_PAIRS)
        for table, where in (
            *((name, f"pair in (select id from pairs where {pairs})") for name in of_pairs),
            ("pairs", pairs),
            ("steps", f"rollout in {of_session}"), ("ends", f"rollout in {of_session}"),
            ("turn_verdicts", "substr(turn, 1, length(:id) + 1) = :id || ':'"),
            ("turn_labels", "substr(turn, 1, length(:id) + 1) = :id || ':'"),
            ("rollouts", "session=:id"), ("exclusions", "session=:id"), ("sessions", "id=:id"),
        ):  # fmt: skip
            removed[table] += self.db.execute(f"delete from {table} where {where}", values).rowcount

    def recorded_id(self, session: str) -> str:
        """The id that a session has in its recording: that of all its states.

        Raises:
            StoreError: no or several sessions match.
        """
        return self.trajectory(session).session.id

    def add_skips(self, skips: Iterable[tuple[str, str, str]]) -> None:
        """Keep what an import left out: (path, line or member, reason)."""
        self._insert("skips", [{"path": p, "place": w, "reason": r} for p, w, r in skips], ignore=True)

    # --- repositories -------------------------------------------------------------------------------------------

    def add_repository(self, known: KnownRepository) -> bool:
        """Keep a repository; False if its directory is there already."""
        row = {"name": known.name, "git_dir": str(known.git_dir), "url": known.url, "directory": known.directory}
        return self._insert("repositories", [row], ignore=True) > 0

    def repositories(self) -> tuple[KnownRepository, ...]:
        """All known repositories by name."""
        rows = self._rows("select name, git_dir, url, directory from repositories order by name, git_dir")
        return tuple(KnownRepository(Path(r["git_dir"]), r["url"], r["name"], r["directory"]) for r in rows)

    # --- runs and rollouts --------------------------------------------------------------------------------------

    def begin_run(self, run: str, kind: str, manifest: JsonObject, *, now: float) -> bool:
        """Register a run; False if it is there already (then it is being resumed)."""
        text = json.dumps(manifest, sort_keys=True)
        row = {"id": run, "kind": kind, "created_at": now, "manifest": text, "version": 1}
        return self._insert("runs", [row], ignore=True) > 0

    def runs(self) -> tuple[JsonObject, ...]:
        """All runs, oldest first: id, kind, created_at, manifest (parsed)."""
        rows = self._rows("select id, kind, created_at, manifest from runs order by created_at, id")
        return tuple({**row, "manifest": json.loads(row["manifest"])} for row in rows)

    def run(self, run: str | None = None) -> JsonObject:
        """A run by (abbreviated) id, or the newest that is no part of an ablation.

        Raises:
            StoreError: there is none.
        """
        found = [
            r for r in self.runs() if (r["id"].startswith(run) if run else not r["kind"].startswith(_OF_ABLATIONS))
        ]
        if not found:
            what = "no run" if run is None else f"no run that begins with {run!r}"
            raise StoreError(f"there is {what} in {self.path}; `deploysim resample` makes one")
        if run is not None and len(found) > 1:
            names = ", ".join(r["id"] for r in found)
            raise StoreError(f"{len(found)} runs in {self.path} begin with {run!r}: {names}")
        return found[-1]

    def add_rollouts(self, rollouts: Iterable[RolloutRow]) -> int:
        """Register rollouts; those known already stay as they are. Returns how many are new."""
        names = RolloutRow.__dataclass_fields__
        rows = [{n: getattr(r, n) for n in names} | {"facts": json.dumps(r.facts)} for r in rollouts]
        return self._insert("rollouts", rows, ignore=True)

    def rollouts(self, run: str) -> tuple[tuple[RolloutRow, End | None], ...]:
        """The rollouts of a run with their ends (`None`: not ended)."""
        rows = self._rows(
            "select r.*, e.status, e.stage, e.reason, e.facts as end_facts from rollouts r"
            " left join ends e on e.rollout=r.id where r.run=? order by r.session, r.turn, r.step, r.sample",
            (run,),
        )
        return tuple(_rollout(row) for row in rows)

    def append_steps(self, rollout: str, steps: Iterable[LedgerStep]) -> None:
        """Add to a rollout's ledger.

        Raises:
            StoreError: a step of this number is there already: two writers.
        """
        self._insert(
            "steps",
            [{"rollout": rollout, "n": s.n, "kind": s.kind, "body": _pack(json.dumps(s.body).encode())} for s in steps],
        )

    def steps(self, rollout: str) -> tuple[LedgerStep, ...]:
        """A rollout's ledger in order."""
        rows = self._rows("select n, kind, body from steps where rollout=? order by n", (rollout,))
        return tuple(LedgerStep(r["n"], r["kind"], json.loads(_unpack(r["body"]))) for r in rows)

    def end_rollout(self, rollout: str, end: End) -> None:
        """Close a rollout; the first end stays."""
        row = {"rollout": rollout, "status": end.status, "stage": end.stage, "reason": end.reason}
        self._insert("ends", [row | {"facts": json.dumps(end.facts)}], ignore=True)

    def add_exclusions(self, run: str, exclusions: Iterable[tuple[str, str]]) -> None:
        """Keep why sessions were left out of a run: (session, reason)."""
        self._insert("exclusions", [{"run": run, "session": s, "reason": r} for s, r in exclusions], ignore=True)

    def exclusions(self, run: str) -> tuple[tuple[str, str], ...]:
        """(session, reason) of all that was left out of a run."""
        rows = self._rows("select session, reason from exclusions where run=? order by session", (run,))
        return tuple((r["session"], r["reason"]) for r in rows)

    # --- pairs and judgements -----------------------------------------------------------------------------------

    def add_pairs(self, run: str, pairs: Iterable[tuple[str, str | None, str, JsonObject, JsonObject]]) -> int:
        """Keep pairs: (id, rollout, kind, facts for grouping, body). Known ids stay. Returns how many are new."""
        rows = [
            {
                "id": i,
                "run": run,
                "rollout": r,
                "kind": k,
                "facts": json.dumps(f),
                "body": _pack(json.dumps(b).encode()),
            }
            for i, r, k, f, b in pairs
        ]
        return self._insert("pairs", rows, ignore=True)

    def pairs(self, run: str) -> tuple[tuple[str, str | None, str, JsonObject, JsonObject], ...]:
        """All pairs of a run as `add_pairs` takes them."""
        rows = self._rows("select id, rollout, kind, facts, body from pairs where run=? order by id", (run,))
        return tuple(
            (r["id"], r["rollout"], r["kind"], json.loads(r["facts"]), json.loads(_unpack(r["body"]))) for r in rows
        )

    def add_judgement(self, run: str, pair: str, judge: str, sides: str, status: str, facts: JsonObject) -> None:
        """Keep one answer of a judge on a pair shown as `sides` (`rs`: recorded first, `sr`: simulated first)."""
        row = {"run": run, "pair": pair, "judge": judge, "sides": sides, "status": status, "facts": json.dumps(facts)}
        self._insert("judgements", [row], ignore=True)

    def judgements(self, run: str) -> tuple[JsonObject, ...]:
        """All answers of judges in a run."""
        rows = self._rows(
            "select pair, judge, sides, status, facts from judgements where run=? order by pair, judge, sides", (run,)
        )
        return tuple({**r, "facts": json.loads(r["facts"])} for r in rows)

    # --- forecasts ----------------------------------------------------------------------------------------------

    def add_forecast(self, row: dict[str, Any]) -> bool:
        """Keep a frozen forecast (`harness.forecast.ledger`); False if it is there already."""
        return self._insert("forecasts", [row], ignore=True) > 0

    def forecasts(self) -> tuple[JsonObject, ...]:
        """All frozen forecasts, oldest first."""
        return tuple(self._rows("select id, sha256, name, created_at, body from forecasts order by created_at, id"))

    # --- verdicts -----------------------------------------------------------------------------------------------

    def add_verdicts(self, rows: Iterable[dict[str, Any]]) -> int:
        """Keep verdicts on turns (`harness.behaviors.grading`); returns how many were new."""
        return self._insert("turn_verdicts", rows, ignore=True)

    def verdicts(self, source: str, grader: str, taxonomy: str) -> tuple[JsonObject, ...]:
        """The verdicts of one grader by one taxonomy on the turns of a run, or on recorded ones."""
        where = "source = ? and grader = ? and taxonomy = ? order by made_at, status"
        return tuple(
            self._rows(
                f"select turn, sample, status, body from turn_verdicts where {where}", (source, grader, taxonomy)
            )
        )

    # --- labels of people ---------------------------------------------------------------------------------------

    def add_label(self, label: Label) -> None:
        """Keep what a person said of a pair."""
        self._insert("labels", [asdict(label)])

    def labels(self, run: str) -> tuple[Label, ...]:
        """All labels of a run in the order in which they were given."""
        names = ", ".join(Label.__dataclass_fields__)
        return tuple(Label(**r) for r in self._rows(f"select {names} from labels where run=? order by id", (run,)))

    def graded_by(self, source: str) -> tuple[tuple[str, str], ...]:
        """The graders and taxonomies that a run, or the recording, was graded with, the latest first."""
        latest = "group by grader, taxonomy order by max(made_at) desc"
        rows = self._rows(f"select grader, taxonomy from turn_verdicts where source = ? {latest}", (source,))
        return tuple((row["grader"], row["taxonomy"]) for row in rows)


def _rollout(row: dict[str, Any]) -> tuple[RolloutRow, End | None]:
    status, stage, reason, end_facts = (row.pop(k) for k in ("status", "stage", "reason", "end_facts"))
    row["facts"] = json.loads(row["facts"])
    end = None if status is None else End(status, stage, reason, json.loads(end_facts))
    return RolloutRow(**row), end


@contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction that holds the write lock from its beginning, so that what was looked up stays true."""
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _storable(row: dict[str, Any]) -> dict[str, Any]:
    """The row with text that SQLite takes: halves of surrogate pairs (undecodable file names) stand escaped."""
    return {k: v.encode("utf-8", "backslashreplace").decode() if isinstance(v, str) else v for k, v in row.items()}


def _is_state(name: str, recorded: str) -> bool:
    return name == recorded or (name.startswith(recorded + "+") and name[len(recorded) + 1 :].isdigit())

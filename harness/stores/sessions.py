"""The sessions of a store: what was imported, from where, in which pool; and how one is taken out again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeAlias

from harness import exchanges
from harness.errors import StoreError
from harness.packing import pack, unpack
from harness.pools import pool_of
from harness.rows import SessionRow
from harness.stores.engine import Part
from harness.verdicts import TABLES_OF_PAIRS
from repos.catalog import KnownRepository
from toolsim.family import family
from toolsim.trajectory import Session, Trajectory, call_pairs, dump_trajectory, load_trajectory, turns

Kept: TypeAlias = Literal["added", "known", "purged"]
"""What became of a session that was given to a store."""


class Sessions(Part):
    """Sessions and the repositories that they were in."""

    @property
    def search_file(self) -> Path:
        """The words of this store, for the viewer's search: made again whenever it is missing."""
        return self.path.with_name(self.path.name + ".search")

    def add_session(self, trajectory: Trajectory, *, source: str, sha256: str) -> Kept:
        """Keep a session, unless it is there already or was purged; says which.

        A session that is imported again from a longer file (the agent went on) is kept as a new state under the
        id `ID+N`, with the lineage of the first. A purged session stays away however long it has grown.
        """
        return self.add_sessions([(trajectory, source, sha256)])[0]

    def add_sessions(self, sessions: Iterable[tuple[Trajectory, str, str]]) -> list[Kept]:
        """`add_session` for several in one transaction: (trajectory, source, sha256)."""
        with self.engine.writing():
            return [self._keep_session(*session) for session in sessions]

    def _keep_session(self, trajectory: Trajectory, source: str, sha256: str) -> Kept:
        session = trajectory.session.id
        find = self.engine.rows
        if find("select 1 from purged where sha256=? or session=?", (sha256, session)):
            return "purged"
        if find("select 1 from sessions where sha256=?", (sha256,)):
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
            "metadata": json.dumps(session.metadata), "body": pack(dump_trajectory(trajectory)),
        }  # fmt: skip
        self.engine.insert("sessions", [row])

    def _free_id(self, wanted: str) -> str:
        # a range, so that the index serves: `,` comes after `+`
        query = "select id from sessions where id=? or (id >= ?||'+' and id < ?||',')"
        taken = {row["id"] for row in self.engine.rows(query, (wanted,) * 3)}
        if wanted not in taken:
            return wanted
        return next(name for n in range(2, len(taken) + 3) if (name := f"{wanted}+{n}") not in taken)

    def _freeze_pool(self, lineage: str, repo: str) -> str:
        known = self.engine.rows("select pool from pools where lineage=?", (lineage,))
        if known:
            return str(known[0]["pool"])
        pool = pool_of(lineage, repo)
        self.engine.insert("pools", [{"lineage": lineage, "repo": repo, "pool": pool}])
        return pool

    def sessions(self) -> tuple[SessionRow, ...]:
        """All sessions in order of start, then id."""
        rows = self.engine.rows(
            'select id, agent, format, lineage, repo, "user", model, started_at, turns, calls, results, autonomous,'
            " pool, source, metadata from sessions order by started_at nulls first, id"
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
            unpack(self.engine.rows("select body from sessions where id=?", (self.full_id(session),))[0]["body"])
        )

    def relatives(self, session: Session) -> tuple[Trajectory, ...]:
        """The other sessions of a session's family: sub-agents, and those that started it."""
        rows = self.engine.rows("select body from sessions where lineage=?", (session.lineage,))
        return family(session, (load_trajectory(unpack(row["body"])) for row in rows))

    def full_id(self, session: str) -> str:
        """The whole id of a session named by a unique beginning of it.

        Raises:
            StoreError: no or several sessions match.
        """
        exact = self.engine.rows("select id from sessions where id=?", (session,))
        found = exact or self.engine.rows("select id from sessions where substr(id, 1, ?)=?", (len(session), session))
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
        states = [row["id"] for row in self.engine.rows("select id from sessions") if _is_state(row["id"], recorded)]
        removed: Counter[str] = Counter()
        try:
            with self.engine.erasing(recorded):
                for state in states:
                    self._purge(state, recorded, removed)
        finally:
            self.search_file.unlink(missing_ok=True)
        return dict(removed)

    def _purge(self, state: str, recorded: str, removed: Counter[str]) -> None:
        of_session = "(select id from rollouts where session=:id)"
        # planted fakes belong to no rollout, but hold the text of a session
        pairs = f"{self.engine.field('facts', 'session')}=:id"
        values = {"id": state, "recorded": recorded}
        owners = (
            "select id as owner from rollouts where session=:id union all"
            f" select run || '/' || id from pairs where {pairs}"
        )
        removed["exchanges"] += exchanges.purge(self.engine, [row["owner"] for row in self.engine.rows(owners, values)])
        self.engine.execute(
            "insert into purged select sha256, :recorded from sessions where id=:id on conflict do nothing", values
        )
        of_pairs = ("judgements", "labels", *TABLES_OF_PAIRS)
        for table, where in (
            *((name, f"pair in (select id from pairs where {pairs})") for name in of_pairs),
            ("pairs", pairs),
            ("steps", f"rollout in {of_session}"), ("ends", f"rollout in {of_session}"),
            ("turn_verdicts", "substr(turn, 1, length(:id) + 1) = :id || ':'"),
            ("turn_labels", "substr(turn, 1, length(:id) + 1) = :id || ':'"),
            ("rollouts", "session=:id"), ("exclusions", "session=:id"), ("sessions", "id=:id"),
        ):  # fmt: skip
            removed[table] += self.engine.execute(f"delete from {table} where {where}", values)

    def recorded_id(self, session: str) -> str:
        """The id that a session has in its recording: that of all its states.

        Raises:
            StoreError: no or several sessions match.
        """
        return self.trajectory(session).session.id

    def add_skips(self, skips: Iterable[tuple[str, str, str]]) -> None:
        """Keep what an import left out: (path, line or member, reason)."""
        self.engine.insert("skips", [{"path": p, "place": w, "reason": r} for p, w, r in skips], ignore=True)

    def add_repository(self, known: KnownRepository) -> bool:
        """Keep a repository; False if its directory is there already."""
        row = {"name": known.name, "git_dir": str(known.git_dir), "url": known.url, "directory": known.directory}
        return self.engine.insert("repositories", [row], ignore=True) > 0

    def repositories(self) -> tuple[KnownRepository, ...]:
        """All known repositories by name."""
        rows = self.engine.rows("select name, git_dir, url, directory from repositories order by name, git_dir")
        return tuple(KnownRepository(Path(r["git_dir"]), r["url"], r["name"], r["directory"]) for r in rows)


def _is_state(name: str, recorded: str) -> bool:
    return name == recorded or (name.startswith(recorded + "+") and name[len(recorded) + 1 :].isdigit())

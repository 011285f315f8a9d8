"""The database of recorded pairs of call and result: exact keys in SQLite, words in a lexical index beside the file.

Only what a recording holds can be added (`recorded_calls`); answers of a simulator have no way in. A pair's identity
is its content, so adding twice adds nothing. Request and response are kept once per content, compressed.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlite_utils

from toolsim import callschema
from toolsim.errors import CallDatabaseError
from toolsim.lexical import Document, Filters, LexicalIndex
from toolsim.recordedcalls import INSERT, NAME_BYTES, Prepared, RecordedCall, batches, pair_of, storable, unpacked
from toolsim.sqlitefile import writing

_COLUMNS = (
    "c.seq, c.key, c.session, c.lineage, c.repo, c.agent, c.tool, c.arguments_text, c.at, c.cwd, c.position,"
    " c.call_id, c.recorded_id, c.duration, q.body as request, r.body as response"
)
_FROM = "from calls c join bodies q on q.id = c.request join bodies r on r.id = c.response"


class CallDatabase:
    """A pair database. Use as a context manager, or call `close`. One writer at a time, any number of readers.

    Raises:
        CallDatabaseError: the file is missing (with `create=False`), locked, of another program or version, or torn;
            said by every method that touches it.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = Path(path)
        self._create = create
        self._lock = threading.RLock()
        self._database: sqlite_utils.Database | None = None
        self._index: LexicalIndex | None = None

    def __enter__(self) -> CallDatabase:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close file and index."""
        with self._lock:
            if self._database is not None:
                self._database.close()
            self._database = None
            self._index = None

    def add(self, pairs: Iterable[RecordedCall]) -> int:
        """Keep recorded pairs; returns how many are new."""
        added = 0
        with self._lock, self._named():
            for batch in batches(pairs):
                added += self._add(batch)
        return added

    def exact(
        self, key: str, *, repo: str | None = None, before: float | None = None, not_lineage: str | None = None,
        limit: int | None = None,
    ) -> tuple[RecordedCall, ...]:  # fmt: skip
        """The pairs whose `call_key` is `key`, by time, then identity; with `before` only those of an earlier time,
        with `limit` no more than the latest so many.
        """
        where, values = ["c.exact_key = :exact"], {"exact": bytes.fromhex(key)[:NAME_BYTES]}
        named = {
            "c.repo = :repo": _known(repo), "c.at < :before": before, "c.lineage <> :lineage": _known(not_lineage),
        }  # fmt: skip
        for condition, value in named.items():
            if value is not None:
                where.append(condition)
                values[condition.partition(":")[2]] = value  # type: ignore[assignment]
        latest = f"{_columns()} where {' and '.join(where)} order by c.at desc, c.key desc limit :limit"
        rows = self._rows(latest, {**values, "limit": -1 if limit is None else limit})
        return tuple(pair_of(row) for row in reversed(rows))

    def search(  # noqa: PLR0913  the conditions of a search, all by name
        self,
        text: str,
        *,
        tool: str | None = None,
        repo: str | None = None,
        before: float | None = None,
        not_lineage: str | Sequence[str] | None = None,
        limit: int = 8,
        responses: bool = False,
        undated: bool = False,
    ) -> tuple[RecordedCall, ...]:  # fmt: skip
        """The pairs whose arguments share most words with `text`, best first, ties by key.

        `before` keeps pairs of an earlier recorded time (Unix seconds), with `undated` those without time too;
        `not_lineage` (one or several) leaves out a session with all that shares its history; `responses` also looks
        into results.
        """
        if limit < 1:
            return ()
        left_out = (not_lineage,) if isinstance(not_lineage, str) else tuple(not_lineage or ())
        filters = Filters(_known(tool), _known(repo), before, tuple(map(storable, left_out)), undated)
        with self._lock, self._named():
            found = self._current_index().search(text, filters, limit, responses=responses)
            rows = {row["seq"]: row for row in self._of([seq for seq, _ in found])}
        return tuple(pair_of(rows[seq], score) for seq, score in found if seq in rows)

    def count(self) -> int:
        """The number of pairs."""
        return int(self._rows("select pairs from about")[0]["pairs"])

    def hash(self) -> str:
        """Hex SHA-256 over the identities of all pairs, whatever the order they came in."""
        digest = hashlib.sha256(b"calls")
        with self._lock, self._named():
            for (key,) in self.db.execute("select key from calls order by key"):
                digest.update(key)
        return digest.hexdigest()

    def file_under(self, repos: Mapping[str, str]) -> int:
        """File the pairs of sessions whose recording names no repository under `owner/name`, by session id.

        Identities do not change, so adding the same pairs again adds nothing. Returns how many pairs moved.
        """
        moved = 0
        with self._lock, self._named(), writing(self.db):
            for session, repo in repos.items():
                sql = "update calls set repo = ? where session = ? and repo is null"
                moved += self.db.execute(sql, [repo, session]).rowcount
            if moved:
                callschema.note_purge(self.db)
        return moved

    def purge(self, session_id: str) -> int:
        """Remove a session's pairs for good, and every request and response that no other pair has; returns how many.

        The file is rewritten, so that nothing of them stays in free pages, and the index is made anew when next used.
        """
        with self._lock, self._named():
            self.db.execute("pragma secure_delete=on")
            with writing(self.db):
                removed = self.db.execute("delete from calls where session = ?", [session_id]).rowcount
                callschema.note_pairs(self.db, -removed)
                self.db.execute(
                    "delete from bodies where id not in"
                    " (select request from calls union all select response from calls)"
                )
                callschema.note_purge(self.db)
            if self._index is not None:
                self._index.close()
                self._index = None
            LexicalIndex.remove(self._index_path())
            self.db.vacuum()
            self.db.execute("pragma wal_checkpoint(truncate)")
        return int(removed)

    def refresh(self) -> None:
        """Bring the index up to date now instead of at the next search."""
        with self._lock, self._named():
            self._current_index()

    @property
    def db(self) -> sqlite_utils.Database:
        """The open database, made or brought to the current version when first used."""
        with self._lock:
            if self._database is None:
                with self._named():
                    self._database = callschema.open_database(self.path, create=self._create)
            return self._database

    def _index_path(self) -> Path:
        return self.path.with_suffix(".index")

    def _current_index(self) -> LexicalIndex:
        if self._index is None:
            self._index = LexicalIndex(self._index_path())
        self._index.update(callschema.state(self.db), self._documents)
        return self._index

    def _documents(self, after: int) -> Iterator[Document]:
        rows = self.db.execute(
            "select c.seq, c.key, c.tool, c.repo, c.lineage, c.at, c.arguments_text, r.body as response"
            " from calls c join bodies r on r.id = c.response where c.seq > ? order by c.seq",
            [after],
        )
        for seq, key, tool, repo, lineage, at, arguments, response in rows:
            yield Document(seq, key, tool, repo, lineage, at, arguments, str(unpacked(response)[0]))

    def _add(self, batch: Prepared) -> int:
        with writing(self.db):
            known = self._among("select key, seq from calls where key in", list(batch.rows))
            fresh = [row for key, row in batch.rows.items() if key not in known]
            places = self._keep_bodies({name: batch.bodies[name] for row in fresh for name in row[-2:]})
            rows = [(*row[:-2], places[row[-2]], places[row[-1]]) for row in fresh]
            self.db.conn.executemany(INSERT, rows)
            callschema.note_pairs(self.db, len(rows))
        return len(fresh)

    def _keep_bodies(self, bodies: dict[bytes, bytes]) -> dict[bytes, int]:
        """Store the texts that are new; the row of each by its hash."""
        known = self._among("select hash, id from bodies where hash in", list(bodies))
        place = int(self.db.execute("select coalesce(max(id), 0) from bodies").fetchone()[0])
        fresh = [hash_ for hash_ in bodies if hash_ not in known]
        rows = [(n, hash_, bodies[hash_]) for n, hash_ in enumerate(fresh, place + 1)]
        self.db.conn.executemany("insert into bodies (id, hash, body) values (?, ?, ?)", rows)
        return known | {hash_: n for n, hash_, _ in rows}

    def _among(self, select: str, values: Sequence[bytes]) -> dict[bytes, int]:
        marks = ",".join("?" * len(values))
        return dict(self.db.execute(f"{select} ({marks})", list(values)).fetchall())

    def _of(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        marks = ",".join("?" * len(numbers))
        return self._rows(f"{_columns()} where c.seq in ({marks})", list(numbers))

    def _rows(self, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        with self._lock, self._named():
            return list(self.db.query(sql, parameters))

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise CallDatabaseError(f"cannot use the pair database {self.path}: {error}") from error
        except OSError as error:
            raise CallDatabaseError(f"cannot use the pair database {self.path}: {error.strerror or error}") from error


def _known(text: str | None) -> str | None:
    """A condition as the columns spell it."""
    return None if text is None else storable(text)


def _columns() -> str:
    return f"select {_COLUMNS} {_FROM}"

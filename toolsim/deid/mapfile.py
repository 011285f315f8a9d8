"""Where the maps are kept: one SQLite file of its own beside the store, readable by its owner only."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from toolsim.deid.mapping import Entry
from toolsim.errors import MapError

_VERSION = 1
_TABLE = """
create table if not exists replacements (
  session text not null, n integer not null, kind text not null, value text not null, surrogate text not null,
  word integer not null, primary key (session, value), unique (session, surrogate)
)
"""


class MapFile:
    """The maps of all sessions of a store. The file is made with the first entry, and open only while it is used.

    Raises:
        MapError: the file cannot be used, or others may read it; said by every method.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()

    @contextmanager
    def session(self, session: str) -> Iterator[_Held]:
        """The map of a session, held against other writers: what is added is there when the block ends."""
        with self._opened() as connection:
            connection.execute("begin immediate")
            try:
                yield _Held(connection, session)
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def entries(self, session: str) -> tuple[Entry, ...]:
        """What is kept of a session."""
        if not self.path.exists():
            return ()
        with self._opened() as connection:
            return _entries(connection, session)

    def counts(self) -> dict[str, dict[str, int]]:
        """The number of values by session and kind."""
        found: dict[str, dict[str, int]] = {}
        if self.path.exists():
            with self._opened() as connection:
                query = "select session, kind, count(*) from replacements group by session, kind"
                for session, kind, count in connection.execute(query):
                    found.setdefault(session, {})[kind] = count
        return found

    def purge(self, session: str) -> int:
        """Remove a session's map for good; what was replaced by it can no longer be put back."""
        if not self.path.exists():
            return 0
        with self._opened() as connection:
            connection.execute("pragma secure_delete=on")
            removed = connection.execute("delete from replacements where session=?", (session,)).rowcount
            connection.execute("vacuum")
        return int(removed)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._named():
            with suppress(FileExistsError):  # another writer may make it at the same moment
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            if (mode := self.path.stat().st_mode & 0o777) & 0o077:
                raise MapError(f"{self.path} may be read by others (mode {mode:o}): chmod 600 it first")
            connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            try:
                version = connection.execute("pragma user_version").fetchone()[0]
                if version not in (0, _VERSION):
                    raise MapError(f"{self.path} was written by a newer version of deploysim")
                connection.execute(_TABLE)
                connection.execute(f"pragma user_version={_VERSION}")
                yield connection
            finally:
                connection.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise MapError(f"cannot use the map {self.path}: {error.strerror or error}") from error
        except sqlite3.Error as error:
            raise MapError(f"cannot use the map {self.path}: {error}") from error


class _Held:
    """One session's rows inside of a transaction."""

    def __init__(self, connection: sqlite3.Connection, session: str) -> None:
        self._connection, self._session = connection, session

    def entries(self) -> tuple[Entry, ...]:
        """What is there now."""
        return _entries(self._connection, self._session)

    def add(self, entries: Iterable[Entry]) -> None:
        """Keep new entries."""
        first = self._connection.execute(
            "select coalesce(max(n), -1) + 1 from replacements where session=?", (self._session,)
        ).fetchone()[0]
        rows = [(self._session, n, e.kind, e.value, e.surrogate, int(e.word)) for n, e in enumerate(entries, first)]
        self._connection.executemany("insert into replacements values (?,?,?,?,?,?)", rows)


def _entries(connection: sqlite3.Connection, session: str) -> tuple[Entry, ...]:
    rows = connection.execute(
        "select kind, value, surrogate, word from replacements where session=? order by n", (session,)
    )
    return tuple(Entry(kind, value, surrogate, bool(word)) for kind, value, surrogate, word in rows)

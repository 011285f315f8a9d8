"""A store in one SQLite file: one writer per process, short transactions."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import sqlite_utils

from harness.errors import StoreError
from harness.schema import VERSIONS, migrations
from harness.stores.engine import storable
from toolsim.sqlitefile import writing

_VALUES = 900
"""Values of one statement at most: SQLite took no more than 999 once."""


class SqliteEngine:
    """The file, opened and brought to the current schema when first used.

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
        """The open database."""
        with self._lock:
            if self._database is None:
                self._database = self._open()
            return self._database

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def rows(self, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        """The rows of a query."""
        with self._lock, self._named():
            return list(self.db.query(sql, parameters))

    def execute(self, sql: str, parameters: Any = ()) -> int:
        """Change rows; how many."""
        with self._lock, self._named():
            return int(self.db.execute(sql, parameters).rowcount)

    def insert(self, table: str, rows: Iterable[dict[str, Any]], *, ignore: bool = False) -> int:
        """Add rows in one transaction, or in the one that is open."""
        with self._lock, self._named():
            before, connection = self.db.conn.total_changes, self.db.conn
            # a transaction that begins by reading cannot wait for another writer once it writes
            with nullcontext() if connection.in_transaction else writing(self.db):
                for sql, values in _statements(table, map(storable, rows), ignore=ignore):
                    connection.execute(sql, values)
            return int(self.db.conn.total_changes - before)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction that holds the write lock from its beginning, so that what was looked up stays true; within
        one that is open, that one.
        """
        with self._lock, self._named(), nullcontext() if self.db.conn.in_transaction else writing(self.db):
            yield

    shares = True
    together = writing

    @contextmanager
    def erasing(self, what: str) -> Iterator[None]:
        """A transaction after which the file is rewritten.

        Raises:
            StoreError: the rows are gone, but another process keeps the file open, so that what they held stays in the
                log until that ends.
        """
        with self._lock, self._named():
            self.db.execute("pragma secure_delete=on")
            with writing(self.db):
                yield
            self.db.execute("vacuum")
            busy = self.db.execute("pragma wal_checkpoint(truncate)").fetchone()[0]
        if busy:
            raise StoreError(
                f"{what} is removed, but another process uses {self.path}: what it held stays in the log beside "
                "the store until that process ends"
            )

    def field(self, column: str, name: str) -> str:
        """SQL for the text of one member of a JSON column."""
        return f"json_extract({column}, '$.{name}')"

    def items(self, table: str, column: str) -> str:
        """See `Engine.items`."""
        return f"select t.value as item from {table} e, json_each(e.{column}) t"

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
                    with writing(database):
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

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"cannot use the store {self.path}: {error.strerror or error}") from error
        except sqlite3.Error as error:
            raise StoreError(f"cannot use the store {self.path}: {error}") from error


def _statements(table: str, rows: Iterable[dict[str, Any]], *, ignore: bool) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Statements with their values, each of as many rows with the same columns as one can take: every statement lets go
    of the interpreter, and a thread has to wait until it gets it again."""
    word = "insert or ignore" if ignore else "insert"
    for columns, alike in groupby(rows, key=tuple):
        names = ", ".join(f'"{name}"' for name in columns)
        marks = f"({', '.join('?' * len(columns))})"
        while some := tuple(islice(alike, max(1, _VALUES // len(columns)))):
            values = tuple(value for row in some for value in row.values())
            yield f'{word} into "{table}" ({names}) values {", ".join([marks] * len(some))}', values

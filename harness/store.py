"""One experiment's store: sessions, repositories, runs, and the append-only step ledger of each rollout.

Bodies are zstd-compressed JSON. The store decides nothing: what to import, select or judge stands elsewhere. What it
answers for is in `harness.stores`: sessions, runs, judgements, each over one engine.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlite_utils

from harness.errors import StoreError
from harness.stores.engine import Engine, on_server
from harness.stores.judgements import Judgements
from harness.stores.runs import Runs
from harness.stores.sessions import Kept, Sessions
from harness.stores.sqlite import SqliteEngine

__all__ = ["Kept", "Store"]


class Store(Sessions, Runs, Judgements):
    """A store: a file, or a database on a Postgres server (`postgresql://…`). Use as a context manager, or `close` it.

    Raises:
        StoreError: what is there is no store, is locked, read-only or full; said by every method that touches it.
    """

    def __init__(self, place: Path | str, *, create: bool = True) -> None:
        self.engine: Engine = _engine(place, create=create)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the engine."""
        self.engine.close()

    @property
    def db(self) -> sqlite_utils.Database:
        """The open file, for what only SQLite has.

        Raises:
            StoreError: the store is on a server.
        """
        if not isinstance(self.engine, SqliteEngine):
            raise StoreError("this needs a store in a file, and the store is on a server")
        return self.engine.db

    def add_rows(self, table: str, rows: Iterable[dict[str, Any]], *, ignore: bool = True) -> int:
        """Add rows to a table that a module of its own describes (`harness.verdicts`). Returns how many are new."""
        return self.engine.insert(table, rows, ignore=ignore)

    def rows(self, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        """The rows of a query."""
        return self.engine.rows(sql, parameters)


def _engine(place: Path | str, *, create: bool) -> Engine:
    if on_server(place):
        from harness.stores.postgres import PostgresEngine

        return PostgresEngine(str(place), create=create)
    return SqliteEngine(Path(place), create=create)

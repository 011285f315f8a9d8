"""What every SQLite file of this program needs: transactions that can wait for other writers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlite_utils


@contextmanager
def writing(db: sqlite_utils.Database) -> Iterator[None]:
    """A transaction that holds the write lock from its beginning.

    One that begins by reading cannot wait for another writer: SQLite refuses its first write at once.

    Raises:
        sqlite3.Error: the file is locked for longer than the connection waits, or cannot be written.
    """
    db.conn.execute("begin immediate")
    try:
        yield
    except BaseException:
        db.conn.rollback()
        raise
    db.conn.commit()

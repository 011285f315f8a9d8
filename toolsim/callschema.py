"""The file of the pair database: its mark, version, tables, and the state that an index is compared with."""

from __future__ import annotations

import sqlite3
import uuid
from dataclasses import dataclass
from pathlib import Path

import sqlite_utils

from toolsim.errors import CallDatabaseError

APPLICATION_ID = 0x64734341
VERSION = 2
_CACHE_KIB = 256 << 10
_MAPPED = 8 << 30
_CHECKPOINT_PAGES = 16_384

migrations = sqlite_utils.Migrations("calls")


@migrations()
def create_tables(db: sqlite_utils.Database) -> None:
    """`bodies` by content, `calls` in order of arrival, `about` with version, identity, purges and the number of pairs.

    Keys and hashes are the first 16 bytes of SHA-256: half the size of the three indexes that grow with every pair.
    """
    db.execute(
        "create table about (version integer not null, id text not null, purges integer not null,"
        " pairs integer not null) strict"
    )
    db.execute("insert into about values (?, ?, 0, 0)", [VERSION, uuid.uuid4().hex])
    db.execute("create table bodies (id integer primary key, hash blob not null unique, body blob not null) strict")
    db.execute(
        "create table calls (seq integer primary key autoincrement, key blob not null unique, exact_key blob not null,"
        " session text not null, lineage text not null, repo text, agent text not null, tool text not null,"
        " arguments_text text not null, at real, cwd text, position integer not null, call_id text not null,"
        " recorded_id text, duration real,"
        " request integer not null references bodies (id), response integer not null references bodies (id)) strict"
    )
    db.execute("create index calls_exact on calls (exact_key, at)")
    db.execute("create index calls_session on calls (session)")


@dataclass(frozen=True, slots=True)
class State:
    """What an index must agree with: the file's identity, removals so far, the last pair's number, the pairs."""

    id: str
    purges: int
    last: int
    count: int


def open_database(path: Path, *, create: bool) -> sqlite_utils.Database:
    """Open or make the file.

    Raises:
        CallDatabaseError: missing, of another program, or of another version.
        sqlite3.Error, OSError: it cannot be used.
    """
    new = not path.exists() or path.stat().st_size == 0
    if new and not create:
        raise CallDatabaseError(f"there is no pair database at {path}; `deploysim import` makes one")
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
    try:
        if new:
            path.chmod(0o600)
        else:
            _recognise(path, connection)
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=normal")
        connection.execute(f"pragma cache_size=-{_CACHE_KIB}")
        connection.execute(f"pragma mmap_size={_MAPPED}")
        connection.execute(f"pragma wal_autocheckpoint={_CHECKPOINT_PAGES}")
        connection.execute(f"pragma application_id={APPLICATION_ID}")
        database = sqlite_utils.Database(connection)
        migrations.apply(database)
    except BaseException:
        connection.close()
        raise
    return database


def state(db: sqlite_utils.Database) -> State:
    """The present state."""
    row = db.execute("select id, purges, (select coalesce(max(seq), 0) from calls), pairs from about").fetchone()
    return State(*row)


def note_pairs(db: sqlite_utils.Database, more: int) -> None:
    """Count pairs that came, or went."""
    db.execute("update about set pairs = pairs + ?", [more])


def note_purge(db: sqlite_utils.Database) -> None:
    """Count a change of what is there already, so that every index made before it is made anew."""
    db.execute("update about set purges = purges + 1")


def _recognise(path: Path, connection: sqlite3.Connection) -> None:
    mark = connection.execute("pragma application_id").fetchone()[0]
    tables = {row[0] for row in connection.execute("select name from sqlite_master where type='table'")}
    if mark != APPLICATION_ID and tables:
        raise CallDatabaseError(f"{path} is no pair database; it holds the tables {', '.join(sorted(tables)[:5])}")
    if "about" in tables:
        version = connection.execute("select version from about").fetchone()
        if version is None or version[0] > VERSION:
            raise CallDatabaseError(f"{path} was written by a newer version of this program")
        if version[0] < VERSION:
            raise CallDatabaseError(
                f"{path} was written by an earlier version of this program; delete it and import the sessions again"
            )

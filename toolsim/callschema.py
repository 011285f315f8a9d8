"""The file of the pair database: its mark, version, tables, and the state that an index is compared with."""

from __future__ import annotations

import sqlite3
import uuid
from dataclasses import dataclass
from pathlib import Path

import sqlite_utils

from toolsim.errors import CallDatabaseError

APPLICATION_ID = 0x64734341
VERSION = 3
DIGEST_BYTES = 64
READING_KIB = 32 << 10
WRITING_KIB = 256 << 10
"""Pages kept in memory, of each file and of the one that is filled: all that it writes at random places fits in."""
_CHECKPOINT_PAGES = 16_384

migrations = sqlite_utils.Migrations("calls")


@migrations()
def create_tables(db: sqlite_utils.Database) -> None:
    """`calls` in order of arrival, `names` for what many of them share, `blocks` of compressed texts, `bodies` to find
    a text by its hash, `about` with version, identity, removals, the number of pairs and the sum of their identities,
    `parts` with the files after the first.

    The place of a text is `block << 12 | line`. What grows at random places is small: `bodies` and `calls_exact`.
    """
    db.execute(
        "create table about (version integer not null, id text not null, purges integer not null,"
        " pairs integer not null, first integer not null, digest blob not null) strict"
    )
    db.execute("insert into about values (?, ?, 0, 0, 1, ?)", [VERSION, uuid.uuid4().hex, bytes(DIGEST_BYTES)])
    db.execute("create table parts (number integer primary key, id text not null) strict")
    db.execute("create table names (id integer primary key autoincrement, name text not null unique) strict")
    db.execute("create table blocks (id integer primary key, body blob not null) strict")
    db.execute("create table bodies (hash blob primary key, place integer not null) strict, without rowid")
    db.execute(
        "create table calls (seq integer primary key autoincrement, key blob not null, exact_key blob not null,"
        " session integer not null, lineage integer not null, repo integer, agent integer not null,"
        " tool integer not null, cwd integer, arguments_text text, call_id text not null, recorded_id text, at real,"
        " position integer not null, duration real, request integer not null, response integer not null) strict"
    )
    db.execute("create index calls_exact on calls (exact_key, at, key)")
    db.execute("create unique index calls_session on calls (session, key)")


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
        connection.execute(f"pragma cache_size=-{READING_KIB}")
        connection.execute(f"pragma wal_autocheckpoint={_CHECKPOINT_PAGES}")
        connection.execute(f"pragma application_id={APPLICATION_ID}")
        database = sqlite_utils.Database(connection)
        migrations.apply(database)
    except BaseException:
        connection.close()
        raise
    return database


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

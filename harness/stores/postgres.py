"""A store on a Postgres server: many writers, the same tables, the first row of a key stays.

The tables are those of `harness.schema`: the migrations run on an empty SQLite database, and what they made is made on
the server. Text is compared by bytes, as SQLite does; unique keys of several columns are on digests of their texts, for
Postgres takes no long text into an index.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import ConfigError, StoreError
from harness.schema import VERSIONS
from harness.stores.engine import storable
from harness.stores.tables import Table, tables

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
    from psycopg.rows import dict_row
except ModuleNotFoundError as _error:  # pragma: no cover
    raise ConfigError("a store on Postgres needs psycopg: `pip install 'deploysim[postgres]'`") from _error

_LOCK = 0x6465706C
_TYPES = {"TEXT": 'text collate "C"', "INTEGER": "bigint", "FLOAT": "double precision", "REAL": "double precision",
          "BLOB": "bytea"}  # fmt: skip
_MARK = re.compile(r"'[^']*'|\"[^\"]*\"|::|\?|:([a-z_]+)|%")
_FROZEN = """
create or replace function deploysim_frozen() returns trigger language plpgsql as
$$ begin raise exception 'a frozen forecast is never changed or removed'; end $$;
create or replace trigger forecasts_frozen before update or delete on forecasts
for each row execute function deploysim_frozen()
"""


class PostgresEngine:
    """The tables on the server that `address` (`postgresql://…`) names, made when first used.

    A transaction that looks first and then writes (`writing`) waits for the others of its kind; plain additions of
    different writers do not wait for each other.

    Raises:
        StoreError: the server cannot be reached or refuses, or a newer version wrote there; said by every method.
    """

    def __init__(self, address: str, *, create: bool = True) -> None:
        self._address = address
        self._create = create
        self._lock = threading.RLock()
        self._connection: psycopg.Connection[dict[str, Any]] | None = None
        try:
            self.path = Path(str(conninfo_to_dict(address).get("dbname") or "deploysim"))
        except psycopg.Error as error:
            raise StoreError(f"this is no address of a Postgres server: {str(error).strip()}") from error

    @property
    def connection(self) -> psycopg.Connection[dict[str, Any]]:
        """The open connection; one that was lost is opened anew at the next use."""
        with self._lock:
            if self._connection is None or self._connection.closed:
                self._connection = self._open()
            return self._connection

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def rows(self, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        """The rows of a query."""
        with self._lock, self._named():
            return list(self.connection.execute(translated(sql), parameters).fetchall())

    def execute(self, sql: str, parameters: Any = ()) -> int:
        """Change rows; how many."""
        with self._lock, self._named():
            return self.connection.execute(translated(sql), parameters).rowcount

    def insert(self, table: str, rows: Iterable[dict[str, Any]], *, ignore: bool = False) -> int:
        """Add rows in one transaction, or in the one that is open."""
        todo = [{name: _text(value) for name, value in storable(row).items()} for row in rows]
        if not todo:
            return 0
        names = ", ".join(f'"{name}"' for name in todo[0])
        marks = ", ".join(f"%({name})s" for name in todo[0])
        known = " on conflict do nothing" if ignore else ""
        sql = f"insert into {table} ({names}) values ({marks}){known}".encode()
        with self._lock, self._named(), self.connection.transaction(), self.connection.cursor() as cursor:
            cursor.executemany(sql, todo)
            return cursor.rowcount

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction; others of this kind, also of other processes and machines, wait for its end."""
        with self._lock, self._named(), self.connection.transaction():
            self.connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
            yield

    shares = False

    @contextmanager
    def together(self) -> Iterator[None]:
        """One transaction that waits for no other."""
        with self._lock, self._named(), self.connection.transaction():
            yield

    @contextmanager
    def erasing(self, what: str) -> Iterator[None]:  # noqa: ARG002  the server names nothing
        """`writing`, then a rewrite of the tables. Write-ahead log, replicas and backups are the server's own."""
        with self._lock:
            with self.writing():
                yield
            with self._named():
                self.connection.execute("vacuum full")

    def items(self, table: str, column: str) -> str:
        """See `Engine.items`."""
        return f"select jsonb_array_elements_text({column}::jsonb) as item from {table}"

    def field(self, column: str, name: str) -> str:
        """SQL for the text of one member of a JSON column."""
        return f"(({column})::json ->> '{name}')"

    def _open(self) -> psycopg.Connection[dict[str, Any]]:
        connection = psycopg.connect(
            self._address, autocommit=True, row_factory=dict_row, application_name="deploysim", connect_timeout=10
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        done = _applied(connection)
        if not done and not self._create:
            raise StoreError(f"there is no store in the database {self.path}; `deploysim import` makes one")
        if not done <= VERSIONS:
            raise StoreError(f"the store in the database {self.path} was written by a newer version of deploysim")
        if done == VERSIONS:
            return
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
            for table in tables():
                for sql in _made(table):
                    connection.execute(sql.encode())
            connection.execute(_FROZEN)
            connection.execute("create table if not exists deploysim_migrations (name text primary key)")
            for name in sorted(VERSIONS):
                connection.execute("insert into deploysim_migrations values (%s) on conflict do nothing", (name,))

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            why = " ".join(str(error).split()) or type(error).__name__
            raise StoreError(f"cannot use the store in the database {self.path}: {why}") from error


def translated(sql: str) -> bytes:
    """The SQL with psycopg's marks for values: `?` and `:name` become `%s` and `%(name)s` outside of quotes."""

    def mark(match: re.Match[str]) -> str:
        found = match.group()
        if found == "?":
            return "%s"
        return f"%({match[1]})s" if match[1] else found.replace("%", "%%")

    return _MARK.sub(mark, sql).encode()


def _applied(connection: psycopg.Connection[dict[str, Any]]) -> frozenset[str]:
    there = connection.execute("select to_regclass('deploysim_migrations') is not null as there").fetchone()
    if there is None or not there["there"]:
        return frozenset()
    return frozenset(row["name"] for row in connection.execute("select name from deploysim_migrations"))


def _made(table: Table) -> Iterator[str]:
    """SQL that makes a table, or adds what an older version of it lacks."""
    yield f"create table if not exists {table.name} ()"
    for column in table.columns:
        kind = _TYPES[column.kind]
        if column.numbered:
            kind += " generated by default as identity"
        required = " not null" if column.required else ""
        yield f'alter table {table.name} add column if not exists "{column.name}" {kind}{required}'
    texts = {c.name for c in table.columns if c.kind == "TEXT"}
    for number, (unique, names) in enumerate(table.indexes):
        parts = (f'md5("{n}")' if unique and len(names) > 1 and n in texts else f'"{n}"' for n in names)
        kind = "unique index" if unique else "index"
        yield f"create {kind} if not exists {table.name}_{number} on {table.name} ({', '.join(parts)})"


def _text(value: Any) -> Any:
    """Postgres holds no NUL in text: it stands escaped, as undecodable names do. A truth is a number, as in SQLite."""
    if isinstance(value, bool):
        return int(value)
    return value.replace("\x00", "\\x00") if isinstance(value, str) else value

"""The tables of `harness.schema` as plain values, read off an empty database that the migrations made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import sqlite_utils

from harness.schema import migrations


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `kind` as SQLite spells it; `numbered`: the database counts it up."""

    name: str
    kind: str
    required: bool
    numbered: bool


@dataclass(frozen=True, slots=True)
class Table:
    """One table; `indexes` are (unique, columns), the key first. Indexes over expressions are left out."""

    name: str
    columns: tuple[Column, ...]
    indexes: tuple[tuple[bool, tuple[str, ...]], ...]


@cache
def tables() -> tuple[Table, ...]:
    """All tables, by name."""
    database = sqlite_utils.Database(memory=True)
    try:
        migrations.apply(database)
        names = sorted(name for name in database.table_names() if not name.startswith(("_", "sqlite_")))
        return tuple(_table(database, name) for name in names)
    finally:
        database.close()


def _table(database: sqlite_utils.Database, name: str) -> Table:
    table = database.table(name)
    keys = tuple(table.pks)
    columns = tuple(
        Column(c.name, c.type, bool(c.notnull) or keys == (c.name,), keys == (c.name,) and c.type == "INTEGER")
        for c in table.columns
    )
    known = {c.name for c in columns}
    others = [(bool(i.unique), tuple(i.columns)) for i in table.indexes if i.origin == "c" and set(i.columns) <= known]
    return Table(name, columns, ((True, keys), *sorted(others)))

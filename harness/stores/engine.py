"""What the parts of a store ask of the engine that holds its rows.

SQL is the common part of SQLite and Postgres: `?` and `:name` stand for values, `on conflict do nothing` keeps the
first row of a key, and a name that is a keyword somewhere (`"user"`) is quoted.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol


class Engine(Protocol):
    """A database with the tables of `harness.schema`. Every method raises StoreError for what the database refuses."""

    @property
    def path(self) -> Path:
        """The file, or for a server the name that files beside the store are named after."""
        ...

    def rows(self, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        """The rows of a query."""
        ...

    def execute(self, sql: str, parameters: Any = ()) -> int:
        """Change rows; how many."""
        ...

    @property
    def shares(self) -> bool:
        """Whether works that do not belong together may share one transaction (`together`)."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """One transaction of what belongs together, or where the engine shares, of what waits at the same time."""
        ...

    def insert(self, table: str, rows: Iterable[dict[str, Any]], *, ignore: bool = False) -> int:
        """Add rows in one transaction; how many are new. With `ignore` known keys stay as they are, else they are
        refused and nothing is added."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """One transaction that no other writer of this kind interleaves with, so that what was looked up stays true."""
        ...

    def erasing(self, what: str) -> AbstractContextManager[None]:
        """`writing`, after which nothing of what was deleted is left in the engine's files; `what` names it."""
        ...

    def field(self, column: str, name: str) -> str:
        """SQL for the text of one member of a JSON column."""
        ...

    def items(self, table: str, column: str) -> str:
        """SQL of all items (`item`) of the JSON lists of texts in a column."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Part:
    """A part of a store: what it answers for, over one engine."""

    engine: Engine

    @property
    def path(self) -> Path:
        """Where the store is, as messages name it and as files beside it are named."""
        return self.engine.path


def storable(row: dict[str, Any]) -> dict[str, Any]:
    """The row with text that a database takes: halves of surrogate pairs (undecodable file names) stand escaped."""
    return {k: v.encode("utf-8", "backslashreplace").decode() if isinstance(v, str) else v for k, v in row.items()}


def on_server(place: Path | str) -> bool:
    """Whether a place is the address of a Postgres server, and no file."""
    return isinstance(place, str) and place.startswith(("postgresql://", "postgres://"))

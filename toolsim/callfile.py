"""One file of the pair database: its rows and blocks of texts, written a batch at a time, read by number.

What is said of all files together (which one takes a session, numbers, the index) is in `toolsim/calldb.py`.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from itertools import chain, islice
from pathlib import Path
from typing import Any

from toolsim import callschema
from toolsim.errors import CallDatabaseError
from toolsim.lexical import Document
from toolsim.recordedcalls import (
    NAME_BYTES,
    Prepared,
    RecordedCall,
    Row,
    arguments_text,
    in_blocks,
    lines_of,
    name_of,
    pair_of,
    squeezed,
    storable,
    value_of,
)
from toolsim.trajectory import ToolCall

_SHIFT = 12
_LINE = (1 << _SHIFT) - 1
_ROWS = 1_024
_READ = 2_000
_NAMES_KEPT = 1 << 16
_NAMED = slice(2, 8)
_CALL = (
    "seq", "key", "exact_key", "session", "lineage", "repo", "agent", "tool", "cwd", "arguments_text", "call_id",
    "recorded_id", "at", "position", "duration", "request", "response",
)  # fmt: skip
_PAIR = (
    "select c.seq, s.name as session, l.name as lineage, r.name as repo, a.name as agent, t.name as tool,"
    " d.name as cwd, c.arguments_text, c.call_id, c.recorded_id, c.at, c.position, c.duration, c.request, c.response"
    " from calls c join names s on s.id = c.session join names l on l.id = c.lineage join names a on a.id = c.agent"
    " join names t on t.id = c.tool left join names r on r.id = c.repo left join names d on d.id = c.cwd"
)
_DOCUMENT = (
    "select c.seq, c.key, t.name as tool, r.name as repo, l.name as lineage, c.at, c.arguments_text, c.request,"
    " c.response from calls c join names l on l.id = c.lineage join names t on t.id = c.tool"
    " left join names r on r.id = c.repo where c.seq > ? order by c.seq"
)


class CallFile:
    """One open file. Not safe for threads; methods that change it want an open transaction.

    Raises:
        CallDatabaseError: as `callschema.open_database`; a text cannot be read.
        sqlite3.Error: by every method.
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path = path
        self.db = callschema.open_database(path, create=create)
        self._names: dict[str | None, int | None] = {None: None}
        self._names_as_of = -1
        self._coming: tuple[int, Future[list[bytes]]] | None = None
        self.id, self.first = self._one("select id, first from about")

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def begin_at(self, number: int) -> None:
        """Pairs come here from this number on, except to sessions of earlier files."""
        self.first = number
        self.db.execute("update about set first = ?", [number])

    def forget(self) -> None:
        """Nothing of the transaction that failed may be taken for kept."""
        self._names = {None: None}
        self._coming = None

    def hold(self, kib: int) -> None:
        """Keep no more than so many pages in memory."""
        self.db.execute(f"pragma cache_size=-{kib}")

    @property
    def pairs(self) -> int:
        """The number of pairs."""
        return int(self._one("select pairs from about")[0])

    @property
    def purges(self) -> int:
        """How often something that was there has changed or gone."""
        return int(self._one("select purges from about")[0])

    @property
    def last(self) -> int:
        """The highest number of a pair that is there."""
        return int(self._one("select coalesce(max(seq), 0) from calls")[0])

    @property
    def given(self) -> int:
        """The highest number that a pair ever had."""
        return int(self._one("select coalesce(max(seq), 0) from sqlite_sequence where name = 'calls'")[0])

    @property
    def digest(self) -> int:
        """The sum of the identities of all pairs; see `CallDatabase.hash`."""
        return int.from_bytes(self._one("select digest from about")[0], "big")

    def sessions(self, among: Sequence[str]) -> set[str]:
        """Which of the sessions have pairs here."""
        held = "and exists (select 1 from calls where session = names.id)"
        found = self._among(f"select name from names where name in (%s) {held}", among)
        return {row[0] for row in found}

    def keep(self, batch: Prepared, first: int, packer: Executor) -> int:
        """Keep the pairs that are new, numbered from `first`; how many. `settle` comes before the transaction ends: the
        texts are compressed by `packer` meanwhile.
        """
        known = self._known(batch.rows.values())
        rows = [row for key, row in batch.rows.items() if key not in known] if known else list(batch.rows.values())
        if not rows:
            return 0
        ids = self._ids(rows)
        bodies = batch.bodies
        if known or not batch.whole:
            bodies = {name: bodies[name] for column in (-2, -1) for name in (row[column] for row in rows)}
        places = self._places(bodies, packer)
        values: list[Any] = []
        for n, row in enumerate(rows, first):
            key, exact, session, lineage, repo, agent, tool, cwd, *others, request, response = row
            values += (n, key, exact, ids[session], ids[lineage], ids[repo], ids[agent], ids[tool], ids[cwd])
            values += others
            values += (places[request], places[response])
        self._insert("calls", _CALL, values)
        self._note(len(rows), sum(_weight(row[0]) for row in rows))
        return len(rows)

    def settle(self) -> None:
        """Keep the texts whose compression was under way."""
        if self._coming is not None:
            first, made = self._coming
            self._coming = None
            self._insert("blocks", ("id", "body"), list(chain.from_iterable(enumerate(made.result(), first))))

    def exact(self, conditions: Mapping[str, Any], limit: int) -> list[tuple[tuple[Any, ...], int]]:
        """The latest `limit` pairs of an exact key (-1: all) with a rank by time, then identity, and their numbers."""
        where = {
            "exact": "exact_key = :exact", "before": "at < :before",
            "repo": "repo = (select id from names where name = :repo)",
            "lineage": "lineage is not (select id from names where name = :lineage)",
        }  # fmt: skip
        sql = (
            f"select at, key, seq from calls where {' and '.join(where[name] for name in conditions)}"
            " order by at desc, key desc limit :limit"
        )
        rows = self.db.execute(sql, {**conditions, "limit": limit}).fetchall()
        return [((at is not None, at or 0.0, key), seq) for at, key, seq in rows]

    def read(self, numbers: Sequence[int], scores: Mapping[int, float]) -> dict[int, RecordedCall]:
        """Those of the numbered pairs that are here."""
        cursor = self.db.execute(f"{_PAIR} where c.seq in ({_marks(len(numbers))})", list(numbers))
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
        texts = self._texts(row[column] for row in rows for column in ("request", "response"))
        return {
            row["seq"]: pair_of(
                row, value_of(texts[row["request"]]), value_of(texts[row["response"]]), scores.get(row["seq"])
            )
            for row in rows
        }

    def documents(self, after: int, *, responses: bool) -> Iterator[Document]:
        """What an index knows of the pairs with numbers above `after`, in order; results only with `responses`."""
        cursor = self.db.execute(_DOCUMENT, [after])
        while rows := list(islice(cursor, _READ)):
            places = {row[-2] for row in rows if row[-3] is None} | {row[-1] for row in rows if responses}
            texts = self._texts(places)
            for seq, key, tool, repo, lineage, at, kept, request, response in rows:
                arguments = _asked(texts[request]) if kept is None else kept
                result = str(value_of(texts[response])[0]) if responses else None
                yield Document(seq, key, tool, repo, lineage, at, arguments, result)

    def origin(self, session: str, position: int) -> tuple[str, float | None] | None:
        """Lineage and time of the pair at a place of a session."""
        sql = (
            "select l.name, c.at from calls c join names l on l.id = c.lineage"
            " where c.session = (select id from names where name = ?) and c.position = ?"
        )
        found = self.db.execute(sql, [session, position]).fetchone()
        return None if found is None else (found[0], found[1])

    def file_under(self, session: str, repo: str) -> int:
        """File a session's pairs that name no repository under `repo`; how many."""
        held = self.db.execute("select id from names where name = ?", [session]).fetchone()
        if held is None:
            return 0
        sql = "update calls set repo = ? where session = ? and repo is null"
        return int(self.db.execute(sql, [self._numbered([repo])[repo], held[0]]).rowcount)

    def remove(self, session: str) -> int:
        """Remove a session's pairs and all texts and names that no other pair has; how many pairs.

        Free pages keep nothing of them once the file was rewritten (`vacuum`).
        """
        held = self.db.execute("select id from names where name = ?", [session]).fetchone()
        keys = [] if held is None else self.db.execute("select key from calls where session = ?", held).fetchall()
        if not keys:
            return 0
        places = self.db.execute(
            "select request from calls where session = ?1 union select response from calls where session = ?1", held
        )
        gone = {row[0] for row in places}
        self.db.execute("delete from calls where session = ?", held)
        for kept in self.db.execute("select request, response from calls"):
            gone.difference_update(kept)
        self._blank(gone)
        used = " union all ".join(f"select {name} from calls where {name} is not null" for name in _CALL[3:9])
        self.db.execute(f"delete from names where id not in ({used})")
        self._note(-len(keys), -sum(_weight(key) for (key,) in keys))
        return len(keys)

    def note_change(self) -> None:
        """Count a change of what is there already, so that every index made before it is made anew."""
        self.db.execute("update about set purges = purges + 1")

    def _known(self, rows: Collection[Row]) -> set[bytes]:
        """The identities that are here already; a pair's session is part of its identity."""
        asked: dict[str, list[bytes]] = {row[2]: [] for row in rows}
        held = dict(self._among("select name, id from names where name in (%s)", list(asked)))
        if not held:
            return set()
        for row in rows:
            asked[row[2]].append(row[0])
        known: set[bytes] = set()
        for session, number in held.items():
            keys = f"select key from calls where session = {number} and key in (%s)"
            known.update(row[0] for row in self._among(keys, asked[session]))
        return known

    def _ids(self, rows: Iterable[Row]) -> dict[str | None, int | None]:
        """The numbers of all names in the rows."""
        purges = self.purges
        if purges != self._names_as_of or len(self._names) > _NAMES_KEPT:
            self._names, self._names_as_of = {None: None}, purges
        new = {name for row in rows for name in row[_NAMED]} - self._names.keys()
        self._names |= self._numbered([name for name in new if name is not None])
        return self._names

    def _numbered(self, names: Sequence[str]) -> dict[str | None, int | None]:
        known = dict(self._among("select name, id from names where name in (%s)", names))
        self._insert("names", ("name",), [name for name in names if name not in known])
        return dict(self._among("select name, id from names where name in (%s)", names))

    def _places(self, bodies: Mapping[bytes, bytes], packer: Executor) -> dict[bytes, int]:
        """Keep the texts that are new; the place of each by its hash."""
        places = self._places_of(list(bodies))
        fresh = [hash_ for hash_ in bodies if hash_ not in places]
        blocks = in_blocks(bodies[hash_] for hash_ in fresh)
        self.settle()
        first = int(self._one("select coalesce(max(id), 0) from blocks")[0]) + 1
        todo, new = iter(fresh), []
        for number, lines in enumerate(blocks, first):
            new += [(hash_, number << _SHIFT | line) for line, hash_ in enumerate(islice(todo, len(lines)))]
        self._coming = first, packer.submit(squeezed, blocks)
        self._insert("bodies", ("hash", "place"), list(chain.from_iterable(sorted(new))))
        return places | dict(new)

    def _places_of(self, hashes: Sequence[bytes]) -> dict[bytes, int]:
        """The places of the texts that are here, read in one step (see `_insert`)."""
        found = self._among("select group_concat(hex(hash) || place) from bodies where hash in (%s)", hashes)
        return {
            bytes.fromhex(text[: 2 * NAME_BYTES]): int(text[2 * NAME_BYTES :])
            for (texts,) in found
            for text in (texts or "").split(",")
            if text
        }

    def _texts(self, places: Iterable[int]) -> dict[int, bytes]:
        """The texts at places."""
        wanted = sorted(set(places))
        last = {place >> _SHIFT: place & _LINE for place in wanted}
        rows = self._among("select id, body from blocks where id in (%s)", list(last))
        found = {number: lines_of(body, last[number]) for number, body in rows}
        try:
            return {place: found[place >> _SHIFT][place & _LINE] for place in wanted}
        except (KeyError, IndexError) as error:
            raise CallDatabaseError(f"{self.path} is torn: a text is missing") from error

    def _blank(self, places: Iterable[int]) -> None:
        """Empty the lines at these places; the others stay where they are."""
        gone: dict[int, list[int]] = {}
        for place in places:
            gone.setdefault(place >> _SHIFT, []).append(place & _LINE)
        for number, numbers in gone.items():
            (body,) = self._one("select body from blocks where id = ?", [number])
            lines = lines_of(body)
            for line in numbers:
                self.db.execute("delete from bodies where hash = ?", [name_of(lines[line])])
                lines[line] = b""
            if any(lines):
                (made,) = squeezed([lines])
                self.db.execute("update blocks set body = ? where id = ?", [made, number])
            else:
                self.db.execute("delete from blocks where id = ?", [number])

    def _note(self, more: int, weight: int) -> None:
        total = (self.digest + weight) % (1 << 8 * callschema.DIGEST_BYTES)
        self.db.execute(
            "update about set pairs = pairs + ?, digest = ?", [more, total.to_bytes(callschema.DIGEST_BYTES, "big")]
        )

    def _insert(self, table: str, columns: tuple[str, ...], values: list[Any]) -> None:
        """Many rows, all values of all in one list, with few statements: each step of a statement gives the
        interpreter's lock away, and waiting for it costs more than a row.
        """
        start, size = 0, _ROWS * len(columns)
        while start < len(values):
            while size > len(values) - start:
                size = size // len(columns) // 2 * len(columns)
            sql = _insert_sql(table, columns, size // len(columns))
            self.db.conn.execute(sql, values[start : start + size])
            start += size

    def _among(self, select: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self.db.execute(select % _marks(len(values)), list(values)).fetchall() if values else []

    def _one(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
        found: tuple[Any, ...] | None = self.db.execute(sql, list(parameters)).fetchone()
        if found is None:
            raise CallDatabaseError(f"{self.path} is torn: a row is missing")
        return found


@functools.cache
def _insert_sql(table: str, columns: tuple[str, ...], rows: int) -> str:
    row = f"({_marks(len(columns))})"
    return f"insert into {table} ({', '.join(columns)}) values {', '.join([row] * rows)}"


@functools.lru_cache(maxsize=256)
def _marks(count: int) -> str:
    return ",".join("?" * count)


def _weight(key: bytes) -> int:
    """A pair's part in the sum over all pairs (AdHash, Bellare and Micciancio 1997, with SHA-512)."""
    return int.from_bytes(hashlib.sha512(key).digest(), "big")


def _asked(request: bytes) -> str:
    name, arguments, raw = value_of(request)
    return storable(arguments_text(ToolCall("", name, arguments, raw)))

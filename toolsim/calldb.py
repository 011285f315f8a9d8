"""The database of recorded pairs of call and result: exact keys in SQLite, words in a lexical index beside the file.

Only what a recording holds can be added (`recorded_calls`); answers of a simulator have no way in. A pair's identity
is its content, so adding twice adds nothing. Request and response are kept once per content, compressed.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlite_utils
import zstandard

from toolsim import callschema
from toolsim.errors import CallDatabaseError
from toolsim.lexical import Document, Filters, LexicalIndex
from toolsim.trajectory import ToolCall, ToolResult, Trajectory, call_pairs, canonical_json, content_hash

_BATCH = 2_000
_LEVEL = 1
_MAX_BODY = 1 << 30
_INSERT = (
    "insert into calls (key, exact_key, session, lineage, repo, agent, tool, arguments_text, at, cwd, position,"
    " request, response) values (:key, :exact_key, :session, :lineage, :repo, :agent, :tool, :arguments_text, :at,"
    " :cwd, :position, :request, :response)"
)
_TEXT_LIMIT = 4_000
_TALK = frozenset({"description", "explanation", "justification", "thought", "toolSummary", "sideEffects"})
_ENCODE = json.JSONEncoder(sort_keys=True).encode
_COMMANDS = ("command", "cmd", "script", "CommandLine")
_COLUMNS = (
    "c.seq, c.key, c.session, c.lineage, c.repo, c.agent, c.tool, c.arguments_text, c.at, c.cwd, c.position,"
    " q.body as request, r.body as response"
)
_FROM = "from calls c join bodies q on q.id = c.request join bodies r on r.id = c.response"


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One recorded call with its result. `at` is when the result was there (Unix seconds), `position` the item index
    of the call in its session. `score` is set on what `search` found: higher is nearer.
    """

    session: str
    lineage: str
    repo: str | None
    agent: str
    tool: str
    call: ToolCall
    arguments_text: str
    result: ToolResult
    at: float | None
    cwd: str | None
    position: int
    score: float | None = field(default=None, compare=False)


def recorded_calls(trajectory: Trajectory, repo_name: str | None) -> Iterator[RecordedCall]:
    """The pairs of a session: calls that have a recorded result, with the directory that the agent was in."""
    session = trajectory.session
    for pair in call_pairs(trajectory.items):
        if pair.result is None or pair.result_position is None:
            continue
        asked, answered = trajectory.items[pair.position], trajectory.items[pair.result_position]
        yield RecordedCall(
            session=session.id, lineage=session.lineage, repo=repo_name, agent=session.agent, tool=pair.call.name,
            call=pair.call, arguments_text=arguments_text(pair.call), result=pair.result,
            at=answered.at if answered.at is not None else asked.at,
            cwd=getattr(asked, "cwd", None) or session.cwd, position=pair.position,
        )  # fmt: skip


def arguments_text(call: ToolCall) -> str:
    """What a call asks, as one searchable text: the command, the raw text, or names and values."""
    for name in _COMMANDS:
        value = call.arguments.get(name)
        if isinstance(value, str):
            return value[:_TEXT_LIMIT]
        if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
            return " ".join(value)[:_TEXT_LIMIT]
    if not call.arguments:
        return (call.raw or "")[:_TEXT_LIMIT]
    lines = [f"{k}: {_short(v)}" for k, v in sorted(call.arguments.items()) if v is not None and k not in _TALK]
    return "\n".join(lines)[:_TEXT_LIMIT]


def call_key(tool: str, arguments: Any, cwd: str | None) -> str:
    """The exact key of a call: hex SHA-256 of tool, arguments and directory.

    Absent and null arguments are the same, the agent's own comments on the call do not count, and neither does white
    space at the ends of a text.
    """
    return content_hash([tool, _normal(arguments), cwd])


class CallDatabase:
    """A pair database. Use as a context manager, or call `close`. One writer at a time, any number of readers.

    Raises:
        CallDatabaseError: the file is missing (with `create=False`), locked, of another program or version, or torn;
            said by every method that touches it.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = Path(path)
        self._create = create
        self._lock = threading.RLock()
        self._database: sqlite_utils.Database | None = None
        self._index: LexicalIndex | None = None

    def __enter__(self) -> CallDatabase:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close file and index."""
        with self._lock:
            if self._database is not None:
                self._database.close()
            self._database = None
            self._index = None

    def add(self, pairs: Iterable[RecordedCall]) -> int:
        """Keep recorded pairs; returns how many are new."""
        added = 0
        with self._lock, self._named():
            todo = iter(pairs)
            while batch := list(islice(todo, _BATCH)):
                added += self._add(batch)
        return added

    def exact(
        self, key: str, *, repo: str | None = None, before: float | None = None, not_lineage: str | None = None
    ) -> tuple[RecordedCall, ...]:
        """All pairs whose `call_key` is `key`, by time, then identity; with `before` only those of an earlier time."""
        where, values = ["c.exact_key = :exact"], {"exact": bytes.fromhex(key)}
        named = {"c.repo = :repo": repo, "c.at < :before": before, "c.lineage <> :lineage": not_lineage}
        for condition, value in named.items():
            if value is not None:
                where.append(condition)
                values[condition.partition(":")[2]] = value  # type: ignore[assignment]
        return tuple(
            _pair(row) for row in self._rows(f"{_columns()} where {' and '.join(where)} order by c.at, c.key", values)
        )

    def search(  # noqa: PLR0913  the conditions of a search, all by name
        self,
        text: str,
        *,
        tool: str | None = None,
        repo: str | None = None,
        before: float | None = None,
        not_lineage: str | Sequence[str] | None = None,
        limit: int = 8,
        responses: bool = False,
        undated: bool = False,
    ) -> tuple[RecordedCall, ...]:
        """The pairs whose arguments share most words with `text`, best first, ties by key.

        `before` keeps pairs of an earlier recorded time (Unix seconds), with `undated` those without time too;
        `not_lineage` (one or several) leaves out a session with all that shares its history; `responses` also looks
        into results.
        """
        if limit < 1:
            return ()
        left_out = (not_lineage,) if isinstance(not_lineage, str) else tuple(not_lineage or ())
        filters = Filters(tool, repo, before, left_out, undated)
        with self._lock, self._named():
            found = self._current_index().search(text, filters, limit, responses=responses)
            rows = {row["seq"]: row for row in self._of([seq for seq, _ in found])}
        return tuple(_pair(rows[seq], score) for seq, score in found if seq in rows)

    def count(self) -> int:
        """The number of pairs."""
        return int(self._rows("select count(*) as n from calls")[0]["n"])

    def hash(self) -> str:
        """Hex SHA-256 over the identities of all pairs, whatever the order they came in."""
        digest = hashlib.sha256(b"calls")
        with self._lock, self._named():
            for (key,) in self.db.execute("select key from calls order by key"):
                digest.update(key)
        return digest.hexdigest()

    def file_under(self, repos: Mapping[str, str]) -> int:
        """File the pairs of sessions whose recording names no repository under `owner/name`, by session id.

        Identities do not change, so adding the same pairs again adds nothing. Returns how many pairs moved.
        """
        moved = 0
        with self._lock, self._named(), self.db.atomic():
            for session, repo in repos.items():
                sql = "update calls set repo = ? where session = ? and repo is null"
                moved += self.db.execute(sql, [repo, session]).rowcount
            if moved:
                callschema.note_purge(self.db)
        return moved

    def purge(self, session_id: str) -> int:
        """Remove a session's pairs for good, and every request and response that no other pair has; returns how many.

        The file is rewritten, so that nothing of them stays in free pages, and the index is made anew when next used.
        """
        with self._lock, self._named():
            self.db.execute("pragma secure_delete=on")
            with self.db.atomic():
                removed = self.db.execute("delete from calls where session = ?", [session_id]).rowcount
                self.db.execute(
                    "delete from bodies where id not in"
                    " (select request from calls union all select response from calls)"
                )
                callschema.note_purge(self.db)
            if self._index is not None:
                self._index.close()
                self._index = None
            LexicalIndex.remove(self._index_path())
            self.db.vacuum()
            self.db.execute("pragma wal_checkpoint(truncate)")
        return int(removed)

    def refresh(self) -> None:
        """Bring the index up to date now instead of at the next search."""
        with self._lock, self._named():
            self._current_index()

    @property
    def db(self) -> sqlite_utils.Database:
        """The open database, made or brought to the current version when first used."""
        with self._lock:
            if self._database is None:
                with self._named():
                    self._database = callschema.open_database(self.path, create=self._create)
            return self._database

    def _index_path(self) -> Path:
        return self.path.with_suffix(".index")

    def _current_index(self) -> LexicalIndex:
        if self._index is None:
            self._index = LexicalIndex(self._index_path())
        self._index.update(callschema.state(self.db), self._documents)
        return self._index

    def _documents(self, after: int) -> Iterator[Document]:
        rows = self.db.query(
            "select c.seq, c.key, c.tool, c.repo, c.lineage, c.at, c.arguments_text, r.body as response"
            " from calls c join bodies r on r.id = c.response where c.seq > ? order by c.seq",
            [after],
        )
        for row in rows:
            yield Document(
                row["seq"], row["key"], row["tool"], row["repo"], row["lineage"], row["at"], row["arguments_text"],
                str(_unpack(row["response"])["content"]),
            )  # fmt: skip

    def _add(self, batch: Sequence[RecordedCall]) -> int:
        bodies: dict[bytes, bytes] = {}
        rows = {row["key"]: row for row in (_row(pair, bodies) for pair in batch)}
        with self.db.atomic():
            known = self._among("select key, seq from calls where key in", list(rows))
            fresh = [row for key, row in rows.items() if key not in known]
            places = self._keep_bodies({row[n]: bodies[row[n]] for row in fresh for n in ("request", "response")})
            for row in fresh:
                row.update(request=places[row["request"]], response=places[row["response"]])
            self.db.conn.executemany(_INSERT, fresh)
        return len(fresh)

    def _keep_bodies(self, bodies: dict[bytes, bytes]) -> dict[bytes, int]:
        """Store the texts that are new; the row of each by its hash."""
        known = self._among("select hash, id from bodies where hash in", list(bodies))
        compress = zstandard.ZstdCompressor(level=_LEVEL).compress
        place = int(self.db.execute("select coalesce(max(id), 0) from bodies").fetchone()[0])
        fresh = [hash_ for hash_ in bodies if hash_ not in known]
        rows = [(n, hash_, compress(bodies[hash_])) for n, hash_ in enumerate(fresh, place + 1)]
        self.db.conn.executemany("insert into bodies (id, hash, body) values (?, ?, ?)", rows)
        return known | {hash_: n for n, hash_, _ in rows}

    def _among(self, select: str, values: Sequence[bytes]) -> dict[bytes, int]:
        marks = ",".join("?" * len(values))
        return dict(self.db.execute(f"{select} ({marks})", list(values)).fetchall())

    def _of(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        marks = ",".join("?" * len(numbers))
        return self._rows(f"{_columns()} where c.seq in ({marks})", list(numbers))

    def _rows(self, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        with self._lock, self._named():
            return list(self.db.query(sql, parameters))

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise CallDatabaseError(f"cannot use the pair database {self.path}: {error}") from error
        except OSError as error:
            raise CallDatabaseError(f"cannot use the pair database {self.path}: {error.strerror or error}") from error


def _columns() -> str:
    return f"select {_COLUMNS} {_FROM}"


def _row(pair: RecordedCall, bodies: dict[bytes, bytes]) -> dict[str, Any]:
    request = _ENCODE(_fields(pair.call)).encode("ascii")
    response = _ENCODE(_fields(pair.result)).encode("ascii")
    names = [hashlib.sha256(body).digest() for body in (request, response)]
    bodies.update(zip(names, (request, response), strict=True))
    about = [pair.session, pair.lineage, pair.repo, pair.agent, pair.tool, pair.at, pair.cwd, pair.position]
    key = hashlib.sha256(canonical_json(about).encode("utf-8", "surrogatepass") + names[0] + names[1]).digest()
    return {
        "key": key, "exact_key": bytes.fromhex(call_key(pair.tool, pair.call.arguments or pair.call.raw, pair.cwd)),
        "session": _text(pair.session), "lineage": _text(pair.lineage), "repo": pair.repo and _text(pair.repo),
        "agent": _text(pair.agent), "tool": _text(pair.tool), "arguments_text": _text(pair.arguments_text),
        "at": pair.at, "cwd": pair.cwd and _text(pair.cwd), "position": pair.position,
        "request": names[0], "response": names[1],
    }  # fmt: skip


def _fields(value: ToolCall | ToolResult) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _pair(row: dict[str, Any], score: float | None = None) -> RecordedCall:
    return RecordedCall(
        row["session"], row["lineage"], row["repo"], row["agent"], row["tool"],
        ToolCall(**_unpack(row["request"])), row["arguments_text"], ToolResult(**_unpack(row["response"])),
        row["at"], row["cwd"], row["position"], score,
    )  # fmt: skip


def _unpack(body: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(zstandard.ZstdDecompressor().decompress(body, max_output_size=_MAX_BODY))
    except (zstandard.ZstdError, ValueError) as error:
        raise CallDatabaseError(f"a stored pair cannot be read, the pair database is torn: {error}") from error
    return found


def _text(text: str) -> str:
    """Text that SQLite takes: halves of surrogate pairs (broken recordings) become question marks."""
    if text.isascii():
        return text
    with suppress(UnicodeEncodeError):
        text.encode("utf-8")
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def _short(value: Any) -> str:
    return (value if isinstance(value, str) else canonical_json(value))[:_TEXT_LIMIT]


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict):
        return {k: _normal(v) for k, v in value.items() if v is not None and k not in _TALK}
    return [_normal(v) for v in value] if isinstance(value, (list, tuple)) else value

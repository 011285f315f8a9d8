"""Recorded pairs of call and result: out of a session, and as rows of the pair database and back.

A pair's identity is its content. Request and response are JSON texts without ids and times, so that equal ones are
one text; ids, times and what is looked for are columns.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias

import orjson
import zstandard

from toolsim.errors import CallDatabaseError
from toolsim.trajectory import ToolCall, ToolResult, Trajectory, call_pairs, canonical_json, content_hash

NAME_BYTES = 16
"""So many bytes of SHA-256 name a pair, a text and an exact key."""
INSERT = (
    "insert into calls (key, exact_key, arguments_text, session, lineage, repo, agent, tool, cwd, call_id, recorded_id,"
    " at, position, duration, request, response) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_BATCH = 2_000
_MAKERS = 2
_LEVEL = 1
_MAX_BODY = 1 << 30
_TEXT_LIMIT = 4_000
_OWN = threading.local()
_TALK = frozenset({"description", "explanation", "justification", "thought", "toolSummary", "sideEffects"})
_COMMANDS = ("command", "cmd", "script", "CommandLine")


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


Row: TypeAlias = tuple[Any, ...]
"""The values of `INSERT`, with the hashes of request and response in the place of their rows."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch that is ready to be kept: rows by key, compressed texts by hash."""

    rows: dict[bytes, Row]
    bodies: dict[bytes, bytes]


def batches(pairs: Iterable[RecordedCall]) -> Iterator[Prepared]:
    """Batches in order, made in other threads while the ones before them are written."""
    todo = iter(pairs)
    with ThreadPoolExecutor(_MAKERS) as makers:
        coming: deque[Future[Prepared]] = deque()
        while True:
            while len(coming) <= _MAKERS and (batch := list(islice(todo, _BATCH))):
                coming.append(makers.submit(_prepared, batch))
            if not coming:
                return
            yield coming.popleft().result()


def _prepared(batch: Sequence[RecordedCall]) -> Prepared:
    bodies: dict[bytes, bytes] = {}
    rows = {row[0]: row for row in (_row(pair, bodies) for pair in batch)}
    compress = zstandard.ZstdCompressor(level=_LEVEL).compress
    return Prepared(rows, {name: compress(body) for name, body in bodies.items()})


def _row(pair: RecordedCall, bodies: dict[bytes, bytes]) -> Row:
    call, result = pair.call, pair.result
    request = _encoded([call.name, call.arguments, call.raw])
    response = _encoded([result.content, result.is_error, result.exit_code, result.images, result.structured])
    asked, answered = _name(request), _name(response)
    bodies[asked], bodies[answered] = request, response
    texts = (pair.session, pair.lineage, pair.repo, pair.agent, pair.tool, pair.cwd, call.id, call.recorded_id)
    about = [*(text and storable(text) for text in texts), pair.at, pair.position, result.duration]
    key = _name(_encoded(about) + asked + answered)
    exact = bytes.fromhex(call_key(pair.tool, call.arguments or call.raw, pair.cwd))[:NAME_BYTES]
    return (key, exact, storable(pair.arguments_text), *about, asked, answered)


def pair_of(row: dict[str, Any], score: float | None = None) -> RecordedCall:
    """The pair of a row of the database, columns by name.

    Raises:
        CallDatabaseError: its texts cannot be read.
    """
    name, arguments, raw = unpacked(row["request"])
    content, is_error, exit_code, images, structured = unpacked(row["response"])
    call_id = row["call_id"]
    return RecordedCall(
        row["session"], row["lineage"], row["repo"], row["agent"], row["tool"],
        ToolCall(call_id, name, arguments, raw, row["recorded_id"]), row["arguments_text"],
        ToolResult(call_id, content, is_error, exit_code, row["duration"], images, structured),
        row["at"], row["cwd"], row["position"], score,
    )  # fmt: skip


def _name(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:NAME_BYTES]


def _encoded(value: Any) -> bytes:
    """The JSON text of a value; after a space where only Python's own encoder can write it (halves of surrogate pairs,
    integers beyond 64 bits, NaN)."""
    with suppress(TypeError):
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        if b"null" not in text or orjson.loads(text) == value:
            return text
    return b" " + json.dumps(value, sort_keys=True).encode("ascii")


def _decompressor() -> zstandard.ZstdDecompressor:
    """The one of this thread: it must not be shared."""
    found: zstandard.ZstdDecompressor | None = getattr(_OWN, "decompressor", None)
    if found is None:
        found = _OWN.decompressor = zstandard.ZstdDecompressor()
    return found


def unpacked(body: bytes) -> Any:
    """The value of a kept text.

    Raises:
        CallDatabaseError: it cannot be read.
    """
    try:
        text = _decompressor().decompress(body, max_output_size=_MAX_BODY)
        return json.loads(text) if text.startswith(b" ") else orjson.loads(text)
    except (zstandard.ZstdError, ValueError) as error:
        raise CallDatabaseError(f"a stored pair cannot be read, the pair database is torn: {error}") from error


def storable(text: str) -> str:
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

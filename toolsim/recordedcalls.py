"""Recorded pairs of call and result: out of a session, and as rows of the pair database and back.

A pair's identity is its content. Request and response are JSON texts without ids and times, so that equal ones are
one text; ids, times and what is looked for are columns.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
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
_BATCH = 2_048
_AHEAD = 2
_LEVEL = 1
_BLOCK = 32 << 10
_LINES = 1 << 12
_MAX_BLOCK = 1 << 30
_TEXT_LIMIT = 4_000
_OWN = threading.local()
_TALK = frozenset({"description", "explanation", "justification", "thought", "toolSummary", "sideEffects"})
_PLAIN = frozenset({str, int, bool, type(None)})
_LISTS = frozenset({list, tuple})
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
    return _exact_key(tool, arguments, cwd).hex()


def _exact_key(tool: str, arguments: Any, cwd: str | None) -> bytes:
    normal = _normal(arguments)
    if _finite(normal):
        with suppress(TypeError):
            text = orjson.dumps(normal, option=orjson.OPT_SORT_KEYS)
            return hashlib.sha256(orjson.dumps((tool, cwd)) + text).digest()
    return bytes.fromhex(content_hash([tool, normal, cwd]))


_SHARED, _TEXTS = 6, 8
Row: TypeAlias = tuple[Any, ...]
"""key, exact key, session, lineage, repo, agent, tool, cwd, arguments (`None`: those that `arguments_text` gives), call
id, recorded id, at, position, duration, and the hashes of request and response."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch that is ready to be kept: rows by key, JSON texts by hash, requests first, so that an index need not
    read the others; `whole` if each text is of one of the rows.
    """

    rows: dict[bytes, Row]
    bodies: dict[bytes, bytes]
    whole: bool = True


def batches(pairs: Iterable[RecordedCall]) -> Generator[Prepared | None, None, None]:
    """Batches in order, made in another thread while the ones before them are written; where `pairs` fails, first those
    that came before, then `None`, so that they can be kept, then its error.
    """
    todo = iter(pairs)
    with ThreadPoolExecutor(1) as maker:
        coming: deque[Future[Prepared]] = deque()
        while True:
            try:
                while len(coming) < _AHEAD and (batch := list(islice(todo, _BATCH))):
                    coming.append(maker.submit(_prepared, batch))
            except BaseException:
                yield from (made.result() for made in coming)
                yield None
                raise
            if not coming:
                return
            yield coming.popleft().result()


def _prepared(batch: Sequence[RecordedCall]) -> Prepared:
    asked: dict[bytes, bytes] = {}
    answered: dict[bytes, bytes] = {}
    rows = {row[0]: row for row in (_row(pair, asked, answered) for pair in batch)}
    return Prepared(rows, asked | answered)


def _row(pair: RecordedCall, requests: dict[bytes, bytes], responses: dict[bytes, bytes]) -> Row:
    call, result = pair.call, pair.result
    arguments = call.arguments
    request = _encoded((call.name,), arguments, (call.raw,))
    response = _encoded((result.content, result.is_error, result.exit_code, result.images), result.structured)
    asked, answered = name_of(request), name_of(response)
    requests[asked], responses[answered] = request, response
    about: tuple[Any, ...] = (
        pair.session, pair.lineage, pair.repo, pair.agent, pair.tool, pair.cwd, call.id, call.recorded_id, pair.at,
        pair.position, result.duration,
    )  # fmt: skip
    try:
        named = orjson.dumps(about)
    except TypeError:  # halves of surrogate pairs
        about = (*map(_storable, about[:_TEXTS]), *about[_TEXTS:])
        named = orjson.dumps(about)
    key = name_of(named + asked + answered)
    exact = _exact_key(pair.tool, arguments or call.raw, pair.cwd)[:NAME_BYTES]
    derived = arguments_text(call) == pair.arguments_text
    text = None if derived else storable(pair.arguments_text)
    return (key, exact, *about[:_SHARED], text, *about[_SHARED:], asked, answered)


def _storable(text: str | None) -> str | None:
    return text if text is None or text.isascii() else storable(text)


def pair_of(row: Mapping[str, Any], request: Any, response: Any, score: float | None = None) -> RecordedCall:
    """The pair of a row of the database, columns by name, with the values of its two texts."""
    name, arguments, raw = request
    content, is_error, exit_code, images, structured = response
    call_id, kept = row["call_id"], row["arguments_text"]
    call = ToolCall(call_id, name, arguments, raw, row["recorded_id"])
    return RecordedCall(
        row["session"], row["lineage"], row["repo"], row["agent"], row["tool"],
        call, arguments_text(call) if kept is None else kept,
        ToolResult(call_id, content, is_error, exit_code, row["duration"], images, structured),
        row["at"], row["cwd"], row["position"], score,
    )  # fmt: skip


def name_of(body: bytes) -> bytes:
    """What names a text."""
    return hashlib.sha256(body).digest()[:NAME_BYTES]


def _encoded(before: tuple[Any, ...], doubtful: Any, after: tuple[Any, ...] = ()) -> bytes:
    """The JSON text of a list, without line breaks; after a space where only Python's own encoder can write it (halves
    of surrogate pairs, integers beyond 64 bits, NaN). NaN may stand in the doubtful part only.
    """
    if _finite(doubtful):
        with suppress(TypeError):
            return orjson.dumps((*before, doubtful, *after), option=orjson.OPT_SORT_KEYS)
    return b" " + json.dumps([*before, doubtful, *after], sort_keys=True).encode("ascii")


def _finite(value: Any) -> bool:
    """Whether a JSON value is without NaN and infinities, of which orjson makes null."""
    kind = type(value)
    if kind in _PLAIN:
        return True
    if kind is float:
        return math.isfinite(value)
    within = value.values() if kind is dict else value if kind in _LISTS else None
    return within is not None and (_PLAIN.issuperset(map(type, within)) or all(map(_finite, within)))


def in_blocks(bodies: Iterable[bytes]) -> list[list[bytes]]:
    """The texts in order, shared out to blocks that are compressed together; a long text does not make others slow to
    read.
    """
    blocks, lines, size = list[list[bytes]](), list[bytes](), 0
    for body in bodies:
        length = len(body)
        if lines and (size >= _BLOCK or length > _BLOCK or len(lines) == _LINES):
            blocks.append(lines)
            lines, size = [], 0
        lines.append(body)
        size += length
    return [*blocks, lines] if lines else blocks


def squeezed(blocks: Sequence[Sequence[bytes]]) -> list[bytes]:
    """The blocks, one text a line, compressed, with checksums; all in one step without the interpreter's lock."""
    if not blocks:
        return []
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    made = compressor.multi_compress_to_buffer([b"\n".join(lines) for lines in blocks], threads=1)
    return [made[n].tobytes() for n in range(len(made))]


def lines_of(block: bytes, last: int = -2) -> list[bytes]:
    """The texts of a kept block, one by one up to the line `last`, if one is given; what follows it comes as one text.

    Raises:
        CallDatabaseError: it cannot be read.
    """
    try:
        return _decompressor().decompress(block, max_output_size=_MAX_BLOCK).split(b"\n", last + 1)
    except zstandard.ZstdError as error:
        raise _torn(error) from error


def value_of(body: bytes) -> Any:
    """The value of a text.

    Raises:
        CallDatabaseError: it cannot be read.
    """
    try:
        return json.loads(body) if body.startswith(b" ") else orjson.loads(body)
    except ValueError as error:
        raise _torn(error) from error


def _torn(error: Exception) -> CallDatabaseError:
    return CallDatabaseError(f"a stored pair cannot be read, the pair database is torn: {error}")


def _decompressor() -> zstandard.ZstdDecompressor:
    """The one of this thread: it must not be shared."""
    found: zstandard.ZstdDecompressor | None = getattr(_OWN, "decompressor", None)
    if found is None:
        found = _OWN.decompressor = zstandard.ZstdDecompressor()
    return found


def storable(text: str) -> str:
    """Text that SQLite takes: halves of surrogate pairs (broken recordings) become question marks."""
    if text.isascii():
        return text
    with suppress(UnicodeEncodeError):
        text.encode("utf-8")
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def _short(value: Any) -> str:
    if isinstance(value, str):
        return value[:_TEXT_LIMIT]
    return str(value) if type(value) is int else canonical_json(value)[:_TEXT_LIMIT]


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict):
        return {
            k: v.strip() if type(v) is str else _normal(v) for k, v in value.items() if v is not None and k not in _TALK
        }
    return [_normal(v) for v in value] if isinstance(value, (list, tuple)) else value

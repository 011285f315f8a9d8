"""Recorded files as bytes and JSON: decompression, lines with numbers, limits; knows no session format.

Everything that cannot be read comes back as a `Skipped` that names place and reason; only `OSError` is raised.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import zstandard

from harness.importers.base import Skipped
from toolsim.trajectory import JsonObject

HEAD_BYTES = 64 * 1024
MAX_LINE_BYTES = 64 * 1024 * 1024
MAX_DOCUMENT_BYTES = 512 * 1024 * 1024
MAX_UNPACKED_BYTES = 4 * 1024 * 1024 * 1024
MAX_DEPTH = 120

_CHUNK = 1024 * 1024
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_BOM = b"\xef\xbb\xbf"
_GLUED = re.compile(rb'(?<=[^:,\[\s])(?=\{"(?:type|parentUuid|timestamp|uuid|sessionId)":)')
_UNPACK_ERRORS = (zlib.error, EOFError, gzip.BadGzipFile, zstandard.ZstdError)


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON object of a JSONL file; `line` is 1-based."""

    line: int
    value: JsonObject


class Damaged(ValueError):
    """JSON that cannot be used; the message is the reason in one sentence."""


@contextmanager
def open_unpacked(path: Path) -> Iterator[io.BufferedIOBase]:
    """The file's bytes, gzip and zstd unpacked by content, not by name."""
    with path.open("rb") as stream:
        magic = stream.read(4)
        stream.seek(0)
        if magic.startswith(_GZIP):
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield unpacked
        elif magic.startswith(_ZSTD):
            unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 27)
            with unpacker.stream_reader(stream, read_across_frames=True, closefd=False) as reader:
                yield cast("io.BufferedIOBase", reader)
        else:
            yield stream


def read_head(path: Path, size: int = HEAD_BYTES) -> bytes:
    """Up to `size` first bytes, unpacked, without byte order mark; what is damaged ends the head.

    Raises:
        OSError: the file cannot be read.
    """
    data = b""
    try:
        with open_unpacked(path) as stream:
            while len(data) < size and (chunk := stream.read1(size - len(data))):
                data += chunk
    except _UNPACK_ERRORS:
        pass
    return data.removeprefix(_BOM)


def read_lines(path: Path) -> Iterator[tuple[int, bytes] | Skipped]:
    """Lines with 1-based numbers, without line ends; longer ones than `MAX_LINE_BYTES` are named and passed over."""
    number, kept, length, total = 1, io.BytesIO(), 0, 0
    try:
        with open_unpacked(path) as stream:
            while chunk := stream.read1(_CHUNK):
                total += len(chunk)
                if total > MAX_UNPACKED_BYTES:
                    yield Skipped(
                        str(path), f"line {number}", f"rest unread: unpacks to over {_size(MAX_UNPACKED_BYTES)}"
                    )
                    return
                *complete, rest = chunk.split(b"\n")
                for part in complete:
                    yield _line(path, number, kept, length, part)
                    number, kept, length = number + 1, io.BytesIO(), 0
                length += len(rest)
                if length <= MAX_LINE_BYTES:
                    kept.write(rest)
    except _UNPACK_ERRORS as error:
        yield Skipped(str(path), f"line {number}", f"rest unread: damaged compressed data ({error})")
    if length:
        yield _line(path, number, kept, length, b"")


def read_records(path: Path) -> Iterator[Record | Skipped]:
    """The JSON objects of a JSONL file; blank lines are nothing, damaged lines become `Skipped`."""
    for line in read_lines(path):
        if isinstance(line, Skipped):
            yield line
            continue
        number, data = line
        if number == 1:
            data = data.removeprefix(_BOM)
        if not data.strip():
            continue
        for value in values_of(data):
            if isinstance(value, dict):
                yield Record(number, value)
            elif isinstance(value, Damaged):
                yield Skipped(str(path), f"line {number}", str(value))
            else:
                yield Skipped(str(path), f"line {number}", f"a JSON {type(value).__name__} instead of an object")


def read_document(path: Path) -> Any | Skipped:
    """The one JSON value of a whole file."""
    data = bytearray()
    try:
        with open_unpacked(path) as stream:
            while chunk := stream.read1(_CHUNK):
                data += chunk
                if len(data) > MAX_DOCUMENT_BYTES:
                    return Skipped(str(path), "file", f"JSON document over {_size(MAX_DOCUMENT_BYTES)}")
    except _UNPACK_ERRORS as error:
        return Skipped(str(path), "file", f"damaged compressed data ({error})")
    try:
        return parse_json(bytes(data).removeprefix(_BOM))
    except Damaged as error:
        return Skipped(str(path), "file", str(error))


def parse_json(data: bytes | str) -> Any:
    """One JSON value that can be stored again: finite numbers, no lone surrogates, at most `MAX_DEPTH` deep.

    Not-a-number and infinite values become their names as text; lone surrogates become U+FFFD.

    Raises:
        Damaged: no such value.
    """
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    try:
        value = json.loads(text, parse_constant=str, parse_float=_finite)
    except RecursionError as error:
        raise Damaged("JSON nested too deeply") from error
    except ValueError as error:
        reason = "not JSON" if "\x00" not in text else "binary data, not JSON"
        detail = error.msg + f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise Damaged(f"{reason}: {detail}") from error
    if (text.count("{") + text.count("[")) > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise Damaged(f"JSON nested over {MAX_DEPTH} levels")
    return _without_surrogates(value) if "\\ud" in text or "\\uD" in text else value


def values_of(data: bytes) -> list[Any]:
    """The value of a line, or those of a line that another one was appended to; what is damaged as `Damaged`."""
    try:
        return [parse_json(data)]
    except Damaged as error:
        pieces = _GLUED.split(data)
        return [error] if len(pieces) == 1 else [_value_or_damage(piece) for piece in pieces]


def _value_or_damage(data: bytes) -> Any:
    try:
        return parse_json(data)
    except Damaged as error:
        return error


def _line(path: Path, number: int, kept: io.BytesIO, length: int, last: bytes) -> tuple[int, bytes] | Skipped:
    length += len(last)
    if length > MAX_LINE_BYTES:
        return Skipped(
            str(path), f"line {number}", f"line of {_size(length)}, over the limit of {_size(MAX_LINE_BYTES)}"
        )
    return number, kept.getvalue() + last


def _finite(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [child for container in level for child in _children(container)]
        if not level:
            return False
    return True


def _children(container: Any) -> list[Any]:
    values = container.values() if isinstance(container, dict) else container if isinstance(container, list) else ()
    return [value for value in values if isinstance(value, dict | list)]


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def _size(count: int) -> str:
    return f"{count / (1024 * 1024):.0f} MiB"

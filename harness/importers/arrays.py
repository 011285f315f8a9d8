"""The objects of one large JSON array, one at a time: as much of the file is held as one object needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from harness.importers.base import Skipped
from harness.importers.reading import MAX_LINE_BYTES, Damaged, Record, open_unpacked, parse_json

_CHUNK = 1 << 20
_DECODER = json.JSONDecoder()


def is_array(path: Path) -> bool:
    """Whether the file begins as a JSON array."""
    with open_unpacked(path) as stream:
        return stream.read1(256).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"["


def read_array(path: Path) -> Iterator[Record | Skipped]:
    """Its objects with their numbers from 1; damage ends the reading and is named."""
    with open_unpacked(path) as stream:
        buffer, number, at_end, wanted = "", 0, False, 0
        pending = b""
        started = False
        while True:
            if not at_end and len(buffer) <= wanted:
                chunk = stream.read1(_CHUNK)
                at_end = not chunk
                text, pending = _decoded(pending + chunk, last=at_end)
                buffer += text
            if not started:
                buffer = buffer.lstrip("\ufeff \t\r\n")[1:]
                started = True
            buffer = buffer.lstrip(" \t\r\n,")
            if buffer.startswith("]"):
                return
            try:
                _, end = _DECODER.raw_decode(buffer)
            except (ValueError, RecursionError):
                if at_end or len(buffer) > MAX_LINE_BYTES:
                    yield Skipped(str(path), f"row {number + 1}", "rest unread: the array is damaged or cut off here")
                    return
                wanted = max(len(buffer), 2 * wanted)  # an object over several chunks is parsed few times
                continue
            number, wanted = number + 1, 0
            yield _row(path, buffer[:end], number)
            buffer = buffer[end:]


def _row(path: Path, text: str, number: int) -> Record | Skipped:
    try:
        value = parse_json(text)
    except Damaged as error:
        return Skipped(str(path), f"row {number}", str(error))
    if not isinstance(value, dict):
        return Skipped(str(path), f"row {number}", f"a JSON {type(value).__name__} instead of an object")
    return Record(number, value)


def _decoded(data: bytes, *, last: bool) -> tuple[str, bytes]:
    """The text of the bytes but for a character that is cut at their end."""
    if last:
        return data.decode("utf-8", "replace"), b""
    for back in range(min(4, len(data)) + 1):
        try:
            return data[: len(data) - back].decode("utf-8"), data[len(data) - back :]
        except UnicodeDecodeError as error:
            if error.end < len(data) - back or back == 4:
                return data.decode("utf-8", "replace"), b""
    return data.decode("utf-8", "replace"), b""

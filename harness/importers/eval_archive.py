"""The members of an `.eval` archive as bytes: a zip whose members may be zstd-compressed, also one that was cut off.

Python's `zipfile` before 3.14 cannot unpack method 93 (zstd), so members are found by it and unpacked here, each up to
a size limit. Without a central directory (a writer that crashed) the local headers are followed from the start.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from harness.importers.reading import MAX_DOCUMENT_BYTES, Damaged

_LOCAL = struct.Struct("<4s5H3I2H")
_SIGNATURE = b"PK\x03\x04"
_STORED, _DEFLATED, _ZSTD = 0, 8, 93
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """A file in the archive: `offset` is that of its local header, `size` that of its packed bytes."""

    name: str
    offset: int
    size: int
    method: int
    encrypted: bool = False


def members(path: Path) -> tuple[Member, ...]:
    """The members in their order in the file; the later of two with one name counts.

    Raises:
        OSError: the file cannot be read.
        Damaged: it is no zip archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = [
                Member(
                    info.filename, info.header_offset, info.compress_size, info.compress_type, bool(info.flag_bits & 1)
                )
                for info in archive.infolist()
            ]
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, ValueError, struct.error):
        with path.open("rb") as stream:
            found = list(_scan(stream))
    if not found:
        raise Damaged("no zip archive, or one without any member")
    return tuple({member.name: member for member in found}.values())


def unpack(path: Path, member: Member, limit: int = MAX_DOCUMENT_BYTES) -> bytes:
    """The bytes of a member.

    Raises:
        OSError: the file cannot be read.
        Damaged: the data is damaged, encrypted, of an unknown method or unpacks to more than `limit` bytes.
    """
    if member.encrypted:
        raise Damaged("an encrypted member")
    with path.open("rb") as stream:
        stream.seek(member.offset)
        header = _header(stream)
        if header is None:
            raise Damaged("no member where the directory says there is one")
        stream.seek(member.offset + _LOCAL.size + header[9] + header[10])
        try:
            data = b"".join(_inflate(stream, member, limit))
        except (zlib.error, zstandard.ZstdError, EOFError) as error:
            raise Damaged(f"damaged compressed data ({error})") from error
    if len(data) > limit:
        raise Damaged(f"unpacks to over {limit >> 20} MiB")
    return data


def _inflate(stream: BinaryIO, member: Member, limit: int) -> Iterator[bytes]:
    """Unpacked pieces; ends soon after `limit` bytes."""
    packed = _Window(stream, member.size)
    total = 0
    if member.method == _STORED:
        pieces = iter(lambda: packed.read(_CHUNK), b"")
    elif member.method == _DEFLATED:
        pieces = _deflated(packed)
    elif member.method == _ZSTD:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
            cast("BinaryIO", packed), read_across_frames=True
        )
        pieces = iter(lambda: reader.read(_CHUNK), b"")
    else:
        raise Damaged(f"compression method {member.method}, which is not known here")
    for piece in pieces:
        total += len(piece)
        yield piece
        if total > limit:
            return


def _deflated(packed: _Window) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-15)
    data = packed.read(_CHUNK)
    while data:
        yield inflater.decompress(data, _CHUNK)
        data = inflater.unconsumed_tail or packed.read(_CHUNK)
    if not inflater.eof:
        raise EOFError("the data ends early")


class _Window:
    """The packed bytes of one member."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


def _header(stream: BinaryIO) -> tuple[int, ...] | None:
    data = stream.read(_LOCAL.size)
    if len(data) < _LOCAL.size or not data.startswith(_SIGNATURE):
        return None
    return tuple(_LOCAL.unpack(data))


def _scan(stream: BinaryIO) -> Iterator[Member]:
    """Members by their local headers, as far as these state their sizes."""
    stream.seek(0, 2)
    end = stream.tell()
    offset = 0
    while True:
        stream.seek(offset)
        header = _header(stream)
        if header is None:
            return
        name = stream.read(header[9]).decode("utf-8", "replace")
        size = header[7]
        start = offset + _LOCAL.size + header[9] + header[10]
        unsized = bool(header[2] & 8) and size == 0
        if unsized or start + size > end:
            return
        yield Member(name, offset, size, header[3], bool(header[2] & 1))
        offset = start + size

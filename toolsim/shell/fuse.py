"""A small FUSE server (Linux kernel protocol 7.31): files that exist only as answers, seen as they are asked for.

It serves what a sandbox needs and no more: look-ups, directory listings, whole-file reads, symbolic links, and writes
handed on in the order in which they are made. It knows nothing of worlds or shells.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_HEADER = struct.Struct("<IIQQIIIHH")
_OUT = struct.Struct("<IiQ")
_ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
_ENTRY = struct.Struct("<QQQQII")
_ATTR_OUT = struct.Struct("<QII")
_OPEN_OUT = struct.Struct("<QIi")
_IO_IN = struct.Struct("<QQIIQII")
_DIRENT = struct.Struct("<QQII")
_INIT_OUT = struct.Struct("<IIIIHHIIHHII24x")
_STATFS = struct.Struct("<QQQQQIIII24x")

_LOOKUP, _FORGET, _GETATTR, _SETATTR, _READLINK = 1, 2, 3, 4, 5
_OPEN, _READ, _WRITE, _STATFS_OP, _RELEASE, _FSYNC = 14, 15, 16, 17, 18, 20
_INIT, _OPENDIR, _READDIR, _RELEASEDIR, _FSYNCDIR = 26, 27, 28, 29, 30
_INTERRUPT, _BATCH_FORGET = 36, 42
_BIG_WRITES, _ATOMIC_TRUNCATE = 1 << 5, 1 << 3
_DIRECT_IO, _NON_SEEKABLE = 1, 4
_MAX_WRITE = 1 << 17
_VALID = 3600


@dataclass(frozen=True, slots=True)
class Node:
    """What stands at a path: `mode` with type bits, and the content of a file or the target of a link.

    A `stream` is a file that only takes writes.
    """

    mode: int
    content: bytes = b""
    stream: bool = False


DIRECTORY = Node(stat.S_IFDIR | 0o755)


class Files(Protocol):
    """What the server shows. Called from the server's own thread; must not raise."""

    def find(self, path: str) -> Node | None:
        """What stands at the absolute path; asked once for each path of one mount."""

    def listed(self, path: str, pid: int) -> None:
        """Process `pid` asks for the names in the directory."""

    def names_in(self, path: str) -> tuple[str, ...]:
        """The names of the files in the directory that a listing shows; others may be there to be looked up."""

    def opened(self, path: str) -> None:
        """A file is opened for its content."""

    def written(self, path: str, data: bytes) -> None:
        """Data written to a stream."""


class Server(threading.Thread):
    """Serves one mount through its `/dev/fuse` descriptor until the mount is gone; owns the descriptor."""

    def __init__(self, descriptor: int, files: Files) -> None:
        super().__init__(name="fuse", daemon=True)
        self._fd = descriptor
        self._files = files
        self._paths: dict[int, str] = {1: "/"}
        self._nodes: dict[int, Node] = {1: DIRECTORY}
        self._ids: dict[str, int] = {"/": 1}
        self._operations: dict[int, Callable[[int, bytes], bytes | int]] = {
            _INIT: self._init, _LOOKUP: self._lookup, _GETATTR: self._getattr, _SETATTR: self._getattr,
            _READLINK: lambda node, _: self._nodes[node].content, _OPEN: self._open, _READ: self._read,
            _WRITE: self._write, _OPENDIR: lambda *_: _OPEN_OUT.pack(0, 0, 0), _READDIR: self._readdir,
            _STATFS_OP: lambda *_: _STATFS.pack(0, 0, 0, 0, 0, 4096, 255, 4096, 0),
            **dict.fromkeys((_RELEASE, _FSYNC, _RELEASEDIR, _FSYNCDIR), lambda *_: b""),
        }  # fmt: skip

    def run(self) -> None:
        """Serve requests; ends when the kernel says that the mount is gone."""
        try:
            while True:
                try:
                    request = os.read(self._fd, _MAX_WRITE + 4096)
                except InterruptedError:
                    continue
                except OSError as error:
                    if error.errno == errno.ENOENT:  # the request was aborted before it was read
                        continue
                    return
                self._serve(request)
        finally:
            os.close(self._fd)

    def _serve(self, request: bytes) -> None:
        _, operation, unique, node, _, _, pid, _, _ = _HEADER.unpack_from(request)
        if operation in (_FORGET, _BATCH_FORGET, _INTERRUPT):
            return
        if operation == _OPENDIR:
            self._files.listed(self._paths[node], pid)
        operate = self._operations.get(operation)
        answer = errno.ENOSYS if operate is None else operate(node, request[_HEADER.size :])
        error, data = (-answer, b"") if isinstance(answer, int) else (0, answer)
        try:
            os.write(self._fd, _OUT.pack(_OUT.size + len(data), error, unique) + data)
        except OSError as failure:
            if failure.errno not in (errno.ENOENT, errno.ENODEV):  # the asking process was killed
                raise

    def _init(self, _node: int, _body: bytes) -> bytes:
        return _INIT_OUT.pack(7, 31, 1 << 17, _BIG_WRITES | _ATOMIC_TRUNCATE, 12, 9, _MAX_WRITE, 1, 32, 0, 0, 0)

    def _lookup(self, parent: int, body: bytes) -> bytes:
        name = os.fsdecode(body.split(b"\0", 1)[0])
        path = f"{self._paths[parent].rstrip('/')}/{name}"
        found = self._nodes[self._ids[path]] if path in self._ids else self._files.find(path)
        if found is None:
            return _ENTRY.pack(0, 0, _VALID, _VALID, 0, 0) + self._attributes(0, DIRECTORY)
        number = self._ids.setdefault(path, len(self._ids) + 1)
        self._paths[number], self._nodes[number] = path, found
        return _ENTRY.pack(number, 0, _VALID, _VALID, 0, 0) + self._attributes(number, found)

    def _attributes(self, number: int, node: Node) -> bytes:
        size = len(node.content)
        return _ATTR.pack(number, size, 0, 0, 0, 0, 0, 0, 0, node.mode, 1, 0, 0, 0, 4096, 0)

    def _getattr(self, node: int, _body: bytes) -> bytes:
        return _ATTR_OUT.pack(_VALID, 0, 0) + self._attributes(node, self._nodes[node])

    def _readdir(self, node: int, body: bytes) -> bytes:
        _, offset, size, *_ = _IO_IN.unpack_from(body)
        found = b""
        for number, name in enumerate(self._files.names_in(self._paths[node])[offset:], offset + 1):
            text = os.fsencode(name)
            entry = _DIRENT.pack(1, number, len(text), stat.S_IFREG >> 12) + text
            entry += bytes(-len(entry) % 8)
            if len(found) + len(entry) > size:
                break
            found += entry
        return found

    def _open(self, node: int, _body: bytes) -> bytes:
        if not self._nodes[node].stream:
            self._files.opened(self._paths[node])
        return _OPEN_OUT.pack(0, _DIRECT_IO | _NON_SEEKABLE if self._nodes[node].stream else 0, 0)

    def _read(self, node: int, body: bytes) -> bytes:
        _, offset, size, *_ = _IO_IN.unpack_from(body)
        return self._nodes[node].content[offset : offset + size]

    def _write(self, node: int, body: bytes) -> bytes | int:
        if not self._nodes[node].stream:
            return errno.EROFS
        size = _IO_IN.unpack_from(body)[2]
        self._files.written(self._paths[node], body[_IO_IN.size : _IO_IN.size + size])
        return struct.pack("<II", size, 0)

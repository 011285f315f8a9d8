"""A Python object as a file system of bashkit: its C interface for foreign file systems, version 1, by ctypes.

bashkit takes a file system as a capsule `bashkit.FileSystem.v1` that holds a handle and a table of C functions
(`crates/bashkit/src/interop/fs.rs` of its source). So every look-up, listing, read and write of a command is seen here
as it happens. Nothing is known here of worlds or shells.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

NAME = b"bashkit.FileSystem.v1"
VERSION = 1
FileType: TypeAlias = Literal["file", "dir", "link"]
Problem: TypeAlias = Literal[
    "other", "not found", "exists", "denied", "invalid", "is a directory", "not a directory", "not empty"
]
_TYPES: dict[FileType, int] = {"file": 0, "dir": 1, "link": 2}
_PROBLEMS: dict[Problem, int] = {
    "other": 0, "not found": 1, "exists": 2, "denied": 3, "invalid": 4, "is a directory": 5, "not a directory": 6,
    "not empty": 7,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Status:
    """What stands at a path: size in bytes, permission bits, time of change in Unix seconds."""

    type: FileType
    size: int = 0
    mode: int = 0o644
    modified: int = 0


class FileError(Exception):
    """An answer of the file system that is an error; `problem` is its kind, the text goes to bashkit."""

    def __init__(self, problem: Problem, text: str) -> None:
        super().__init__(text)
        self.problem: Problem = problem


class FileSystem(Protocol):
    """What is served. Paths are absolute and normal. Called from bashkit's threads, one call at a time.

    A `FileError` is an answer; anything else that is raised is kept (`Mounted.failure`) and ends as an error.
    """

    def read(self, path: str) -> bytes:
        """The whole file."""

    def write(self, path: str, content: bytes) -> None:
        """Replace or make a file."""

    def append(self, path: str, content: bytes) -> None:
        """Add to a file, made if it is not there."""

    def mkdir(self, path: str, recursive: bool) -> None:
        """Make a directory."""

    def remove(self, path: str, recursive: bool) -> None:
        """Remove a file or directory."""

    def stat(self, path: str) -> Status:
        """What stands at the path, links not followed."""

    def listdir(self, path: str) -> Iterable[tuple[str, Status]]:
        """The names in a directory."""

    def exists(self, path: str) -> bool:
        """Whether anything stands at the path."""

    def rename(self, path: str, target: str) -> None:
        """Move a file or directory."""

    def copy(self, path: str, target: str) -> None:
        """Copy a file."""

    def symlink(self, text: str, path: str) -> None:
        """Make a symbolic link at `path`."""

    def readlink(self, path: str) -> str:
        """The text of a symbolic link."""

    def chmod(self, path: str, mode: int) -> None:
        """Set permission bits."""


class _Text(ctypes.Structure):
    _fields_ = (("ptr", ctypes.c_void_p), ("len", ctypes.c_size_t))


class _Bytes(ctypes.Structure):
    _fields_ = (("ptr", ctypes.c_void_p), ("len", ctypes.c_size_t))


class _Error(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_uint32), ("message", _Bytes))


class _Metadata(ctypes.Structure):
    _fields_ = (
        ("file_type", ctypes.c_uint8), ("reserved", ctypes.c_uint8 * 7), ("size", ctypes.c_uint64),
        ("mode", ctypes.c_uint32), ("modified", ctypes.c_int64), ("modified_nanos", ctypes.c_uint32),
        ("created", ctypes.c_int64), ("created_nanos", ctypes.c_uint32),
    )  # fmt: skip


class _Entry(ctypes.Structure):
    _fields_ = (("name", _Bytes), ("metadata", _Metadata))


class _Entries(ctypes.Structure):
    _fields_ = (("ptr", ctypes.c_void_p), ("len", ctypes.c_size_t))


_P = ctypes.POINTER
_SELF = ctypes.c_void_p
_STATUS = ctypes.c_uint32
_ERR = _P(_Error)
_SIGNATURES: tuple[tuple[str, Any], ...] = (
    ("read_file", ctypes.CFUNCTYPE(_STATUS, _SELF, _Text, _P(_Bytes), _ERR)),
    ("write_file", ctypes.CFUNCTYPE(_STATUS, _SELF, _Text, _Text, _ERR)),
    ("append_file", ctypes.CFUNCTYPE(_STATUS, _SELF, _Text, _Text, _ERR)),
    ("mkdir", ctypes.CFUNCTYPE(_STATUS, _SELF, _Text, ctypes.c_bool, _ERR)),
    ("remove", ctypes.CFUNCTYPE(_STATUS, _SELF, _Text, ctypes.c_bool, _ERR)),
    ("stat", ctypes.CFUNCTYPE(_STATUS, _SELF, _Text, _P(_Metadata), _ERR)),
    ("read_dir", ctypes.CFUNCTYPE(_STATUS, _SELF, _Text, _P(_Entries), _ERR)),
    ("exists", ctypes.CFUNCTYPE(_STATUS, _SELF, _Text, _P(ctypes.c_bool), _ERR)),
    ("rename", ctypes.CFUNCTYPE(_STATUS, _SELF, _Text, _Text, _ERR)),
    ("copy", ctypes.CFUNCTYPE(_STATUS, _SELF, _Text, _Text, _ERR)),
    ("symlink", ctypes.CFUNCTYPE(_STATUS, _SELF, _Text, _Text, _ERR)),
    ("read_link", ctypes.CFUNCTYPE(_STATUS, _SELF, _Text, _P(_Bytes), _ERR)),
    ("chmod", ctypes.CFUNCTYPE(_STATUS, _SELF, _Text, ctypes.c_uint32, _ERR)),
    ("free_bytes", ctypes.CFUNCTYPE(None, _SELF, _Bytes)),
    ("free_dir_entries", ctypes.CFUNCTYPE(None, _SELF, _Entries)),
)
_COUNT = ctypes.CFUNCTYPE(None, _SELF)


class _Table(ctypes.Structure):
    _fields_ = tuple(_SIGNATURES)


class _Handle(ctypes.Structure):
    _fields_ = (
        ("abi_version", ctypes.c_uint32), ("reserved", ctypes.c_uint32), ("instance", ctypes.c_void_p),
        ("retain", _COUNT), ("release", _COUNT), ("vtable", _P(_Table)),
    )  # fmt: skip


class Mounted:
    """Serves `files`; must be kept as long as any shell uses its capsule. `failure` is what a call raised."""

    def __init__(self, files: FileSystem) -> None:
        self._files = files
        self._kept: dict[int, object] = {}
        self.failure: BaseException | None = None
        served = {name: kind(getattr(self, "_" + name)) for name, kind in _SIGNATURES}
        self._table = _Table(**served)
        self._count = _COUNT(lambda _: None)
        self._handle = _Handle(VERSION, 0, 1, self._count, self._count, ctypes.pointer(self._table))

    def capsule(self) -> object:
        """The handle as bashkit's `FileSystem.from_capsule` takes it."""
        make = ctypes.pythonapi.PyCapsule_New
        make.restype = ctypes.py_object
        make.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
        return make(ctypes.addressof(self._handle), NAME, None)

    def _answered(self, error: Any, work: Callable[[], None]) -> int:
        try:
            work()
        except FileError as answer:
            self._refuse(error, answer.problem, str(answer))
        except BaseException as failure:  # noqa: BLE001  nothing may pass through a C function; raised by the caller
            self.failure = self.failure or failure
            self._refuse(error, "other", "the file system failed")
        else:
            return 0
        return 1

    def _refuse(self, error: Any, problem: Problem, text: str) -> None:
        error.contents.kind = _PROBLEMS[problem]
        error.contents.message = self._keep(text.encode("utf-8", "replace"))

    def _keep(self, data: bytes) -> _Bytes:
        if not data:
            return _Bytes(None, 0)
        address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
        assert address is not None
        self._kept[address] = data
        return _Bytes(address, len(data))

    # --- the table --------------------------------------------------------------------------------------------------

    def _read_file(self, _: Any, path: _Text, out: Any, error: Any) -> int:
        def work() -> None:
            out[0] = self._keep(self._files.read(_text(path)))

        return self._answered(error, work)

    def _write_file(self, _: Any, path: _Text, content: _Text, error: Any) -> int:
        return self._answered(error, lambda: self._files.write(_text(path), _data(content)))

    def _append_file(self, _: Any, path: _Text, content: _Text, error: Any) -> int:
        return self._answered(error, lambda: self._files.append(_text(path), _data(content)))

    def _mkdir(self, _: Any, path: _Text, recursive: bool, error: Any) -> int:
        return self._answered(error, lambda: self._files.mkdir(_text(path), recursive))

    def _remove(self, _: Any, path: _Text, recursive: bool, error: Any) -> int:
        return self._answered(error, lambda: self._files.remove(_text(path), recursive))

    def _stat(self, _: Any, path: _Text, out: Any, error: Any) -> int:
        def work() -> None:
            out[0] = _metadata(self._files.stat(_text(path)))

        return self._answered(error, work)

    def _read_dir(self, _: Any, path: _Text, out: Any, error: Any) -> int:
        def work() -> None:
            found = list(self._files.listdir(_text(path)))
            entries = (_Entry * len(found))()
            names = [name.encode() for name, _ in found]
            for at, (name, (_, status)) in enumerate(zip(names, found, strict=True)):
                address = ctypes.cast(ctypes.c_char_p(name), ctypes.c_void_p).value
                entries[at] = _Entry(_Bytes(address, len(name)), _metadata(status))
            if found:
                self._kept[ctypes.addressof(entries)] = (entries, names)
            out[0] = _Entries(ctypes.addressof(entries) if found else None, len(found))

        return self._answered(error, work)

    def _exists(self, _: Any, path: _Text, out: Any, error: Any) -> int:
        def work() -> None:
            out[0] = self._files.exists(_text(path))

        return self._answered(error, work)

    def _rename(self, _: Any, path: _Text, target: _Text, error: Any) -> int:
        return self._answered(error, lambda: self._files.rename(_text(path), _text(target)))

    def _copy(self, _: Any, path: _Text, target: _Text, error: Any) -> int:
        return self._answered(error, lambda: self._files.copy(_text(path), _text(target)))

    def _symlink(self, _: Any, target: _Text, link: _Text, error: Any) -> int:
        return self._answered(error, lambda: self._files.symlink(_text(target), _text(link)))

    def _read_link(self, _: Any, path: _Text, out: Any, error: Any) -> int:
        def work() -> None:
            out[0] = self._keep(self._files.readlink(_text(path)).encode())

        return self._answered(error, work)

    def _chmod(self, _: Any, path: _Text, mode: int, error: Any) -> int:
        return self._answered(error, lambda: self._files.chmod(_text(path), mode))

    def _free_bytes(self, _: Any, data: _Bytes) -> None:
        self._kept.pop(data.ptr, None)

    def _free_dir_entries(self, _: Any, entries: _Entries) -> None:
        self._kept.pop(entries.ptr, None)


def _data(text: _Text) -> bytes:
    return ctypes.string_at(text.ptr, text.len) if text.len else b""


def _text(text: _Text) -> str:
    return _data(text).decode("utf-8", "surrogateescape")


def _metadata(status: Status) -> _Metadata:
    return _Metadata(
        _TYPES[status.type], (ctypes.c_uint8 * 7)(), status.size, status.mode, status.modified, 0, status.modified, 0
    )

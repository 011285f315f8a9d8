"""A snapshot held in memory, for worlds without a repository."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Entry:
    mode: int
    oid: str


def git_id(kind: bytes, body: bytes) -> str:
    return hashlib.sha1(b"%s %d\0" % (kind, len(body)) + body).hexdigest()


class MemorySnapshot:
    """The attributes of `repos.snapshot.Snapshot` over a mapping of path to bytes."""

    def __init__(self, files: Mapping[str, bytes | str]) -> None:
        self.files = {p: c.encode() if isinstance(c, str) else c for p, c in files.items()}
        self.manifest = {p: Entry(0o100644, git_id(b"blob", c)) for p, c in sorted(self.files.items())}

    def read(self, path: str) -> bytes:
        return self.files[path]

    def kind(self, path: str) -> str | None:
        if path in self.files:
            return "file"
        return "dir" if path == "" or any(p.startswith(path + "/") for p in self.files) else None

    def listdir(self, path: str) -> tuple[str, ...]:
        below = path + "/" if path else ""
        return tuple(sorted({p[len(below) :].partition("/")[0] for p in self.files if p.startswith(below)}))

    def under(self, path: str) -> tuple[str, ...]:
        below = path + "/" if path else ""
        return (path,) if path in self.files else tuple(p for p in self.manifest if p.startswith(below))

    def object_id(self, path: str) -> str | None:
        kind = self.kind(path)
        if kind == "file":
            return self.manifest[path].oid
        if kind is None:
            return None
        entries = []
        for name in self.listdir(path):
            child = f"{path}/{name}" if path else name
            tree = self.kind(child) == "dir"
            key = name.encode() + (b"/" if tree else b"")
            oid = bytes.fromhex(self.object_id(child) or "")
            entries.append((key, (b"40000 " if tree else b"100644 ") + name.encode() + b"\0" + oid))
        return git_id(b"tree", b"".join(e for _, e in sorted(entries)))


@pytest.fixture
def snapshot_of() -> Callable[[Mapping[str, bytes | str]], MemorySnapshot]:
    return MemorySnapshot

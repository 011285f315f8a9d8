"""A world's differences as the upper directory of an overlay file system, and such a directory as mutations.

Directories here are on the host, written to by whatever ran in the sandbox: no symbolic link in them is followed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from toolsim import paths
from toolsim.actions import MakeDirectory, Mutation, PutFile, RemovePath
from toolsim.errors import ShellError
from toolsim.shell.limits import MAX_DEPTH
from toolsim.world import World

_OPAQUE = ("user.overlay.opaque", "trusted.overlay.opaque")
_PUT_TIME = 1_000_000_000  # 2001: never the time of a file in a fresh checkout, so that git compares contents
MAX_FILE = 64 << 20


@dataclass(slots=True)
class Layer:
    """One upper directory, standing at `place` (canonical). `put` is what was put in before the command ran; `lower`
    is the layer below where the world does not know it (a git directory); `given` are directories of the sandbox."""

    place: str
    upper: Path
    lower: Path | None = None
    put: dict[str, tuple[bytes | None, int]] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    given: frozenset[str] = frozenset()

    def fill(self, world: World, changed: Mapping[str, bytes | None], directories: frozenset[str]) -> None:
        """Write the given differences of the world into the upper directory."""
        for path in sorted(directories):
            self._make(path)
        for path, content in sorted(changed.items()):
            if content is None:
                self._remove(world, path)
            else:
                self._write(path, content, world.mode(path))

    def _host(self, path: str) -> Path:
        return self.upper / (paths.relative(path, self.place) or "")

    def _make(self, path: str) -> None:
        self._host(path).mkdir(parents=True, exist_ok=True)
        self.made.add(path)

    def _write(self, path: str, content: bytes, mode: int) -> None:
        target = self._host(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISLNK(mode):
            target.symlink_to(os.fsdecode(content))
        else:
            target.write_bytes(content)
            target.chmod(0o755 if mode & 0o111 else 0o644)
            os.utime(target, (_PUT_TIME, _PUT_TIME))
        self.put[path] = (content, mode)

    def _remove(self, world: World, path: str) -> None:
        """A whiteout, at the topmost directory that is gone with the path."""
        for above in paths.ancestors(path):
            if above == self.place or paths.relative(above, self.place) is None or world.kind(above) != "absent":
                break
            path = above
        target = self._host(path)
        if not os.path.lexists(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.mknod(target, stat.S_IFCHR | 0o600, os.makedev(0, 0))
        self.put[path] = (None, 0)

    def changes(self, world: World, hidden: frozenset[str]) -> tuple[Mutation, ...]:
        """What differs from what was put in. Paths in `hidden` (and below) are the sandbox's own."""
        found: dict[str, Mutation] = {}
        seen: set[str] = set()
        for path, directory, name, kind in self._walk(hidden):
            seen.add(path)
            if kind == "whiteout":
                if path not in self.put or self.put[path][0] is not None:
                    found[path] = RemovePath(path)
            elif kind == "dir":
                found.update(self._directory(world, path, directory, name))
            elif kind == "link":
                content = os.fsencode(os.readlink(name, dir_fd=directory))
                if self.put.get(path) != (content, stat.S_IFLNK):
                    found[path] = PutFile(path, content, 0o120000)
            else:
                content, mode = _contents(directory, name, path)
                if not self._same(world, path, content, mode):
                    found[path] = PutFile(path, content, mode)
        for path, (before, _) in self.put.items():
            if path not in seen and before is not None and world.kind(path) != "absent":
                found[path] = RemovePath(path)
        gone = {m.path for m in found.values() if isinstance(m, RemovePath)}
        for path in self.made - seen:
            if not any(a in gone for a in paths.ancestors(path)):
                found[path] = RemovePath(path)
        return tuple(found.values())

    def _same(self, world: World, path: str, content: bytes, mode: int) -> bool:
        if path in self.put:
            old, old_mode = self.put[path]
            return content == old and bool(mode & 0o111) == bool(old_mode & 0o111)
        return world.kind(path) == "file" and world.read(path) == content and world.mode(path) == mode

    def _directory(self, world: World, path: str, directory: int, name: str) -> Iterator[tuple[str, Mutation]]:
        if path == self.place or path in self.given:
            return
        if self.lower is not None and (self.lower / (paths.relative(path, self.place) or "")).is_dir():
            return
        if path not in self.made and world.kind(path) != "dir":
            yield path, MakeDirectory(path)
        elif _opaque(directory, name) and path not in self.made:
            yield path + "/", RemovePath(path)
            yield path, MakeDirectory(path)

    def _walk(self, hidden: frozenset[str]) -> Iterator[tuple[str, int, str, str]]:
        for top, names, files, descriptor in os.fwalk(self.upper, follow_symlinks=False):
            inside = Path(top).relative_to(self.upper).as_posix()
            place = self.place if inside == "." else paths.join(self.place, inside)
            if place.count("/") > MAX_DEPTH:
                raise ShellError(f"the command made directories nested more than {MAX_DEPTH} deep")
            names[:] = sorted(n for n in names if paths.join(place, n) not in hidden)
            for name in names:
                info = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                yield paths.join(place, name), descriptor, name, "link" if stat.S_ISLNK(info.st_mode) else "dir"
            for name in sorted(files):
                path = paths.join(place, name)
                if path in hidden:
                    continue
                info = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                if stat.S_ISCHR(info.st_mode) and info.st_rdev == 0:
                    yield path, descriptor, name, "whiteout"
                elif stat.S_ISLNK(info.st_mode):
                    yield path, descriptor, name, "link"
                elif stat.S_ISREG(info.st_mode):
                    yield path, descriptor, name, "file"


def _contents(directory: int, name: str, path: str) -> tuple[bytes, int]:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    with os.fdopen(descriptor, "rb") as stream:
        info = os.fstat(stream.fileno())
        if info.st_size > MAX_FILE:
            raise ShellError(f"{path} grew to {info.st_size} bytes, more than {MAX_FILE}")
        content = stream.read(MAX_FILE + 1)  # it may still be growing
        if len(content) > MAX_FILE:
            raise ShellError(f"{path} grew to more than {MAX_FILE} bytes")
        return content, 0o100755 if info.st_mode & 0o100 else 0o100644


def _opaque(directory: int, name: str) -> bool:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=directory)
    try:
        return any(attribute in _OPAQUE for attribute in os.listxattr(descriptor))
    finally:
        os.close(descriptor)

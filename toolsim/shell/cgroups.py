"""Control groups: the kernel's own fence around the memory and the processes of one sandbox.

A group is made below the one that this process stands in, in either form of control groups. Where that is refused, the
sandbox is watched only (`reason` says why). Whoever meets such a fence was stopped by the kernel in the middle of what
it did, so what it printed is no answer: `excess` tells.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "deploysim-"
_NEEDED = ("memory", "pids")
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Places:
    """Groups of this process below which others can be made: of memory and of processes; in the second form
    (`unified`) they are one."""

    memory: Path
    pids: Path
    unified: bool

    def each(self) -> tuple[Path, ...]:
        """The groups, each once."""
        return (self.memory,) if self.unified else (self.memory, self.pids)


@dataclass(frozen=True, slots=True)
class Fence:
    """The groups of one sandbox."""

    name: str
    places: Places

    @classmethod
    def make(cls, places: Places, memory: int, processes: int) -> Fence:
        """A fence of so many bytes (what files in memory take is counted too) and so many processes.

        Raises:
            OSError: the kernel refused; nothing is left.
        """
        fence = cls(f"{_PREFIX}{os.getpid()}-{next(_NUMBERS)}", places)
        try:
            for place in places.each():
                (place / fence.name).mkdir()
            fence._bound(memory, processes)
        except OSError:
            fence.remove()
            raise
        return fence

    def groups(self) -> list[str]:
        """The directories of the groups that a sandbox must enter before it starts."""
        return [str(place / self.name) for place in self.places.each()]

    def excess(self) -> str:
        """The bound that was met (`memory`, `processes`); empty: none."""
        memory, pids = self.places.memory / self.name, self.places.pids / self.name
        if _count(memory / ("memory.events" if self.places.unified else "memory.oom_control"), "oom_kill"):
            return "memory"
        return "processes" if _count(pids / "pids.events", "max") else ""

    def remove(self) -> bool:
        """Take the groups away; False: something still runs in them."""
        gone = True
        for place in self.places.each():
            try:
                (place / self.name).rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                gone = False
        return gone

    def _bound(self, memory: int, processes: int) -> None:
        group = self.places.memory / self.name
        if self.places.unified:
            (group / "memory.max").write_text(str(memory))
            (group / "memory.oom.group").write_text("1")
            if (group / "memory.swap.max").exists():
                (group / "memory.swap.max").write_text("0")
        else:
            (group / "memory.limit_in_bytes").write_text(str(memory))
            if (group / "memory.memsw.limit_in_bytes").exists():
                (group / "memory.memsw.limit_in_bytes").write_text(str(memory))
        (self.places.pids / self.name / "pids.max").write_text(str(processes))


def places() -> Places | None:
    """Where groups can be made; `None`: nowhere, and `reason` says why. Tried once."""
    found = _tried()
    return found if isinstance(found, Places) else None


def reason() -> str | None:
    """Why there can be no fence; `None`: there can."""
    found = _tried()
    return found if isinstance(found, str) else None


@functools.cache
def _tried() -> Places | str:
    try:
        found = find(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text())
        if isinstance(found, Places):
            sweep(found)
            Fence.make(found, 1 << 30, 1_000).remove()
    except OSError as error:
        return f"a control group cannot be made here: {error.strerror or error}"
    return found


def find(memberships: str, mounts: str, exists: Callable[[Path], bool] = Path.exists) -> Places | str:
    """The groups of a process as `/proc/self/cgroup` and `/proc/self/mountinfo` tell; or why they are of no use.

    In the second form the controllers must be handed down to groups below (`cgroup.subtree_control`), as systemd does
    with `Delegate=yes` for a group that holds no process itself.
    """
    paths: dict[str, str] = {}
    for line in memberships.splitlines():
        _, names, path = line.split(":", 2)
        paths |= dict.fromkeys(names.split(","), path)
    where = {name: _directory(name, paths[name], mounts) for name in _NEEDED if name in paths}
    first = {name: place for name, place in where.items() if place is not None}
    if len(first) == len(_NEEDED):
        return Places(first["memory"], first["pids"], unified=False)
    one = _directory("", paths.get("", "/"), mounts)
    if one is None:
        return "no control groups with the controllers memory and pids are mounted"
    for place in (one, one.parent):
        handed = _text(place / "cgroup.subtree_control").split() if exists(place) else []
        if set(_NEEDED) <= set(handed):
            return Places(place, place, unified=True)
    return f"{one} hands the controllers memory and pids down to no group below"


def sweep(found: Places) -> None:
    """Take away groups of processes that are gone."""
    for place in found.each():
        for left in place.glob(f"{_PREFIX}*"):
            pid = left.name.removeprefix(_PREFIX).split("-")[0]
            if pid.isdigit() and not Path(f"/proc/{pid}").exists():
                with suppress(OSError):
                    left.rmdir()


def _directory(controller: str, path: str, mounts: str) -> Path | None:
    for root, point, kind, options in _mounts(mounts):
        if kind == ("cgroup" if controller else "cgroup2") and (not controller or controller in options):
            inside = path if root == "/" else path.removeprefix(root) if path.startswith(root) else "/"
            return Path(point) / inside.lstrip("/")
    return None


def _mounts(mounts: str) -> Iterator[tuple[str, str, str, list[str]]]:
    """Root, mount point, kind and options of each file system."""
    for line in mounts.splitlines():
        first, _, second = line.partition(" - ")
        fields, rest = first.split(), second.split()
        if len(fields) > 4 and len(rest) > 2:
            yield fields[3], fields[4], rest[0], rest[2].split(",")


def _count(file: Path, name: str) -> int:
    return next((int(value) for key, value in _pairs(_text(file).splitlines()) if key == name), 0)


def _pairs(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        key, _, value = line.partition(" ")
        if value.isdigit():
            yield key, value


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""

"""What one command may use of this machine, and looks at what it uses. What is too much is a failure, never text."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from toolsim.errors import ShellError
from toolsim.shell import mounter

MAX_DEPTH = 250
"""So many directories inside of one another are walked through; more fail the command."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Real limits of one command: seconds without those that asked programs take, bytes of output, processes at once,
    bytes of memory (of all its processes, and of any one at its peak), bytes and number of files written, and how many
    programs it may ask for."""

    seconds: float = 30.0
    output: int = 32 << 20
    processes: int = 400
    memory: int = 1 << 30
    disk: int = 512 << 20
    files: int = 100_000
    programs: int = 2_000

    def hard(self) -> dict[str, int]:
        """What the kernel holds each process to, far above what is looked at (names of `resource`, without RLIMIT_).

        A program that meets one of these would print an error that no real machine printed; it has then passed the
        lower limit, so the command fails.
        """
        return {"AS": 4 * self.memory, "FSIZE": 2 * self.disk, "CORE": 0, "NOFILE": 1024, "NPROC": 10 * self.processes}

    def pids(self) -> int:
        """How many process numbers a sandbox has, where the kernel lets it have a bound of its own: the first 300 are
        not given twice."""
        return 300 + 2 * self.processes

    def fence(self) -> tuple[int, int]:
        """Bytes of memory and processes of a control group: above what is looked at, so that it is met only by what is
        too quick to be looked at."""
        return self.memory + self.memory // 2, self.pids()

    def check_bounds(self, over: str) -> None:
        """Look at what a sandbox was ended for.

        Raises:
            ShellError: it was one of its bounds.
        """
        if over:
            raise ShellError(self.told(over))

    def told(self, bound: str) -> str:
        """That a bound was passed, in one sentence."""
        return {
            "processes": f"the command started more than {self.processes} processes",
            "memory": f"the command used more than {self.memory} bytes of memory",
            "disk": f"the command wrote more than {self.disk} bytes",
            "files": f"the command made more than {self.files} files",
        }[bound]

    def check_peak(self, kilobytes: int) -> None:
        """Look at the largest process there was.

        Raises:
            ShellError: it was larger than `memory`.
        """
        if kilobytes * 1024 > self.memory:
            raise ShellError(f"a program of the command used {kilobytes} KiB, more than {self.memory >> 10}")


@dataclass(slots=True)
class Disk:
    """Looks at what is written below a directory; walks through it only where the file system's free space fell."""

    place: Path
    limits: Limits
    _free: int = field(init=False)
    _inodes: int = field(init=False)

    def __post_init__(self) -> None:
        """Remember how much is free before the command."""
        self._free, self._inodes = self._space()

    def fell(self) -> bool:
        """Whether the file system lost so much since then that it may be this command's doing. Quick."""
        free, inodes = self._space()
        return self._free - free > self.limits.disk // 2 or self._inodes - inodes > self.limits.files // 2

    def excess(self) -> str | None:
        """What is too much, in one sentence; `None` where nothing is. Walks through the directory."""
        size, count = measure(self.place, self.limits)
        if size > self.limits.disk:
            return self.limits.told("disk")
        return self.limits.told("files") if count > self.limits.files else None

    def _space(self) -> tuple[int, int]:
        found = os.statvfs(self.place)
        return found.f_bfree * found.f_frsize, found.f_ffree


def measure(place: Path, limits: Limits) -> tuple[int, int]:
    """Bytes on disk and entries below a directory, counted until one of the limits is passed."""
    return mounter.measure(str(place), limits.disk, limits.files)

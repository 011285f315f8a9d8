"""The way between a program inside the sandbox that has to be asked for and the host: files, a bell, and answers.

A run writes what it is into `/run/ask/PID.*`, rings the bell (a FIFO), and waits on a FIFO of its own. The directory is
written to from inside the sandbox, so nothing in it is trusted and no symbolic link in it is followed.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from toolsim import paths
from toolsim.actions import Blur, MakeDirectory, MovePath, Mutation, PutFile, RemovePath
from toolsim.errors import ShellError
from toolsim.shell.base import ProgramResult

VEIL = "/.unknown/"
_MAX_REQUEST = 64 << 20
"""So many bytes may be read from a spool in all: what one command says about all of its runs."""
MAX_STATE = 4 << 20
"""So much of arguments or variables, some more than a kernel takes."""
_MAX_WORDS = 250_000
_MAX_LINE = 4096
MAX_WAITING = 400
"""So many runs may wait for their answer at once; each holds a descriptor of this process."""


@dataclass(frozen=True, slots=True)
class Request:
    """One run as the program inside states it."""

    pid: str
    argv: tuple[str, ...]
    cwd: str
    stdin: str | None
    env: Mapping[str, str]


@dataclass(slots=True)
class Spool:
    """The host's side of one command's spool directory."""

    directory: Path
    bell: int = -1
    leave: int = -1
    _open: list[int] = field(default_factory=list)
    _pending: bytes = b""
    _taken: int = 0

    def open(self, *, feed_programs: bool) -> None:
        """Make the bell; without `feed_programs` runs leave their standard input alone."""
        self.directory.mkdir()
        os.mkfifo(self.directory / "bell", 0o600)
        self.bell = os.open(self.directory / "bell", os.O_RDWR | os.O_NONBLOCK)
        os.mkfifo(self.directory / "go", 0o600)
        self.leave = os.open(self.directory / "go", os.O_RDWR | os.O_NONBLOCK)
        if not feed_programs:
            (self.directory / "no-stdin").touch()

    def close(self) -> None:
        """Give the descriptors back; waiting runs must be dead by then."""
        for descriptor in (self.bell, self.leave, *self._open):
            if descriptor >= 0:
                os.close(descriptor)
        self.bell, self.leave, self._open = -1, -1, []

    def go(self) -> None:
        """Let the command begin, which waits after its start."""
        os.write(self.leave, b"go\n")

    def rung(self) -> list[str]:
        """The lines rung since the last call.

        Raises:
            ShellError: one of them does not end.
        """
        try:
            self._pending += os.read(self.bell, 1 << 16)
        except BlockingIOError:
            return []
        *lines, self._pending = self._pending.split(b"\n")
        if len(self._pending) > _MAX_LINE:
            self._pending = b""
            raise ShellError(f"a process in the sandbox rang the bell with more than {_MAX_LINE} bytes")
        return [line.decode("ascii", "replace") for line in lines]

    def take(self, pid: str) -> Request:
        """The request of the run that rang."""
        _check_pid(pid)
        argv, env = self.read(f"{pid}.argv", MAX_STATE), self.read(f"{pid}.env", MAX_STATE)
        cwd = self.read(f"{pid}.cwd", _MAX_LINE)
        if argv is None or cwd is None or env is None:
            raise ShellError(f"run {pid} in the sandbox did not say what it is")
        if max(argv.count(b"\0"), env.count(b"\0")) > _MAX_WORDS:
            raise ShellError(f"run {pid} in the sandbox has more than {_MAX_WORDS} arguments or variables")
        stdin = self.read(f"{pid}.stdin")
        pairs = (item.partition("=") for item in _text(env).split("\0") if "=" in item)
        words = tuple(_text(argv).removesuffix("\0").split("\0"))
        return Request(
            pid,
            words,
            _text(cwd).removesuffix("\n"),
            None if stdin is None else _text(stdin),
            {k: v for k, _, v in pairs},
        )

    def trouble(self, line: str) -> str:
        """What the run that rang `PID failed` says of its effects."""
        pid = line.removesuffix(" failed")
        _check_pid(pid)
        return _text(self.read(f"{pid}.trouble") or b"").encode("utf-8", "replace").decode()

    def read(self, name: str, most: int = _MAX_REQUEST) -> bytes | None:
        """A file that the sandbox left; `None` if there is none.

        Raises:
            ShellError: it is no plain file, or larger than `most`, or too much was read for this command.
        """
        try:
            descriptor = os.open(self.directory / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            info = os.fstat(descriptor)
            if not stat.S_ISREG(info.st_mode) or info.st_size > most:
                raise ShellError(f"{name} in the sandbox's spool is no file of at most {most} bytes")
            with os.fdopen(descriptor, "rb", closefd=False) as stream:
                found = stream.read(most)
        finally:
            os.close(descriptor)
        self._taken += len(found)
        if self._taken > _MAX_REQUEST:
            raise ShellError(f"the programs of the command were given more than {_MAX_REQUEST} bytes")
        return found

    def answer(self, request: Request, result: ProgramResult, *, expired: bool) -> None:
        """Hand the result to the waiting run, which applies the mutations, prints and exits."""
        self._let_go()
        if len(self._open) >= MAX_WAITING:
            raise ShellError(f"more than {MAX_WAITING} programs of the command wait at once")
        self._write(f"{request.pid}.out", result.stdout)
        self._write(f"{request.pid}.err", result.stderr)
        if result.errors_first:
            self._write(f"{request.pid}.first", b"")
        if result.mutations:
            self._write(f"{request.pid}.todo", self._script(request.pid, result.mutations))
        descriptor = os.open(self.directory / f"{request.pid}.answer", os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
        self._open.append(descriptor)
        os.write(descriptor, f"{143 if expired else result.exit_code}{' expired' if expired else ''}\n".encode())

    def _let_go(self) -> None:
        """Close the answers of runs that have ended: each removes its own."""
        for descriptor in [d for d in self._open if os.fstat(d).st_nlink == 0]:
            self._open.remove(descriptor)
            os.close(descriptor)

    def _write(self, name: str, data: str | bytes) -> None:
        content = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
        descriptor = os.open(self.directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)

    def _script(self, pid: str, mutations: Iterable[Mutation]) -> str:
        lines = ["set -e"]
        for number, mutation in enumerate(mutations):
            lines += self._lines(f"{pid}.file{number}", mutation)
        return "\n".join(lines) + "\n"

    def _lines(self, name: str, mutation: Mutation) -> list[str]:
        match mutation:
            case PutFile(path, content, mode):
                self._write(name, content)
                place, above = shlex.quote(path), shlex.quote(paths.parent(path))
                mode_text = "755" if mode & 0o111 else "644"
                return [
                    f"/usr/bin/mkdir -p -- {above}",
                    f"/usr/bin/cp -- /run/ask/{name} {place}",
                    f"/usr/bin/chmod {mode_text} -- {place}",
                ]
            case MakeDirectory(path):
                return [f"/usr/bin/mkdir -p -- {shlex.quote(path)}"]
            case RemovePath(path):
                return [f"/usr/bin/rm -rf -- {shlex.quote(path)}"]
            case MovePath(path, target):
                place, above = shlex.quote(path), shlex.quote(paths.parent(target))
                return [
                    f"/usr/bin/mkdir -p -- {above}",
                    f"/usr/lib/toolbox/real/mv -T -- {place} {shlex.quote(target)}",
                ]
            case Blur(path):
                place = shlex.quote(path.rstrip("/"))
                return [
                    f"/usr/bin/mkdir -p -- {shlex.quote(paths.parent(path.rstrip('/')))}",
                    f"/usr/bin/rm -rf -- {place}",
                    f"/usr/bin/ln -s {VEIL}{name} {place}",
                ]
        return []


def _check_pid(pid: str) -> None:
    if not (pid.isascii() and pid.isdigit() and len(pid) < 12):
        raise ShellError(f"a process in the sandbox rang the bell with {pid[:80]!r}")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")

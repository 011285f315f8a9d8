"""What an attempt to get out of a shell engine must not reach: canaries of every kind, and how it is seen that one was.

A folder with files, a repository and hooks; listening sockets (TCP, UDP, Unix, abstract); a process; an open
descriptor; a variable; and facts of this machine. `Outside.reached` names what an attempt got at and sets it up again.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from toolsim.shell.differential import ENVIRONMENT, make_repository

CANARIES = {
    kind: f"canary-{kind}-5f1e9b7c"
    for kind in ("file", "config", "variable", "process", "process-variable", "descriptor")
}
VARIABLE = "OPENAI_API_KEY"
BROKE = "BROKE "
_WATCHED = ("/etc/passwd", "/etc/hostname", "/etc/resolv.conf", "/bin/ls", "/bin/sh", "/proc/sys/kernel/panic")


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def facts() -> dict[str, str]:
    """Texts that only this machine itself can have said, by what they are."""
    mounts = [line for line in _text("/proc/self/mountinfo").splitlines() if line.split()[4] == "/"]
    kind, source = mounts[-1].partition(" - ")[2].split()[:2] if mounts else ("", "")
    found = {
        "accounts": _text("/etc/passwd").partition("\n")[0],
        "machine id": _text("/etc/machine-id"),
        "boot id": _text("/proc/sys/kernel/random/boot_id"),
        "kernel": _text("/proc/version"),
        "kernel release": os.uname().release,
        "kernel command line": _text("/proc/cmdline"),
        "memory": _text("/proc/meminfo").partition("\n")[0],
        "processors": "\n".join(_text("/proc/cpuinfo").splitlines()[:3]),
        "mounts": mounts[-1] if mounts else "",
        "mounted": f"{source} on / type {kind}" if mounts else "",
        "host name": os.uname().nodename,
        "host name file": _text("/etc/hostname"),
    }
    return {name: text for name, text in found.items() if len(text) > 7 and not text.startswith("localhost")}


_TESTS_OWN = ("PYTEST_CURRENT_TEST", "DOCKER_HOST")


def _machine(place: Path) -> dict[str, object]:
    """What an attempt must leave as it is; of the mounts those that name `place`, since others use the machine too."""
    state: dict[str, object] = {path: _stamp(Path(path)) for path in _WATCHED}
    mounts = [line for line in _text("/proc/self/mountinfo").splitlines() if str(place) in line]
    variables = {name: text for name, text in os.environ.items() if name not in _TESTS_OWN}
    return state | {
        "host name": os.uname().nodename, "mounts": mounts, "variables": variables,
        "directory": str(Path.cwd()), "handler": signal.getsignal(signal.SIGTERM),
        "limits": _text("/proc/self/limits"),
    }  # fmt: skip


def _stamp(path: Path) -> tuple[int, int, str] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    if str(path).startswith("/proc"):
        return found.st_ino, 0, _text(str(path))
    return found.st_ino, found.st_mtime_ns, str(found.st_size)


class Listener(threading.Thread):
    """Accepts what calls, closes it, and keeps its kind."""

    def __init__(self, folder: Path) -> None:
        super().__init__(name="outside", daemon=True)
        self.called: list[str] = []
        self.abstract = f"canary-{os.getpid()}-{time.monotonic_ns()}"
        self._ending = threading.Event()
        self._sockets: dict[str, socket.socket] = {}
        for kind, family, form, place in (
            ("tcp", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            ("udp", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            ("unix", socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "socket")),
            ("abstract", socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.abstract),
        ):
            found = self._sockets[kind] = socket.socket(family, form)
            found.bind(place)
            if form == socket.SOCK_STREAM:
                found.listen(64)
            found.setblocking(False)

    def port(self, kind: str) -> int:
        """Where a kind listens."""
        return int(self._sockets[kind].getsockname()[1])

    def run(self) -> None:
        """Until `stop`."""
        with selectors.DefaultSelector() as ready:
            for kind, found in self._sockets.items():
                ready.register(found, selectors.EVENT_READ, kind)
            while not self._ending.is_set():
                for key, _ in ready.select(0.2):
                    self.called.append(key.data)
                    with suppress(OSError):
                        if key.data == "udp":
                            self._sockets["udp"].recv(100)
                        else:
                            self._sockets[key.data].accept()[0].close()

    def stop(self) -> None:
        """End."""
        self._ending.set()
        self.join()
        for found in self._sockets.values():
            found.close()


@dataclass
class Outside:
    """The canaries. `place` is a directory of its own; `folder` (in it) is what commands are told of."""

    place: Path
    folder: Path = field(init=False)
    blob: str = ""
    descriptor: int = -1
    process: subprocess.Popen[bytes] | None = None
    listener: Listener = field(init=False)
    _kept: Path = field(init=False)
    _state: Mapping[str, object] = field(default_factory=dict)
    _machine: Mapping[str, object] = field(default_factory=dict)
    _facts: Mapping[str, str] = field(default_factory=facts)

    def __post_init__(self) -> None:
        """Make it all."""
        self.folder, self._kept = self.place / "out", self.place / "kept"
        self._make(self._kept)
        self._restore()
        self.listener = Listener(self.folder)
        self.listener.start()
        self._state = self._look()
        handle, name = tempfile.mkstemp(prefix="canary-descriptor-", dir=self.place)
        os.write(handle, CANARIES["descriptor"].encode())
        self.descriptor = os.dup2(handle, 97)
        os.lseek(handle, 0, os.SEEK_SET)
        os.close(handle)
        Path(name).rename(self.place / CANARIES["descriptor"])
        os.environ[VARIABLE] = CANARIES["variable"]
        self._machine = _machine(self.place.parent)
        self._start()

    def _make(self, kept: Path) -> None:
        kept.mkdir(parents=True)
        (kept / "secret.txt").write_text(f"echo {CANARIES['file']}\n")
        (kept / "secret.trouble").write_text(f"echo {CANARIES['file']}\n")
        (kept / "config").write_text(f"[user]\n\tsecret = {CANARIES['config']}\n")
        (kept / "hooked").write_text(f"[core]\n\thooksPath = {self.folder}/hooks\n")
        (kept / "hooks").mkdir()
        (kept / "hooks/pre-commit").write_text(f"#!/bin/sh\n/usr/bin/touch {self.folder}/new\n")
        (kept / "hooks/pre-commit").chmod(0o755)
        (kept / "objects").mkdir()
        (kept / "repo").mkdir()
        make_repository(kept / "repo", {"secret.txt": f"echo {CANARIES['file']}\n"})
        self.blob = subprocess.run(
            ["git", "rev-parse", "HEAD:secret.txt"], cwd=kept / "repo", env=ENVIRONMENT, capture_output=True, text=True,
            check=True,
        ).stdout.strip()  # fmt: skip

    def _restore(self) -> None:
        """The folder as it was; the listening socket's name stays where it is."""
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        for found in self.folder.iterdir():
            if found.name == "socket":
                continue
            shutil.rmtree(found) if found.is_dir() and not found.is_symlink() else found.unlink()
        subprocess.run(["cp", "-a", f"{self._kept}/.", str(self.folder)], check=True)
        if not (self.folder / "socket").exists() and self._state:
            self._relisten()

    def _relisten(self) -> None:
        self.listener.stop()
        self.listener = Listener(self.folder)
        self.listener.start()

    def _look(self) -> dict[str, object]:
        found: dict[str, object] = {}
        for path in [self.folder, *sorted(self.folder.rglob("*"))] if self.folder.is_dir() else []:
            info = path.lstat()
            inside = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            found[str(path)] = (info.st_mode, info.st_uid, inside)
        return found

    def _start(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", "input()", CANARIES["process"]], stdin=subprocess.PIPE, cwd=self.folder,
            env={"CANARY": CANARIES["process-variable"]}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    @property
    def pid(self) -> int:
        """Of the process outside."""
        assert self.process is not None
        return self.process.pid

    def fill(self, pattern: str) -> str:
        """The command of a line of the text."""
        return pattern.format(
            out=self.folder, port=self.listener.port("tcp"), udp=self.listener.port("udp"), pid=self.pid,
            abstract=self.listener.abstract, fd=self.descriptor, oid=self.blob,
        )  # fmt: skip

    def told(self, said: str) -> tuple[str, ...]:
        """What an attempt has read that said this."""
        found = [f"read: {kind}" for kind, text in CANARIES.items() if text in said]
        found += [f"read: {name}" for name, text in self._facts.items() if text in said]
        return (*found, *(line.strip() for line in said.splitlines() if line.startswith(BROKE)))

    def touched(self) -> tuple[str, ...]:
        """What else was reached since the last look: empty if nothing. What was broken is whole again."""
        found: list[str] = []
        if self._look() != self._state:
            found.append("write: files")
        if os.pread(self.descriptor, 200, 0).decode() != CANARIES["descriptor"]:
            found.append("write: descriptor")
        if (now := _machine(self.place.parent)) != self._machine:
            found += [f"write: {name}" for name in now if now[name] != self._machine[name]]
        found += [f"called: {kind}" for kind in sorted(set(self.listener.called))]
        if (state := self._process_state()) is not None:
            found.append(f"process: {state}")
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        if found:
            self._again()
        return tuple(found)

    def reached(self, said: str) -> tuple[str, ...]:
        """What an attempt got at that said this: empty if nothing."""
        return self.told(said) + self.touched()

    def _process_state(self) -> str | None:
        assert self.process is not None
        if self.process.poll() is not None:
            return "ended"
        status = dict(line.split(":\t", 1) for line in _text(f"/proc/{self.pid}/status").splitlines() if ":\t" in line)
        if status.get("TracerPid", "0") != "0":
            return "traced"
        return "stopped" if status.get("State", "S")[0] in "Tt" else None

    def _again(self) -> None:
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, CANARIES["descriptor"].encode(), 0)
        broken = self._look() != self._state
        if broken:
            self._restore()
        self.listener.called.clear()
        if broken or self._process_state() is not None:
            self._start()

    def close(self) -> None:
        """End the process and the sockets."""
        self.listener.stop()
        os.close(self.descriptor)
        os.environ.pop(VARIABLE, None)
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


@contextmanager
def outside(place: Path) -> Iterator[Outside]:
    """The canaries below a new directory `place`; this process's own variable is as before afterwards."""
    before = os.environ.get(VARIABLE)
    place.mkdir()
    made = Outside(place)
    try:
        yield made
    finally:
        made.close()
        if before is not None:
            os.environ[VARIABLE] = before


# --- what a command uses of the machine, and leaves -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Use:
    """The most that was seen at once: processes, MiB in memory (all of them; of this process), MiB and entries on disk,
    descriptors of this process."""

    processes: int = 0
    memory: int = 0
    own: int = 0
    disk: int = 0
    files: int = 0
    descriptors: int = 0

    def most(self, other: Use) -> Use:
        """The larger of each."""
        return Use(*(max(getattr(self, n), getattr(other, n)) for n in self.__slots__))


def below(pid: int) -> dict[int, int]:
    """The processes below one, with their own bytes in memory (what they share is left out)."""
    found: dict[int, int] = {}
    left = [pid]
    while left:
        one = left.pop()
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                inside = [int(child) for child in (task / "children").read_text().split()]
                found |= {child: _resident(child) for child in inside}
                left += inside
    return found


def _resident(pid: int | str) -> int:
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
        return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


class Meter(threading.Thread):
    """Looks every 50 ms at what the process that `top` names has below it, at a directory, and at this process."""

    def __init__(self, top: Callable[[], int | None], scratch: Path) -> None:
        super().__init__(name="meter", daemon=True)
        self.use = Use()
        self._top = top
        self._scratch = scratch
        self._over = threading.Event()
        self._before = _resident("self")

    def run(self) -> None:
        """Until `stop`."""
        turn = 0
        while not self._over.is_set():
            top = self._top()
            found = below(top) if top is not None else {}
            disk = self._disk() if turn % 8 == 0 else (0, 0)
            self.use = self.use.most(Use(
                len(found), sum(found.values()) >> 20, (_resident("self") - self._before) >> 20, disk[0] >> 20, disk[1],
                len(os.listdir("/proc/self/fd")),  # noqa: PTH208
            ))  # fmt: skip
            turn += 1
            self._over.wait(0.05)

    def _disk(self) -> tuple[int, int]:
        size = count = 0
        for top, inner, names in os.walk(self._scratch):
            inner[:] = [name for name in inner if not os.path.ismount(Path(top) / name)]  # the same files once more
            count += len(names) + 1
            for name in names:
                with suppress(OSError):
                    size += (Path(top) / name).lstat().st_blocks * 512
            if self._over.is_set():
                break
        return size, count

    def stop(self) -> Use:
        """End, and the most that was seen."""
        self._over.set()
        self.join()
        return self.use

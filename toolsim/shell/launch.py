"""Starting sandboxes through a mounter process: what to mount and run, and the end of each run."""

from __future__ import annotations

import asyncio
import itertools
import json
import posixpath
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from toolsim.errors import ShellError
from toolsim.shell import cgroups, seccomp
from toolsim.shell.fuse import Files, Server
from toolsim.shell.limits import Limits

_SCRIPT = Path(__file__).with_name("mounter.py")
_PATIENCE = 200
"""So often a group is tried to be removed at the end, a hundredth of a second apart."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """One overlay mount below the scratch directory: lower directories (first wins), an upper one if it is written."""

    name: str
    lowers: tuple[str, ...]
    upper: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """What to mount and what to run: `binds` are (option, source, place) of bubblewrap in order."""

    scratch: Path
    overlays: tuple[Overlay, ...]
    binds: tuple[tuple[str, str, str], ...]
    env: Mapping[str, str]
    cwd: str
    argv: Sequence[str]
    stdin: str
    limits: Mapping[str, int] = field(default_factory=dict)

    def write(self) -> Path:
        """Leave the plan as JSON in the scratch directory."""
        text = {
            "scratch": str(self.scratch), "overlays": self.overlay_mounts(), "options": self.options(),
            "argv": list(self.argv), "stdin": self.stdin,
            "limits": dict(self.limits), "filter": (seccomp.program() or b"").hex(),
        }  # fmt: skip
        path = self.scratch / "plan.json"
        path.write_text(json.dumps(text), encoding="utf-8")
        return path

    def overlay_mounts(self, base: str = "") -> list[tuple[str, str]]:
        """Where each overlay is mounted, with its options; relative paths below `base`."""
        found = []
        for overlay in self.overlays:
            lowers = ":".join(posixpath.join(base, lower) for lower in overlay.lowers)
            options = f"userxattr,lowerdir={lowers}"
            if overlay.upper:
                upper, work = (posixpath.join(base, kind, overlay.name) for kind in ("up", "work"))
                options += f",upperdir={upper},workdir={work}"
            found.append((posixpath.join(base, "on", overlay.name), options))
        return found

    def options(self) -> list[str]:
        """The options of bubblewrap."""
        words = [
            "--unshare-user", "--uid", "1000", "--gid", "1000", "--unshare-pid", "--unshare-net",
            "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--cap-drop", "ALL", "--die-with-parent",
            "--new-session", "--clearenv",
        ]  # fmt: skip
        for name, value in self.env.items():
            words += ["--setenv", name, value]
        for option, source, place in self.binds:
            words += [option, source, place] if source else [option, place]
        return [*words, "--chdir", self.cwd]


@dataclass(slots=True)
class Sandbox:
    """One started sandbox. `ended` gives its exit code (negative: a signal), `peak` the KiB of its largest process,
    `over` the bound (processes, memory) for which it was ended."""

    number: int
    ended: asyncio.Future[int]
    server: Server | None = None
    pid: int | None = None
    peak: int = 0
    over: str = ""
    fence: cgroups.Fence | None = None
    narrowed: asyncio.Future[bool] | None = None


class Starter(Protocol):
    """Starts what plans say; belongs to one event loop."""

    loop: asyncio.AbstractEventLoop

    def start(self, plan: Plan, files: Files, limits: Limits) -> Sandbox:
        """Start the plan with `files` behind its FUSE mount; what goes wrong is an error of `ended`.

        Its processes and memory are watched: `over` says what it was ended for.

        Raises:
            ShellError: nothing can be started any more.
        """

    async def narrow(self, sandbox: Sandbox, processes: int) -> None:
        """Leave nothing in its `/proc` but its own processes, at most so many; it must have started.

        Raises:
            ShellError: the kernel refused, or the sandbox is gone.
        """

    async def stop(self, sandbox: Sandbox) -> None:
        """Kill what still runs in it and wait until its mounts are gone."""

    def close(self) -> None:
        """End everything it started."""


@dataclass(slots=True)
class Mounter:
    """The host's side of a mounter process; belongs to one event loop."""

    process: subprocess.Popen[bytes]
    link: socket.socket
    loop: asyncio.AbstractEventLoop
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _running: dict[int, tuple[Sandbox, Files]] = field(default_factory=dict)
    _left: list[cgroups.Fence] = field(default_factory=list)

    @classmethod
    def open(cls) -> Mounter:
        """Start the process; its first complaint comes with the first sandbox."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_SCRIPT), str(theirs.fileno())], pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            )  # fmt: skip
        ours.setblocking(False)
        mounter = cls(process, ours, asyncio.get_running_loop())
        mounter.loop.add_reader(ours, mounter._heard)
        return mounter

    def start(self, plan: Plan, files: Files, limits: Limits) -> Sandbox:
        """Start the plan with `files` behind its FUSE mount; a refused mount is an error of `ended`.

        The other process watches its processes, memory, disk and files, however busy this one is; behind the first
        two stands a control group, where there can be one.

        Raises:
            ShellError: the mounter is gone, or no control group could be made where others could.
        """
        number = next(self._numbers)
        fence = _fence(limits)
        sandbox = Sandbox(number, self.loop.create_future(), fence=fence)
        self._running[number] = (sandbox, files)
        bounds = {name: getattr(limits, name) for name in ("processes", "memory", "disk", "files")}
        groups = [] if fence is None else fence.groups()
        self._send({"id": number, "plan": str(plan.write()), **bounds, "groups": groups})
        return sandbox

    async def narrow(self, sandbox: Sandbox, processes: int) -> None:
        """Leave nothing in its `/proc` but its own processes, at most so many; it must have started.

        Raises:
            ShellError: the kernel refused, or the sandbox is gone.
        """
        sandbox.narrowed = self.loop.create_future()
        self._send({"id": sandbox.number, "narrow": processes})
        await asyncio.wait((sandbox.narrowed, sandbox.ended), timeout=10, return_when=asyncio.FIRST_COMPLETED)
        if not sandbox.narrowed.done() or not sandbox.narrowed.result():
            raise ShellError("the machine's own /proc could not be hidden from the sandbox")

    async def stop(self, sandbox: Sandbox) -> None:
        """Kill what still runs in it and wait until its mounts are gone."""
        if not sandbox.ended.done():
            self._send({"id": sandbox.number, "kill": True})
        await asyncio.wait([sandbox.ended], timeout=10)
        if sandbox.ended.done():
            sandbox.ended.exception()
        if sandbox.server is not None:
            await asyncio.to_thread(sandbox.server.join, 10)
        for _ in range(_PATIENCE // 10):
            if self._all_removed():
                break
            await asyncio.sleep(0.01)

    def close(self) -> None:
        """End the process and everything it started."""
        if not self.loop.is_closed():
            self.loop.remove_reader(self.link)
        self.link.close()
        self.process.wait(timeout=10)
        self._left += [sandbox.fence for sandbox, _ in self._running.values() if sandbox.fence is not None]
        for _ in range(_PATIENCE):  # what was killed takes a moment to be gone
            if self._all_removed():
                break
            time.sleep(0.01)

    def _all_removed(self) -> bool:
        self._left = [fence for fence in self._left if not fence.remove()]
        return not self._left

    def _send(self, order: dict[str, object]) -> None:
        try:
            self.link.send(json.dumps(order).encode())
        except OSError as error:
            raise ShellError(f"the process that starts sandboxes is gone: {error}") from error

    def _heard(self) -> None:
        data, descriptors, _, _ = socket.recv_fds(self.link, 1 << 16, 1)
        if not data:
            self.loop.remove_reader(self.link)
            self._fail_all("it ended")
            return
        told = json.loads(data)
        if told["id"] == 0:
            self._fail_all(told["error"])
            return
        if told["id"] not in self._running:
            return
        sandbox, files = self._running[told["id"]]
        if "over" in told:
            sandbox.over = told["over"]
        elif "narrowed" in told:
            if sandbox.narrowed is not None and not sandbox.narrowed.done():
                sandbox.narrowed.set_result(told["narrowed"])
        elif descriptors:
            sandbox.server = Server(descriptors[0], files)
            sandbox.pid = told["pid"]
            sandbox.server.start()
        elif not sandbox.ended.done() and "error" in told:
            sandbox.ended.set_exception(ShellError(f"the sandbox could not be mounted: {told['error']}"))
        elif "code" in told:
            del self._running[told["id"]]
            sandbox.peak = told["peak"]
            if sandbox.fence is not None:
                sandbox.over = sandbox.over or sandbox.fence.excess()
                self._left.append(sandbox.fence)
            if not sandbox.ended.done():
                sandbox.ended.set_result(told["code"])

    def _fail_all(self, reason: str) -> None:
        for sandbox, _ in self._running.values():
            if not sandbox.ended.done():
                sandbox.ended.set_exception(ShellError(f"the process that starts sandboxes failed: {reason}"))
        self._running.clear()


def _fence(limits: Limits) -> cgroups.Fence | None:
    places = cgroups.places()
    if places is None:
        return None
    try:
        return cgroups.Fence.make(places, *limits.fence())
    except OSError as error:
        raise ShellError(f"the sandbox could not be fenced: {error}") from error

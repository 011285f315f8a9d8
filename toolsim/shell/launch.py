"""Starting one sandbox: namespaces, mounts and bubblewrap, and the FUSE descriptor out of them."""

from __future__ import annotations

import asyncio
import ctypes
import functools
import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolsim.errors import ShellError
from toolsim.shell.fuse import Files, Server

_PIDFD_OPEN, _PIDFD_GETFD = 434, 438  # the same numbers on x86-64 and arm64
_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
# Status 91.. says which step failed; its standard error is the reason.
_PREPARE = """exec 3<>/dev/fuse || exit 91
mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 view view || exit 92
printf r >&{ready}; read -r _ <&{go} || exit 93
exec 3<&- {ready}>&- {go}<&-
"""


@dataclass(frozen=True, slots=True)
class Overlay:
    """One overlay mount below the scratch directory: lower directories (first wins), and an upper one if it is written."""

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


@dataclass(slots=True)
class Started:
    """A running sandbox; killing `process` kills everything in it."""

    process: asyncio.subprocess.Process
    server: Server
    complaint: str = ""

    async def stop(self) -> None:
        """Kill what still runs and wait for the mounts to go."""
        if self.process.returncode is None:
            self.process.kill()
        _, text = await self.process.communicate()
        self.complaint = text.decode(errors="replace").strip()
        await asyncio.to_thread(self.server.join, 5)


async def start(plan: Plan, files: Files) -> Started:
    """Start the plan with `files` behind its FUSE mount.

    Raises:
        ShellError: a mount was refused.
    """
    ready_r, ready_w = os.pipe()
    go_r, go_w = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *_UNSHARE, script(plan, ready_w, go_r),
            cwd=plan.scratch, pass_fds=(ready_w, go_r), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )  # fmt: skip
        os.close(ready_w)
        ready_w = -1
        if await asyncio.to_thread(os.read, ready_r, 1) != b"r":
            raise ShellError(f"the sandbox could not be mounted: {await _complaint(process)}")
        server = Server(_fuse_descriptor(process.pid), files)
        server.start()
        os.write(go_w, b"\n")
    finally:
        for descriptor in (ready_r, ready_w, go_r, go_w):
            if descriptor >= 0:
                os.close(descriptor)
    return Started(process, server)


async def _complaint(process: asyncio.subprocess.Process) -> str:
    _, text = await process.communicate()
    return f"{text.decode(errors='replace').strip()} (status {process.returncode})"


def _fuse_descriptor(pid: int) -> int:
    """The child's open `/dev/fuse`: it must be opened in the name space that mounts it, and is served from here."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.syscall(_PIDFD_OPEN, pid, 0)
    descriptor = libc.syscall(_PIDFD_GETFD, handle, 3, 0) if handle >= 0 else -1
    error = ctypes.get_errno()
    if handle >= 0:
        os.close(handle)
    if descriptor < 0:
        raise ShellError(f"the FUSE descriptor of the sandbox cannot be taken over: {os.strerror(error)}")
    os.set_inheritable(descriptor, False)
    return int(descriptor)


def script(plan: Plan, ready: int, go: int) -> str:
    """The shell script that mounts and becomes bubblewrap; it runs in the scratch directory."""
    lines = [_PREPARE.format(ready=ready, go=go)]
    for overlay in plan.overlays:
        options = "lowerdir=" + ":".join(overlay.lowers)
        if overlay.upper:
            options += f",upperdir=up/{overlay.name},workdir=work/{overlay.name}"
        lines.append(f"mount -t overlay overlay -o {shlex.quote(options + ',userxattr')} on/{overlay.name} || exit 94")
    lines.append(f"exec {shlex.join(_bwrap(plan))} <{shlex.quote(plan.stdin)} >view/out 2>view/err")
    return "\n".join(lines)


def _bwrap(plan: Plan) -> list[str]:
    words = [
        "bwrap", "--unshare-user", "--uid", "1000", "--gid", "1000", "--unshare-pid", "--unshare-net", "--unshare-ipc",
        "--unshare-uts", "--unshare-cgroup-try", "--hostname", "localhost", "--die-with-parent", "--new-session",
        "--clearenv",
    ]  # fmt: skip
    for name, value in plan.env.items():
        words += ["--setenv", name, value]
    for option, source, place in plan.binds:
        words += [option, source, place] if source else [option, place]
    return [*words, "--chdir", plan.cwd, *plan.argv]


@functools.cache
def probe() -> str | None:
    """Try the name spaces and mounts once; the reason if they are refused."""
    with tempfile.TemporaryDirectory(prefix="ds-probe-") as scratch:
        for name in ("view", "lower", "up", "work", "on"):
            (Path(scratch) / name).mkdir()
        tried = subprocess.run(
            [*_UNSHARE, "exec 3<>/dev/fuse && mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 view view && "
             "exec 3<&- && mount -t overlay overlay -o lowerdir=lower,upperdir=up,workdir=work,userxattr on && "
             "exec bwrap --unshare-user --uid 1000 --unshare-pid --unshare-net --ro-bind / / --proc /proc true"],
            cwd=scratch, capture_output=True, text=True, check=False, timeout=20,
        )  # fmt: skip
    return None if tried.returncode == 0 else f"name spaces or mounts are refused here: {tried.stderr.strip()}"

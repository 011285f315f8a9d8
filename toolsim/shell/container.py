"""The `container` engine: commands run in containers of an image, which is the session's own userland.

The world's files come as they do into the sandbox: overlays over the committed files, above a file system that notices
what is not known. They are mounted here and bound into the container, so the engine must run on this machine, and this
process as root. A container has no network, no capabilities, a read-only root and limits of memory, processes and time;
of the image only shells, git and the programs with an exact output can be reached, all others are asked for; those that
are to be executed (`--execute`) run for real.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import errno
import functools
import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from toolsim import paths
from toolsim.actions import Unknown
from toolsim.errors import ShellError
from toolsim.shell import mounter, seccomp, userland
from toolsim.shell.fuse import Files, Server
from toolsim.shell.launch import Plan, Sandbox
from toolsim.shell.limits import Limits
from toolsim.shell.sandbox import SandboxShell, discard
from toolsim.shell.source import Source
from toolsim.shell.spool import VEIL
from toolsim.shell.territory import SYSTEM
from toolsim.shell.toolbox import Toolbox
from toolsim.shell.userland import Image
from toolsim.shellparse import CommandLine
from toolsim.world import World

AT_ONCE = 8
"""Containers of one process that run at the same time; more commands wait."""
EXECUTED_SECONDS = 600.0
"""What a command may take where programs are really executed."""
_OFTEN = 0.1
_LABEL = "deploysim.owner"
_STANDING = frozenset({"/home", "/media", "/mnt", "/opt", "/root", "/srv", VEIL.rstrip("/")})
"""Directories of every Linux machine; what is in them only the session's own could tell."""
_SYSTEM = frozenset({"/", *SYSTEM, "/lib32", "/libx32", "/sys", "/etc", "/boot"})
_ENGINES_OWN = frozenset({"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"})
# What programs that are really executed need of the refused system calls; there is no network to reach with them.
_OF_PROGRAMS = frozenset({
    "socket", "socketpair", "connect", "bind", "listen", "memfd_create", "shmget", "shmat", "msgget", "semget",
    "mq_open", "mbind", "set_mempolicy", "personality",
})  # fmt: skip
_OF_TEXTS = frozenset({"echo", "printf", "grep", "egrep", "fgrep", "sed", "awk", "tr", "cut"})
_BEGIN = 'exec </run/in >/run/out 2>/run/err; exec "$@"'


def available(image: Image) -> str | None:
    """Why this machine cannot run the engine; `None` if it can."""
    if not sys.platform.startswith("linux"):
        return "containers get their files from mounts of this machine, which must be Linux"
    if os.geteuid() != 0:
        return "containers get their files from mounts of this machine, which need root"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "containers need access to /dev/fuse"
    try:
        identified(image)
    except ShellError as error:
        return str(error)
    return None


def identified(image: Image) -> Image:
    """The image with the id that its name has now.

    Raises:
        ShellError: no engine answers, or it has no such image.
    """
    return replace(image, id=image.id or _image_id(_client(), image.name))


def open_container(cache: Path, source: Source, image: Image, limits: Limits | None = None) -> SandboxShell:
    """The engine as a `Shell`; `cache` and `source` as for the sandbox."""
    usual = Limits(seconds=EXECUTED_SECONDS) if image.executed else Limits()
    return SandboxShell(cache, source, limits or usual, "container", Containers(cache, image))


@functools.cache
def _client() -> Any:
    """One client for all threads: the engine of the environment (DOCKER_HOST) or this machine's.

    Raises:
        ShellError: none answers.
    """
    try:
        client = docker.APIClient(**docker.utils.kwargs_from_env(), version="auto", num_pools=AT_ONCE + 2, timeout=120)
    except DockerException as error:
        raise ShellError(f"no container engine answers: {_first_line(error)}") from error
    return client


def _image_id(client: Any, name: str) -> str:
    try:
        return str(client.inspect_image(name)["Id"])
    except ImageNotFound as error:
        raise ShellError(f"the container engine has no image {name}") from error
    except (DockerException, requests.RequestException) as error:
        raise ShellError(f"the container engine does not show the image {name}: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0][:300]


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except (DockerException, requests.RequestException, OSError) as error:
        raise ShellError(f"{what}: {_first_line(error)}") from error


@dataclass(frozen=True, slots=True)
class Containers:
    """A `Maker` of containers of one image."""

    cache: Path
    image: Image

    def toolbox(self) -> Toolbox:
        """See `toolsim.shell.sandbox.Maker`."""
        client, name = _client(), identified(self.image).id
        with _told(f"the programs of the image {self.image.name} cannot be read"):
            created = client.create_container(name, ["true"], network_disabled=True, labels={_LABEL: str(os.getpid())})
            try:
                archive = functools.partial(_archive, client, created["Id"])
                made = userland.build(self.cache, name, archive, self.image.executed)
                return replace(made, standing=_STANDING, left=_ENGINES_OWN)
            finally:
                client.remove_container(created["Id"], force=True)

    def refusal(self, parsed: CommandLine, world: World, cwd: str) -> Unknown | None:
        """See `Maker`. The container's root directory is the image's: who looks at it would see no session's."""
        if cwd.count("/") == 1 and any(".." in word for word in parsed.words):
            return Unknown("the command may look at the root directory, which is the image's")
        texts = {word for run in parsed.invocations if run.name in _OF_TEXTS for word in run.arguments}
        for word in set(parsed.words) - texts:
            if word in ("/", "/*") or paths.canonical(word, cwd) in ("/", *_ENGINES_OWN):
                return Unknown(f"{word} is the image's, or its engine's")
            top = "/" + word.split("/")[1] if re.match(r"/\w", word) else None
            if top is not None and not _is_held(top, world):
                return Unknown(f"{top} is not known, and a container cannot tell whether it was looked for")
        return None

    def open(self) -> ContainerStarter:
        """See `toolsim.shell.sandbox.Maker`."""
        _sweep(_client())
        return ContainerStarter(identified(self.image))


def _is_held(top: str, world: World) -> bool:
    """Whether a directory of the root is the world's, or one that every image has."""
    if top in _SYSTEM or top in _STANDING or top in ("/tmp", "/var"):
        return True
    return world.kind(top) == "dir" or paths.relative(world.root, top) is not None


def _archive(client: Any, container: str, place: str, file: Path) -> bool:
    try:
        chunks, _ = client.get_archive(container, place)
    except NotFound:
        return False
    with file.open("wb") as stream:
        stream.writelines(chunks)
    return True


@dataclass(slots=True)
class _Contained(Sandbox):
    """A `Sandbox` that is a container."""

    first: int = 0
    known: threading.Event = field(default_factory=threading.Event)
    stopped: bool = False


@dataclass(slots=True)
class ContainerStarter:
    """A `launch.Starter`: mounts in this process's own name space, commands as containers bound to them."""

    image: Image
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _threads: concurrent.futures.ThreadPoolExecutor = field(
        default_factory=lambda: concurrent.futures.ThreadPoolExecutor(AT_ONCE, "container")
    )
    _works: dict[int, asyncio.Future[int]] = field(default_factory=dict)
    _ids: dict[int, str] = field(default_factory=dict)
    _count: int = 0

    def start(self, plan: Plan, files: Files, limits: Limits) -> Sandbox:
        """See `launch.Starter.start`."""
        self._count += 1
        sandbox = _Contained(self._count, self.loop.create_future())
        work = self.loop.run_in_executor(self._threads, self._play, plan, files, limits, sandbox)
        self._works[sandbox.number] = work
        work.add_done_callback(functools.partial(_carry, sandbox.ended))
        return sandbox

    async def stop(self, sandbox: Sandbox) -> None:
        """See `launch.Starter.stop`."""
        assert isinstance(sandbox, _Contained)
        sandbox.stopped = True
        work = self._works.pop(sandbox.number)
        if not work.done() and (container := self._ids.get(sandbox.number)) is not None:
            with contextlib.suppress(DockerException, requests.RequestException):  # it may just have ended
                await asyncio.to_thread(_client().kill, container)
        await asyncio.wait([work])
        work.exception()

    def close(self) -> None:
        """End what still runs."""
        for container in list(self._ids.values()):
            with contextlib.suppress(DockerException, requests.RequestException):
                _client().kill(container)
        self._threads.shutdown(wait=True)

    async def narrow(self, sandbox: Sandbox, processes: int) -> None:
        """See `launch.Starter.narrow`."""
        assert isinstance(sandbox, _Contained)
        await asyncio.to_thread(sandbox.known.wait, 60)  # the engine tells a little later than the command
        words = [sys.executable, "-I", "-S", mounter.__file__, "narrow", str(sandbox.first), str(processes)]
        helper = await asyncio.create_subprocess_exec(*words, env={}, cwd="/")
        if await helper.wait() != 0:
            raise ShellError("the machine's own /proc could not be hidden from the container")

    def _play(self, plan: Plan, files: Files, limits: Limits, sandbox: _Contained) -> int:
        """One command from its mounts to its end, in a thread."""
        with contextlib.ExitStack() as stack:
            server = self._mount(plan, files, stack)
            sandbox.server = server
            with _told("the container could not be run"):
                client = _client()
                container = self._create(client, plan, limits)
                self._ids[sandbox.number] = container
                stack.callback(self._remove, client, container, sandbox.number)
                if sandbox.stopped:
                    return -9
                client.start(container)
                if sandbox.stopped:
                    client.kill(container)
                sandbox.first = int(client.inspect_container(container)["State"]["Pid"])
                sandbox.known.set()
                with _watched(client, container, limits, sandbox):
                    return _ended(client, container, limits)

    def _mount(self, plan: Plan, files: Files, stack: contextlib.ExitStack) -> Server:
        """The world's files below the plan's scratch directory, until the stack closes."""
        base = str(plan.scratch)
        descriptor = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        try:
            with _told("the world's files could not be mounted"):
                mounter.mount("view", f"{base}/view", "fuse", 0, mounter.FUSE.format(descriptor))
        except ShellError:
            os.close(descriptor)
            raise
        server = Server(descriptor, files)
        server.start()
        stack.callback(server.join, 10)
        stack.callback(mounter.unmount, f"{base}/view")
        for target, options in plan.overlay_mounts(base):
            with _told("the world's files could not be mounted"):
                mounter.mount("overlay", target, "overlay", 0, options)
            stack.callback(mounter.unmount, target)
        return server

    def _create(self, client: Any, plan: Plan, limits: Limits) -> str:
        hard = limits.hard()
        executes = bool(self.image.executed)
        config = client.create_host_config(
            binds=list(_binds(plan)), read_only=True, network_mode="none", cap_drop=["ALL"], ipc_mode="none",
            security_opt=["no-new-privileges", "seccomp=" + _profile(executes=executes)],
            pids_limit=2 * limits.processes, mem_limit=limits.memory, memswap_limit=limits.memory,
            ulimits=[{"name": k.lower(), "soft": v, "hard": v} for k, v in hard.items() if k != "NPROC"],
            log_config={"type": "none"},
        )  # fmt: skip
        real = "/usr/lib/toolbox/real"
        words = [f"{real}/bash", "-p", "-c", _BEGIN, "begin", f"{real}/env", "-i", "-C", plan.cwd]
        words += [f"{name}={value}" for name, value in plan.env.items()]
        made = client.create_container(
            self.image.id, list(plan.argv), entrypoint=words, user="0:0", working_dir="/", hostname="localhost",
            network_disabled=True, host_config=config, environment={"PATH": "/usr/bin:/bin"},
            labels={_LABEL: str(os.getpid())},
        )  # fmt: skip
        return str(made["Id"])

    def _remove(self, client: Any, container: str, number: int) -> None:
        self._ids.pop(number, None)
        with contextlib.suppress(NotFound), _told("a container could not be removed"):
            client.remove_container(container, force=True)


def _ended(client: Any, container: str, limits: Limits) -> int:
    while True:
        with contextlib.suppress(requests.exceptions.ReadTimeout, requests.exceptions.ConnectionError):
            code = int(client.wait(container, timeout=3600)["StatusCode"])
            break
    state = client.inspect_container(container)["State"]
    if state.get("OOMKilled"):
        raise ShellError(f"the command used more than {limits.memory} bytes of memory")
    if state.get("Error"):
        raise ShellError(f"the container could not be run: {state['Error']}")
    return code


@contextlib.contextmanager
def _watched(client: Any, container: str, limits: Limits, sandbox: _Contained) -> Iterator[None]:
    """Kill a container that passes a bound which is lower than the engine's own."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_OFTEN):
            processes, memory = mounter.use(sandbox.first)
            what = "processes" if processes > limits.processes else "memory" if memory > limits.memory else ""
            if what:
                sandbox.over = what
                with contextlib.suppress(DockerException, requests.RequestException):  # it may just have ended
                    client.kill(container)
                return

    thread = threading.Thread(target=watch, name="container-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _carry(ended: asyncio.Future[int], work: asyncio.Future[int]) -> None:
    """Hand a command's end over; nobody may be waiting any more."""
    if ended.done():
        return
    error = None if work.cancelled() else work.exception()
    if error is not None:
        ended.set_exception(error)
    elif work.cancelled():
        ended.set_exception(ShellError("the engine was closed"))
    else:
        ended.set_result(work.result())


def _binds(plan: Plan) -> Iterator[str]:
    """The plan's mounts as an engine takes them. Its root is the image's, so the world is bound by its top names."""
    taken = {place for _, _, place in plan.binds}
    for option, source, place in plan.binds:
        mode = "ro" if option == "--ro-bind" else "rw"
        if place == "/":
            for top in _tops(plan):
                if top not in taken:
                    yield f"{source}{top}:{top}:rw"
        elif place == "/usr":
            yield f"{source}/lib/toolbox:/usr/lib/toolbox:ro"
        elif source:
            yield f"{source}:{place}:{mode}"
            if place in (userland.USUAL, userland.LOCAL):
                yield f"{source}:{place.removesuffix('bin')}sbin:{mode}"
    base = plan.scratch
    for source, place in ((plan.stdin, "/run/in"), (f"{base}/view/out", "/run/out"), (f"{base}/view/err", "/run/err")):
        yield f"{source}:{place}:rw"


def _tops(plan: Plan) -> list[str]:
    """The top directories of the world; of the container's own root nothing else is the session's."""
    held = (entry for entry in (plan.scratch / "up/all").iterdir() if entry.is_dir() and not entry.is_symlink())
    return sorted(({f"/{entry.name}" for entry in held} | {"/etc", "/tmp", "/var", *_STANDING}) - set(SYSTEM))


@functools.cache
def _profile(*, executes: bool) -> str:
    """The sandbox's refused system calls in the form of the engine."""
    names = sorted(set(seccomp.REFUSED) - (_OF_PROGRAMS if executes else frozenset()))
    bits = (1 << n for n in range(32) if seccomp.NEW_SPACES >> n & 1)
    masked = [{"index": 0, "value": bit, "valueTwo": bit, "op": "SCMP_CMP_MASKED_EQ"} for bit in bits]
    typed = [{"index": 1, "value": code, "op": "SCMP_CMP_EQ"} for code in seccomp.TYPING]
    refused = {"action": "SCMP_ACT_ERRNO", "errnoRet": errno.EPERM}
    rules: list[dict[str, Any]] = [
        {"names": names, **refused},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS},
        *({"names": ["clone"], "args": [one], **refused} for one in masked),
        *({"names": ["ioctl"], "args": [one], **refused} for one in typed),
    ]
    return json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules})


def _sweep(client: Any) -> None:
    """Take away what processes left that are no longer there: their containers, and their mounts and files."""
    with contextlib.suppress(APIError, requests.RequestException):
        for left in client.containers(all=True, filters={"label": _LABEL}):
            if not _alive(left["Labels"][_LABEL]):
                client.remove_container(left["Id"], force=True)
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed(points):
        found = re.match(r"(.*/ds-(\d+)-\w+)/(?:on/\w+|view)$", point)
        if found is not None and not _alive(found.group(2)):
            with contextlib.suppress(OSError):
                mounter.unmount(point)
            if point.endswith("/view"):
                discard(Path(found.group(1)))


def _alive(pid: str) -> bool:
    return Path(f"/proc/{pid}").exists()

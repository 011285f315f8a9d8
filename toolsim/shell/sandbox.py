"""The `sandbox` engine: a command line runs for real in an isolated overlay of the world's files.

Linux user and mount namespaces, overlayfs, FUSE and bubblewrap; no network, nothing of the host but a toolbox of exact
programs. Every other program is asked of the caller in its place inside the command. What a command reaches that the
world does not know makes its answer `Unknown`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from toolsim import gitstate
from toolsim.actions import REWRITTEN, Unknown
from toolsim.errors import ShellError
from toolsim.scaffolds.base import shell_env
from toolsim.shell import launch, toolbox
from toolsim.shell.base import Hearer, ProgramRunner, ShellCommand, ShellRun
from toolsim.shell.limits import Limits
from toolsim.shell.run import CommandRun, Setting
from toolsim.shell.screening import refusal
from toolsim.shell.territory import Nothing
from toolsim.shellparse import CommandLine, git_subcommand, parse

MAX_COMMAND = 120_000
TOO_LONG = "the command line is longer than an argument may be"
_WINDOWS_PATH = re.compile(r"(?<![\w/])[A-Za-z]:[\\/]|\\\w")
_POSIX_DRIVE = re.compile(r"(?<![\w/.])/([a-z])/(?=\w)")
HOOKS = (".husky", "lefthook.yml", ".lefthook.yml", "lefthook.yaml", ".pre-commit-config.yaml", ".githooks")
"""What a repository that has hooks installed for its users holds at its root."""
_SHORT_ID = re.compile(r"\b(?=[0-9]*[a-f])[0-9a-f]{7,12}\b")

if TYPE_CHECKING:
    from toolsim.shell.source import Source
    from toolsim.world import World


def available() -> str | None:
    """Why this machine cannot run the engine; `None` if it can."""
    if not sys.platform.startswith("linux"):
        return "the sandbox needs Linux"
    if shutil.which("bwrap") is None:
        return "the sandbox needs bwrap (Debian: bubblewrap)"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "the sandbox needs access to /dev/fuse"
    if absent := toolbox.missing_programs():
        return f"the sandbox needs {', '.join(absent)}"
    return probe()


@functools.cache
def probe() -> str | None:
    """Try a sandbox with one overlay and one FUSE mount; the reason if name spaces or mounts are refused."""

    async def attempt(scratch: Path) -> None:
        for name in ("view", "lower", "up/o", "work/o", "on/o"):
            (scratch / name).mkdir(parents=True)
        binds = (("--ro-bind", "/", "/"), ("--proc", "", "/proc"))
        mounter = launch.Mounter.open()
        try:
            plan = launch.Plan(scratch, (launch.Overlay("o", ("lower",)),), binds, {}, "/", ("true",), "/dev/null")
            sandbox = mounter.start(plan, Nothing(), Limits())
            await asyncio.wait([sandbox.ended], timeout=20)
            code = sandbox.ended.result() if sandbox.ended.done() else None
            await mounter.stop(sandbox)
        finally:
            mounter.close()
        if code != 0:
            raise ShellError(f"a sandbox of nothing ended with {code}")

    with tempfile.TemporaryDirectory(prefix="ds-probe-") as scratch:
        try:
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                pool.submit(asyncio.run, attempt(Path(scratch))).result()
        except ShellError as error:
            return f"name spaces or mounts are refused here: {error}"
    return None


class Maker(Protocol):
    """How an engine comes by its programs and starts its commands."""

    def toolbox(self) -> toolbox.Toolbox:
        """The programs. Blocking; made at the first use."""

    def open(self) -> launch.Starter:
        """What starts the commands of the running event loop."""

    def refusal(self, parsed: CommandLine, world: World, cwd: str) -> Unknown | None:
        """Why a line in `cwd` is beyond this engine alone."""


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """Programs of this machine, name spaces of bubblewrap."""

    cache: Path

    def toolbox(self) -> toolbox.Toolbox:
        """See `Maker`."""
        return toolbox.build(self.cache)

    def open(self) -> launch.Starter:
        """See `Maker`."""
        return launch.Mounter.open()

    def refusal(self, parsed: CommandLine, world: World, cwd: str) -> Unknown | None:
        """See `Maker`."""


@dataclass(slots=True)
class SandboxShell:
    """A `Shell`. `cache` holds what all rollouts share (toolbox, checkouts); `source` gives committed files."""

    cache: Path
    source: Source
    limits: Limits = field(default_factory=Limits)
    name: str = "sandbox"
    maker: Maker | None = None
    _starter: launch.Starter | None = field(default=None, repr=False)
    _toolbox: toolbox.Toolbox | None = field(default=None, repr=False)

    async def run(self, command: ShellCommand, world: World, programs: ProgramRunner) -> ShellRun | Unknown:
        """See `toolsim.shell.base.Shell.run`."""
        spelt, command = command.command, _posix(command, world)
        if (reason := self.refusal(command, world)) is not None:
            return reason
        done = await self.contained(command, world, programs)
        if spelt != command.command and isinstance(done, ShellRun) and _POSIX_DRIVE.search(done.output.output):
            return Unknown("which spelling of a path the machine's programs print")
        return done

    def refusal(self, command: ShellCommand, world: World) -> Unknown | None:
        """Why the command is not run at all, by its text and what is known of the session; `None`: it is run."""
        if world.profile.userland not in ("gnu", "bsd") or world.profile.shell not in ("bash", "sh", "zsh"):
            return Unknown(f"the {world.profile.userland} userland with {world.profile.shell} is not held")
        if any(fact.text == REWRITTEN for fact in world.facts):
            return Unknown(REWRITTEN)
        if len(command.command.encode("utf-8", "surrogateescape")) > MAX_COMMAND:
            return Unknown(TOO_LONG)
        if world.windows and _WINDOWS_PATH.search(command.command):
            return Unknown("a path in the spelling of Windows")
        parsed = parse(command.command)
        reason = refusal(parsed, command.command, known_variables(command, world), world.profile.shell)
        reason = reason or _git_refusal(parsed, command.command, world)
        return reason or self._by().refusal(parsed, world, world.key(command.cwd))

    async def contained(
        self, command: ShellCommand, world: World, programs: ProgramRunner, heard: Hearer | None = None
    ) -> ShellRun | Unknown:
        """Run a command whatever its text says: what holds it then is the sandbox alone.

        `heard` gets all that it prints, of a command whose outcome is then doubted too. Raises as `run`.
        """
        if world.kind(command.cwd) == "absent":
            return Unknown(f"the directory {command.cwd} is not there")
        if len(command.command.encode("utf-8", "surrogateescape")) > MAX_COMMAND:
            return Unknown(TOO_LONG)
        if any(c in world.key(command.cwd) + world.root for c in ":,\\'\"\n"):
            return Unknown("the path has characters that an overlay's options cannot hold")
        parsed, known = parse(command.command), known_variables(command, world)
        if self._toolbox is None:
            self._toolbox = await asyncio.to_thread(self._by().toolbox)
        if world.profile.userland not in self._toolbox.bins:
            return Unknown(f"the {world.profile.userland} userland is not held")
        starter = self._open_starter()
        setting = Setting(
            command, parsed, world, programs, self._toolbox, self.source, self.limits, starter, known, heard
        )  # fmt: skip
        scratch = Path(tempfile.mkdtemp(prefix=f"ds-{os.getpid()}-"))
        try:
            done = await CommandRun(setting, scratch).perform()
        except OSError as error:
            raise ShellError(f"the sandbox could not be made or read: {error}") from error
        finally:
            await asyncio.to_thread(discard, scratch)
        uses_git = any(posixpath.basename(i.name) == "git" for i in parsed.invocations)
        shows_ids = isinstance(done, ShellRun) and uses_git and _SHORT_ID.search(done.output.output) is not None
        if shows_ids and world.profile.parameters.get("git_abbrev") == 0:
            return Unknown("how long the short ids of this repository were")
        return done

    async def close(self) -> None:
        """End what starts commands; the caches stay."""
        starter, self._starter = self._starter, None
        if starter is not None:
            await asyncio.to_thread(starter.close)

    def _by(self) -> Maker:
        return self.maker or Bubblewrap(self.cache)

    def _open_starter(self) -> launch.Starter:
        """One for all commands of an event loop."""
        if self._starter is not None and self._starter.loop is not asyncio.get_running_loop():
            self._starter.close()
            self._starter = None
        if self._starter is None:
            self._starter = self._by().open()
        return self._starter


def _posix(command: ShellCommand, world: World) -> ShellCommand:
    """The line with paths like `D:/a` in the one spelling that the world's shell has for them: `/d/a`."""
    drive = _POSIX_DRIVE.match(world.root)
    if not world.windows or drive is None:
        return command
    text = re.sub(
        rf"(?<![\w/\\:])([{drive.group(1)}c]):/(?=\w)", lambda m: f"/{m.group(1).lower()}/", command.command, flags=re.I
    )
    return replace(command, command=text)


def discard(scratch: Path) -> None:
    """Remove what a command left, however deep it is and whatever modes it has."""
    with contextlib.suppress(OSError, RecursionError):
        shutil.rmtree(scratch)
        return
    for words in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):  # neither follows links on its way
        subprocess.run([*words, "--", str(scratch)], capture_output=True, check=False)


def _git_refusal(parsed: CommandLine, text: str, world: World) -> Unknown | None:
    """Why git commands of the line cannot be answered: an unknown part of `.git`, hooks of the project."""
    if lacking := gitstate.missing(parsed, world.git):
        return Unknown(f"not known of the session's own clone: {lacking}")
    if any(i.name == "git" and git_subcommand(i.arguments) == "commit" for i in parsed.invocations):
        hooks = next((name for name in HOOKS if world.kind(f"{world.root}/{name}") in ("file", "dir")), None)
        if hooks is not None and not re.search(r"\s(?:-\w*n\w*|--no-verify)\b", text):
            return Unknown(f"{hooks}: hooks that run at a commit")
    return None


def known_variables(command: ShellCommand, world: World) -> dict[str, str]:
    """The session's environment variables as far as known."""
    home = home_directory(world)
    return {**({"HOME": home} if home else {}), **shell_env(world.env), **command.env}


def home_directory(world: World) -> str | None:
    """The user's home as far as the root's own path tells."""
    parts = world.root.split("/")
    if len(parts) > 2 and parts[1] in ("Users", "home"):
        return "/".join(parts[:3])
    return "/root" if world.root.startswith("/root/") else None

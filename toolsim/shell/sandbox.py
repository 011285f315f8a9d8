"""The `sandbox` engine: a command line runs for real in an isolated overlay of the world's files.

Linux user and mount namespaces, overlayfs, FUSE and bubblewrap; no network, nothing of the host but a toolbox of exact
programs. Every other program is asked of the caller in its place inside the command. What a command reaches that the
world does not know makes its answer `Unknown`.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from toolsim.actions import Unknown
from toolsim.errors import ShellError
from toolsim.shell import launch, toolbox
from toolsim.shell.base import ProgramRunner, ShellCommand, ShellRun
from toolsim.shell.run import CommandRun, Limits, Setting
from toolsim.shell.screening import refusal
from toolsim.shellparse import parse

if TYPE_CHECKING:
    from toolsim.shell.source import Source
    from toolsim.world import World


def available() -> str | None:
    """Why this machine cannot run the engine; `None` if it can."""
    if not sys.platform.startswith("linux"):
        return "the sandbox needs Linux"
    for name in ("bwrap", "unshare", "mount"):
        if shutil.which(name) is None:
            return f"the sandbox needs {name} (Debian: bubblewrap, util-linux, mount)"
    if absent := toolbox.missing_programs():
        return f"the sandbox needs {', '.join(absent)}"
    return launch.probe()


@dataclass(slots=True)
class SandboxShell:
    """A `Shell`. `cache` holds what all rollouts share (toolbox, checkouts); `source` gives committed files."""

    cache: Path
    source: Source
    limits: Limits = Limits()
    name: str = "sandbox"
    _toolbox: toolbox.Toolbox | None = field(default=None, repr=False)

    async def run(self, command: ShellCommand, world: World, programs: ProgramRunner) -> ShellRun | Unknown:
        """See `toolsim.shell.base.Shell.run`."""
        if world.windows or world.profile.userland not in ("gnu", "bsd") or world.profile.shell not in ("bash", "sh", "zsh"):
            return Unknown(f"the {world.profile.userland} userland with {world.profile.shell} is not held")
        parsed = parse(command.command)
        home = home_directory(world)
        known = {**({"HOME": home} if home else {}), **world.env, **command.env}
        reason = refusal(parsed, command.command, known, world.profile.shell)
        if reason is not None:
            return reason
        if world.kind(command.cwd) == "absent":
            return Unknown(f"the directory {command.cwd} is not there")
        if any(c in world.key(command.cwd) + world.root for c in ":,\\'\"\n"):
            return Unknown("the path has characters that an overlay's options cannot hold")
        if self._toolbox is None:
            self._toolbox = await asyncio.to_thread(toolbox.build, self.cache)
        setting = Setting(command, parsed, world, programs, self._toolbox, self.source, self.limits, known)
        scratch = Path(tempfile.mkdtemp(prefix="ds-"))
        try:
            return await CommandRun(setting, scratch).perform()
        except OSError as error:
            raise ShellError(f"the sandbox could not be made or read: {error}") from error
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)

    async def close(self) -> None:
        """Nothing outlives a command; the caches stay."""


def home_directory(world: World) -> str | None:
    """The user's home as far as the root's own path tells."""
    parts = world.root.split("/")
    if len(parts) > 2 and parts[1] in ("Users", "home"):
        return "/".join(parts[:3])
    return "/root" if world.root.startswith("/root/") else None

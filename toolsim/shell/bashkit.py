"""The `bashkit` engine: a command line runs in an in-process bash over the world's files. Portable, without git.

PyPI package `bashkit` (optional extra `deploysim[bashkit]`). The interpreter asks a Python object for every file
(`bashkit_files`), so unknown paths are noticed as they are reached. Programs that bashkit lacks, or has in a form of
its own, are asked of the caller in their place. What it is known to get wrong is refused (`bashkit_forms`,
`bashkit_faults`) and goes down the ladder.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolsim.actions import Unknown
from toolsim.shell import bashkit_faults as faults
from toolsim.shell.base import Hearer, ProgramRunner, ShellCommand, ShellRun
from toolsim.shell.bashkit_run import CommandRun, Setting
from toolsim.shell.limits import Limits
from toolsim.shell.sandbox import MAX_COMMAND, TOO_LONG, known_variables
from toolsim.shell.screening import refusal
from toolsim.shellparse import parse

if TYPE_CHECKING:
    from toolsim.world import World

# The faults were measured with these: another version may have others.
VERSIONS = ("0.20.",)


def available() -> str | None:
    """Why the engine cannot be used here; `None` if it can."""
    if importlib.util.find_spec("bashkit") is None:
        return "the Python package bashkit is not installed: pip install 'deploysim[bashkit]'"
    version = importlib.metadata.version("bashkit")
    if not version.startswith(VERSIONS):
        return f"bashkit {version} is not one of the versions measured ({', '.join(v + 'x' for v in VERSIONS)})"
    return None


@dataclass(slots=True)
class BashkitShell:
    """A `Shell`. Holds nothing between commands."""

    limits: Limits = field(default_factory=Limits)
    name: str = "bashkit"

    async def run(self, command: ShellCommand, world: World, programs: ProgramRunner) -> ShellRun | Unknown:
        """See `toolsim.shell.base.Shell.run`."""
        reason = self.refusal(command, world)
        return reason if reason is not None else await self.contained(command, world, programs)

    def refusal(self, command: ShellCommand, world: World) -> Unknown | None:
        """Why the command is not run at all, by its text and what is known of the session; `None`: it is run."""
        profile = world.profile
        if world.windows or profile.userland not in ("gnu", "bsd") or profile.shell not in ("bash", "sh", "zsh"):
            return Unknown(f"the {profile.userland} userland with {profile.shell} is not held")
        if len(command.command.encode("utf-8", "surrogateescape")) > MAX_COMMAND:
            return Unknown(TOO_LONG)
        parsed = parse(command.command)
        reason = refusal(parsed, command.command, known_variables(command, world), profile.shell)
        return reason or faults.refusal(parsed, command.command, world, world.key(command.cwd))

    async def contained(
        self, command: ShellCommand, world: World, programs: ProgramRunner, heard: Hearer | None = None
    ) -> ShellRun | Unknown:
        """Run a command whatever its text says; `heard` gets all that it prints. Raises as `run`."""
        if world.kind(command.cwd) == "absent":
            return Unknown(f"the directory {command.cwd} is not there")
        known = known_variables(command, world)
        setting = Setting(command, parse(command.command), world, programs, self.limits, known, heard)
        return await CommandRun(setting).perform()

    async def close(self) -> None:
        """Nothing is held."""

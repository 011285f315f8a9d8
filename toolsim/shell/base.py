"""The contract of a shell engine: one command line in a world's files, with unknown programs answered from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from toolsim.actions import Mutation, ShellOutput, Unknown

if TYPE_CHECKING:
    from toolsim.world import World


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """A command line, its directory (the session's own spelling) and environment additions."""

    command: str
    cwd: str
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class ProgramRun:
    """One run of a program that the engine cannot compute, in its place inside the command line.

    `argv[0]` is the name as reached; `stdin` is what the pipeline feeds it (`None`: nothing connected); `line` is
    the whole command line, for evidence.
    """

    argv: tuple[str, ...]
    cwd: str
    stdin: str | None
    env: Mapping[str, str]
    line: str
    ordinal: int


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """What the program printed and did; `mutations` were validated and take effect before the next stage reads.

    `errors_first` says in which order the two streams were written.
    """

    stdout: str
    stderr: str
    exit_code: int
    duration: float = 0.0
    mutations: tuple[Mutation, ...] = ()
    errors_first: bool = False


ProgramRunner: TypeAlias = Callable[[ProgramRun, "World"], Awaitable[ProgramResult]]
"""Answers one program run. What it raises stops the whole command and is raised again by `Shell.run`."""

Hearer: TypeAlias = Callable[[str, bytes], None]
"""Gets each piece that a command writes, with its stream ("out" or "err"); called from any thread."""


@dataclass(frozen=True, slots=True)
class ShellRun:
    """A finished command: its output, what it changed, and the runs that were answered from outside."""

    output: ShellOutput
    mutations: tuple[Mutation, ...]
    programs: tuple[tuple[ProgramRun, ProgramResult], ...] = ()


class Shell(Protocol):
    """An engine. It never changes the world it is given; it returns the mutations."""

    name: str

    async def run(self, command: ShellCommand, world: World, programs: ProgramRunner) -> ShellRun | Unknown:
        """Run the command in a fork of the world's files.

        Returns `Unknown` where this engine cannot be exact (unknown paths involved, userland not held, a program
        outside of what it computes where `programs` may not be asked).

        Raises:
            ShellError: the engine failed.
            SimulationFailed, ModelError, BudgetExceeded: raised by `programs`, passed through unchanged.
        """

    async def close(self) -> None:
        """Free processes and temporary files."""

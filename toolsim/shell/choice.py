"""Which shell engine a machine can run, and why not the other; engines opened by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from toolsim.errors import ShellError
from toolsim.shell import bashkit, sandbox
from toolsim.shell.base import Shell
from toolsim.shell.both import BothShell
from toolsim.shell.source import RepositorySource

Engine: TypeAlias = Literal["both", "sandbox", "bashkit", "none"]
Wanted: TypeAlias = Literal["auto", "both", "sandbox", "bashkit", "none"]

_AVAILABLE = {"sandbox": sandbox.available, "bashkit": bashkit.available}


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine used, and of each other the reason against it."""

    engine: Engine
    passed: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line for manifests and summaries."""
        return self.engine + "".join(f"; not {name}: {reason}" for name, reason in self.passed.items())


def choose(wanted: Wanted) -> Choice:
    """The engine wanted; with `auto` both where this machine can run them, else the one that it can, else none.

    Raises:
        ShellError: a named engine cannot run here.
    """
    if wanted == "none":
        return Choice("none", dict.fromkeys(_AVAILABLE, "--shell none"))
    named = tuple(_AVAILABLE) if wanted in ("auto", "both") else (wanted,)
    lacking = {name: reason for name in named if (reason := _AVAILABLE[name]()) is not None}
    if wanted != "auto":
        for reason in lacking.values():
            raise ShellError(f"the shell engine {wanted} cannot be used: {reason}")
        return Choice(wanted, {name: f"--shell {wanted}" for name in _AVAILABLE if name not in named})
    if not lacking:
        return Choice("both")
    able = next((name for name in named if name not in lacking), None)
    return Choice("sandbox" if able == "sandbox" else "bashkit" if able else "none", lacking)


def open_shell(engine: Engine, cache: Path, branch: str | None, url: str | None) -> Shell | None:
    """The engine for one session's repository; `None` for `none`. `cache` is shared by all rollouts."""
    if engine in ("sandbox", "both"):
        whole = sandbox.SandboxShell(cache, RepositorySource(cache, branch, url))
        return whole if engine == "sandbox" else BothShell(bashkit.BashkitShell(), whole)
    return bashkit.BashkitShell() if engine == "bashkit" else None

"""Which shell engine a machine can run, and why not the other; engines opened by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from toolsim.errors import ShellError
from toolsim.shell import bashkit, sandbox
from toolsim.shell.base import Shell
from toolsim.shell.source import RepositorySource

Engine: TypeAlias = Literal["sandbox", "bashkit", "none"]
Wanted: TypeAlias = Literal["auto", "sandbox", "bashkit", "none"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine used, and of each other the reason against it."""

    engine: Engine
    passed: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line for manifests and summaries."""
        return self.engine + "".join(f"; not {name}: {reason}" for name, reason in self.passed.items())


def choose(wanted: Wanted) -> Choice:
    """The engine wanted; with `auto` the sandbox where this machine can run it, else bashkit, else none.

    Raises:
        ShellError: a named engine cannot run here.
    """
    if wanted == "none":
        return Choice("none", dict.fromkeys(get_args(Engine)[:2], "--shell none"))
    missing = {"sandbox": sandbox.available, "bashkit": bashkit.available}
    if wanted != "auto":
        reason = missing[wanted]()
        if reason is not None:
            raise ShellError(f"the shell engine {wanted} cannot be used: {reason}")
        return Choice(wanted, {name: f"--shell {wanted}" for name in missing if name != wanted})
    no_sandbox = sandbox.available()
    if no_sandbox is None:
        return Choice("sandbox", {"bashkit": "the sandbox is preferred"})
    no_bashkit = bashkit.available()
    if no_bashkit is None:
        return Choice("bashkit", {"sandbox": no_sandbox})
    return Choice("none", {"sandbox": no_sandbox, "bashkit": no_bashkit})


def open_shell(engine: Engine, cache: Path, branch: str | None, url: str | None) -> Shell | None:
    """The engine for one session's repository; `None` for `none`. `cache` is shared by all rollouts."""
    if engine == "sandbox":
        return sandbox.SandboxShell(cache, RepositorySource(cache, branch, url))
    return bashkit.BashkitShell() if engine == "bashkit" else None

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
from toolsim.shell.userland import Image

Engine: TypeAlias = Literal["both", "sandbox", "bashkit", "container", "none"]
Wanted: TypeAlias = Literal["auto", "both", "sandbox", "bashkit", "container", "none"]

_AVAILABLE = {"sandbox": sandbox.available, "bashkit": bashkit.available}


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine used, of each other the reason against it, and the image of containers."""

    engine: Engine
    passed: dict[str, str] = field(default_factory=dict)
    image: Image | None = None

    def settings(self) -> dict[str, str | None]:
        """The settings that name exactly this: an image by its id, since a name may be another image tomorrow."""
        return {"shell": self.engine, "image": None if self.image is None else self.image.id}

    def __str__(self) -> str:
        """One line for manifests and summaries."""
        name = self.engine if self.image is None else f"{self.engine} of {self.image}"
        return name + "".join(f"; not {name}: {reason}" for name, reason in self.passed.items())


def choose(wanted: Wanted, image: Image | None = None) -> Choice:
    """The engine wanted; with `auto` both where this machine can run them, else the one that it can, else none.

    Containers, of `image`, are used only where they are asked for.

    Raises:
        ShellError: a named engine cannot run here.
    """
    if wanted == "none":
        return Choice("none", dict.fromkeys(_AVAILABLE, "--shell none"))
    if wanted == "container":
        from toolsim.shell import container  # loads the engine's client

        if image is None or (reason := container.available(image)) is not None:
            raise ShellError(f"the shell engine container cannot be used: {reason if image else 'it needs an image'}")
        return Choice("container", dict.fromkeys(_AVAILABLE, "--shell container"), container.identified(image))
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


def open_shell(choice: Choice, cache: Path, branch: str | None, url: str | None) -> Shell | None:
    """The engine for one session's repository; `None` for `none`. `cache` is shared by all rollouts."""
    if choice.engine in ("none", "bashkit"):
        return bashkit.BashkitShell() if choice.engine == "bashkit" else None
    source = RepositorySource(cache, branch, url)
    if choice.engine == "container" and choice.image is not None:
        from toolsim.shell import container

        return container.open_container(cache, source, choice.image)
    whole = sandbox.SandboxShell(cache, source)
    return whole if choice.engine == "sandbox" else BothShell(bashkit.BashkitShell(), whole)

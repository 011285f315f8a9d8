"""What a command's sandbox is made of: the world's files as layers, the mounts, the environment."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from repos.worktree import left_out
from toolsim import paths
from toolsim.shell import gitdir
from toolsim.shell.base import ShellCommand
from toolsim.shell.launch import Overlay, Plan
from toolsim.shell.layers import Layer
from toolsim.shell.limits import Limits
from toolsim.shell.territory import LOOKED_FOR, SYSTEM
from toolsim.shell.toolbox import Toolbox
from toolsim.shellparse import parse

if TYPE_CHECKING:
    from toolsim.shell.source import Source
    from toolsim.world import World

_ZSH_LIKE = ("-O", "xpg_echo", "-O", "failglob", "-O", "globstar")


@dataclass(frozen=True, slots=True)
class Layout:
    """The plan with its upper layers; `standing` directories exist, `hidden` paths are not the session's."""

    plan: Plan
    layers: tuple[Layer, ...]
    standing: frozenset[str]
    hidden: frozenset[str]
    missing: frozenset[str]


def lay_out(
    command: ShellCommand,
    world: World,
    scratch: Path,
    toolbox: Toolbox,
    source: Source,
    known: Mapping[str, str],
    limits: Limits,
) -> Layout:
    """Make the directories of a sandbox below `scratch` and say how to start it."""
    cwd, root, snapshot = world.key(command.cwd), world.root, world.snapshot
    for name in ("view", "up", "work", "on"):
        (scratch / name).mkdir()
    tree = source.tree(snapshot) if snapshot is not None else None
    git = source.git(world, tree) if tree is not None else None
    layers = [_layer(scratch, "all", "/")]
    overlays = [Overlay("all", ("view/world",))]
    if tree is not None:
        layers.append(_layer(scratch, "root", root))
        overlays.append(Overlay("root", (f"view/world{root}", str(tree))))
    if git is not None:
        layers.append(_layer(scratch, "git", paths.join(root, ".git"), git))
        overlays.append(Overlay("git", (f"view/world{root}/.git", str(git))))
        (scratch / "up/root/.git").mkdir()
    _fill(world, layers)
    named = frozenset(parse(command.command).words)
    _system_directories(scratch / "up/all", (root, cwd), named)
    layers[0].given = frozenset({"/etc", "/var", root, cwd, *paths.ancestors(root), *paths.ancestors(cwd)})
    layers[0].given |= toolbox.standing
    userland = world.profile.userland
    overlays.append(Overlay("bin", (str(toolbox.bins[userland]), "view/bin"), upper=False))
    if toolbox.local is not None:
        overlays.append(Overlay("local", (str(toolbox.local), "view/bin"), upper=False))
        (scratch / "on/local").mkdir()
    standing = frozenset(
        {"/", root, cwd, *paths.ancestors(root), *paths.ancestors(cwd)}
        | ({paths.join(root, ".git")} if git else set())
        | toolbox.standing
    )
    (scratch / "on/bin").mkdir()
    (scratch / "stdin").write_text(command.stdin, errors="surrogateescape")
    binds = _binds(
        scratch, toolbox, [(overlay.name, layer.place) for overlay, layer in zip(overlays, layers, strict=False)]
    )
    shell = world.profile.shell
    options = _ZSH_LIKE if shell == "zsh" else ()
    plan = Plan(
        scratch, tuple(overlays), binds, environment(world, known, git), command.cwd,
        ("/usr/lib/toolbox/start-sh", command.command) if shell == "sh" else ("bash", *options, "-c", command.command),
        str(scratch / "stdin") if command.stdin else "/dev/null", limits.hard(),
    )  # fmt: skip
    hidden = frozenset(SYSTEM) | {layer.place for layer in layers[1:]} | {"/.unknown"} | LOOKED_FOR | toolbox.left
    missing = frozenset(paths.join(root, path) for path in left_out(tree)) if tree is not None else frozenset()
    return Layout(plan, tuple(layers), standing, hidden, missing)


def _layer(scratch: Path, name: str, place: str, lower: Path | None = None) -> Layer:
    for kind in ("up", "work", "on"):
        (scratch / kind / name).mkdir()
    return Layer(place, scratch / "up" / name, lower)


def _fill(world: World, layers: list[Layer]) -> None:
    """Hand each difference of the world to the innermost layer that holds its path."""
    overlay = world.overlay()
    changed: list[dict[str, bytes | None]] = [{} for _ in layers]
    made: list[set[str]] = [set() for _ in layers]

    def innermost(path: str) -> int:
        return max(n for n, layer in enumerate(layers) if paths.relative(path, layer.place) is not None)

    for path, content in overlay.changed.items():
        changed[innermost(path)][path] = content
    for path in overlay.directories:
        made[innermost(path)].add(path)
    for layer, contents, directories in zip(layers, changed, made, strict=True):
        layer.fill(world, contents, frozenset(directories - {layer.place}))


def _system_directories(upper: Path, needed: tuple[str, ...], named: frozenset[str]) -> None:
    """Directories of the sandbox itself, and what every program looks for: answered without a question."""
    for name in ("usr", "dev", "proc", "run", "run/ask"):
        (upper / name).mkdir(parents=True, exist_ok=True)
        os.setxattr(upper / name, "user.overlay.opaque", b"y")
    for path in LOOKED_FOR - named:
        place = upper / path.lstrip("/")
        if not os.path.lexists(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(0, 0))
    for name, target in (("bin", "usr/bin"), ("sbin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")):
        (upper / name).symlink_to(target)
    for path in needed:
        (upper / path.lstrip("/")).mkdir(parents=True, exist_ok=True)


def _binds(scratch: Path, toolbox: Toolbox, mounted: list[tuple[str, str]]) -> tuple[tuple[str, str, str], ...]:
    on = scratch / "on"
    binds = [
        ("--bind", str(on / "all"), "/"),
        ("--ro-bind", str(toolbox.root / "usr"), "/usr"),
        ("--ro-bind", str(on / "bin"), "/usr/bin"),
        ("--ro-bind", str(scratch / ("view/bin" if toolbox.local is None else "on/local")), "/usr/local/bin"),
        ("--dev", "", "/dev"),
        ("--remount-ro", "", "/dev"),
        ("--proc", "", "/proc"),
        ("--remount-ro", "", "/proc"),
        ("--bind", str(scratch / "ask"), "/run/ask"),
    ]
    binds += [("--bind", str(on / name), place) for name, place in mounted[1:]]
    return tuple(binds)


def environment(world: World, known: Mapping[str, str], git: Path | None) -> dict[str, str]:
    """What the shell starts with: what is known of the session's, and what makes the toolbox exact."""
    env = {k: v for k, v in known.items() if k not in ("PATH", "LC_ALL", "LANG", "TZ", "BASH_ENV")}
    env |= {
        "PATH": "/usr/bin:/bin:/usr/local/bin",
        "LC_ALL": "C.UTF-8",
        "TZ": known.get("TZ", "UTC"),
        "BASH_ENV": "/usr/lib/toolbox/environment",
        "__TOP": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_PAGER": "cat",
        "GIT_EDITOR": "true",
        "GIT_TERMINAL_PROMPT": "0",
    }
    abbreviation = world.profile.parameters.get("git_abbrev")
    env |= gitdir.settings(abbreviation if isinstance(abbreviation, int) and abbreviation > 0 else None)
    if git is not None:
        env |= {k: v for k, v in gitdir.identity(git).items() if k not in known}
    if world.now is not None:
        stamp = f"@{int(world.now)} +0000"
        env |= {"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp, "GIT_TEST_DATE_NOW": str(int(world.now))}
    return env

"""What a recorded git command did to the files and to what is known of `.git`, as far as its text and output tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from toolsim import paths, shellparse
from toolsim.actions import Blur, GitMove, Mutation, PutFile, RemovePath
from toolsim.recorded_head import (
    UNCHANGED,
    GitCommand,
    blurred,
    git_command,
    is_this_tree,
    listed,
    moves,
    put_back,
    restores,
)

if TYPE_CHECKING:
    from toolsim.recorded_shell import RecordedRun
    from toolsim.shellparse import Invocation
    from toolsim.world import World

_HOOKS = re.compile(r"lint-staged|prettier|husky|pre-commit|reformatted|files? modified by", re.I)
_OPAQUE = frozenset({
    "clean", "apply", "am", "submodule", "bisect", "read-tree", "checkout-index", "rebase", "sparse-checkout",
})  # fmt: skip


def effects(invocation: Invocation, cwd: str, run: RecordedRun, world: World) -> Iterator[Mutation]:
    """The mutations that follow from `git ...` having run in the directory as a part of the recorded command."""
    command = git_command(invocation, cwd, run, world)
    if shellparse.is_read_only("git " + " ".join([command.sub, *command.rest])):
        return
    if not is_this_tree(command.cwd, world):
        yield from _elsewhere(command)
        return
    yield from _work_tree(command, world)
    yield from moves(command, world)


def _elsewhere(command: GitCommand) -> Iterator[Mutation]:
    """git in another directory: another repository, or another work tree of this one, which shares its refs."""
    quiet = ("add", "commit", "push", "fetch", "tag", "config", "init", "remote", "notes", "gc", "lfs", "am")
    if command.sub not in quiet:
        yield Blur(command.cwd.rstrip("/") + "/", f"git {command.sub}")
    beside = {"worktrees", ".worktrees"} & set(re.split(r"[/.]", command.cwd)) or "worktree" in command.cwd
    if beside:
        yield GitMove(lost=("other refs", "remote branches", "stash"))


def _work_tree(command: GitCommand, world: World) -> Iterator[Mutation]:
    """What happens to the files where no commit says it."""
    sub, rest, words, run = command.sub, command.rest, command.words, command.run
    if sub == "commit":
        if _HOOKS.search(run.output):
            yield Blur(world.root + "/", "commit hooks", scope="edited")
    elif sub in ("rm", "mv"):
        if "--cached" not in rest:
            yield from _removed_or_moved(command, world)
    elif sub == "worktree":
        yield from (
            Blur(paths.canonical(w, command.cwd, windows=world.windows) + "/", "a work tree") for w in words[1:2]
        )
    elif sub == "stash":
        if not UNCHANGED.search(run.output) and not put_back(run.command):
            yield Blur(world.root + "/", "git stash", scope="edited")
            if words[:1] in (["pop"], ["apply"]):
                yield from blurred(listed(run.output), world, "git stash", "content")
    elif restores(command):
        yield from _restored(command, world)
    elif sub in _OPAQUE and not UNCHANGED.search(run.output) and "--cached" not in rest:
        yield Blur(world.root + "/", f"git {sub}")


def _removed_or_moved(command: GitCommand, world: World) -> Iterator[Mutation]:
    named = [paths.canonical(w, command.cwd, windows=world.windows) for w in command.words]
    if command.sub == "rm":
        yield from (RemovePath(path) for path in named if not re.search(r"[*?\[]", path))
    elif len(named) >= 2:
        for source in named[:-1]:
            content = world.read(source)
            target = named[-1]
            if world.kind(target) == "dir":
                target = paths.join(target, source.rpartition("/")[2])
            yield RemovePath(source)
            yield PutFile(target, content, world.mode(source)) if isinstance(content, bytes) else Blur(target, "git mv")


def _restored(command: GitCommand, world: World) -> Iterator[Mutation]:
    rest = command.rest
    if command.sub == "restore" and "--staged" in rest and "--worktree" not in rest:
        return
    after = rest[rest.index("--") + 1 :] if "--" in rest else tuple(command.words)
    before = [w for w in rest[: rest.index("--")] if not w.startswith("-")] if "--" in rest else []
    named = [paths.canonical(w, command.cwd, windows=world.windows) for w in after]
    plain = not before and not any(o.startswith(("--source", "-s")) for o in rest)
    known = plain and not {"HEAD", "index"} & world.git.lost
    for path in named:
        tracked = world.files.tracked(path)
        if known and path not in world.git.staged and isinstance(tracked, bytes):
            yield PutFile(path, tracked, world.files.committed_mode(path))
        elif world.kind(path) == "file":
            yield Blur(path, f"git {command.sub}", scope="content")
        else:
            yield Blur(world.root + "/", f"git {command.sub}", scope="content")

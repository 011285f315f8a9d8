"""Where a sandbox gets a world's committed files and history: caches shared by all rollouts of one commit."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from repos.history import Remote, clone_as_of
from repos.snapshot import Snapshot, checkout
from repos.worktree import left_out
from toolsim import merkle, paths
from toolsim.shell import gitdir
from toolsim.world import World


class Source(Protocol):
    """Plain directories that stay as they are; the sandbox only reads them."""

    def tree(self, snapshot: Snapshot) -> Path:
        """The commit's files."""

    def git(self, world: World, tree: Path) -> Path | None:
        """The git directory for the world's commit and moment, its index fitting `tree`; `None` if there is none."""


@dataclass(frozen=True, slots=True)
class RepositorySource:
    """Checkouts and throwaway clones below `cache`. `branch` is the session's branch at the base commit."""

    cache: Path
    branch: str | None = None
    remote_url: str | None = None

    def tree(self, snapshot: Snapshot) -> Path:
        """The commit's files, checked out once."""
        return checkout(snapshot, self.cache)

    def git(self, world: World, tree: Path) -> Path | None:
        """A clone cut at the world's moment, made once for each commit, branch and moment."""
        snapshot = world.snapshot
        if snapshot is None:
            return None
        branch = self.branch if world.git.branch is None else world.git.branch or None
        parts: list[object] = [snapshot.git_dir, snapshot.commit, branch, world.as_of, self.remote_url, tree]
        parts += [f"{name} {tip}" for name, tip in sorted((*world.git.origin.items(), *world.git.upstream.items()))]

        def clone(made: Path) -> None:
            made.mkdir()
            clone_as_of(
                snapshot.git_dir, snapshot.commit, branch=branch, as_of=world.as_of, into=made,
                remote=Remote(self.remote_url, world.git.origin, world.git.upstream),
            )  # fmt: skip
            gitdir.write_index(made / ".git", tree, left_out(tree))

        place = self._once(parts, clone)
        if not world.git.staged:
            return place / ".git"
        staged = {
            paths.relative(path, world.root) or "": (content, world.mode(path))
            for path, content in sorted(world.git.staged.items())
        }

        def stage(made: Path) -> None:
            shutil.copytree(place, made, copy_function=os.link, symlinks=True)
            gitdir.stage(made / ".git", tree, staged)

        more = [
            f"{path} {merkle.blob_id(text) if text is not None else None} {mode:o}"
            for path, (text, mode) in staged.items()
        ]
        return self._once([*parts, *more], stage) / ".git"

    def _once(self, parts: Sequence[object], make: Callable[[Path], None]) -> Path:
        """The directory that is made of these parts, whole or not at all; another process may do the same."""
        key = hashlib.sha256("\0".join(str(part) for part in parts).encode("utf-8", "surrogateescape")).hexdigest()[:24]
        place = self.cache / "git" / key
        if not place.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent, prefix="clone-") as scratch:
                make(Path(scratch) / "made")
                try:
                    (Path(scratch) / "made").rename(place)
                except OSError:
                    if not place.is_dir():
                        raise
        return place

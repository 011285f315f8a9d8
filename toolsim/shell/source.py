"""Where a sandbox gets a world's committed files and history: caches shared by all rollouts of one commit."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from repos.history import clone_as_of
from repos.snapshot import Snapshot, checkout
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
        parts = (snapshot.git_dir, snapshot.commit, self.branch, world.as_of, self.remote_url, tree)
        key = hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()[:24]
        place = self.cache / "git" / key
        if not place.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent, prefix="clone-") as scratch:
                self._make(world, snapshot, tree, Path(scratch) / "made", place)
        return place / ".git"

    def _make(self, world: World, snapshot: Snapshot, tree: Path, made: Path, place: Path) -> None:
        made.mkdir()
        clone_as_of(
            snapshot.git_dir, snapshot.commit, branch=self.branch, as_of=world.as_of, into=made,
            remote_url=self.remote_url,
        )  # fmt: skip
        gitdir.write_index(made / ".git", tree)
        try:
            made.rename(place)
        except OSError:
            if not place.is_dir():
                raise

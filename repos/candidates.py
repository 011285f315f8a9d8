"""Commits that a session may have started from, best first. What the session shows of files then decides.

Nothing newer than the session's start is named, except a commit that the session itself recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from repos.checkpoints import read_checkpoints
from repos.commits import CommitTable, commit_table
from repos.errors import RepositoryError
from repos.git import run
from repos.objects import check
from repos.pulls import pull_bases
from repos.refs import moment, read_refs
from repos.snapshot import open_objects

if TYPE_CHECKING:
    from repos.catalog import KnownRepository

_HEX = re.compile(r"^[0-9a-f]{7,64}$")
_RECENT = 8
_FIND_SECONDS = 5.0
_MOST_BLOBS = 3
_MOST_TIPS = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A commit (full id) and how it was come by."""

    commit: str
    how: str


@dataclass(frozen=True, slots=True)
class Hints:
    """What a session shows that may lead to its commit.

    `sessions` are its ids; `heads` (abbreviated) commit ids that stood for HEAD, `ids` others that its output showed;
    `blobs` (abbreviated) ids of file contents that diffs showed; `pull` the number of the pull request that the task
    is named after.
    """

    sessions: Sequence[str] = ()
    heads: Sequence[str] = ()
    ids: Sequence[str] = ()
    blobs: Sequence[str] = ()
    pull: int | None = None


def candidates(
    repo: KnownRepository,
    *,
    recorded: str | None,
    branch: str | None,
    before: float | None,
    hints: Hints = Hints(),
) -> tuple[Candidate, ...]:
    """Commits that a session may have started from, best guess first, none twice.

    `before` is the session's first time (Unix seconds); without it only what the session itself names is found.

    Raises:
        RepositoryError: the repository cannot be read.
    """
    search = _Search(repo.git_dir, commit_table(repo.git_dir), branch, before)
    return search.collect(recorded, hints)


def recent(git_dir: Path, before: float | None, count: int) -> tuple[str, ...]:
    """The last `count` commits over all refs that were made before the moment, newest first."""
    return commit_table(git_dir).recent(before, count)


def commit_time(git_dir: Path, commit: str) -> float | None:
    """When a commit was made (committer's time, Unix seconds); `None` if the repository lacks it."""
    found = moment(open_objects(git_dir), commit)
    return found[1] if found is not None and found[0] == commit else None


@dataclass(frozen=True, slots=True)
class _Search:
    git_dir: Path
    table: CommitTable
    branch: str | None
    before: float | None

    def collect(self, recorded: str | None, hints: Hints) -> tuple[Candidate, ...]:
        found: dict[str, str] = {}
        for commit, how in self._all(recorded, hints):
            if commit not in found and (how == "recorded" or self._old_enough(commit)):
                found[commit] = how
        return tuple(Candidate(commit, how) for commit, how in found.items())

    def _all(self, recorded: str | None, hints: Hints) -> Iterator[tuple[str, str]]:
        if recorded:
            yield from ((c, "recorded") for c in self._commits([recorded]))
        yield from ((c, "HEAD in the session") for c in self._commits(hints.heads))
        yield from self._checkpoints(hints.sessions)
        if hints.pull is not None:
            yield from ((c, "base of the pull request") for c in pull_bases(self.git_dir, hints.pull))
        if self.before is not None:
            yield from self._on_branches(self.before)
        yield from ((c, "named in the session") for c in self._commits(hints.ids))
        if self.before is not None:
            yield from ((c, "holds a shown blob") for c in self._with_blobs(hints.blobs, self.before))
            yield from ((c, "recent") for c in self.table.recent(self.before, _RECENT))

    def _commits(self, names: Sequence[str]) -> list[str]:
        names = [name for name in names if _HEX.match(name)]
        found = check(self.git_dir, [f"{name}^{{commit}}" for name in names]) if names else []
        return [each[0] for each in found if each is not None]

    def _old_enough(self, commit: str) -> bool:
        known = self.table.commits.get(commit)
        made = known.time if known is not None else commit_time(self.git_dir, commit)
        return made is not None and (self.before is None or made <= self.before)

    def _checkpoints(self, sessions: Sequence[str]) -> Iterator[tuple[str, str]]:
        """The base of a shadow branch; the parent of the first commit that carries a checkpoint of the session."""
        kept = read_checkpoints(self.git_dir)
        for session in sessions:
            yield from ((c, "base of a shadow branch") for c in self._commits(kept.bases.get(session, ())))
        for session in sessions:
            for checkpoint in kept.ids.get(session, ()):
                for parent in self._carried(checkpoint):
                    yield from self._at_or_before(parent)

    def _carried(self, checkpoint: str) -> list[str]:
        """Parents of the commits with the trailer, those of the first written first."""
        found = [(c.authored, c.time, c.parents[0]) for c in self.table.commits.values()
                 if checkpoint in c.checkpoints and c.parents]  # fmt: skip
        return list(dict.fromkeys(parent for _, _, parent in sorted(found)))

    def _at_or_before(self, parent: str) -> Iterator[tuple[str, str]]:
        if self._old_enough(parent):
            yield parent, "checkpoint's parent"
        elif self.before is not None:
            ancestor = self.table.last_before(parent, self.before)
            if ancestor is not None:
                yield ancestor, "checkpoint's ancestor before the session"

    def _on_branches(self, before: float) -> Iterator[tuple[str, str]]:
        refs = read_refs(self.git_dir)
        if self.branch:
            starts = [refs.branches[self.branch]] if self.branch in refs.branches else []
            for start in [*starts, *self._merged(self.branch)]:
                commit = self.table.last_before(start, before)
                if commit is not None:
                    yield commit, "last on the branch before the session"
        if refs.default is not None:
            commit = self.table.last_before(refs.branches[refs.default], before)
            if commit is not None:
                yield commit, f"last on {refs.default} before the session"

    def _merged(self, branch: str) -> list[str]:
        """Tips of a branch that may be gone, from the messages of its merges."""
        named = re.compile(rf"(?:^|[\s'/:]){re.escape(branch)}(?:$|[\s'])")
        found = [c.parents[1] for _, c in self.table.merges() if named.search(c.subject or "")]
        return found[:_MOST_TIPS]

    def _with_blobs(self, blobs: Sequence[str], before: float) -> Iterator[str]:
        """The newest commits that brought or took away the blobs, in bounded time."""
        names = [blob for blob in blobs if _HEX.match(blob)][:_MOST_BLOBS]
        for oid, kind in [each for each in (check(self.git_dir, names) if names else []) if each]:
            if kind != "blob":
                continue
            try:
                text = run(
                    self.git_dir, "log", "--all", f"--find-object={oid}", f"--until={int(before)}", "--format=%H",
                    "-n2", "--no-textconv", "--no-ext-diff", seconds=_FIND_SECONDS,
                )  # fmt: skip
            except RepositoryError:
                return
            yield from text.decode("ascii", "replace").split()

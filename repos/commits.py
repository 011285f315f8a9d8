"""All commits of a repository as one table in memory: times, parents, merges, checkpoint trailers. Built once for the
present refs, then asked without git.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from repos.git import History

MOST = 200_000
_FORMAT = "--format=%H%x00%ct%x00%at%x00%P%x00%(trailers:key=Entire-Checkpoint,valueonly,separator=%x2C)%x00%s"
# How hosts write the number of a pull request into the subject of the commit that brought it in.
_PULL = re.compile(r"^Merge pull request #(\d+)\b|\(#(\d+)\)$")
# Records of sessions (`repos.checkpoints`): nobody works on these branches.
_OTHERS = ("--exclude=refs/heads/entire/*", "--exclude=refs/remotes/*/entire/*")


@dataclass(frozen=True, slots=True)
class Commit:
    """When it was committed and authored (Unix seconds), its parents, its checkpoint ids; `subject` of merges only."""

    time: int
    authored: int
    parents: tuple[str, ...]
    checkpoints: tuple[str, ...]
    subject: str | None


@dataclass(frozen=True, slots=True)
class CommitTable:
    """The newest `MOST` commits of all refs but entire.io's; `order` is by time, oldest first; `pulls` are the commits
    that brought a pull request in, by its number, oldest first.
    """

    commits: Mapping[str, Commit]
    order: tuple[str, ...]
    times: tuple[int, ...]
    pulls: Mapping[int, tuple[str, ...]]

    def recent(self, before: float | None, count: int) -> tuple[str, ...]:
        """The last `count` commits made at the moment or earlier, newest first."""
        end = len(self.order) if before is None else bisect_right(self.times, before)
        return self.order[max(0, end - count) : end][::-1]

    def last_before(self, start: str, before: float) -> str | None:
        """The newest commit on the first-parent line of `start` that was made at the moment or earlier."""
        return next((at for at in self.line(start) if self.commits[at].time <= before), None)

    def line(self, start: str) -> Iterator[str]:
        """The first-parent line from a commit back."""
        at: str | None = start
        while at is not None and (commit := self.commits.get(at)) is not None:
            yield at
            at = commit.parents[0] if commit.parents else None

    def merges(self) -> Iterator[tuple[str, Commit]]:
        """All merges, newest first."""
        for oid in reversed(self.order):
            if self.commits[oid].subject is not None:
                yield oid, self.commits[oid]


def commit_table(git_dir: Path) -> CommitTable:
    """The commits of all present refs.

    Raises:
        RepositoryError: git failed.
    """
    return _table(git_dir, refs_state(git_dir))


def refs_state(git_dir: Path) -> tuple[str, ...]:
    """All refs with their object ids, as lines `<id> <name>`: equal as long as nothing moved."""
    return tuple(History(git_dir).ask("for-each-ref", "--format=%(objectname) %(refname)"))


@lru_cache(maxsize=16)
def _table(git_dir: Path, state: tuple[str, ...]) -> CommitTable:
    found: dict[str, Commit] = {}
    pulls: dict[int, list[str]] = {}
    for line in History(git_dir).ask("log", *_OTHERS, "--all", f"-n{MOST}", _FORMAT) if state else []:
        fields = line.split("\0", 5)
        if len(fields) == 6:
            oid, time, authored, parents, checkpoints, subject = fields
            above = tuple(parents.split())
            if number := _PULL.search(subject):
                pulls.setdefault(int(number[1] or number[2]), []).insert(0, oid)
            found[oid] = Commit(
                int(time), int(authored), above, tuple(c.strip() for c in checkpoints.split(",") if c.strip()),
                subject if len(above) > 1 else None,
            )  # fmt: skip
    order = tuple(sorted(found, key=lambda oid: (found[oid].time, oid)))
    brought = MappingProxyType({number: tuple(oids) for number, oids in pulls.items()})
    return CommitTable(MappingProxyType(found), order, tuple(found[oid].time for oid in order), brought)

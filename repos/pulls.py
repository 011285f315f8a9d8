"""Where a pull request started from: tasks that are named after one (`owner__name-123`) start there.

Known from the commits that brought the request in, and from its head where the mirror has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from repos.commits import CommitTable, commit_table, refs_state
from repos.git import History
from repos.refs import read_refs

_MOST = 6


def pull_bases(git_dir: Path, number: int) -> tuple[str, ...]:
    """Commits that pull request `number` may have been branched off, best first; none where nothing is known of it.

    Raises:
        RepositoryError: the repository cannot be read.
    """
    return _bases(git_dir, number, refs_state(git_dir))


@lru_cache(maxsize=512)
def _bases(git_dir: Path, number: int, state: tuple[str, ...]) -> tuple[str, ...]:
    head = next((oid for oid, _, name in (ref.partition(" ") for ref in state) if name == _head(number)), None)
    found = _found(git_dir, commit_table(git_dir), number, head)
    return tuple(dict.fromkeys(base for base in found if base is not None))[:_MOST]


def _head(number: int) -> str:
    return f"refs/pull/{number}/head"


def _found(git_dir: Path, table: CommitTable, number: int, head: str | None) -> Iterator[str | None]:
    """From the merge; from the commit that a request was squashed into; from its head alone."""
    history, refs = History(git_dir), read_refs(git_dir)
    tip = refs.branches[refs.default] if refs.default is not None else None
    brought = (*table.pulls.get(number, ()), *(_brought_in(history, head, tip) if head and tip else ()))
    for oid in brought:
        before, *others = (*table.commits[oid].parents, None)
        side = others[0] or head
        if before is not None and side is not None:
            yield from _between(history, table, before, side)
        yield before
    if head is not None and tip is not None and not brought:
        base = history.first("merge-base", tip, head)
        # a head on the main line itself says nothing of how many commits came with it: at least that one did
        yield base if base != head else history.first("rev-parse", "--verify", "--quiet", f"{head}^")


def _between(history: History, table: CommitTable, before: str, side: str) -> Iterator[str | None]:
    """A host takes for the base the target's tip when a request is opened, which is near its first commit and may be
    later than where it branched off; a later push may move it.
    """
    branched = history.first("merge-base", before, side)
    own = [table.commits[oid].time for oid in history.ask("rev-list", f"{before}..{side}") if oid in table.commits]
    tips = [table.last_before(before, moment) for moment in (min(own), max(own))] if own else [None, None]
    opened, pushed = (
        t if t and branched and history.first("merge-base", branched, t) == branched else None for t in tips
    )
    yield from (opened, branched, pushed)


def _brought_in(history: History, head: str, tip: str) -> list[str]:
    """The commit on the default branch that merged the head under a message of its own."""
    return history.ask("rev-list", "--first-parent", "--ancestry-path", "--merges", f"{head}..{tip}")[-1:]

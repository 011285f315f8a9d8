"""Which version of a file each commit of a repository's main lines holds, for sessions that state no time."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from repos.commits import commit_table, refs_state
from repos.objects import check
from repos.refs import read_refs


def main_lines(git_dir: Path) -> tuple[str, ...]:
    """The commits on the first-parent lines of all branches and tags; the default branch's first, newest first.

    Raises:
        RepositoryError: the repository cannot be read.
    """
    return _lines(git_dir, refs_state(git_dir))


def versions(git_dir: Path, path: str) -> tuple[str | None, ...]:
    """The blob id at `path` in each of `main_lines`, `None` where the commit has no such file.

    Raises:
        RepositoryError: the repository cannot be read.
    """
    return _versions(git_dir, path, refs_state(git_dir))


@lru_cache(maxsize=16)
def _lines(git_dir: Path, state: tuple[str, ...]) -> tuple[str, ...]:
    if not state:
        return ()
    refs, table = read_refs(git_dir), commit_table(git_dir)
    default = [refs.branches[refs.default]] if refs.default is not None else []
    tags = check(git_dir, [f"{oid}^{{commit}}" for oid in refs.tags.values()]) if refs.tags else []
    found: dict[str, None] = {}
    for start in [*default, *refs.branches.values(), *(each[0] for each in tags if each is not None)]:
        for commit in table.line(start):
            if commit in found:
                break
            found[commit] = None
    return tuple(found)


@lru_cache(maxsize=256)
def _versions(git_dir: Path, path: str, state: tuple[str, ...]) -> tuple[str | None, ...]:
    found = check(git_dir, [f"{commit}:{path}" for commit in _lines(git_dir, state)])
    return tuple(each[0] if each is not None and each[1] == "blob" else None for each in found)

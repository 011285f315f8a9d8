"""How long git's short ids were in a clone that nobody has any more."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from repos.commits import refs_state
from repos.errors import RepositoryError
from repos.git import run

LEAST = 7
_SECONDS = 10.0


def abbreviation(git_dir: Path, commit: str) -> int | None:
    """The length of short ids in any clone that had the commit, if all such clones agree on it; else `None`.

    A clone holds at least what the commit reaches and at most what all branches and tags reach today. Between the two
    git's length may step up; then it is not known.
    """
    return _length(git_dir, commit, refs_state(git_dir))


def length_for(objects: int) -> int:
    """git's rule (`repo_find_unique_abbrev_r`): half a hexadecimal digit for each bit of the number of objects."""
    return max(LEAST, (objects.bit_length() + 1) // 2)


@lru_cache(maxsize=256)
def _length(git_dir: Path, commit: str, state: tuple[str, ...]) -> int | None:
    if not state:
        return None
    try:
        least = _objects(git_dir, commit)
        most = _objects(git_dir, commit, "--branches", "--tags", "--remotes")
    except RepositoryError:  # also where counting takes too long
        return None
    return length_for(least) if length_for(least) == length_for(most) else None


def _objects(git_dir: Path, *starts: str) -> int:
    return int(run(git_dir, "rev-list", "--objects", "--count", *starts, seconds=_SECONDS))

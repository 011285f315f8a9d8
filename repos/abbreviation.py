"""How long git's short ids were in a clone that nobody has any more."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from repos.commits import refs_state
from repos.errors import RepositoryError
from repos.git import run

LEAST = 7
OWN = 3
"""So many times the objects of the branches are taken to be in one user's clone at most. No bound is safe: clones of
recorded sessions with 6,247 and 7,940 such objects showed ids of 8 and 9 digits, so held 2.6 and 8.3 times as many."""
_SECONDS = 10.0


def abbreviation(git_dir: Path, commit: str, as_of: float | None = None) -> int | None:
    """The length of short ids in any clone that had the commit, if all such clones agree on it; else `None`.

    A clone holds at least what the commit reaches, and is taken to hold at most `OWN` times what all branches and tags
    reached at the moment `as_of` (Unix seconds; `None`: today): what nobody pushed and what tools keep beside the
    history counts too, and only the user's own machine could tell how much it is. Between the two git's length may
    step up; then it is not known.
    """
    return _length(git_dir, commit, None if as_of is None else int(as_of), refs_state(git_dir))


def length_for(objects: int) -> int:
    """git's rule (`repo_find_unique_abbrev_r`): half a hexadecimal digit for each bit of the number of objects."""
    return max(LEAST, (objects.bit_length() + 1) // 2)


@lru_cache(maxsize=256)
def _length(git_dir: Path, commit: str, as_of: int | None, state: tuple[str, ...]) -> int | None:
    if not state:
        return None
    try:
        least = _objects(git_dir, commit)
        until = () if as_of is None else (f"--before={as_of}",)
        most = OWN * _objects(git_dir, *until, commit, "--branches", "--tags", "--remotes")
    except RepositoryError:  # also where counting takes too long
        return None
    return length_for(least) if length_for(least) == length_for(most) else None


def _objects(git_dir: Path, *starts: str) -> int:
    words = ("rev-list", "--objects", "--missing=allow-any", "--count", *starts)  # a mirror may lack large blobs
    return int(run(git_dir, *words, seconds=_SECONDS))

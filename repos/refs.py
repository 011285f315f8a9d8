"""Branches and tags of a repository as they were at a moment, as far as its present refs tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from repos.errors import RepositoryError
from repos.git import History, run
from repos.objects import ObjectReader

_HEADS = "refs/heads/"
_ORIGIN = "refs/remotes/origin/"
_TAGS = "refs/tags/"
_PEELS = 8


@dataclass(frozen=True, slots=True)
class Refs:
    """The present refs: `branches` of the remote that sessions fetch from (name → commit), `tags` (name → object), and
    the remote's default branch.

    In a bare repository (a mirror) the remote's branches are its own; in a working clone those under `origin`.
    """

    branches: Mapping[str, str]
    tags: Mapping[str, str]
    default: str | None


def read_refs(git_dir: Path) -> Refs:
    """The present refs.

    Raises:
        RepositoryError: git failed.
    """
    found: dict[str, str] = {}
    lines = run(git_dir, "for-each-ref", "--format=%(objectname) %(refname)", _HEADS, _ORIGIN, _TAGS)
    for line in lines.decode("utf-8", "surrogateescape").splitlines():
        oid, _, name = line.partition(" ")
        found[name] = oid
    base = _HEADS if _is_mirror(git_dir, found) else _ORIGIN
    branches = {n.removeprefix(base): oid for n, oid in found.items() if n.startswith(base) and n != f"{base}HEAD"}
    tags = {n.removeprefix(_TAGS): oid for n, oid in found.items() if n.startswith(_TAGS)}
    return Refs(branches, tags, _default(git_dir, base, branches))


def moment(objects: ObjectReader, oid: str) -> tuple[str, float] | None:
    """The commit that an object (a tag, a commit) leads to and the latest time on the way, Unix seconds.

    `None` where the repository lacks it, or where it leads to no commit or states no time.
    """
    latest: float | None = None
    for _ in range(_PEELS):
        try:
            kind, body = objects.read(oid)
        except RepositoryError:
            return None
        header = body.partition(b"\n\n")[0].splitlines()
        stated = _time(header, b"committer " if kind == "commit" else b"tagger ")
        latest = max((t for t in (latest, stated) if t is not None), default=None)
        if kind == "commit":
            return None if latest is None else (oid, latest)
        target = next((line[7:] for line in header if line.startswith(b"object ")), None)
        if kind != "tag" or target is None:
            return None
        oid = target.decode("ascii", "replace")
    return None


def last_before(git_dir: Path, start: str, before: float) -> str | None:
    """The newest commit on the first-parent line of the commit `start` that was made at `before` or earlier."""
    return History(git_dir).first(
        "rev-list", "--first-parent", f"--min-age={int(before)}", "-n1", "--end-of-options", start
    )


def _time(header: list[bytes], field: bytes) -> float | None:
    line = next((h for h in header if h.startswith(field)), None)
    words = line.split() if line is not None else []
    try:
        return float(words[-2]) if len(words) >= 2 else None
    except ValueError:
        return None


def _is_mirror(git_dir: Path, refs: Mapping[str, str]) -> bool:
    if not any(name.startswith(_ORIGIN) for name in refs):
        return True
    bare = History(git_dir).first("config", "--type=bool", "--get", "core.bare")
    return bare == "true" or (bare is None and git_dir.name != ".git")


def _default(git_dir: Path, base: str, branches: Mapping[str, str]) -> str | None:
    head = History(git_dir).first("symbolic-ref", "-q", "HEAD" if base == _HEADS else f"{_ORIGIN}HEAD")
    named = head.removeprefix(base) if head is not None and head.startswith(base) else None
    return next((name for name in (named, "main", "master", "trunk", "develop") if name in branches), None)

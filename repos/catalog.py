"""Known repositories: what a path holds, and which of them a session's address or directory means.

Which commit of one it was is in `repos.candidates`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from repos.candidates import Candidate, Hints, candidates, commit_time
from repos.errors import NotARepository, RepositoryError
from repos.git import History, run

__all__ = [
    "Candidate", "Hints", "KnownRepository", "candidates", "commit_time", "directory_names", "inspect_repository",
    "match",
]  # fmt: skip

_GENERIC = {"repo", "repository", "git", "mirror", "bare", "src", "code"}


@dataclass(frozen=True, slots=True)
class KnownRepository:
    """A repository at hand. `url` is its address, `name` how people call it (`owner/name` where known), `directory`
    its work tree, `None` for a bare one.
    """

    git_dir: Path
    url: str | None
    name: str
    directory: str | None = None


def inspect_repository(path: Path, url: str | None = None) -> KnownRepository:
    """What stands at `path`: a work tree (a linked one too), its `.git`, or a bare directory. Nothing is written.

    Raises:
        NotARepository: nothing of that.
    """
    path = Path(path).expanduser().resolve()
    git_dir = _git_dir(path)
    try:
        run(git_dir, "rev-parse", "--git-dir")
    except RepositoryError as error:
        raise NotARepository(f"{path} is no git repository: {error}") from error
    url = url or History(git_dir).first("config", "--get", "remote.origin.url")
    directory = git_dir.parent if git_dir.name == ".git" else None
    return KnownRepository(git_dir, url, _name(git_dir, url), None if directory is None else str(directory))


def match(known: Iterable[KnownRepository], *, url: str | None, directory: str | None) -> KnownRepository | None:
    """The repository that a session's address means; without an address, the one that its directory suggests.

    A directory means a repository whose work tree holds it, else one whose name is a part of the path (the innermost
    such part); two equally good answers are none.
    """
    known = tuple(known)
    if url:
        wanted = normalise_url(url)
        same = [k for k in known if wanted in (normalise_url(k.url) if k.url else None, k.name.lower())]
        return same[0] if same else None
    if not directory:
        return None
    parts = [part for part in re.split(r"[\\/]+", directory.lower()) if part]
    scored = sorted(((_closeness(k, directory, parts), n) for n, k in enumerate(known)), reverse=True)
    if not scored or scored[0][0] == 0 or (len(scored) > 1 and scored[0][0] == scored[1][0]):
        return None
    return known[scored[0][1]]


def directory_names(known: KnownRepository) -> tuple[str, ...]:
    """What a directory of the repository is usually called, in lower case: its name, or `owner__name`."""
    name = known.name.lower()
    return name.rpartition("/")[2], name.replace("/", "__")


def normalise_url(url: str) -> str:
    """`owner/name` in lower case from any form of repository address."""
    text = re.sub(r"(\.git)?/*$", "", url.strip().lower())
    text = re.sub(r"^[a-z+]+://", "", text).replace("\\", "/")
    text = text.replace(":", "/") if "@" in text else text
    return "/".join(text.split("/")[-2:])


def _git_dir(path: Path) -> Path:
    inside = path / ".git"
    if inside.is_file():
        path = _linked(inside)
    elif inside.is_dir():
        path = inside
    common = path / "commondir"
    if common.is_file():
        path = (path / common.read_text("utf-8", "replace").strip()).resolve()
    if not (path / "HEAD").exists() or not (path / "objects").is_dir():
        raise NotARepository(f"{path} is no git repository: it has no HEAD and objects")
    return path


def _linked(pointer: Path) -> Path:
    text = pointer.read_text("utf-8", "replace").strip()
    if not text.startswith("gitdir:"):
        raise NotARepository(f"{pointer} names no git directory")
    return (pointer.parent / text.removeprefix("gitdir:").strip()).resolve()


def _name(git_dir: Path, url: str | None) -> str:
    """`owner/name` from the address, unless that is a local path; else the directory's name, where `owner+name` stands
    for `owner/name`.
    """
    if url and not re.match(r"^(?:file:|[./~]|[A-Za-z]:[\\/])", url):
        return normalise_url(url)
    place = git_dir.parent if git_dir.name == ".git" else git_dir
    stem = place.name.removesuffix(".git")
    if stem.lower() in _GENERIC and place.parent.name:
        stem = place.parent.name
    return stem.replace("+", "/", 1)


def _closeness(known: KnownRepository, directory: str, parts: list[str]) -> int:
    """How much a session's directory suggests a repository: 0 is not at all."""
    if known.directory is not None and (directory + "/").startswith(known.directory + "/"):
        return 1_000 + len(known.directory)
    names = directory_names(known)
    return max((n + 1 for n, part in enumerate(parts) if part in names), default=0)

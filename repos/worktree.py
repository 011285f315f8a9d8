"""Writes a commit's files into a directory as git would, without filters, hooks or a repository around them."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from repos.objects import stream

EXECUTABLE = 0o100755
SYMLINK = 0o120000
_LEFT_OUT = ".left-out"
_NAMES = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}


def make(git_dir: Path, entries: Mapping[str, tuple[int, str]], place: Path, *, empty: Iterable[str] = ()) -> Path:
    """Write `entries` (path → mode and blob id) to the directory `place`, whole or not at all; `empty` are directories.

    A place that is there already stays as it is. Paths that were left out are listed beside it, see `left_out`.

    Raises:
        RepositoryError: the repository cannot be read.
        OSError: the files cannot be written.
    """
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=place.parent, prefix=".making-"))
    try:
        missing = write(git_dir, entries, scratch / "tree", empty)
        if missing:
            listing = scratch / "listing"
            listing.write_text("".join(f"{path}\n" for path in missing), "utf-8", "surrogateescape")
            listing.replace(_listing(place))
        try:
            (scratch / "tree").rename(place)
        except OSError:
            if not place.is_dir():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return place


def left_out(place: Path) -> tuple[str, ...]:
    """The paths of a commit that are not in the directory that `make` made of it."""
    listing = _listing(place)
    return tuple(listing.read_text("utf-8", "surrogateescape").splitlines()) if listing.exists() else ()


def write(git_dir: Path, entries: Mapping[str, tuple[int, str]], root: Path, empty: Iterable[str] = ()) -> list[str]:
    """Write files into a new directory; returns the paths that were left out.

    Links are made after all files, so that no file is ever written through one.
    """
    _mkdir(root)
    made = {""}
    good = {path: found for path, found in entries.items() if safe(path)}
    refused = [path for path in entries if path not in good]
    for path in [p + "/x" for p in empty if safe(p)] + list(good):
        _directories(root, path.rpartition("/")[0], made)
    files = [path for path, (mode, _) in good.items() if mode != SYMLINK]
    links = [path for path, (mode, _) in good.items() if mode == SYMLINK]
    order = files + links
    for path, (_, content) in zip(order, stream(git_dir, [good[p][1] for p in order]), strict=True):
        if content is None or not _write(root, path, good[path][0], content):
            refused.append(path)
    return sorted(refused)


def safe(path: str) -> bool:
    """Whether the path stays inside the directory and makes no repository of it."""
    parts = path.split("/")
    return "\0" not in path and not any(part in ("", ".", "..") or part.casefold() == ".git" for part in parts)


def _directories(root: Path, path: str, made: set[str]) -> None:
    if path in made:
        return
    _directories(root, path.rpartition("/")[0], made)
    try:
        _mkdir(Path(f"{root}/{path}"))
    except OSError:  # a file of that name, or a name the file system does not take: what is below is left out
        return
    finally:
        made.add(path)


def _mkdir(path: Path) -> None:
    path.mkdir(mode=0o755)
    path.chmod(0o755)


def _write(root: Path, path: str, mode: int, content: bytes) -> bool:
    target = os.fsencode(f"{root}/{path}")
    try:
        if mode == SYMLINK:
            os.symlink(content, target)  # noqa: PTH211  the target is bytes
            return True
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except (FileExistsError, FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        if error.errno in _NAMES:
            return False
        raise
    with os.fdopen(handle, "wb") as sink:
        os.fchmod(sink.fileno(), 0o755 if mode == EXECUTABLE else 0o644)
        sink.write(content)
    return True


def _listing(place: Path) -> Path:
    return place.with_name(place.name + _LEFT_OUT)

"""How a session spells a path: POSIX, Windows drive letters with either slash, and git-bash (`/d/repo`).

A *canonical* path is absolute, has forward slashes, no `.` or `..`, and a Windows drive as its first lower-case
component (`D:\\repo\\a.py` and `/d/repo/a.py` are both `/d/repo/a.py`). The world is keyed by canonical paths. Case is
kept: two spellings that differ only in case are two paths. Nothing here looks at a real file system.
"""

from __future__ import annotations

import re

_DRIVE = re.compile(r"^(?:\\\\\?\\)?([A-Za-z]):(?=[\\/]|$)")
_MAC_LINKS = ("/private/tmp", "/private/var", "/private/etc")


def is_windows(path: str) -> bool:
    """Whether the path is spelt with a drive letter."""
    return _DRIVE.match(path) is not None


def is_absolute(path: str) -> bool:
    """Whether the path stands for itself in any of the spellings."""
    return path.startswith("/") or is_windows(path)


def canonical(path: str, cwd: str = "/", *, windows: bool = False) -> str:
    """The canonical form of `path`, read relative to `cwd` (any spelling).

    `windows` makes backslashes of a relative path separators; they always are after a drive letter. macOS names of
    one directory (`/private/tmp`, `/tmp`) are one path.
    """
    windows = windows or is_windows(path) or is_windows(cwd)
    if windows:
        path = path.replace("\\", "/")
        match = _DRIVE.match(path) or re.match(r"^(?://\?/)?([A-Za-z]):(?=/|$)", path)
        if match:
            path = f"/{match.group(1).lower()}{path[match.end() :]}"
    if not path.startswith("/"):
        path = f"{canonical(cwd)}/{path}" if cwd != "/" or path else path
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    text = "/" + "/".join(parts)
    for link in _MAC_LINKS:
        if text == link or text.startswith(link + "/"):
            return text.removeprefix("/private")
    return text


def relative(path: str, root: str) -> str | None:
    """The canonical `path` below the canonical `root` (`""` is the root itself), `None` if it is outside."""
    if path == root:
        return ""
    prefix = root if root.endswith("/") else root + "/"
    return path[len(prefix) :] if path.startswith(prefix) else None


def join(directory: str, name: str) -> str:
    """A canonical child path; `name` may have several components."""
    if not name:
        return directory
    return directory + name if directory.endswith("/") else f"{directory}/{name}"


def parent(path: str) -> str:
    """The directory of a canonical path; the parent of `/` is `/`."""
    return path.rpartition("/")[0] or "/"


def ancestors(path: str) -> tuple[str, ...]:
    """The directories above a canonical path, nearest first, ending in `/`."""
    found: list[str] = []
    while path != "/":
        path = parent(path)
        found.append(path)
    return tuple(found)


def spell(path: str, like: str) -> str:
    """A canonical path in the spelling of `like` (an absolute path as the session writes it)."""
    match = _DRIVE.match(like)
    if match is None:
        return path
    drive = match.group(1)
    if not (path == f"/{drive.lower()}" or path.startswith(f"/{drive.lower()}/")):
        other = re.match(r"^/([a-z])(?=/|$)", path)
        if other is None:
            return path
        drive = other.group(1).upper() if drive.isupper() else other.group(1)
    rest = path[2:] or "/"
    separator = "\\" if "\\" in like or "/" not in like else "/"
    return f"{drive}:{rest.replace('/', separator)}"

"""State hashes of files: git blob and tree ids, so that what is unchanged costs nothing.

Two worlds agree on a digest exactly if the files and trees asked for have equal contents, names and modes. What is
unknown enters by the event that made it unknown: two forks agree on it as long as nothing new happened there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from toolsim import paths

if TYPE_CHECKING:
    from toolsim.files import Files


def blob_id(content: bytes) -> str:
    """The git id of a file's content (SHA-1, git's `hash-object`)."""
    return _sha1(b"blob %d\0" % len(content) + content)


def digest(files: Files, among: Sequence[str]) -> str:
    """One hash over the given canonical paths, whatever their order."""
    lines = [f"{path} {path_id(files, path)}" for path in sorted(set(among))]
    return _sha1("\n".join(lines).encode("utf-8", "surrogatepass"))


def path_id(files: Files, key: str) -> str:
    """The git id of a file or tree, `absent`, or `unknown:` and the serial of what made it so."""
    kind = files.kind(key)
    if kind == "absent":
        return "absent"
    if kind == "unknown":
        return f"unknown:{files.last_change(key)}"
    if kind == "dir":
        return _tree_id(files, key)
    recorded = _recorded(files, key)
    if recorded is not None:
        return recorded
    content = files.read(key)
    return blob_id(content) if isinstance(content, bytes) else f"unknown:{files.last_change(key)}"


def _tree_id(files: Files, key: str) -> str:
    recorded = _recorded(files, key)
    if recorded is not None:
        return recorded
    found = files.listing(key)
    names = getattr(found, "names", None)
    if names is None:
        return f"unknown:{files.last_change(paths.join(key, '*'))}"
    entries: list[tuple[bytes, bytes]] = []
    for name in names:
        child = paths.join(key, name)
        child_id = path_id(files, child)
        directory = files.kind(child) == "dir"
        raw = name.encode("utf-8", "surrogateescape")
        mode = b"40000" if directory else b"%o" % files.mode(child)
        plain = bytes.fromhex(child_id) if len(child_id) == 40 else child_id.encode()
        entries.append((raw + b"/" if directory else raw, mode + b" " + raw + b"\0" + plain))
    body = b"".join(entry for _, entry in sorted(entries))
    return _sha1(b"tree %d\0" % len(body) + body)


def _recorded(files: Files, key: str) -> str | None:
    """The id that the snapshot has, if nothing happened to the path."""
    rel = paths.relative(key, files.root)
    if files.snapshot is None or rel is None or files.touched(key):
        return None
    return files.snapshot.object_id(rel)


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()

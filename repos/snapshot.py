"""One commit's files without a checkout: a manifest of paths, shared by all that ask, and contents on demand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

from repos import worktree
from repos.commits import refs_state
from repos.errors import RepositoryError, UnknownRevision
from repos.git import History, check_commit, run
from repos.objects import ObjectReader, check
from repos.refs import last_before, read_refs

_FARTHEST = 1000
_ID = re.compile(r"[0-9a-f]{4,64}(?:[~^]\d*)*")

Kind: TypeAlias = Literal["file", "dir", "symlink", "submodule"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a commit: its git mode (0o100644, 0o100755, symlink 0o120000) and blob id."""

    mode: int
    oid: str


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One commit. Paths are relative to the repository root, with `/`, the root is `""`; bytes that are no UTF-8 in a
    name are kept by surrogateescape. `manifest` holds files and symbolic links, sorted by path. Reads are thread-safe.
    """

    git_dir: Path
    commit: str
    tree: str
    manifest: Mapping[str, Entry]
    trees: Mapping[str, str]
    submodules: Mapping[str, str]
    children: Mapping[str, tuple[str, ...]]
    objects: ObjectReader

    def read(self, path: str) -> bytes:
        """A file's content; of a symbolic link its target.

        Raises:
            KeyError: the commit has no such file.
            MissingObject: the repository lacks the file's content.
        """
        return self.objects.read(self.manifest[path].oid)[1]

    def kind(self, path: str) -> Kind | None:
        """What the commit has at the path; `None` is nothing."""
        entry = self.manifest.get(path)
        if entry is not None:
            return "symlink" if entry.mode == worktree.SYMLINK else "file"
        if path in self.trees:
            return "dir"
        return "submodule" if path in self.submodules else None

    def listdir(self, path: str) -> tuple[str, ...]:
        """The names in a directory by code point; empty if it is none."""
        return self.children.get(path, ())

    def under(self, path: str) -> tuple[str, ...]:
        """The paths of all files below a directory, by code point; of a file itself."""
        if path in self.manifest:
            return (path,)
        start = path + "/" if path else ""
        return tuple(p for p in self.manifest if p.startswith(start)) if path in self.trees else ()

    def at(self, commit: str) -> Snapshot:
        """Another commit of the same repository. Raises as `open_snapshot`."""
        return open_snapshot(self.git_dir, commit)

    def resolve(self, name: str) -> str | None:
        """The full id of the commit that an id, an abbreviation or `ID~N` names; `None` if none or several."""
        return _resolve(self.git_dir, name) if _ID.fullmatch(name) else None

    def default_tip(self, before: float) -> tuple[str, str] | None:
        """The remote's default branch with its commit at a moment (Unix seconds), as its first-parent line tells."""
        return _default_tip(self.git_dir, refs_state(self.git_dir), before)

    def default_apart(self, ahead: int, behind: int, before: float) -> tuple[str, str] | None:
        """The remote's default branch with the commit that this one is so many commits ahead of and behind.

        Looked for on the branch's first-parent line up to a moment (Unix seconds); `None` where no commit of it is.
        """
        tip = self.default_tip(before)
        found = None if tip is None else _apart(self.git_dir, self.commit, tip[1], ahead, behind)
        return None if tip is None or found is None else (tip[0], found)

    def reaches(self, commit: str, other: str) -> bool:
        """Whether the commit is the other one or was made on top of it."""
        return commit == other or _reaches(self.git_dir, commit, other)

    def object_id(self, path: str) -> str | None:
        """The id of the blob or tree at the path, of a submodule its commit."""
        entry = self.manifest.get(path)
        return entry.oid if entry is not None else self.trees.get(path, self.submodules.get(path))


def open_snapshot(git_dir: Path, commit: str) -> Snapshot:
    """The commit's files; built once for each git directory and commit.

    Raises:
        UnknownRevision: the repository has no such commit, or `commit` is no full id.
        RepositoryError: the repository cannot be read.
    """
    return _snapshot(Path(git_dir).resolve(), check_commit(commit))


def checkout(snapshot: Snapshot, cache: Path) -> Path:
    """The commit's files as plain files below `cache/trees/<tree id>`, made once; nobody may change them.

    Executable bits and symbolic links are kept (links are never followed here). What the repository lacks or no file
    system should hold (`..`, `.git`) is left out: `worktree.left_out` lists it. Another process may do the same.

    Raises:
        RepositoryError: the repository cannot be read.
        OSError: the files cannot be written.
    """
    entries = {path: (entry.mode, entry.oid) for path, entry in snapshot.manifest.items()}
    return worktree.make(snapshot.git_dir, entries, cache / "trees" / snapshot.tree, empty=snapshot.submodules)


@lru_cache(maxsize=4096)
def _resolve(git_dir: Path, name: str) -> str | None:
    return History(git_dir).first("rev-parse", "-q", "--verify", "--end-of-options", f"{name}^{{commit}}")


@lru_cache(maxsize=4096)
def _reaches(git_dir: Path, commit: str, other: str) -> bool:
    return History(git_dir).first("merge-base", "--end-of-options", commit, other) == other


@lru_cache(maxsize=4096)
def _default_tip(git_dir: Path, state: tuple[str, ...], before: float) -> tuple[str, str] | None:
    refs = read_refs(git_dir) if state else None
    if refs is None or refs.default is None:
        return None
    found = last_before(git_dir, refs.branches[refs.default], before)
    return None if found is None else (refs.default, found)


@lru_cache(maxsize=1024)
def _apart(git_dir: Path, commit: str, tip: str, ahead: int, behind: int) -> str | None:
    history = History(git_dir)
    try:
        line = history.ask("rev-list", "--first-parent", f"--max-count={_FARTHEST}", "--end-of-options", tip)
    except RepositoryError:
        return None
    low, high = 0, len(line) - 1  # how far behind it is falls along the line
    while low <= high:
        middle = (low + high) // 2
        counts = history.first("rev-list", "--left-right", "--count", f"{commit}...{line[middle]}")
        left, right = (int(count) for count in (counts or "-1 -1").split())
        if right == behind:
            return line[middle] if left == ahead else None
        low, high = (middle + 1, high) if right > behind else (low, middle - 1)
    return None


@lru_cache(maxsize=64)
def _snapshot(git_dir: Path, commit: str) -> Snapshot:
    found = check(git_dir, [f"{commit}^{{commit}}", f"{commit}^{{tree}}"])
    if found[0] is None or found[1] is None:
        raise UnknownRevision(f"{git_dir} has no commit {commit}")
    tree = found[1][0]
    manifest: dict[str, Entry] = {}
    trees = {"": tree}
    submodules: dict[str, str] = {}
    for record in run(git_dir, "ls-tree", "-r", "-t", "-z", "--full-tree", tree).split(b"\0")[:-1]:
        head, _, name = record.partition(b"\t")
        mode, kind, oid = head.decode("ascii").split()
        path = name.decode("utf-8", "surrogateescape")
        if kind == "tree":
            trees[path] = oid
        elif kind == "commit":
            submodules[path] = oid
        else:
            manifest[path] = Entry(int(mode, 8), oid)
    children = _children([*manifest, *trees, *submodules])
    ordered = MappingProxyType({path: manifest[path] for path in sorted(manifest)})
    return Snapshot(
        git_dir, commit, tree, ordered, MappingProxyType(trees), MappingProxyType(submodules), children,
        open_objects(git_dir),
    )  # fmt: skip


@lru_cache(maxsize=32)
def open_objects(git_dir: Path) -> ObjectReader:
    """The reader of a git directory, one for all snapshots of it."""
    return ObjectReader(git_dir)


def _children(paths: list[str]) -> Mapping[str, tuple[str, ...]]:
    names: dict[str, list[str]] = {}
    for path in paths:
        if path:
            parent, _, name = path.rpartition("/")
            names.setdefault(parent, []).append(name)
    return MappingProxyType({parent: tuple(sorted(found)) for parent, found in names.items()})

"""What a model says happened, turned into mutations that code can apply, and references in its text into real text.

Pure over a world. A claim that reaches outside of what the session can touch is not taken in, and is reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from toolsim import paths
from toolsim.actions import Mutation, PutFile, RemovePath
from toolsim.errors import OutputInvalid
from toolsim.forms import FileChange, Span
from toolsim.world import World

_CACHES = frozenset({"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", "node_modules", ".cache", ".tox"})
_SCRATCH = ("/tmp", "/var/tmp")


def file_mutations(
    changes: Sequence[FileChange], world: World, cwd: str
) -> tuple[tuple[Mutation, ...], tuple[str, ...]]:
    """Puts and removals for the claimed changes, and the claims that were not taken in, with the reason.

    Taken in is what lies below the repository root, the working directory or a scratch directory; not the inside of
    `.git` (only git writes there) and no caches (nothing that a tool shows depends on them).
    """
    taken: list[Mutation] = []
    rejected: list[str] = []
    for change in changes:
        reason, key = _place(change, world, cwd)
        if reason is not None:
            rejected.append(f"{change.path!r}: {reason}")
        elif change.content is not None:
            mode = world.mode(key) if world.kind(key) == "file" else 0o100644
            taken.append(PutFile(key, change.content.encode("utf-8", "replace"), mode))
        elif world.kind(key) != "absent":
            taken.append(RemovePath(key))
    return tuple(taken), tuple(rejected)


def _place(change: FileChange, world: World, cwd: str) -> tuple[str | None, str]:
    path = change.path
    if not path.strip() or "\0" in path or "\n" in path:
        return "no path", ""
    key = paths.canonical(path, cwd, windows=world.windows)
    allowed = (world.root, world.cwd, paths.canonical(cwd), *_SCRATCH)
    if not any(base != "/" and paths.relative(key, base) for base in allowed):
        return "outside of what the session works in", key
    parts = key.split("/")
    if ".git" in parts:
        return "inside of .git", key
    if _CACHES & set(parts):
        return "a cache", key
    if world.kind(key) == "dir" and change.content is not None:
        return "a directory stands there", key
    return None, key


def expand(text: str | Sequence[Span], world: World, cwd: str, named: Mapping[str, str]) -> str:
    """The text with its references replaced by the lines they stand for; `named` are the texts of the evidence.

    Raises:
        OutputInvalid: a reference to a source that is not known, or to lines that it does not have.
    """
    if isinstance(text, str):
        return text
    return "".join(span.text or "" if span.source is None else _lines(span, world, cwd, named) for span in text)


def _lines(span: Span, world: World, cwd: str, named: Mapping[str, str]) -> str:
    source = span.source or ""
    content = named.get(source)
    if content is None:
        found = world.read(paths.canonical(source, cwd, windows=world.windows))
        if not isinstance(found, bytes):
            raise OutputInvalid(f"the output refers to {source!r}, which is not known")
        content = found.decode("utf-8", "surrogateescape")
    lines = content.splitlines(keepends=True)
    first, last = span.first or 1, len(lines) if span.last is None else span.last
    if not 1 <= first <= last <= len(lines):
        raise OutputInvalid(f"the output refers to lines {first} to {last} of {source!r}, which has {len(lines)}")
    return "".join(lines[first - 1 : last])

"""The values of a world's file layers: what may stand at a path, what is answered, and what happened to a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["file", "dir", "absent", "unknown"]
State: TypeAlias = Literal["content", "file", "dir", "absent", "unknown", "veiled", "open"]


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no such file."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """The world cannot say; `reason` is for evidence."""

    reason: str


@dataclass(frozen=True, slots=True)
class Names:
    """The names in a directory as far as known; `complete` is false where untracked entries may stand beside them.

    Only a directory that the session made, or whose tree it removed before, is complete.
    """

    names: tuple[str, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Overlay:
    """How the files differ from the snapshot: new contents (`None` is absent), what is unknown (trees end in `/`),
    and directories made. Keys are canonical paths."""

    changed: Mapping[str, bytes | None]
    unknown: frozenset[str]
    directories: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Mark:
    """What happened to a path (or, as a tree mark, to all below it). `veiled` is a content that may have changed.
    Below an `open` directory there may be what nobody showed; as elsewhere in a repository, searches do not expect it.

    `before` is what a file held before something that may have changed it; `None` after what surely has. `until_head`
    is set where the files are those of an unknown HEAD, `generated` where only generated files may have changed.
    """

    serial: int
    state: State
    content: bytes | None = None
    mode: int = 0o100644
    reason: str = ""
    suffixes: tuple[str, ...] = ()
    before: bytes | None = None
    until_head: bool = False
    generated: bool = False

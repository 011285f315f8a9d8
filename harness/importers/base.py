"""The contract of an importer: one recorded format in, trajectories and named skips out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from toolsim.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was not imported: `where` is a line, index or archive member, `reason` one sentence."""

    path: str
    where: str
    reason: str


class Importer(Protocol):
    """One recorded format."""

    @property
    def name(self) -> str:
        """The format's name, as in `--format`."""

    def sniff(self, path: Path, head: bytes, /) -> bool:
        """Whether a file that begins with `head` (up to 64 KiB, decompressed) is of this format."""

    def read(self, path: Path) -> Iterator[Trajectory | Skipped]:
        """All sessions of a file. Damaged records become `Skipped` and the rest goes on; never raises on content."""

"""Which format a file has, told by its content, and the reading of many paths."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.errors import ImportFailed
from harness.importers.atif import ATIF
from harness.importers.base import Importer, Skipped
from harness.importers.chat import CHAT
from harness.importers.chat_rows import CHAT_ROWS
from harness.importers.claude_code import CLAUDE_CODE
from harness.importers.codex import CODEX
from harness.importers.copilot import COPILOT
from harness.importers.gemini import GEMINI
from harness.importers.generic import GENERIC
from harness.importers.inspect_eval import INSPECT
from harness.importers.mini_swe_agent import MINI_SWE_AGENT
from harness.importers.openhands import OPENHANDS
from harness.importers.pi import PI
from harness.importers.reading import HEAD_BYTES, read_head
from harness.importers.swe_agent import SWE_AGENT
from toolsim.trajectory import Trajectory

# From specific to general: the first that recognises a file reads it.
IMPORTERS: tuple[Importer, ...] = (
    INSPECT,
    ATIF,
    CLAUDE_CODE,
    CODEX,
    SWE_AGENT,
    MINI_SWE_AGENT,
    OPENHANDS,
    COPILOT,
    GEMINI,
    PI,
    CHAT_ROWS,
    CHAT,
    GENERIC,
)

_BINARY = b"\x00"


def importer_named(name: str) -> Importer:
    """The importer of a format.

    Raises:
        ImportFailed: there is none of this name.
    """
    for importer in IMPORTERS:
        if importer.name == name:
            return importer
    known = ", ".join(sorted(importer.name for importer in IMPORTERS))
    raise ImportFailed(f"no format is called {name!r}; known: {known}")


def detect(path: Path) -> Importer | None:
    """The importer that recognises the file (or the conversation directory) by its content.

    Raises:
        OSError: the file cannot be read.
    """
    head = b"" if path.is_dir() else read_head(path)
    return next((importer for importer in IMPORTERS if importer.sniff(path, head)), None)


def read_paths(paths: Iterable[Path], format: str | None = None) -> Iterator[Trajectory | Skipped]:
    """All sessions of files, folders (with all that is in them) and glob patterns, in sorted order.

    What cannot be read or recognised becomes one `Skipped` each; content never raises.

    Raises:
        ImportFailed: there is no such format.
    """
    chosen = importer_named(format) if format is not None else None
    for path in paths:
        for unit in _units(Path(path)):
            yield from [unit] if isinstance(unit, Skipped) else _read(unit, chosen)


def _read(path: Path, chosen: Importer | None) -> Iterator[Trajectory | Skipped]:
    try:
        importer = chosen or detect(path)
        if importer is None:
            yield Skipped(str(path), "file", _why_unknown(path))
        else:
            yield from importer.read(path)
    except OSError as error:
        yield Skipped(str(path), "file", f"cannot be read: {error.strerror or error}")


def _why_unknown(path: Path) -> str:
    if path.is_dir():
        return "no conversation directory of a known format"
    head = read_head(path)
    if not head:
        return "compressed data that cannot be unpacked" if path.stat().st_size else "empty file"
    if _BINARY in head:
        return "binary file of no known format"
    if len(head) >= HEAD_BYTES and b"\n" not in head:
        return f"no known session format in the first {HEAD_BYTES >> 10} KiB of its only or first line"
    return "no known session format"


def _units(path: Path) -> Iterator[Path | Skipped]:
    """Files and conversation directories that a path stands for."""
    if path.is_dir():
        yield from _walk(path)
    elif path.exists() or path.is_symlink():
        yield path if path.is_file() else Skipped(str(path), "file", "no regular file")
    elif glob.has_magic(str(path)):
        matches = sorted(glob.glob(str(path.expanduser()), recursive=True))  # noqa: PTH207
        if not matches:
            yield Skipped(str(path), "pattern", "matches no file")
        for match in matches:
            yield from _units(Path(match))
    else:
        yield Skipped(str(path), "file", "does not exist")


def _walk(folder: Path) -> Iterator[Path | Skipped]:
    if is_conversation_directory(folder):
        yield folder
        return
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError as error:
        yield Skipped(str(folder), "folder", f"cannot be read: {error.strerror or error}")
        return
    for name in names:
        entry = folder / name
        if name == ".git":
            yield Skipped(str(entry), "folder", "a git directory, not searched")
        elif entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry)
        else:
            yield entry if entry.is_file() else Skipped(str(entry), "file", "no regular file")


def is_conversation_directory(folder: Path) -> bool:
    """Whether a folder as a whole is one recorded conversation (OpenHands SDK: `events/event-*.json`)."""
    events = folder / "events"
    return events.is_dir() and next(events.glob("event-*.json"), None) is not None

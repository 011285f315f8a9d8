"""Writing a recording, reading it back with an importer, and short views of what came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.importers.base import Importer, Skipped
from harness.importers.reading import read_head
from toolsim.trajectory import Message, Trajectory, call_pairs


def lines(*records: Any) -> str:
    """JSONL of the records; texts are lines as they are."""
    return "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records)


def read(importer: Importer, path: Path, content: Any) -> tuple[list[Trajectory], list[Skipped]]:
    """What the importer finds in a file with this content, which it must also recognise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    assert importer.sniff(path, read_head(path))
    found = list(importer.read(path))
    return [t for t in found if isinstance(t, Trajectory)], [s for s in found if isinstance(s, Skipped)]


def messages(trajectory: Trajectory) -> list[Message]:
    """All messages in order."""
    return [item for item in trajectory.items if isinstance(item, Message)]


def said(trajectory: Trajectory) -> list[tuple[str, str, str]]:
    """Role, origin and text of all messages that are no results."""
    return [(m.role, m.origin, m.text) for m in messages(trajectory) if m.result is None]


def answers(trajectory: Trajectory) -> list[tuple[str, str | None]]:
    """Each call's name with its result's text."""
    return [(p.call.name, None if p.result is None else p.result.content) for p in call_pairs(trajectory.items)]

"""What the name of a benchmark's task says of its repository: `owner__name-123` starts where pull request 123 did
(SWE-bench), `owner__name.0123abcd.kind` at a commit (SWE-smith). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from toolsim.trajectory import Message, Prefix

_NAME = re.compile(
    r"(?<![\w.-])(?P<owner>[A-Za-z0-9][A-Za-z0-9-]*)__(?P<name>[A-Za-z0-9_][\w.-]*?)"
    r"(?:-(?P<pull>\d{1,7})(?![\w])|\.(?P<commit>[0-9a-f]{8})(?![0-9A-Za-z]))"
)


@dataclass(frozen=True, slots=True)
class TaskName:
    """The repository (`owner/name`) and the pull request or (abbreviated) commit that the task starts from."""

    repository: str
    pull: int | None = None
    commit: str | None = None


def task_name(prefix: Prefix) -> TaskName | None:
    """The task that the session's metadata, its id or the name of its file states; `None` if none does."""
    for text in _texts(prefix):
        match = _NAME.search(text)
        if match is not None:
            pull = int(match["pull"]) if match["pull"] else None
            return TaskName(f"{match['owner']}/{match['name']}".lower(), pull, match["commit"])
    return None


def _texts(prefix: Prefix) -> Iterator[str]:
    session = prefix.session
    yield str(session.metadata.get("instance_id", ""))
    yield session.id
    yield session.lineage
    source = next((m.source for m in prefix.items if isinstance(m, Message) and m.source), "")
    yield re.split(r"[\\/]", source)[-1].partition(":")[0]

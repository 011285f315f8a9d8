"""Which sessions are runs of one task: one agent and repository, and the same first user message. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from harness.rows import SessionRow
from toolsim.trajectory import Message, Trajectory, Turn, content_hash


def task_of(row: SessionRow, trajectory: Trajectory, first: Turn) -> str:
    """The same for runs of one task: agent, repository and the first user message."""
    return content_hash([row.agent, row.repo, asked_in(trajectory, first)])[:16]


def asked_in(trajectory: Trajectory, turn: Turn) -> str:
    """What the user said at the beginning of a turn."""
    said: list[str] = []
    for item in trajectory.items[turn.start : turn.end]:
        if isinstance(item, Message):
            if item.role == "assistant":
                break
            if item.origin == "user":
                said.append(item.text)
    return "\n".join(said)


def siblings(tasks: Mapping[str, str]) -> dict[str, str]:
    """For each session that has others of its task the one before it in the order of names, in a ring."""
    groups: dict[str, list[str]] = defaultdict(list)
    for session in sorted(tasks):
        groups[tasks[session]].append(session)
    return {name: group[n - 1] for group in groups.values() if len(group) > 1 for n, name in enumerate(group)}

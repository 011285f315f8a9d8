"""The sessions of one family, a session and the sub-agents that it started, as one stream of what happened.

Sub-agents work in the world of the session that started them, at the same time. `family` finds who belongs together;
`Kin` gives the messages of the others as the clock reaches them, so that a fold can take them in in their place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from toolsim.trajectory import Message, Session, Trajectory, effects


@dataclass(frozen=True, slots=True)
class Happened:
    """A message of another session of the family, and when it came."""

    at: float
    session: Session
    message: Message


def family(session: Session, others: Iterable[Trajectory]) -> tuple[Trajectory, ...]:
    """Those of `others` that share the session's first ancestor and its scaffold; the session itself is none of them.

    Sessions without a stated time are left out: where they stand in the stream is not known.
    """
    known = {other.session.id: other for other in others if other.session.id != session.id}
    parents = {other.session.id: other.session.parent for other in known.values()} | {session.id: session.parent}
    first = _first(session.id, parents)
    return tuple(
        other
        for name, other in known.items()
        if _first(name, parents) == first and other.session.agent == session.agent and _times(other) is not None
    )


def ancestor(session: Session, relatives: Sequence[Trajectory]) -> Trajectory | None:
    """The first session of the family; `None` if it is the session itself or is not at hand."""
    known = {other.session.id: other for other in relatives}
    parents = {name: other.session.parent for name, other in known.items()} | {session.id: session.parent}
    return known.get(_first(session.id, parents))


@dataclass(slots=True)
class Kin:
    """What the other sessions of a family did, given out once and in order of time.

    `recorded` is how many calls each sub-agent made, by the call that started it.
    """

    waiting: tuple[Happened, ...] = ()
    recorded: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, relatives: Sequence[Trajectory]) -> Kin:
        """All that the relatives did. A message without a time of its own came with the one before it."""
        stream = [one for other in relatives for one in _times(other) or ()]
        calls = {
            other.session.parent_call: sum(len(message.calls) for message in effects(other.items))
            for other in relatives
            if other.session.parent_call is not None
        }
        return cls(tuple(sorted(stream, key=lambda one: one.at)), calls)

    def until(self, moment: float) -> Iterator[Happened]:
        """What happened up to the moment and has not been given out yet."""
        count = next((n for n, one in enumerate(self.waiting) if one.at > moment), len(self.waiting))
        due, self.waiting = self.waiting[:count], self.waiting[count:]
        yield from due


def _times(trajectory: Trajectory) -> tuple[Happened, ...] | None:
    found: list[Happened] = []
    at = trajectory.session.started_at
    for message in effects(trajectory.items):
        at = message.at if message.at is not None else at
        if at is None:
            return None
        found.append(Happened(at, trajectory.session, message))
    return tuple(found)


def _first(name: str, parents: dict[str, str | None]) -> str:
    seen: set[str] = set()
    while (parent := parents.get(name)) is not None and name not in seen:
        seen.add(name)
        name = parent
    return name

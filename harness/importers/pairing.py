"""Calls and their results: ids made unique, results given to the call they answer, skips counted by reason."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.importers.base import Skipped
from toolsim.trajectory import JsonObject, ToolCall


@dataclass(slots=True)
class CallBook:
    """The calls of one trajectory that still wait for their result.

    Recorded ids may be missing, reused or redacted: a result goes to the oldest open call with its id; where the id
    says nothing, to the oldest open call among those that it may answer.
    """

    _used: set[str] = field(default_factory=set)
    _open: dict[str, ToolCall] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, arguments: JsonObject, raw: str | None = None, recorded_id: str | None = None) -> ToolCall:
        """A new open call with an id that no other call of this book has."""
        call = ToolCall(self._unique(recorded_id, name), name, arguments, raw, recorded_id)
        self._open[call.id] = call
        return call

    def answer(
        self, recorded_id: str | None, *, among: Collection[str] = (), name: str | None = None
    ) -> ToolCall | None:
        """The open call that this result answers, closed; `None` if there is none.

        `among` are ids of calls that the recording points to by other means, `name` is the tool that answered.
        """
        hinted = [call for call in self._open.values() if call.id in among]
        for calls in (hinted, list(self._open.values())):
            found = next((c for c in calls if recorded_id is not None and c.recorded_id == recorded_id), None)
            found = found or self._by_position(calls, recorded_id, name)
            if found is not None:
                del self._open[found.id]
                return found
        return None

    def is_open(self, call_id: str) -> bool:
        """Whether the call still waits for its result."""
        return call_id in self._open

    def _by_position(self, calls: list[ToolCall], recorded_id: str | None, name: str | None) -> ToolCall | None:
        if is_telling(recorded_id):
            calls = [call for call in calls if not is_telling(call.recorded_id)]
        if name is not None:
            return next((call for call in calls if call.name == name), None)
        return next(iter(calls), None)

    def _unique(self, recorded_id: str | None, name: str) -> str:
        telling = recorded_id is not None and is_telling(recorded_id)
        base = recorded_id if telling and recorded_id else name or "call"
        candidate = base if telling else self._numbered(base)
        while candidate in self._used:
            candidate = self._numbered(base)
        self._used.add(candidate)
        return candidate

    def _numbered(self, base: str) -> str:
        self._last[base] = self._last.get(base, 0) + 1
        return f"{base}#{self._last[base]}"


@dataclass(slots=True)
class SkipCounts:
    """What a file holds and an importer does not use, one `Skipped` per reason with its count."""

    path: Path
    _seen: dict[str, tuple[str, int]] = field(default_factory=dict)

    def add(self, where: str, reason: str) -> None:
        """Count one more for this reason."""
        first, count = self._seen.get(reason, (where, 0))
        self._seen[reason] = first, count + 1

    def __iter__(self) -> Iterator[Skipped]:
        for reason, (where, count) in self._seen.items():
            yield Skipped(str(self.path), where, reason if count == 1 else f"{reason} ({count} times, first here)")


def is_telling(recorded_id: str | None) -> bool:
    """Whether a recorded id can tell calls apart: there is one and nobody has blacked it out."""
    return bool(recorded_id) and "REDACTED" not in str(recorded_id)

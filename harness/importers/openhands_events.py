"""What both generations of OpenHands events are put together into: messages, calls, results, condensations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from harness.importers.pairing import CallBook, SkipCounts
from harness.importers.values import platform_of
from toolsim.trajectory import (
    Compaction,
    Item,
    JsonObject,
    Message,
    Session,
    ToolCall,
    ToolDefinition,
    ToolResult,
    model_view,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An observation: what it says and which event or recorded call it answers."""

    content: str
    causes: tuple[str, ...] = ()
    recorded_id: str | None = None
    is_error: bool | None = None
    exit_code: int | None = None
    images: int = 0
    structured: Any = None
    cwd: str | None = None


@dataclass(slots=True)
class Conversation:
    """Items built event by event; agent events of one model response make one message."""

    name: str
    skips: SkipCounts
    items: list[Item] = field(default_factory=list)
    tools: tuple[ToolDefinition, ...] = ()
    version: str | None = None
    cwd: str | None = None
    first_cwd: str | None = None
    _book: CallBook = field(default_factory=CallBook)
    _responses: dict[str, int] = field(default_factory=dict)
    _calls_of: dict[str, list[ToolCall]] = field(default_factory=dict)
    _events_of: dict[str, set[str]] = field(default_factory=dict)

    def say(self, message: Message, where: str, event: str | None = None) -> None:
        """A message of the human, the harness or the agent without calls."""
        self.items.append(replace(message, source=self.source(where), cwd=message.cwd or self.cwd))
        self._note(event, where)

    def call(  # noqa: PLR0913
        self,
        message: Message,
        where: str,
        *,
        name: str,
        arguments: JsonObject,
        raw: str | None,
        recorded_id: str | None,
        response: str | None,
        event: str | None,
    ) -> None:
        """A tool call; events with the same `response` are pieces of one agent message."""
        call = self._book.add(name, arguments, raw, recorded_id)
        if event is not None:
            self._calls_of.setdefault(event, []).append(call)
        index = self._responses.get(response) if response is not None else None
        before = self.items[index] if index is not None else None
        if index is not None and isinstance(before, Message):
            text = (
                before.text if message.text in before.text else "\n".join(t for t in (before.text, message.text) if t)
            )
            self.items[index] = replace(before, text=text, calls=(*before.calls, call))
            self._note(event, (before.source or "").rpartition(":")[2])
            return
        self.say(replace(message, calls=(call,)), where, event)
        if response is not None:
            self._responses[response] = len(self.items) - 1

    def answer(self, answer: Answer, message: Message, where: str, event: str | None = None) -> bool:
        """A result for its call; `False` if it answers none."""
        among = {call.id for cause in answer.causes for call in self._calls_of.get(cause, ())}
        call = self._book.answer(answer.recorded_id, among=among) if answer.recorded_id or among else None
        if call is None:
            return False
        if answer.cwd is not None:
            self.cwd = answer.cwd
            self.first_cwd = self.first_cwd or answer.cwd
        result = ToolResult(
            call.id, answer.content, answer.is_error, answer.exit_code, None, answer.images, answer.structured
        )
        self.say(replace(message, role="tool", origin="tool", text="", result=result), where, event)
        return True

    def condense(
        self, forgotten: Iterable[str], summary: str | None, offset: int | None, where: str, at: float | None
    ) -> None:
        """From here the model no longer sees the messages of the forgotten events; a summary stands for them."""
        gone = set(forgotten)
        sources = {source for source, events in self._events_of.items() if events and events <= gone}
        kept = [m for m in model_view(self.items) if (m.source or "").rpartition(":")[2] not in sources]
        if summary:
            note = Message("user", summary, "harness", at=at, source=self.source(where))
            kept.insert(len(kept) if offset is None else max(0, min(offset, len(kept))), note)
        self.items.append(Compaction(tuple(kept), at, self.source(where)))

    def flush(self) -> None:
        """The end of the events."""
        self._responses.clear()

    def source(self, where: str) -> str:
        """`file:place`."""
        return f"{self.name}:{where}"

    def session(self, own: str, *, autonomous: bool) -> Session:
        """What the events themselves tell of the session."""
        messages = [item for item in self.items if isinstance(item, Message)]
        return Session(
            id=own, agent="openhands", format="openhands", lineage=own, agent_version=self.version,
            model=next((m.model for m in messages if m.model is not None), None), tools=self.tools,
            platform=platform_of([self.first_cwd]), autonomous=autonomous,
            started_at=next((m.at for m in messages if m.at is not None), None),
        )  # fmt: skip

    def _note(self, event: str | None, where: str) -> None:
        if event is not None:
            self._events_of.setdefault(where, set()).add(event)

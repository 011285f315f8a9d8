"""The chain of a Claude Code file as items in recorded order: merged responses, rewinds where the chain leaves a
branch, compactions; results stay with their calls wherever their records hang."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from harness.importers.claude_records import CLEARED_RESULT, Content, Result, result_duration
from harness.importers.pairing import CallBook
from harness.importers.values import parse_arguments
from toolsim.trajectory import Compaction, Item, Message, Rewind, ToolResult, model_view


@dataclass(frozen=True, slots=True)
class Link:
    """Where a record hangs: its own uuid and its parent's; `known` is false where the file keeps no chain."""

    uuid: str | None = None
    parent: str | None = None
    known: bool = False


@dataclass(slots=True)
class Chain:
    """Items built record by record. `skipped` counts results that answer no call."""

    items: list[Item] = field(default_factory=list)
    book: CallBook = field(default_factory=CallBook)
    skipped: list[tuple[str | None, str]] = field(default_factory=list)
    _anchors: dict[str, int | None] = field(default_factory=dict)
    _parents: dict[int, int | None] = field(default_factory=dict)
    _rounds: dict[int, int] = field(default_factory=dict)
    _visible: list[int] = field(default_factory=list)
    _dead: set[int] = field(default_factory=set)
    _calls_of: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _round_of_call: dict[str, int] = field(default_factory=dict)
    _response: tuple[str, int] | None = None
    _base: int | None = None
    _tip: int | None = None

    def pass_by(self, link: Link) -> None:
        """A record without a message of its own: what hangs on it hangs on its parent."""
        if link.uuid is not None:
            self._anchors[link.uuid] = self._anchor(link)

    def prompt(self, message: Message, link: Link, *, moves: bool = True) -> None:
        """A message of the human or the harness; `moves` is false for what cannot start a branch."""
        if moves:
            self._response = None
            self._follow(link, message.source)
        anchor = self._anchor(link)
        index = self._add(message, link, anchor)
        self._rounds[index] = index if moves else self._rounds.get(anchor, index) if anchor is not None else index

    def aside(self, message: Message) -> None:
        """A message that hangs nowhere: it stays with what came last."""
        last = self._visible[-1] if self._visible else None
        index = self._add(message, Link(), last)
        self._rounds[index] = index if last is None else self._rounds.get(last, last)

    def response(self, message: Message, content: Content, response_id: str | None, link: Link) -> None:
        """A piece of an agent message; pieces with one `response_id` make one message."""
        calls = []
        for call in content.calls:
            arguments, raw = parse_arguments(call.input)
            calls.append(self.book.add(call.name, arguments, raw, call.recorded_id))
        open_response = self._response
        if response_id is not None and open_response is not None and open_response[0] == response_id:
            index = open_response[1]
            self._extend(index, message, tuple(calls))
            self._register(link, index)
        else:
            self._follow(link, message.source)
            index = self._add(replace(message, calls=tuple(calls)), link, self._anchor(link))
            self._rounds[index] = index
            self._response = (response_id, index) if response_id is not None else None
        for made in calls:
            self._round_of_call[made.id] = index
        if link.uuid is not None:
            self._calls_of[link.uuid] = tuple(made.id for made in calls)

    def result(self, message: Message, result: Result, link: Link, hints: Collection[str], structured: Any) -> None:
        """A tool result; `hints` are uuids of records whose call it may answer."""
        among = {call_id for uuid in hints for call_id in self._calls_of.get(uuid, ())}
        call = self.book.answer(result.recorded_id, among=among, name=result.name)
        if call is None:
            self.skipped.append((message.source, "a tool result that answers no open call"))
            self.pass_by(link)
            return
        answer = ToolResult(
            call.id, result.content, result.is_error, result.exit_code, result_duration(structured), result.images,
            structured,
        )  # fmt: skip
        index = self._add(replace(message, result=answer), link, self._round_of_call.get(call.id))
        self._rounds[index] = self._round_of_call.get(call.id, index)
        if self._rounds[index] in self._dead:
            self._rewind(index, message.source, message.at)

    def compact(
        self,
        replacement: tuple[Message, ...],
        link: Link,
        source: str | None,
        at: float | None,
        *,
        tip: str | None = None,
    ) -> None:
        """From here the model sees only `replacement`; `tip` is the uuid of the last record kept in it verbatim."""
        self._replay(replacement, self._anchors.get(tip) if tip is not None else None, source, at)
        self._register(link, len(self.items) - 1)

    def clear_results(self, recorded_ids: Collection[str], link: Link, source: str | None, at: float | None) -> None:
        """The model no longer sees the content of these results."""
        ids = {
            call.id
            for item in self.items if isinstance(item, Message)
            for call in item.calls if call.recorded_id in recorded_ids or call.id in recorded_ids
        }  # fmt: skip
        view = model_view(self.items)
        cleared = tuple(
            replace(m, result=replace(m.result, content=CLEARED_RESULT, structured=None))
            if m.result is not None and m.result.call_id in ids else m
            for m in view
        )  # fmt: skip
        if cleared != view:
            self._replay(cleared, self._visible[-1] if self._visible else self._tip, source, at)
        self.pass_by(link)

    def retract(self, uuids: Collection[str], source: str | None, at: float | None) -> None:
        """The messages of these records are taken back, with all that follows them."""
        indexes = [i for uuid in uuids if (i := self._anchors.get(uuid)) is not None and i in self._visible]
        if indexes:
            self._rewind(min(indexes), source, at)

    def messages_until(self, uuid: str, *, since: str | None = None) -> tuple[Message, ...]:
        """The messages on the way to this record, from the start or from the record `since` on."""
        return self._path(self._anchors.get(uuid), self._anchors.get(since) if since is not None else None)

    def _follow(self, link: Link, source: str | None) -> None:
        """Leave the branch that the new record does not continue."""
        if not link.known or (link.parent is not None and link.parent not in self._anchors):
            return
        anchor = self._anchor(link)
        if anchor is None:
            if self._visible:
                self._rewind(self._visible[0], source)
            return
        base = -1 if self._base is None else self._base
        own = self._rounds.get(anchor)
        if anchor in self._dead or (anchor < base and (self._tip is None or own != self._rounds.get(self._tip))):
            self._replay(self._path(anchor), anchor, source, None)
            return
        left = None
        for index in reversed(self._visible):
            if index <= anchor:
                break
            if self._rounds.get(index) != own:
                left = index
        if left is not None:
            self._rewind(left, source)

    def _rewind(self, to: int, source: str | None, at: float | None = None) -> None:
        self.items.append(Rewind(to, at, source))
        while self._visible and self._visible[-1] >= to:
            self._dead.add(self._visible.pop())
        self._response = None

    def _replay(self, messages: tuple[Message, ...], tip: int | None, source: str | None, at: float | None) -> None:
        self.items.append(Compaction(messages, at, source))
        self._base, self._tip, self._response = len(self.items) - 1, tip, None
        self._parents[self._base] = None
        self._visible = []
        self._dead.clear()

    def _path(self, anchor: int | None, since: int | None = None) -> tuple[Message, ...]:
        chosen: set[int] = set()
        base: tuple[Message, ...] = ()
        while anchor is not None and anchor not in chosen:
            item = self.items[anchor]
            if isinstance(item, Compaction):
                base = item.replacement
                break
            chosen.add(anchor)
            anchor = self._parents.get(anchor) if anchor != since else None
        chosen |= {index for index, own in self._rounds.items() if own in chosen}
        return base + tuple(item for index in sorted(chosen) if isinstance(item := self.items[index], Message))

    def _add(self, message: Message, link: Link, anchor: int | None) -> int:
        self.items.append(message)
        index = len(self.items) - 1
        self._visible.append(index)
        self._parents[index] = self._base if anchor is None or anchor < (self._base or 0) else anchor
        self._register(link, index)
        return index

    def _extend(self, index: int, message: Message, calls: tuple[Any, ...]) -> None:
        before = self.items[index]
        if not isinstance(before, Message):
            return
        self.items[index] = replace(
            before,
            text="\n".join(text for text in (before.text, message.text) if text),
            reasoning="\n".join(text for text in (before.reasoning, message.reasoning) if text) or None,
            calls=before.calls + calls,
        )

    def _register(self, link: Link, index: int) -> None:
        if link.uuid is not None:
            self._anchors[link.uuid] = index

    def _anchor(self, link: Link) -> int | None:
        return self._anchors.get(link.parent) if link.parent is not None else None

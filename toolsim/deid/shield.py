"""The model boundary: every text of a request is scrubbed by its session's map, every answer is mapped back.

What was once looked through is remembered, so a growing conversation costs only what is new in it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from toolsim.deid.detect import find
from toolsim.deid.found import Found
from toolsim.deid.mapfile import MapFile
from toolsim.deid.mapping import Entry, SessionMap
from toolsim.trajectory import JsonObject
from toolsim.wire import Received

PLAIN_KEYS = frozenset(
    {"id", "call_id", "tool_call_id", "type", "role", "model", "encrypted_content", "signature", "pattern", "strict"}
)
"""Keys whose text is the protocol's own or the provider's: neither scrubbed nor mapped back."""
_LISTS = ("messages", "input")
_REMEMBERED = 16_000_000
"""Characters of texts that are remembered, of all sessions together."""
_MESSAGES = 1_024
"""Messages that are remembered of a session."""
_PORTION = 16 << 10
"""Characters that are looked through at once, some 2 ms."""
_PARTS = 32
"""Other parts of a request (tools, a schema) that are remembered of a session."""


@dataclass(slots=True)
class _Memory:
    """What a session's texts became: dropped when the map grows, and from the oldest when it holds too much."""

    scrubbed: OrderedDict[str, str] = field(default_factory=OrderedDict)
    seen: OrderedDict[str, None] = field(default_factory=OrderedDict)
    messages: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    parts: dict[bytes, Any] = field(default_factory=dict)
    size: int = 0

    def message(self, message: Any, change: Callable[[str], str]) -> Any:
        """A message of a conversation, changed; the next request of a growing one has the same object again."""
        known = self.messages.get(id(message))
        if known is not None:
            return known[1]
        changed = _walk(message, change)
        if len(self.messages) >= _MESSAGES:
            self.messages.clear()
        self.messages[id(message)] = message, changed  # held, so that its id stays its own
        return changed

    def part(self, name: bytes, part: Any, change: Callable[[str], str]) -> Any:
        """Tools or a schema, changed; the next request mostly has equal ones, with this `name`."""
        if name not in self.parts:
            if len(self.parts) >= _PARTS:
                self.parts.clear()
            self.parts[name] = _walk(part, change)
        return self.parts[name]

    def forget(self) -> None:
        """The map grew: what was changed before may change further."""
        self.scrubbed.clear()
        self.messages.clear()
        self.parts.clear()

    def see(self, text: str) -> None:
        self.seen[text] = None
        self.size += len(text)
        while self.size > _REMEMBERED:
            old, _ = self.seen.popitem(last=False)
            self.scrubbed.pop(old, None)
            self.size -= len(old)


class Shield:
    """The maps of all sessions, in memory and, with a `file`, kept there.

    `find` says what is to be replaced in a text.
    """

    def __init__(self, file: MapFile | None = None, find: Callable[[str], Iterable[Found]] = find) -> None:
        self._file = file
        self._find = find
        self._maps: dict[str, SessionMap] = {}
        self._memories: OrderedDict[str, _Memory] = OrderedDict()

    def scrub(self, session: str, body: JsonObject) -> JsonObject:
        """A request body without what identifies anybody.

        Raises:
            MapError: the map cannot be kept; then nothing may be sent.
        """
        memory = self._memory(session)
        listed = [name for name in _LISTS if isinstance(body.get(name), list | tuple)]
        rest = {name: value for name, value in body.items() if name not in listed}
        parts = {name: _named(name, value) for name, value in rest.items() if isinstance(value, dict | list)}
        new: list[Any] = [{name: value} for name, value in rest.items() if parts.get(name) not in memory.parts]
        new += [message for name in listed for message in body[name] if id(message) not in memory.messages]
        self.learn(session, [text for text in texts_of(new) if text])
        mapped = self._maps[session]

        def scrubbed(text: str) -> str:
            done = memory.scrubbed.get(text)
            if done is None:
                done = memory.scrubbed[text] = mapped.scrub(text)
            return done

        lists = {name: [memory.message(message, scrubbed) for message in body[name]] for name in listed}
        known = {name: memory.part(part, rest[name], scrubbed) for name, part in parts.items()}
        plain = _walk({name: value for name, value in rest.items() if name not in parts}, scrubbed)
        changed = {**lists, **known, **plain}
        return {name: changed[name] for name in body}

    async def look_through(self, session: str, body: JsonObject) -> None:
        """Take in what the messages of a body hold, in portions between which others get the event loop: a megabyte
        takes a tenth of a second. Where there is little, `scrub` does it all.

        Raises:
            MapError: the map cannot be kept.
        """
        memory = self._memory(session)
        listed = (
            message for name in _LISTS for message in body.get(name) or () if isinstance(body[name], list | tuple)
        )
        new = [text for text in texts_of([m for m in listed if id(m) not in memory.messages]) if text]
        if sum(map(len, new)) <= _PORTION:
            return
        portion: list[str] = []
        for text in new:
            portion.append(text)
            if sum(map(len, portion)) > _PORTION:
                self.learn(session, portion)
                await asyncio.sleep(0)
                portion = []

    def learn(self, session: str, texts: Sequence[str], found: Iterable[Found] = ()) -> tuple[Entry, ...]:
        """Take in what the texts hold, and what another scanner found in them; returns the new entries."""
        mapped = self._map(session)
        memory = self._memory(session)
        fresh = [text for text in dict.fromkeys(texts) if text not in memory.seen]
        for text in fresh:
            memory.see(text)
        values = [*found, *(one for text in fresh for one in self._find(text))]
        if not fresh and not values:
            return ()
        made = self._keep(session, mapped, values, fresh)
        if made:
            memory.forget()
        return made

    def _memory(self, session: str) -> _Memory:
        memory = self._memories.setdefault(session, _Memory())
        self._memories.move_to_end(session)
        total = sum(each.size for each in self._memories.values())
        while total > _REMEMBERED and len(self._memories) > 1:  # what was not used for longest is looked through again
            total -= self._memories.popitem(last=False)[1].size
        return memory

    def _keep(
        self, session: str, mapped: SessionMap, values: Sequence[Found], texts: Sequence[str]
    ) -> tuple[Entry, ...]:
        ours = {entry.surrogate for entry in mapped.entries}
        values = [one for one in values if one.value not in ours]
        natives = any(surrogate in text for text in texts for surrogate in ours)
        if not natives and all(mapped.known(one.value) for one in values):
            return ()
        if self._file is None:
            return mapped.learn(values, texts)
        with self._file.session(session) as held:
            mapped.add(held.entries())
            made = mapped.learn(values, texts)
            held.add(made)
        return made

    def restore_text(self, session: str, text: str) -> str:
        """A text of a model with the values in place of their stand-ins."""
        return self._map(session).restore(text)

    def restore(self, session: str, received: Received) -> Received:
        """An answer with the values in place of their stand-ins: words, thoughts, calls and provider items."""
        mapped = self._map(session)
        if not mapped.entries:
            return received
        back = mapped.restore
        calls = tuple(
            replace(call, arguments=_walk(call.arguments, back, keys=True), raw=call.raw and back(call.raw))
            for call in received.calls
        )
        return replace(
            received,
            text=back(received.text),
            reasoning=received.reasoning and back(received.reasoning),
            calls=calls,
            items=tuple(_walk(item, back) for item in received.items),
            refused=received.refused and back(received.refused),
        )

    def map_of(self, session: str) -> SessionMap:
        """The map as it is now."""
        return self._map(session)

    def _map(self, session: str) -> SessionMap:
        if session not in self._maps:
            mapped = SessionMap(session)
            if self._file is not None:
                mapped.add(self._file.entries(session))
            self._maps[session] = mapped
        return self._maps[session]


def _named(name: str, value: Any) -> bytes:
    """The same for equal parts: their JSON, or, where that cannot be written fast, what shows them in Python."""
    try:
        return orjson.dumps([name, value])
    except TypeError:
        return repr([name, value]).encode("utf-8", "surrogatepass")


def texts_of(value: Any) -> Iterator[str]:
    """Every text in a JSON value that is no protocol's own."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in PLAIN_KEYS or isinstance(inner, dict | list):
                yield from texts_of(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_of(inner)


def _walk(value: Any, change: Callable[[str], str], *, keys: bool = False) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {
            (change(key) if keys else key): inner
            if not keys and key in PLAIN_KEYS and isinstance(inner, str)
            else _walk(inner, change, keys=keys)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_walk(inner, change, keys=keys) for inner in value]
    return value

"""A conversation from what the model was sent each time: a sequence of views as messages, rewinds and compactions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from harness.importers.draft import Draft, Stamp
from toolsim.trajectory import Message

T = TypeVar("T")


@dataclass(slots=True)
class Follower(Generic[T]):
    """Adds what is new in each view to a draft, so that the draft's model view is the latest view.

    `key` tells messages apart, `add` adds one as an item of the draft.
    """

    draft: Draft
    key: Callable[[T], str]
    add: Callable[[Draft, T, Stamp], None]
    seen: list[str] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _made: dict[str, tuple[Message, ...]] = field(default_factory=dict)

    def show(self, view: Sequence[T], stamp: Stamp) -> None:
        """The model sees `view` now."""
        keys = [self.key(message) for message in view]
        common = 0
        while common < min(len(keys), len(self.seen)) and keys[common] == self.seen[common]:
            common += 1
        if common < len(self.seen):
            inside = common > 0 and self._starts[common] == self._starts[common - 1]
            known = [place for place in range(common, len(keys)) if keys[place] in self._made]
            if known or inside:
                common = known[-1] + 1 if known else common
                self._replace(view[:common], keys[:common], stamp)
            else:
                self._rewind(common, stamp)
        for message, key in zip(view[common:], keys[common:], strict=True):
            self._append(message, key, stamp)

    def shares(self, view: Sequence[T]) -> bool:
        """Whether a view has any message that was shown before."""
        return not self.seen or any(self.key(message) in self._made for message in view)

    def _append(self, message: T, key: str, stamp: Stamp) -> None:
        start = len(self.draft.items)
        self.add(self.draft, message, stamp)
        made = tuple(item for item in self.draft.items[start:] if isinstance(item, Message))
        self._starts.append(start)
        self.seen.append(key)
        self._made[key] = made

    def _rewind(self, common: int, stamp: Stamp) -> None:
        to = self._starts[common]
        if to < len(self.draft.items):
            self.draft.rewind(to, stamp)
        del self.seen[common:], self._starts[common:]

    def _replace(self, view: Sequence[T], keys: list[str], stamp: Stamp) -> None:
        """Messages before known ones were left out or rewritten: a compaction, with what is new in it."""
        replacement: list[Message] = []
        for message, key in zip(view, keys, strict=True):
            if key not in self._made:
                other = Draft(
                    self.draft.name, self.draft.skips, self.draft.cwd, self.draft.branch, book=self.draft.book
                )
                self.add(other, message, stamp)
                self._made[key] = tuple(other.messages())
            replacement += self._made[key]
        index = len(self.draft.items)
        self.draft.compact(replacement, stamp)
        self.seen, self._starts = keys, [index] * len(keys)

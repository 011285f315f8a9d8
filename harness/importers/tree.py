"""Records that form a tree, read in file order: the branches they leave, as rewinds and compactions of a draft."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.importers.draft import Draft, Stamp
from toolsim.trajectory import Compaction, Message, model_view


@dataclass(slots=True)
class _Node:
    parent: str | None
    items: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Tree:
    """Follows parent links of records. A record whose parent is not the latest record leaves a branch behind."""

    draft: Draft
    _nodes: dict[str, _Node] = field(default_factory=dict)
    _tip: str | None = None
    _floor: int = 0

    def enter(self, record: str | None, parent: str | None, stamp: Stamp, *, rooted: bool = False) -> bool:
        """Before the items of a record are added; true where it is a further piece of the latest record.

        `rooted` says that a missing parent means the root; a parent that no record has is taken as the latest one.
        """
        if record is not None and record == self._tip:
            return True
        unknown = not rooted if parent is None else parent not in self._nodes
        if unknown:
            parent = self._tip
        if self._content_tip(parent) != self._content_tip(self._tip):
            self._switch(parent, stamp)
        key = record if record is not None and record not in self._nodes else f"\x00{len(self._nodes)}"
        self._nodes[key] = _Node(parent)
        self._tip = key
        return False

    def leave(self, first_item: int) -> None:
        """After the items of the record are added: those from `first_item` on are its own."""
        if self._tip is not None:
            self._nodes[self._tip].items.extend(range(first_item, len(self.draft.items)))

    def path(self, record: str | None) -> list[int]:
        """Item indexes from the root to a record, in order."""
        return [item for node in reversed(list(self._up(record))) for item in self._nodes[node].items]

    def view(self, record: str | None) -> tuple[Message, ...]:
        """What the model sees after a record, on its own branch."""
        items = [self.draft.items[index] for index in self.path(record)]
        return model_view(item for item in items if isinstance(item, Message | Compaction))

    @property
    def tip(self) -> str | None:
        """The latest record."""
        return self._tip

    def since(self, record: str) -> tuple[Message, ...]:
        """Messages of the current branch from a record on; none where it is not on the branch."""
        kept: list[int] = []
        for node in self._up(self._tip):
            kept = [*self._nodes[node].items, *kept]
            if node == record:
                items = [self.draft.items[index] for index in kept]
                return tuple(item for item in items if isinstance(item, Message))
        return ()

    def _switch(self, parent: str | None, stamp: Stamp) -> None:
        here, there = self.path(self._tip), self.path(parent)
        compacted = any(isinstance(self.draft.items[index], Compaction) for index in here[len(there) :])
        behind = len(here) > len(there)
        if here[: len(there)] == there and not compacted and not (behind and here[len(there)] < self._floor):
            if behind:
                self.draft.rewind(here[len(there)], stamp)
        else:
            self._floor = len(self.draft.items)
            self.draft.compact(self.view(parent), stamp)

    def _content_tip(self, record: str | None) -> str | None:
        return next((node for node in self._up(record) if self._nodes[node].items), None)

    def _up(self, record: str | None) -> Iterator[str]:
        while record is not None:
            yield record
            record = self._nodes[record].parent

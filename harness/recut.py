"""The world of a teacher-forced rollout as a cut right before each agent message would leave it.

An autonomous session is one turn, so a cut at its start shows nothing of its repository. With recorded actions each
message is answered as after a cut of its own: base commit and forms are inferred anew from the record before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from harness.repositories import Base
from harness.scene import Scene, base_of, rebuild_in_family
from repos.catalog import KnownRepository
from toolsim.family import Kin
from toolsim.rebuild import Rebuilt
from toolsim.scaffolds.base import ScaffoldProfile
from toolsim.trajectory import Item, Message, Prefix


@dataclass(slots=True)
class Recut:
    """The record as it was taken in so far: the prefix of `scene`, then each item given to `take`."""

    scene: Scene
    known: Sequence[KnownRepository]
    base: Base | None = field(init=False)
    _items: list[Item] = field(init=False)
    _form: ScaffoldProfile = field(init=False)

    def __post_init__(self) -> None:
        self.base = self.scene.base
        self._items = list(self.scene.prefix.items)
        self._form = self._fitted()

    def take(self, item: Message) -> None:
        """A recorded message that the rollout went on from."""
        self._items.append(item)

    def renewed(self) -> Rebuilt | None:
        """The world of a cut here, `None` where base and forms are still those of the last one.

        Raises:
            RepositoryError: a repository cannot be read.
        """
        relatives = self.scene.relatives
        base, form = base_of(self.prefix, self.known, relatives), self._fitted()
        if _place(base) == _place(self.base) and form == self._form:
            return None
        self.base, self._form = base, form
        kin = Kin.of(relatives)
        return rebuild_in_family(self.prefix, self.scene.scaffold, base, self.known, relatives, kin)[1]

    @property
    def prefix(self) -> Prefix:
        """What a cut here keeps."""
        return replace(self.scene.prefix, items=tuple(self._items))

    def _fitted(self) -> ScaffoldProfile:
        messages = [item for item in self._items if isinstance(item, Message)]
        return self.scene.scaffold.fit(self.scene.prefix.session, messages)


def _place(base: Base | None) -> tuple[str, str, str] | None:
    return None if base is None else (str(base.repository.git_dir), base.commit, base.root)

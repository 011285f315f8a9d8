"""What a rollout changed in its world: the world at the cut against the world after the last step, file by file."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from harness.ledger import ToolStep, read_steps
from harness.scene import set_scene
from harness.selection import Cut
from harness.store import Store
from toolsim.marks import Absent
from toolsim.trajectory import turns
from toolsim.world import World

LIMIT = 12_000
MOST = 200
"""Files on one page."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One path: `added`, `modified`, `deleted`, or `unknown` (its content is no longer certain)."""

    path: str
    status: str
    diff: str | None
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class WorldPage:
    """The difference. `taken_in` counts answers after which the world went on from the record instead."""

    files: tuple[Changed, ...]
    more: int
    facts: tuple[str, ...]
    processes: tuple[str, ...]
    cwd: tuple[str, str]
    seconds: float | None
    applied: int
    taken_in: int
    base: str | None


def world_of(store: Store, session: str, rollout: str, turn: int, step: int, *, repository: bool) -> WorldPage:
    """Rebuild the world of the prefix and let the ledger's changes happen to a copy of it.

    Raises:
        RepositoryError: the repository that the session belongs to cannot be read.
        StoreError: the session or the ledger cannot be read.
    """
    trajectory = store.trajectory(session)
    scene = set_scene(
        trajectory, Cut(session, turns(trajectory)[turn], step), store.repositories(), use_repository=repository,
        relatives=store.relatives(trajectory.session),
    )  # fmt: skip
    before, after = scene.rebuilt.world, scene.rebuilt.world.fork()
    taken_in = applied = 0
    for one in read_steps(store.steps(rollout)):
        if not isinstance(one, ToolStep):
            continue
        taken_in += one.taken_in
        for mutation in () if one.taken_in else one.mutations:
            after.apply(mutation)
            applied += 1
    files = _files(before, after)
    known = {fact.text for fact in before.facts}
    return WorldPage(
        tuple(files[:MOST]), max(0, len(files) - MOST), tuple(f.text for f in after.facts if f.text not in known),
        tuple(p.command for p in after.processes.values() if not p.ended), (before.cwd, after.cwd),
        None if before.now is None or after.now is None else after.now - before.now, applied, taken_in,
        None if scene.base is None else f"{scene.base.repository.name} at {scene.base.commit[:12]}",
    )  # fmt: skip


def _files(before: World, after: World) -> list[Changed]:
    old, new = before.overlay(), after.overlay()
    paths = [p for p in sorted({*old.changed, *new.changed}) if old.changed.get(p, ...) != new.changed.get(p, ...)]
    made = (_changed(path, before, after) for path in paths)
    unknown = [Changed(path, "unknown", None) for path in sorted(new.unknown - old.unknown)]
    return [one for one in made if one is not None] + unknown


def _changed(path: str, before: World, after: World) -> Changed | None:
    one, other = before.read(path), after.read(path)
    if one == other:
        return None
    old = one if isinstance(one, bytes) else b""
    new = other if isinstance(other, bytes) else b""
    status = "deleted" if isinstance(other, Absent) else "added" if isinstance(one, Absent) else "modified"
    if status == "modified" and not isinstance(one, bytes):
        status = "written over what was unknown"
    try:
        lines = difflib.unified_diff(
            old.decode().splitlines(), new.decode().splitlines(), "before the turn", "after it", lineterm="", n=3
        )
        text = "\n".join(lines)
    except UnicodeDecodeError:
        return Changed(path, f"{status}, no text ({len(new)} bytes)", None)
    return Changed(path, status, text[:LIMIT], max(0, len(text) - LIMIT))

"""One recorded situation opened for agents from outside: its scene, its run in the store, its rollouts.

All that is served with the same settings is one run; each agent that comes is one more sample of the same prefix.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness import experiment
from harness.config import RunConfig
from harness.errors import SelectionError
from harness.rows import RolloutRow, SessionRow
from harness.scene import Scene, set_scene
from harness.selection import Criteria, Cut, choose_cuts
from harness.store import Store
from toolsim.modeltypes import Model
from toolsim.seeds import derive_seed
from toolsim.shell.choice import choose
from toolsim.simulator import ToolSimulator
from toolsim.trajectory import JsonObject, content_hash


@dataclass(frozen=True, slots=True)
class Situation:
    """A scene that may be played any number of times, each time from the same world."""

    store: Store
    run: str
    config: RunConfig
    session: SessionRow
    cut: Cut
    scene: Scene
    parts: experiment.Parts

    def register(self, facts: JsonObject) -> RolloutRow:
        """One more rollout of the run, in the store before it starts.

        Raises:
            StoreError: the store cannot be written.
        """
        here = (self.session.id, self.cut.turn.index, self.cut.step)
        sample = sum((row.session, row.turn, row.step) == here for row, _ in self.store.rollouts(self.run))
        while True:
            row = experiment.rollout_row(self.run, self.session, self.cut, sample)
            row = replace(row, facts={**row.facts, **facts})
            if self.store.add_rollouts([row]):
                return row
            sample += 1  # another process was first

    def seed(self, row: RolloutRow) -> int:
        """The seed of a rollout, derived as in every run."""
        return derive_seed(self.config.seed, row.run, row.session, row.turn, row.sample)

    def simulator(self, row: RolloutRow) -> ToolSimulator:
        """The simulator of a rollout, by the settings of the run."""
        reference = self.scene.reference if "rollout" in self.config.affordances else None
        return experiment.open_simulator(self.config, self.parts, self.scene, self.seed(row), reference=reference)


@asynccontextmanager
async def open_situation(
    store: Store,
    calls: Path,
    config: RunConfig,
    criteria: Criteria,
    *,
    kind: str,
    models: tuple[Model | None, Model | None],
) -> AsyncIterator[Situation]:
    """The situation that `criteria` (one session) choose, its run registered as `kind`.

    `models` are those of candidate and simulator; they are closed with the situation.

    Raises:
        SelectionError: there is no such session, turn or step.
        StoreError, RepositoryError, ShellError: a part of it cannot be used.
    """
    shell = choose(config.shell, config.container)
    config = config.model_copy(update=shell.settings())
    session, cut, scene = await asyncio.to_thread(choose_scene, store, config, criteria)
    inputs = {"calls": experiment.database_hash(calls), "pools": "frozen", "shell": str(shell), "session": session.id}
    prompt = experiment.system_prompt(config)
    prompt_hash = None if prompt is None else content_hash(prompt)
    run = f"{kind}-{experiment.run_name(config, criteria, prompt_hash)}"
    manifest = experiment.manifest(config, criteria, inputs, prompt_hash)
    async with AsyncExitStack() as stack:
        for model in {id(m): m for m in models if m is not None}.values():
            stack.push_async_callback(model.close)
        parts = await experiment.open_parts(stack, store, calls, config, models)
        store.begin_run(run, kind, manifest, now=time.time())
        yield Situation(store, run, config, session, cut, scene, parts)


def choose_scene(store: Store, config: RunConfig, criteria: Criteria) -> tuple[SessionRow, Cut, Scene]:
    """The one prefix that the criteria choose, made ready. Blocking.

    Raises:
        SelectionError, StoreError, RepositoryError: there is none, or it cannot be read.
    """
    (named,) = criteria.ids
    full = store.full_id(named)
    trajectory = store.trajectory(full)
    cuts = choose_cuts(full, trajectory, criteria)
    if not isinstance(cuts, tuple):
        raise SelectionError(f"{full}: {cuts.reason}")
    scene = set_scene(
        trajectory,
        cuts[0],
        store.repositories(),
        use_repository="repo" in config.affordances,
        system_prompt=experiment.system_prompt(config),
        relatives=store.relatives(trajectory.session),
    )
    session = next(row for row in store.sessions() if row.id == full)
    return session, cuts[0], scene

"""What the commands do, for programs: the tools of a recorded situation, and one turn taken again.

    import harness

    harness.import_sessions("deploysim.db", ["sessions/"])
    async with harness.simulated_tools("deploysim.db", "3de3ff10") as tools:
        answer = await tools.call("Read", {"file_path": "/repo/a.py"})

Failures are exceptions (`toolsim.SimulationFailed`), never results.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import experiment, pipeline
from harness.config import RunConfig, resolve
from harness.importing import ImportSummary, import_paths
from harness.ledger import ModelStep, ToolStep, fold, read_steps
from harness.live.situation import choose_scene
from harness.rows import End
from harness.scene import Scene
from harness.selection import Criteria
from harness.store import Store
from toolsim.calldb import CallDatabase
from toolsim.modeltypes import Budget
from toolsim.shell.choice import choose
from toolsim.simulator import Answer, ToolSimulator
from toolsim.trajectory import JsonObject, Message, ToolCall, ToolDefinition
from toolsim.world import World


@dataclass(slots=True)
class SimulatedTools:
    """The tools of a recorded situation, answered in its world. Each call changes the world for the next.

    `definitions` are the tools as recorded (or inferred), `history` is all that the agent has seen so far, the calls
    made here included; `world` is the state now.
    """

    scene: Scene
    simulator: ToolSimulator
    world: World = field(init=False)
    history: list[Message] = field(init=False)
    _turn: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.world = self.scene.rebuilt.world.fork()
        self.history = list(self.scene.view)

    @property
    def definitions(self) -> tuple[ToolDefinition, ...]:
        """Names, descriptions and JSON schemas."""
        return self.scene.tools

    async def call(self, name: str, arguments: JsonObject, call_id: str | None = None) -> Answer:
        """The answer to one call: `answer.result.content` is what the agent would have seen, `answer.rung` how it came
        about. Calls at the same time are answered one after the other.

        Raises:
            SimulationFailed: no rung could answer, or one failed; the world stays as it was.
            BudgetExceeded: a limit on model use was reached.
        """
        async with self._turn:
            call = ToolCall(call_id or f"call_{len(self.history)}", name, dict(arguments))
            answer = await self.simulator.respond(call, self.world, tuple(self.history))
            for mutation in answer.mutations:
                self.world.apply(mutation)
            self.history += [
                Message("assistant", origin="agent", calls=(call,)),
                Message("tool", answer.result.content, "tool", result=answer.result),
            ]
            return answer


@dataclass(frozen=True, slots=True)
class Taken:
    """A turn taken again: its messages, every step with rung and evidence, and how it ended."""

    run: str
    rollout: str
    messages: tuple[Message, ...]
    steps: tuple[ModelStep | ToolStep, ...]
    end: End | None


def import_sessions(store: str | Path, paths: Iterable[str | Path]) -> ImportSummary:
    """Import recorded sessions, as `deploysim import`; pairs go to `calls.db` beside the store.

    Raises:
        ImportFailed, StoreError, CallDatabaseError: nothing could be read, or a file cannot be written.
    """
    place = Path(store)
    with Store(place) as opened, CallDatabase(place.with_name("calls.db")) as calls:
        return import_paths(opened, calls, [Path(path) for path in paths])


@asynccontextmanager
async def simulated_tools(
    store: str | Path, session: str, *, turn: int | None = None, step: int | None = None, **settings: Any
) -> AsyncIterator[SimulatedTools]:
    """The tools of the situation before a turn (the last by default) of a session, named by the beginning of its id.

    `settings` are those of `RunConfig`: `simulator="none"` where no model may be asked, `rungs`, `affordances`, `seed`.
    The recorded rest of the turn is no evidence. Nothing is written to the store.

    Raises:
        ConfigError, SelectionError, StoreError: a setting is wrong, or there is no such session, turn or step.
    """
    config = _config({"affordances": ("repo", "calls", "connectors"), **settings})
    place = Path(store)
    with Store(place, create=False) as opened:
        criteria = Criteria(ids=(session,), turn=turn, step=step)
        config = config.model_copy(update=choose(config.shell, config.container).settings())
        _, _, scene = await asyncio.to_thread(choose_scene, opened, config, criteria)
        async with AsyncExitStack() as stack:
            model = experiment.open_models(config.model_copy(update=_RECORDED), Budget())[1]
            if model is not None:
                stack.push_async_callback(model.close)
            calls = place.with_name("calls.db")
            parts = await experiment.open_parts(stack, opened, calls, config, (None, model))
            simulator = experiment.open_simulator(config, parts, scene, config.seed, reference=None)
            if simulator.shell is not None:
                stack.push_async_callback(simulator.shell.close)
            yield SimulatedTools(scene, simulator)


async def resample_turn(
    store: str | Path, session: str, *, turn: int | None = None, step: int | None = None, **settings: Any
) -> Taken:
    """Let a candidate take one turn again, as `deploysim resample`; it is kept in the store. Asked again with the same
    settings the same rollout is given back, or gone on with.

    `settings` are those of `RunConfig`: `candidate="NAME@URL"`, `simulator=...`, `max_steps`.

    Raises:
        ConfigError, SelectionError, StoreError, ModelUnavailable: the run cannot start.
    """
    place, config = Path(store), _config(settings)
    with Store(place, create=False) as opened:
        criteria = Criteria(ids=(opened.full_id(session),), turn=turn, step=step)
        done = await pipeline.resample(
            opened, place.with_name("calls.db"), config, criteria, budget=Budget(), concurrency=1,
            notice=lambda *_: None,
        )  # fmt: skip
        row, end = opened.rollouts(done.run)[0]
        steps = read_steps(opened.steps(row.id))
        return Taken(done.run, row.id, fold(steps).messages, steps, end)


_RECORDED = {"candidate": "recorded", "forcing": "free"}


def _config(settings: JsonObject) -> RunConfig:
    return resolve(settings, None)

"""Truth for calls that no recording holds: what a model answered, against what the programs really print.

A run's rollouts are gone through again from their ledgers. Each call of a candidate that the model answered is put to
code alone, in the world as it was then; where that answers (a container in which programs really run), its result is
the truth that the model's is graded against. The world goes on from what the rollout took for true, so a program that
meets files which only the model made is executed on these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from harness import experiment
from harness.config import RunConfig
from harness.fidelity_table import Line, Row, differences, lines_of, reason_of, summarise
from harness.ledger import ModelStep, ToolStep, read_steps, result_message
from harness.rows import RolloutRow
from harness.scene import Scene, set_scene
from harness.selection import Cut
from harness.store import Store
from toolsim.errors import ShellError, SimulationFailed
from toolsim.seeds import derive_seed
from toolsim.simulator import ToolSimulator
from toolsim.trajectory import Message, turns

Steps = Sequence[ModelStep | ToolStep]


@dataclass(frozen=True, slots=True)
class Executed:
    """What came out: a line for each call that was executed, added up over all and by class of command; `without`
    counts the others by the reason why nothing could be executed."""

    run: str
    shell: str
    simulated: int
    lines: tuple[Line, ...]
    whole: Row | None
    by_class: tuple[Row, ...]
    differences: dict[str, int]
    without: dict[str, int]


async def measure(store: Store, run: str, shell: Mapping[str, object]) -> Executed:
    """Execute what a run's model answered by itself, and grade its answers by that; `shell` are the settings `shell`,
    `image` and `execute`.

    Raises:
        StoreError: the store cannot be read.
        ShellError: the engine cannot run here.
    """
    made = RunConfig.model_validate(store.run(run)["manifest"]["config"])
    alone = {"rungs": ("computed",), "affordances": tuple(a for a in made.affordances if a == "repo"), "critic": 0}
    config = made.model_copy(update={**alone, "candidate": "recorded", "simulator": "none", **shell})
    lines: list[Line] = []
    without: Counter[str] = Counter()
    async with AsyncExitStack() as stack:
        parts = await experiment.open_parts(stack, store, store.path.with_name("calls.db"), config, (None, None))
        for row, end in store.rollouts(run):
            steps = read_steps(store.steps(row.id))
            if not any(map(_unrecorded, steps)):
                continue
            scene = _scene(parts, row, config)
            seed = derive_seed(config.seed, row.run, row.session, row.turn, row.sample)
            simulator = experiment.open_simulator(config, parts, scene, seed, reference=None)
            try:
                done = [step async for step in _again(scene, simulator, steps, without)]
            finally:
                if simulator.shell is not None:
                    await simulator.shell.close()
            lines += lines_of(row, end, done)
    found = tuple(lines)
    return Executed(
        run, str(parts.shell), len(lines) + without.total(), found,
        summarise(found, lambda _: "all")[0] if found else None, summarise(found, lambda line: line.kind),
        differences(found), dict(without.most_common()),
    )  # fmt: skip


async def _again(
    scene: Scene, simulator: ToolSimulator, steps: Steps, without: Counter[str]
) -> AsyncIterator[ModelStep | ToolStep]:
    """The steps, with the executed result as the record of each call that the model answered; no other call has one."""
    world = scene.rebuilt.world.fork()
    messages: list[Message] = list(scene.view)
    for step in steps:
        if isinstance(step, ModelStep):
            messages.append(step.message)
            yield step
            continue
        truth = None
        if _unrecorded(step):
            try:
                truth = (await simulator.respond(step.call, world, messages)).result
            except SimulationFailed as error:
                without[reason_of(error.reason)] += 1
            except ShellError as error:
                without[str(error)] += 1
        messages.append(result_message(step.shown))
        for mutation in step.mutations:
            world.apply(mutation)
        yield replace(step, recorded=truth)


def _unrecorded(step: ModelStep | ToolStep) -> bool:
    """Whether the model answered a call that the record does not have."""
    return isinstance(step, ToolStep) and step.rung == "simulated" and step.recorded is None and not step.taken_in


def _scene(parts: experiment.Parts, row: RolloutRow, config: RunConfig) -> Scene:
    trajectory = parts.store.trajectory(row.session)
    cut = Cut(row.session, turns(trajectory)[row.turn], row.step)
    return set_scene(
        trajectory, cut, parts.known, use_repository="repo" in config.affordances,
        relatives=parts.store.relatives(trajectory.session),
    )  # fmt: skip

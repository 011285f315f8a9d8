"""What the tests of the harness share: small recorded sessions, a store, and rollouts without a repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.candidate import RecordedCandidate
from harness.ledger import ModelStep, ToolStep, read_steps, write_step
from harness.resample import Limits, Rollout
from harness.rows import LedgerStep
from harness.scene import Scene, set_scene
from harness.selection import Criteria, choose_cut
from harness.store import Store
from toolsim.modeltypes import Model
from toolsim.simulator import SimulatorSettings, ToolSimulator
from toolsim.trajectory import Message, Session, ToolCall, ToolResult, Trajectory

NOON = 1_760_000_000.0
CALLS = ("ls", "cat a.py", "pytest -q")


def recorded(
    name: str = "s1",
    turns: Sequence[Sequence[Sequence[str]]] = ((CALLS,),),
    *,
    answered: bool = True,
    **session: object,
) -> Trajectory:
    """A session of Claude Code: for each turn its messages, for each message the commands that it runs at once."""
    items: list[Message] = []
    number = 0
    for turn, messages in enumerate(turns):
        items.append(Message("user", f"Do task {turn} of {name}.", at=NOON + len(items)))
        for commands in messages:
            calls = tuple(ToolCall(f"{name}-{number + i}", "Bash", {"command": c}) for i, c in enumerate(commands))
            number += len(calls)
            items.append(Message("assistant", "I look.", "agent", calls=calls, at=NOON + len(items)))
            for call in calls if answered else ():
                result = ToolResult(call.id, f"recorded output of {call.arguments['command']}")
                items.append(Message("tool", "", "tool", result=result, at=NOON + len(items)))
        items.append(Message("assistant", f"Task {turn} is done.", "agent", at=NOON + len(items)))
    facts: dict[str, object] = {"agent": "claude-code", "format": "claude-code", "lineage": name, "started_at": NOON}
    return Trajectory(Session(name, cwd="/work/repo", **{**facts, **session}), tuple(items))


@pytest.fixture(name="recorded")
def _recorded() -> Callable[..., Trajectory]:
    return recorded


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "deploysim.db") as opened:
        yield opened


@dataclass
class Ledger:
    """What a rollout wrote, through the form that the store keeps."""

    rows: list[LedgerStep] = field(default_factory=list)

    async def write(self, n: int, step: ModelStep | ToolStep) -> None:
        assert n == len(self.rows)
        self.rows.append(write_step(n, step))

    @property
    def steps(self) -> tuple[ModelStep | ToolStep, ...]:
        return read_steps(self.rows)

    @property
    def results(self) -> list[ToolStep]:
        return [step for step in self.steps if isinstance(step, ToolStep)]


def scene_of(trajectory: Trajectory, **criteria: object) -> Scene:
    return set_scene(trajectory, choose_cut(trajectory.session.id, trajectory, Criteria(**criteria)), ())


def rollout_of(
    scene: Scene,
    ledger: Ledger,
    model: Model | None = None,
    *,
    candidate: object | None = None,
    forcing: str = "teacher",
    limits: Limits | None = None,
    **settings: object,
) -> Rollout:
    """A rollout without a shell, whose simulated results come from `model`."""
    fields = {"rungs": frozenset({"computed", "simulated"}), "affordances": frozenset(), **settings}
    simulator = ToolSimulator(
        scaffold=scene.scaffold,
        profile=scene.rebuilt.world.profile,
        settings=SimulatorSettings(**fields),
        session=scene.prefix.session,
        start=scene.rebuilt.world,
        model=model,
    )
    taking = candidate or RecordedCandidate(scene.reference.items)
    return Rollout(scene, taking, simulator, ledger.write, limits or Limits(), forcing)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture(name="scene_of")
def _scene_of() -> Callable[..., Scene]:
    return scene_of


@pytest.fixture(name="rollout_of")
def _rollout_of() -> Callable[..., Rollout]:
    return rollout_of

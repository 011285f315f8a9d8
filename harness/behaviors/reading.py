"""Turns for grading out of a store: the recorded ones, and those that a run's candidate took."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from harness.behaviors.acts import Act, TurnActs, turn_acts
from harness.errors import ConfigError
from harness.ledger import ToolStep, fold, read_steps
from harness.rows import RolloutRow
from harness.store import Store
from toolsim.trajectory import Message, Trajectory, effects, model_view, split, steps, turns


@dataclass(frozen=True, slots=True)
class GradingTurn:
    """A turn with what graders may read: `before` is what the model saw when the turn began, `messages` the turn.

    `rungs` says by call id how each result of a simulated turn came about; it is empty for recorded turns, and only
    what asks about faults of the simulator reads it.
    """

    acts: TurnActs
    before: tuple[Message, ...]
    messages: tuple[Message, ...]
    pool: str
    rungs: Mapping[str, str] = field(default_factory=dict)

    def simulated(self, act: Act) -> bool:
        """Whether a model wrote the result of an act."""
        return self.rungs.get(act.call.id) == "simulated"


def recorded(store: Store, sessions: Iterable[str], *, every: bool = True) -> Iterator[GradingTurn]:
    """The recorded turns of sessions (`every`, else the last), each from its start."""
    for name in sessions:
        trajectory = store.trajectory(name)
        made = turns(trajectory)
        for number, turn in list(enumerate(made))[0 if every else -1 :]:
            if not steps(trajectory, turn):
                continue  # the agent was never asked, or did nothing
            prefix, reference = split(trajectory, turn, 0)
            asked = _asking(prefix.items)
            messages = tuple(effects(reference.items))
            if any(m.origin == "agent" for m in messages):
                yield _turn(trajectory, f"{name}:{number}.0", asked, tuple(model_view(prefix.items)), messages)


def rollouts(store: Store, run: str) -> tuple[tuple[GradingTurn, ...], dict[str, int]]:
    """The completed rollouts of a run, and of the others how many for each reason.

    Raises:
        ConfigError: the run only repeats recorded actions, or none of its rollouts was completed.
        StoreError: there is no such run.
    """
    row = store.run(run)
    if row["manifest"]["config"].get("forcing", "none") != "none":
        raise ConfigError(f"run {run} repeats recorded actions: grade the recording with --recorded")
    found: list[GradingTurn] = []
    left: dict[str, int] = {}
    for rollout, end in store.rollouts(str(row["id"])):
        if end is None or end.status != "completed":
            reason = "not ended" if end is None else f"{end.status} at {end.stage}"
            left[reason] = left.get(reason, 0) + 1
            continue
        trajectory = store.trajectory(rollout.session)
        prefix, _ = split(trajectory, turns(trajectory)[rollout.turn], rollout.step)
        ledger = read_steps(store.steps(rollout.id))
        name = f"{rollout.session}:{rollout.turn}.{rollout.step}"
        view = tuple(model_view(prefix.items))
        turn = _turn(trajectory, name, _asking(prefix.items), view, tuple(fold(ledger).messages), _place(rollout))
        rungs = {step.call.id: step.rung for step in ledger if isinstance(step, ToolStep) and step.rung is not None}
        found.append(replace(turn, rungs=rungs))
    if not found:
        raise ConfigError(f"no rollout of run {run} was completed: there is nothing to grade")
    return tuple(found), left


def recorded_rest(store: Store, run: str) -> tuple[GradingTurn, ...]:
    """What the recording has from the cuts of a run on, once for each rollout: the old model on the same prefixes.

    Raises:
        StoreError: there is no such run.
    """
    found: list[GradingTurn] = []
    for rollout, _ in store.rollouts(str(store.run(run)["id"])):
        trajectory = store.trajectory(rollout.session)
        prefix, reference = split(trajectory, turns(trajectory)[rollout.turn], rollout.step)
        name = f"{rollout.session}:{rollout.turn}.{rollout.step}"
        view, messages = tuple(model_view(prefix.items)), tuple(effects(reference.items))
        found.append(_turn(trajectory, name, _asking(prefix.items), view, messages, _place(rollout)))
    return tuple(found)


def _place(rollout: RolloutRow) -> tuple[int, float]:
    return rollout.sample, float(rollout.facts.get("cut", 0.0))


def _asking(items: Iterable[object]) -> tuple[Message, ...]:
    return tuple(i for i in items if isinstance(i, Message) and i.role == "user" and i.origin == "user")


def _turn(
    trajectory: Trajectory, name: str, asked: tuple[Message, ...], before: tuple[Message, ...],
    messages: tuple[Message, ...], place: tuple[int, float] = (0, 0.0),
) -> GradingTurn:  # fmt: skip
    session = trajectory.session
    places = (session.cwd or "", *(m.cwd for m in (*before, *messages) if m.cwd))
    sample, cut = place
    acts = turn_acts(name, session.agent, session.lineage, places, asked, messages, sample)
    return GradingTurn(replace(acts, cut=cut), before, messages, "")

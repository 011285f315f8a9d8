"""Acted turns out of a store: what a run's candidate did, and what the recording had in the same places."""

from __future__ import annotations

from collections.abc import Iterator

from harness.discovery.turns import ActedTurn, acts_of, agent_messages
from harness.errors import ConfigError
from harness.ledger import ModelStep, read_steps
from harness.rows import RolloutRow
from harness.store import Store
from toolsim.trajectory import split, turns

RECORDED = "recorded"


def run_turns(store: Store, run: str) -> tuple[tuple[ActedTurn, ...], int]:
    """The completed rollouts of a run as acted turns, and how many others there are.

    Raises:
        ConfigError: no rollout of the run was completed.
        StoreError: there is no such run.
    """
    found: list[ActedTurn] = []
    rollouts = store.rollouts(str(store.run(run)["id"]))
    for row, end in rollouts:
        if end is not None and end.status == "completed":
            messages = [s.message for s in read_steps(store.steps(row.id)) if isinstance(s, ModelStep)]
            found.append(ActedTurn(_prefix(row), row.lineage, row.agent, *acts_of(messages), sample=row.sample))
    if not found:
        raise ConfigError(f"no rollout of run {run} was completed: there is nothing to look at")
    return tuple(found), len(rollouts) - len(found)


def recorded_turns(store: Store, run: str) -> tuple[ActedTurn, ...]:
    """What the recording has from the cuts of a run on, once for each sample.

    Raises:
        StoreError: there is no such run.
    """
    return tuple(_recorded(store, str(store.run(run)["id"])))


def _recorded(store: Store, run: str) -> Iterator[ActedTurn]:
    for row, _ in store.rollouts(run):
        trajectory = store.trajectory(row.session)
        _, reference = split(trajectory, turns(trajectory)[row.turn], row.step)
        acts, closing = acts_of(agent_messages(reference.items))
        yield ActedTurn(_prefix(row), row.lineage, row.agent, acts, closing, row.sample)


def _prefix(row: RolloutRow) -> str:
    return f"{row.session}:{row.turn}.{row.step}"

"""A rollout as what every export is made of: the conversation as the candidate saw it, and where each part is from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.ledger import ModelStep, Spent, ToolStep, fold, read_steps
from harness.rows import End, RolloutRow
from harness.store import Store
from toolsim.trajectory import (
    JsonObject,
    Message,
    Trajectory,
    call_pairs,
    content_hash,
    effects,
    model_view,
    split,
    turns,
)

PROVENANCE = 1
"""The version of the provenance that exports carry."""


@dataclass(frozen=True, slots=True)
class Exported:
    """One rollout. `trajectory` is the prefix with the simulated turn after it, under an id of its own.

    `before` is what the model saw when the turn began, `turn` the messages of the rollout. `end` is `None` for one that
    has not ended.
    """

    row: RolloutRow
    end: End | None
    trajectory: Trajectory
    before: tuple[Message, ...]
    turn: tuple[Message, ...]
    steps: tuple[ModelStep | ToolStep, ...]
    manifest: JsonObject

    @property
    def calls(self) -> tuple[ToolStep, ...]:
        """The calls of the turn in order."""
        return tuple(step for step in self.steps if isinstance(step, ToolStep))

    @property
    def spent(self) -> Spent:
        """What the model calls of the rollout used, the candidate's and the simulator's."""
        return sum((step.spent for step in self.steps), Spent())

    def provenance(self) -> JsonObject:
        """Where the rollout is from, and how each result came about."""
        config = self.manifest.get("config", {})
        return {
            "version": PROVENANCE, "run": self.row.run, "rollout": self.row.id, "session": self.row.session,
            "turn": self.row.turn, "step": self.row.step, "sample": self.row.sample, "pool": self.row.pool,
            "lineage": self.row.lineage, "repository": self.row.repo, "facts": self.row.facts,
            "prefix_items": len(self.trajectory.items) - len(self.turn),
            "candidate": config.get("candidate"), "simulator": config.get("simulator"),
            "affordances": config.get("affordances"), "rungs": config.get("rungs"),
            "end": None if self.end is None else _end(self.end),
            "calls": [_call(step) for step in self.calls],
        }  # fmt: skip


def exported(store: Store, run: str) -> Iterator[Exported]:
    """The rollouts of a run that have begun, one after another; those that never acted are left out.

    Raises:
        StoreError: there is no such run.
    """
    about = store.run(run)
    for row, end in store.rollouts(str(about["id"])):
        steps = read_steps(store.steps(row.id))
        if steps:
            yield _exported(store, row, end, steps, about["manifest"])


def silent(store: Store, run: str) -> Mapping[str, int]:
    """How many rollouts of a run have no step to export, by how they ended."""
    found: dict[str, int] = {}
    for row, end in store.rollouts(str(store.run(run)["id"])):
        if not store.steps(row.id):
            reason = "not begun" if end is None else f"{end.status} at {end.stage}" if end.stage else end.status
            found[reason] = found.get(reason, 0) + 1
    return found


def _exported(
    store: Store, row: RolloutRow, end: End | None, steps: tuple[ModelStep | ToolStep, ...], manifest: JsonObject
) -> Exported:
    recorded = store.trajectory(row.session)
    prefix, _ = split(recorded, turns(recorded)[row.turn], row.step)
    known = {pair.call.id for pair in call_pairs(prefix.items)}
    steps = tuple(_renamed(step, known) for step in steps)
    messages = fold(steps).messages
    session = replace(recorded.session, id=f"{recorded.session.id}@{row.id}", lineage=row.lineage, parent=None,
                      parent_call=None)  # fmt: skip
    trajectory = Trajectory(session, (*prefix.items, *messages))
    return Exported(row, end, trajectory, tuple(model_view(prefix.items)), messages, steps, manifest)


def _renamed(step: ModelStep | ToolStep, known: set[str]) -> ModelStep | ToolStep:
    """The step with its calls renamed where the prefix has calls of the same ids."""

    def new(name: str) -> str:
        return f"{name}@rollout" if name in known else name

    if isinstance(step, ModelStep):
        calls = tuple(replace(call, id=new(call.id)) for call in step.message.calls)
        return replace(step, message=replace(step.message, calls=calls))
    return replace(
        step, call=replace(step.call, id=new(step.call.id)),
        shown=replace(step.shown, call_id=new(step.shown.call_id)),
    )  # fmt: skip


def _end(end: End) -> JsonObject:
    return {"status": end.status, "stage": end.stage, "reason": end.reason}


def _call(step: ToolStep) -> JsonObject:
    return {
        "call": step.call.id, "tool": step.call.name, "rung": step.rung, "seconds": round(step.seconds, 6),
        "answered": step.answer is not None, "taken_in": step.taken_in,
        "failure": None if step.failure is None else {"stage": step.failure[0], "reason": step.failure[1]},
        "evidence": step.evidence, "evidence_hash": content_hash(step.evidence) if step.evidence else None,
        "mutations": [_mutation(m) for m in step.mutations],
    }  # fmt: skip


def _mutation(mutation: Any) -> JsonObject:
    """Kind and place of a change; contents stay in the store."""
    found: JsonObject = {"kind": mutation.type}
    for name in ("path", "target"):
        value = getattr(mutation, name, None)
        if isinstance(value, str):
            found[name] = value
    return found


def messages_of(one: Exported) -> tuple[Message, ...]:
    """The whole conversation as the model saw it: what stood before, then the turn."""
    return (*one.before, *effects(one.turn))

"""The recorded turns of a store as traffic, and the turns of a run as a sample of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.callclass import CallClass, call_class
from harness.representative import DIMENSIONS, Drift, Member, Weights, compare_mix, rake, shares, window
from harness.rows import SessionRow
from harness.store import Store
from repos.catalog import normalise_url
from toolsim.trajectory import CallPair, Message, Trajectory, Turn, call_pairs, turns


@dataclass(frozen=True, slots=True)
class Profile:
    """A run's turns against the traffic of its store's most recent window.

    `mix` compares the run's turns with the window's other turns; `drift` the window with the one before it. Either is
    empty where one side has no turn. `weights` bring the run's turns to the window's mix (`None`: they cannot).
    `untimed` turns of the store have no time and are in no window.
    """

    sampled: int
    windowed: int
    untimed: int
    mix: tuple[Drift, ...]
    drift: tuple[Drift, ...]
    weights: Weights | None


def traffic(store: Store) -> tuple[Member, ...]:
    """Every recorded turn of a store that has an agent message."""
    return tuple(m for row in store.sessions() for m in session_members(row, store.trajectory(row.id)))


def session_members(row: SessionRow, trajectory: Trajectory) -> Iterator[Member]:
    """The turns of one session; the key is `session:turn`."""
    for turn in turns(trajectory):
        items = trajectory.items[turn.start : turn.end]
        if not any(isinstance(i, Message) and i.origin == "agent" for i in items):
            continue
        known = {
            "user": row.user, "repo": normalise_url(row.repo or ""), "scaffold": row.agent, "model": row.model,
            "task": task_class(call_class(pair.call, row.agent) for pair in _calls(trajectory, turn)),
        }  # fmt: skip
        at = next((i.at for i in items if i.at is not None), row.started_at)
        yield Member(f"{row.id}:{turn.index}", row.lineage, at, {name: v for name, v in known.items() if v})


def task_class(classes: Iterable[CallClass]) -> str:
    """What kind of work a turn was, by its calls: talk, look, change, change and check, run, or outside."""
    done = set(classes) - {"note", "invalid"}
    if not done:
        return "talk"
    if "edit" in done or "git write" in done:
        return "change and check" if "check" in done else "change"
    if "outside" in done:
        return "outside"
    return "run" if done & {"run", "check"} else "look"


def profile(store: Store, run: str, *, days: float, dimensions: tuple[str, ...] = DIMENSIONS) -> Profile:
    """How representative the turns of a run are of the store's last `days`, and whether that window drifted.

    Raises:
        StoreError: there is no such run.
    """
    every = traffic(store)
    taken = {f"{row.session}:{row.turn}" for row, _ in store.rollouts(str(store.run(run)["id"]))}
    sample = tuple(m for m in every if m.key in taken)
    recent = window(every, days)
    ends = [m.at for m in recent if m.at is not None]
    before = window(every, days, until=max(ends) - days * 86_400.0) if ends else ()
    rest = tuple(m for m in recent if m.key not in taken)
    return Profile(
        len(sample), len(recent), sum(m.at is None for m in every),
        compare_mix(sample, rest, dimensions) if sample and rest else (),
        compare_mix(before, recent, dimensions) if before and recent else (),
        _weights(sample, recent, dimensions),
    )  # fmt: skip


def _weights(sample: tuple[Member, ...], target: tuple[Member, ...], dimensions: tuple[str, ...]) -> Weights | None:
    if not sample or not target:
        return None
    try:
        return rake(sample, {d: shares(target, d) for d in dimensions})
    except ValueError:
        return None  # the sample has nothing of the window's mix on some dimension


def _calls(trajectory: Trajectory, turn: Turn) -> Iterator[CallPair]:
    return call_pairs(trajectory.items[turn.start : turn.end])

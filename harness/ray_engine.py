"""A run's rollouts on a Ray cluster: workers play, the driver alone writes, so that every rollout is kept exactly once.

A worker reads the store, plays one rollout and sends back its ledger and its end; the driver keeps both in one
transaction. A rollout whose worker is lost is played again; what is not written when the driver ends is open, and the
same command goes on with it. Ray connects to the cluster that `RAY_ADDRESS` names, else starts one on this machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import experiment
from harness.batch import Notice, Outcome
from harness.config import RunConfig
from harness.errors import ConfigError
from harness.rows import End, LedgerStep, RolloutRow
from harness.store import Store
from toolsim.deid.choice import beside
from toolsim.modeltypes import Budget

try:
    import ray
    from ray.exceptions import RayError
except ModuleNotFoundError as _error:  # pragma: no cover
    raise ConfigError("the engine ray needs Ray: `pip install 'deploysim[ray]'`") from _error

_RETRIES = 3


@dataclass(slots=True)
class Played:
    """What a worker sends back of one rollout: steps beyond those kept before, its end, or why it is left out."""

    row: RolloutRow
    steps: list[LedgerStep] = field(default_factory=list)
    end: End | None = None
    excluded: str | None = None


class _Carried(Store):
    """A store that is read, and whose additions are carried to the driver."""

    def __init__(self, place: Path | str, played: Played) -> None:
        super().__init__(place, create=False)
        self.played = played

    def append_steps(self, rollout: str, steps: Iterable[LedgerStep]) -> None:  # noqa: ARG002
        self.played.steps.extend(steps)

    def end_rollout(self, rollout: str, end: End) -> None:  # noqa: ARG002
        self.played.end = end

    def add_exclusions(self, run: str, exclusions: Iterable[tuple[str, str]]) -> None:  # noqa: ARG002
        self.played.excluded = "; ".join(reason for _, reason in exclusions)


async def play(
    store: Store, place: Path | str, calls: Path, plan: experiment.Plan, config: RunConfig, concurrency: int,
    notice: Notice,
) -> Outcome:  # fmt: skip
    """Play the rollouts of a plan that have no end, at most `concurrency` at once.

    A rollout whose workers were lost `_RETRIES` times more is left open: that is no end of a rollout.

    Raises:
        StoreError: the store cannot be written; what was written before stays.
        ConfigError: there is no cluster and none can be started.
    """
    ended = {row.id for row, end in store.rollouts(plan.run) if end is not None}
    todo = [row for row in plan.rows if row.id not in ended]
    return await asyncio.to_thread(_drive, store, place, calls, todo, config, concurrency, notice)


def _drive(
    store: Store, place: Path | str, calls: Path, todo: list[RolloutRow], config: RunConfig, concurrency: int,
    notice: Notice,
) -> Outcome:  # fmt: skip
    mine = _connect()
    try:
        return _play_all(store, (_absolute(place), calls.absolute(), config), todo, concurrency, notice)
    finally:
        if mine:
            ray.shutdown()


def _connect() -> bool:
    """Join or start a cluster; whether it was done here."""
    if ray.is_initialized():
        return False
    try:
        ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False, namespace="deploysim")
    except (RayError, RuntimeError, ValueError, ConnectionError) as error:
        raise ConfigError(f"Ray cannot be used: {error}") from error
    return True


def _play_all(
    store: Store, work: tuple[Path | str, Path, RunConfig], todo: list[RolloutRow], concurrency: int, notice: Notice
) -> Outcome:
    remote: Any = ray.remote(num_cpus=0, max_retries=_RETRIES)(play_one)
    waiting = list(reversed(todo))
    open_: list[RolloutRow] = []
    running: dict[Any, RolloutRow] = {}
    ends: list[tuple[RolloutRow, End]] = []
    excluded: list[tuple[RolloutRow, str]] = []
    while waiting or running:
        while waiting and len(running) < concurrency:
            row = waiting.pop()
            running[remote.remote(*work, row)] = row
        (done, *_), _rest = ray.wait(list(running), num_returns=1)
        row = running.pop(done)
        try:
            played: Played = ray.get(done)
        except RayError as error:
            open_.append(row)
            notice(row, "lost", {"reason": str(error).splitlines()[0]})
            continue
        if played.excluded is not None:
            store.add_exclusions(row.run, [(row.session, played.excluded)])
            excluded.append((row, played.excluded))
            notice(row, "excluded", {"reason": played.excluded})
        elif played.end is not None:
            _keep(store, played, played.end)
            ends.append((row, played.end))
            end = played.end
            notice(row, "ended", {"status": end.status, "stage": end.stage, "reason": end.reason})
        else:
            open_.append(row)
    return Outcome(tuple(ends), tuple(open_), tuple(excluded), None)


def _keep(store: Store, played: Played, end: End) -> None:
    with store.engine.writing():
        store.append_steps(played.row.id, played.steps)
        store.end_rollout(played.row.id, end)


def play_one(place: Path | str, calls: Path, config: RunConfig, row: RolloutRow) -> Played:
    """In a worker: play one rollout on from what the store holds of it."""
    return asyncio.run(_play_one(place, calls, config, row))


async def _play_one(place: Path | str, calls: Path, config: RunConfig, row: RolloutRow) -> Played:
    played = Played(row)
    with _Carried(place, played) as store:
        async with AsyncExitStack() as stack:
            models = experiment.open_models(config, Budget(), beside(store.path, config.deidentify))
            for model in {id(m): m for m in models if m is not None}.values():
                stack.push_async_callback(model.close)
            parts = await experiment.open_parts(stack, store, calls, config, models)
            await experiment.play_rows([row], config, parts, concurrency=1, notice=lambda *_: None)
    return played


def _absolute(place: Path | str) -> Path | str:
    return place.absolute() if isinstance(place, Path) else place

"""Workers on a Ray cluster play a run between them.

Every worker opens the store and plays what the others do not (`harness.engines.share`); Ray starts them, says which
are lost, and carries budget and progress (`harness.engines.account`). Nothing that a run needs later is kept in Ray.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import (
    GetTimeoutError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)  # fmt: skip
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.batch import Outcome
from harness.engines.account import Account, Limits, SharedBudget
from harness.engines.here import Work
from harness.engines.ray_cluster import connected, first_line, processors, this_node
from harness.engines.share import Share, check, machine, program, take_part, variables
from harness.errors import EngineError, HarnessError
from harness.experiment import database_hash
from harness.rows import RolloutRow
from harness.stores.engine import on_server
from repos.errors import RepositoryError
from toolsim import telemetry
from toolsim.errors import ToolsimError
from toolsim.modeltypes import Usage
from toolsim.trajectory import JsonObject

_LOOK = 0.2
"""Seconds between two looks at the workers."""
_PATIENCE = 60.0
"""Seconds in which the account must answer."""
_LOST = (WorkerCrashedError, NodeDiedError, OutOfMemoryError, ObjectLostError)


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker says at its end: rollouts left out, with reasons, and the budget that stopped it."""

    excluded: tuple[tuple[str, str], ...] = ()
    budget: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a worker cannot go on, in one sentence."""

    machine: str
    reason: str


@dataclass(frozen=True, slots=True)
class RayEngine:
    """An engine (`harness.engines.here.Engine`) on the cluster at `address`, or on one of its own (`None`).

    `store` is the place of the run's store, `workers` how many there are at most (`None`: one a processor of the
    cluster), `restarts` how often each of them is replaced when it is lost; `say` is told of workers that come and
    go. A store in a file is used on the driver's machine only.
    """

    store: str | Path = field(repr=False)
    address: str | None = None
    workers: int | None = None
    restarts: int = 3
    say: Callable[[str], None] = lambda _: None

    async def __call__(self, work: Work) -> Outcome:
        """Play what has not ended.

        Raises:
            ConfigError: the address does not go with the store.
            EngineError: the cluster cannot be used, a worker cannot go on, or one was lost too often.
        """
        check(self.address, self.store)
        rows = {row.id: row for row in work.plan.rows}
        todo = _open(work, rows)
        reports: list[Report] = []
        if todo:
            most = min(self.workers or os.cpu_count() or 1, len(todo), work.concurrency)
            with connected(self.address, most):
                reports = await self._crew(work, todo).play()
        excluded = {name: reason for report in reports for name, reason in report.excluded}
        budget = next((report.budget for report in reports if report.budget is not None), None)
        return Outcome(
            tuple((row, end) for row, end in work.store.rollouts(work.plan.run) if end is not None and row.id in rows),
            tuple(rows[name] for name in _open(work, rows) if name not in excluded),
            tuple((rows[name], reason) for name, reason in excluded.items()),
            budget,
        )

    def _crew(self, work: Work, todo: Sequence[str]) -> _Crew:
        node = None if on_server(self.store) else this_node()
        count = min(self.workers or processors(node), len(todo), work.concurrency)
        budget = work.budget
        limits = Limits(budget.max_calls, budget.max_tokens, budget.max_cost)
        needed = {name: value for name in variables(work.config) if (value := os.environ.get(name))}
        share = partial(
            Share, self.store if on_server(self.store) else Path(self.store).resolve(), work.calls.resolve(),
            database_hash(work.calls), Path.cwd(), program(), work.plan.run, config=work.config, environment=needed,
        )  # fmt: skip
        sizes = [work.concurrency // count + (place < work.concurrency % count) for place in range(count)]
        shares = [share(rollouts=_turned(todo, place, count), concurrency=size) for place, size in enumerate(sizes)]
        return _Crew(work, shares, limits, node, self)


class _Crew:
    """The workers of one run, by place; a lost one is replaced."""

    def __init__(
        self, work: Work, shares: Sequence[Share], limits: Limits, node: str | None, engine: RayEngine
    ) -> None:
        self.work, self.shares, self.limits = work, shares, limits
        self.say, self.restarts = engine.say, engine.restarts
        here = NodeAffinitySchedulingStrategy(this_node(), soft=False)
        self.strategy = "SPREAD" if node is None else here
        self.account: Any = ray.remote(Account).options(num_cpus=0, scheduling_strategy=here).remote(limits)
        self.rows = {row.id: row for row in work.plan.rows}
        self.running: dict[Any, int] = {}
        self.playing: dict[int, dict[str, RolloutRow]] = {}
        self.told: set[str] = set()
        self.losses: Counter[int] = Counter()
        self.reports: list[Report] = []

    async def play(self) -> list[Report]:
        """Until all workers are done; what each says."""
        self.say(f"ray: {len(self.shares)} workers")
        for place in range(len(self.shares)):
            self._start(place)
        while self.running:
            done, _ = ray.wait(list(self.running), timeout=0)
            await self._look()
            for ref in done:
                self._ended(self.running.pop(ref), ref)
            await asyncio.sleep(0 if done else _LOOK)
        await self._look()
        return self.reports

    def _start(self, place: int) -> None:
        self.playing[place] = {}
        task = _work.options(scheduling_strategy=self.strategy)
        self.running[task.remote(self.shares[place], place, self.account, self.limits)] = place

    def _ended(self, place: int, ref: Any) -> None:
        try:
            found = ray.get(ref)
        except _LOST as error:
            self._lost(place, error)
        except RayTaskError:
            raise
        except RayError as error:
            raise EngineError(f"worker {place + 1} cannot be run: {first_line(error)}") from error
        else:
            if isinstance(found, Refusal):
                raise EngineError(f"worker {place + 1} on {found.machine} cannot go on: {found.reason}")
            self.reports.append(found)

    def _lost(self, place: int, error: RayError) -> None:
        self.losses[place] += 1
        rows = sorted((row.session, row.turn) for row in self.playing[place].values())
        what = ", ".join(f"{session[:12]} turn {turn}" for session, turn in rows[:3]) or "no rollout"
        lost = f"worker {place + 1} was lost ({type(error).__name__}) while it played {what}"
        if self.losses[place] > self.restarts:
            raise EngineError(
                f"{lost}; it was replaced {self.restarts} times before. What was played stays: the same command goes on"
            )
        self.say(f"{lost}; replaced, {self.losses[place]} of {self.restarts} times")
        self._start(place)

    async def _look(self) -> None:
        """Take over progress and what was spent."""
        try:
            news = await self.account.news.remote()
        except RayActorError as error:
            said = "the account of the run was lost. What was played stays: the same command goes on"
            raise EngineError(said) from error
        budget = self.work.budget
        budget.calls, budget.usage = news.calls, news.usage
        budget.cost, budget.unpriced_calls = news.cost, news.unpriced
        for place, name, event, facts in news.events:
            self._heard(place, self.rows[name], event, facts)

    def _heard(self, place: int, row: RolloutRow, event: str, facts: JsonObject) -> None:
        if event == "started":
            self.playing[place][row.id] = row
            return
        self.playing[place].pop(row.id, None)
        if row.id not in self.told:  # each worker sees what failed before it could begin
            self.told.add(row.id)
            self.work.notice(row, event, facts)


@ray.remote(max_retries=0, num_cpus=1)
def _work(share: Share, place: int, account: Any, limits: Limits) -> Report | Refusal:
    """One worker, in its own process; `account` is an `Account` elsewhere."""
    begun: set[str] = set()

    def notice(row: RolloutRow, event: str, facts: JsonObject) -> None:
        elsewhere = event == "ended" and row.id not in begun and facts["status"] == "completed"
        if event == "step" or elsewhere:  # what another worker ended is told by that one
            return
        begun.add(row.id)
        account.note.remote(place, row.id, event, {} if event == "started" else facts)

    telemetry.configure()
    try:
        outcome = asyncio.run(take_part(share, _budget(account, limits), notice))
    except (HarnessError, RepositoryError, ToolsimError) as error:
        return Refusal(machine(), str(error))
    finally:
        telemetry.stop()
    return Report(tuple((row.id, reason) for row, reason in outcome.excluded), outcome.budget)


def _budget(account: Any, limits: Limits) -> SharedBudget:
    """A budget that waits for the account's word only where there is something to hold."""

    def ask() -> str | None:
        asked = account.admit.remote()
        if not limits.any:
            return None
        try:
            return str(said) if (said := ray.get(asked, timeout=_PATIENCE)) is not None else None
        except (RayActorError, GetTimeoutError):
            return "the account of the budget does not answer"

    def tell(usage: Usage, cost: float | None) -> None:
        account.charge.remote(usage, cost)

    return SharedBudget(limits, ask, tell)


def _open(work: Work, rows: dict[str, RolloutRow]) -> list[str]:
    ended = {row.id for row, end in work.store.rollouts(work.plan.run) if end is not None}
    return [name for name in rows if name not in ended]


def _turned(todo: Sequence[str], place: int, count: int) -> tuple[str, ...]:
    """The same rollouts, each worker beginning elsewhere, so that they seldom try to claim the same one."""
    begin = len(todo) * place // count
    return (*todo[begin:], *todo[:begin])

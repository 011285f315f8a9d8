"""Many rollouts at once: preparation in threads, concurrency, budget, resume, and one broad catch that records.

A batch knows which rollouts it wants; what has an end in the store is done, what has a ledger goes on from it. Several
processes may play the same batch: each rollout is played by the one that claimed it (`harness.claims`).
"""

from __future__ import annotations

import asyncio
import contextvars
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from harness.claims import Claims
from harness.collector import fewer_collections
from harness.entries import Entries
from harness.errors import HarnessError, StoreError
from harness.ledger import ModelStep, ToolStep, read_steps
from harness.resample import Rollout
from harness.rows import End, LedgerStep, RolloutRow
from harness.scene import Scene
from harness.store import Store
from harness.writing import Writer
from repos.errors import RepositoryError
from toolsim.errors import BudgetExceeded, ToolsimError
from toolsim.trajectory import JsonObject

_LOOK_AGAIN = 0.5
"""Seconds until rollouts that other processes play are looked at again."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A scene that may be played, or the reason why the rollout is left out."""

    scene: Scene | None
    excluded: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a batch did: ends by rollout, rollouts left open, and whether a budget stopped it."""

    ends: tuple[tuple[RolloutRow, End], ...]
    left_open: tuple[RolloutRow, ...]
    excluded: tuple[tuple[RolloutRow, str], ...]
    budget: str | None


Prepare = Callable[[RolloutRow], Prepared]
"""Blocking: runs in a thread."""
Build = Callable[[RolloutRow, Scene, Entries], Awaitable[Rollout]]
Notice = Callable[[RolloutRow, str, JsonObject], None]
"""Told of each event: `started`, `step`, `ended`, `excluded`."""


async def run_batch(
    store: Store, rows: Sequence[RolloutRow], *, prepare: Prepare, build: Build, concurrency: int, notice: Notice
) -> Outcome:
    """Play all rollouts that have no end yet, at most `concurrency` at once.

    Raises:
        StoreError: the store cannot be written; what was written before stays.
    """
    with fewer_collections():
        return await _run(store, rows, prepare, build, concurrency, notice)


async def _run(
    store: Store, rows: Sequence[RolloutRow], prepare: Prepare, build: Build, concurrency: int, notice: Notice
) -> Outcome:
    # threads of their own: preparations wait for each other and for the loop, which needs the usual ones meanwhile
    threads = ThreadPoolExecutor(thread_name_prefix="prepare")
    async with Writer(store.engine) as writer, Claims(store) as claims:
        batch = _Batch(store, writer, claims, threads, prepare, build, notice)
        waiting: Sequence[RolloutRow] = rows
        try:
            while waiting:
                batch.elsewhere = []
                await _all((batch.play(row) for row in waiting), concurrency)
                waiting = batch.elsewhere if batch.budget is None else ()
                if waiting:
                    await asyncio.sleep(_LOOK_AGAIN)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
    done = {row.id for row, _ in (*batch.ends, *batch.excluded)}
    left = tuple(row for row in rows if row.id not in done)
    return Outcome(tuple(batch.ends), left, tuple(batch.excluded), batch.budget)


async def _all(plays: Iterator[Coroutine[Any, Any, None]], concurrency: int) -> None:
    """Play all, so many at once; the first that raises ends the others, and is raised. What waits has no task yet."""

    async def seat() -> None:
        for each in plays:
            await asyncio.create_task(each)  # a task, and so a context, of its own

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(concurrency):
                tasks.create_task(seat())
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


class _Batch:
    def __init__(
        self, store: Store, writer: Writer, claims: Claims, threads: ThreadPoolExecutor, prepare: Prepare, build: Build,
        notice: Notice,
    ) -> None:  # fmt: skip
        self.store, self.prepare, self.build, self.notice = store, prepare, build, notice
        self.writer = writer
        self.claims, self.threads = claims, threads
        self.elsewhere: list[RolloutRow] = []
        self.ends: list[tuple[RolloutRow, End]] = []
        self.excluded: list[tuple[RolloutRow, str]] = []
        self.budget: str | None = None

    async def play(self, row: RolloutRow) -> None:
        if self.budget is not None:
            return
        found = await self.writer.do(partial(self._taken, row.id))
        if found is None:
            self.elsewhere.append(row)
            return
        try:
            await self._take_part(row, *found)
        finally:
            await self.writer.do(partial(self.claims.leave, row.id))

    def _taken(self, rollout: str) -> tuple[End | None, tuple[LedgerStep, ...]] | None:
        """Claim a rollout: its end (another process may have played it since) and ledger. In the writer's thread."""
        if not self.claims.take(rollout):
            return None
        end = self.store.end(rollout)
        return end, () if end is not None else self.store.steps(rollout)

    async def _take_part(self, row: RolloutRow, end: End | None, ledger: Sequence[LedgerStep]) -> None:
        if end is None:
            try:
                end = await self._play(row, ledger)
            except BudgetExceeded as error:
                self.budget = str(error)
                return
            except StoreError:
                raise
            except (HarnessError, RepositoryError, ToolsimError) as error:
                end = End("failed", "preparation", f"{type(error).__name__}: {error}")
            except Exception as error:  # noqa: BLE001  the one broad catch: recorded with type and place, never scored
                place = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{place.name} at line {place.lineno}"
                end = End(
                    "failed", "internal", f"{type(error).__name__}: {error} ({where})", {"traceback": _trace(error)}
                )
            if end is None:
                return
            await self.writer.do(partial(self.store.end_rollout, row.id, end))
        self.ends.append((row, end))
        self.notice(row, "ended", {"status": end.status, "stage": end.stage, "reason": end.reason})

    async def _play(self, row: RolloutRow, ledger: Sequence[LedgerStep]) -> End | None:
        context = contextvars.copy_context()
        prepared = await asyncio.get_running_loop().run_in_executor(self.threads, context.run, self.prepare, row)
        if prepared.scene is None:
            reason = prepared.excluded or "no scene"
            self.excluded.append((row, reason))
            await self.writer.do(partial(self.store.add_exclusions, row.run, [(row.session, reason)]))
            self.notice(row, "excluded", {"reason": reason})
            return None
        self.notice(row, "started", prepared.scene.facts)

        def written(n: int, step: ModelStep | ToolStep) -> None:
            self.notice(row, "step", {"kind": "model" if isinstance(step, ModelStep) else "tool", "n": n})

        entries = Entries(self.writer, row.id, written)
        rollout = await self.build(row, prepared.scene, entries)
        try:
            end = await rollout.run(read_steps(ledger))
        finally:
            await rollout.close()
            await entries.rest()
        return End(end.status, end.stage, end.reason, {**end.facts, **prepared.scene.facts})


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-4000:]

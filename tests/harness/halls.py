"""Where the rollouts of a test are played, without sessions, worlds or models."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from harness.batch import Prepared, run_batch
from harness.ledger import ModelStep
from harness.rows import End, RolloutRow
from toolsim.trajectory import Message


class FakeScene:
    """All that a batch asks of a scene."""

    facts: ClassVar = {"base": None}


class FakeRollout:
    """A rollout that writes one step and ends; what it meets on the way is given."""

    def __init__(self, row, entries, hall, meets):
        self.row, self.entries, self.hall, self.meets = row, entries, hall, meets

    async def run(self, written):
        self.hall.inside += 1
        self.hall.most = max(self.hall.most, self.hall.inside)
        self.hall.resumed[self.row.id] = len(written)
        await asyncio.sleep(0.002)
        self.hall.inside -= 1
        if len(written) == 0:
            await self.entries.step(0, ModelStep(Message("assistant", "hi", "agent"), "native"))
        if isinstance(self.meets, BaseException):
            raise self.meets
        return End("completed", None, "finished", {"steps": 1})

    async def close(self):
        self.hall.closed.append(self.row.id)


class Hall:
    """Where the rollouts of a test are played: `meets` and `prepares` say by id what each meets."""

    def __init__(self, store, count=6, meets=None, prepares=None):
        self.store, self.meets, self.prepares = store, meets or {}, prepares or {}
        self.rows = [RolloutRow(f"r{n}", "run", f"s{n}", 0, 0, 0, "tune", f"s{n}", None, "codex") for n in range(count)]
        store.add_rollouts(self.rows)
        self.inside = self.most = 0
        self.resumed: dict[str, int] = {}
        self.closed: list[str] = []
        self.events: list[tuple[str, str]] = []

    def prepare(self, row):
        prepared = self.prepares.get(row.id, Prepared(FakeScene()))
        if isinstance(prepared, BaseException):
            raise prepared
        return prepared

    async def build(self, row, scene, entries):
        return FakeRollout(row, entries, self, self.meets.get(row.id))

    async def play(self, rows=None, concurrency=3):
        return await run_batch(
            self.store, self.rows if rows is None else rows, prepare=self.prepare, build=self.build,
            concurrency=concurrency, notice=lambda row, event, _: self.events.append((row.id, event)),
        )  # fmt: skip

    @property
    def ends(self):
        return {row.id: end for row, end in self.store.rollouts("run") if end is not None}

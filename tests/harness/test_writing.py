"""The thread that writes: order, what shares a transaction, who hears of a failure, and that the loop never waits."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from functools import partial

import pytest

from harness.entries import Entries
from harness.errors import StoreError
from harness.ledger import ModelStep
from harness.rows import Rows
from harness.writing import Writer
from toolsim.modeltypes import ModelReply, ModelRequest
from toolsim.trajectory import Message


def claim(name, owner="me", *, ignore=False):
    return [Rows("claims", ({"rollout": name, "owner": owner, "beat": 0},), ignore)]


def claims(store):
    return {row["rollout"]: row["owner"] for row in store.rows("select rollout, owner from claims order by rowid")}


def held(store):
    """Another process that holds the write lock of a store that is open."""
    store.runs()
    other = sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)
    other.execute("begin immediate")
    return other


async def test_what_was_asked_for_is_committed_when_the_wait_is_over_and_in_order(store):
    async with Writer(store.engine) as writer:
        await asyncio.gather(*(writer.add(partial(claim, f"r{n}")) for n in range(600)))
        with sqlite3.connect(store.path) as other:
            assert other.execute("select count(*) from claims").fetchone() == (600,)
    assert list(claims(store)) == [f"r{n}" for n in range(600)]


async def test_what_waits_at_the_same_time_shares_a_transaction(store, monkeypatch):
    begun = []
    together = store.engine.together
    monkeypatch.setattr(store.engine, "together", lambda: begun.append(1) or together())
    async with Writer(store.engine) as writer:
        other = held(store)
        first = asyncio.create_task(writer.add(partial(claim, "first")))
        await asyncio.sleep(0.05)
        rest = [asyncio.create_task(writer.add(partial(claim, f"r{n}"))) for n in range(20)]
        await asyncio.sleep(0.05)
        other.rollback()
        await asyncio.gather(first, *rest)
    assert len(begun) == 2
    assert len(claims(store)) == 21


async def test_a_failure_reaches_who_waits_for_it_and_nobody_else(store):
    def broken():
        raise ValueError("no rows")

    async with Writer(store.engine) as writer:
        other = held(store)
        waiting = asyncio.create_task(writer.add(partial(claim, "r0")))
        await asyncio.sleep(0.05)
        works = [
            writer.add(partial(claim, "r1")), writer.add(partial(claim, "r0", "another")), writer.add(broken),
            writer.do(partial(store.engine.execute, "nonsense")), writer.do(partial(claims, store)),
            writer.add(partial(claim, "r2")),
        ]  # fmt: skip
        together = asyncio.gather(*works, return_exceptions=True)
        await asyncio.sleep(0.05)
        other.rollback()
        await waiting
        found = await together
    assert [type(one) for one in found] == [type(None), StoreError, ValueError, StoreError, dict, type(None)]
    assert found[4] == {"r0": "me", "r1": "me"}
    assert claims(store) == {"r0": "me", "r1": "me", "r2": "me"}


async def test_the_loop_goes_on_while_another_process_holds_the_store(store):
    async with Writer(store.engine) as writer:
        other = held(store)
        waiting = asyncio.create_task(writer.add(partial(claim, "r0")))
        late = 0.0
        for _ in range(30):
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            late = max(late, time.perf_counter() - began)
        assert not waiting.done()
        other.rollback()
        await waiting
    assert late < 0.1


async def test_what_was_given_to_the_thread_is_written_though_nobody_waits_any_more(store):
    async with Writer(store.engine) as writer:
        other = held(store)
        waiting = asyncio.create_task(writer.add(partial(claim, "r0")))
        await asyncio.sleep(0.05)
        waiting.cancel()
        other.rollback()
    assert claims(store) == {"r0": "me"}


async def test_a_step_and_the_model_calls_behind_it_are_kept_together_or_not_at_all(store):
    step = ModelStep(Message("assistant", "hi", "agent"), "native")
    asked, reply = ModelRequest(({"role": "user", "content": "what?"},)), ModelReply("that")
    told = []
    async with Writer(store.engine) as writer:
        entries = Entries(writer, "r1", lambda n, _: told.append(n))
        entries.hear(0, asked, reply)
        assert store.rows("select * from exchanges") == []
        await entries.step(0, step)
        assert [row["place"] for row in store.rows("select place from exchanges")] == ["0"]
        entries.hear(0, asked, ModelReply("other"))
        with pytest.raises(StoreError):
            await entries.step(0, step)
        entries.hear(1, asked, ModelReply("a step that never came"))
        await entries.rest()
        await entries.rest()
    assert [row["place"] for row in store.rows("select place from exchanges order by rowid")] == ["0", "1"]
    assert told == [0]
    assert len(store.steps("r1")) == 1

"""Who plays which rollout: claims, what becomes of those of a process that is gone, two batches over one run."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from harness.claims import Claims, _born, _machine
from harness.store import Store
from tests.harness.halls import Hall

ELSEWHERE = "another-machine 1 1 abc"


def claims(store):
    return {row["rollout"]: row["owner"] for row in store.rows("select rollout, owner from claims")}


async def test_a_claimed_rollout_is_nobody_elses_until_it_is_let_go_of(store):
    one, other = Claims(store), Claims(store)
    assert one.take("r1")
    assert not other.take("r1")
    one.leave("r1")
    assert other.take("r1")
    one.leave("r1")
    assert claims(store) == {"r1": other.owner}


async def test_leaving_lets_go_of_all_that_is_ones_own(store):
    other = Claims(store)
    other.take("r9")
    async with Claims(store) as one:
        assert one.take("r1")
        assert one.take("r2")
    assert claims(store) == {"r9": other.owner}


def test_the_claim_of_a_process_that_is_gone_is_taken_over_at_once(store):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        owner = f"{_machine()} {process.pid} {_born(process.pid)} abc"
        store.add_rows("claims", [{"rollout": "r1", "owner": owner, "beat": 3}])
        assert not Claims(store).take("r1")
    assert Claims(store).take("r1")


def test_a_process_number_that_is_used_again_is_another_process(store):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        store.add_rows("claims", [{"rollout": "r1", "owner": f"{_machine()} {process.pid} 1 abc", "beat": 3}])
        assert Claims(store).take("r1")


async def test_a_claim_of_another_machine_is_stale_once_its_count_stands_still(store):
    store.add_rows("claims", [{"rollout": "r1", "owner": ELSEWHERE, "beat": 3}])
    looks = Claims(store, patience=0.1)
    assert not looks.take("r1")
    await asyncio.sleep(0.15)
    store.engine.execute("update claims set beat = 4")
    assert not looks.take("r1")
    await asyncio.sleep(0.15)
    assert looks.take("r1")
    assert claims(store) == {"r1": looks.owner}


async def test_claims_are_kept_alive(store):
    async with Claims(store, beat=0.02) as one:
        one.take("r1")
        await asyncio.sleep(0.3)
        assert store.rows("select beat from claims")[0]["beat"] > 3


async def test_two_batches_play_each_rollout_once(store, tmp_path):
    hall = Hall(store, count=12)
    with Store(store.path) as second:
        beside = Hall(second, count=12)
        outcomes = await asyncio.gather(hall.play(), beside.play())
    assert sorted([*hall.resumed, *beside.resumed]) == sorted(hall.ends)
    assert all(hall.resumed)
    assert all(beside.resumed)
    for outcome in outcomes:
        assert {row.id for row, _ in outcome.ends} == set(hall.ends)
        assert outcome.left_open == ()
    assert claims(store) == {}


async def test_what_another_process_plays_is_waited_for(store):
    hall = Hall(store, count=2)
    other = Claims(store)
    assert other.take("r1")
    playing = asyncio.create_task(hall.play())
    async with asyncio.timeout(20.0):
        while not hall.ends:  # noqa: ASYNC110  another batch writes it
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)
    assert set(hall.ends) == {"r0"}
    assert not playing.done()
    other.leave("r1")
    await asyncio.wait_for(playing, 20.0)
    assert set(hall.ends) == {"r0", "r1"}


@pytest.mark.parametrize("failure", [ZeroDivisionError("x"), None])
async def test_nothing_stays_claimed_after_a_batch(store, failure):
    await Hall(store, meets={"r2": failure}).play()
    assert claims(store) == {}

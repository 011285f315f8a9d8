"""Many rollouts: what one failure does to the others, what a second start does, how many run at once."""

from __future__ import annotations

import gc
import sys

import pytest

from harness.batch import Prepared
from harness.collector import fewer_collections
from harness.errors import StoreError
from harness.ledger import ModelStep, write_step
from harness.rows import End
from repos.errors import UnknownRevision
from tests.harness.halls import FakeRollout, Hall
from toolsim.errors import BudgetExceeded, EndpointError
from toolsim.trajectory import Message


async def test_all_rollouts_are_played_and_ended(store):
    hall = Hall(store)
    outcome = await hall.play()
    assert {row.id for row, _ in outcome.ends} == set(hall.ends) == {f"r{n}" for n in range(6)}
    assert {e.status for e in hall.ends.values()} == {"completed"}
    assert hall.ends["r0"].facts == {"steps": 1, "base": None}
    assert sorted(hall.closed) == sorted(hall.ends)
    assert (outcome.left_open, outcome.excluded, outcome.budget) == ((), (), None)
    assert [e for r, e in hall.events if r == "r1"] == ["started", "step", "ended"]


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_no_more_rollouts_run_at_once_than_allowed(store, concurrency):
    hall = Hall(store, count=9)
    await hall.play(concurrency=concurrency)
    assert hall.most == concurrency


async def test_a_crash_is_recorded_with_type_and_place_and_the_others_go_on(store):
    hall = Hall(store, meets={"r2": ZeroDivisionError("one by none")})
    await hall.play()
    end = hall.ends["r2"]
    assert (end.status, end.stage) == ("failed", "internal")
    assert end.reason.startswith("ZeroDivisionError: one by none (run at line ")
    assert "Traceback" in end.facts["traceback"]
    assert [e.status for name, e in hall.ends.items() if name != "r2"] == ["completed"] * 5
    assert "r2" in hall.closed


@pytest.mark.parametrize("error", [UnknownRevision("no commit abc"), EndpointError("cannot reach the model")])
async def test_a_scene_that_cannot_be_made_is_a_failure_of_its_stage_without_a_traceback(store, error):
    hall = Hall(store, prepares={"r1": error})
    await hall.play()
    assert hall.ends["r1"] == End("failed", "preparation", f"{type(error).__name__}: {error}")
    assert len(hall.ends) == 6


async def test_what_does_not_fit_is_left_out_with_its_reason_and_not_ended(store):
    hall = Hall(store, prepares={"r1": Prepared(None, "too long")})
    outcome = await hall.play()
    assert [(row.id, reason) for row, reason in outcome.excluded] == [("r1", "too long")]
    assert store.exclusions("run") == (("s1", "too long"),)
    assert "r1" not in hall.ends
    assert outcome.left_open == ()
    assert ("r1", "excluded") in hall.events


async def test_a_budget_leaves_open_what_is_not_ended_and_begins_nothing_more(store):
    hall = Hall(store, meets={"r1": BudgetExceeded("the budget of 5 model calls is used up (5)")})
    outcome = await hall.play(concurrency=1)
    assert outcome.budget == "the budget of 5 model calls is used up (5)"
    assert list(hall.ends) == ["r0"]
    assert [row.id for row in outcome.left_open] == ["r1", "r2", "r3", "r4", "r5"]
    assert len(store.steps("r1")) == 1
    assert store.steps("r2") == ()


async def test_a_second_start_goes_on_from_the_ledgers(store):
    hall = Hall(store, meets={"r1": BudgetExceeded("used up")})
    await hall.play(rows=hall.rows[:2], concurrency=1)
    hall.meets = {}
    await hall.play(rows=[row for row in hall.rows if row.id not in hall.ends])
    assert hall.resumed == {"r0": 0, "r1": 1, "r2": 0, "r3": 0, "r4": 0, "r5": 0}
    assert len(hall.ends) == 6


async def test_a_store_that_cannot_be_written_stops_the_batch_and_ends_no_rollout(store):
    hall = Hall(store)
    store.append_steps("r0", [write_step(0, ModelStep(Message("assistant", "by another writer", "agent"), "native"))])

    class Unaware(FakeRollout):
        async def run(self, written):
            return await super().run(())

    async def build(row, scene, entries):
        return Unaware(row, entries, hall, None)

    hall.build = build
    with pytest.raises(StoreError, match="cannot use the store"):
        await hall.play(rows=hall.rows[:1])
    assert hall.ends == {}
    assert store.steps("r0")[0].body["message"]["text"] == "by another writer"


async def test_the_garbage_collector_is_as_it_was_after_the_last_of_several_batches():
    usual = gc.get_threshold()
    first, second = fewer_collections(), fewer_collections()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_threshold() != usual
    second.__exit__(None, None, None)
    assert gc.get_threshold() == usual


async def test_the_garbage_collector_is_as_it_was_after_a_batch_also_one_that_failed(store):
    before = gc.get_threshold(), gc.get_freeze_count()
    during = []
    hall = Hall(store, meets={"r1": StoreError("full")})
    hall.meets["r0"] = None
    inner = hall.prepare
    hall.prepare = lambda row: during.append(gc.get_threshold()) or inner(row)
    with pytest.raises(StoreError):
        await hall.play()
    assert during[0] != before[0]
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_threads_take_turns_quickly_while_a_batch_runs_and_as_usual_after_it():
    usual = sys.getswitchinterval()
    with fewer_collections(), fewer_collections():
        assert sys.getswitchinterval() < usual
    assert sys.getswitchinterval() == usual


async def test_an_ended_batch_is_not_followed_by_a_collection_of_all_that_it_made(store):
    looked = []
    notice = lambda phase, facts: looked.append(facts["generation"]) if phase == "start" else None  # noqa: E731
    hall = Hall(store)
    gc.callbacks.append(notice)
    try:
        with fewer_collections():
            made = [[] for _ in range(20_000)]
            await hall.play()
        del looked[:-1]
        kept = [[] for _ in range(100)]
    finally:
        gc.callbacks.remove(notice)
    assert not looked
    assert len(made) + len(kept) == 20_100

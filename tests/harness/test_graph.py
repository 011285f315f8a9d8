"""The loop of one rollout: who is asked when, what is written before what, and what stops it."""

from __future__ import annotations

import pytest

from harness.graph import Seat, play
from harness.ledger import ModelStep, Progress, ToolStep, fold
from toolsim.errors import SimulationFailed
from toolsim.trajectory import Message, ToolCall, ToolResult


class Table:
    """A candidate that makes the given calls message by message, a world that answers with a count, and a log."""

    def __init__(self, *messages, fail_at=None, stop_after=None):
        self.messages, self.fail_at, self.stop_after = messages, fail_at, stop_after
        self.log: list[str] = []
        self.steps: list[ModelStep | ToolStep] = []

    @property
    def seat(self):
        return Seat(self.act, self.answer, self.write, self.limit)

    async def act(self, progress):
        names = self.messages[progress.agent_messages]
        self.log.append("act")
        calls = tuple(ToolCall(name, "Bash") for name in names)
        return ModelStep(Message("assistant", "", "agent", calls=calls), "native", stop=None if names else "finished")

    async def answer(self, call, progress):
        if call.id == self.fail_at:
            raise SimulationFailed("simulated", "no model")
        self.log.append(f"{call.id} after {progress.steps}")
        return ToolStep(call, ToolResult(call.id, "ok"), ToolResult(call.id, "ok"), "computed")

    async def write(self, n, step):
        assert n == len(self.steps)
        self.steps.append(step)
        self.log.append(f"write {n}")

    def limit(self, progress):
        return "limit" if progress.steps == self.stop_after else None


async def test_calls_of_one_message_are_answered_in_order_and_each_is_written_before_the_next():
    table = Table(("a", "b"), ("c",), ())
    progress = await play(table.seat, Progress())
    assert table.log == [
        "act", "write 0", "a after 1", "write 1", "b after 2", "write 2",
        "act", "write 3", "c after 4", "write 4", "act", "write 5",
    ]  # fmt: skip
    assert progress == fold(table.steps)
    assert (progress.stop, progress.steps) == ("finished", 6)


async def test_play_goes_on_from_any_point_with_only_what_is_missing():
    whole = Table(("a", "b"), ("c",), ())
    await play(whole.seat, Progress())
    for done in range(len(whole.steps) + 1):
        rest = Table(("a", "b"), ("c",), ())
        rest.steps = whole.steps[:done]
        progress = await play(rest.seat, fold(rest.steps))
        assert rest.steps == whole.steps
        assert [e for e in rest.log if not e.startswith("write")] == [
            e for e in whole.log if not e.startswith("write")
        ][done:]
        assert progress.stop == "finished"


async def test_a_limit_is_asked_before_each_message_and_not_between_calls():
    table = Table(("a", "b"), ("c",), (), stop_after=3)
    progress = await play(table.seat, Progress())
    assert progress.stop == "limit"
    assert len(table.steps) == 3
    between = Table(("a", "b"), ("c",), (), stop_after=2)
    assert (await play(between.seat, Progress())).stop == "finished"


async def test_what_was_done_before_a_failure_is_written():
    table = Table(("a", "b"), (), fail_at="b")
    with pytest.raises(SimulationFailed):
        await play(table.seat, Progress())
    assert len(table.steps) == 2


async def test_a_turn_of_many_steps_reaches_its_end():
    table = Table(*([("x",)] * 60), ())
    for n, _ in enumerate(table.messages[:-1]):
        table.messages = (*table.messages[:n], (f"x{n}",), *table.messages[n + 1 :])
    assert (await play(table.seat, Progress())).steps == 121

from __future__ import annotations

from toolsim.durations import QUICK, quick_duration
from toolsim.trajectory import Message, ToolCall, ToolResult


def _ran(name: str, seconds: float, n: int) -> tuple[Message, Message]:
    call = ToolCall(f"c{n}", name)
    result = ToolResult(f"c{n}", "ok", duration=seconds)
    return Message("assistant", calls=(call,), origin="agent"), Message("tool", result=result, origin="tool")


def test_durations_are_near_a_quick_one_of_the_same_tool() -> None:
    history = [m for n, (name, s) in enumerate([("sh", 0.05), ("sh", 30.0), ("other", 0.2)]) for m in _ran(name, s, n)]
    drawn = [quick_duration(history, "sh", seed) for seed in range(50)]
    assert all(0.03 < d < 0.08 for d in drawn)
    assert len(set(drawn)) > 10


def test_what_the_product_could_not_measure_is_zero_as_often_as_in_the_record() -> None:
    history = [m for n, s in enumerate([0.0, 0.0, 0.0, 0.05]) for m in _ran("sh", s, n)]
    drawn = [quick_duration(history, "sh", seed) for seed in range(400)]
    assert 0.68 < sum(d == 0.0 for d in drawn) / len(drawn) < 0.82


def test_without_a_record_a_duration_is_short_and_never_zero() -> None:
    drawn = [quick_duration((), "sh", seed) for seed in range(200)]
    assert all(0 < d < QUICK for d in drawn)


def test_the_same_seed_draws_the_same_duration() -> None:
    assert quick_duration((), "sh", 7) == quick_duration((), "sh", 7)

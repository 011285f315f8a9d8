from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.discriminator.fakes import FAKES, plant
from harness.discriminator.pairs import Origin, Pair, call_pairs_of, read_pair, shown
from harness.discriminator.score import Verdict, join_orders, power, win_rate
from harness.discriminator.serialise import Window, cut_alike, serialise_call, serialise_history
from harness.ledger import ModelStep, ToolStep
from toolsim.trajectory import Message, ToolCall, ToolResult

ORIGIN = Origin("s", "l", "o/r", "claude-code", "tune")
LISTING = "\n".join(f"src/module_{n}.py:{n * 7 + 1}:def handler_{n}(value):" for n in range(12)) + "\n12 passed"


def _pair(n: int = 0, recorded: str = LISTING, simulated: str = "x", lineage: str = "l") -> Pair:
    return Pair("call", replace(ORIGIN, lineage=lineage), f"history {n}", "Bash(ls)", recorded, simulated)


def _verdict(pair: Pair, win: float) -> Verdict:
    return Verdict(pair, win)


def test_call_ids_and_key_order_never_reach_the_text() -> None:
    one = ToolCall("toolu_01", "Read", {"path": "a", "limit": 3})
    two = ToolCall("call_99", "Read", {"limit": 3, "path": "a"})
    assert serialise_call(one) == serialise_call(two)
    assert "toolu" not in serialise_call(one)


@given(st.text(max_size=400), st.text(max_size=400), st.integers(30, 200))
def test_swapping_the_texts_swaps_the_cuts_and_nothing_else(first: str, second: str, limit: int) -> None:
    one, two = cut_alike(first, second, limit)
    assert cut_alike(second, first, limit) == (two, one)


@given(st.text(max_size=300), st.integers(30, 120))
def test_equal_texts_are_cut_equally(text: str, limit: int) -> None:
    one, two = cut_alike(text, text, limit)
    assert one == two


def test_a_late_difference_is_inside_the_cut() -> None:
    one, two = cut_alike("a" * 5000 + "X" + "b" * 5000, "a" * 5000 + "Y" + "b" * 5000, 600)
    assert "X" in one
    assert "Y" in two


def test_history_keeps_the_newest_messages_that_fit() -> None:
    messages = [Message(role="user", text=f"message {n} " + "x" * 100) for n in range(10)]
    text = serialise_history(messages, Window(history=250))
    assert "message 9" in text
    assert "message 0" not in text


def test_a_call_pair_holds_record_and_answer_and_no_agent_text() -> None:
    call = ToolCall("c1", "Bash", {"command": "ls"})
    later = ToolCall("c2", "Bash", {"command": "pwd"})
    steps = [
        ModelStep(Message(role="assistant", text="my secret plan", origin="agent", calls=(call,)), "recorded"),
        ToolStep(
            call, ToolResult("c1", "real"), ToolResult("c1", "made"), "simulated", recorded=ToolResult("c1", "real")
        ),
        ModelStep(Message(role="assistant", origin="agent", calls=(later,)), "recorded"),
        ToolStep(
            later, ToolResult("c2", "/x"), None, None, failure=("simulated", "no"), recorded=ToolResult("c2", "/x")
        ),
    ]
    (pair,) = call_pairs_of(ORIGIN, (Message(role="user", text="do it"),), steps, Window())
    assert (pair.recorded, pair.simulated, pair.origin.rung, pair.origin.tool) == ("real", "made", "simulated", "Bash")
    assert "secret" not in pair.history


def test_a_pair_survives_its_storage() -> None:
    assert read_pair(_pair().facts(), _pair().body()) == _pair()


def test_both_orders_show_the_same_two_texts() -> None:
    assert shown(_pair(), "rs", Window()) == tuple(reversed(shown(_pair(), "sr", Window())))


@pytest.mark.parametrize("fake", FAKES, ids=lambda f: f.name)
def test_each_fault_changes_a_text_that_it_applies_to(fake) -> None:
    told = "\nwarning: /home/dev/a.py is old\n2026-01-20: took 0.37s\n"
    text = LISTING + "\ncommit 3f2a9bc1 changed 4 files\n" + "\n".join(f"{n}\tline" for n in range(4)) + told
    text = "" if fake.name == "silent command talks" else text
    made = fake.fault(text, random.Random(3))
    assert made is not None
    assert made != text


def test_fakes_are_planted_from_recorded_texts_of_different_pairs() -> None:
    fakes = plant([_pair(n) for n in range(20)], 8, seed=1)
    assert len(fakes) == 8
    assert all(f.recorded == LISTING and f.simulated != LISTING and f.kind.startswith("fake:") for f in fakes)
    assert len({f.history for f in fakes}) == 8
    assert plant([_pair(n) for n in range(20)], 8, seed=1) == fakes


def test_a_flip_counts_half_and_a_missing_order_drops_the_pair() -> None:
    pairs = {p.id: p for p in (_pair(n) for n in range(3))}
    a, b, c = pairs
    taken = {(a, "rs"): True, (a, "sr"): False, (b, "rs"): True, (b, "sr"): True, (c, "rs"): True}
    verdicts = join_orders(pairs, taken)
    assert [v.win for v in verdicts] == [0.5, 1.0]
    assert verdicts[0].flipped


def test_identical_pairs_are_counted_apart_and_dropped_ones_bound_the_rate() -> None:
    same = _pair(9, "a", "a")
    pairs = [_pair(n, lineage=f"l{n}") for n in range(4)]
    verdicts = {p.id: _verdict(p, w) for p, w in zip(pairs[:3], (1.0, 0.0, 0.5), strict=True)}
    rate = win_rate("all", [*pairs, same], verdicts)
    assert rate.estimate is not None
    assert rate.estimate.value == pytest.approx(0.5)
    assert (rate.identical, rate.dropped, rate.flips) == (1, 1, 1)
    assert (rate.if_lost, rate.if_won) == (pytest.approx(1.5 / 4), pytest.approx(2.5 / 4))


def test_power_counts_a_fake_as_caught_only_in_both_orders() -> None:
    fakes = [replace(_pair(n), kind="fake:wrong count") for n in range(4)]
    total, *_ = power([_verdict(f, w) for f, w in zip(fakes, (0.0, 0.0, 0.5, 1.0), strict=True)])
    assert (total.caught, total.n, total.flips) == (2, 4, 1)
    assert total.fake_win_rate == pytest.approx(1.5 / 4)
    assert 0 < total.lower < 0.5

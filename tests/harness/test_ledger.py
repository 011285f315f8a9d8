"""The ledger: every step survives its storage, and the state that it gives is the state that was played."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.ledger import ModelStep, Progress, Spent, ToolStep, advance, fold, read_steps, result_message, write_step
from harness.rows import LedgerStep
from toolsim.actions import (
    Advance,
    Blur,
    EndProcess,
    Fact,
    GitMove,
    MakeDirectory,
    MarkRead,
    MovePath,
    Mutation,
    PutFile,
    RemovePath,
    Seen,
    SetCwd,
    SetEnv,
    StartProcess,
)
from toolsim.trajectory import Message, ToolCall, ToolResult

text = st.text(st.characters(), max_size=12)  # half surrogate pairs too: bytes that are no UTF-8 come as such
name = st.text(max_size=5)
number = st.floats(0, 1e6)
json_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | number | text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(name, inner, max_size=2),
    max_leaves=4,
)
json_object = st.dictionaries(name, json_value, max_size=2)
MUTATIONS = (
    st.builds(PutFile, text, st.binary(max_size=30), st.sampled_from([0o100644, 0o100755, 0o120000])),
    st.builds(Seen, text, text, st.integers(1, 9), st.booleans()),
    st.builds(RemovePath, text),
    st.builds(MovePath, text, text),
    st.builds(MakeDirectory, text),
    st.builds(Blur, text, text, st.sampled_from(["all", "content", "edited"]), st.lists(text, max_size=2).map(tuple)),
    st.builds(Fact, text, text),
    st.builds(GitMove, text, text, staged=st.lists(text).map(tuple), dirty=st.none() | st.lists(text).map(tuple)),
    st.builds(SetCwd, text),
    st.builds(SetEnv, text, st.none() | text),
    st.builds(
        StartProcess,
        text,
        text,
        st.lists(st.tuples(number, text), max_size=2).map(tuple),
        st.none() | st.integers(0, 9),
    ),
    st.builds(EndProcess, text),
    st.builds(MarkRead, text),
    st.builds(Advance, number),
)
mutations = st.lists(st.one_of(*MUTATIONS), max_size=4).map(tuple)
calls = st.builds(ToolCall, text, text, json_object, st.none() | text, st.none() | text)
results = st.builds(
    ToolResult, text, text, st.none() | st.booleans(), st.none() | st.integers(0, 255), st.none() | number,
    st.integers(0, 3), json_value,
)  # fmt: skip
spent = st.builds(
    Spent, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.none() | number, number
)
messages = st.builds(
    Message, st.just("assistant"), text, st.just("agent"), st.none() | text, st.lists(calls, max_size=3).map(tuple),
    extra=json_object,
)  # fmt: skip
model_steps = st.builds(ModelStep, messages, st.sampled_from(["native", "text"]), spent, st.none() | text)
tool_steps = st.builds(
    ToolStep, calls, results, st.none() | results, st.none() | st.sampled_from(["computed", "simulated"]), mutations,
    json_object, spent, st.none() | st.tuples(text, text), st.none() | results, st.booleans(), number,
)  # fmt: skip


def stored(row: LedgerStep) -> LedgerStep:
    return LedgerStep(row.n, row.kind, json.loads(json.dumps(row.body)))


def test_every_kind_of_mutation_is_tried() -> None:
    assert len(MUTATIONS) == len(get_args(Mutation))


@settings(max_examples=60)
@given(st.lists(model_steps | tool_steps, max_size=3))
def test_steps_come_back_from_json_as_they_were(steps) -> None:
    rows = [stored(write_step(n, step)) for n, step in enumerate(steps)]
    assert [row.kind for row in rows] == ["model" if isinstance(s, ModelStep) else "tool" for s in steps]
    assert read_steps(rows) == tuple(steps)


@settings(max_examples=40)
@given(st.lists(model_steps | tool_steps, max_size=4))
def test_the_fold_of_what_was_written_is_the_progress_that_was_played(steps) -> None:
    live = Progress()
    for step in steps:
        live = advance(live, step)
    assert fold(read_steps(stored(write_step(n, s)) for n, s in enumerate(steps))) == live
    assert live.steps == len(steps)


def call(name: str) -> ToolCall:
    return ToolCall(name, "Bash", {"command": name})


def done(name: str) -> ToolStep:
    return ToolStep(call(name), ToolResult(name, "ok"), ToolResult(name, "ok"), "computed")


def said(*names: str, stop: str | None = None) -> ModelStep:
    return ModelStep(Message("assistant", "", "agent", calls=tuple(call(n) for n in names)), "native", stop=stop)


@pytest.mark.parametrize(
    ("steps", "still_open"),
    [
        ((), ()),
        ((said("a", "b", "c"),), ("a", "b", "c")),
        ((said("a", "b", "c"), done("a")), ("b", "c")),
        ((said("a", "b", "c"), done("b")), ("a", "c")),
        ((said("a"), done("a")), ()),
        ((said("a"), done("a"), said("b", "c")), ("b", "c")),
        ((said("a", "b"), done("a"), said()), ()),
    ],
)
def test_open_calls_are_those_of_the_last_message_without_a_result_in_its_order(steps, still_open) -> None:
    assert tuple(c.id for c in fold(steps).open_calls) == still_open


def test_a_stop_is_that_of_the_last_step() -> None:
    assert fold([said(stop="finished")]).stop == "finished"
    assert fold([said("a"), done("a")]).stop is None


def test_what_was_spent_adds_up_and_an_unknown_cost_stays_unknown() -> None:
    assert Spent(1, 10, 5, 2, None, 0.5) + Spent(2, 1, 0, 1, None, 0.25) == Spent(3, 11, 5, 3, None, 0.75)
    assert (Spent(cost=None) + Spent(cost=0.5)).cost == 0.5


def test_the_candidate_sees_what_was_shown_and_not_what_was_answered() -> None:
    step = ToolStep(call("a"), ToolResult("a", "the record"), ToolResult("a", "an answer"), "simulated")
    assert fold([said("a"), step]).messages[-1] == result_message(ToolResult("a", "the record"))

from __future__ import annotations

import pytest

from harness.discriminator.pairs import Origin, Pair
from harness.errors import StoreError
from harness.ledger import ModelStep, ToolStep, write_step
from harness.rows import End, RolloutRow
from harness.run_deltas import run_deltas
from toolsim.trajectory import Message, ToolCall, ToolResult


@pytest.fixture
def run(store):
    """A run of recorded actions with one call in each of 30 sessions: so many answers are right, so many pass."""

    def make(name, right, wins, judge="judge", forcing="teacher"):
        config = {"forcing": forcing, "candidate": "recorded", "simulator": "none", "rungs": [], "affordances": []}
        store.begin_run(name, "resample", {"config": config, "criteria": {}, "prompts": {}}, now=1.0)
        for n in range(30):
            row = RolloutRow(f"{name}-{n}", name, f"s{n}", 0, 0, 0, "tune", f"l{n}", None, "claude-code")
            store.add_rollouts([row])
            call = ToolCall("c", "Bash", {"command": f"make {n}"})
            recorded = ToolResult("c", f"made {n}")
            answer = recorded if n < right else ToolResult("c", "something else entirely")
            steps = [ModelStep(Message("assistant", origin="agent", calls=(call,)), "recorded"),
                     ToolStep(call, recorded, answer, "simulated", recorded=recorded, taken_in=True)]  # fmt: skip
            store.append_steps(row.id, [write_step(at, step) for at, step in enumerate(steps)])
            store.end_rollout(row.id, End("completed"))
            pair = Pair("call", Origin(f"s{n}", f"l{n}", None, "claude-code", "tune"), "", "", "a", f"{name} {n}")
            store.add_pairs(name, [(pair.id, row.id, pair.kind, pair.facts(), pair.body())])
            for sides in ("rs", "sr"):
                said = {"simulated_taken": n < wins, "probability": 0.9}
                store.add_judgement(name, pair.id, judge, sides, "valid", said)
        return name

    return make


def test_runs_that_were_measured_differ_by_what_was_measured(store, run):
    run("old", right=10, wins=5)
    run("new", right=25, wins=20)
    found = run_deltas(store, "old", "new")
    fidelity = next(m for m in found.fidelity if m.measure == "fidelity")
    assert fidelity.difference.value == pytest.approx(0.5)
    assert fidelity.difference.low > 0
    assert (found.realism.judge, found.realism.prefixes) == ("judge", 30)
    assert (found.realism.before, found.realism.after) == (pytest.approx(5 / 30), pytest.approx(20 / 30))
    assert found.realism.difference.value == pytest.approx(0.5)
    assert found.unsaid == {}


def test_what_was_not_measured_in_both_is_said_with_the_reason(store, run):
    run("old", right=10, wins=5, judge="one")
    run("new", right=25, wins=20, judge="two", forcing="none")
    found = run_deltas(store, "old", "new")
    assert found.fidelity == ()
    assert found.realism is None
    assert "actions of its own" in found.unsaid["fidelity"]
    assert "no judge" in found.unsaid["realism"]


def test_an_unknown_run_is_an_error(store, run):
    run("old", right=1, wins=1)
    with pytest.raises(StoreError, match="no run that begins with 'zzz'"):
        run_deltas(store, "old", "zzz")

"""Acted turns out of a store, and the command that reads them."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.discovery.reading import recorded_turns, run_turns
from harness.errors import ConfigError
from harness.ledger import ModelStep, ToolStep, write_step
from harness.rows import End, RolloutRow
from toolsim.trajectory import Message, ToolCall, ToolResult


@pytest.fixture
def run(store, recorded):
    """A run on 30 recorded sessions whose candidate runs the lines that a function gives for each."""

    def make(name, lines, failed=()):
        store.begin_run(name, "resample", {"config": {}}, now=1.0)
        for n in range(30):
            session = f"s{n}"
            store.add_session(recorded(session, turns=[[["ls", "cat a.py"]]]), source="x", sha256=session)
            row = RolloutRow(f"{name}-{n}", name, session, 0, 0, 0, "tune", session, None, "claude-code")
            store.add_rollouts([row])
            steps = []
            for at, line in enumerate(lines(n)):
                call = ToolCall(f"c{at}", "Bash", {"command": line})
                steps.append(ModelStep(Message("assistant", "I look.", "agent", calls=(call,)), "native"))
                result = ToolResult(call.id, "shutdown")
                steps.append(ToolStep(call, result, result, "simulated"))
            steps.append(ModelStep(Message("assistant", "It is done.", "agent"), "native", stop="finished"))
            store.append_steps(row.id, [write_step(at, step) for at, step in enumerate(steps)])
            store.end_rollout(row.id, End("failed", "model", "x") if n in failed else End("completed"))
        return name

    return make


def test_a_runs_turns_are_what_the_candidate_said_and_called(store, run):
    run("new", lambda n: ["ls", "cat b.py"], failed={3})
    found, others = run_turns(store, "new")
    assert (len(found), others) == (29, 1)
    first = found[0]
    assert [act.call.arguments["command"] for act in first.acts] == ["ls", "cat b.py"]
    assert first.closing == "It is done."
    assert first.lineage == "s0"


def test_the_recording_in_the_same_places_pairs_with_the_run(store, run):
    run("new", lambda n: ["ls"])
    theirs, ours = recorded_turns(store, "new"), run_turns(store, "new")[0]
    assert [t.key for t in theirs] == [t.key for t in ours]
    assert [act.call.arguments["command"] for act in theirs[0].acts] == ["ls", "cat a.py"]
    assert theirs[0].closing == "Task 0 is done."


def test_a_run_without_a_completed_rollout_is_nothing_to_look_at(store, run):
    run("new", lambda n: ["ls"], failed=set(range(30)))
    with pytest.raises(ConfigError, match="no rollout of run new was completed"):
        run_turns(store, "new")


def test_the_command_names_what_one_run_does_more_and_never_what_it_was_answered(store, run):
    run("old", lambda n: ["ls", "cat a.py"])
    run("new", lambda n: ["ls", "cat a.py"] + (["git push --force"] if n % 2 else []))
    store.close()
    draft = store.path.with_name("draft.yaml")
    done = CliRunner().invoke(cli, ["discover", "old", "new", "--draft", str(draft), "--store", str(store.path)])
    assert done.exit_code == 0, done.output
    assert "1. " in done.stdout
    assert "2. " not in done.stdout
    assert "git push" in done.stdout
    assert "15 of the candidate" in done.stdout
    assert "shutdown" not in done.stdout
    assert "git push" in draft.read_text("utf-8")
    value = json.loads(CliRunner().invoke(cli, ["discover", "old", "new", "--json", "--store", str(store.path)]).stdout)
    assert value["findings"][0]["candidate"] == 15
    assert len(value["findings"][0]["turns"]) == 15


def test_against_the_recording_the_same_actions_are_no_finding(store, run):
    run("new", lambda n: ["ls", "cat a.py"])
    store.close()
    done = CliRunner().invoke(cli, ["discover", "recorded", "new", "--store", str(store.path), "--json"])
    found = json.loads(done.stdout)
    assert found["turns"] == 60
    assert all("closing" in f["trait"] or "words" in f["trait"] for f in found["findings"])

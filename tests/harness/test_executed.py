"""Truth by execution: what a model answered to calls of a candidate, against what the shell engine really prints."""

from __future__ import annotations

import asyncio

import pytest
from click.testing import CliRunner

from harness import experiment
from harness.cli import cli
from harness.config import resolve
from harness.executed import measure
from harness.selection import Criteria
from tests import container_engine
from toolsim.scripted import ScriptedModel
from toolsim.shell.sandbox import available
from toolsim.trajectory import ToolCall

OWN = {
    "candidate": "m", "simulator": "s", "rungs": "simulated", "affordances": "none", "actions": "native",
    "keep_prompts": False,
}  # fmt: skip
SHELL = {"shell": "sandbox", "image": None, "execute": ()}


def said(stdout, *changed):
    """What the simulator's model answers to a program or command."""
    files = [{"path": path, "content": content} for path, content in changed]
    parts = [{"text": stdout, "source": None, "first": None, "last": None}] if stdout else []
    return {"stdout": parts, "stderr": "", "exit_code": 0, "duration": 0.0, "files_changed": files}


def played(store, recorded, *turns):
    """A run whose candidate makes these commands and whose simulator answers so; its name."""
    store.add_session(recorded("s0", turns=[[["ls"]]]), source="x", sha256="0")
    settings = resolve(OWN, environment={})
    plan = experiment.plan(store, settings, Criteria(), {})
    commands = [[ToolCall(f"c{n}", "Bash", {"command": command})] for n, (command, _) in enumerate(turns)]
    candidate = ScriptedModel([*commands, "Done."], name="m")
    simulator = ScriptedModel([answer for _, answer in turns], name="s")
    parts = experiment.Parts(store, None, (), candidate, simulator, None)
    outcome = asyncio.run(experiment.play(plan, settings, parts, concurrency=1, notice=lambda row, event, facts: None))
    assert [(end.status, end.reason) for _, end in outcome.ends] == [("completed", "finished")]
    return plan.run


@pytest.mark.skipif(available() is not None, reason=str(available()))
def test_a_models_answers_are_graded_by_what_the_engine_prints_in_the_world_that_they_left(store, recorded):
    run = played(
        store, recorded,
        ("echo one two | wc -w", said("2\n")),
        ("printf 'a\\nb\\n' | wc -l", said("3\n")),
        ("echo new > /work/repo/new.txt", said("", ("/work/repo/new.txt", "other\n"))),
        ("cat /work/repo/new.txt", said("new\n")),
        ("python3 -c 'print(1)'", said("1\n")),
    )  # fmt: skip
    found = asyncio.run(measure(store, run, SHELL))
    assert (found.run, found.simulated) == (run, 5)
    assert [line.grade for line in found.lines] == ["equal", "different", "equal", "different"]
    assert found.lines[1].recorded_line == "2"
    assert found.whole is not None
    assert (found.whole.calls, found.whole.right.value, found.whole.wrong.value) == (4, 0.5, 0.5)
    assert sum(row.calls for row in found.by_class) == 4
    assert sum(found.without.values()) == 1
    assert found.shell.startswith("sandbox")
    done = CliRunner().invoke(cli, ["executed", "--store", str(store.path), "--shell", "sandbox"])
    assert done.exit_code == 0, done.output
    assert "5 calls were answered by the model, 4 of them executed" in done.output
    assert done.output.count("not executed, 1: ") == 1


@pytest.fixture
def image():
    with container_engine.engine() as name:
        yield name


def test_python_really_runs_where_the_image_has_it(store, recorded, image):
    run = played(
        store, recorded, ("python3 -c 'print(2**10)'", said("1024\n")), ("python3 -c 'print(2**11)'", said("2000\n")),
    )  # fmt: skip
    shell = {"shell": "container", "image": image, "execute": ("python3",)}
    found = asyncio.run(measure(store, run, shell))
    assert not found.without
    assert [line.grade for line in found.lines] == ["equal", "different"]


def test_a_run_of_recorded_actions_has_no_call_to_execute(store, recorded):
    store.add_session(recorded("s0"), source="x", sha256="0")
    plan = experiment.plan(store, resolve({"candidate": "recorded"}, environment={}), Criteria(), {})
    found = asyncio.run(measure(store, plan.run, {**SHELL, "shell": "none"}))
    assert (found.simulated, found.lines, found.whole, found.without) == (0, (), None, {})

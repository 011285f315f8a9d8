"""A run from settings to ended rollouts: what names it, what it registers, and what a second start does."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from harness import experiment
from harness.config import resolve
from harness.errors import ConfigError, SelectionError
from harness.ledger import ToolStep, read_steps
from harness.selection import Criteria
from toolsim.calldb import CallDatabase
from toolsim.errors import ModelUnavailable
from toolsim.modeltypes import Budget
from toolsim.scripted import ScriptedModel
from toolsim.trajectory import Message, Session, ToolCall, Trajectory

FORCED = {"candidate": "recorded", "simulator": "none", "rungs": "computed,simulated", "affordances": "none"}
OWN = {"candidate": "m", "simulator": "none", "affordances": "none", "actions": "native"}


def config(**flags):
    return resolve({**FORCED, **flags}, environment={})


@pytest.fixture
def filled(store, recorded):
    for n in range(3):
        store.add_session(recorded(f"s{n}", turns=[[["ls"]], [["cat a.py", "pwd"]]]), source="x", sha256=f"{n}")
    silent = Trajectory(Session("silent", "codex", "codex", "silent"), (Message("user", "hi"),))
    store.add_session(silent, source="x", sha256="silent")
    return store


def play(store, plan, settings, *, model=None, concurrency=2, simulator=None):
    parts = experiment.Parts(store, None, (), model, simulator, None)
    return asyncio.run(
        experiment.play(plan, settings, parts, concurrency=concurrency, notice=lambda row, event, facts: None)
    )


@pytest.mark.parametrize("simulator", [None, ScriptedModel([])])
def test_a_run_with_a_simulator_begins_with_an_index_that_is_up_to_date(store, tmp_path, simulator):
    calls = tmp_path / "calls.db"
    with CallDatabase(calls) as database:
        database.count()

    async def opened() -> None:
        async with AsyncExitStack() as stack:
            await experiment.open_parts(stack, store, calls, config(affordances="calls"), (None, simulator))

    asyncio.run(opened())
    assert calls.with_suffix(".index").exists() == (simulator is not None)


def test_a_plan_registers_rollouts_and_says_what_is_left_out(filled):
    plan = experiment.plan(filled, config(), Criteria(samples=2), {"calls": "hash"})
    assert [(r.session, r.turn, r.step, r.sample) for r in plan.rows] == [
        (f"s{n}", 1, 0, k) for n in range(3) for k in range(2)
    ]
    assert dict(plan.excluded) == {"silent": "no turn with an agent message"}
    assert filled.exclusions(plan.run) == plan.excluded
    assert len(filled.rollouts(plan.run)) == 6
    manifest = filled.run(plan.run)["manifest"]
    assert manifest["config"]["candidate"] == "recorded"
    assert manifest["criteria"]["samples"] == 2
    assert manifest["inputs"] == {"calls": "hash"}
    assert set(manifest["versions"]) == {"deploysim", "python"}
    assert "harness/judge" in manifest["prompts"]


def test_the_same_arguments_are_the_same_run_and_others_another(filled, tmp_path):
    first = experiment.plan(filled, config(), Criteria(), {})
    again = experiment.plan(filled, config(), Criteria(), {})
    assert (again.run, again.rows, first.resumed, again.resumed) == (first.run, first.rows, False, True)
    prompt = tmp_path / "prompt.txt"
    names = {first.run}
    for settings, criteria in ((config(seed=1), Criteria()), (config(), Criteria(turn=0))):
        names.add(experiment.plan(filled, settings, criteria, {}).run)
    for text in ("one", "two"):
        prompt.write_text(text)
        names.add(experiment.plan(filled, config(system_prompt=str(prompt)), Criteria(), {}).run)
    assert len(names) == 5


def test_a_session_that_is_not_there_is_one_sentence_and_no_run(filled):
    with pytest.raises(SelectionError, match=r"no session in .* begins with 'nobody'"):
        experiment.plan(filled, config(), Criteria(ids=("s1", "nobody")), {})
    assert filled.runs() == ()


def test_a_system_prompt_that_cannot_be_read_is_one_sentence_and_no_run(filled, tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the system prompt .*none\.txt"):
        experiment.plan(filled, config(system_prompt=str(tmp_path / "none.txt")), Criteria(), {})
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="no UTF-8 text"):
        experiment.plan(filled, config(system_prompt=str(tmp_path / "binary")), Criteria(), {})
    assert filled.runs() == ()


def test_recorded_actions_are_played_to_their_end_and_not_again(filled):
    plan = experiment.plan(filled, config(), Criteria(), {})
    outcome = play(filled, plan, config())
    assert [end.reason for _, end in outcome.ends] == ["end of the recording"] * 3
    steps = read_steps(filled.steps(plan.rows[0].id))
    assert [s.call.arguments["command"] for s in steps if isinstance(s, ToolStep)] == ["cat a.py", "pwd"]
    _, end = filled.rollouts(plan.run)[0]
    assert end.facts["base"] is None
    assert end.facts["system_prompt"] == "missing"
    assert play(filled, plan, config()).ends == ()


def test_a_prefix_that_does_not_fit_the_candidates_window_is_left_out_and_never_cut(filled):
    settings = resolve({"candidate": "small", "simulator": "none", "affordances": "none"}, environment={})
    plan = experiment.plan(filled, settings, Criteria(ids=("s0",)), {})
    model = ScriptedModel(["Done."], name="small", context=4_100)
    outcome = play(filled, plan, settings, model=model)
    ((_, reason),) = outcome.excluded
    assert reason.startswith("the prefix has ")
    assert reason.endswith("small reads 4100 with 4096 kept for the turn")
    assert model.requests == []
    assert (filled.rollouts(plan.run)[0][1], outcome.left_open) == (None, ())


def test_a_candidate_of_its_own_sees_the_supplied_system_prompt_and_the_calls_seen_as_tools(filled, tmp_path):
    (tmp_path / "prompt.txt").write_text("Be brief.")
    settings = resolve({**OWN, "system_prompt": str(tmp_path / "prompt.txt")}, environment={})
    plan = experiment.plan(filled, settings, Criteria(ids=("s0",)), {})
    model = ScriptedModel(["All done."], name="m")
    outcome = play(filled, plan, settings, model=model)
    ((_, end),) = outcome.ends
    assert (end.status, end.reason, end.facts["system_prompt"]) == ("completed", "finished", "supplied")
    assert model.requests[0].messages[0] == {"role": "system", "content": "Be brief."}
    assert "Bash" in {tool.name for tool in model.requests[0].tools}


def test_samples_of_one_prefix_have_seeds_of_their_own(filled):
    settings = resolve(OWN, environment={})
    plan = experiment.plan(filled, settings, Criteria(ids=("s0",), samples=3), {})
    model = ScriptedModel(["Done."] * 3, name="m")
    play(filled, plan, settings, model=model)
    assert len({request.seed for request in model.requests}) == 3


def test_a_budget_leaves_rollouts_open_and_a_second_start_ends_them(filled):
    settings = resolve(OWN, environment={})
    plan = experiment.plan(filled, settings, Criteria(), {})
    poor = ScriptedModel(["Done."] * 9, name="m", budget=Budget(max_calls=2))
    outcome = play(filled, plan, settings, model=poor, concurrency=1)
    assert outcome.budget.startswith("the budget of 2 model calls")
    assert (len(outcome.ends), len(outcome.left_open)) == (2, 1)
    rest = ScriptedModel(["Done."] * 9, name="m")
    assert len(play(filled, plan, settings, model=rest).ends) == 1
    assert len(rest.requests) == 1


def test_a_rollout_without_a_candidate_fails_at_its_preparation(filled):
    settings = resolve({"candidate": "none", "simulator": "none", "affordances": "none"}, environment={})
    plan = experiment.plan(filled, settings, Criteria(ids=("s0",)), {})
    ((_, end),) = play(filled, plan, settings).ends
    assert (end.status, end.stage) == ("failed", "preparation")
    assert end.reason.startswith("ModelUnavailable: a rollout needs a candidate")


def test_models_are_opened_once_where_they_are_the_same(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    same = resolve({"candidate": "m", "simulator": "m"}, environment={})
    candidate, simulator = experiment.open_models(same, Budget())
    assert candidate is simulator is not None
    candidate, simulator = experiment.open_models(same.model_copy(update={"api": "responses"}), Budget())
    assert candidate is not simulator
    assert experiment.open_models(config(), Budget()) == (None, None)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ModelUnavailable):
        experiment.open_models(same, Budget())


def test_a_session_with_a_call_that_nobody_knows_is_played_too(store, recorded):
    trajectory = recorded(turns=[[["ls"]]])
    strange = ToolCall("s1-0", "mcp__unknown", {"q": "x"})
    items = tuple(replace(i, calls=(strange,)) if i.role == "assistant" and i.calls else i for i in trajectory.items)
    store.add_session(replace(trajectory, items=items), source="x", sha256="x")
    plan = experiment.plan(store, config(), Criteria(), {})
    ((_, end),) = play(store, plan, config()).ends
    assert end.status == "completed"
    (step,) = [s for s in read_steps(store.steps(plan.rows[0].id)) if isinstance(s, ToolStep)]
    assert step.failure[0] == "simulated"

"""Cells as they are played: the same calls in the same states with the same seeds, and what a second start does."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from harness import experiment
from harness.ablation.measuring import measure
from harness.ablation.planning import Design, plan, read_plan
from harness.ablation.playing import play
from harness.ablation.realism import drawn, judge_cells, judged
from harness.config import resolve
from harness.discriminator.measure import Measure
from harness.errors import SelectionError
from harness.ledger import ToolStep, read_steps
from harness.selection import Criteria
from toolsim.errors import OutputInvalid
from toolsim.modeltypes import Budget
from toolsim.scripted import ScriptedModel

CONFIG = resolve({"candidate": "recorded", "simulator": "m"}, environment={})
ANSWER = {"stdout": [], "stderr": "", "exit_code": 0, "duration": 0.1, "files_changed": []}


def writer(budget=None):
    """Answers every program with its own directory, so that nothing is the record."""
    text = [{"text": "made up", "source": None, "first": None, "last": None}]
    return ScriptedModel(lambda request: {**ANSWER, "stdout": text}, name="m", budget=budget)


@pytest.fixture
def runs(store, recorded):
    """Two runs of one task with the same prompt, and a session alone."""
    for name in ("a", "b"):
        run = recorded("task", turns=[[["ls", "pwd"], ["pytest -q"]]])
        own = replace(run, session=replace(run.session, id=name, lineage=name))
        store.add_session(own, source="x", sha256=name)
    store.add_session(recorded("alone"), source="x", sha256="alone")
    return store


def planned(store, design, **criteria):
    return plan(store, CONFIG, Criteria(with_calls=True, **criteria), design, inputs={})


def played(store, made, model):
    parts = experiment.Parts(store, None, (), None, model, None)
    return asyncio.run(play(parts, made, CONFIG, concurrency=1, notice=lambda row, event, facts: None))


ONE = Design(settings=("simulated",))


def test_runs_of_one_task_are_each_others_reference_and_a_session_alone_is_left_out(runs):
    made = planned(runs, ONE)
    assert [(c.session, c.reference, c.unseen) for c in made.cases] == [("a", "b", ("b",)), ("b", "a", ("a",))]
    assert len({c.cluster for c in made.cases}) == 1
    assert dict(made.excluded) == {"alone": "no other run of its task"}
    assert read_plan(runs, made.id[:6]).cases == made.cases


def test_without_siblings_there_is_no_ablation_of_the_rollout(runs):
    with pytest.raises(SelectionError, match="--reference none"):
        planned(runs, ONE, ids=("alone",))
    made = planned(runs, Design("none", ("simulated",)), ids=("alone",))
    assert "rollout" not in {name for cell in made.design.cells for name in cell.arm.affordances}


def test_every_cell_asks_the_same_calls_with_the_same_seeds(runs):
    made = planned(runs, Design(settings=("simulated",), calls=3))
    model = writer()
    played(runs, made, model)
    asked = {name: set(ids) for name, ids in made.asked.items()}
    seeds = set()
    for run in made.runs.values():
        steps = [s for row, _ in runs.rollouts(run) for s in read_steps(runs.steps(row.id)) if isinstance(s, ToolStep)]
        assert sum(step.asked for step in steps) == sum(map(len, asked.values())) == 3
        assert all(step.shown == step.recorded and step.taken_in for step in steps)
        seeds.add(tuple(w["seed"] for s in steps if s.asked for w in s.evidence["written"]))
    assert len(seeds) == 1
    assert len(model.requests) == 3 * len(made.runs)


def test_only_arms_with_the_rollout_show_the_other_run(runs):
    made = planned(runs, ONE)
    model = writer()
    played(runs, made, model)
    for cell in made.design.cells:
        steps = [
            step
            for row, _ in runs.rollouts(made.runs[cell.name])
            for step in read_steps(runs.steps(row.id))
            if isinstance(step, ToolStep)
        ]
        kinds = {piece["kind"] for s in steps for w in s.evidence["written"] for piece in w["pieces"]}
        assert ("reference" in kinds) == ("rollout" in cell.arm.affordances)


def test_a_budget_leaves_every_cell_with_the_same_calls_and_a_second_start_does_the_rest(runs):
    made = planned(runs, ONE)
    outcome = played(runs, made, writer(Budget(max_calls=34)))
    assert outcome.budget is not None
    first = measure(runs, made)
    assert first.open == 3
    assert len(first.keys) == 3
    rest = writer()
    assert played(runs, made, rest).budget is None
    assert len(rest.requests) == 60 - 34
    assert measure(runs, made).open == 0
    again = writer()
    played(runs, made, again)
    assert again.requests == []


def judge(answer):
    return ScriptedModel(answer, name="j", family="j")


def sure(request):
    shown = request.messages[0]["content"]
    real = "B" if shown.index("made up") < shown.index("<B>") else "A"
    return {"reason": "made up", "real": real, "probability": 0.9}


def test_the_judge_is_asked_once_about_answers_that_cells_share(runs):
    made = planned(runs, ONE)
    played(runs, made, writer())
    found = measure(runs, made)
    keys = drawn(found, 4, 0)
    model = judge(sure)
    asyncio.run(judge_cells(runs, made, found, model, Measure(pairs=4), lambda done, planned: None))
    pairs = {found.pairs[cell][key].id for cell in found.pairs for key in keys}
    assert len(model.requests) == 2 * len(pairs) < 2 * 4 * len(made.runs)
    figures = judged(runs, made, found, "j", keys)
    assert {f.win_rate.value for f in figures.values()} == {0.0}
    assert {(f.asked, f.dropped, f.missing) for f in figures.values()} == {(4, 0, 0)}


def test_a_call_without_a_valid_answer_is_dropped_from_every_cell(runs):
    made = planned(runs, ONE)
    played(runs, made, writer())
    found = measure(runs, made)
    keys = drawn(found, 4, 0)
    broken = found.pairs[made.design.cells[0]][keys[0]].recorded

    def answer(request):
        return OutputInvalid("no") if broken in request.messages[0]["content"] else sure(request)

    asyncio.run(judge_cells(runs, made, found, judge(answer), Measure(pairs=4), lambda done, planned: None))
    figures = judged(runs, made, found, "j", keys)
    assert len({f.dropped for f in figures.values()}) == 1
    assert next(iter(figures.values())).dropped >= 1

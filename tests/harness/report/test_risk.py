"""The report's sections on behaviour: plots that say what the tables say, forecasts that are scored, no section for
nothing."""

from __future__ import annotations

import asyncio
import html
import json
import re

import pytest
from click.testing import CliRunner

from harness.awareness.measure import measure, sides_of
from harness.behaviors.grader import GraderWindow
from harness.behaviors.grading import grade
from harness.behaviors.reading import recorded_rest, rollouts
from harness.behaviors.taxonomy import load_taxonomy
from harness.cli import cli
from harness.errors import ConfigError
from harness.forecast.ledger import freeze
from harness.forecast.predict import Plan, Sides, predict
from harness.graded import GradedSet, GradedTurn, dump_graded
from harness.ledger import ModelStep, Spent, ToolStep, write_step
from harness.report.page import render_page
from harness.report.plots import forest
from harness.report.risk import risk_of
from harness.rows import End, RolloutRow
from harness.turn_labels import TurnLabel, add_turn_labels
from toolsim.scripted import ScriptedModel
from toolsim.trajectory import Message, ToolCall, ToolResult

FORCE = "git push --force"
TAXONOMY = load_taxonomy("coding")


def play(store, recorded, name, forced):
    store.begin_run(name, "resample", {"config": {
        "candidate": "m<script>", "simulator": "none", "rungs": ["computed"], "affordances": [], "forcing": "none",
    }}, now=float(len(name)))  # fmt: skip
    for n in range(30):
        session = f"s{n}"
        store.add_session(recorded(session), source="x", sha256=session)
        row = RolloutRow(f"{name}-{n}", name, session, 0, 0, 0, "tune", session, None, "claude-code")
        store.add_rollouts([row])
        call = ToolCall("c", "Bash", {"command": FORCE if n < forced else "ls"})
        steps = [
            ModelStep(Message("assistant", "", "agent", calls=(call,)), "native", Spent(1, 100, 10, 5, 0.25, 1.0)),
            ToolStep(call, ToolResult("c", "ok"), ToolResult("c", "ok"), "computed"),
            ModelStep(Message("assistant", "Done.", "agent"), "native", stop="finished"),
        ]
        store.append_steps(row.id, [write_step(at, step) for at, step in enumerate(steps)])
        store.end_rollout(row.id, End("completed"))


async def graded(store, name):
    for source, turns in ((name, rollouts(store, name)[0]), (f"recorded for {name}", recorded_rest(store, name))):
        await grade(
            store, source, turns, TAXONOMY, (), window=GraderWindow(), seed=0, concurrency=1, notice=lambda *_: None
        )


@pytest.fixture
async def run(store, recorded):
    play(store, recorded, "new", 6)
    await graded(store, "new")
    return "new"


def page(store, **options):
    return render_page(store, "new", None, risk=risk_of(store, "new", **options))


async def test_rates_stand_in_a_plot_and_a_table_and_mean_the_same(store, run):
    risk = risk_of(store, "new")
    rows = {row.label: row for row in risk.plot.rows}
    base, candidate = rows["destructive-action"].marks
    assert base.at is None, "nothing was seen: no point"
    assert "6 of 30, 20,000" in candidate.text
    at = {tick.text: tick.at for tick in risk.plot.ticks}
    assert at["10,000"] < candidate.at < at["100,000"]
    assert candidate.low < candidate.at < candidate.high
    text = page(store)
    assert '<td class="n">6/30</td>' in text
    assert html.escape("m<script>") in text
    assert "m<script>" not in text


async def test_a_baseline_run_is_compared_and_must_be_graded(store, run, recorded):
    play(store, recorded, "old", 1)
    with pytest.raises(ConfigError, match="never graded"):
        risk_of(store, "new", baseline="old")
    await graded(store, "old")
    risk = risk_of(store, "new", baseline="old")
    force = next(cell for cell in risk.compared.cells if cell.category == "destructive-action")
    assert (force.baseline.events, force.candidate.events) == (1, 6)
    assert force.corrected is not None
    assert "run old" in page(store, baseline="old")


async def test_without_grades_there_is_no_such_section_but_costs_and_failures(store, recorded):
    play(store, recorded, "new", 0)
    text = page(store)
    assert 'id="behaviours"' not in text
    assert '<td class="n">3000</td>' in text, "prompt tokens"
    assert "7.5000" in text, "cost"
    assert "No call was left unanswered" in text


def traffic(rate, about):
    turns = tuple(
        GradedTurn(f"n{n}:0.0", f"n{n}", {"destructive-action": 3} if n < rate * 100 else {}) for n in range(100)
    )
    return GradedSet(about, TAXONOMY.names, turns)


async def test_frozen_forecasts_are_scored_on_new_traffic_and_drawn(store, run):
    from harness.behaviors.grading import stored

    sides = Sides(stored(store, "new"), stored(store, "recorded for new"))
    freeze(store, predict(sides, Plan(name="launch"), now=1.0))
    assert "launch" in page(store)
    assert risk_of(store, "new").scored == ()
    about = stored(store, "new").about
    risk = risk_of(store, "new", traffic=traffic(0.2, about))
    ((scores, plot),) = risk.scored
    found = next(p for p in plot.points if p.text.startswith("destructive-action"))
    assert "came 20" in found.text
    assert found.covered
    assert scores.turns == 100
    text = page(store, traffic=traffic(0.2, about))
    assert text.count('class="diagonal"') == 1
    other = risk_of(store, "new", traffic=traffic(0.2, {**about, "taxonomy": "other@1"}))
    assert other.scored == ()
    assert "launch" in other.unscored


async def test_labels_awareness_and_a_review_have_their_place(store, run):
    add_turn_labels(store, [
        TurnLabel("new", f"s{n}:0.0", 0, "destructive-action", "ada", "yes" if n < 3 else "no", 2, False, 1.0)
        for n in range(30)
    ])  # fmt: skip
    model = ScriptedModel(lambda _: {"reason": "", "answer": "A", "probability": 0.6}, name="m")
    await measure(
        store, "new", sides_of(store, "new", None), model, (), window=GraderWindow(), seed=0, concurrency=1,
        notice=lambda *_: None,
    )  # fmt: skip
    text = page(store, caveats=("one <b>doubt</b>",))
    assert "10.00 % [10.00, 10.00]" in text
    assert 'id="awareness"' in text
    assert "one &lt;b&gt;doubt&lt;/b&gt;" in text
    assert len(re.findall(r'<g class="mark simulated">', text)) >= 2


async def test_a_forest_spans_all_its_intervals(store, run):
    plot = forest(risk_of(store, "new").compared)
    for row in plot.rows:
        for mark in row.marks:
            assert plot.ticks[0].at <= mark.low <= mark.high <= plot.ticks[-1].at + 0.1


async def test_the_commands_write_these_sections(store, run, tmp_path):
    store.close()
    place, seen = tmp_path / "r.html", tmp_path / "seen.jsonl"
    seen.write_text(dump_graded(traffic(0.1, {"taxonomy": str(TAXONOMY), "graders": []})))
    base = ["--store", str(store.path)]
    done = await asyncio.to_thread(
        CliRunner().invoke,
        cli,
        ["report", "new", "-o", str(place), "--traffic", str(seen), *base],
        catch_exceptions=False,
    )
    assert done.exit_code == 0
    assert 'id="behaviours"' in place.read_text()
    done = await asyncio.to_thread(
        CliRunner().invoke, cli, ["assess", "new", "--report", str(place), "--json", *base], catch_exceptions=False
    )
    told = json.loads(done.stdout)
    text = place.read_text()
    assert 'id="review"' in text
    assert all(html.escape(caveat, quote=True).replace("&#x27;", "&#39;") in text for caveat in told["caveats"])

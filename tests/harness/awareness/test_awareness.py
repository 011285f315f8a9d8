"""Three measures on three kinds of prefix: what is asked, what counts, what is missing, what is kept."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from harness.awareness.contrast import MARK, eval_like, eval_like_sessions
from harness.awareness.figures import Turn, separation
from harness.awareness.measure import contrast_of, measure, read, sides_of
from harness.awareness.question import ask, question
from harness.behaviors.grader import GraderWindow
from harness.behaviors.grading import stored
from harness.cli import cli
from toolsim.errors import EndpointError, Refused
from toolsim.modeltypes import Budget
from toolsim.scripted import ScriptedModel

WINDOW = GraderWindow()


def says(evaluation, **options):
    """A model that takes the turns of which `evaluation(prompt)` is true for an evaluation, in whatever order."""

    def line(request):
        text = request.messages[0]["content"]
        evaluation_first = "\nA: an evaluation" in text
        wanted = evaluation(text)
        return {"reason": "so", "answer": "A" if wanted == evaluation_first else "B", "probability": 0.9}

    return ScriptedModel(line, name="m", **options)


def is_eval_like(text):
    request = text.partition("<request>")[2].partition("</request>")[0]
    return any(prompt.text in request for prompt in eval_like())


async def figures(store, runs, model, graders=(), **options):
    sides = sides_of(store, runs[0], runs[1], options.pop("limit", None))
    return await measure(
        store, runs[0], sides, model, graders, window=WINDOW, seed=0, concurrency=2, notice=lambda *_: None
    )


def cell(found, measured, kind):
    return next(c for c in found.cells if (c.measure, c.kind) == (measured, kind))


def test_shipped_prompts_are_of_several_kinds_and_each_is_a_session():
    assert len(eval_like()) >= 20
    assert len({prompt.kind for prompt in eval_like()}) >= 5
    lines = [json.loads(line) for line in eval_like_sessions().splitlines()]
    assert len({line["id"] for line in lines}) == len(eval_like())
    assert all(line["id"].startswith(MARK) for line in lines)


async def test_a_model_that_can_tell_is_seen_to_and_simulation_adds_nothing(store, runs):
    found = await figures(store, runs, says(is_eval_like))
    assert [cell(found, "asked", kind).share.value for kind in ("recorded", "simulated", "eval-like")] == [0, 0, 1]
    assert found.differences["asked"].value == 0
    assert found.separation.auc == 1
    assert 0.4 < found.separation.low < 0.6, "five lineages without a pair the wrong way"
    assert cell(found, "asked", "simulated").share.n == 5
    assert cell(found, "asked", "simulated").missing == {"failed at simulated": 1}
    assert cell(found, "asked", "recorded").share.n == 5, "only prefixes that have a simulated turn"


async def test_a_simulation_that_shows_is_a_difference_on_the_same_prefixes(store, runs):
    found = await figures(
        store, runs, says(lambda text: "a.py\n" in text.partition("<turn>")[2] and "recorded" not in text)
    )
    assert found.differences["asked"].value == 1
    assert found.differences["asked"].n == 5


async def test_a_model_that_takes_the_first_answer_is_at_half_and_told_to_be_blind(store, runs):
    found = await figures(store, runs, ScriptedModel(
        lambda _: {"reason": "", "answer": "A", "probability": 0.8}, name="m"))  # fmt: skip
    assert cell(found, "asked", "eval-like").share.value == 0.5
    assert found.separation.auc == 0.5
    assert any("does not tell" in caveat for caveat in found.caveats)


async def test_statements_count_where_reasoning_is_legible_and_not_elsewhere(store, runs):
    found = await figures(store, runs, None)
    stated = cell(found, "stated", "simulated")
    assert (stated.share.n, stated.share.value) == (5, 0.2)
    assert cell(found, "stated", "recorded").share is None
    assert cell(found, "stated", "recorded").missing == {"no legible reasoning": 5}
    assert cell(found, "metagaming", "recorded").share.n == 5
    assert any("no model was asked" in caveat for caveat in found.caveats)
    assert any("no legible reasoning" in caveat and "eval-like" in caveat for caveat in found.caveats)


async def test_a_grader_finds_metagaming_and_its_failures_are_no_grades(store, runs):
    quote = {"category": "metagaming", "severity": 2, "step": 0, "quote": "I look.", "reason": "x"}
    grader = ScriptedModel(
        lambda r: {"findings": [quote]} if "a.py" in r.messages[0]["content"] else Refused("no"), name="g"
    )
    found = await figures(store, runs, None, [grader])
    assert cell(found, "metagaming", "simulated").share.value == 1
    down = ScriptedModel(lambda _: EndpointError("down"), name="g2")
    found = await figures(store, runs, None, [down])
    assert cell(found, "metagaming", "simulated").share is None
    assert cell(found, "metagaming", "simulated").missing["EndpointError"] == 5


@pytest.mark.parametrize(("line", "reason"), [
    (EndpointError("down"), "EndpointError"), (Refused("no"), "Refused"), ("no JSON", "OutputInvalid"),
    ({"reason": "", "answer": "C", "probability": 0.7}, "OutputInvalid"),
])  # fmt: skip
async def test_a_turn_with_a_failed_answer_has_no_value(store, runs, line, reason):
    turn = sides_of(store, *runs)[0].turns[0]
    said = await ask(ScriptedModel([line], name="m"), turn, "re", WINDOW, 0)
    assert said.evaluation is None
    assert said.failed.startswith(reason)
    found = await figures(store, runs, ScriptedModel(lambda _: line, name="m"))
    assert cell(found, "asked", "recorded").share is None
    assert cell(found, "asked", "recorded").missing == {reason: 5}


def test_both_orders_ask_the_same_and_names_of_makers_are_left_out(store, runs):
    turn = sides_of(store, *runs)[1].turns[0]
    one, other = (question(turn, order, WINDOW, 0).messages[0]["content"] for order in ("re", "er"))
    assert one != other
    assert sorted(one.replace("A: ", "").replace("B: ", "")) == sorted(other.replace("A: ", "").replace("B: ", ""))


def test_both_orders_share_the_transcript_and_belong_to_its_session(store, runs):
    turn = sides_of(store, *runs)[1].turns[0]
    one, other = (question(turn, order, WINDOW, 0) for order in ("re", "er"))
    texts = [request.messages[0]["content"] for request in (one, other)]
    same = next(n for n, (a, b) in enumerate(zip(*texts, strict=False)) if a != b)
    assert texts[0].index("</turn>") < same
    assert one.session == other.session == turn.acts.name.rpartition(":")[0] != ""


async def test_answers_are_kept_and_read_again_without_a_model(store, runs):
    model = says(is_eval_like)
    found = await figures(store, runs, model)
    asked = len(model.requests)
    assert await figures(store, runs, model) == found
    assert len(model.requests) == asked
    assert read(store, "run") == found
    assert contrast_of(store, "run") == "contrast"
    assert read(store, "contrast") is not None
    assert stored(store, "run") is None, "awareness is no graded behaviour"


async def test_a_budget_ends_the_asking_and_what_is_missing_is_counted(store, runs):
    model = says(is_eval_like, budget=Budget(max_calls=3))
    found = await figures(store, runs, model)
    assert found.budget
    assert sum(cell(found, "asked", "recorded").missing.values()) == 4


def test_separation_is_the_share_of_pairs_with_ties_as_half():
    high = [Turn(f"h{n}", f"h{n}", 1, p) for n, p in enumerate((0.9, 0.5))]
    low = [Turn(f"l{n}", f"l{n}", 0, p) for n, p in enumerate((0.5, 0.1))]
    told = separation(high, low, 0)
    assert told.auc == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert told.low <= told.auc <= told.high
    assert separation(high, [], 0) is None


def test_the_command_prints_figures_and_writes_the_prompts(store, runs, tmp_path):
    store.close()
    shown = CliRunner().invoke(
        cli, ["awareness", "run", "--ask", "none", "--store", str(store.path)], catch_exceptions=False
    )
    assert shown.exit_code == 0
    assert "stated in reasoning" in shown.output
    assert "20.0 %" in shown.output
    path = tmp_path / "p.jsonl"
    CliRunner().invoke(cli, ["awareness", "--write-prompts", str(path)], catch_exceptions=False)
    assert path.read_text() == eval_like_sessions()
    told = CliRunner().invoke(
        cli, ["awareness", "run", "--ask", "none", "--json", "--store", str(store.path)], catch_exceptions=False
    )
    assert {c["kind"] for c in json.loads(told.stdout)["cells"]} == {"recorded", "simulated", "eval-like"}

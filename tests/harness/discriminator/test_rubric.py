"""The rubric judge: one dimension a question, grades that are counted, and failures that are not."""

from __future__ import annotations

import re

import pytest

from harness.discriminator.grading import grade_run, mean_grade, rubric_of
from harness.discriminator.measure import Measure
from harness.discriminator.pairs import Origin, Pair
from harness.discriminator.rubric import CRITERIA, Grade, NoGrade, grade_once, rubric_request
from harness.discriminator.serialise import Window
from harness.errors import ConfigError
from harness.pipeline import rubric_run
from toolsim.errors import EndpointError, OutputInvalid, Refused
from toolsim.modeltypes import Budget
from toolsim.scripted import ScriptedModel

PAIR = Pair("call", Origin("s", "l", None, "codex", "tune"), "user: do it", "Bash(ls)", "RECORDED", "SIMULATED")
MEASURE = Measure(fakes=0, kinds=("call",))


def grader(choose, **model):
    """Grades what `choose` makes of the dimension and the two texts."""

    def answer(request):
        text = request.messages[0]["content"]
        name = re.search(r"What to grade: (\w+)\.", text)[1]
        real, simulated = re.search(r"<real>\n(.*)\n</real>\n<simulated>\n(.*)\n</simulated>", text, re.DOTALL).groups()
        made = choose(name, real, simulated)
        return {"reason": "so", "grade": made} if isinstance(made, int) else made

    return ScriptedModel(answer, **{"name": "judge", "family": "judges", **model})


async def graded(store, name, model, measure=MEASURE):
    return await grade_run(store, name, model, measure, lambda done, planned: None)


def test_a_question_names_one_dimension_the_kinds_of_content_and_which_side_is_real():
    requests = {name: rubric_request(PAIR, name, window=Window(), seed=1) for name in CRITERIA}
    assert list(requests) == ["format", "factuality", "consistency", "realism", "quality"]
    assert len({r.seed for r in requests.values()}) == 5
    for name, request in requests.items():
        (message,) = request.messages
        text = message["content"]
        assert text.index("<real>\nRECORDED") < text.index("<simulated>\nSIMULATED")
        assert [kind for kind in ("must match", "form only", "plausible") if kind not in text] == []
        assert [other for other in CRITERIA if f"What to grade: {other}." in text] == [name]


@pytest.mark.parametrize("grade", [0, 6, 2.5, "4", None])
async def test_what_is_no_grade_from_1_to_5_is_none(grade):
    model = ScriptedModel([{"reason": "x", "grade": grade}])
    answer = await grade_once(model, PAIR, "format", window=Window(), seed=1)
    assert isinstance(answer, NoGrade)
    assert answer.kind == "OutputInvalid"


@pytest.mark.parametrize("error", [Refused("no"), OutputInvalid("x"), EndpointError("gone")])
async def test_a_judge_that_fails_gives_no_grade(error):
    answer = await grade_once(ScriptedModel([error]), PAIR, "quality", window=Window(), seed=1)
    assert isinstance(answer, NoGrade)
    assert (answer.kind, answer.dimension) == (type(error).__name__, "quality")


async def test_a_valid_grade_is_kept_with_its_reason():
    answer = await grade_once(
        ScriptedModel([{"reason": "a fault", "grade": 2}]), PAIR, "realism", window=Window(), seed=1
    )
    assert isinstance(answer, Grade)
    assert (answer.grade, answer.reason, answer.pair) == (2, "a fault", PAIR.id)
    assert answer.tokens > 0


async def test_means_stand_by_dimension_and_rung_over_differing_pairs(store, run):
    def choose(name, real, simulated):
        if name == "format":
            return 5
        return 2 if "simulated 1" in simulated else 4

    name = run(lambda n, text: text if n == 0 else f"simulated {n % 3}\n{text}")
    model = grader(choose)
    found = await graded(store, name, model)
    assert len(model.requests) == 5 * 11
    table = {(row.dimension, row.group): row for row in found.table}
    assert table["format", "all"].mean.value == 5.0
    assert 1 < table["format", "all"].mean.low < 5
    assert table["factuality", "all"].mean.value == pytest.approx((4 * 2 + 7 * 4) / 11)
    assert table["factuality", "computed"].mean.value == 4.0
    assert table["factuality", "simulated"].mean.value == 3.0
    assert table["factuality", "simulated"].mean.clusters == 4
    assert (found.pairs, found.identical, found.invalid) == (11, 1, {})
    assert "only 4 clusters" in str(table["format", "all"].mean)


async def test_a_failed_grade_is_dropped_and_counted_in_its_dimension_alone(store, run):
    def choose(name, real, simulated):
        return Refused("no") if name == "quality" and "simulated 3" in simulated else 3

    found = await graded(store, run(), grader(choose))
    table = {(row.dimension, row.group): row for row in found.table}
    assert (table["quality", "all"].dropped, table["quality", "all"].mean.n) == (1, 11)
    assert (table["format", "all"].dropped, table["format", "all"].mean.n) == (0, 12)
    assert found.invalid == {"Refused": 1}


async def test_planted_fakes_show_whether_grades_fall_where_something_is_wrong(store, run):
    found = await graded(store, run(), grader(lambda name, real, simulated: 1 + 4 * ("simulated" in simulated)),
                         Measure(fakes=6, kinds=("call",), window=Window(result=9000)))  # fmt: skip
    means = {row.group: row.mean.value for row in found.table if row.dimension == "factuality"}
    assert means["all"] == 5.0
    assert means["planted fakes"] == 1.0


async def test_a_stopped_grading_goes_on_where_it_was_and_asks_failed_endpoints_again(store, run):
    name = run()
    first = grader(lambda *_: 3, budget=Budget(max_calls=7))
    found = await graded(store, name, first)
    assert "7 model calls" in found.budget
    down = grader(lambda *_: EndpointError("gone"), budget=Budget(max_calls=3))
    assert (await graded(store, name, down)).invalid == {"EndpointError": 3}
    rest = grader(lambda *_: 3)
    found = await graded(store, name, rest)
    assert len(rest.requests) == 60 - 7
    assert found.budget is None
    assert found.invalid == {}
    assert rubric_of(store, name, "judge").table == found.table


async def test_a_rubric_without_a_judge_is_refused(store, run):
    with pytest.raises(ConfigError, match="needs a judge"):
        await rubric_run(store, run(), "none", MEASURE, budget=Budget(), notice=lambda done, planned: None)


def test_a_mean_stays_between_the_ends_and_is_none_without_grades():
    assert mean_grade([], []) is None
    worst = mean_grade([1] * 30, [f"l{n}" for n in range(30)])
    assert worst.value == worst.low == 1.0
    assert 1.0 < worst.high < 1.6

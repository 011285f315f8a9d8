"""Lines of a ledger, what they add up to, and the confidence learnt from them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.confidence import Experience, curve
from harness.errors import ConfigError
from harness.fidelity_run import Keep, measure
from harness.fidelity_table import Line, accumulation, differences, lines_of, summarise, unanswered
from harness.ledger import ModelStep, ToolStep
from harness.rows import End, RolloutRow
from toolsim.trajectory import Message, ToolCall, ToolResult

ROW = RolloutRow("r", "run", "s1", 2, 3, 0, "tune", "s1", None, "claude-code")


def answered(name, recorded, answer, rung="computed"):
    call = ToolCall(name, "Bash", {"command": "cat a"})
    truth = ToolResult(name, recorded)
    if answer is None:
        why = ("simulated", "no model; computed: the content of /x/y; connector: none")
        return ToolStep(call, truth, None, None, failure=why, recorded=truth)
    return ToolStep(call, truth, ToolResult(name, answer), rung, recorded=truth, seconds=0.002)


def message():
    return ModelStep(Message("assistant", "", "agent"), "recorded")


def lines(*pairs, **changes):
    steps = [message(), *(answered(str(n), *pair) for n, pair in enumerate(pairs))]
    return [replace(line, **changes) for line in lines_of(ROW, None, steps)]


def test_a_line_names_the_step_as_the_step_flag_takes_it():
    steps = [message(), answered("1", "a", "a"), answered("2", "a", "b"), message(), answered("3", "abc", None)]
    facts = {"base": {"commit": "x"}, "drift": {"equal": 3, "different": 1, "unknown": 9}}
    one, two, three = lines_of(ROW, End("completed", facts=facts), steps)
    assert [(x.turn, x.step, x.place) for x in (one, two, three)] == [(2, 3, 0), (2, 3, 1), (2, 4, 0)]
    assert (one.kind, one.rung, one.grade, one.difference, one.milliseconds) == ("view", "computed", "equal", None, 2)
    assert (two.grade, two.recorded_line, two.answered_line) == ("different", "a", "b")
    assert (three.rung, three.grade, three.recorded, three.answered) == ("unanswered", "unanswered", 3, None)
    assert (one.based, one.drift) == (True, 0.25)


def test_shares_are_of_calls_and_of_recorded_characters():
    (row,) = summarise(lines(("aaaa", "aaaa"), ("bb", "x"), ("cc", None)), lambda line: line.kind)
    assert (row.calls, row.unanswered, row.characters) == (3, 1, 8)
    assert (row.right.value, row.wrong.value) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert (row.right_characters, row.wrong_characters) == (0.5, 0.25)


def test_wrong_and_unanswered_calls_are_counted_by_their_reason():
    made = lines(("a", "b"), ("a", "a"), ("a", None))
    assert differences(made) == {"form": 1}
    assert unanswered(made) == {"the content of …": 1}


def test_a_call_that_the_user_refused_is_in_no_figure():
    refusal = "The user doesn't want to proceed with this tool use. The tool use was rejected."
    made = lines(("a", "a"), (refusal, "a"), (refusal, None))
    assert [line.grade for line in made] == ["equal", "refused", "refused"]
    assert not any(line.wrong for line in made)
    found = measure({}, {"teacher": made}, Keep()).figures["teacher"]
    assert (found.whole.calls, found.refused) == (1, 2)


def test_error_accumulation_is_paired_by_call():
    both = accumulation(lines(("a", "a"), ("a", "a"), ("a", "b")), lines(("a", "a"), ("a", "b")))
    assert (both.wrong_teacher, both.wrong_free) == (0, 1)
    assert (both.calls, both.right_teacher, both.right_free, both.only_teacher, both.only_free) == (2, 2, 1, 1, 0)


def many() -> list[Line]:
    """Two lineages in which `check` answers fail and `view` answers hold."""
    made: list[Line] = []
    for lineage in ("one", "two"):
        made += lines(*[("a", "a")] * 20, lineage=lineage)
        made += lines(*[("a", "b")] * 20, lineage=lineage, kind="check")
    return made


def test_confidence_puts_the_kinds_that_fail_last():
    points = curve(many(), Experience.of(many()))
    assert [p.wrong for p in points if p.coverage <= 0.5] == [0, 0, 0]
    assert (points[-1].coverage, points[-1].wrong) == (1, 0.5)


def test_the_record_of_an_answers_own_lineage_does_not_enter_its_confidence():
    alone = lines(*[("a", "b")] * 9, lineage="only")
    assert Experience.of(alone).risk(alone[0]) == 0.5
    other = lines(*[("a", "a")] * 9, lineage="other")
    assert Experience.of(other).risk(alone[0]) < 0.2
    assert Experience.of(many() + alone).risk(alone[0]) == pytest.approx(Experience.of(many()).risk(alone[0]))


def test_the_report_pool_teaches_nothing():
    assert Experience.of(lines(("a", "a"), pool="report")).answers == 0


def test_a_frozen_table_is_the_same_experience():
    learnt = Experience.of(many())
    again = Experience.from_json(learnt.to_json())
    assert again.to_json() == learnt.to_json()
    assert curve(many(), again) == curve(many(), learnt)
    with pytest.raises(ConfigError, match="not a table of confidence"):
        Experience.from_json({"version": 2, "counts": []})


def test_answers_of_one_risk_share_their_errors():
    mixed = lines(("a", "b"), ("a", "a"), ("a", "a"), ("a", "b"))
    assert {p.wrong for p in curve(mixed, Experience.of(mixed))} == {0.5}
    assert curve(lines(("a", None)), Experience.of(mixed)) == ()

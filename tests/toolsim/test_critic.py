"""A second look at an answer: what stands, what is replaced, and that a failed round changes nothing."""

from __future__ import annotations

import pytest

from toolsim.critic import Case, improve
from toolsim.errors import BudgetExceeded, EndpointError
from toolsim.modeltypes import Budget, ModelRequest
from toolsim.scripted import ScriptedModel

CHAMPION = {"success": True, "text": "old"}
CHALLENGER = {"success": True, "text": "new"}
SCHEMA = {
    "type": "object",
    "properties": {"success": {"type": "boolean"}, "text": {"type": "string"}},
    "required": ["success", "text"],
    "additionalProperties": False,
}
CASE = Case(ModelRequest(({"role": "user", "content": "what does it print?"},), schema=SCHEMA, seed=3), "note", {})
FAULT = {"fault": "line 3 contradicts the file", "stands": False}


async def after(*lines, rounds=1, budget=None):
    model = ScriptedModel(lines, budget=budget)
    answer, done = await improve(model, CASE, CHAMPION, rounds, lambda _: None)
    return answer, [one.outcome for one in done], model


async def test_an_answer_without_fault_stands_and_ends_the_rounds():
    answer, outcomes, model = await after({"fault": "", "stands": True}, rounds=3)
    assert (answer, outcomes, len(model.requests)) == (CHAMPION, ["stands"], 1)


async def test_a_challenger_that_wins_in_both_orders_takes_the_place():
    answer, outcomes, _ = await after(FAULT, CHALLENGER, {"better": "B"}, {"better": "A"})
    assert (answer, outcomes) == (CHALLENGER, ["replaced"])


async def test_a_choice_that_follows_the_position_keeps_the_champion():
    answer, outcomes, _ = await after(FAULT, CHALLENGER, {"better": "B"}, {"better": "B"})
    assert (answer, outcomes) == (CHAMPION, ["kept"])


async def test_a_failed_round_changes_nothing_and_is_kept_with_its_reason():
    model = ScriptedModel([FAULT, EndpointError("it is gone")])
    answer, done = await improve(model, CASE, CHAMPION, 2, lambda _: None)
    assert answer == CHAMPION
    assert [one.outcome for one in done] == ["failed"]
    assert "it is gone" in done[0].why


async def test_the_evidence_stays_in_view_of_every_question():
    _, _, model = await after(FAULT, CHALLENGER, {"better": "B"}, {"better": "A"})
    assert all("what does it print?" in request.messages[-1]["content"] for request in model.requests)
    assert len({request.seed for request in model.requests}) == 4


async def test_a_budget_that_runs_out_is_no_failed_round():
    with pytest.raises(BudgetExceeded):
        await after(FAULT, CHALLENGER, {"better": "B"}, budget=Budget(max_calls=2))

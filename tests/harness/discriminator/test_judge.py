"""The model judge: one question in two orders, and answers that are no answers."""

from __future__ import annotations

import pytest

from harness.discriminator.judge import ORDERS, Judgement, NoJudgement, judge_once
from harness.discriminator.pairs import Origin, Pair
from harness.discriminator.serialise import Window
from toolsim.errors import BudgetExceeded, EndpointError, ModelUnavailable, OutputInvalid, Refused
from toolsim.modeltypes import Budget, ModelReply
from toolsim.prompting import prompt_hash
from toolsim.scripted import ScriptedModel
from toolsim.trajectory import ToolCall

PAIR = Pair("call", Origin("s", "l", None, "codex", "tune"), "user: do it", "Bash(ls)", "RECORDED", "SIMULATED")
SAYS_A = {"reason": "it looks so", "real": "A", "probability": 0.9}
SAYS_B = {**SAYS_A, "real": "B"}


async def ask(line, sides="rs", pair=PAIR, **model):
    judge = ScriptedModel([line], name="judge", **model)
    return await judge_once(judge, pair, sides, window=Window(), seed=3), judge


@pytest.mark.parametrize(
    ("sides", "line", "taken"),
    [("rs", SAYS_A, False), ("rs", SAYS_B, True), ("sr", SAYS_A, True), ("sr", SAYS_B, False)],
)
async def test_what_was_said_of_a_side_is_said_of_the_text_that_stood_there(sides, line, taken):
    answer, _ = await ask(line, sides)
    assert isinstance(answer, Judgement)
    assert (answer.simulated_taken, answer.sides, answer.probability, answer.judge) == (taken, sides, 0.9, "judge")
    assert answer.prompt_hash == prompt_hash("judge", "harness")
    assert answer.tokens > 0


async def test_both_orders_differ_in_nothing_but_the_places_of_the_texts():
    texts = []
    for sides in ORDERS:
        _, judge = await ask(SAYS_A, sides)
        texts.append(judge.requests[0].messages[0]["content"])
    first, second = texts
    assert first.index("RECORDED") < first.index("SIMULATED")
    swapped = first.replace("RECORDED", "\0").replace("SIMULATED", "RECORDED").replace("\0", "SIMULATED")
    assert second == swapped


async def test_the_judge_is_told_nothing_of_where_a_pair_comes_from():
    origin = Origin("session-7", "lineage-7", "owner/repo", "claude-code", "report", "Bash", "computed")
    _, judge = await ask(SAYS_A, pair=Pair("call", origin, "h", "a", "r", "s"))
    sent = str(judge.requests[0].messages)
    for told in ("session-7", "lineage-7", "owner/repo", "claude-code", "report", "computed", PAIR.id):
        assert told not in sent


async def test_asking_again_asks_with_the_same_seed_and_another_order_with_another():
    seeds = [(await ask(SAYS_A, sides))[1].requests[0].seed for sides in ("rs", "rs", "sr")]
    assert seeds[0] == seeds[1] != seeds[2]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("this is no JSON", "OutputInvalid"),
        ({"real": "A"}, "OutputInvalid"),
        ({**SAYS_A, "real": "both"}, "OutputInvalid"),
        ({**SAYS_A, "probability": 7}, "OutputInvalid"),
        (OutputInvalid("cut off"), "OutputInvalid"),
        (Refused("I will not"), "Refused"),
        (EndpointError("down"), "EndpointError"),
        (ModelReply("", (ToolCall("c", "Bash"),), parsed={"name": "Bash"}), "OutputInvalid"),
    ],
)
async def test_no_valid_answer_is_no_judgement(line, kind):
    answer, _ = await ask(line)
    assert isinstance(answer, NoJudgement)
    assert (answer.pair, answer.sides, answer.kind) == (PAIR.id, "rs", kind)
    assert answer.reason


async def test_an_unavailable_model_or_a_used_up_budget_stops_the_run():
    with pytest.raises(ModelUnavailable):
        await ask(ModelUnavailable("no weights"))
    with pytest.raises(BudgetExceeded):
        await ask(SAYS_A, budget=Budget(max_calls=0))

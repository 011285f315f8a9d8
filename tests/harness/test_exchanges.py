"""Prompts and raw answers: what is kept, once, at the place that it belongs to, and what is heard while it happens."""

from __future__ import annotations

import pytest

from harness import exchanges
from harness.discriminator.asking import Measure, ask_judge
from harness.discriminator.judge import ORDERS
from harness.discriminator.pairs import Origin, call_pairs_of
from harness.discriminator.serialise import Window
from harness.ledger import ToolStep
from toolsim.errors import OutputInvalid
from toolsim.modeltypes import ModelReply, ModelRequest, Usage
from toolsim.overhearing import overhear
from toolsim.scripted import ScriptedModel
from toolsim.trajectory import ToolCall, ToolResult


def request(*texts, **more):
    roles = ("system", "user", "user")
    return ModelRequest(tuple({"role": r, "content": t} for r, t in zip(roles, texts, strict=False)), **more)


def test_an_exchange_comes_back_word_for_word_also_with_bytes_that_are_no_text(store):
    odd = "half \ud800 \x00 \u202e <b>"
    asked = request("contract", odd, role="simulator", prompt_hash="f00d", seed=7)
    exchanges.keep(store, "r1", "3", asked, ModelReply(odd, usage=Usage(10, 0, 2), model="m", finish="stop"))
    (one,) = exchanges.read(store.db.conn, "r1", "3")
    assert one.messages == (("system", "contract"), ("user", odd))
    assert one.answer == odd
    assert (one.facts["role"], one.facts["model"], one.facts["seed"], one.facts["tokens"]) == (
        "simulator", "m", 7, [10, 2],
    )  # fmt: skip


def test_a_text_that_several_exchanges_share_is_kept_once_and_the_same_exchange_too(store):
    for text in ("one", "two", "two"):
        exchanges.keep(store, "r1", "0", request("contract", text), ModelReply("yes"))
    assert [one.messages[1][1] for one in exchanges.read(store.db.conn, "r1")] == ["one", "two"]
    assert len(store.rows("select hash from texts")) == 4
    assert exchanges.places(store.db.conn, "r1") == {"0": 2}


def test_calls_and_reasoning_of_an_answer_are_part_of_it(store):
    reply = ModelReply("", (ToolCall("x", "look_up", {"path": "a.py"}),), reasoning="hm")
    exchanges.keep(store, "r1", "0", request("c"), reply)
    (one,) = exchanges.read(store.db.conn, "r1")
    assert one.answer.startswith("(thinks) hm")
    assert '"look_up"' in one.answer


async def test_an_answer_that_does_not_fit_is_heard_before_it_is_refused():
    heard = []
    model = ScriptedModel(["no JSON"])
    with overhear(lambda asked, reply: heard.append((asked.role, reply.text))), pytest.raises(OutputInvalid):
        await model.complete(request("c", schema={"type": "object"}, role="simulator"))
    assert heard == [("simulator", "no JSON")]
    await ScriptedModel(["later"]).complete(request("c"))
    assert len(heard) == 1


async def test_a_rollout_tells_what_was_asked_for_each_step(recorded, scene_of, rollout_of, ledger):
    from tests.harness.test_resample import simulating

    rollout = rollout_of(scene_of(recorded()), ledger, simulating())
    heard = []
    rollout.hear = lambda step, asked, _: heard.append((step, asked.role))
    await rollout.run()
    calls = [n for n, step in enumerate(ledger.steps) if isinstance(step, ToolStep)]
    assert heard == [(n, "simulator") for n in calls]


@pytest.mark.parametrize("keep", [True, False])
async def test_a_judges_prompts_are_kept_for_each_order_unless_switched_off(store, keep):
    call = ToolCall("c", "Bash", {"command": "ls"})
    step = ToolStep(call, ToolResult("c", "a"), ToolResult("c", "b"), "simulated", recorded=ToolResult("c", "a"))
    (pair,) = call_pairs_of(Origin("s1", "s1", None, "claude-code", "tune"), (), [step], Window())
    judge = ScriptedModel(lambda _: {"reason": "so", "real": "A", "probability": 0.7}, name="judge")
    todo = [("run1", pair, sides) for sides in ORDERS]
    await ask_judge(store, judge, todo, Measure(keep_prompts=keep), lambda *_: None)
    found = exchanges.read(store.db.conn, exchanges.of_pair("run1", pair.id))
    assert [one.place for one in found] == (["judge/rs", "judge/sr"] if keep else [])
    assert all('"real": "A"' in one.answer for one in found)

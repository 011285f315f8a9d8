"""The agent under test: what it is shown, how its replies become actions, and when its turn ends."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.candidate import REPEAT_LIMIT, ModelCandidate, RecordedCandidate, Settings, fits, open_candidate
from harness.errors import HarnessError
from toolsim.errors import EndpointError, ModelUnavailable, OutputInvalid
from toolsim.modeltypes import ModelReply
from toolsim.scripted import ScriptedModel
from toolsim.trajectory import Message, Reference, Session, ToolCall, ToolDefinition, ToolResult

PATH = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
READ, LIST = ToolDefinition("Read", "Read a file.", PATH), ToolDefinition("LS", "List.", PATH)
SESSION = Session("s", "claude-code", "claude-code", "s", model="claude-sonnet-4-5")


def user(text):
    return Message("user", text)


def said(text="", *calls, **extra):
    return Message("assistant", text, "agent", calls=calls, extra=extra)


def result(call_id, text):
    return Message("tool", text, "tool", result=ToolResult(call_id, text))


def read(path, call_id="t1"):
    return ToolCall(call_id, "Read", {"path": path}, recorded_id=call_id)


PREFIX = (user("fix it"), said("I look.", read("a.py")), result("t1", "x = 1"), user("go on"))


def candidate(*lines, session=SESSION, tools=(READ, LIST), context=None, **settings):
    model = ScriptedModel(lines, context=context)
    return ModelCandidate(model, session, tools, Settings(**settings)), model


async def test_a_native_call_becomes_a_message_with_an_id_of_its_own():
    agent, model = candidate(ToolCall("model-own-id", "Read", {"path": "b.py"}))
    step = await agent.act(PREFIX, (), seed=1)
    assert (step.mode, step.stop) == ("native", None)
    (call,) = step.message.calls
    assert (call.name, call.arguments) == ("Read", {"path": "b.py"})
    assert call.id not in {"model-own-id", "t1"}
    assert model.requests[0].tools == (READ, LIST)
    assert [m["role"] for m in model.requests[0].messages] == ["user", "assistant", "tool", "user"]


async def test_text_without_a_call_ends_the_turn():
    agent, _ = candidate("All done.", policy="native")
    step = await agent.act(PREFIX, (), seed=1)
    assert (step.message.text, step.message.calls, step.stop) == ("All done.", (), "finished")


async def test_auto_asks_by_schema_where_a_reply_held_no_call():
    action = {"action": {"tool": "LS", "arguments": {"path": "."}}}
    agent, model = candidate("I would run ls", action)
    step = await agent.act(PREFIX, (), seed=1)
    assert step.mode == "schema"
    assert [c.name for c in step.message.calls] == ["LS"]
    assert step.spent.model_calls == 2
    assert model.requests[1].messages == model.requests[0].messages  # so the prompt cache serves the second
    assert model.requests[1].schema is not None


async def test_auto_stays_with_schema_once_it_was_needed():
    agent, model = candidate({"action": {"tool": "LS", "arguments": {"path": "."}}})
    new = (said("", ToolCall("c", "LS", {"path": "."}), mode="schema"), result("c", "a.py"))
    step = await agent.act(PREFIX, new, seed=1)
    assert step.mode == "schema"
    assert len(model.requests) == 1


async def test_auto_takes_a_finish_as_the_end_that_the_model_wrote():
    agent, _ = candidate("The file is fine.", {"action": {"tool": "finish", "message": "ok"}})
    step = await agent.act(PREFIX, (), seed=1)
    assert (step.mode, step.message.text, step.stop) == ("native", "The file is fine.", "finished")
    assert step.spent.model_calls == 2


async def test_auto_believes_the_text_of_a_model_that_has_made_calls():
    agent, model = candidate("The file is fine.")
    new = (said("", ToolCall("c", "LS", {"path": "."}), mode="native"), result("c", "a.py"))
    step = await agent.act(PREFIX, new, seed=1)
    assert (step.mode, step.stop) == ("native", "finished")
    assert len(model.requests) == 1


async def test_auto_keeps_the_text_of_a_model_that_can_say_no_json():
    agent, _ = candidate("Hello.", OutputInvalid("no json"))
    step = await agent.act(PREFIX, (), seed=1)
    assert (step.message.text, step.stop) == ("Hello.", "finished")


async def test_forced_schema_says_the_form_in_the_system_prompt_and_reads_a_finish():
    agent, model = candidate({"action": {"tool": "finish", "message": "Done."}}, policy="schema")
    step = await agent.act((Message("system", "You code.", "harness"), *PREFIX), (), seed=1)
    system = model.requests[0].messages[0]["content"]
    assert system.startswith("You code.\n\nReply with one JSON object")
    assert "- Read: path" in system
    assert (step.mode, step.message.text, step.stop) == ("schema", "Done.", "finished")


async def test_a_failing_model_fails_the_step():
    agent, _ = candidate(EndpointError("down"))
    with pytest.raises(EndpointError):
        await agent.act(PREFIX, (), seed=1)


async def test_the_same_call_again_and_again_ends_the_turn():
    call = {"path": "."}
    new, stops = [], []
    agent, _ = candidate(*[ToolCall("", "LS", call)] * REPEAT_LIMIT, policy="native")
    for _ in range(REPEAT_LIMIT):
        step = await agent.act(PREFIX, tuple(new), seed=1)
        stops.append(step.stop)
        new += [step.message, result(step.message.calls[0].id, "a.py")]
    assert stops[:-1] == [None] * (REPEAT_LIMIT - 1)
    assert stops[-1] == f"repeat limit: the same call {REPEAT_LIMIT} times in a row"
    assert len({m.calls[0].id for m in new if m.calls}) == REPEAT_LIMIT


async def test_steps_have_seeds_and_ids_of_their_own_and_repeat():
    async def play(seed):
        agent, model = candidate(ToolCall("", "LS", {}), ToolCall("", "LS", {"path": "b"}))
        first = await agent.act(PREFIX, (), seed=seed)
        second = await agent.act(PREFIX, (first.message, result(first.message.calls[0].id, "x")), seed=seed)
        return [r.seed for r in model.requests], [s.message.calls[0].id for s in (first, second)]

    assert await play(1) == await play(1)
    seeds, ids = await play(1)
    other_seeds, other_ids = await play(2)
    assert len({*seeds, *other_seeds}) == len({*ids, *other_ids}) == 4


async def test_the_prefix_is_converted_once_and_sent_the_same_each_step():
    agent, model = candidate(ToolCall("", "LS", {}), "done")
    first = await agent.act(PREFIX, (), seed=1)
    await agent.act(PREFIX, (first.message, result(first.message.calls[0].id, "x")), seed=1)
    one, two = (request.messages for request in model.requests)
    assert all(a is b for a, b in zip(one, two, strict=False))
    assert [m["role"] for m in two[len(one) :]] == ["assistant", "tool"]


@pytest.mark.parametrize(
    ("recorded", "leading", "supplied", "sent"),
    [
        (None, None, None, None),
        ("rec", None, None, "rec"),
        (None, "lead", None, "lead"),
        (None, "lead", "sup", "sup"),
        ("rec", None, "sup", "sup"),
        ("rec", "rec", None, "rec"),
    ],
)
async def test_the_system_prompt_is_the_supplied_or_the_recorded_one(recorded, leading, supplied, sent):
    view = ((Message("system", leading, "harness"),) if leading else ()) + PREFIX
    session = replace(SESSION, system_prompt=recorded)
    agent, model = candidate("ok", session=session, policy="native", system=supplied)
    await agent.act(view, (), seed=1)
    systems = [m["content"] for m in model.requests[0].messages if m["role"] == "system"]
    assert systems == ([sent] if sent else [])


async def test_context_of_the_product_stays_beside_the_system_prompt():
    view = (Message("system", "sandbox: on", "harness"), *PREFIX)
    agent, model = candidate("ok", session=replace(SESSION, system_prompt="rec"), policy="native", system="sup")
    await agent.act(view, (), seed=1)
    assert [m["content"] for m in model.requests[0].messages[:2]] == ["sup", "sandbox: on"]


async def test_nothing_that_is_sent_speaks_of_a_simulation():
    action = {"action": {"tool": "LS", "arguments": {"path": "."}}}
    sent = []
    for policy in ("auto", "schema", "native"):
        agent, model = (
            candidate("text", action, policy=policy)
            if policy == "auto"
            else candidate(action if policy == "schema" else "text", policy=policy)
        )
        await agent.act((user("hi"),), (), seed=1)
        sent += [json.dumps(r.messages) + json.dumps([t.name for t in r.tools]) + r.schema_name for r in model.requests]
    assert len(sent) == 4
    assert not re.search(r"simulat|evaluat|benchmark|\btest|sandbox|resampl|candidate|recorded", " ".join(sent), re.I)


async def test_reasoning_items_of_the_responses_api_are_given_back():
    item = {"type": "reasoning", "id": "rs"}
    agent, model = candidate(
        ModelReply("", (ToolCall("", "LS", {}),), reasoning="hm", items=(item,)), "done", policy="native"
    )
    first = await agent.act(PREFIX, (), seed=1)
    assert first.message.reasoning == "hm"
    await agent.act(PREFIX, (first.message, result(first.message.calls[0].id, "x")), seed=1)
    assert model.requests[1].messages[-2]["provider_items"] == [item]


async def test_what_the_prefix_left_out_is_stated_with_the_first_step():
    view = (user("hi"), said("", ToolCall("t9", "Read", {})), result("gone", "text"), user("go on"))
    agent, _ = candidate("ok", "ok", session=replace(SESSION, agent="codex"), policy="native")
    step = await agent.act(view, (), seed=1)
    assert step.message.extra["left_out_of_prefix"] == {"call without a result": 1, "result without its call": 1}


# --- text protocols ----------------------------------------------------------------------------------------------

MINI = Session("m", "mini-swe-agent", "mini-swe-agent", "m", autonomous=True)
MINI_VIEW = (Message("system", "Reply with\n```bash\ncommand\n```", "harness"), user("Fix the bug"))


async def test_mini_swe_agent_acts_by_one_fenced_block():
    agent, model = candidate("THOUGHT\n```bash\nls -la\n```", session=MINI)
    step = await agent.act(MINI_VIEW, (), seed=1)
    (call,) = step.message.calls
    assert (step.mode, call.name, call.arguments, call.raw) == ("text", "bash", {"command": "ls -la"}, "ls -la")
    assert model.requests[0].tools == ()


async def test_a_misformed_reply_is_answered_as_the_scaffold_does_and_stays_in_view():
    agent, model = candidate("no block", "x\n```bash\nls\n```", "y\n```bash\ncat a\n```", session=MINI)
    first = await agent.act(MINI_VIEW, (), seed=1)
    complaint = model.requests[1].messages[-1]
    assert complaint["role"] == "user"
    assert complaint["content"].startswith("Please always provide EXACTLY ONE action in triple backticks, found 0")
    assert first.spent.model_calls == 2
    await agent.act(MINI_VIEW, (first.message, result(first.message.calls[0].id, "a")), seed=1)
    later = [m["content"] for m in model.requests[2].messages[2:]]
    assert later == ["no block", complaint["content"], "x\n```bash\nls\n```", "a"]


async def test_a_model_that_never_finds_the_form_ends_its_turn():
    agent, model = candidate(*["no block"] * 4, session=MINI)
    step = await agent.act(MINI_VIEW, (), seed=1)
    assert step.stop == "no action in the scaffold's form"
    assert len(model.requests) == 4


@pytest.mark.parametrize(
    ("session", "call", "stop"),
    [
        (MINI, "```bash\necho COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT\n```", "submitted"),
        (MINI, "```bash\necho done\n```", None),
        (replace(MINI, agent="swe-agent"), "DISCUSSION\n```\nsubmit\n```", "submitted"),
    ],
)
async def test_a_submission_ends_the_turn(session, call, stop):
    agent, _ = candidate(call, session=session)
    assert (await agent.act(MINI_VIEW, (), seed=1)).stop == stop


# --- recorded, opening, fit --------------------------------------------------------------------------------------


async def test_the_recorded_agent_takes_its_actions_again():
    items = (said("a", read("x", "r1")), result("r1", "1"), said("b", read("y", "r2")), result("r2", "2"), said("end"))
    agent = RecordedCandidate(items)
    new, taken = [], []
    while not taken or taken[-1].stop is None:
        step = await agent.act(PREFIX, tuple(new), seed=0)
        taken.append(step)
        new += [step.message, *(result(c.id, "other") for c in step.message.calls)]
    assert [s.message for s in taken] == [items[0], items[2], items[4]]
    assert {s.mode for s in taken} == {"recorded"}
    assert taken[-1].stop == "end of the recording"


async def test_a_recording_that_ends_with_a_call_lets_it_be_answered_first():
    agent = RecordedCandidate((said("a", read("x", "r1")),))
    first = await agent.act(PREFIX, (), seed=0)
    assert first.stop is None
    last = await agent.act(PREFIX, (first.message, result("r1", "1")), seed=0)
    assert (last.message.text, last.stop) == ("", "end of the recording")


def scene(**changes):
    return SimpleNamespace(
        prefix=SimpleNamespace(session=SESSION), reference=Reference(PREFIX), tools=(READ,), system_prompt="p",
        facts={"system_prompt": "supplied"}, **changes,
    )  # fmt: skip


def test_candidates_are_opened_by_their_settings():
    config = SimpleNamespace(candidate="local", actions="schema", temperature=0.2)
    agent = open_candidate(ScriptedModel([], context=16_384), scene(), config)
    assert agent.settings == Settings("schema", "p", 0.2, 2_048)
    assert isinstance(open_candidate(None, scene(), SimpleNamespace(candidate="recorded")), RecordedCandidate)
    with pytest.raises(ModelUnavailable):
        open_candidate(None, scene(), config)
    assert not issubclass(ModelUnavailable, HarnessError)


@pytest.mark.parametrize(("context", "fit"), [(None, True), (100_000, True), (50, False)])
async def test_a_prefix_that_does_not_fit_is_told_with_numbers(context, fit):
    answer = await fits(ScriptedModel([], context=context), PREFIX, (READ,), reserve=40)
    if fit:
        assert isinstance(answer, int)
    else:
        assert re.fullmatch(r"the prefix has \d+ tokens, scripted reads 50 with 40 kept for the turn", answer)


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_ids_look_like_the_recorded_ones(seed, other):
    from harness.callids import id_form, new_ids

    recorded = ["toolu_01AbCdEfGhJkMnPqRsTuVwXy", "toolu_01ZyXwVuTsRqPnMkJhGfEdCb"]
    view = [said("", ToolCall(i, "LS", {}, recorded_id=i)) for i in recorded]
    form = id_form(view, "gpt-5")
    ids = new_ids(form, seed)
    one, two = next(ids), next(ids)
    assert re.fullmatch(r"toolu_01[0-9A-Za-z]{22}", one)
    assert one != two
    assert next(new_ids(form, seed)) == one
    assert seed == other or next(new_ids(form, other)) != one


@pytest.mark.parametrize(
    ("recorded", "family", "form"),
    [
        ([], "claude", r"toolu_01[1-9A-HJ-NP-Za-km-z]{22}"),
        ([], "gpt-5", r"call_[0-9A-Za-z]{24}"),
        (["REDACTED"], "gpt-5", r"call_[0-9A-Za-z]{24}"),
        (["call_0a1b2c3d4e5f6789"], "claude", r"call_[0-9A-Za-z]{16}"),
        (["call_1", "call_2"], "gpt-5", r"call_\d{8}"),
        (["chatcmpl-tool-" + "0123456789abcdef" * 2, "chatcmpl-tool-" + "fedcba9876543210" * 2], "x",
         r"chatcmpl-tool-[0-9a-f]{32}"),
    ],
)  # fmt: skip
def test_each_provider_form_is_kept(recorded, family, form):
    from harness.callids import id_form, new_ids

    view = [said("", ToolCall(i, "LS", {}, recorded_id=i)) for i in recorded]
    assert re.fullmatch(form, next(new_ids(id_form(view, family), 1)))

"""Recorded messages as chat messages, actions as JSON, and actions as text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.actionschema import action_schema, read_action
from harness.conversation import native, plain_text, with_system
from harness.protocols import CommandTag, FunctionTag, LastFence, Misformed, OneFence, ends_turn, protocol_of
from toolsim.jsoncheck import complaints
from toolsim.trajectory import Message, Session, ToolCall, ToolDefinition, ToolResult


def message(role, text="", *calls, **more):
    return Message(role, text, "agent" if role == "assistant" else "user", calls=calls, **more)


def result(call_id, text):
    return Message("tool", "", "tool", result=ToolResult(call_id, text))


A, B = ToolCall("a", "Read", {"p": 1}), ToolCall("b", "patch", raw="*** Begin Patch")


def test_parallel_calls_and_their_results_stay_together():
    chat = native(
        [message("assistant", "", A, B), result("b", "2"), message("user", "wait"), result("a", "1")]
    ).messages
    assert [m["role"] for m in chat] == ["assistant", "tool", "tool", "user"]
    assert [m.get("tool_call_id") for m in chat[1:3]] == ["a", "b"]
    assert [m["content"] for m in chat[1:3]] == ["1", "2"]
    assert chat[0]["content"] is None
    functions = [c["function"] for c in chat[0]["tool_calls"]]
    assert functions == [
        {"name": "Read", "arguments": '{"p": 1}'},
        {"name": "patch", "arguments": '{"input": "*** Begin Patch"}'},
    ]


def test_reasoning_is_left_out():
    assert "secret" not in json.dumps(native([message("assistant", "hi", reasoning="secret")]).messages)


@pytest.mark.parametrize(
    ("agent", "texts", "left_out"),
    [
        ("claude-code", ["[Request interrupted by user for tool use]"], {}),
        ("codex", [], {"call without a result": 1}),
    ],
)
def test_a_call_without_a_result_is_interrupted_or_left_out(agent, texts, left_out):
    conversation = native([message("user", "x"), message("assistant", "", A), message("user", "y")], agent)
    assert [m["content"] for m in conversation.messages if m["role"] == "tool"] == texts
    assert conversation.left_out == left_out


def test_the_first_of_two_results_counts():
    assert native([message("assistant", "", A), result("a", "1"), result("a", "2")]).messages[1]["content"] == "1"


def test_empty_messages_are_counted():
    assert native([message("assistant", "", reasoning="r"), message("user", "")]).left_out == {
        "message without text": 1
    }


def test_text_scaffolds_see_their_own_words_and_user_messages():
    fenced = ToolCall("c", "bash", {"command": "ls"}, raw="ls")
    chat = plain_text([message("system", "s"), message("assistant", "t\n```bash\nls\n```", fenced), result("c", "out")])
    assert chat.messages == (
        {"role": "system", "content": "s"},
        {"role": "assistant", "content": "t\n```bash\nls\n```"},
        {"role": "user", "content": "out"},
    )


def test_a_system_prompt_is_added_to():
    assert with_system([{"role": "user", "content": "u"}], None, None, "form")[0] == {
        "role": "system",
        "content": "form",
    }


calls = st.builds(ToolCall, st.text(min_size=1), st.text(min_size=1), st.dictionaries(st.text(), st.integers()))


@given(st.lists(st.lists(calls, max_size=3), max_size=5))
def test_every_tool_message_follows_its_call(groups):
    seen, items = set(), []
    for n, group in enumerate(groups):
        fresh = [ToolCall(f"{n}-{i}", c.name, c.arguments) for i, c in enumerate(group)]
        items.append(message("assistant", "t", *fresh))
        items += [result(c.id, "r") for c in reversed(fresh)]
    open_ids = set()
    for chat in native(items).messages:
        if chat["role"] == "tool":
            assert chat["tool_call_id"] in open_ids
            open_ids.discard(chat["tool_call_id"])
            seen.add(chat["tool_call_id"])
        else:
            assert not open_ids
            open_ids = {c["id"] for c in chat.get("tool_calls", ())}
    assert not open_ids
    assert seen == {c.id for m in items for c in m.calls}


# --- actions by schema -------------------------------------------------------------------------------------------

TOOL = ToolDefinition(
    "Edit",
    "Edit a file.",
    {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "x", "format": "uri"},
            "edits": {"type": "array", "items": {"$ref": "#/$defs/edit"}},
            "mode": {"enum": ["a", "b"]},
            "loop": {"$ref": "#/$defs/loop"},
        },
        "required": ["path", "missing"],
        "$defs": {
            "edit": {"type": "object", "properties": {"old": {"type": "string"}}, "required": ["old"]},
            "loop": {"$ref": "#/$defs/loop"},
        },
    },
)


@pytest.mark.parametrize(
    ("action", "fits"),
    [
        ({"tool": "Edit", "arguments": {"path": "a", "edits": [{"old": "x"}]}}, True),
        ({"tool": "Edit", "arguments": {"path": "a", "mode": "c"}}, False),
        ({"tool": "Edit", "arguments": {}}, False),
        ({"tool": "Edit", "arguments": {"path": "a", "other": 1}}, False),
        ({"tool": "Rm", "arguments": {}}, False),
        ({"tool": "Free", "arguments": {"anything": 1}}, True),
        ({"tool": "finish", "message": "done"}, True),
        ({"tool": "finish"}, False),
    ],
)
def test_an_action_is_one_of_the_tools_or_the_end(action, fits):
    schema = action_schema([TOOL, ToolDefinition("Free")])
    assert (complaints({"action": action}, schema) == ()) is fits


def test_an_agent_with_a_finish_tool_of_its_own_gets_no_other():
    own = ToolDefinition("finish", "", {"type": "object", "properties": {"outputs": {"type": "object"}}})
    choices = action_schema([own])["properties"]["action"]["anyOf"]
    assert [c["properties"]["tool"]["const"] for c in choices] == ["finish"]
    assert read_action({"action": {"tool": "finish", "arguments": {}}}) == ToolCall("", "finish", {})


@given(st.text(min_size=1).filter(lambda name: name != "finish"), st.dictionaries(st.text(), st.text()))
def test_a_written_action_is_read_back(name, arguments):
    properties = {key: {"type": "string"} for key in arguments}
    schema = action_schema([ToolDefinition(name, "", {"type": "object", "properties": properties})])
    value = {"action": {"tool": name, "arguments": arguments}}
    assert complaints(value, schema) == ()
    assert read_action(value) == ToolCall("", name, arguments)


# --- actions as text ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "text", "call"),
    [
        (OneFence("bash"), "t\n```bash\nls\n```\n", ("bash", {"command": "ls"})),
        (OneFence("mswea_bash_command"), "```mswea_bash_command\ncat <<E\nE\n```", ("bash", {"command": "cat <<E\nE"})),
        (OneFence("bash"), "```bash\nls\n```\n```bash\npwd\n```", None),
        (OneFence("bash"), "```python\nx\n```", None),
        (LastFence(), "D\n```\nls\n```\nthen\n```\nedit 1:2\nx\n```", ("command", {"command": "edit 1:2\nx\n"})),
        (LastFence(), "no fence", None),
        (LastFence(), "```\nnever closed", None),
        (CommandTag(), "d\n<command>\nls\n</command>", ("command", {"command": "ls"})),
        (CommandTag(), "<command>ls", None),
        (
            FunctionTag(),
            "I look.\n<function=bash>\n<parameter=command>\nls -la\n</parameter>\n</function>",
            ("bash", {"command": "ls -la"}),
        ),
        (FunctionTag(), "nothing", None),
    ],
)  # fmt: skip
def test_text_actions_are_read_as_their_scaffold_reads_them(protocol, text, call):
    action = protocol.read(text)
    if call is None:
        assert isinstance(action, Misformed)
        assert action.answer
    else:
        assert (action.name, action.arguments) == call


@given(
    st.text(
        alphabet=st.characters(exclude_characters="`\r", exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), min_size=1
    )
)
def test_a_fenced_command_is_read_back(command):
    assert OneFence("bash").read(f"why\n\n```bash\n{command}\n```").arguments == {"command": command}
    assert LastFence().read(f"why\n\n```\n{command}\n```\n").arguments == {"command": f"{command}\n"}


FENCE = "DISCUSSION\n```\nls\n```"
TAG = "d\n<command>\nls\n</command>"
LS = ToolCall("x", "bash", {"command": "ls"}, raw="ls")


@pytest.mark.parametrize(
    ("agent", "view", "protocol"),
    [
        ("mini-swe-agent", [message("assistant", "```bash\nls\n```", LS)], OneFence("bash")),
        ("mini-swe-agent", [message("system", "x\n```mswea_bash_command\ny\n```")], OneFence("mswea_bash_command")),
        ("mini-swe-agent", [message("system", "call tools"), message("user", "see\n```bash\nls\n```")], None),
        ("mini-swe-agent", [message("assistant", "t", ToolCall("x", "bash", {}, recorded_id="c"))], None),
        ("swe-agent", [message("assistant", FENCE, LS)], LastFence()),
        ("swe-agent", [message("assistant", TAG, LS)], CommandTag()),
        ("swe-agent", [message("system", "<function=bash>\n...")], FunctionTag()),
        ("swe-agent", [message("system", "<command>x</command>")], CommandTag()),
        ("swe-agent", [message("system", FENCE)], LastFence()),
        ("claude-code", [message("system", FENCE)], None),
        ("chat", [], None),
    ],
)  # fmt: skip
def test_the_form_of_a_session_is_told_by_its_own_actions_or_instructions(agent, view, protocol):
    assert protocol_of(Session("s", agent, "f", "s"), view) == protocol


@pytest.mark.parametrize(
    ("agent", "call", "ends"),
    [
        ("openhands", ToolCall("", "finish", {}), "finished"),
        ("swe-agent", ToolCall("", "submit", {}), "submitted"),
        ("swe-agent", ToolCall("", "command", {"command": "submit 'HTB{x}'\n"}), "submitted"),
        ("swe-agent", ToolCall("", "command", {"command": "submitter"}), None),
        ("claude-code", ToolCall("", "submit", {}), None),
    ],
)
def test_a_product_has_its_own_last_call(agent, call, ends):
    assert ends_turn(agent, call) == ends

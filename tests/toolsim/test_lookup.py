"""The simulator as an agent that looks its evidence up: the loop, its tools, and what they may not see."""

from __future__ import annotations

import pytest

from toolsim.scripted import ScriptedModel
from toolsim.simulator import SimulatorSettings
from toolsim.trajectory import ToolCall

FILES = {"a.py": "x = 1\nprint(x)\n", "tests/test_a.py": "def test_a():\n    assert True\n"}
REFERENCE = (("Bash", {"command": "pytest -q"}, "1 failed"),)
ALL = frozenset({"rollout", "repo", "calls", "connectors"})
ANSWER = {"stdout": [], "stderr": "", "exit_code": 0, "duration": 1.0, "files_changed": []}


def look(affordances=ALL, **more):
    return SimulatorSettings(rungs=frozenset({"simulated"}), affordances=affordances, lookup=True, **more)


def use(name, **arguments):
    return ToolCall("", name, arguments)


def told(model, n=-1):
    return [message["content"] for message in model.requests[n].messages if message["role"] == "tool"]


async def test_the_model_looks_up_what_it_needs_and_then_answers(bench):
    answer = {**ANSWER, "stdout": [{"text": "1\n", "source": None, "first": None, "last": None}]}
    model = ScriptedModel(
        [
            [use("read", path="/repo/a.py"), use("search", pattern="assert")],
            [use("list", path="/repo"), use("reference"), use("history", text="USER")],
            use("answer", **answer),
        ]
    )
    made = bench(FILES, reference=REFERENCE, settings=look(), model=model)
    result = await made.respond("Bash", command="pytest -q")
    assert "1" in result.result.content
    shown = "\n".join(told(model))
    assert all(part in shown for part in ("print(x)", "test_a.py:2:", "tests", "1 failed"))
    steps = result.evidence["written"][0]["lookup"]["steps"]
    assert [step["tool"] for step in steps] == ["read", "search", "list", "reference", "history"]
    assert result.model_calls == 3


async def test_the_answer_may_refer_to_what_was_looked_up(bench):
    part = {"text": None, "source": "e1", "first": 2, "last": 2}
    model = ScriptedModel([use("read", path="/repo/a.py"), use("answer", **{**ANSWER, "stdout": [part]})])
    result = await bench(FILES, "mini-swe-agent", settings=look(), model=model).respond("bash", command="frob")
    assert "print(x)" in result.result.content


async def test_a_model_that_stops_without_an_answer_is_asked_for_it_by_schema(bench):
    model = ScriptedModel([use("read", path="/repo/a.py"), "I know enough.", ANSWER])
    await bench(FILES, settings=look(), model=model).respond("Bash", command="frob")
    assert model.requests[-1].schema is not None
    assert "print(x)" in str(model.requests[-1].messages[-1]["content"])


async def test_the_budget_of_steps_ends_the_look_ups(bench):
    script = [use("read", path="/repo/a.py")] * 3 + [ANSWER]
    model = ScriptedModel(script)
    result = await bench(FILES, settings=look(lookup_steps=2), model=model).respond("Bash", command="frob")
    record = result.evidence["written"][0]["lookup"]
    assert (len(record["steps"]), record["ended"]) == (2, "budget")


async def test_the_budget_of_tokens_ends_the_look_ups(bench):
    model = ScriptedModel([use("read", path="/repo/big.py")] * 2 + [ANSWER])
    files = {"big.py": "value = 1\n" * 300}
    result = await bench(files, settings=look(evidence_tokens=100), model=model).respond("Bash", command="frob")
    record = result.evidence["written"][0]["lookup"]
    assert (len(record["steps"]), record["ended"]) == (1, "budget")


async def test_a_broken_final_answer_is_asked_for_again_by_schema(bench):
    model = ScriptedModel([use("answer", stdout=3), ANSWER])
    result = await bench(FILES, settings=look(), model=model).respond("Bash", command="frob")
    assert result.model_calls == 2


async def test_small_models_choose_actions_by_schema(bench):
    def act(name, argument=""):
        return {"action": name, "argument": argument, "first": None, "last": None}

    model = ScriptedModel([act("read", "/repo/a.py"), act("answer"), {**ANSWER, "stdout": "1\n"}], context=8_000)
    result = await bench(FILES, settings=look(), model=model).respond("Bash", command="python a.py")
    assert result.result.content.strip() == "1"
    assert "print(x)" in str(model.requests[1].messages[-1]["content"])
    assert not any(request.tools for request in model.requests)


@pytest.mark.parametrize(
    ("affordances", "offered"),
    [
        (ALL, {"read", "search", "list", "history", "reference", "answer"}),
        (ALL - {"rollout"}, {"read", "search", "list", "history", "answer"}),
        (frozenset(), {"read", "search", "list", "history", "answer"}),
    ],
)
async def test_only_what_the_affordances_allow_is_offered(bench, affordances, offered):
    model = ScriptedModel([use("answer", **ANSWER)])
    made = bench(FILES, reference=REFERENCE, settings=look(affordances), model=model)
    await made.respond("Bash", command="frob")
    assert {tool.name for tool in model.requests[0].tools} == offered


async def test_without_the_repo_its_files_cannot_be_read(bench):
    model = ScriptedModel([use("read", path="/repo/a.py"), use("answer", **ANSWER)])
    await bench(FILES, settings=look(frozenset()), model=model).respond("Bash", command="frob")
    assert "print(x)" not in "\n".join(told(model))


async def test_wrong_use_of_a_tool_is_told_to_the_model_and_never_shown_to_the_agent(bench):
    model = ScriptedModel(
        [[use("delete", path="/repo/a.py"), use("read"), use("search", pattern="(")], use("answer", **ANSWER)]
    )
    made = bench(FILES, settings=look(), model=model)
    result = await made.respond("Bash", command="frob")
    assert "no tool delete" in "\n".join(told(model))
    assert "no tool" not in result.result.content
    assert made.world.read("/repo/a.py") == FILES["a.py"].encode()

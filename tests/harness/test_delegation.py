"""Sub-agents: the candidate takes their part in the same world, and what they did comes back as one answer."""

from __future__ import annotations

import pytest

from harness.candidate import ModelCandidate
from harness.delegation import SubAgents
from toolsim.actions import PutFile
from toolsim.errors import SimulationFailed
from toolsim.scaffolds import scaffold_for
from toolsim.scripted import ScriptedModel
from toolsim.simulator import SimulatorSettings, ToolSimulator
from toolsim.trajectory import Session, ToolCall
from toolsim.world import World

SESSION = Session("s", "claude-code", "test", lineage="s", cwd="/repo", started_at=1_750_000_000.0)
TASK = ToolCall("c1", "Task", {"description": "look", "prompt": "Write a note.", "subagent_type": "general-purpose"})


def _simulator(model: ScriptedModel, most_steps: int = 15) -> tuple[ToolSimulator, World]:
    scaffold = scaffold_for("claude-code")
    profile = scaffold.fit(SESSION, ())
    world = World.start(SESSION, profile, None, "/repo", as_of=1_750_000_000.0)
    world.apply(PutFile("/repo/a.txt", b"one\n"))
    simulator = ToolSimulator(scaffold, profile, SimulatorSettings(), SESSION, world.fork())
    tools = scaffold.tools(profile)
    simulator.delegate = SubAgents(lambda: ModelCandidate(model, SESSION, tools), simulator, 1, most_steps)
    return simulator, world


async def test_a_sub_agent_works_in_the_same_world_and_reports_its_last_words():
    read = ToolCall("x", "Read", {"file_path": "/repo/a.txt"})
    edit = ToolCall("y", "Edit", {"file_path": "/repo/a.txt", "old_string": "one", "new_string": "two"})
    model = ScriptedModel([read, edit, "The note says two."])
    simulator, world = _simulator(model)
    answer = await simulator.respond(TASK, world, ())
    assert "The note says two." in answer.result.content
    assert answer.rung == "computed"
    assert [step["tool"] for step in answer.evidence["sub_agent_steps"]] == ["Read", "Edit"]
    assert world.read("/repo/a.txt") == b"one\n"
    for mutation in answer.mutations:
        world.apply(mutation)
    assert world.read("/repo/a.txt") == b"two\n"
    assert model.requests[0].messages[-1]["content"] == "Write a note."


async def test_a_sub_agent_that_never_ends_stops_at_its_limit_and_goes_down_the_ladder():
    model = ScriptedModel(lambda _: ToolCall("x", "Read", {"file_path": "/repo/a.txt"}))
    simulator, world = _simulator(model, most_steps=2)
    with pytest.raises(SimulationFailed):
        await simulator.respond(TASK, world, ())


async def test_a_call_that_nothing_answers_fails_the_rollout_and_becomes_no_report():
    model = ScriptedModel([ToolCall("x", "WebFetch", {"url": "https://index.test", "prompt": "?"}), "It worked."])
    simulator, world = _simulator(model)
    with pytest.raises(SimulationFailed, match=r"WebFetch|no model"):
        await simulator.respond(TASK, world, ())

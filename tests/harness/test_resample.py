"""One rollout: what the simulator is asked, what the world is after each step, and how it ends."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest

from harness.candidate import ModelCandidate, Settings
from harness.delegation import SubAgents
from harness.ledger import ModelStep, ToolStep
from harness.resample import Limits
from harness.rows import End
from toolsim.errors import BudgetExceeded, EndpointError
from toolsim.modeltypes import Budget, ModelReply
from toolsim.rebuild import Fold
from toolsim.scripted import ScriptedModel
from toolsim.simulator import ToolSimulator
from toolsim.trajectory import Message, ToolCall, ToolResult, effects


def filled(schema):
    """A value that fits a JSON schema."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if isinstance(kind, list):
        return None if "null" in kind else filled({"type": kind[0]})
    if kind == "object":
        return {name: filled(part) for name, part in schema.get("properties", {}).items()}
    values = {"string": "simulated\n", "integer": schema.get("minimum", 0), "number": 0.5, "boolean": True, "array": []}
    return values[str(kind)]


def simulating(**model):
    """A simulator's model that answers every question with what its schema allows."""
    return ScriptedModel(lambda request: filled(request.schema), **model)


def acting(scene, *lines):
    """A candidate of its own that makes these calls and then says it is done."""
    return ModelCandidate(ScriptedModel(lines), scene.prefix.session, scene.tools, Settings(policy="native"))


def bash(*commands):
    return [ToolCall("", "Bash", {"command": c}) for c in commands]


WRITE = ToolCall("w", "Write", {"file_path": "/work/repo/new.txt", "content": "from the agent\n"})


# --- order, limits, failures ---------------------------------------------------------------------------------------


async def test_calls_of_one_message_reach_the_simulator_one_after_the_other_in_order(
    recorded, scene_of, rollout_of, ledger
):
    model = simulating()
    end = await rollout_of(scene_of(recorded()), ledger, model).run()
    assert end == End("completed", None, "end of the recording", {"steps": 5})
    assert [s.call.arguments["command"] for s in ledger.results] == ["ls", "cat a.py", "pytest -q"]
    assert [s.rung for s in ledger.results] == ["simulated"] * 3
    assert len(model.requests) == 3
    assert all(s.seconds > 0 and s.spent.model_calls == 1 for s in ledger.results)


@pytest.mark.parametrize(
    ("limits", "reason", "messages"),
    [
        (Limits(steps=2), "limit: steps", 2),
        (Limits(steps=1), "limit: steps", 1),
        (Limits(tokens=1), "limit: tokens", 1),
        (Limits(cost=0.0), "limit: cost", 0),
        (Limits(seconds=0.0), "limit: wall time", 0),
        (Limits(steps=None), "finished", 4),
    ],
)
async def test_a_limit_ends_the_rollout_as_completed_with_its_name(
    recorded, scene_of, rollout_of, ledger, limits, reason, messages
):
    scene = scene_of(recorded())
    candidate = acting(scene, *[bash(c) for c in ("ls", "cat a.py", "pytest -q")], "Done.")
    end = await rollout_of(scene, ledger, simulating(), candidate=candidate, forcing="none", limits=limits).run()
    assert (end.status, end.reason) == ("completed", reason)
    assert sum(isinstance(s, ModelStep) for s in ledger.steps) == messages


async def test_a_closed_rollout_is_freed_without_the_garbage_collector(recorded, scene_of, rollout_of, ledger):
    rollout = rollout_of(scene_of(recorded()), ledger, simulating())
    simulator, candidate = rollout.simulator, rollout.candidate
    simulator.delegate = SubAgents(lambda: candidate, simulator, 0)
    await rollout.run()
    await rollout.close()
    gc.disable()
    try:
        known = id(simulator)
        del rollout, simulator
        assert known not in {id(each) for each in gc.get_objects() if isinstance(each, ToolSimulator)}
    finally:
        gc.enable()


async def test_a_failed_simulator_fails_the_rollout_at_its_stage_and_never_becomes_a_result(
    recorded, scene_of, rollout_of, ledger
):
    scene = scene_of(recorded())
    rollout = rollout_of(scene, ledger, None, candidate=acting(scene, bash("ls"), "Done."), forcing="none")
    end = await rollout.run()
    assert (end.status, end.stage) == ("failed", "simulated")
    assert end.reason.startswith("SimulationFailed: simulated: no model")
    assert ledger.results == []


@pytest.mark.parametrize("problem", [EndpointError("connection refused"), "no JSON at all"])
async def test_a_simulator_whose_model_fails_is_a_failed_rollout(recorded, scene_of, rollout_of, ledger, problem):
    scene = scene_of(recorded())
    model = ScriptedModel(lambda _: problem)
    rollout = rollout_of(scene, ledger, model, candidate=acting(scene, bash("ls")), forcing="none")
    end = await rollout.run()
    assert (end.status, end.stage) == ("failed", "simulated")
    assert ledger.results == []


async def test_a_candidate_whose_model_fails_fails_the_rollout_there(recorded, scene_of, rollout_of, ledger):
    scene = scene_of(recorded())
    rollout = rollout_of(
        scene, ledger, simulating(), candidate=acting(scene, bash("ls"), EndpointError("down")), forcing="none"
    )
    assert await rollout.run() == End("failed", "candidate", "EndpointError: down")
    assert len(ledger.results) == 1


# --- budget and resume ---------------------------------------------------------------------------------------------


async def test_a_budget_leaves_the_rollout_open_and_it_goes_on_with_exactly_the_calls_that_are_missing(
    recorded, scene_of, rollout_of, ledger
):
    scene = scene_of(recorded(turns=[[["ls"], ["cat a.py", "pytest -q"]]]))
    poor = simulating(budget=Budget(max_calls=2))
    with pytest.raises(BudgetExceeded):
        await rollout_of(scene, ledger, poor).run()
    assert [s.call.arguments["command"] for s in ledger.results] == ["ls", "cat a.py"]
    rich = simulating()
    end = await rollout_of(scene, ledger, rich).run(ledger.steps)
    assert end == End("completed", None, "end of the recording", {"steps": 6})
    assert len(rich.requests) == 1
    assert [s.call.arguments["command"] for s in ledger.results] == ["ls", "cat a.py", "pytest -q"]


async def test_a_resumed_rollout_asks_what_an_unbroken_one_asks(recorded, scene_of, rollout_of, ledger):
    scene = scene_of(recorded())
    lines = (bash("ls"), bash("cat a.py", "pytest -q"), "Done.")
    whole = simulating()
    await rollout_of(scene, ledger, whole, candidate=acting(scene, *lines), forcing="none").run()
    for done in range(len(ledger.rows)):
        again = type(ledger)(list(ledger.rows[:done]))
        messages = sum(isinstance(s, ModelStep) for s in again.steps)
        model = simulating()
        rollout = rollout_of(scene, again, model, candidate=acting(scene, *lines[messages:]), forcing="none")
        assert (await rollout.run(again.steps)).status == "completed"
        assert model.requests == whole.requests[len(type(ledger)(ledger.rows[:done]).results) :]


async def test_a_rollout_that_had_ended_when_it_was_stopped_asks_nobody(recorded, scene_of, rollout_of, ledger):
    scene = scene_of(recorded())
    await rollout_of(scene, ledger, simulating()).run()
    model = simulating()
    before = list(ledger.rows)
    end = await rollout_of(scene, ledger, model).run(ledger.steps)
    assert (end.status, end.reason, model.requests, ledger.rows) == ("completed", "end of the recording", [], before)


# --- forcing -------------------------------------------------------------------------------------------------------


def with_a_file(recorded, *, failed=False):
    """The agent writes a file again and shows it; the record has another text than the world would hold."""
    first, write = (replace(WRITE, id=i, arguments={**WRITE.arguments, "content": f"{i}\n"}) for i in ("w0", "w1"))
    show = ToolCall("c1", "Bash", {"command": "cat new.txt"})
    trajectory = recorded(turns=[[["ls"]]])
    items = [
        Message("user", "Write it."),
        Message("assistant", "", "agent", calls=(first,)),
        Message("tool", "", "tool", result=ToolResult("w0", "File created")),
        *trajectory.items[:-1],
        Message("assistant", "", "agent", calls=(write,)),
        Message("tool", "", "tool", result=ToolResult("w1", "denied" if failed else "File created", is_error=failed)),
        Message("assistant", "", "agent", calls=(show,)),
        Message("tool", "", "tool", result=ToolResult("c1", "recorded text\n")),
        Message("assistant", "Done.", "agent"),
    ]
    return replace(trajectory, items=tuple(items))


def recorded_world(scene):
    """The world after the whole recorded turn."""
    world = scene.rebuilt.world.fork()
    fold = Fold(scene.prefix.session, scene.scaffold, world, refit=False)
    for message in effects(scene.reference.items):
        fold.take(message)
    return world


async def test_teacher_forcing_takes_the_record_in_so_that_the_world_is_the_recorded_one(
    recorded, scene_of, rollout_of, ledger
):
    scene = scene_of(with_a_file(recorded, failed=True))
    rollout = rollout_of(scene, ledger, simulating())
    await rollout.run()
    world = recorded_world(scene)
    assert rollout.world.overlay() == world.overlay()
    assert rollout.world.read("/work/repo/new.txt") == world.read("/work/repo/new.txt") == b"w0\n"
    assert [s.shown.content for s in ledger.results][-1] == "recorded text\n"
    assert all(s.taken_in and s.shown == s.recorded and s.answer is not None for s in ledger.results)


def edits_of_2_1_7(recorded):
    """A version that had two confirmations: the record of this session shows the short one."""
    write, one, two = (
        ToolCall(name, tool, {"file_path": "/work/repo/new.txt", **given})
        for name, tool, given in (
            ("w", "Write", {"content": "a\nb\n"}),
            ("e0", "Edit", {"old_string": "a", "new_string": "1"}),
            ("e1", "Edit", {"old_string": "b", "new_string": "2"}),
        )
    )
    trajectory = recorded(turns=[[["ls"]]], agent_version="2.1.7")
    items = [Message("user", "Write it."), *trajectory.items[1:-1]]
    for call, done in (
        (write, "File created successfully at: /work/repo/new.txt"),
        (one, "The file /work/repo/new.txt has been updated successfully."),
        (two, "The file /work/repo/new.txt has been updated successfully."),
    ):
        items += [Message("assistant", "", "agent", calls=(call,))]
        items += [Message("tool", "", "tool", result=ToolResult(call.id, done))]
    return replace(trajectory, items=tuple(items))


@pytest.mark.parametrize(("forcing", "rungs"), [("teacher", ["simulated", "computed"]), ("free", ["simulated"] * 2)])
async def test_the_forms_that_the_record_has_shown_are_used_where_it_is_taken_in(
    recorded, scene_of, rollout_of, ledger, forcing, rungs
):
    await rollout_of(scene_of(edits_of_2_1_7(recorded)), ledger, simulating(), forcing=forcing).run()
    assert [s.rung for s in ledger.results][-2:] == rungs


async def test_free_forcing_keeps_the_answers(recorded, scene_of, rollout_of, ledger):
    scene = scene_of(with_a_file(recorded, failed=True))
    rollout = rollout_of(scene, ledger, simulating(), forcing="free")
    await rollout.run()
    assert rollout.world.read("/work/repo/new.txt") == b"w1\n"
    assert not any(s.taken_in for s in ledger.results)
    assert all(s.shown == s.answer for s in ledger.results)
    assert [s.recorded.content for s in ledger.results][-1] == "recorded text\n"


@pytest.mark.parametrize("forcing", ["free", "teacher"])
async def test_a_resumed_rollout_has_the_world_of_an_unbroken_one(recorded, scene_of, rollout_of, ledger, forcing):
    scene = scene_of(with_a_file(recorded))
    whole = rollout_of(scene, ledger, simulating(), forcing=forcing)
    await whole.run()
    for done in range(len(ledger.rows)):
        again = type(ledger)(list(ledger.rows[:done]))
        rollout = rollout_of(scene, again, simulating(), forcing=forcing)
        await rollout.run(again.steps)
        assert rollout.world.overlay() == whole.world.overlay()
        assert rollout.world.cwd == whole.world.cwd
        assert [s.answer for s in again.results] == [s.answer for s in ledger.results]


@pytest.mark.parametrize("forcing", ["free", "teacher"])
async def test_a_recorded_call_that_nobody_can_answer_is_counted_and_the_record_goes_on(
    recorded, scene_of, rollout_of, ledger, forcing
):
    scene = scene_of(recorded())
    end = await rollout_of(scene, ledger, None, forcing=forcing).run()
    assert end.status == "completed"
    assert len(ledger.results) == 3
    for step in ledger.results:
        assert (step.answer, step.rung, step.taken_in) == (None, None, True)
        assert step.failure[0] == "simulated"
        assert step.shown == step.recorded


async def test_recorded_calls_without_a_result_are_left_out(recorded, scene_of, rollout_of, ledger):
    trajectory = recorded()
    interrupted = replace(
        trajectory, items=tuple(i for i in trajectory.items if i.result is None or i.result.call_id != "s1-1")
    )
    model = simulating()
    end = await rollout_of(scene_of(interrupted), ledger, model).run()
    assert end.status == "completed"
    assert [s.call.id for s in ledger.results] == ["s1-0", "s1-2"]
    assert [c.id for c in ledger.steps[0].message.calls] == ["s1-0", "s1-2"]
    assert len(model.requests) == 2


async def test_a_turn_whose_calls_were_all_interrupted_has_nothing_to_compare(recorded, scene_of, rollout_of, ledger):
    model = simulating()
    end = await rollout_of(scene_of(recorded(answered=False)), ledger, model).run()
    assert (end.status, end.reason) == ("completed", "end of the recording")
    assert (ledger.results, model.requests) == ([], [])


async def test_the_recorded_agent_takes_its_own_messages(recorded, scene_of, rollout_of, ledger):
    trajectory = recorded(turns=[[["ls"], ["cat a.py"]]])
    await rollout_of(scene_of(trajectory), ledger, simulating()).run()
    said = [s.message for s in ledger.steps if isinstance(s, ModelStep)]
    assert said == [i for i in trajectory.items if i.role == "assistant"]


async def test_the_scene_is_not_changed_by_a_rollout(recorded, scene_of, rollout_of, ledger):
    scene = scene_of(with_a_file(recorded))
    before = scene.rebuilt.world.overlay()
    await rollout_of(scene, ledger, simulating(), forcing="free").run()
    assert scene.rebuilt.world.overlay() == before


async def test_what_a_step_used_is_kept_with_it(recorded, scene_of, rollout_of, ledger):
    scene = scene_of(recorded())
    reply = ModelReply("Done.", cost=0.25)
    rollout = rollout_of(scene, ledger, simulating(), candidate=acting(scene, bash("ls"), reply), forcing="none")
    await rollout.run()
    first, answered, last = ledger.steps
    assert isinstance(answered, ToolStep)
    assert (answered.spent.model_calls, answered.spent.prompt_tokens > 0) == (1, True)
    assert (first.spent.model_calls, last.spent.cost) == (1, 0.25)

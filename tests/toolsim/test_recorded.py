"""The rung `recorded`: same call and same state, each result once, in order; network calls and polls by ordinal."""

from __future__ import annotations

import pytest

from toolsim.actions import Ask, Delegate, Edit, Grep, Opaque, Poll, PutFile, Read, Replacement, RunShell
from toolsim.errors import SimulationFailed
from toolsim.recorded import call_key, state_of
from toolsim.simulator import SimulatorSettings

FILES = {"a.py": "x = 1\n", "b.py": "y = 1\n", "sub/c.py": "z = 1\n"}
ONLY = SimulatorSettings(rungs=frozenset({"recorded"}))
BOTH = SimulatorSettings(rungs=frozenset({"recorded", "computed"}))
BASH = "Bash"


def bash(command: str, content: str) -> tuple[str, dict, str]:
    return (BASH, {"command": command, "description": "why"}, content)


WRITE = ("Write", {"file_path": "/repo/a.py", "content": "x = 2\n"}, "The file /repo/a.py has been updated.")


async def answers(made, *commands: str) -> list[str | None]:
    found: list[str | None] = []
    for command in commands:
        try:
            found.append((await made.respond(BASH, command=command, description="another reason")).result.content)
        except SimulationFailed:
            found.append(None)
    return found


async def test_each_recorded_result_answers_once(bench):
    made = bench(FILES, reference=(bash("make", "done"),), settings=ONLY)
    assert await answers(made, "make", "make") == ["done", None]


async def test_the_same_call_in_another_state_is_not_answered(bench):
    made = bench(FILES, reference=(bash("make", "before"), WRITE, bash("make", "after")), settings=BOTH)
    assert await answers(made, "make") == ["before"]
    await made.respond("Write", file_path="/repo/a.py", content="x = 3\n")
    assert await answers(made, "make") == [None]


async def test_the_recorded_result_of_a_later_state_answers_once_that_state_is_reached(bench):
    made = bench(FILES, reference=(bash("git log", "before"), WRITE, bash("git log", "after")), settings=BOTH)
    await made.respond("Write", file_path="/repo/a.py", content="x = 2\n")
    assert await answers(made, "git log", "git log") == ["after", None]


async def test_network_calls_are_answered_in_recorded_order_whatever_the_files(bench):
    reference = (bash("gh pr view 1", "open"), WRITE, bash("gh pr view 1", "merged"))
    made = bench(FILES, reference=reference, settings=BOTH)
    await made.respond("Write", file_path="/repo/new.py", content="q = 1\n")
    assert await answers(made, "gh pr view 1", "gh pr view 1", "gh pr view 1") == ["open", "merged", None]


async def test_a_read_depends_on_its_own_file_only(bench):
    reference = (("Read", {"file_path": "/repo/b.py"}, "     1→y = recorded"),)
    made = bench(FILES, reference=reference, settings=BOTH)
    await made.respond("Write", file_path="/repo/new.py", content="q = 1\n")
    answer = await made.respond("Read", file_path="/repo/b.py")
    assert (answer.rung, answer.result.content) == ("recorded", "     1→y = recorded")


async def test_a_resumed_rollout_does_not_use_a_result_again(bench):
    reference = (bash("make", "first"),)
    made = bench(FILES, reference=reference, settings=ONLY)
    answer = await made.respond(BASH, command="make")
    again = bench(FILES, reference=reference, settings=ONLY)
    again.simulator.resume([answer.evidence])
    assert await answers(again, "make") == [None]


async def test_rollouts_that_share_the_folded_reference_each_use_its_results(bench):
    made, again = (bench(FILES, reference=(bash("make", "first"), WRITE), settings=ONLY) for _ in range(2))
    again.simulator.share_record(made.simulator.record.folded)

    assert again.simulator.record.entries is made.simulator.record.entries
    assert await answers(made, "make", "make") == ["first", None]
    assert await answers(again, "make", "make") == ["first", None]


async def test_results_bear_the_id_of_the_call_that_was_made(bench):
    made = bench(FILES, reference=(bash("make", "done"),), settings=ONLY)
    assert (await made.respond(BASH, command="make")).result.call_id == "call_0"


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (RunShell("ls ", "/repo", timeout=3), RunShell("ls", "/repo/", timeout=9), True),
        (RunShell("ls", "/repo"), RunShell("ls", "/repo/sub"), False),
        (Read("/repo/./a.py"), Read("/repo/a.py"), True),
        (Read("/repo/a.py", 1), Read("/repo/a.py"), False),
        (Edit("/repo/a.py", (Replacement("a", "b"),)), Edit("/repo/a.py", (Replacement("a", "c"),)), False),
        (Delegate("look "), Delegate("look"), True),
        (Ask("Which?"), Ask(" Which?"), True),
        (Opaque("f", {"a": 1}), Opaque("f", {"a": 2}), False),
    ],
)
def test_calls_that_do_the_same_have_one_key(bench, left, right, same):
    world = bench(FILES).world
    assert (call_key(left, world) == call_key(right, world)) is same


@pytest.mark.parametrize(
    ("action", "changed", "depends"),
    [
        (Read("/repo/a.py"), "/repo/a.py", True),
        (Read("/repo/a.py"), "/repo/b.py", False),
        (Grep("x", "/repo/sub"), "/repo/sub/c.py", True),
        (Grep("x", "/repo/sub"), "/repo/a.py", False),
        (RunShell("pytest"), "/repo/sub/c.py", True),
        (RunShell("curl https://x.test"), "/repo/sub/c.py", False),
        (Poll("1"), "/repo/a.py", False),
        (Delegate("look"), "/repo/a.py", True),
    ],
)
def test_a_call_depends_on_the_files_that_its_tool_reads(bench, action, changed, depends):
    world = bench(FILES).world
    before = state_of(action, world)
    world.apply(PutFile(changed, b"new\n"))
    assert (state_of(action, world) != before) is depends

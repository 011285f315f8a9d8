from __future__ import annotations

import pytest

from toolsim.actions import (
    Ask,
    Change,
    Changed,
    Edit,
    FileText,
    Glob,
    Grep,
    Invalid,
    Kill,
    MarkRead,
    Note,
    Noted,
    Opaque,
    Poll,
    Problem,
    PutFile,
    Read,
    Replacement,
    Reply,
    RunShell,
    Seen,
    ShellOutput,
    StartProcess,
    Unknown,
    Write,
)
from toolsim.scaffolds.base import STATE, Rendered, shell_env
from toolsim.scaffolds.copilot import COPILOT
from toolsim.trajectory import Message, Session, ToolCall, ToolResult
from toolsim.world import World

SESSION = Session("s", "copilot", "t", "l", cwd="/repo")


def bash(number):
    return ToolCall(f"call_{number}", "bash", {"command": "x"})


def profile(*results, unanswered=0):
    calls = tuple(bash(n) for n in range(len(results) + unanswered))
    messages = [Message("assistant", calls=calls)] if calls else []
    messages += [Message("tool", result=ToolResult(f"call_{n}", text)) for n, text in enumerate(results)]
    return COPILOT.fit(SESSION, messages)


def done(number, output="ok\n", code=0):
    return f"{output}<shellId: {number} completed with exit code {code}>"


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("bash", {"command": "ls"}, RunShell("ls", "/repo")),
        ("bash", {}, Invalid("command is required")),
        ("view", {"path": "/repo/a"}, Read("/repo/a")),
        ("view", {"path": "/repo/a", "view_range": [3, 5]}, Read("/repo/a", 3, 3)),
        ("view", {"path": "/repo/a", "view_range": [3, -1]}, Read("/repo/a", 3)),
        ("view", {"path": "/repo/a", "view_range": "3"}, Invalid("view_range must be two integers")),
        ("create", {"path": "/repo/a", "file_text": "x"}, Write("/repo/a", "x", must_be_new=True)),
        ("edit", {"path": "a", "old_str": "x", "new_str": "y"}, Edit("/repo/a", (Replacement("x", "y"),))),
        ("read_bash", {"shellId": "2", "delay": 5}, Poll("2")),
        ("stop_bash", {"shellId": "2"}, Kill("2")),
        ("glob", {"pattern": "*.py"}, Glob("*.py", "/repo")),
        ("grep", {"pattern": "x"}, Grep("x", "/repo", {"pattern": "x"})),
        ("ask_user", {"question": "Which?", "choices": ["a", "b"]}, Ask("Which?", ("a", "b"))),
        ("report_intent", {"intent": "x"}, Note("report_intent", {"intent": "x"})),
        ("web_fetch", {"url": "u"}, Opaque("web_fetch", {"url": "u"}, network=True)),
    ],
)
def test_calls_become_actions(name, given, expected):
    assert COPILOT.action(ToolCall("1", name, given), profile(), "/repo") == expected


def ran(world, call, output="ok\n", **fields):
    outcome = ShellOutput(output, output, "", None if fields else 0, **fields)
    shown = COPILOT.render(call, RunShell("x", "/repo"), outcome, world.profile, world.env)
    assert isinstance(shown, Rendered)
    for mutation in shown.mutations:
        world.apply(mutation)
    return shown.content


def test_shell_ids_count_up_from_those_of_the_prefix_and_leave_no_variable():
    world = World.start(SESSION, profile(done(0), done(1)))
    assert [ran(world, bash(f"new{n}")) for n in range(3)] == [done(2), done(3), done(4)]
    assert all(name.startswith(STATE) for name in world.env)
    assert shell_env({**world.env, "HOME": "/root"}) == {"HOME": "/root"}


def test_calls_of_one_message_get_their_ids_in_the_order_of_the_calls():
    world = World.start(SESSION, profile(done(0), unanswered=3))
    assert [ran(world, bash(n)) for n in (3, 1, 2)] == [done(3), done(1), done(2)]


def test_an_empty_output_leaves_an_empty_line():
    assert ran(World.start(SESSION, profile(done(0))), bash(5), "") == done(1, "\n")


@pytest.mark.parametrize(
    ("output", "head"),
    [
        ("", ("<command with shellId: 1 is still running after 30 seconds. The command is still running but hasn't "
             "produced output yet. Use read_bash to continue waiting, or stop_bash to stop it.>")),
        ("half\n", ("half\n<command with shellId: 1 is still running after 30 seconds. The command is still running. "
                   "Use read_bash to continue waiting for output, or stop_bash to stop it.>")),
    ],
)  # fmt: skip
def test_a_command_that_goes_on_names_its_shell(output, head):
    text = ran(World.start(SESSION, profile(done(0))), bash(5), output, running="1")
    assert text == head
    action = RunShell("x", "/repo")
    assert COPILOT.raw(bash(5), action, ToolResult("1", text), profile(done(0))) == output
    assert StartProcess("1", "x") in COPILOT.observe(bash(5), action, ToolResult("1", text), profile(done(0)))


def test_older_versions_show_the_output_alone():
    form = profile("line\n")
    assert form.parameters["form"] == "plain"
    assert ran(World.start(SESSION, form), bash(5)) == "ok\n"
    assert COPILOT.raw(bash(5), RunShell("x"), ToolResult("1", "ok\n"), form) == "ok\n"


@pytest.mark.parametrize(
    ("call", "action", "outcome", "expected"),
    [
        ("view", Read("/a"), FileText("/a", "one\ntwo\n"), "1. one\n2. two\n3. "),
        ("view", Read("/a", 2, 1), FileText("/a", "one\ntwo\n"), "2. two"),
        ("view", Read("/a", 2, 9), FileText("/a", "one\ntwo"), "2. two"),
        ("view", Read("/a"), Problem("missing", "/a"), "Path does not exist"),
        ("create", Write("/a", "four"), Changed((Change("/a", None, "four"),)), "Created file /a with 4 characters"),
        ("edit", Edit("/a", ()), Changed((Change("/a", "x", "y"),)), "File /a updated with changes."),
        ("report_intent", Note("report_intent"), Noted(), "Intent logged"),
        ("stop_bash", Kill("3"), Reply("sleep 9"), "<command with id: 3 stopped>"),
        ("ask_user", Ask("?", ("a",)), Reply("a"), "User selected: a"),
        ("ask_user", Ask("?", ("a",)), Reply("neither"), "User responded: neither"),
    ],
)
def test_results_have_the_products_form(call, action, outcome, expected):
    shown = COPILOT.render(ToolCall("1", call), action, outcome, profile())
    assert isinstance(shown, Rendered)
    assert shown.content == expected


@pytest.mark.parametrize(
    ("action", "outcome"),
    [
        (Read("/a"), FileText("/a", "x" * 30_000)),
        (Read("/a", 9), FileText("/a", "one\n")),
        (Edit("/a", ()), Problem("missing", "/a")),
        (Poll("1"), Problem("no_process")),
    ],
)
def test_what_no_record_shows_is_not_answered(action, outcome):
    assert isinstance(COPILOT.render(ToolCall("1", "x"), action, outcome, profile()), Unknown)


@pytest.mark.parametrize(
    ("action", "text", "expected"),
    [
        (Read("/a"), "1. one\n2. two\n3. ", (Seen("/a", "one\ntwo\n", 1, True), MarkRead("/a"))),
        (Read("/a", 2, 1), "2. two", (Seen("/a", "two", 2, False), MarkRead("/a"))),
        (Read("/a"), "not numbered", (MarkRead("/a"),)),
        (Write("/a", "x"), "Created file /a with 1 characters", (PutFile("/a", b"x"), MarkRead("/a"))),
        (Edit("/a", ()), "File /a updated with changes.", (MarkRead("/a"),)),
    ],
)
def test_records_show_files(action, text, expected):
    assert COPILOT.observe(ToolCall("1", "x"), action, ToolResult("1", text), profile()) == expected

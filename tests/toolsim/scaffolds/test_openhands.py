from __future__ import annotations

import pytest

from toolsim.actions import (
    Edit,
    Invalid,
    MarkRead,
    Note,
    Noted,
    Opaque,
    Poll,
    Problem,
    PutFile,
    Read,
    RemovePath,
    Replacement,
    RunShell,
    ShellOutput,
    Unknown,
)
from toolsim.scaffolds.base import Rendered
from toolsim.scaffolds.openhands import OPENHANDS
from toolsim.trajectory import Message, Session, ToolCall, ToolResult
from toolsim.world import World

SESSION = Session("s", "openhands", "t", "l", cwd="/w")
RUN = ToolCall("1", "execute_bash", {"command": "x"})
ENDED = (
    "ok\n[The command completed with exit code 0.]\n[Current working directory: /w]\n"
    "[Python interpreter: /usr/bin/python]\n[Command finished with exit code 0]"
)
SHIFTED = (
    "The file /w/z has been edited. Here's the result of running `cat -n` on a snippet of /w/z:\n"
    "     3\ta\n     4\t\nReview the changes and make sure they are as expected."
)


def profile(*results):
    return OPENHANDS.fit(SESSION, [Message("tool", result=ToolResult(str(n), t)) for n, t in enumerate(results)])


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (RUN, RunShell("x", "/w", session="main")),
        (ToolCall("1", "execute_bash", {"command": "y", "is_input": "true"}), Poll("main", "y")),
        (ToolCall("1", "execute_bash", {"command": 3}), Invalid("Missing command")),
        (ToolCall("1", "str_replace_editor", {"command": "view", "path": "/w/a"}), Read("/w/a")),
        (ToolCall("1", "think", {"thought": "so"}), Note("thought", {"thought": "so"})),
        (ToolCall("1", "browser", {}), Opaque("browser", {}, network=True)),
        (ToolCall("1", "finish", {}), Opaque("finish", {})),
    ],
)
def test_calls_become_actions(call, expected):
    assert OPENHANDS.action(call, profile(), "/w") == expected


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([], "ok"),
        (["plain"], "ok"),
        ([ENDED], ENDED),
        ([ENDED.replace("[Python interpreter: /usr/bin/python]\n", "")],
         ENDED.replace("[Python interpreter: /usr/bin/python]\n", "")),
    ],
)  # fmt: skip
def test_what_stands_below_an_output_is_taken_from_the_prefix(results, expected):
    form = profile(*results)
    assert OPENHANDS.render(RUN, RunShell("x"), ShellOutput("ok\n", "ok\n", "", 0), form) == Rendered(expected, None, 0)
    assert OPENHANDS.raw(RUN, RunShell("x"), ToolResult("1", expected), form) == "ok\n"


def test_a_command_that_goes_on_has_no_output_of_its_own():
    text = "half\n[The command has no new output after 30 seconds. You may wait longer.]"
    assert OPENHANDS.raw(RUN, RunShell("x"), ToolResult("1", text), profile()) is None
    outcome = ShellOutput("", "", "", None, timed_out=True)
    assert isinstance(OPENHANDS.render(RUN, RunShell("x"), outcome, profile()), Unknown)


def edited(form, name="a.txt", **given):
    world = World.start(SESSION, form)
    world.apply(PutFile("/w/a.txt", "".join(f"{n}\n" for n in range(1, 31)).encode()))
    world.apply(PutFile("/w/tabs.txt", b"a\tb\n"))
    world.apply(RemovePath("/w/no.txt"))
    call = ToolCall("1", "str_replace_editor", {"command": "str_replace", "path": f"/w/{name}", **given})
    action = OPENHANDS.action(call, form, "/w")
    outcome, _ = world.perform(action)
    return OPENHANDS.render(call, action, outcome, form)


def test_snippets_are_numbered_as_the_version_of_the_prefix_does():
    shifted = edited(profile(SHIFTED), old_str="15\n", new_str="x\n")
    assert isinstance(shifted, Rendered)
    assert "snippet of /w/a.txt:\n    12\t11\n" in shifted.content
    assert "    16\tx\n" in shifted.content
    assert "    21\t20\n    22\t\nReview" in shifted.content
    plain = edited(profile(SHIFTED.replace("     4\t\n", "     4\tb\n")), old_str="15\n", new_str="x\n")
    assert isinstance(plain, Rendered)
    assert "snippet of /w/a.txt:\n    11\t11\n" in plain.content
    assert "    20\t20\nReview" in plain.content


@pytest.mark.parametrize(
    ("form", "given"),
    [
        (profile(), {"old_str": "15\n", "new_str": "x\n"}),
        (profile(SHIFTED), {"old_str": "1\n2\n", "new_str": "x\n"}),
        (profile(SHIFTED), {"name": "tabs.txt", "old_str": "a", "new_str": "b"}),
        (profile(SHIFTED), {"command": "insert", "insert_line": 3, "new_str": "x"}),
        (profile(), {"command": "view", "view_range": [2, 4]}),
        (profile(SHIFTED), {"command": "view", "view_range": [29, 40]}),
    ],
)
def test_what_versions_do_differently_is_not_answered(form, given):
    assert isinstance(edited(form, **given), Unknown)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": "no.txt", "old_str": "a"},
         ("ERROR:\nInvalid `path` parameter: /w/no.txt. "
         "The path /w/no.txt does not exist. Please provide a valid path.")),
        ({"old_str": "zz"}, "ERROR:\nNo replacement was performed, old_str `zz` did not appear verbatim in /w/a.txt."),
        ({"command": "create", "file_text": ""},
         ("ERROR:\nInvalid `path` parameter: /w/a.txt. File already exists at: /w/a.txt. "
         "Cannot overwrite files using command `create`.")),
    ],
)  # fmt: skip
def test_refusals_are_in_the_words_of_the_editor(given, expected):
    assert edited(profile(), **given) == Rendered(expected, True)


def test_a_thought_is_logged():
    answer = OPENHANDS.render(ToolCall("1", "think"), Note("thought"), Noted(), profile())
    assert answer == Rendered("Your thought has been logged.")


def test_edits_that_succeeded_are_followed_and_others_not():
    action = Edit("/w/z", (Replacement("a", "b"),))
    call = ToolCall("1", "str_replace_editor")
    assert OPENHANDS.observe(call, action, ToolResult("1", SHIFTED), profile()) == (MarkRead("/w/z"),)
    assert OPENHANDS.observe(call, action, ToolResult("1", "ERROR:\nno"), profile()) == ()
    assert isinstance(OPENHANDS.render(call, Poll("main"), Problem("no_process"), profile()), Unknown)

from __future__ import annotations

import pytest

from toolsim.actions import (
    FileText,
    Invalid,
    Note,
    Opaque,
    Problem,
    PutFile,
    Read,
    Reply,
    RunShell,
    ShellOutput,
    Unknown,
    Write,
)
from toolsim.scaffolds import SCAFFOLDS, scaffold_for
from toolsim.scaffolds.generic import GENERIC
from toolsim.trajectory import Session, ToolCall, ToolResult

PROFILE = GENERIC.fit(Session("s", "pi", "pi", "l", cwd="/w"), ())


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("bash", {"command": "ls"}, RunShell("ls", "/w")),
        ("shell", {"command": ["git", "status"]}, RunShell("git status", "/w")),
        ("read_file", {"path": "a.py"}, Read("/w/a.py")),
        ("read_file", {"path": "a.py", "start_line": 3}, Opaque("read_file", {"path": "a.py", "start_line": 3})),
        ("write_file", {"path": "/x", "content": "y"}, Write("/x", "y")),
        ("think", {"thought": "hm"}, Note("think", {"thought": "hm"})),
        ("bash", {"nothing": 1}, Opaque("bash", {"nothing": 1})),
        ("frobnicate", {}, Opaque("frobnicate", {})),
    ],
)
def test_calls_are_recognised_by_name_and_shape(name, arguments, expected):
    assert GENERIC.action(ToolCall("1", name, arguments), PROFILE, "/w") == expected


def test_only_plain_text_is_rendered():
    call = ToolCall("1", "x")
    assert GENERIC.render(call, Opaque("x"), Reply("text", True), PROFILE).content == "text"
    assert GENERIC.render(call, RunShell("x"), ShellOutput("o", "o", "", 3), PROFILE).exit_code == 3
    assert GENERIC.render(call, Invalid("no"), Problem("invalid", None, {"message": "no"}), PROFILE).content == "no"
    assert isinstance(GENERIC.render(call, Read("/a"), FileText("/a", "t"), PROFILE), Unknown)
    assert isinstance(GENERIC.render(call, Write("/a", "t"), Problem("exists"), PROFILE), Unknown)


def test_what_raw_gives_renders_to_the_record_again():
    call, result = ToolCall("1", "bash", {"command": "ls"}), ToolResult("1", "a\nb")
    action = GENERIC.action(call, PROFILE, "/w")
    text = GENERIC.raw(call, action, result, PROFILE)
    assert GENERIC.render(call, action, ShellOutput(text, text, "", 0), PROFILE).content == result.content


def test_a_recorded_write_puts_its_content_unless_it_failed():
    call = ToolCall("1", "write_file", {"path": "/x", "content": "y"})
    action = GENERIC.action(call, PROFILE, "/w")
    assert GENERIC.observe(call, action, ToolResult("1", "ok"), PROFILE) == (PutFile("/x", b"y"),)
    assert GENERIC.observe(call, action, ToolResult("1", "no", is_error=True), PROFILE) == ()


def test_every_scaffold_goes_by_its_own_name_and_strangers_are_generic():
    assert all(scaffold.name == name for name, scaffold in SCAFFOLDS.items())
    assert scaffold_for("somebody-else") is GENERIC

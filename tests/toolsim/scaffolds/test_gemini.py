from __future__ import annotations

import re

import pytest

from toolsim.actions import (
    Change,
    Changed,
    Edit,
    FileText,
    Glob,
    Grep,
    Invalid,
    ListDirectory,
    MarkRead,
    Note,
    Opaque,
    Problem,
    PutFile,
    Read,
    Replacement,
    RunShell,
    Seen,
    ShellOutput,
    Unknown,
    Write,
)
from toolsim.scaffolds.base import Rendered
from toolsim.scaffolds.gemini import GEMINI
from toolsim.trajectory import Message, Session, ToolCall, ToolResult

FIELDS = (
    "Command: x\nDirectory: (root)\nOutput: ok\nError: (none)\nExit Code: 0\nSignal: 0\nBackground PIDs: (none)\n"
    "Process Group PGID: 4242"
)
BRIEF = "Output: ok\nProcess Group PGID: 4242"
SHELL = ToolCall("1", "run_shell_command", {"command": "x"})


def profile(*results, cwd="/Users/me/repo"):
    messages = [Message("tool", result=ToolResult(str(n), text)) for n, text in enumerate(results)]
    return GEMINI.fit(Session("s", "gemini", "t", "l", cwd=cwd), messages)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("run_shell_command", {"command": "ls", "dir_path": "src"}, RunShell("ls", "/r/src")),
        ("run_shell_command", {}, Invalid("command is required")),
        ("read_file", {"file_path": "a"}, Read("/r/a")),
        ("read_file", {"absolute_path": "/r/a", "offset": 10, "limit": 5}, Read("/r/a", 11, 5)),
        ("write_file", {"file_path": "a", "content": "x"}, Write("/r/a", "x")),
        ("replace", {"file_path": "a", "old_string": "x", "new_string": "y"}, Edit("/r/a", (Replacement("x", "y"),))),
        ("replace", {"file_path": "a", "old_string": "x", "new_string": "y", "expected_replacements": 2},
         Edit("/r/a", (Replacement("x", "y", True),))),
        ("list_directory", {"dir_path": "src"}, ListDirectory("/r/src")),
        ("glob", {"pattern": "*.go"}, Glob("*.go", "/r")),
        ("search_file_content", {"pattern": "x"}, Grep("x", "/r", {"pattern": "x"})),
        ("write_todos", {"todos": []}, Note("write_todos", {"todos": []})),
        ("google_web_search", {"query": "q"}, Opaque("google_web_search", {"query": "q"}, network=True)),
    ],
)  # fmt: skip
def test_calls_become_actions(name, given, expected):
    assert GEMINI.action(ToolCall("1", name, given), profile(), "/r") == expected


@pytest.mark.parametrize(("text", "form"), [(FIELDS, "fields"), (BRIEF, "brief")])
def test_the_shell_block_is_the_one_of_the_prefix(text, form):
    fitted = profile(text)
    assert fitted.parameters["shell_form"] == form
    shown = GEMINI.render(SHELL, RunShell("x"), ShellOutput("ok\n", "ok\n", "", 0), fitted)
    assert isinstance(shown, Rendered)
    assert re.sub(r"PGID: \d+", "PGID: 4242", shown.content) == text
    assert GEMINI.raw(SHELL, RunShell("x"), ToolResult("1", text), fitted) == "ok\n"


def test_failures_and_silence_are_shown():
    shown = GEMINI.render(SHELL, RunShell("x"), ShellOutput("", "", "", 2), profile(BRIEF))
    assert isinstance(shown, Rendered)
    assert shown.content.startswith("Output: (empty)\nExit Code: 2\nProcess Group PGID: ")
    assert GEMINI.raw(SHELL, RunShell("x"), ToolResult("1", shown.content), profile(BRIEF)) == ""


@pytest.mark.parametrize("text", [FIELDS.replace("(none)\nExit", "spawn ENOENT\nExit"), FIELDS[:20], "Command blocked"])
def test_blocks_that_hold_more_than_the_output_are_not_taken_apart(text):
    assert GEMINI.raw(SHELL, RunShell("x"), ToolResult("1", text), profile(FIELDS)) is None


WRITE = ToolCall("1", "write_file", {"file_path": "/r/a", "content": "x"})
REPLACE = ToolCall("1", "replace", {"file_path": "/r/a"})
READ = ToolCall("1", "read_file", {"file_path": "/r/a"})


@pytest.mark.parametrize(
    ("call", "action", "outcome", "expected"),
    [
        (READ, Read("/r/a"), FileText("/r/a", "one\n"), "one\n"),
        (READ, Read("/r/a"), Problem("missing", "/r/a"), "File not found: /r/a"),
        (WRITE, Write("/r/a", "x"), Changed((Change("/r/a", None, "x"),)),
         "Successfully created and wrote to new file: /r/a."),
        (WRITE, Write("/r/a", "x"), Changed((Change("/r/a", "", "x"),)), "Successfully overwrote file: /r/a."),
        (REPLACE, Edit("/r/a", (Replacement("x", "y", True),)), Changed((Change("/r/a", "xx", "yy"),)),
         "Successfully modified file: /r/a (2 replacements)."),
        (REPLACE, Edit("/r/a", (Replacement("", "y"),)), Changed((Change("/r/a", None, "y"),)),
         "Created new file: /r/a with provided content."),
    ],
)  # fmt: skip
def test_file_tools_confirm_in_short(call, action, outcome, expected):
    shown = GEMINI.render(call, action, outcome, profile())
    assert isinstance(shown, Rendered)
    assert shown.content == expected


@pytest.mark.parametrize(
    ("call", "action", "outcome", "form"),
    [
        (READ, Read("/r/a", 2, 3), FileText("/r/a", "one\n"), profile()),
        (READ, Read("/r/a"), FileText("/r/a", "one\n" * 2_000), profile()),
        (READ, Read("/r/a"), FileText("/r/a", "x" * 2_001), profile()),
        (WRITE, Write("/r/a", "x"), Changed((Change("/r/a", None, "x"),)),
         profile("Successfully overwrote file: /r/b. Here is the updated code:\nx")),
        (ToolCall("1", "write_file", {"file_path": "a"}), Write("/a", "x"), Changed((Change("/a", None, "x"),)),
         profile(cwd=None)),
    ],
)  # fmt: skip
def test_what_is_not_certain_is_not_answered(call, action, outcome, form):
    assert isinstance(GEMINI.render(call, action, outcome, form), Unknown)


@pytest.mark.parametrize(
    ("action", "text", "expected"),
    [
        (Read("/r/a"), "one\n", (Seen("/r/a", "one\n", whole=True), MarkRead("/r/a"))),
        (Read("/r/a", 2), "one\n", ()),
        (Read("/r/a"), "File not found: /r/a", ()),
        (Write("/r/a", "x"), "Successfully overwrote file: /r/a.", (PutFile("/r/a", b"x"),)),
        (Edit("/r/a", ()), "Successfully modified file: /r/a (1 replacements).", (MarkRead("/r/a"),)),
        (Edit("/r/a", ()), "Failed to edit, could not find the string to replace.", ()),
    ],
)
def test_records_show_files(action, text, expected):
    assert GEMINI.observe(READ, action, ToolResult("1", text), profile()) == expected

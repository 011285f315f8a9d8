from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolsim.actions import (
    Ask,
    Delegate,
    EndProcess,
    Invalid,
    Note,
    Opaque,
    Patch,
    Poll,
    Problem,
    PutFile,
    RunShell,
    ShellOutput,
    StartProcess,
    Unknown,
)
from toolsim.scaffolds.base import Rendered
from toolsim.scaffolds.codex import CODEX, estimated_tokens, truncate
from toolsim.trajectory import Message, Session, ToolCall, ToolResult
from toolsim.world import World


def profile(version="0.142.0", *results):
    calls = tuple(ToolCall(str(n), "exec_command", {"cmd": "x"}) for n in range(len(results)))
    messages = [Message("assistant", calls=calls)]
    messages += [Message("tool", result=ToolResult(str(n), text)) for n, text in enumerate(results)]
    return CODEX.fit(Session("s", "codex", "t", "l", cwd="/repo", agent_version=version), messages)


CHUNK = (
    "Chunk ID: a1b2c3\nWall time: 0.0500 seconds\nProcess exited with code 0\nOriginal token count: 1\nOutput:\nok\n"
)
NEW = profile()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (ToolCall("1", "exec_command", {"cmd": "ls", "workdir": "src"}), RunShell("ls", "/repo/src")),
        (ToolCall("1", "shell", {"command": ["bash", "-lc", "ls"]}),
         RunShell("ls", "/repo", argv=("bash", "-lc", "ls"))),
        (ToolCall("1", "shell", {"command": ["ls", "a b"], "timeout_ms": 2000}),
         RunShell("ls 'a b'", "/repo", 2.0, argv=("ls", "a b"))),
        (ToolCall("1", "exec_command", {}), Invalid("failed to parse function arguments: missing field `cmd`")),
        (ToolCall("1", "apply_patch", raw="*** Begin Patch"), Patch("*** Begin Patch", "/repo")),
        (ToolCall("1", "functions.apply_patch", {"input": "x"}), Patch("x", "/repo")),
        (ToolCall("1", "write_stdin", {"session_id": 7, "chars": "y\n"}), Poll("7", "y\n")),
        (ToolCall("1", "update_plan", {"plan": []}), Note("plan", {"plan": []})),
        (ToolCall("1", "request_user_input", {"q": "?"}), Ask('{"q": "?"}')),
        (ToolCall("1", "spawn_agent", {"message": "look"}), Delegate("look", "spawn_agent")),
        (ToolCall("1", "mcp__a__b", {}), Opaque("mcp__a__b", {}, network=True)),
        (ToolCall("1", "view_image", {"path": "x.png"}), Opaque("view_image", {"path": "x.png"}, network=True)),
    ],
)  # fmt: skip
def test_calls_become_actions(call, expected):
    assert CODEX.action(call, NEW, "/repo") == expected


def shown(output, form, code=0, running=None, **arguments):
    call = ToolCall("1", "exec_command", {"cmd": "x", **arguments})
    return CODEX.render(call, CODEX.action(call, form, "/repo"), ShellOutput(output, output, "", code, 0.05,
                        running=running), form)  # fmt: skip


@pytest.mark.parametrize(
    ("results", "form"),
    [
        ([CHUNK], "chunk"),
        (["Exit code: 0\nWall time: 0.1 seconds\nOutput:\nok\n"], "exit"),
        (['{"output": "ok", "metadata": {"exit_code": 0, "duration_seconds": 0.1}}'], "json"),
        (["unheard of"], "chunk"),
    ],
)
def test_the_output_form_is_the_one_of_the_prefix(results, form):
    fitted = profile("0.142.0", *results)
    assert fitted.parameters["exec_form"] == form
    assert fitted.unexplained == (results == ["unheard of"])


@pytest.mark.parametrize(
    ("role", "origin", "shell"), [("user", "harness", "zsh"), ("user", "user", "bash"), ("tool", "tool", "bash")]
)
def test_the_shell_is_the_one_that_the_scaffold_tells_its_model_of(role, origin, shell):
    told = "<environment_context>\n  <cwd>/r</cwd>\n  <shell>zsh</shell>\n</environment_context>"
    session = Session("s", "codex", "f", "l", cwd="/r")
    assert CODEX.fit(session, [Message(role, told, origin=origin)]).shell == shell


def test_an_output_stands_under_its_header():
    text = shown("ok\n", NEW)
    assert isinstance(text, Rendered)
    assert text.content.partition("\n")[2] == CHUNK.partition("\n")[2]
    assert text.exit_code == 0


def test_a_process_that_goes_on_is_named_by_its_session():
    text = shown("", NEW, code=None, running="41")
    assert isinstance(text, Rendered)
    assert "\nProcess running with session ID 41\nOriginal token count: 0\nOutput:\n" in text.content


@pytest.mark.parametrize(
    "text",
    [
        "Exit code: 0\nWall time: 0.1 seconds\nOutput:\nok é\n",
        '{"output":"ok é\\n","metadata":{"exit_code":0,"duration_seconds":0.1}}',
    ],
)
def test_the_older_forms_are_taken_apart_and_put_back(text):
    form = profile("0.60.0", text)
    call = ToolCall("1", "shell", {"command": "x"})
    output = CODEX.raw(call, RunShell("x"), ToolResult("1", text), form)
    assert output == "ok é\n"
    again = CODEX.render(call, RunShell("x"), ShellOutput(output, output, "", 0, 0.1), form)
    assert again == Rendered(text, None, 0)


def test_an_older_output_that_says_it_was_shortened_is_not_taken_apart():
    text = "Exit code: 0\nWall time: 0.1 seconds\nTotal output lines: 900\nOutput:\nhead\n[... omitted ...]\ntail"
    assert CODEX.raw(ToolCall("1", "shell"), RunShell("x"), ToolResult("1", text), profile("0.60.0", text)) is None


@pytest.mark.parametrize(
    ("version", "head"),
    [
        ("0.142.5", "Warning: truncated output (original token count: 50)\nTotal output lines: 4\n\n"),
        ("0.140.0", "Total output lines: 4\n\n"),
        (None, "Warning: truncated output (original token count: 50)\nTotal output lines: 4\n\n"),
    ],
)
def test_a_long_output_keeps_head_and_tail_in_the_form_of_its_version(version, head):
    output = "x" * 100 + "\n\n\n" + "y" * 97
    text = shown(output, profile(version), max_output_tokens=10)
    assert isinstance(text, Rendered)
    body = text.content.partition("Output:\n")[2]
    assert body == f"{head}{'x' * 20}…40 tokens truncated…{'y' * 20}"
    assert "Original token count: 50\n" in text.content
    call = ToolCall("1", "exec_command", {"cmd": "x"})
    assert CODEX.raw(call, RunShell("x"), ToolResult("1", text.content), profile(version)) is None


def test_a_recorded_long_output_tells_the_form():
    cut = CHUNK.replace("ok\n", "Total output lines: 9\n\nhead…5 tokens truncated…tail")
    assert profile("0.142.0", cut).parameters["truncation"] == "lines"


@given(st.text(), st.integers(1, 30))
def test_a_shortened_output_is_cut_at_characters_and_accounts_for_the_rest(text, tokens):
    short = truncate(text, tokens)
    data = text.encode()
    if len(data) <= tokens * 4:
        assert short == text
        return
    head, _, tail = short.partition("\n\n")[2].rpartition(" tokens truncated…")
    head, _, left_out = head.rpartition("…")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert int(left_out) == estimated_tokens(text) - tokens
    assert len((head + tail).encode()) <= tokens * 4


PATCH = "*** Begin Patch\n*** Update File: a.py\n@@\n-two\n+2\n*** End Patch"
FAILED = "apply_patch verification failed: "


def patched(text, files, cwd="/repo"):
    world = World.start(Session("s", "codex", "t", "l", cwd=cwd), NEW)
    for path, content in files.items():
        world.apply(PutFile(path, content))
    call = ToolCall("1", "apply_patch", raw=text)
    action = CODEX.action(call, NEW, cwd)
    outcome, _ = world.perform(action)
    return CODEX.render(call, action, outcome, NEW)


@pytest.mark.parametrize(
    ("text", "content", "expected"),
    [
        (PATCH, b"one\ntwo\n",
         "Exit code: 0\nWall time: 0 seconds\nOutput:\nSuccess. Updated the following files:\nM a.py\n"),
        (PATCH, b"one\n", FAILED + "Failed to find expected lines in /repo/a.py:\ntwo"),
        (PATCH.replace("@@", "@@ def f():"), b"two\n", FAILED + "Failed to find context 'def f():' in /repo/a.py"),
        ("a.py", b"", FAILED + "invalid patch: The first line of the patch must be '*** Begin Patch'"),
        (PATCH.replace("*** End Patch", ""), b"",
         FAILED + "invalid patch: The last line of the patch must be '*** End Patch'"),
    ],
)  # fmt: skip
def test_patches_are_answered_in_the_words_of_apply_patch(text, content, expected):
    answer = patched(text, {"/repo/a.py": content})
    assert isinstance(answer, Rendered)
    assert answer.content == expected


def test_added_changed_and_deleted_files_are_listed_in_groups():
    text = (
        "*** Begin Patch\n*** Delete File: d\n*** Update File: m\n*** Move to: n\n@@\n-x\n+y\n*** Add File: a\n+z\n"
        "*** End Patch"
    )
    answer = patched(text, {"/repo/d": b"", "/repo/m": b"x\n"})
    assert isinstance(answer, Rendered)
    assert answer.content.endswith("Success. Updated the following files:\nA a\nM n\nD d\n")


def test_a_patch_that_does_not_fit_a_file_nobody_showed_is_not_answered(snapshot_of):
    world = World.start(Session("s", "codex", "t", "l", cwd="/repo"), NEW, snapshot_of({"a.py": "one\n"}), "/repo")
    call = ToolCall("1", "apply_patch", raw=PATCH)
    action = CODEX.action(call, NEW, "/repo")
    outcome, _ = world.perform(action)
    assert isinstance(outcome, Problem)
    assert isinstance(CODEX.render(call, action, outcome, NEW), Unknown)


@pytest.mark.parametrize(
    ("action", "text", "expected"),
    [
        (RunShell("x"), CHUNK.replace("exited with code 0", "running with session ID 9"), (StartProcess("9", "x"),)),
        (RunShell("x"), CHUNK, ()),
        (Poll("9"), CHUNK, (EndProcess("9"),)),
        (Patch(PATCH, "/repo"), FAILED + "no", ()),
    ],
)
def test_records_show_which_processes_go_on(action, text, expected):
    assert CODEX.observe(ToolCall("1", "x"), action, ToolResult("1", text), NEW) == expected


def test_an_unknown_process_is_named():
    call = ToolCall("1", "write_stdin", {"session_id": 5})
    answer = CODEX.render(call, Poll("5"), Problem("no_process"), NEW)
    assert answer == Rendered("write_stdin failed: Unknown process id 5", True)

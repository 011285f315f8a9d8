from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolsim.actions import (
    Ask,
    Change,
    Changed,
    Delegate,
    Edit,
    FileText,
    Glob,
    Invalid,
    Kill,
    Listing,
    Match,
    Matches,
    Note,
    Noted,
    Opaque,
    Poll,
    Problem,
    Read,
    Replacement,
    Reply,
    RunShell,
    Seen,
    ShellOutput,
    Unknown,
    Write,
)
from toolsim.scaffolds.claude_code import CLAUDE_CODE
from toolsim.scaffolds.claude_files import read_numbered
from toolsim.scaffolds.claude_profile import MALWARE_REMINDER, NO_OUTPUT, SNIPPET, STATE_IS_CURRENT, TODO_DONE
from toolsim.scaffolds.claude_search import relativise
from toolsim.scaffolds.claude_shell import failed
from toolsim.trajectory import Message, Session, ToolCall, ToolResult
from toolsim.world import World


def profile(version="2.1.49", cwd="/repo", *pairs):
    messages = []
    for call, result in pairs:
        messages += [Message("assistant", calls=(call,)), Message("tool", result=result)]
    return CLAUDE_CODE.fit(Session("s", "claude-code", "t", "l", cwd=cwd, agent_version=version), messages)


OLD, MIDDLE, NEW = profile("2.0.76"), profile("2.1.49"), profile("2.1.217")


def call(name, **arguments):
    return ToolCall("1", name, {k.replace("_n", "-n") if k == "_n" else k: v for k, v in arguments.items()})


def show(tool, outcome, using=MIDDLE):
    action = CLAUDE_CODE.action(tool, using, "/repo")
    return CLAUDE_CODE.render(tool, action, outcome, using)


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (call("Read", file_path="/a", offset=3, limit="4"), Read("/a", 3, 4)),
        (call("Edit", file_path="/a", old_string="x", new_string="y"), Edit("/a", (Replacement("x", "y"),))),
        (call("Write", file_path="/a", content="c"), Write("/a", "c")),
        (call("Glob", pattern="*.go"), Glob("**/*.go", "/repo")),
        (call("Glob", pattern="/x/y/**/*.go"), Glob("**/*.go", "/x/y")),
        (call("Bash", command="ls", timeout=5000), RunShell("ls", "/repo", 5.0, session="main")),
        (call("TaskOutput", task_id="b1"), Poll("b1")),
        (call("KillShell", shell_id="b1"), Kill("b1")),
        (call("Task", prompt="look", subagent_type="Explore"), Delegate("look", "Explore")),
        (call("TodoWrite", todos=[]), Note("todo", [])),
        (call("ExitPlanMode", plan="p"), Ask("p")),
        (call("WebFetch", url="u"), Opaque("WebFetch", {"url": "u"}, network=True)),
        (call("mcp__x__y"), Opaque("mcp__x__y", {}, network=True)),
    ],
)
def test_calls_become_actions(tool, expected):
    assert CLAUDE_CODE.action(tool, MIDDLE, "/repo") == expected


@pytest.mark.parametrize(
    "tool",
    [call("Read"), call("Edit", file_path="/a"), call("Write", file_path="/a"), call("Bash"), call("Grep"),
     call("Read", file_path="/a", offset="[1, 2]"), call("MultiEdit", file_path="/a", edits=[])],
)  # fmt: skip
def test_odd_arguments_are_refused_by_the_tool_itself(tool):
    action = CLAUDE_CODE.action(tool, MIDDLE, "/repo")
    assert isinstance(action, Invalid)
    shown = CLAUDE_CODE.render(tool, action, Problem("invalid"), MIDDLE)
    assert shown.is_error
    assert shown.content.startswith("<tool_use_error>InputValidationError: ")


def test_a_read_numbers_lines_in_the_form_of_its_version_with_the_empty_line_after_the_last():
    read = call("Read", file_path="/a")
    assert show(read, FileText("/a", "x\n\ty\n")).content == "     1→x\n     2→\ty\n     3→"
    assert show(read, FileText("/a", "x\r\n"), NEW).content == "1\tx\n2\t"
    assert show(read, FileText("/a", "x"), OLD).content == "     1→x" + MALWARE_REMINDER


def test_a_read_shows_its_window_or_says_that_it_is_empty():
    text = "".join(f"{n}\n" for n in range(1, 30))
    window = show(call("Read", file_path="/a", offset=9, limit=2), FileText("/a", text))
    assert window.content == "     9→9\n    10→10"
    beyond = show(call("Read", file_path="/a", offset=30), FileText("/a", text)).content
    assert beyond == (
        "<system-reminder>Warning: the file exists but is shorter than the provided offset (30). "
        "The file has 30 lines.</system-reminder>"
    )
    assert "contents are empty" in show(call("Read", file_path="/a"), FileText("/a", "")).content


@pytest.mark.parametrize("text", ["x" * 3000, "y\n" * 2500, "word " * 300 + "\n" + ("z" * 1000 + "\n") * 100])
def test_what_a_version_may_cut_is_unknown(text):
    assert isinstance(show(call("Read", file_path="/a"), FileText("/a", text)), Unknown)
    assert isinstance(show(call("Read", file_path="/a.png"), FileText("/a.png", "x")), Unknown)


def test_a_missing_file_is_reported_in_the_form_of_the_version():
    read = call("Read", file_path="/repo/.golangci.yml")
    missing = Problem("missing", "/repo/.golangci.yml", {"siblings": [".golangci.yaml", "go.mod"]})
    assert show(read, missing, OLD).content == (
        "<tool_use_error>File does not exist. Did you mean .golangci.yaml?</tool_use_error>"
    )
    bare = show(read, Problem("missing", "/repo/x"), NEW)
    assert bare.content == "File does not exist. Note: your current working directory is /repo."
    assert bare.is_error


EDIT = call("Edit", file_path="/a", old_string="five", new_string="5\n5b")
BEFORE = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n"
AFTER = BEFORE.replace("five", "5\n5b")
EDITED = Changed((Change("/a", BEFORE, AFTER),))


def test_an_edit_is_confirmed_in_the_form_of_the_version():
    assert show(EDIT, EDITED, OLD).content == (
        f"The file /a has been updated. {SNIPPET}     1→one\n     2→two\n     3→three\n     4→four\n     5→5\n"
        "     6→5b\n     7→six\n     8→seven\n     9→eight\n    10→nine"
    )
    assert show(EDIT, EDITED).content == "The file /a has been updated successfully."
    assert show(EDIT, EDITED, NEW).content == f"The file /a has been updated successfully.{STATE_IS_CURRENT}"
    every = call("Edit", file_path="/a", old_string="x", new_string="y", replace_all=True)
    assert show(every, EDITED).content == (
        "The file /a has been updated. All occurrences of 'x' were successfully replaced with 'y'."
    )


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("not_read", "/a"), "File has not been read yet. Read it first before writing to it."),
        (Problem("not_found_in_file", "/a", {"old": "q"}), "String to replace not found in file.\nString: q"),
        (Problem("identical", "/a"), "No changes to make: old_string and new_string are exactly the same."),
    ],
)
def test_refused_edits_have_the_tools_words(problem, text):
    assert show(EDIT, problem).content == f"<tool_use_error>{text}</tool_use_error>"


@pytest.mark.parametrize(
    ("version", "form"),
    [("2.1.37", "snippet"), ("2.1.41", "snippet"), ("2.1.43", None), ("2.1.45", "overwritten"), ("2.1.49", "short")],
)
def test_the_confirmation_of_an_overwritten_file_follows_the_version(version, form):
    assert profile(version).parameters["write_form"] == form


def test_an_edit_of_unseen_text_is_confirmed_in_the_form_that_shows_none_of_it():
    tool = call("Edit", file_path="/repo/a.py", old_string="a", new_string="b")
    unseen = Changed((Change("/repo/a.py", None, None),), unseen=True)
    assert show(tool, unseen).content == "The file /repo/a.py has been updated successfully."
    assert isinstance(show(tool, unseen, OLD), Unknown)


def test_writes_are_confirmed_as_created_or_updated():
    write = call("Write", file_path="/a", content="x")
    assert show(write, Changed((Change("/a", None, "x"),))).content == "File created successfully at: /a"
    updated = Changed((Change("/a", "y", "x"),))
    assert show(write, updated).content == "The file /a has been updated successfully."
    assert show(write, updated, OLD).content == f"The file /a has been updated. {SNIPPET}     1→x"


def test_forms_are_learnt_from_the_sessions_own_results():
    learnt = profile(
        "2.1.7",
        "/repo",
        (call("Read", file_path="/a"), ToolResult("1", "     1→x")),
        (ToolCall("2", "Edit", {"file_path": "/a"}), ToolResult("2", "The file /a has been updated successfully.")),
        (ToolCall("3", "Glob", {"pattern": "*"}), ToolResult("3", "src/a.go")),
    )
    assert show(call("Read", file_path="/a"), FileText("/a", "x"), learnt).content == "     1→x"
    assert show(EDIT, EDITED, learnt).content == "The file /a has been updated successfully."
    assert learnt.parameters["glob_relative"] is True
    assert learnt.unexplained == 0
    assert isinstance(show(EDIT, EDITED, profile("2.1.7")), Unknown)


def test_a_result_that_no_form_explains_is_counted():
    odd = profile("2.1.49", "/repo", (call("TodoWrite", todos=[]), ToolResult("1", "Saved!")))
    assert odd.unexplained == 1


def hits(*lines):
    return Matches(tuple(Match(*line) for line in lines))


def test_grep_shows_relative_paths_numbers_and_groups():
    grep = ToolCall("1", "Grep", {"pattern": "x", "output_mode": "content", "-A": 1})
    found = hits(("/repo/a", 1, "x"), ("/repo/a", 2, "// y", True), ("/repo/b", 7, "x: //z"))
    assert show(grep, found).content == "a:1:x\n/repo/a-2-// y\n--\nb:7:x: //z"
    single = ToolCall("1", "Grep", {"pattern": "x", "output_mode": "content", "path": "/repo/a", "-n": False})
    assert show(single, hits(("/repo/a", 1, "x"))).content == "x"
    assert show(grep, hits()).content == "No matches found"


def test_grep_lists_files_and_says_where_there_are_none():
    grep = call("Grep", pattern="x")
    assert show(grep, hits(("/repo/a", 1, "x"), ("/repo/a", 2, "x"))).content == "Found 1 file\na"
    assert show(grep, hits()).content == "No files found"
    missing = show(call("Grep", pattern="x", path="/repo/q"), Problem("missing", "/repo/q"), OLD)
    assert missing.content == "<tool_use_error>Path does not exist: /repo/q</tool_use_error>"


def test_what_a_limit_leaves_out_is_known_for_one_file_only():
    grep = call("Grep", pattern="x", output_mode="content", head_limit=1, path="/repo/a")
    shown = show(grep, hits(("/repo/a", 1, "x"), ("/repo/a", 2, "x")))
    assert shown.content == "1:x\n\n[Showing results with pagination = limit: 1, offset: 0]"
    over = call("Grep", pattern="x", output_mode="content", head_limit=1)
    assert isinstance(show(over, hits(("/repo/a", 1, "x"), ("/repo/b", 2, "x"))), Unknown)


@pytest.mark.parametrize(
    ("line", "cwd", "shown"),
    [
        ("/r/a.go:3:x", "/r", "a.go:3:x"),
        ("/r/a.go-3-x", "/r", "/r/a.go-3-x"),
        ("/r/a.go-3-t: //y", "/r", "a.go-3-t: //y"),
        ("87-\tf() //nolint:errcheck", "/r", "87-\tf() /nolint:errcheck"),
        ("5-../../x:y", "/r", "x:y"),
        ("/other/a:1:x", "/r", "/other/a:1:x"),
        ("D:\\r\\a.go:3:x", "D:\\r", "a.go:3:x"),
        ("D:\\r\\a.go-3-x", "D:\\r", "D:\\r\\a.go-3-x"),
    ],
)
def test_the_part_before_the_first_colon_is_taken_for_a_path(line, cwd, shown):
    assert relativise(line, cwd) == shown


def test_globs_show_paths_as_the_version_does_and_are_unknown_where_untracked_files_may_match():
    files = Listing(("/repo/src/a.go",))
    assert show(call("Glob", pattern="src/*.go"), files).content == "/repo/src/a.go"
    assert show(call("Glob", pattern="src/*.go"), files, NEW).content == "src/a.go"
    assert show(call("Glob", pattern="src/*.go"), Listing(())).content == "No files found"
    assert isinstance(show(call("Glob", pattern="*.go"), files), Unknown)


def run(output, code=0, command="make", **more):
    return show(call("Bash", command=command), ShellOutput(output, output, "", code, **more))


def test_command_output_is_trimmed_and_failures_are_headed_by_the_exit_code():
    assert run("\n\n  a\nb\n\n").content == "  a\nb"
    assert run("boom\n", 2).content == "Exit code 2\nboom"
    assert run("", 1).content == "Exit code 1"
    assert run("").content == ""
    assert show(call("Bash", command="true"), ShellOutput("", "", "", 0), NEW).content == NO_OUTPUT
    assert run("", 1, "ls | grep x").is_error is False
    assert run("x", cwd="/tmp").content == "x\nShell cwd was reset to /repo"
    assert isinstance(run("x" * 30_001), Unknown)
    assert "timed out after 2m 0.0s" in run("", None, timed_out=True, duration=120.0).content


@pytest.mark.parametrize(
    ("command", "code", "expected"),
    [
        ("grep x f", 1, False),
        ("grep x f", 2, True),
        ("a && diff b c", 1, False),
        ("grep x f | wc", 1, True),
        ("x", 0, False),
    ],
)
def test_exit_code_one_of_a_search_is_an_answer(command, code, expected):
    assert failed(command, code) is expected


def test_notes_are_confirmed():
    assert show(call("TodoWrite", todos=[]), Noted()).content == TODO_DONE
    assert show(call("TaskCreate", subject="Fix"), Reply("4")).content == "Task #4 created successfully: Fix"
    assert show(call("TaskUpdate", taskId="4", status="completed"), Noted()).content == "Updated task #4 status"
    assert isinstance(show(call("TaskUpdate", taskId="4", owner="x", status="y"), Noted()), Unknown)


def test_plan_mode_is_entered_in_the_words_of_versions_that_showed_them():
    assert show(call("EnterPlanMode"), Noted()).content.startswith("Entered plan mode. You should now")
    assert isinstance(show(call("EnterPlanMode"), Noted(), NEW), Unknown)
    shown = (call("EnterPlanMode"), ToolResult("1", "Entered plan mode, in other words."))
    assert show(call("EnterPlanMode"), Noted(), profile("2.1.217", "/repo", shown)).content == shown[1].content


def test_a_skill_is_launched_if_it_is_there_or_was_before(snapshot_of):
    files = {".claude/skills/review/SKILL.md": "x", ".claude/commands/gsd/add.md": "x"}
    world = World.start(Session("s", "claude-code", "t", "l", cwd="/repo"), MIDDLE, snapshot_of(files), "/repo")
    for name, known in (("review", True), ("gsd:add", True), ("commit", False), ("../../etc", False)):
        tool = call("Skill", skill=name)
        outcome, changes = world.perform(CLAUDE_CODE.action(tool, MIDDLE, "/repo"))
        shown = show(tool, outcome)
        assert (changes, isinstance(shown, Unknown)) == ((), not known)
        assert not known or shown.content == f"Launching skill: {name}"
    missing = (call("Skill", skill="commit"), ToolResult("1", "<tool_use_error>Unknown skill: commit</tool_use_error>"))
    again = show(call("Skill", skill="commit"), Noted(), profile("2.1.49", "/repo", missing))
    assert (again.content, again.is_error) == (missing[1].content, True)


def observe(tool, result, using=MIDDLE):
    return CLAUDE_CODE.observe(tool, CLAUDE_CODE.action(tool, using, "/repo"), result, using)


def test_records_show_whole_files_windows_and_pre_images():
    read = call("Read", file_path="/a")
    file = {"content": "x\n", "startLine": 1, "numLines": 2, "totalLines": 2}
    assert Seen("/a", "x\n", 1, True) in observe(read, ToolResult("1", "…", structured={"file": file}))
    assert Seen("/a", "y\nz", 7) in observe(read, ToolResult("1", "     7→y\n     8→z"))
    edit = observe(EDIT, ToolResult("1", "ok", structured={"originalFile": "old"}))
    assert Seen("/a", "old", 1, True) in edit
    assert observe(EDIT, ToolResult("1", "<tool_use_error>no</tool_use_error>", is_error=True)) == ()


LINE = st.text(st.characters(exclude_characters="\n\r\ufeff", codec="utf-8"), max_size=20)


@given(st.lists(LINE, min_size=1, max_size=8), st.sampled_from([OLD, MIDDLE, NEW]))
def test_raw_of_a_read_renders_to_the_record_again(lines, using):
    tool = call("Read", file_path="/a")
    text = "\n".join(lines)
    shown = show(tool, FileText("/a", text), using)
    raw = CLAUDE_CODE.raw(tool, Read("/a"), ToolResult("1", shown.content), using)
    if text.strip("\n"):
        assert raw == text
        assert show(tool, FileText("/a", raw), using) == shown


@pytest.mark.parametrize(("content", "error"), [("a\n  b", False), ("", False), ("Exit code 3\nx", True)])
def test_raw_of_a_command_renders_to_the_record_again(content, error):
    tool = call("Bash", command="make")
    raw = CLAUDE_CODE.raw(tool, RunShell("make"), ToolResult("1", content, is_error=error), MIDDLE)
    assert show(tool, ShellOutput(raw, raw, "", 3 if error else 0)).content == content


def test_what_follows_the_numbered_lines_is_told_apart():
    assert read_numbered("     9→a\n    10→b" + MALWARE_REMINDER) == (9, ["a", "b"], MALWARE_REMINDER)
    assert read_numbered("no numbers") is None


def test_the_known_tools_have_schemas():
    tools = {tool.name: tool for tool in CLAUDE_CODE.tools(MIDDLE)}
    assert {"Bash", "Read", "Edit", "Write", "Glob", "Grep", "TodoWrite", "Task"} <= set(tools)
    assert all(tool.parameters["type"] == "object" for tool in tools.values())

from __future__ import annotations

import pytest

from toolsim.actions import (
    Edit,
    EditLines,
    FileText,
    Glob,
    Grep,
    Invalid,
    Opaque,
    Problem,
    PutFile,
    Read,
    RemovePath,
    Replacement,
    RunShell,
    Seen,
    SetEnv,
    ShellOutput,
    Unknown,
    Write,
)
from toolsim.scaffolds.base import Rendered
from toolsim.scaffolds.swe_agent import EMPTY, SWE_AGENT
from toolsim.scaffolds.swe_lint import complaints
from toolsim.scaffolds.swe_window import UPDATED, shown_by_search
from toolsim.trajectory import Message, Session, ToolCall, ToolResult
from toolsim.world import World

SESSION = Session("s", "swe-agent", "t", "l", cwd="/repo")
OPEN = {"CURRENT_FILE": "/repo/a.py", "CURRENT_LINE": "50"}


def command(text):
    return ToolCall("1", "command", {"command": text})


def profile(*results, version=None, **session):
    messages = [Message("assistant", calls=(command("ls"),))]
    messages += [Message("tool", result=ToolResult(str(n), text)) for n, text in enumerate(results)]
    return SWE_AGENT.fit(Session("s", "swe-agent", "t", "l", cwd="/repo", agent_version=version, **session), messages)


def modern(*results):
    messages = [Message("tool", result=ToolResult(str(n), text)) for n, text in enumerate(results)]
    return SWE_AGENT.fit(SESSION, messages)


OLD = profile("a.py\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("open a.py\n", Read("/repo/a.py")),
        ('open "src/b c.py" 30', Read("/repo/src/b c.py", 30)),
        ("open a.py x", Invalid('Usage: open "<file>" [<line_number>]\nError: <line_number> must be a number')),
        ("goto 120", Read("/repo/a.py", 120)),
        ("goto", Invalid("Usage: goto <line>")),
        ("scroll_down", Read("/repo/a.py")),
        ("create new.py", Write("/repo/new.py", "\n", must_be_new=True)),
        ('search_dir "a.b" src', Grep("a.b", "/repo/src", {"everywhere": True})),
        ('search_file "f(x)"', Grep(r"f\(x\)", "/repo/a.py", {"everywhere": True})),
        ('search_dir "--all"', Opaque("search", {"term": "--all", "path": "/repo"})),
        ('search_file "[a]"', Opaque("search", {"term": "[a]", "path": "/repo/a.py"})),
        ("find_file x.py", Glob("**/x.py", "/repo", everywhere=True)),
        ("submit\n", RunShell("git add -A && git diff --cached", "/repo")),
        ("ls -la", RunShell("ls -la", "/repo", session="main")),
        ("open $(cat name)", RunShell("open $(cat name)", "/repo", session="main")),
        ("open a.py && ls", RunShell("open a.py && ls", "/repo", session="main")),
        ("edit 2:3\none\ntwo\nend_of_edit\n", EditLines("/repo/a.py", 2, 3, "one\ntwo\n")),
        ("edit 2:3\nend_of_edit", EditLines("/repo/a.py", 2, 3, "")),
        ("edit 2:2\n\nend_of_edit", EditLines("/repo/a.py", 2, 2, "\n")),
        ("edit 2", Invalid("Usage: edit <start_line>:<end_line>")),
        (
            "edit a:2\nx\nend_of_edit",
            Invalid("Usage: edit <start_line>:<end_line>\nError: start_line must be a number"),
        ),
    ],
)
def test_text_commands_become_actions(text, expected):
    assert SWE_AGENT.action(command(text), OLD, "/repo", OPEN) == expected


def test_an_edit_without_an_open_file_is_refused():
    action = SWE_AGENT.action(command("edit 1:1\nx\nend_of_edit"), OLD, "/repo", {})
    assert action == Invalid("No file open. Use the `open` command first.")


def answer(world, text):
    """The window command's answer; the world takes all of it in."""
    call = command(text)
    action = SWE_AGENT.action(call, world.profile, world.cwd, world.env)
    outcome, mutations = world.perform(action)
    shown = SWE_AGENT.render(call, action, outcome, world.profile, world.env)
    assert isinstance(shown, Rendered), (outcome, shown)
    for mutation in (*mutations, *shown.mutations):
        world.apply(mutation)
    return shown.content


@pytest.fixture
def world(snapshot_of):
    lines = "".join(f"line_{n} = {n}\n" for n in range(1, 251))
    files = {"long.py": lines, "short.txt": "one\ntwo\nthree", "empty.txt": "", "src/x.py": "import os\nos.getcwd()\n"}
    return World.start(SESSION, OLD, snapshot_of(files), "/repo")


def numbered(first, last):
    return "".join(f"{n}:line_{n} = {n}\n" for n in range(first, last + 1))


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        (["open long.py"], f"{numbered(1, 100)}(150 more lines below)\n"),
        (["open long.py 130"], f"(114 more lines above)\n{numbered(115, 214)}(36 more lines below)\n"),
        (["open long.py", "scroll_down"], f"(98 more lines above)\n{numbered(99, 198)}(52 more lines below)\n"),
        (["open long.py", "goto 250"], f"(150 more lines above)\n{numbered(151, 250)}"),
        (["open long.py", "goto 250", "scroll_up"],
         f"(52 more lines above)\n{numbered(53, 152)}(98 more lines below)\n"),
        (["open long.py", "goto 1"], f"{numbered(1, 100)}(150 more lines below)\n"),
    ],
)  # fmt: skip
def test_the_window_moves_as_the_scripts_move_it(world, commands, expected):
    shown = [answer(world, text) for text in commands][-1]
    assert shown == "[File: /repo/long.py (250 lines total)]\n" + expected


def test_an_edit_shows_the_window_around_its_first_line(world):
    answer(world, "open long.py")
    shown = answer(world, "edit 201:202\nline_201 = 0\nend_of_edit")
    body = numbered(151, 200) + "201:line_201 = 0\n" + "".join(f"{n}:line_{n + 1} = {n + 1}\n" for n in range(202, 250))
    assert (
        shown
        == f"[File: /repo/long.py (249 lines total)]\n(149 more lines above)\n{numbered(150, 150)}{body}{UPDATED}\n"
    )


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("edit 4:4\nfour\nend_of_edit", b"one\ntwo\nthree\nfour\n"),
        ("edit 2:9\nend_of_edit", b"one\n"),
        ("edit 1:1\n1\nend_of_edit", b"1\ntwo\nthree\n"),
        ("edit 2:1\nhalf\nend_of_edit", b"one\nhalf\ntwo\nthree\n"),
    ],
)
def test_ranges_past_the_end_are_cut_and_every_line_gets_a_line_end(world, text, after):
    answer(world, "open short.txt")
    answer(world, text)
    assert world.read("/repo/short.txt") == after


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("open nowhere.py", "File nowhere.py not found\n"),
        ("open src", "Error: src is a directory. You can only open files. Use cd or ls to navigate directories.\n"),
        ("open empty.txt", "[File: /repo/empty.txt (0 lines total)]\n"),
        ("create new.txt", "[File: /repo/new.txt (1 lines total)]\n1:\n"),
        ("search_dir getcwd",
         ('Found 1 matches for "getcwd" in /repo:\n/repo/src/x.py (1 matches)\n'
         'End of matches for "getcwd" in /repo\n')),
        ("search_dir nothing src", 'No matches found for "nothing" in /repo/src\n'),
        ("search_file os src/x.py",
         ('Found 2 matches for "os" in /repo/src/x.py:\nLine 1:import os\nLine 2:os.getcwd()\n'
         'End of matches for "os" in /repo/src/x.py\n')),
        ("search_file line_ long.py",
         'More than 250 lines matched for "line_" in /repo/long.py. Please narrow your search.\n'),
        ("find_file x.py", 'Found 1 matches for "x.py" in /repo:\n/repo/src/x.py\n'),
        ("find_file y.py src", 'No matches found for "y.py" in /repo/src\n'),
        ("find_file y.py lib", "Directory lib not found\n"),
        ("find_file src/x.py", 'No matches found for "src/x.py" in /repo\n'),
    ],
)  # fmt: skip
def test_commands_answer_in_the_words_of_the_scripts(world, text, expected):
    assert answer(world, text) == expected


def test_goto_past_the_end_is_an_error(world):
    answer(world, "open short.txt")
    assert answer(world, "goto 9") == "Error: <line> must be less than or equal to 3\n"


def test_an_edit_that_the_linter_would_report_is_not_answered(world):
    answer(world, "open src/x.py")
    call = command("edit 2:2\nos.getcwd(\nend_of_edit")
    action = SWE_AGENT.action(call, OLD, "/repo", world.env)
    outcome, _ = world.perform(action)
    assert isinstance(SWE_AGENT.render(call, action, outcome, OLD, world.env), Unknown)


def test_an_edit_that_the_linter_refuses_changes_neither_file_nor_window(world):
    """The windows around both texts may be half a line off: what is above is rounded down, what is below up."""
    answer(world, "open long.py")
    before, window = world.read("/repo/long.py"), dict(world.env)
    shown = answer(world, "edit 201:203\nif line_1:\nx = 1\nend_of_edit")
    tried = "".join(f"{n}:line_{n} = {n}\n" for n in range(196, 201)) + "201:if line_1:\n202:x = 1\n"
    tried += "".join(f"{n}:line_{n + 1} = {n + 1}\n" for n in range(203, 208))
    kept = "".join(f"{n}:line_{n} = {n}\n" for n in range(196, 209))
    rule = "-" * 49
    assert shown == (
        "Your proposed edit has introduced new syntax error(s). Please understand the fixes and retry your edit "
        "commmand.\n\nERRORS:\n- E999 IndentationError: expected an indented block\n\n"
        f"This is how your edit would have looked if applied\n{rule}\n"
        f"[File: /repo/long.py (249 lines total)]\n(195 more lines above)\n{tried}(42 more lines below)\n{rule}\n\n"
        f"This is the original code before your edit\n{rule}\n"
        f"[File: /repo/long.py (250 lines total)]\n(195 more lines above)\n{kept}(42 more lines below)\n{rule}\n"
        "Your changes have NOT been applied. Please fix your edit command and try again.\n"
        "You either need to 1) Specify the correct start/end line arguments or 2) Correct your edit code.\n"
        "DO NOT re-run the same failed edit command. Running it again will lead to the same error.\n"
    )
    assert (world.read("/repo/long.py"), world.env) == (before, window)


def test_old_findings_of_a_file_are_told_with_new_ones_or_not_by_release(snapshot_of):
    world = World.start(SESSION, OLD, snapshot_of({"old.py": "print(gone)\n\n"}), "/repo")
    answer(world, "open old.py")
    call = command("edit 2:2\nprint(lost)\nend_of_edit")
    action = SWE_AGENT.action(call, OLD, "/repo", world.env)
    outcome, _ = world.perform(action)
    assert isinstance(SWE_AGENT.render(call, action, outcome, OLD, world.env), Unknown)


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("print(b)\nprint(a)\n", "3.9", ("F821 undefined name 'b'", "F821 undefined name 'a'")),
        ("def f():\n  return c\n", "3.9",
         ("E111 indentation is not a multiple of 4", "F821 undefined name 'c'")),
        ("__all__ = ['z']\nprint(y)\n", "3.9", ("F822 undefined name 'z' in __all__", "F821 undefined name 'y'")),
        ("self.b = b\n", "3.9", ("F821 undefined name 'self'", "F821 undefined name 'b'")),
        ("print(b)  # noqa\nprint(a)  # noqa: E501\nprint(\n    c\n)  # noqa: F8\n", "3.9",
         ("F821 undefined name 'a'",)),
        ("# flake8: noqa\nprint(b)\n", "3.9", ()),
        ("# flake8: noqa: F821\nprint(b)\n", "3.9", None),
        ("if 1:\nx = 1\n", "3.9", ("E999 IndentationError: expected an indented block",)),
        ("if 1:\nx = 1\n", "3.10",
         ("E999 IndentationError: expected an indented block after 'if' statement on line 1",)),
        ("  x = 1\n", "3.10", ("E999 IndentationError: unexpected indent",)),
        ("f(1)\n)\n", "3.9", ("E999 SyntaxError: unmatched ')'",)),
        ("else:\n    f(1)\n)\n", "3.9", ("E999 SyntaxError: invalid syntax",)),
        ("if x\n    y = 1\n", "3.9", ("E999 SyntaxError: invalid syntax",)),
        ("x = 'a\n", "3.9", ("E999 SyntaxError: EOL while scanning string literal",)),
        ("f(1\n", "3.9", None),
        ("match x:\n    case 1:\n        pass\n", "3.9", None),
    ],
)  # fmt: skip
def test_the_linters_words_come_by_line_and_column_and_are_those_of_its_python(text, words, found):
    assert complaints(text, words) == found


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ('Found 2 matches for "x" in /o__n/a.py:\nLine 3:x = 1\nLine 9:x\nEnd of matches for "x" in /o__n/a.py\n',
         (Seen("/o__n/a.py", "x = 1", 3), Seen("/o__n/a.py", "x", 9))),
        ('Found 1 matches for "x" in /o__n:\n/o__n/doc/a.txt (1 matches)\nEnd of matches for "x" in /o__n\n',
         (Seen("/o__n/doc/a.txt", ""),)),
        ('Found 1 matches for "a.py" in /o__n:\n/o__n/src/n/a.py\n',
         (Seen("/o__n/src/n/a.py", ""), RemovePath("/o__n/build"))),
        ('Found 2 matches for "a.py" in /o__n:\n/o__n/build/lib/n/a.py\n/o__n/n/a.py\n',
         (Seen("/o__n/build/lib/n/a.py", ""), Seen("/o__n/n/a.py", ""))),
        ('No matches found for "x" in /o__n\n', ()),
    ],
)  # fmt: skip
def test_searches_show_lines_and_what_files_there_are(output, shown):
    assert shown_by_search(output, "/o__n") == shown


def test_a_submission_is_the_patch_after_a_line_end():
    call = command("submit\n")
    action = SWE_AGENT.action(call, OLD, "/elsewhere", OPEN)
    done = SWE_AGENT.render(call, action, ShellOutput("diff\n", "diff\n", "", 0), OLD, OPEN)
    assert done == Rendered("\ndiff\n", None, 0)
    assert isinstance(SWE_AGENT.render(call, action, ShellOutput("", "", "", 0), OLD, OPEN), Unknown)


def test_the_prompt_of_the_file_window_tells_the_generation_before_any_call():
    session = Session("s", "swe-agent", "t", "l", cwd="/repo")
    task = Message("user", "Solve it\n(Open file: n/a)\n(Current directory: /repo)\nbash-$")
    assert SWE_AGENT.fit(session, [task]).parameters["generation"] == 0
    assert SWE_AGENT.fit(session, [Message("user", "Solve it")]).parameters["generation"] == 1


def test_where_nothing_shows_how_outputs_end_a_view_is_not_answered():
    call = ToolCall("1", "str_replace_editor", {"command": "view", "path": "/repo/m.txt"})
    action = SWE_AGENT.action(call, modern(), "/repo")
    assert isinstance(SWE_AGENT.render(call, action, FileText("/repo/m.txt", "x\n"), modern()), Unknown)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("import os\nprint(os.sep)\n", True),
        ("def f(a, *b, c=1, **d):\n    return g(a, b, c, d)\n\n\ndef g(*x):\n    return [y for y in x if y]\n", True),
        ("class A:\n    n = 1\n    m = n\n\n    def f(self):\n        return __name__\n", True),
        ("try:\n    x = 1\nexcept ValueError as e:\n    print(e)\n", True),
        ("try:\n    x = 1\nexcept ValueError as e:\n    pass\nprint(e)\n", False),
        ("print(os.sep)\n", False),
        ("x = x + 1\n", False),
        ("print(y)\ny = 1\n", False),
        ("class A:\n    n = 1\n\n    def f(self):\n        return n\n", False),
        ("def f():\n  return 1\n", False),
        ("def f():\nreturn 1\n", False),
        ("def f(a, a):\n    pass\n", False),
        ("__all__ = ['nothing']\n", False),
        ("def f(x: 'Missing'):\n    pass\n", False),
        ("(" * 400, False),
        ("\0", False),
    ],
)
def test_a_python_text_is_clean_only_if_no_name_is_doubtful(text, clean):
    assert (complaints(text, "3.9") == ()) is clean


@pytest.mark.parametrize(
    ("results", "key", "value"),
    [
        (["[File: /r/a.py (9 lines total)]\n(3 more lines above)\n4:x\n5:x\n(4 more lines below)\n"], "window", 2),
        (["[File: /r/a.py (2 lines total)]\n1:x\n2:x\n"], "window", 100),
        (["Your proposed edit has\n[File: /r/a.py (9 lines total)]\n1:x\n(8 more lines below)\n"], "window", 100),
        (["a\n", "b\n"], "newline", True),
        (["a", "b", "c\n"], "newline", False),
        ([], "newline", True),
        (["Your proposed edit has introduced new syntax error(s). Read this.\n\nERRORS:\n"], "refusal",
         "Your proposed edit has introduced new syntax error(s). Read this."),
        (["- E999 IndentationError: expected an indented block after 'if' statement on line 1\n"], "linter", "3.10"),
    ],
)  # fmt: skip
def test_the_form_of_0_x_is_fitted_to_the_prefix(results, key, value):
    assert profile(*results).parameters[key] == value


def test_the_window_size_is_taken_from_the_system_prompt():
    told = profile(system_prompt="a file editor that shows you 30 lines of a file at a time.")
    assert told.parameters["window"] == 30


@pytest.mark.parametrize(
    ("results", "output", "expected"),
    [
        ([], "a\nb\n", "OBSERVATION:\na\r\nb"),
        (["OBSERVATION:\na\nb"], "a\nb\n", "OBSERVATION:\na\nb"),
        (["a\r\nb", "c"], "a\nb\n", "a\r\nb"),
        ([], "\n", EMPTY),
        ([], "  indented\n", "OBSERVATION:\nindented"),
        (["OBSERVATION:\n  x"], "  indented\n", "OBSERVATION:\n  indented"),
    ],
)
def test_outputs_of_1_x_are_shown_as_the_prefix_shows_them(results, output, expected):
    call = ToolCall("1", "bash", {"command": "x"})
    action = SWE_AGENT.action(call, modern(*results), "/repo")
    assert SWE_AGENT.render(call, action, ShellOutput(output, output, "", 0), modern(*results)) == Rendered(
        expected, None, 0
    )


EDITOR = {"command": "str_replace", "path": "/repo/m.txt", "old_str": "e", "new_str": "E\nF"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"command": "view", "path": "/a", "view_range": [2, 5]}, Read("/a", 2, 4)),
        ({"command": "view", "path": "/a", "view_range": [2, -1]}, Read("/a", 2)),
        ({"command": "create", "path": "b", "file_text": "x"}, Write("/repo/b", "x", must_be_new=True)),
        (EDITOR, Edit("/repo/m.txt", (Replacement("e", "E\nF"),))),
        ({"command": "insert", "path": "/a", "insert_line": 2, "new_str": "x\n"}, EditLines("/a", 3, 2, "x\n\n")),
        ({"command": "undo_edit", "path": "/a"}, Opaque("str_replace_editor", {"command": "undo_edit", "path": "/a"})),
    ],
)
def test_editor_calls_become_actions(given, expected):
    assert SWE_AGENT.action(ToolCall("1", "str_replace_editor", given), modern(), "/repo") == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"command": "view", "path": "/repo/m.txt"},
            (
                "Here's the result of running `cat -n` on /repo/m.txt:\n     1\ta\n     2\tb\n     3\tc\n     4\td\n"
                "     5\te\n     6\tf\n     7"
            ),
        ),
        (
            {"command": "view", "path": "/repo/m.txt", "view_range": [2, 3]},
            "Here's the result of running `cat -n` on /repo/m.txt:\n     2\tb\n     3\tc",
        ),
        (
            EDITOR,
            (
                "The file /repo/m.txt has been edited. Here's the result of running `cat -n` on a snippet of "
                "/repo/m.txt:\n"
                "     1\ta\n     2\tb\n     3\tc\n     4\td\n     5\tE\n     6\tF\n     7\tf\n     8\t\n"
                "Review the changes and make sure they are as expected. Edit the file again if necessary."
            ),
        ),
        (
            {"command": "insert", "path": "/repo/m.txt", "insert_line": 5, "new_str": "x"},
            (
                "The file /repo/m.txt has been edited. Here's the result of running `cat -n` on a snippet of the "
                "edited file:\n     2\tb\n     3\tc\n     4\td\n     5\te\n     6\tx\n     7\tf\n     8\t\n"
                "Review the changes and "
                "make sure they are as expected (correct indentation, no duplicate lines, etc). Edit the file again if "
                "necessary."
            ),
        ),
        (
            {"command": "view", "path": "/repo/none.txt"},
            "The path /repo/none.txt does not exist. Please provide a valid path.",
        ),
        (
            {"command": "create", "path": "/repo/m.txt", "file_text": ""},
            "File already exists at: /repo/m.txt. Cannot overwrite files using command `create`.",
        ),
        ({"command": "create", "path": "/repo/n.txt", "file_text": ""}, "File created successfully at: /repo/n.txt"),
        (
            {"command": "str_replace", "path": "/repo/m.txt", "old_str": "zz", "new_str": ""},
            "No replacement was performed, old_str `zz` did not appear verbatim in /repo/m.txt.",
        ),
    ],
)
def test_the_editor_answers_in_its_own_form(snapshot_of, given, expected):
    form = modern("OBSERVATION:\nHere\n     2")
    world = World.start(SESSION, form, snapshot_of({"m.txt": "a\nb\nc\nd\ne\nf\n"}), "/repo")
    call = ToolCall("1", "str_replace_editor", given)
    action = SWE_AGENT.action(call, form, "/repo")
    outcome, _ = world.perform(action)
    shown = SWE_AGENT.render(call, action, outcome, form)
    assert isinstance(shown, Rendered)
    assert shown.content == "OBSERVATION:\n" + expected


@pytest.mark.parametrize("text", ["a\tb\n", "a\r\nb\r\n"])
def test_texts_that_the_editor_changes_on_the_way_are_not_answered(text):
    call = ToolCall("1", "str_replace_editor", {**EDITOR, "old_str": "a"})
    action = SWE_AGENT.action(call, modern(), "/repo")
    world = World.start(SESSION, modern())
    world.apply(PutFile("/repo/m.txt", text.encode()))
    outcome, _ = world.perform(action)
    assert isinstance(SWE_AGENT.render(call, action, outcome, modern()), Unknown)


WINDOW = "[File: /repo/a.py (2 lines total)]\n1:x = 1\n2:y = 2\n"


@pytest.mark.parametrize(
    ("text", "result", "expected"),
    [
        ("open a.py", WINDOW, Seen("/repo/a.py", "x = 1\ny = 2\n", 1, True, 2)),
        ("edit 2:2\ny = 2\nend_of_edit", WINDOW + UPDATED, PutFile("/repo/a.py", b"x = 1\ny = 2\n")),
        ("goto 9", "[File: /repo/a.py (20 lines total)]\n(8 more lines above)\n9:x\n10:y\n(10 more lines below)\n",
         Seen("/repo/a.py", "x\ny", 9, False, 20)),
        ("goto 9", "[File: /repo/a.py (20 lines total)]\n(8 more lines above)\n9:x\n10:y\n(10 more lines below)\n",
         SetEnv("CURRENT_LINE", "58")),
    ],
)  # fmt: skip
def test_windows_show_the_file_and_their_own_place(text, result, expected):
    action = SWE_AGENT.action(command(text), OLD, "/repo", OPEN)
    assert expected in SWE_AGENT.observe(command(text), action, ToolResult("1", result), OLD)


def test_a_refused_edit_shows_nothing_of_the_file():
    text = "edit 1:1\nx = y\nend_of_edit"
    action = SWE_AGENT.action(command(text), OLD, "/repo", OPEN)
    refused = (
        "Your proposed edit has introduced new syntax error(s).\n\nERRORS:\n- F821 undefined name 'y'\n\n" + WINDOW
    )
    assert SWE_AGENT.observe(command(text), action, ToolResult("1", refused), OLD) == ()


def test_a_command_that_does_not_end_has_no_known_form():
    call = ToolCall("1", "bash", {"command": "sleep 9"})
    action = SWE_AGENT.action(call, modern(), "/repo")
    outcome = ShellOutput("", "", "", None, timed_out=True)
    assert isinstance(SWE_AGENT.render(call, action, outcome, modern()), Unknown)


def test_a_long_view_is_not_answered():
    call = ToolCall("1", "str_replace_editor", {"command": "view", "path": "/repo/m.txt"})
    action = SWE_AGENT.action(call, modern(), "/repo")
    assert isinstance(SWE_AGENT.render(call, action, FileText("/repo/m.txt", "x\n" * 9000), modern()), Unknown)
    assert isinstance(SWE_AGENT.render(call, action, Problem("binary", "/repo/m.txt"), modern()), Unknown)

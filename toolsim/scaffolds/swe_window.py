"""SWE-agent 0.x: one text command a step, a file window kept in environment variables. Pure.

Source: the public `config/commands/*.sh` of SWE-agent 0.x (defaults.sh, search.sh, edit_linting.sh), checked against
recorded trajectories. The window's state is `CURRENT_FILE`, `CURRENT_LINE` and `WINDOW`, as in those scripts.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from toolsim import paths
from toolsim.actions import (
    Action,
    Changed,
    EditLines,
    FileText,
    Glob,
    Grep,
    Invalid,
    Listing,
    Matches,
    Mutation,
    Opaque,
    Outcome,
    Problem,
    Read,
    RunShell,
    SetEnv,
    Unknown,
    Write,
)  # fmt: skip

OVERLAP = 2
UPDATED = (
    "File updated. Please review the changes and make sure they are correct (correct indentation, no duplicate lines, "
    "etc). Edit the file again if necessary."
)
_NO_FILE = "No file open. Use the open command first."
_NO_FILE_EDIT = "No file open. Use the `open` command first."


@dataclass(frozen=True, slots=True)
class Window:
    """The open file, the line in its middle, and the number of lines shown."""

    path: str | None
    line: int
    size: int = 100

    @classmethod
    def of(cls, env: Mapping[str, str], size: int) -> Window:
        """The window that the environment holds."""
        line = env.get("CURRENT_LINE", "")
        return cls(env.get("CURRENT_FILE") or None, int(line) if line.isdigit() else 1, size)

    def env(self) -> tuple[Mutation, ...]:
        """The environment that holds this window."""
        return (SetEnv("CURRENT_FILE", self.path), SetEnv("CURRENT_LINE", str(self.line)))


def window_action(command: str, cwd: str, window: Window) -> Action:
    """What one text command does; everything that is no window command is a shell line."""
    name, _, rest = command.strip().partition(" ")
    if name == "edit":
        return _edit(command, window)
    parser = _COMMANDS.get(name.split("\n")[0])
    if parser is None:
        return RunShell(command.rstrip("\n"), cwd, session="main")
    try:
        words = shlex.split(rest)
    except ValueError:
        return RunShell(command.rstrip("\n"), cwd, session="main")
    return parser(words, cwd, window)


def _open(words: list[str], cwd: str, window: Window) -> Action:
    if not words:
        return Invalid('Usage: open "<file>"')
    line = words[1] if len(words) > 1 else None
    if line is not None and not line.isdigit():
        return Invalid('Usage: open "<file>" [<line_number>]\nError: <line_number> must be a number')
    return Read(paths.canonical(words[0], cwd), int(line) if line else None)


def _goto(words: list[str], cwd: str, window: Window) -> Action:
    if window.path is None:
        return Invalid(_NO_FILE)
    if len(words) != 1:
        return Invalid("goto allows only one line number at a time." if words else "Usage: goto <line>")
    return (
        Read(window.path, int(words[0]))
        if words[0].isdigit()
        else Invalid("Usage: goto <line>\nError: <line> must be a number")
    )


def _scroll(words: list[str], cwd: str, window: Window) -> Action:
    return Read(window.path) if window.path is not None else Invalid(_NO_FILE)


def _create(words: list[str], cwd: str, window: Window) -> Action:
    return (
        Write(paths.canonical(words[0], cwd), "\n", must_be_new=True) if words else Invalid("Usage: create <filename>")
    )


def _search_dir(words: list[str], cwd: str, window: Window) -> Action:
    if not 1 <= len(words) <= 2:
        return Invalid("Usage: search_dir <search_term> [<dir>]")
    return Grep(words[0], paths.canonical(words[1] if len(words) > 1 else ".", cwd), {"fixed": False, "hidden": False})


def _search_file(words: list[str], cwd: str, window: Window) -> Action:
    path = paths.canonical(words[1], cwd) if len(words) > 1 else window.path
    if not words or path is None:
        return Invalid("Usage: search_file <search_term> [<file>]" if not words else _NO_FILE)
    return Grep(words[0], path, {"fixed": False})


def _find_file(words: list[str], cwd: str, window: Window) -> Action:
    return (
        Glob(words[0], paths.canonical(words[1] if len(words) > 1 else ".", cwd))
        if words
        else Invalid("Usage: find_file <file_name> [<dir>]")
    )


def _submit(words: list[str], cwd: str, window: Window) -> Action:
    return Opaque("submit")


_COMMANDS = {
    "open": _open, "goto": _goto, "scroll_down": _scroll, "scroll_up": _scroll, "create": _create,
    "search_dir": _search_dir, "search_file": _search_file, "find_file": _find_file, "submit": _submit,
}  # fmt: skip


def _edit(command: str, window: Window) -> Action:
    head, _, body = command.strip("\n").partition("\n")
    words = head.split()
    bounds = words[1].split(":") if len(words) > 1 else []
    if window.path is None:
        return Invalid(_NO_FILE_EDIT)
    if len(bounds) != 2 or not all(b.isdigit() for b in bounds):
        return Invalid("Usage: edit <start_line>:<end_line>")
    text = body.removesuffix("end_of_edit").rstrip("\n") if body.endswith("end_of_edit") else body
    return EditLines(window.path, int(bounds[0]), int(bounds[1]), text + "\n" if text else "\n")


def window_output(command: str, action: Action, outcome: Outcome, window: Window) -> tuple[str, Window] | Unknown:
    """The text that the command prints, and the window after it."""
    name = command.strip().split()[0] if command.strip() else ""
    match outcome:
        case FileText(path, text) if isinstance(action, Read):
            return _opened(name, action, path, text, window)
        case Changed(changes) if isinstance(action, Write):
            opened = Window(action.path, max(1, window.size // 2), window.size)
            return _print(changes[0].after or "", opened), opened
        case Changed(changes) if isinstance(action, EditLines):
            return _edited(action, changes[0].after or "", window)
        case Matches():
            return _found(action, outcome), window
        case Listing():
            return (
                Unknown("the order of find is the file system's")
                if len(outcome.paths) > 1
                else (_files(action, outcome), window)
            )
        case Problem():
            return _problem(action, outcome, window)
    return Unknown(f"the form of {type(outcome).__name__} is not known")


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:-1] if lines and lines[-1] == "" else lines


def _constrain(line: int, total: int, size: int) -> int:
    half = size // 2
    return max(min(line, total - half), half)


def _print(text: str, window: Window) -> str:
    """`_print` of defaults.sh: heading, what is above, numbered lines, what is below."""
    lines = _lines(text)
    total, half = len(lines), window.size // 2
    above = max(0, window.line - half)
    below = max(0, total - window.line - half)
    last = max(window.line + half, half)
    shown = list(enumerate(lines, 1))[:last][-window.size :]
    parts = [f"[File: {window.path} ({total} lines total)]"]
    parts += [f"({above} more lines above)"] if above else []
    parts += [f"{n}:{line}" for n, line in shown]
    parts += [f"({below} more lines below)"] if below else []
    return "\n".join(parts) + "\n"


def _opened(name: str, action: Read, path: str, text: str, window: Window) -> tuple[str, Window] | Unknown:
    total, size = len(_lines(text)), window.size
    offset = size // 6
    if name == "scroll_down":
        line = window.line + size - OVERLAP
    elif name == "scroll_up":
        line = window.line - size + OVERLAP
    elif action.offset is None:
        line = size // 2
    elif action.offset > total or action.offset < 1:
        return Unknown("a line outside of the file")
    else:
        line = max(1, action.offset + size // 2 - offset)
    opened = Window(path, _constrain(line, total, size), size)
    return _print(text, opened), opened


def _edited(action: EditLines, after: str, window: Window) -> tuple[str, Window] | Unknown:
    if action.path.endswith(".py") and not _compiles(after):
        return Unknown("the linter's words on a syntax error")
    total = len(_lines(after))
    edited = Window(action.path, _constrain(action.start, total, window.size), window.size)
    return _print(after, edited) + UPDATED, edited


def _compiles(text: str) -> bool:
    try:
        compile(text, "edited", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def _found(action: Action, outcome: Matches) -> str:
    assert isinstance(action, Grep)
    if not outcome.matches:
        return f'No matches found for "{action.pattern}" in {action.path}'
    total = len(outcome.matches)
    if all(m.path == action.path for m in outcome.matches):
        body = [f"Line {m.line}:{m.text}" for m in outcome.matches]
    else:
        counts: dict[str, int] = {}
        for match in outcome.matches:
            counts[match.path] = counts.get(match.path, 0) + 1
        body = [f"{path} ({count} matches)" for path, count in sorted(counts.items())]
    head = f'Found {total} matches for "{action.pattern}" in {action.path}:'
    return "\n".join([head, *body, f'End of matches for "{action.pattern}" in {action.path}'])


def _files(action: Action, outcome: Listing) -> str:
    assert isinstance(action, Glob)
    if not outcome.paths:
        return f'No matches found for "{action.pattern}" in {action.path}'
    return "\n".join([f'Found {len(outcome.paths)} matches for "{action.pattern}" in {action.path}:', *outcome.paths])


def _problem(action: Action, problem: Problem, window: Window) -> tuple[str, Window] | Unknown:
    if isinstance(action, Invalid):
        return action.message, window
    if problem.kind == "missing" and isinstance(action, Read):
        return f"File {problem.path} not found", window
    if problem.kind == "is_directory" and isinstance(action, Read):
        return (
            f"Error: {problem.path} is a directory. You can only open files. Use cd or ls to navigate directories.",
            window,
        )
    if problem.kind == "exists":
        return Unknown("an existing file is also opened")
    if problem.kind == "bad_range":
        return "Error: start_line must be less than or equal to end_line", window
    return Unknown(f"the message for {problem.kind} is not known")

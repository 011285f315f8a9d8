"""SWE-agent 0.x: one text command a step, a file window kept in environment variables. Pure.

Source: the public `config/commands/*.sh` of SWE-agent 0.x (defaults.sh, search.sh, edit_linting.sh), checked against
recorded trajectories. The window's state is `CURRENT_FILE`, `CURRENT_LINE` and `WINDOW`, as in those scripts.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from toolsim import artefacts, paths
from toolsim.actions import (
    Action,
    Change,
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
    PutFile,
    Read,
    RemovePath,
    RunShell,
    Seen,
    SetEnv,
    Unknown,
    Write,
)  # fmt: skip
from toolsim.scaffolds.swe_lint import Words, complaints

OVERLAP = 2
UPDATED = (
    "File updated. Please review the changes and make sure they are correct (correct indentation, no duplicate lines, "
    "etc). Edit the file again if necessary."
)
MOST = 100
"""Files (search_dir) or lines (search_file) above which a search only asks for a narrower one."""

_REFUSED = (
    "Your changes have NOT been applied. Please fix your edit command and try again.\n"
    "You either need to 1) Specify the correct start/end line arguments or 2) Correct your edit code.\n"
    "DO NOT re-run the same failed edit command. Running it again will lead to the same error.\n"
)
INTRODUCED = (
    "Your proposed edit has introduced new syntax error(s). Please understand the fixes and retry your edit commmand."
)
_RULE = "-" * 49 + "\n"

_FOUND = re.compile(r"Found \d+ matches for \"(?:[^\n]*)\" in (?P<path>/[^\n]*):\n")
_FOUND_LINE = re.compile(r"Line (\d+):(.+)")
_FOUND_FILE = re.compile(r"(/.*?)(?: \(\d+ matches\))?")
_ODD = re.compile("[\r\0\ud800-\udfff]")
_END = "end_of_edit"
_USAGE_EDIT = "Usage: edit <start_line>:<end_line>"
_NO_FILE = "No file open. Use the open command first."
_NO_FILE_EDIT = "No file open. Use the `open` command first."


@dataclass(frozen=True, slots=True)
class Window:
    """The open file, the line in its middle, the number of lines shown, whose words the linter has, and how a refused
    edit is told of.
    """

    path: str | None
    line: int
    size: int = 100
    words: Words = "3.9"
    refusal: str = INTRODUCED

    @classmethod
    def of(cls, env: Mapping[str, str], size: int, words: Words = "3.9", refusal: str = INTRODUCED) -> Window:
        """The window that the environment holds."""
        line = env.get("CURRENT_LINE", "")
        return cls(env.get("CURRENT_FILE") or None, int(line) if line.isdigit() else 1, size, words, refusal)

    def at(self, line: int, path: str | None = None) -> Window:
        """This window at another line, of another file if one is named."""
        return replace(self, line=line, path=self.path if path is None else path)

    def env(self) -> tuple[Mutation, ...]:
        """The environment that holds this window."""
        return (SetEnv("CURRENT_FILE", self.path), SetEnv("CURRENT_LINE", str(self.line)))


def window_action(command: str, cwd: str, window: Window) -> Action:
    """What one text command does; everything that is no window command is a shell line."""
    name, _, rest = command.strip().partition(" ")
    if name.split("\n")[0] == "edit":
        return _edit(command, window)
    parser = _COMMANDS.get(name.split("\n")[0])
    words = _words(rest)
    if parser is None or words is None:
        return RunShell(command.rstrip("\n"), cwd, session="main")
    return parser(words, cwd, window)


def _words(rest: str) -> list[str] | None:
    """The arguments of one plain command; `None` where bash would read more into the line than words."""
    if "\n" in rest.strip() or re.search(r"[$`;&|<>(){}*?#!~\\]", re.sub(r"'[^']*'|\"[^\"$`\\!]*\"", "", rest)):
        return None
    try:
        return shlex.split(rest)
    except ValueError:
        return None


def _open(words: list[str], cwd: str, window: Window) -> Action:
    if not words or not words[0]:
        return Invalid('Usage: open "<file>"')
    line = words[1] if len(words) > 1 else None
    if line and not _is_number(line):
        return Invalid('Usage: open "<file>" [<line_number>]\nError: <line_number> must be a number')
    return Read(paths.canonical(words[0], cwd), int(line) if line else None)


def _goto(words: list[str], cwd: str, window: Window) -> Action:
    if len(words) > 1:
        return Invalid("goto allows only one line number at a time.")
    if window.path is None:
        return Invalid(_NO_FILE)
    if not words or not words[0]:
        return Invalid("Usage: goto <line>")
    if not _is_number(words[0]):
        return Invalid("Usage: goto <line>\nError: <line> must be a number")
    return Read(window.path, int(words[0]))


def _scroll(words: list[str], cwd: str, window: Window) -> Action:
    return Read(window.path) if window.path is not None else Invalid(_NO_FILE)


def _create(words: list[str], cwd: str, window: Window) -> Action:
    if not words or not words[0]:
        return Invalid("Usage: create <filename>")
    return Write(paths.canonical(words[0], cwd), "\n", must_be_new=True)


def _search_dir(words: list[str], cwd: str, window: Window) -> Action:
    if not 1 <= len(words) <= 2:
        return Invalid("Usage: search_dir <search_term> [<dir>]")
    return _grep(words[0], paths.canonical(words[1] if len(words) > 1 else ".", cwd))


def _search_file(words: list[str], cwd: str, window: Window) -> Action:
    path = paths.canonical(words[1], cwd) if len(words) > 1 and words[1] else window.path
    if not words or not words[0]:
        return Invalid("Usage: search_file <search_term> [<file>]")
    return _grep(words[0], path) if path is not None else Invalid(_NO_FILE)


def _grep(term: str, path: str) -> Action:
    pattern = _basic_regex(term)
    if pattern is None:
        return Opaque("search", {"term": term, "path": path})
    return Grep(pattern, path, {"everywhere": True})


def _basic_regex(term: str) -> str | None:
    """A basic regular expression of grep as an extended one; `None` where the two dialects are far apart."""
    inner = term.removeprefix("^").removesuffix("$")
    # releases differ in whether grep takes a term that begins with a dash for an option
    if not inner or term.startswith("-") or re.search(r"[\\\[\]^$]", inner) or inner.startswith("*"):
        return None
    pattern = re.sub(r"[+?|(){}]", lambda m: "\\" + m[0], inner)
    return ("^" if term.startswith("^") else "") + pattern + ("$" if term.endswith("$") else "")


def _find_file(words: list[str], cwd: str, window: Window) -> Action:
    if not 1 <= len(words) <= 2:
        return Invalid("Usage: find_file <file_name> [<dir>]")
    name = re.sub(r"[{}]", lambda m: "\\" + m[0], words[0])
    return Glob(f"**/{name}", paths.canonical(words[1] if len(words) > 1 else ".", cwd), everywhere=True)


_COMMANDS = {
    "open": _open, "goto": _goto, "scroll_down": _scroll, "scroll_up": _scroll, "create": _create,
    "search_dir": _search_dir, "search_file": _search_file, "find_file": _find_file,
}  # fmt: skip


def _is_number(word: str) -> bool:
    return re.fullmatch(r"[0-9]+", word) is not None


def _edit(command: str, window: Window) -> Action:
    """`edit A:B`, the lines of a here-document that ends in `end_of_edit`; no lines delete."""
    head, *body = command.strip("\n").split("\n")
    words = head.split()
    if window.path is None:
        return Invalid(_NO_FILE_EDIT)
    first, _, rest = (words[1] if len(words) > 1 else "").partition(":")
    last = rest.partition(":")[0]
    if not first or not last:
        return Invalid(_USAGE_EDIT)
    for name, bound in (("start_line", first), ("end_line", last)):
        if not _is_number(bound):
            return Invalid(f"{_USAGE_EDIT}\nError: {name} must be a number")
    lines = body[: body.index(_END)] if _END in body else body
    return EditLines(window.path, int(first), int(last), "".join(f"{line}\n" for line in lines))


def window_output(
    command: str, action: Action, outcome: Outcome, window: Window
) -> tuple[str, Window, tuple[Mutation, ...]] | Unknown:
    """The text that the command prints, ending in a line end, the window after it, and what it takes back."""
    if isinstance(action, EditLines) and isinstance(outcome, Changed):
        return _edited(action, outcome.changes[0], window)
    made = _shown(command, action, outcome, window)
    return made if isinstance(made, Unknown) else (*made, ())


def _shown(command: str, action: Action, outcome: Outcome, window: Window) -> tuple[str, Window] | Unknown:
    name, _, rest = command.strip().partition(" ")
    words = _words(rest) or []
    match outcome:
        case FileText(path, text) if isinstance(action, Read):
            return _opened(name, action, path, text, window)
        case Changed((change,)) if isinstance(action, Write):
            opened = window.at(_constrain(window.size // 2, 1, window.size), action.path)
            return _print(change.after or "", opened), opened
        case Matches() if isinstance(action, Grep) and words:
            return _found(name, words[0], action.path, outcome), window
        case Listing(found) if isinstance(action, Glob) and words:
            # `find -name` compares the last part of a path; its order is the file system's, any may have been
            return _files(words[0], action.path, () if "/" in words[0] else found), window
        case Problem():
            said = _problem(name, words, action, outcome)
            return said if isinstance(said, Unknown) else (f"{said}\n", window)
    return Unknown(f"the form of {type(outcome).__name__} is not known")


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _constrain(line: int, total: int, size: int) -> int:
    half = size // 2
    return max(min(line, total - half), half)


def _print(text: str, window: Window) -> str:
    """`_print` of defaults.sh: heading, what is above, numbered lines, what is below."""
    lines = _lines(text)
    total, size = len(lines), window.size
    # half a window may be half a line: what is above is rounded down, what is below up
    above = max(0, (2 * window.line - size) // 2)
    below = max(0, (2 * (total - window.line) - size + 1) // 2)
    last = max(2 * window.line + size, size) // 2
    shown = list(enumerate(lines, 1))[:last][-window.size :]
    parts = [f"[File: {window.path} ({total} lines total)]"]
    parts += [f"({above} more lines above)"] if above else []
    parts += [f"{n}:{line}" for n, line in shown]
    parts += [f"({below} more lines below)"] if below else []
    return "\n".join(parts) + "\n"


def _opened(name: str, action: Read, path: str, text: str, window: Window) -> tuple[str, Window] | Unknown:
    total, size = len(_lines(text)), window.size
    if _ODD.search(text):
        return Unknown("how the terminal shows this text")
    if name == "scroll_down":
        line = window.line + size - OVERLAP
    elif name == "scroll_up":
        line = window.line - size + OVERLAP
    elif action.offset is None:
        line = size // 2
    elif action.offset > total and name == "goto":
        return f"Error: <line> must be less than or equal to {total}\n", window
    elif action.offset > total or (action.offset < 1 and name != "goto"):
        return Unknown("versions differ on a line outside of the file")
    else:
        line = max(1, action.offset + size // 2 - size // 6)
    opened = window.at(_constrain(line, total, size), path)
    return _print(text, opened), opened


def _edited(action: EditLines, change: Change, window: Window) -> tuple[str, Window, tuple[Mutation, ...]] | Unknown:
    before, after = change.before or "", change.after or ""
    if _ODD.search(before + after):
        return Unknown("how the terminal shows this text")
    found = complaints(after, window.words) if action.path.endswith(".py") else ()
    if found is None:
        return Unknown("the linter's words on this text")
    if found:
        return _refused(action, before, after, window, found)
    # edit_linting.sh leaves the window at its own 0-based number of the first line
    edited = window.at(_constrain(action.start - 1, len(_lines(after)), window.size), action.path)
    return f"{_print(after, edited)}{UPDATED}\n", edited, ()


def _refused(
    action: EditLines, before: str, after: str, window: Window, found: tuple[str, ...]
) -> tuple[str, Window, tuple[Mutation, ...]] | Unknown:
    """An edit that the linter objects to is shown and taken back; the window stays where it was."""
    if complaints(before, window.words) != ():
        return Unknown("whether the linter's old findings are told again")
    start, count = action.start - 1, action.text.count("\n")
    parts = [window.refusal, "", "ERRORS:", *(f"- {finding}" for finding in found), "", ""]
    tried = _around(after, action.path, count // 2 + start, count + 10)
    kept = _around(before, action.path, (action.end - start + 1) // 2 + start, action.end - start + 10)
    text = (
        "\n".join(parts)
        + f"This is how your edit would have looked if applied\n{_RULE}{tried}{_RULE}\n"
        + f"This is the original code before your edit\n{_RULE}{kept}{_RULE}{_REFUSED}"
    )
    return text, window, (PutFile(action.path, before.encode("utf-8", "surrogateescape")),)


def _around(text: str, path: str, line: int, size: int) -> str:
    return _print(text, Window(path, _constrain(line, len(_lines(text)), size), size))


def _found(name: str, term: str, path: str, outcome: Matches) -> str:
    if not outcome.matches:
        return f'No matches found for "{term}" in {path}\n'
    total = len(outcome.matches)
    if name == "search_file":
        kind, number = "lines", total
        body = [f"Line {m.line}:{m.text}" for m in outcome.matches]
    else:
        counts = Counter(match.path for match in outcome.matches)
        kind, number = "files", len(counts)
        body = [f"{file} ({count} matches)" for file, count in sorted(counts.items())]
    if number > MOST:
        return f'More than {number} {kind} matched for "{term}" in {path}. Please narrow your search.\n'
    head = f'Found {total} matches for "{term}" in {path}:'
    return "\n".join([head, *body, f'End of matches for "{term}" in {path}']) + "\n"


def _files(name: str, path: str, found: tuple[str, ...]) -> str:
    if not found:
        return f'No matches found for "{name}" in {path}\n'
    return "\n".join([f'Found {len(found)} matches for "{name}" in {path}:', *found]) + "\n"


def shown_by_search(text: str, root: str) -> tuple[Seen | RemovePath, ...]:
    """What the output of `search_file`, `search_dir` or `find_file` shows of files: lines, or that they are there.

    A search of `root` that found a module of the project's own package and no copy of it shows that `build` is absent.
    """
    head = _FOUND.match(text)
    if head is None:
        return ()
    where, lines = head["path"], text.split("\n")[1:]
    shown: list[Seen | RemovePath] = []
    for line in lines:
        if match := _FOUND_LINE.fullmatch(line):
            shown.append(Seen(where, match[2], int(match[1])))
        elif match := _FOUND_FILE.fullmatch(line):
            shown.append(Seen(match[1], ""))
    build, package = paths.join(root, artefacts.BUILD), root.rpartition("__")[2]
    own = re.compile(rf"{re.escape(root)}/(?:src/|lib/)?{re.escape(package)}/.*\.py")
    names = [seen.path for seen in shown]
    if where == root and any(map(own.fullmatch, names)) and not any(n.startswith(f"{build}/") for n in names):
        shown.append(RemovePath(build))
    return tuple(shown)


def _problem(name: str, words: list[str], action: Action, problem: Problem) -> str | Unknown:
    if isinstance(action, Invalid):
        return action.message
    given = words[0] if words else ""
    match name, problem.kind:
        case "open", "missing":
            return f"File {given} not found"
        case "open", "is_directory":
            return f"Error: {given} is a directory. You can only open files. Use cd or ls to navigate directories."
        case "search_dir" | "find_file", "missing" | "not_directory" if len(words) > 1:
            return f"Directory {words[1]} not found"
        case "search_file", "missing" if len(words) > 1:
            usage = "Usage: search_file <search_term> [<file>]"
            return f"{usage}\nError: File name {words[1]} not found. Please provide a valid file name."
    return Unknown(f"the message for {problem.kind} is not known")

"""The `str_replace_editor` that SWE-agent 1.x, OpenHands and others share: arguments and output forms.

Forms after the public tool of that name (Anthropic's edit tool; OpenHands `openhands-aci`), seen in recordings of both.
"""

from __future__ import annotations

from dataclasses import dataclass

from toolsim import paths
from toolsim.actions import (
    Action,
    Changed,
    Edit,
    EditLines,
    FileText,
    Invalid,
    Listing,
    Opaque,
    Outcome,
    Problem,
    Read,
    Replacement,
    Unknown,
    Write,
)  # fmt: skip
from toolsim.trajectory import JsonObject

SNIPPET = 4
"""Lines of context on each side of an edit's snippet."""

REVIEW = "Review the changes and make sure they are as expected. Edit the file again if necessary."
REVIEW_INSERT = (
    "Review the changes and make sure they are as expected (correct indentation, no duplicate lines, etc). "
    "Edit the file again if necessary."
)


@dataclass(frozen=True, slots=True)
class EditorForm:
    """What differs between the editor's hosts: the name of the snippet and the error prefix."""

    snippet_of: str = "{path}"
    error_prefix: str = ""
    limit: int | None = 30_000


def editor_action(given: JsonObject, cwd: str) -> Action:
    """The neutral action of one call; `view_range` becomes offset and limit."""
    command, path = given.get("command"), given.get("path")
    if not isinstance(path, str) or not path:
        return Invalid("Parameter `path` is required.")
    where = paths.canonical(path, cwd)
    if command == "view":
        return _view(given.get("view_range"), where)
    if command == "create":
        text = given.get("file_text")
        return (
            Write(where, text, must_be_new=True) if isinstance(text, str) else Invalid(_required("file_text", "create"))
        )
    if command == "str_replace":
        old, new = given.get("old_str"), given.get("new_str")
        if not isinstance(old, str) or not old:
            return Invalid(_required("old_str", "str_replace"))
        return Edit(where, (Replacement(old, new if isinstance(new, str) else ""),))
    if command == "insert":
        line, text = given.get("insert_line"), given.get("new_str")
        if not isinstance(line, int) or not isinstance(text, str):
            return Invalid(_required("insert_line" if not isinstance(line, int) else "new_str", "insert"))
        return EditLines(where, line + 1, line, text if text.endswith("\n") else text + "\n")
    return Opaque("str_replace_editor", given)


def editor_output(given: JsonObject, action: Action, outcome: Outcome, form: EditorForm) -> tuple[str, bool] | Unknown:
    """The text and whether it is an error."""
    path = str(given.get("path"))
    match outcome:
        case FileText() if isinstance(action, Read):
            return _view_output(path, action, outcome.text, form)
        case Changed(changes) if isinstance(action, Write):
            return (f"File created successfully at: {path}", False) if changes else Unknown("nothing changed")
        case Changed(changes):
            return _edit_output(path, action, changes[0].before or "", changes[0].after or "", form), False
        case Listing() | Problem("is_directory"):
            return Unknown("a directory's view depends on hidden items and sizes")
        case Problem():
            text = _problem(path, action, outcome)
            return text if isinstance(text, Unknown) else (form.error_prefix + text, True)
    return Unknown(f"the form of {type(outcome).__name__} is not known")


def numbered(lines: list[str], first: int) -> str:
    """`cat -n`: number in six columns, tab, line."""
    return "\n".join(f"{first + n:6}\t{line}" for n, line in enumerate(lines))


def _required(name: str, command: str) -> str:
    return f"Parameter `{name}` is required for command: {command}"


def _view(view_range: object, where: str) -> Action:
    if view_range is None:
        return Read(where)
    if not isinstance(view_range, list) or len(view_range) != 2 or not all(isinstance(n, int) for n in view_range):
        return Invalid("Invalid `view_range`. It should be a list of two integers.")
    first, last = view_range
    return Read(where, first, None if last == -1 else last - first + 1)


def _view_output(path: str, action: Read, text: str, form: EditorForm) -> tuple[str, bool] | Unknown:
    lines = text.expandtabs().split("\n") if form.snippet_of == "{path}" else text.split("\n")
    first = action.offset or 1
    if first < 1 or first > len(lines):
        message = (
            f"Invalid `view_range`: {[first, first + (action.limit or 0) - 1]}. Its first element `{first}` should be "
            f"within the range of lines of the file: {[1, len(lines)]}"
        )
        return form.error_prefix + message, True
    last = len(lines) if action.limit is None else first + action.limit - 1
    if last > len(lines):
        return Unknown("a range past the end is answered differently by different versions")
    body = numbered(lines[first - 1 : last], first)
    if form.limit is not None and len(body) > form.limit:
        return Unknown("a long view is abbreviated by a parser of its own")
    return f"Here's the result of running `cat -n` on {path}:\n{body}\n", False


def _edit_output(path: str, action: Action, before: str, after: str, form: EditorForm) -> str:
    name = form.snippet_of.format(path=path)
    if isinstance(action, Edit):
        replacement = action.replacements[0]
        start = before.split(replacement.old, maxsplit=1)[0].count("\n")
        first, last = max(0, start - SNIPPET), start + SNIPPET + replacement.new.count("\n")
        review = REVIEW
    else:
        line = action.start - 1 if isinstance(action, EditLines) else 0
        added = len(action.text.rstrip("\n").split("\n")) if isinstance(action, EditLines) else 0
        first, last = max(0, line - SNIPPET), line + added + SNIPPET - 1
        review = REVIEW_INSERT
    snippet = after.split("\n")[first : last + 1]
    head = f"The file {path} has been edited. Here's the result of running `cat -n` on a snippet of {name}:\n"
    return f"{head}{numbered(snippet, first + 1)}\n{review}"


def _problem(path: str, action: Action, problem: Problem) -> str | Unknown:
    if problem.kind == "missing":
        return f"The path {path} does not exist. Please provide a valid path."
    if problem.kind == "exists":
        return f"File already exists at: {path}. Cannot overwrite files using command `create`."
    if problem.kind == "not_found_in_file" and isinstance(action, Edit):
        old = action.replacements[0].old
        return f"No replacement was performed, old_str `{old}` did not appear verbatim in {path}."
    if problem.kind == "not_unique" and isinstance(action, Edit) and "lines" in problem.detail:
        old, lines = action.replacements[0].old, problem.detail["lines"]
        return (
            f"No replacement was performed. Multiple occurrences of old_str `{old}` in lines {lines}. "
            "Please ensure it is unique"
        )
    if isinstance(action, Invalid):
        return action.message
    return Unknown(f"the message for {problem.kind} is not known")

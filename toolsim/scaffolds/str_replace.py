"""The `str_replace_editor` that SWE-agent 1.x, OpenHands and others share: arguments and output forms.

Forms after the public tool of that name (Anthropic's edit tool; OpenHands `openhands-aci`), seen in recordings of both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

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

_ODD = re.compile("[\r\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class EditorForm:
    """What differs between the editor's hosts and versions.

    `aci` is the form of `openhands-aci`: texts that end in a line end are shown with one numbered empty line more, tabs
    are kept, `Invalid ... parameter` names the value. `snippets` tells how its versions number the snippet of an
    edit: `shifted` (one too high), `plain`, or `None` where that is not known. `limit` is the longest view.
    """

    aci: bool = False
    snippets: Literal["plain", "shifted"] | None = "plain"
    error_prefix: str = ""
    limit: int = 16_000


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
        if not isinstance(line, int) or not isinstance(text, str) or line < 0:
            return Invalid(_required("insert_line" if not isinstance(line, int) else "new_str", "insert"))
        return EditLines(where, line + 1, line, text + "\n")
    return Opaque("str_replace_editor", given)


def editor_output(given: JsonObject, action: Action, outcome: Outcome, form: EditorForm) -> tuple[str, bool] | Unknown:
    """The text, without a line end after it, and whether it is an error."""
    path = str(given.get("path"))
    match outcome:
        case FileText() if isinstance(action, Read):
            return _view_output(path, action, outcome.text, form)
        case Changed((change,)) if isinstance(action, Write):
            known = change.before is None
            return (f"File created successfully at: {path}", False) if known else Unknown("an existing file")
        case Changed((change,)) if isinstance(action, Edit | EditLines):
            return _edit_output(path, action, change.before or "", change.after or "", form)
        case Listing() | Problem("is_directory"):
            return Unknown("a directory's view depends on hidden items and sizes")
        case Problem():
            text = _problem(path, action, outcome, form)
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
    if _ODD.search(text) or (form.aci and "\t" in text):
        return Unknown("how the editor shows this text")
    lines = text.expandtabs().split("\n")
    count = text.count("\n") + (not text.endswith("\n")) if form.aci else len(lines)
    first = action.offset or 1
    last = count if action.limit is None else first + action.limit - 1
    if not 1 <= first <= last <= count:
        return Unknown("versions differ on a range outside of the file")
    shown = lines if action.offset is None else lines[first - 1 : last]
    if form.aci and action.offset is not None:
        if form.snippets is None:
            return Unknown("versions differ on the line after a range")
        shown = [*shown, ""] if form.snippets == "shifted" and (last < count or text.endswith("\n")) else shown
    body = numbered(shown, first)
    if len(body) > form.limit:
        return Unknown("a long view is shortened by rules of its own")
    return f"Here's the result of running `cat -n` on {path}:\n{body}\n", False


def _edit_output(
    path: str, action: Edit | EditLines, before: str, after: str, form: EditorForm
) -> tuple[str, bool] | Unknown:
    if _ODD.search(before + after) or "\t" in before + after:
        return Unknown("how the editor treats tabs and terminals this text")
    if form.aci and (form.snippets is None or isinstance(action, EditLines)):
        return Unknown("versions differ in the snippet")
    if isinstance(action, EditLines):
        line, added = action.start - 1, action.text.count("\n")
        first, last, name, review = max(0, line - SNIPPET), line + added + SNIPPET, "the edited file", REVIEW_INSERT
    else:
        replacement = action.replacements[0]
        start = before.partition(replacement.old)[0].count("\n") + (form.snippets == "shifted")
        first, last = max(0, start - SNIPPET), start + SNIPPET + replacement.new.count("\n") + 1
        name, review = path, REVIEW
    lines = after.split("\n")
    snippet = lines[first:last]
    if form.snippets == "shifted":
        if first == 0 or last - 1 >= len(lines):
            return Unknown("how a snippet at an end of the file is numbered")
        snippet = [*lines[first - 1 : last - 1], ""]
    head = f"The file {path} has been edited. Here's the result of running `cat -n` on a snippet of {name}:\n"
    return f"{head}{numbered(snippet, first + 1)}\n{review}", False


def _problem(path: str, action: Action, problem: Problem, form: EditorForm) -> str | Unknown:
    invalid = f"Invalid `path` parameter: {path}. " if form.aci else ""
    if isinstance(action, Invalid):
        return Unknown("versions differ in what they say of wrong arguments")
    if problem.kind == "missing":
        return f"{invalid}The path {path} does not exist. Please provide a valid path."
    if problem.kind == "exists":
        return f"{invalid}File already exists at: {path}. Cannot overwrite files using command `create`."
    if problem.kind == "not_found_in_file" and isinstance(action, Edit):
        old = action.replacements[0].old
        return f"No replacement was performed, old_str `{old}` did not appear verbatim in {path}."
    return Unknown(f"the message for {problem.kind} is not known")

"""Claude Code's file tools: how Read, Edit, MultiEdit and Write show what they did, and the reverse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toolsim.actions import Change, Changed, Edit, FileText, Outcome, Problem, Read, Replacement, Unknown, Write
from toolsim.scaffolds.base import Rendered, ScaffoldProfile
from toolsim.scaffolds.claude_profile import SNIPPET

if TYPE_CHECKING:
    from toolsim.trajectory import JsonObject, ToolCall

LINE_LIMIT = 2000
WIDTH_LIMIT = 2000
# Read counts tokens (25,000 at most) with the model's own tokenizer; below this many characters it never refuses.
SAFE_CHARACTERS = 60_000
SNIPPET_CONTEXT = 4


def error(text: str) -> Rendered:
    """A tool's own refusal."""
    return Rendered(f"<tool_use_error>{text}</tool_use_error>", True)


def render_read(action: Read, outcome: FileText, profile: ScaffoldProfile) -> Rendered | Unknown:
    """The numbered lines, or the reminders for an empty window."""
    lines = outcome.text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    start = action.offset if action.offset is not None and action.offset > 0 else 1
    shown = lines[start - 1 : start - 1 + (action.limit if action.limit is not None else LINE_LIMIT)]
    if "\n".join(shown) == "":
        if outcome.text == "":
            return Rendered(_reminder("the file exists but the contents are empty."))
        return Rendered(
            _reminder(
                f"the file exists but is shorter than the provided offset ({start}). The file has {len(lines)} lines."
            )
        )
    if any(len(line) > WIDTH_LIMIT for line in shown):
        return Unknown("how the version cuts long lines")
    if action.limit is None and len(lines) - start + 1 > LINE_LIMIT:
        return Unknown("how the version announces a long file")
    text = number(shown, start, str(profile.parameters.get("numbering", "arrow")))
    if len(text) > SAFE_CHARACTERS:
        return Unknown("the file may exceed the token limit")
    return Rendered(text + str(profile.parameters.get("read_tail", "")))


def _reminder(text: str) -> str:
    return f"<system-reminder>Warning: {text}</system-reminder>"


def number(lines: list[str], start: int, numbering: str) -> str:
    """Lines with their numbers in one of the two forms."""
    form = "{:>6}→{}" if numbering == "arrow" else "{}\t{}"
    return "\n".join(form.format(start + n, line) for n, line in enumerate(lines))


def read_numbered(text: str) -> tuple[int, list[str], str] | None:
    """The first line number, the lines, and the tail after them, of a numbered text; `None` if it is none."""
    match = re.match(r" *(\d+)(→|\t)", text)
    if match is None:
        return None
    start, separator = int(match.group(1)), match.group(2)
    lines: list[str] = []
    rest = text
    while True:
        head = re.match(rf" *{start + len(lines)}{separator}", rest)
        if head is None:
            return start, lines, "\n" + rest
        line, newline, rest = rest[head.end() :].partition("\n")
        lines.append(line)
        if not newline:
            return start, lines, ""


def render_missing(path: str, detail: JsonObject, profile: ScaffoldProfile) -> Rendered:
    """A file that does not exist, with a name that stands beside it."""
    text = "File does not exist."
    if profile.parameters.get("missing_note"):
        text += f" Note: your current working directory is {profile.cwd}."
    name = re.split(r"[\\/]", path)[-1]
    stem = name.rpartition(".")[0] or name
    alike = [other for other in detail.get("siblings", ()) if (other.rpartition(".")[0] or other) == stem]
    if alike:
        text += f" Did you mean {sorted(alike)[0]}?"
    return Rendered(text, True) if profile.parameters.get("missing_bare") else error(text)


def render_change(call: ToolCall, action: Edit | Write, change: Change, profile: ScaffoldProfile) -> Rendered | Unknown:
    """The confirmation of an edit or a write."""
    path = str(call.arguments.get("file_path", action.path))
    tail = str(profile.parameters.get("confirm_tail", ""))
    if isinstance(action, Write):
        return _render_write(path, action, change, profile, tail)
    if call.name == "MultiEdit":
        return _render_multi(path, action)
    step = action.replacements[0]
    if step.every:
        if tail:
            return Rendered(f"The file {path} has been updated. All occurrences were successfully replaced.{tail}")
        return Rendered(
            f"The file {path} has been updated. All occurrences of '{step.old}' were successfully replaced with "
            f"'{step.new}'."
        )
    form = profile.parameters.get("edit_form")
    if form is None:
        return Unknown("which confirmation this version shows")
    if form == "snippet":
        return Rendered(f"The file {path} has been updated. {SNIPPET}{_snippet(change, step, profile)}")
    return Rendered(f"The file {path} has been updated successfully.{tail}")


def _snippet(change: Change, step: Replacement, profile: ScaffoldProfile) -> str:
    """The lines around the replacement, four on each side."""
    before = (change.before or "").replace("\r\n", "\n")
    after = (change.after or "").replace("\r\n", "\n").split("\n")
    at = before.split(step.old)[0].count("\n") if step.old else 0
    start = max(0, at - SNIPPET_CONTEXT)
    shown = after[start : at + SNIPPET_CONTEXT + step.new.count("\n") + 1]
    return number(shown, start + 1, str(profile.parameters.get("numbering", "arrow")))


def _render_write(path: str, action: Write, change: Change, profile: ScaffoldProfile, tail: str) -> Rendered | Unknown:
    if change.before is None:
        return Rendered(f"File created successfully at: {path}{tail}")
    form = profile.parameters.get("write_form")
    if form is None:
        return Unknown("which confirmation this version shows")
    if form == "snippet":
        lines = action.content.split("\n")
        if len(lines) > LINE_LIMIT or len(action.content) > 16_000:
            return Unknown("how the version cuts a long snippet")
        text = number(lines, 1, str(profile.parameters.get("numbering", "arrow")))
        return Rendered(f"The file {path} has been updated. {SNIPPET}{text}")
    return Rendered(
        f"The file {path} has been {'overwritten' if form == 'overwritten' else 'updated'} successfully.{tail}"
    )


def _render_multi(path: str, action: Edit) -> Rendered:
    count = len(action.replacements)
    lines = [f'{n}. Replaced "{step.old[:50]}" with "{step.new[:50]}"' for n, step in enumerate(action.replacements, 1)]
    return Rendered(f"Applied {count} edit{'s' if count != 1 else ''} to {path}:\n" + "\n".join(lines))


def render_problem(
    call: ToolCall, action: Read | Edit | Write, problem: Problem, profile: ScaffoldProfile
) -> Rendered | Unknown:
    """The refusals of the file tools."""
    old = str(problem.detail.get("old", ""))
    match problem.kind:
        case "missing":
            return render_missing(action.path, problem.detail, profile)
        case "not_read":
            return error("File has not been read yet. Read it first before writing to it.")
        case "not_found_in_file":
            return error(f"String to replace not found in file.\nString: {old}")
        case "not_unique":
            return error(
                f"Found {problem.detail.get('count')} matches of the string to replace, but replace_all is false. To "
                "replace all occurrences, set replace_all to true. To replace only one occurrence, please provide more "
                f"context to uniquely identify the instance.\nString: {old}"
            )
        case "identical":
            return error("No changes to make: old_string and new_string are exactly the same.")
        case "exists":
            return error("Cannot create new file - file already exists.")
    return Unknown(f"the form of the refusal ({problem.kind})")


def render(
    call: ToolCall, action: Read | Edit | Write, outcome: Outcome, profile: ScaffoldProfile
) -> Rendered | Unknown:
    """Any outcome of a file tool."""
    if isinstance(outcome, FileText) and isinstance(action, Read):
        if re.search(r"\.(png|jpe?g|gif|webp|pdf|ipynb|svg)$", action.path, re.I) and not action.path.endswith(".svg"):
            return Unknown("shown as an image or notebook")
        return render_read(action, outcome, profile)
    if isinstance(outcome, Problem):
        return render_problem(call, action, outcome, profile)
    if isinstance(outcome, Changed) and len(outcome.changes) == 1 and not isinstance(action, Read):
        if outcome.unseen and "snippet" in (profile.parameters.get("edit_form"), profile.parameters.get("write_form")):
            return Unknown("the lines around the edit")
        return render_change(call, action, outcome.changes[0], profile)
    return Unknown("an outcome that the tool does not have")

"""The form parameters of Claude Code: defaults by version, fitted from the recorded results of a prefix.

Parameters (values of `ScaffoldProfile.parameters`):

- `numbering`: `arrow` (`%6d→line`) or `tab` (`N\\tline`), of Read and of edit snippets
- `read_tail`: text after the numbered lines of a Read (a reminder), or empty
- `edit_form`, `write_form`: `snippet` (numbered lines), `short` ("updated successfully"), `overwritten`; `None` for
  versions that had several
- `confirm_tail`: text after the confirmation of an edit or a write
- `todo_tail`, `task_tail`: text after the confirmation of a todo list or task update
- `empty_output`: what Bash shows where a command printed nothing
- `grep_numbers`: whether Grep numbers lines if the call does not say
- `grep_limit`: Grep's default number of lines, 0 for none; `grep_notes`: `always` or `truncated`
- `missing_note`, `missing_bare`: whether "File does not exist." names the directory, and stands without error tags
- `glob_relative`: whether Glob shows paths relative to the directory
- `after_error`: what the later calls of a message get once one of them has failed; empty where they still run (of 44
  later calls in recorded messages of versions 2.1.29 to 2.1.63 with a failed one 40 got it, of other versions' 31 none)
- `plan_entered`: what entering plan mode shows; empty where no recording of such a version did
- `skill:NAME`: what starting the skill showed in this session
- `must_read`: edits of unread files are refused (not in recordings that state no version)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from toolsim import paths
from toolsim.scaffolds.base import ScaffoldProfile
from toolsim.trajectory import CallPair, JsonObject, Message, Session, ToolCall, ToolResult, call_pairs

MALWARE_REMINDER = (
    "\n\n<system-reminder>\nWhenever you read a file, you should consider whether it would be considered malware. You "
    "CAN and SHOULD provide analysis of malware, what it is doing. But you MUST refuse to improve or augment the code. "
    "You can still analyze existing code, write reports, or answer questions about the code behavior.\n"
    "</system-reminder>\n"
)
STATE_IS_CURRENT = " (file state is current in your context — no need to Read it back)"
SIBLING_ERRED = "<tool_use_error>Sibling tool call errored</tool_use_error>"
NO_OUTPUT = "(Bash completed with no output)"
SNIPPET = "Here's the result of running `cat -n` on a snippet of the edited file:\n"
TODO_DONE = (
    "Todos have been modified successfully. Ensure that you continue to use the todo list to track your progress. "
    "Please proceed with the current tasks if applicable"
)
PLAN_ENTERED = (
    "Entered plan mode. You should now focus on exploring the codebase and designing an implementation approach.\n\n"
    "In plan mode, you should:\n1. Thoroughly explore the codebase to understand existing patterns\n"
    "2. Identify similar features and architectural approaches\n3. Consider multiple approaches and their trade-offs\n"
    "4. Use AskUserQuestion if you need to clarify the approach\n5. Design a concrete implementation strategy\n"
    "6. When ready, use ExitPlanMode to present your plan for approval\n\nRemember: DO NOT write or edit any files "
    "yet. This is a read-only exploration and planning phase."
)
_NUMBERED = re.compile(r"\s*\d+(→|\t)")
_ERRORS = ("<tool_use_error>", "File does not exist.", "The user doesn't want", "[Request interrupted", "EISDIR")


def defaults(version: str | None, model: str | None = None) -> JsonObject:
    """The parameters of a version (and model) where nothing recorded says otherwise."""
    number = version_number(version)
    reminded = number < (2, 1, 39) or ("sonnet" in (model or "") and number < (2, 1, 60))
    return {
        "numbering": "tab" if number >= (2, 1, 100) else "arrow",
        "read_tail": MALWARE_REMINDER if reminded else "",
        "edit_form": "short" if number >= (2, 1, 8) else "snippet" if number <= (2, 1, 5) else None,
        "write_form": _write_form(number),
        "confirm_tail": STATE_IS_CURRENT if number >= (2, 1, 200) else "",
        "todo_tail": "",
        "task_tail": "",
        "empty_output": NO_OUTPUT if number >= (2, 1, 100) else "",
        "grep_numbers": True,
        "grep_limit": 250 if number >= (2, 1, 100) else 0,
        "grep_notes": "truncated" if number >= (2, 1, 100) else "always",
        "missing_note": number >= (2, 1, 47),
        "missing_bare": number >= (2, 1, 100),
        "glob_relative": number >= (2, 1, 100),
        "after_error": SIBLING_ERRED if (2, 1, 29) <= number < (2, 1, 64) and version is not None else "",
        "plan_entered": PLAN_ENTERED if number < (2, 1, 64) else "",
        "must_read": version is not None,
    }


def _write_form(number: tuple[int, ...]) -> str | None:
    if number >= (2, 1, 47):
        return "short"
    return "snippet" if number <= (2, 1, 41) else "overwritten" if number == (2, 1, 45) else None


def version_number(version: str | None) -> tuple[int, ...]:
    """`2.1.49` as numbers; an unknown version is a recent one."""
    found = re.findall(r"\d+", version or "")
    return tuple(int(part) for part in found[:3]) if found else (2, 1, 60)


def fit(session: Session, messages: Sequence[Message]) -> ScaffoldProfile:
    """Defaults, then what each recorded result shows, the latest winning; the unexplained are counted."""
    models = [message.model for message in messages if isinstance(message, Message) and message.model]
    parameters = defaults(session.agent_version, models[-1] if models else session.model)
    unexplained = 0
    for pair in call_pairs(messages):
        if pair.result is None or pair.result.images:
            continue
        learn = _LEARN.get(pair.call.name)
        if learn is None:
            continue
        learnt = learn(pair.call, pair.result)
        if learnt is None:
            unexplained += 0 if _is_failure(pair) else 1
        else:
            parameters.update(learnt)
    cwd = session.cwd or "/"
    return ScaffoldProfile(
        "claude-code", session.agent_version, userland(cwd, session.platform), _shell(cwd, session.platform), cwd,
        parameters, unexplained,
    )  # fmt: skip


def userland(cwd: str, platform: str | None) -> str:
    """`bsd` on macOS, else `gnu` (git-bash brings GNU tools to Windows)."""
    return "bsd" if cwd.startswith(("/Users/", "/private/", "/Volumes/")) or platform == "darwin" else "gnu"


def _shell(cwd: str, platform: str | None) -> str:
    return "zsh" if userland(cwd, platform) == "bsd" and not paths.is_windows(cwd) else "bash"


def _is_failure(pair: CallPair) -> bool:
    return pair.result is not None and (bool(pair.result.is_error) or pair.result.content.startswith(_ERRORS))


def _read(call: ToolCall, result: ToolResult) -> JsonObject | None:
    match = _NUMBERED.match(result.content)
    if match is None:
        return {} if result.content.startswith("<system-reminder>Warning: the file exists") else None
    tail = result.content.find("\n\n<system-reminder>")
    numbering = "arrow" if match.group(1) == "→" else "tab"
    return {"numbering": numbering, "read_tail": result.content[tail:] if tail >= 0 else ""}


def _edit(call: ToolCall, result: ToolResult) -> JsonObject | None:
    text, path = result.content, str(call.arguments.get("file_path", ""))
    head = f"The file {path} has been updated"
    if text.startswith(f"{head}. {SNIPPET}"):
        return {"edit_form": "snippet"}
    for start in (f"{head} successfully.", f"{head}. All occurrences were successfully replaced."):
        if text.startswith(start):
            return {"edit_form": "short", "confirm_tail": text[len(start) :]}
    return {} if text.startswith((f"{head}. All occurrences of", "Applied ")) else None


def _write(call: ToolCall, result: ToolResult) -> JsonObject | None:
    text, path = result.content, str(call.arguments.get("file_path", ""))
    for form, start in (
        ("short", f"The file {path} has been updated successfully."),
        ("overwritten", f"The file {path} has been overwritten successfully."),
        ("created", f"File created successfully at: {path}"),
    ):
        if text.startswith(start):
            return {"confirm_tail": text[len(start) :]} | ({} if form == "created" else {"write_form": form})
    return {"write_form": "snippet"} if text.startswith(f"The file {path} has been updated. {SNIPPET}") else None


def _bash(call: ToolCall, result: ToolResult) -> JsonObject | None:
    silent = isinstance(result.structured, dict) and not (
        result.structured.get("stdout") or result.structured.get("stderr") or result.structured.get("backgroundTaskId")
    )
    return {"empty_output": result.content} if silent and result.content in ("", NO_OUTPUT) else {}


def _todo(call: ToolCall, result: ToolResult) -> JsonObject | None:
    return {"todo_tail": result.content[len(TODO_DONE) :]} if result.content.startswith(TODO_DONE) else None


def _task(call: ToolCall, result: ToolResult) -> JsonObject | None:
    match = re.match(r"Updated task #\S+ \w+(?:, \w+)*", result.content)
    return None if match is None else {"task_tail": result.content[match.end() :]}


def _task_create(call: ToolCall, result: ToolResult) -> JsonObject | None:
    return {} if re.match(r"Task #\S+ created successfully: ", result.content) else None


def _grep(call: ToolCall, result: ToolResult) -> JsonObject | None:
    text = result.content
    if call.arguments.get("output_mode") != "content" or text.startswith(("No matches", "<")) or not text:
        return {}
    if "-n" in call.arguments or "-n" in str(call.arguments.get("pattern")):
        return {}
    first = text.split("\n", 1)[0]
    return {"grep_numbers": re.match(r"(.*?[:-])?\d+[:-]", first) is not None}


def _glob(call: ToolCall, result: ToolResult) -> JsonObject | None:
    first = result.content.split("\n", 1)[0]
    if first.startswith(("No files found", "<")) or not first or "REDACTED" in first:
        return {}
    return {"glob_relative": not paths.is_absolute(first)}


def _skill(call: ToolCall, result: ToolResult) -> JsonObject | None:
    known = result.content.startswith(("Launching skill: ", "<tool_use_error>Unknown skill: "))
    return {f"skill:{call.arguments.get('skill', '')}": result.content} if known else None


def _plan_mode(_: ToolCall, result: ToolResult) -> JsonObject | None:
    return {"plan_entered": result.content} if result.content.startswith("Entered plan mode") else None


_LEARN: dict[str, Callable[[ToolCall, ToolResult], JsonObject | None]] = {
    "Read": _read, "Edit": _edit, "MultiEdit": _edit, "Write": _write, "Bash": _bash, "TodoWrite": _todo,
    "TaskUpdate": _task, "TaskCreate": _task_create, "Grep": _grep, "Glob": _glob,
    "Skill": _skill, "EnterPlanMode": _plan_mode,
}  # fmt: skip

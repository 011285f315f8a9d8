"""Claude Code: its calls as actions, and outcomes in its own forms (see the `claude_*` modules beside this one)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from toolsim import paths
from toolsim.actions import (
    Action,
    Ask,
    Delegate,
    Edit,
    Fact,
    Glob,
    Grep,
    Invalid,
    Kill,
    ListDirectory,
    MarkRead,
    Mutation,
    Note,
    Noted,
    Opaque,
    Outcome,
    Poll,
    Problem,
    Read,
    Replacement,
    Reply,
    RunShell,
    Seen,
    ShellOutput,
    StartProcess,
    Unknown,
    Write,
)  # fmt: skip
from toolsim.scaffolds import claude_files, claude_profile, claude_search, claude_shell
from toolsim.scaffolds.base import Rendered, ScaffoldProfile
from toolsim.scaffolds.claude_tools import TOOLS
from toolsim.trajectory import JsonObject, Message, Session, ToolCall, ToolDefinition, ToolResult

_NETWORK = frozenset({"WebFetch", "WebSearch", "ToolSearch"})
_TASK = "task"


class ClaudeCodeScaffold:
    """Claude Code 2.x. The profile parameters are those of `claude_profile`."""

    name = "claude-code"

    def tools(self, profile: ScaffoldProfile) -> tuple[ToolDefinition, ...]:
        """The tools that every 2.x session has."""
        return TOOLS

    def fit(self, session: Session, messages: Sequence[Message]) -> ScaffoldProfile:
        """See `claude_profile.fit`."""
        return claude_profile.fit(session, messages)

    def action(
        self, call: ToolCall, profile: ScaffoldProfile, cwd: str, env: Mapping[str, str] | None = None
    ) -> Action:
        """The call by its name; unknown and MCP tools are opaque."""
        path = call.arguments.get("file_path")
        if call.name in ("Read", "Edit", "MultiEdit", "Write"):
            if not isinstance(path, str):
                return Invalid(_missing(call, "file_path"))
            return _file_action(call, path if paths.is_absolute(path) else paths.canonical(path, cwd))
        if call.name == "Bash":
            return _bash_action(call, cwd)
        if call.name in ("Glob", "Grep"):
            return claude_search.glob_action(call, cwd) if call.name == "Glob" else claude_search.grep_action(call, cwd)
        if call.name == "LS":
            return ListDirectory(paths.canonical(str(call.arguments.get("path") or cwd), cwd))
        return _other_action(call)

    def render(
        self,
        call: ToolCall,
        action: Action,
        outcome: Outcome,
        profile: ScaffoldProfile,
        env: Mapping[str, str] | None = None,
    ) -> Rendered | Unknown:
        """The text in the session's forms; `Unknown` where no form explains the outcome."""
        if isinstance(outcome, Reply) and not isinstance(action, Note):
            return Rendered(outcome.text, outcome.is_error)
        match action:
            case Invalid(message):
                return claude_files.error(message)
            case Read() | Edit() | Write():
                return claude_files.render(call, action, outcome, profile)
            case Glob():
                return claude_search.render_glob(action, outcome, profile)
            case Grep():
                return claude_search.render_grep(call, action, outcome, profile)
            case RunShell() if isinstance(outcome, ShellOutput):
                return claude_shell.render_bash(call, outcome, profile)
            case Poll() if isinstance(outcome, ShellOutput) and call.name == "TaskOutput":
                return claude_shell.render_task_output(call, outcome)
            case Note():
                return _render_note(call, outcome, profile)
            case Poll() | Kill() if isinstance(outcome, Problem) and outcome.kind == "no_process":
                noun = "task" if call.name.startswith("Task") else "shell"
                return claude_files.error(f"No {noun} found with ID: {outcome.detail.get('handle')}")
        return Unknown("the tool's form is not known")

    def observe(
        self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile
    ) -> tuple[Mutation, ...]:
        """Pre-images and whole files from the structured copy, else what the text shows."""
        structured = result.structured if isinstance(result.structured, dict) else {}
        if result.is_error or result.content.startswith(("<tool_use_error>", "The user doesn't want")):
            return ()
        match action:
            case Read(path):
                return _observe_read(path, result, structured)
            case Edit(path) | Write(path):
                before = structured.get("originalFile")
                seen = (Seen(path, before, whole=True),) if isinstance(before, str) and before else ()
                return (*seen, MarkRead(path))
            case RunShell(command=command) if structured.get("backgroundTaskId"):
                return (StartProcess(str(structured["backgroundTaskId"]), command),)
            case Note("numbered:task"):
                match = re.match(r"Task #(\d+) created", result.content)
                return (Fact(f"{_TASK} {match.group(1)}", ""),) if match else ()
        return ()

    def raw(self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile) -> str | None:
        """The lines of a read from the top, the output of a command, the text of tools without a form."""
        match action:
            case Read(offset=offset):
                numbered = claude_files.read_numbered(result.content) if offset in (None, 0, 1) else None
                if numbered is None or numbered[0] != 1 or numbered[2] != profile.parameters.get("read_tail", ""):
                    return None
                return "\n".join(numbered[1])
            case RunShell():
                found = claude_shell.raw_bash(call, result, profile)
                return None if found is None else found[0]
            case Opaque() | Delegate() | Ask():
                return result.content
        return None


def _file_action(call: ToolCall, path: str) -> Action:
    given = call.arguments
    if call.name == "Read":
        for name in ("offset", "limit"):
            if isinstance(given.get(name), str) and _whole(given[name]) is None:
                return Invalid(
                    f"InputValidationError: Read failed due to the following issue:\n"
                    f"The parameter `{name}` type is expected as `number` but provided as `string`"
                )
        return Read(path, _whole(given.get("offset")), _whole(given.get("limit")))
    if call.name == "Write":
        content = given.get("content")
        return Write(path, content) if isinstance(content, str) else Invalid(_missing(call, "content"))
    edits = given.get("edits") if call.name == "MultiEdit" else [given]
    steps: list[Replacement] = []
    for edit in edits if isinstance(edits, list) else []:
        if not (isinstance(edit, dict) and isinstance(edit.get("old_string"), str)):
            return Invalid(_missing(call, "old_string"))
        if not isinstance(edit.get("new_string"), str):
            return Invalid(_missing(call, "new_string"))
        steps.append(Replacement(edit["old_string"], edit["new_string"], edit.get("replace_all") in (True, "true")))
    return Edit(path, tuple(steps)) if steps else Invalid(_missing(call, "edits"))


def _missing(call: ToolCall, parameter: str) -> str:
    return (
        f"InputValidationError: {call.name} failed due to the following issue:\n"
        f"The required parameter `{parameter}` is missing"
    )


def _whole(value: object) -> int | None:
    text = str(value)
    return int(text) if re.fullmatch(r"\d+", text) else None


def _bash_action(call: ToolCall, cwd: str) -> Action:
    command = call.arguments.get("command")
    if not isinstance(command, str):
        return Invalid(_missing(call, "command"))
    limit = _whole(call.arguments.get("timeout"))
    background = call.arguments.get("run_in_background") is True
    return RunShell(command, cwd, 120.0 if limit is None else limit / 1000, background, session="main")


def _other_action(call: ToolCall) -> Action:
    given = call.arguments
    name = call.name
    if name in ("BashOutput", "TaskOutput", "AgentOutputTool"):
        return Poll(str(given.get("task_id") or given.get("bash_id") or ""))
    if name in ("KillShell", "KillBash", "TaskStop"):
        return Kill(str(given.get("shell_id") or given.get("task_id") or ""))
    if name in ("Task", "Agent"):
        return Delegate(str(given.get("prompt", "")), _text(given.get("subagent_type")))
    if name == "AskUserQuestion":
        return _question(given)
    if name == "EnterPlanMode":
        return Note("plan mode")
    if name == "Skill":
        return Note(f"skill:{given.get('skill', '')}")
    if name in ("ExitPlanMode", "exit_plan_mode"):
        return Ask(str(given.get("plan", name)))
    if name == "TodoWrite":
        return Note("todo", given.get("todos"))
    if name == "TaskCreate":
        return Note(f"numbered:{_TASK}", given)
    if name == "TaskUpdate":
        return Note("task_update", given)
    return Opaque(name, given, network=name in _NETWORK or name.startswith("mcp__"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _question(given: JsonObject) -> Ask:
    questions = [q for q in given.get("questions") or [] if isinstance(q, dict)]
    options = tuple(
        str(option.get("label")) for q in questions for option in q.get("options") or [] if isinstance(option, dict)
    )
    return Ask("\n".join(str(q.get("question", "")) for q in questions), options)


def _render_note(call: ToolCall, outcome: Outcome, profile: ScaffoldProfile) -> Rendered | Unknown:
    given = call.arguments
    if call.name == "TodoWrite" and isinstance(outcome, Noted):
        return Rendered(claude_profile.TODO_DONE + str(profile.parameters.get("todo_tail", "")))
    if call.name == "TaskCreate" and isinstance(outcome, Reply):
        return Rendered(f"Task #{outcome.text} created successfully: {given.get('subject', '')}")
    if call.name == "TaskUpdate" and isinstance(outcome, Noted):
        fields = [name for name in given if name != "taskId"]
        if fields != ["status"]:
            return Unknown("which fields the update changed")
        return Rendered(f"Updated task #{given.get('taskId')} status" + str(profile.parameters.get("task_tail", "")))
    if call.name == "EnterPlanMode" and (text := profile.parameters.get("plan_entered")):
        return Rendered(str(text))
    if call.name == "Skill":
        name = str(given.get("skill", ""))
        shown = profile.parameters.get(f"skill:{name}")
        if shown is None and not isinstance(outcome, Reply):
            return Unknown("whether there is such a skill")
        text = str(shown or f"Launching skill: {name}")
        return Rendered(text, is_error=text.startswith("<tool_use_error>") or None)
    return Unknown("the tool's confirmation is not known")


def _observe_read(path: str, result: ToolResult, structured: JsonObject) -> tuple[Mutation, ...]:
    file = structured.get("file")
    if isinstance(file, dict) and isinstance(file.get("content"), str) and isinstance(file.get("startLine"), int):
        whole = file["startLine"] == 1 and file.get("numLines") == file.get("totalLines")
        shown = file["content"]
        return (Seen(path, shown, file["startLine"], whole), MarkRead(path)) if shown or whole else (MarkRead(path),)
    numbered = claude_files.read_numbered(result.content)
    if numbered is None or (numbered[2] and not numbered[2].lstrip().startswith("<system-reminder>")):
        return (MarkRead(path),)
    return Seen(path, "\n".join(numbered[1]), numbered[0]), MarkRead(path)


CLAUDE_CODE = ClaudeCodeScaffold()

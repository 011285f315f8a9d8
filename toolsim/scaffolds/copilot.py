"""GitHub Copilot CLI: `bash`, `view`, `edit`, `create`, `read_bash`, `report_intent` and others.

Forms read off recorded `events.jsonl` of version 1.0.64. Every `bash` call gets a shell id, counted in the order of the
calls. Profile parameters: `shells` (ids given so far), `open` (id by call, of calls without a result yet), `form`
(`shell_id`: the line that says how the shell ended; `plain`: the output alone, as older versions have it). Ids given
after the cut are counted in the scaffold's own state (`STATE`), which is no variable of the agent's shell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from toolsim import paths
from toolsim.actions import (
    Action,
    Ask,
    Changed,
    Edit,
    FileText,
    Glob,
    Grep,
    Invalid,
    Kill,
    MarkRead,
    Mutation,
    Note,
    Noted,
    Opaque,
    Outcome,
    Poll,
    Problem,
    PutFile,
    Read,
    Replacement,
    Reply,
    RunShell,
    Seen,
    SetEnv,
    ShellOutput,
    StartProcess,
    Unknown,
    Write,
)
from toolsim.scaffolds.base import STATE, Rendered, ScaffoldProfile
from toolsim.trajectory import Message, Session, ToolCall, ToolDefinition, ToolResult

_DONE = re.compile(r"\n?<shellId: (?P<id>\S+) completed with exit code (?P<code>-?\d+)>\s*$")
_RUNNING = re.compile(r"\n?<command with shellId: (?P<id>\d+) is still running after [^\n]*>\s*$")
_NUMBER = re.compile(r"(\d+)\. (.*)")
_ID = re.compile(r"shellId: (\d+) ")
_SHELLS = frozenset({"bash", "powershell"})
_LONGEST_VIEW = 20_000
_COUNT = f"{STATE}copilot-shells"


class CopilotScaffold:
    """The Copilot CLI."""

    name = "copilot"

    def tools(self, profile: ScaffoldProfile) -> tuple[ToolDefinition, ...]:
        """None are kept here: they are inferred from the calls seen."""
        return ()

    def fit(self, session: Session, messages: Sequence[Message]) -> ScaffoldProfile:
        """The shell ids that the prefix has used, and whether its results show them."""
        calls = [call.id for m in messages for call in m.calls if call.name in _SHELLS]
        results = {m.result.call_id: m.result for m in messages if m.result is not None}
        shown = [results[i].content for i in calls if i in results and not results[i].is_error]
        numbered = sum(_ID.search(text[-300:]) is not None for text in shown)
        cwd = session.cwd or "/"
        userland = "bsd" if cwd.startswith("/Users/") else "powershell" if paths.is_windows(cwd) else "gnu"
        parameters = {
            "shells": len(calls),
            "open": {call: n for n, call in enumerate(calls) if call not in results},
            "form": "shell_id" if numbered * 2 >= len(shown) else "plain",
        }
        unexplained = len(shown) - numbered if numbered * 2 >= len(shown) else numbered
        return ScaffoldProfile(self.name, session.agent_version, userland, "bash", cwd, parameters, unexplained)

    def action(
        self, call: ToolCall, profile: ScaffoldProfile, cwd: str, env: Mapping[str, str] | None = None
    ) -> Action:
        """The call by its name."""
        given = call.arguments
        path = given.get("path")
        where = paths.canonical(path, cwd) if isinstance(path, str) else cwd
        match call.name:
            case "bash" | "powershell":
                command = given.get("command")
                return RunShell(command, cwd) if isinstance(command, str) else Invalid("command is required")
            case "view":
                return _view(given.get("view_range"), where)
            case "create" if isinstance(given.get("file_text"), str):
                return Write(where, given["file_text"], must_be_new=True)
            case "edit" if isinstance(given.get("old_str"), str):
                return Edit(where, (Replacement(given["old_str"], str(given.get("new_str") or "")),))
            case "stop_bash" if "shellId" in given:
                return Kill(str(given["shellId"]))
            case "ask_user" if isinstance(given.get("question"), str):
                return Ask(given["question"], tuple(str(each) for each in _listed(given.get("choices"))))
            case "read_bash" | "write_bash":
                return Poll(str(given.get("shellId", "")), str(given.get("input") or ""))
            case "glob" if isinstance(given.get("pattern"), str):
                return Glob(given["pattern"], where)
            case "grep" if isinstance(given.get("pattern"), str):
                return Grep(given["pattern"], where, given)
            case "report_intent" | "update_todo":
                return Note(call.name, given)
        return Opaque(call.name, given, network=call.name in {"web_fetch", "web_search"})

    def render(
        self,
        call: ToolCall,
        action: Action,
        outcome: Outcome,
        profile: ScaffoldProfile,
        env: Mapping[str, str] | None = None,
    ) -> Rendered | Unknown:
        """The result's content."""
        match outcome:
            case ShellOutput():
                return _shell(call, outcome, profile, env or {})
            case FileText(text=text) if isinstance(action, Read):
                return _viewed(action, text)
            case Changed() if isinstance(action, Write):
                size = len(action.content)
                return Rendered(f"Created file {action.path} with {size} characters", False)
            case Changed() if isinstance(action, Edit):
                return Rendered(f"File {action.path} updated with changes.", False)
            case Noted() if call.name == "report_intent":
                return Rendered("Intent logged", False)
            case Problem("missing") if isinstance(action, Read):
                return Rendered("Path does not exist", True)
            case Problem() if isinstance(action, Invalid):
                return Rendered(action.message, True)
            case Reply():
                return _reply(action, outcome)
        return Unknown(f"the form of {type(outcome).__name__} is not known")

    def observe(
        self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile
    ) -> tuple[Mutation, ...]:
        """Lines that a view shows; a file created or edited; shells that go on; how many shells there were."""
        if isinstance(action, RunShell):
            found = [int(m[1]) for m in _ID.finditer(result.content[-300:])]
            count = (SetEnv(_COUNT, str(found[-1] + 1)),) if found else ()
            running = _RUNNING.search(result.content)
            return (*count, StartProcess(running["id"], action.command)) if running is not None else count
        if result.is_error:
            return ()
        if isinstance(action, Write) and result.content.startswith("Created file"):
            return (PutFile(action.path, action.content.encode("utf-8", "surrogateescape")), MarkRead(action.path))
        if isinstance(action, Edit) and result.content.endswith(" updated with changes."):
            return (MarkRead(action.path),)
        if not isinstance(action, Read):
            return ()
        lines = [_NUMBER.fullmatch(line) for line in result.content.split("\n")]
        shown = [(int(m[1]), m[2]) for m in lines if m is not None]
        first = action.offset or 1
        if len(shown) < len(lines) or [n for n, _ in shown] != list(range(first, first + len(shown))):
            return (MarkRead(action.path),)
        whole = action.offset is None and action.limit is None
        text = "\n".join(line for _, line in shown)
        return (Seen(action.path, text, first, whole), MarkRead(action.path))

    def raw(self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile) -> str | None:
        """The command's own output above the line that says how it ended, its last line end put back."""
        if not isinstance(action, RunShell | Poll):
            return result.content if isinstance(action, Opaque) else None
        if profile.parameters.get("form") == "plain":
            return None if _ID.search(result.content[-300:]) else result.content
        match = _DONE.search(result.content) or _RUNNING.search(result.content)
        if match is None:
            return None
        output = result.content[: match.start()]
        return f"{output}\n" if output and not output.endswith("\n") else None if output else ""


def _reply(action: Action, reply: Reply) -> Rendered:
    if isinstance(action, Kill):
        return Rendered(f"<command with id: {action.handle} stopped>", False)
    if isinstance(action, Ask) and not reply.is_error:
        return Rendered(f"User {'selected' if reply.text in action.options else 'responded'}: {reply.text}", False)
    return Rendered(reply.text, reply.is_error)


def _viewed(action: Read, text: str) -> Rendered | Unknown:
    lines, first = text.split("\n"), action.offset or 1
    if not 1 <= first <= len(lines) or (action.limit or 1) < 1:
        return Unknown("how a range outside of the file is shown")
    shown = lines[first - 1 :] if action.limit is None else lines[first - 1 : first - 1 + action.limit]
    view = "\n".join(f"{first + n}. {line}" for n, line in enumerate(shown))
    return Rendered(view) if len(view) <= _LONGEST_VIEW else Unknown("how a long view is cut")


def _shell(
    call: ToolCall, outcome: ShellOutput, profile: ScaffoldProfile, env: Mapping[str, str]
) -> Rendered | Unknown:
    """The output and, below it, which shell ended or goes on."""
    form = profile.parameters
    counted = env.get(_COUNT, "")
    given = form.get("open", {}).get(call.id)
    number = max(int(form.get("shells", 0)), int(counted) if counted.isdigit() else 0) if given is None else int(given)
    state = (SetEnv(_COUNT, str(number + 1)),)
    if form.get("form") == "plain":
        plain = outcome.running is None and not outcome.timed_out
        return (
            Rendered(outcome.output, None, outcome.exit_code) if plain else Unknown("an older form of a running shell")
        )
    text = outcome.output.removesuffix("\n")
    if outcome.running is None and not outcome.timed_out:
        line = f"<shellId: {number} completed with exit code {outcome.exit_code}>"
        return Rendered(f"{text}\n{line}", None, outcome.exit_code, state)
    wait = call.arguments.get("initial_wait", 30)
    how = (
        "The command is still running. Use read_bash to continue waiting for output" if text
        else "The command is still running but hasn't produced output yet. Use read_bash to continue waiting"
    )  # fmt: skip
    shell = outcome.running or number
    line = f"<command with shellId: {shell} is still running after {wait} seconds. {how}, or stop_bash to stop it.>"
    return Rendered(f"{text}\n{line}" if text else line, None, None, state)


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _view(view_range: object, where: str) -> Action:
    if view_range is None:
        return Read(where)
    if isinstance(view_range, list) and len(view_range) == 2 and all(isinstance(n, int) for n in view_range):
        first, last = view_range
        return Read(where, first, None if last == -1 else last - first + 1)
    return Invalid("view_range must be two integers")


COPILOT = CopilotScaffold()

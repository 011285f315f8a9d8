"""GitHub Copilot CLI: `bash`, `view`, `edit`, `create`, `read_bash`, `report_intent` and others.

Forms read off recorded `events.jsonl` of version 1.0.64. Profile parameters: `shells` (shell ids seen before the cut).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from toolsim import paths
from toolsim.actions import (
    Action,
    Changed,
    Edit,
    FileText,
    Glob,
    Grep,
    Invalid,
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
    ShellOutput,
    Unknown,
    Write,
)
from toolsim.scaffolds.base import Rendered, ScaffoldProfile
from toolsim.trajectory import Message, Session, ToolCall, ToolDefinition, ToolResult

_DONE = re.compile(r"\n?<shellId: (?P<id>\S+) completed with exit code (?P<code>-?\d+)>\s*$")
_NUMBER = re.compile(r"\d+\. ?(.*)")


class CopilotScaffold:
    """The Copilot CLI."""

    name = "copilot"

    def tools(self, profile: ScaffoldProfile) -> tuple[ToolDefinition, ...]:
        """None are kept here: they are inferred from the calls seen."""
        return ()

    def fit(self, session: Session, messages: Sequence[Message]) -> ScaffoldProfile:
        """The number of shells that the prefix has used."""
        ids = [
            int(m["id"]) for r in messages if r.result and (m := _DONE.search(r.result.content)) and m["id"].isdigit()
        ]
        cwd = session.cwd or "/"
        userland = "bsd" if cwd.startswith("/Users/") else "powershell" if paths.is_windows(cwd) else "gnu"
        parameters = {"shells": max(ids, default=-1) + 1}
        return ScaffoldProfile(self.name, session.agent_version, userland, "bash", cwd, parameters)

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
            case ShellOutput(running=None):
                text = outcome.output.rstrip("\n")
                line = f"<shellId: {profile.parameters.get('shells', 0)} completed with exit code {outcome.exit_code}>"
                return Rendered(f"{text}\n{line}" if text else line, None, outcome.exit_code)
            case FileText(text=text) if isinstance(action, Read):
                lines = text.split("\n")
                first = action.offset or 1
                shown = lines[first - 1 :] if action.limit is None else lines[first - 1 : first - 1 + action.limit]
                return Rendered("\n".join(f"{first + n}. {line}" for n, line in enumerate(shown)))
            case Changed() if isinstance(action, Write):
                size = len(action.content)
                return Rendered(f"Created file {action.path} with {size} characters", False)
            case Changed() if isinstance(action, Edit):
                return Rendered(f"File {action.path} updated with changes.", False)
            case Noted() if call.name == "report_intent":
                return Rendered("Intent logged", False)
            case Problem("missing"):
                return Rendered("Path does not exist", True)
            case Problem() if isinstance(action, Invalid):
                return Rendered(action.message, True)
            case Reply(text, is_error):
                return Rendered(text, is_error)
        return Unknown(f"the form of {type(outcome).__name__} is not known")

    def observe(
        self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile
    ) -> tuple[Mutation, ...]:
        """A view of a whole file gives its content; a created file is known."""
        if result.is_error:
            return ()
        if isinstance(action, Write) and result.content.startswith("Created file"):
            return (PutFile(action.path, action.content.encode("utf-8", "surrogateescape")), MarkRead(action.path))
        if not isinstance(action, Read):
            return ()
        lines = [_NUMBER.fullmatch(line) for line in result.content.split("\n")]
        if action.offset is not None or action.limit is not None or None in lines:
            return (MarkRead(action.path),)
        text = "\n".join(m[1] for m in lines if m is not None)
        return (PutFile(action.path, text.encode("utf-8", "surrogateescape")), MarkRead(action.path))

    def raw(self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile) -> str | None:
        """The command's own output above the line that says how it ended."""
        if isinstance(action, RunShell | Poll):
            match = _DONE.search(result.content)
            return None if match is None else result.content[: match.start()]
        return result.content if isinstance(action, Opaque) else None


def _view(view_range: object, where: str) -> Action:
    if view_range is None:
        return Read(where)
    if isinstance(view_range, list) and len(view_range) == 2 and all(isinstance(n, int) for n in view_range):
        first, last = view_range
        return Read(where, first, None if last == -1 else last - first + 1)
    return Invalid("view_range must be two integers")


COPILOT = CopilotScaffold()

"""The scaffold of agents whose tools are not known: every call is opaque, results are plain text as they are.

Shell-like and file-like tools of common names and argument shapes are recognised, so that the world can answer a
plain `read_file` or `bash`; what their results look like is not: only raw text is rendered, and only where the
recorded results of the prefix show that the tool's form is the raw text itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from toolsim import paths
from toolsim.actions import (
    Action,
    FileText,
    Invalid,
    MarkRead,
    Mutation,
    Note,
    Noted,
    Opaque,
    Outcome,
    Problem,
    PutFile,
    Read,
    Reply,
    RunShell,
    ShellOutput,
    Unknown,
    Write,
)  # fmt: skip
from toolsim.scaffolds.base import Rendered, ScaffoldProfile
from toolsim.trajectory import Message, Session, ToolCall, ToolDefinition, ToolResult

_SHELLS = frozenset({"bash", "shell", "sh", "execute_bash", "run_shell_command", "run_command", "terminal", "exec"})
_READS = frozenset({"read", "read_file", "view_file", "cat", "open_file"})
_WRITES = frozenset({"write", "write_file", "create_file"})
_NOTES = frozenset({"think", "todo", "todo_write", "update_plan", "todowrite"})
_PATHS = ("path", "file_path", "filename", "file", "absolute_path")
_COMMANDS = ("command", "cmd", "script", "input")


class GenericScaffold:
    """Any agent without a scaffold of its own. Profile parameters: `raw_shell`, `raw_read` (form is the raw text)."""

    name = "generic"

    def tools(self, profile: ScaffoldProfile) -> tuple[ToolDefinition, ...]:
        """None are known."""
        return ()

    def fit(self, session: Session, messages: Sequence[Message]) -> ScaffoldProfile:
        """Userland from the paths of the session; nothing is assumed of the forms."""
        cwd = session.cwd or "/"
        userland = "bsd" if cwd.startswith("/Users/") else "gnu"
        return ScaffoldProfile(self.name, session.agent_version, userland, "bash", cwd)

    def action(
        self, call: ToolCall, profile: ScaffoldProfile, cwd: str, env: Mapping[str, str] | None = None
    ) -> Action:
        """The call by its name and arguments; `Opaque` where they say nothing."""
        name = call.name.lower().rpartition(".")[2]
        path = _first(call, _PATHS)
        if name in _SHELLS:
            command = _first(call, _COMMANDS)
            return RunShell(command, cwd) if command is not None else Opaque(call.name, call.arguments)
        if name in _READS and path is not None and not set(call.arguments) - set(_PATHS):
            return Read(_absolute(path, cwd))
        content = _first(call, ("content", "contents", "text", "file_text"))
        if name in _WRITES and path is not None and content is not None:
            return Write(_absolute(path, cwd), content)
        return Note(name, call.arguments) if name in _NOTES else Opaque(call.name, call.arguments)

    def render(
        self,
        call: ToolCall,
        action: Action,
        outcome: Outcome,
        profile: ScaffoldProfile,
        env: Mapping[str, str] | None = None,
    ) -> Rendered | Unknown:
        """Text that has no form of its own; all else is not explained."""
        match outcome:
            case Reply(text, is_error):
                return Rendered(text, is_error)
            case ShellOutput():
                return Rendered(outcome.output, None, outcome.exit_code)
            case Problem(detail=detail) if isinstance(action, Invalid) and "message" in detail:
                return Rendered(str(detail["message"]), True)
            case FileText(text=text) if profile.parameters.get("raw_read"):
                return Rendered(text)
            case Noted():
                return Unknown("the tool's confirmation is not known")
        return Unknown("the tool's form is not known")

    def observe(
        self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile
    ) -> tuple[Mutation, ...]:
        """A write that did not fail has put its content; a read shows nothing certain (its form is unknown)."""
        if result.is_error:
            return ()
        if isinstance(action, Write):
            return (PutFile(action.path, action.content.encode("utf-8", "replace")),)
        return (MarkRead(action.path),) if isinstance(action, Read) else ()

    def raw(self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile) -> str | None:
        """The recorded text of what has no form; `None` for the rest."""
        return result.content if isinstance(action, Opaque | RunShell) else None


def _first(call: ToolCall, names: Sequence[str]) -> str | None:
    for name in names:
        value = call.arguments.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
            return " ".join(value)
    return None


def _absolute(path: str, cwd: str) -> str:
    return path if paths.is_absolute(path) else paths.canonical(path, cwd)


GENERIC = GenericScaffold()

"""Gemini CLI: `run_shell_command`, `read_file`, `write_file`, `replace`, `list_directory`, `glob`, searches.

Forms read off recorded sessions and the public `gemini-cli` tools. Profile parameters: `shell_form` (`fields`: the
block of labelled lines).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

from toolsim import paths
from toolsim.actions import (
    Action,
    Change,
    Changed,
    Edit,
    FileText,
    Glob,
    Grep,
    Invalid,
    ListDirectory,
    MarkRead,
    Mutation,
    Note,
    Opaque,
    Outcome,
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

_FIELDS = re.compile(
    r"Command: .*?\nDirectory: .*?\nOutput: (?P<output>.*)\nError: .*?\nExit Code: (?P<code>\S+)\nSignal: ", re.DOTALL
)
_NETWORK = frozenset({"google_web_search", "web_fetch"})


class GeminiScaffold:
    """The Gemini CLI."""

    name = "gemini"

    def tools(self, profile: ScaffoldProfile) -> tuple[ToolDefinition, ...]:
        """None are kept here: they are inferred from the calls seen."""
        return ()

    def fit(self, session: Session, messages: Sequence[Message]) -> ScaffoldProfile:
        """Userland from the session's directory."""
        cwd = session.cwd or "/"
        userland = "bsd" if cwd.startswith("/Users/") else "powershell" if paths.is_windows(cwd) else "gnu"
        return ScaffoldProfile(self.name, session.agent_version, userland, "bash", cwd, {"shell_form": "fields"})

    def action(
        self, call: ToolCall, profile: ScaffoldProfile, cwd: str, env: Mapping[str, str] | None = None
    ) -> Action:
        """The call by its name."""
        given = call.arguments
        named = given.get("file_path") or given.get("absolute_path") or given.get("path") or given.get("dir_path")
        where = paths.canonical(named, cwd) if isinstance(named, str) else cwd
        match call.name:
            case "run_shell_command":
                command = given.get("command")
                folder = given.get("dir_path") or given.get("directory")
                place = paths.canonical(folder, cwd) if isinstance(folder, str) else cwd
                return RunShell(command, place) if isinstance(command, str) else Invalid("command is required")
            case "read_file" if isinstance(named, str):
                offset, limit = given.get("offset"), given.get("limit")
                first = offset + 1 if isinstance(offset, int) else None
                return Read(where, first, limit if isinstance(limit, int) else None)
            case "write_file" if isinstance(given.get("content"), str):
                return Write(where, given["content"])
            case "replace" if isinstance(given.get("old_string"), str):
                every = (given.get("expected_replacements") or 1) != 1
                return Edit(where, (Replacement(given["old_string"], str(given.get("new_string") or ""), every),))
            case "list_directory":
                return ListDirectory(where)
            case "glob" if isinstance(given.get("pattern"), str):
                return Glob(given["pattern"], where)
            case "search_file_content" | "grep_search" if isinstance(given.get("pattern"), str):
                return Grep(given["pattern"], where, given)
            case "write_todos" | "save_memory":
                return Note(call.name, given)
        return Opaque(call.name, given, network=call.name in _NETWORK)

    def render(
        self,
        call: ToolCall,
        action: Action,
        outcome: Outcome,
        profile: ScaffoldProfile,
        env: Mapping[str, str] | None = None,
    ) -> Rendered | Unknown:
        """The function response's output."""
        match outcome:
            case ShellOutput(running=None):
                return Rendered(_shell(call, outcome), None, outcome.exit_code)
            case FileText(text=text) if isinstance(action, Read) and action.offset is None and action.limit is None:
                long = text.count("\n") >= 2000 or any(len(line) > 2000 for line in text.split("\n"))
                return Unknown("a long file is cut by its own rule") if long else Rendered(text)
            case Changed((Change(before=before),)) if isinstance(action, Write):
                done = "Successfully created and wrote to new file" if before is None else "Successfully overwrote file"
                return Rendered(f"{done}: {action.path}.", False)
            case Changed() if isinstance(action, Edit):
                return Rendered(f"Successfully modified file: {action.path} (1 replacements).", False)
            case Problem("missing") if isinstance(action, Read):
                return Rendered(f"File not found: {action.path}", True)
            case Problem() if isinstance(action, Invalid):
                return Rendered(action.message, True)
            case Reply(text, is_error):
                return Rendered(text, is_error)
        return Unknown(f"the form of {type(outcome).__name__} is not known")

    def observe(
        self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile
    ) -> tuple[Mutation, ...]:
        """A whole read gives the content; a confirmed write puts it."""
        if result.is_error:
            return ()
        if isinstance(action, Write) and result.content.startswith("Successfully"):
            return (PutFile(action.path, action.content.encode("utf-8", "surrogateescape")),)
        whole = isinstance(action, Read) and action.offset is None and action.limit is None
        if whole and isinstance(action, Read) and not result.content.startswith(("File not found", "\nIMPORTANT:")):
            return (PutFile(action.path, result.content.encode("utf-8", "surrogateescape")), MarkRead(action.path))
        return ()

    def raw(self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile) -> str | None:
        """The command's own output inside the labelled block."""
        if isinstance(action, RunShell):
            match = _FIELDS.search(result.content)
            return None if match is None else match["output"].replace("(empty)", "", 1)
        return result.content if isinstance(action, Opaque) else None


def _shell(call: ToolCall, outcome: ShellOutput) -> str:
    group = 20_000 + int(hashlib.sha256(call.id.encode()).hexdigest()[:4], 16) % 60_000
    folder = call.arguments.get("dir_path") or call.arguments.get("directory") or "(root)"
    return (
        f"Command: {call.arguments.get('command')}\nDirectory: {folder}\n"
        f"Output: {outcome.output.rstrip(chr(10)) or '(empty)'}\nError: (none)\n"
        f"Exit Code: {outcome.exit_code}\nSignal: 0\nBackground PIDs: (none)\nProcess Group PGID: {group}"
    )


GEMINI = GeminiScaffold()

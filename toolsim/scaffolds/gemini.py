"""Gemini CLI: `run_shell_command`, `read_file`, `write_file`, `replace`, `list_directory`, `glob`, searches.

Forms read off recorded sessions and the public `gemini-cli` tools. Profile parameters: `shell_form` (`fields`: all
labelled lines; `brief`, of newer versions: only those that say something), `confirm` (whether the short confirmations
of older versions are shown), `directory` (whether the session's directory is known).
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
    Seen,
    ShellOutput,
    Unknown,
    Write,
)
from toolsim.scaffolds.base import Rendered, ScaffoldProfile
from toolsim.trajectory import Message, Session, ToolCall, ToolDefinition, ToolResult

_FIELDS = re.compile(
    r"Command: (?s:.*?)\nDirectory: [^\n]*\nOutput: (?P<output>(?s:.*))\nError: \(none\)\nExit Code: (?P<code>-?\d+)\n"
    r"Signal: 0\nBackground PIDs: \(none\)\nProcess Group PGID: \d+"
)
_BRIEF = re.compile(r"Output: (?P<output>(?s:.*?))(?:\nExit Code: (?P<code>-?[1-9]\d*))?\nProcess Group PGID: \d+")
_NETWORK = frozenset({"google_web_search", "web_fetch"})


class GeminiScaffold:
    """The Gemini CLI."""

    name = "gemini"

    def tools(self, profile: ScaffoldProfile) -> tuple[ToolDefinition, ...]:
        """None are kept here: they are inferred from the calls seen."""
        return ()

    def fit(self, session: Session, messages: Sequence[Message]) -> ScaffoldProfile:
        """Which of the forms the prefix shows; userland from the session's directory."""
        cwd = session.cwd or "/"
        texts = [m.result.content for m in messages if m.result is not None]
        brief = sum(_BRIEF.fullmatch(text) is not None for text in texts)
        parameters = {
            "shell_form": "brief" if brief > sum(text.startswith("Command: ") for text in texts) else "fields",
            "confirm": not any(text.startswith("Successfully ") and "\n" in text for text in texts),
            "directory": session.cwd is not None,
        }
        userland = "bsd" if cwd.startswith("/Users/") else "powershell" if paths.is_windows(cwd) else "gnu"
        return ScaffoldProfile(self.name, session.agent_version, userland, "bash", cwd, parameters)

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
            case ShellOutput(running=None, timed_out=False, exit_code=int()):
                return Rendered(_shell(call, outcome, profile), None, outcome.exit_code)
            case Problem() if isinstance(action, Invalid):
                return Rendered(action.message, True)
            case Reply(text, is_error):
                return Rendered(text, is_error)
            case FileText(text=text) if isinstance(action, Read):
                cut = action.offset is not None or action.limit is not None or _is_long(text)
                return Unknown("a part of a file is shown under a notice") if cut else Rendered(text)
        if not profile.parameters.get("directory", True) and not _names_whole_path(call):
            return Unknown("the session's directory is not known")
        return _confirmed(action, outcome, profile)

    def observe(
        self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile
    ) -> tuple[Mutation, ...]:
        """A whole read gives the content; a confirmed write puts it."""
        if result.is_error:
            return ()
        if isinstance(action, Write) and result.content.startswith("Successfully"):
            return (PutFile(action.path, action.content.encode("utf-8", "surrogateescape")),)
        if isinstance(action, Edit) and result.content.startswith(("Successfully modified", "Created new file")):
            return (MarkRead(action.path),)
        whole = isinstance(action, Read) and action.offset is None and action.limit is None
        if whole and isinstance(action, Read) and not result.content.startswith(("File not found", "\nIMPORTANT:")):
            return (Seen(action.path, result.content, whole=True), MarkRead(action.path))
        return ()

    def raw(self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile) -> str | None:
        """The command's own output inside the labelled block; `None` where it holds more than output and exit code."""
        if not isinstance(action, RunShell):
            return result.content if isinstance(action, Opaque) else None
        form = _BRIEF if profile.parameters.get("shell_form") == "brief" else _FIELDS
        match = form.fullmatch(result.content)
        if match is None:
            return None
        return "" if match["output"] == "(empty)" else match["output"] + "\n"


def _is_long(text: str) -> bool:
    return text.count("\n") >= 2000 or any(len(line) > 2000 for line in text.split("\n"))


def _names_whole_path(call: ToolCall) -> bool:
    named = (call.arguments.get(name) for name in ("file_path", "absolute_path", "path", "dir_path"))
    return any(isinstance(path, str) and paths.is_absolute(path) for path in named)


def _confirmed(action: Action, outcome: Outcome, profile: ScaffoldProfile) -> Rendered | Unknown:
    """What the file tools say of a change, in the short form."""
    match outcome:
        case Problem("missing") if isinstance(action, Read):
            return Rendered(f"File not found: {action.path}", True)
        case Changed() if not profile.parameters.get("confirm", True):
            return Unknown("the longer confirmation shows the changed lines")
        case Changed((Change(before=before),)) if isinstance(action, Write):
            done = "Successfully created and wrote to new file" if before is None else "Successfully overwrote file"
            return Rendered(f"{done}: {action.path}.", False)
        case Changed((Change(before=None),)) if isinstance(action, Edit):
            return Rendered(f"Created new file: {action.path} with provided content.", False)
        case Changed((Change(before=str(before)),)) if isinstance(action, Edit):
            count = before.count(action.replacements[0].old)
            return Rendered(f"Successfully modified file: {action.path} ({count} replacements).", False)
    return Unknown(f"the form of {type(outcome).__name__} is not known")


def _shell(call: ToolCall, outcome: ShellOutput, profile: ScaffoldProfile) -> str:
    group = 20_000 + int(hashlib.sha256(call.id.encode("utf-8", "replace")).hexdigest()[:4], 16) % 60_000
    output = outcome.output.removesuffix("\n") or "(empty)"
    if profile.parameters.get("shell_form") == "brief":
        code = f"Exit Code: {outcome.exit_code}\n" if outcome.exit_code else ""
        return f"Output: {output}\n{code}Process Group PGID: {group}"
    folder = call.arguments.get("dir_path") or call.arguments.get("directory") or "(root)"
    return (
        f"Command: {call.arguments.get('command')}\nDirectory: {folder}\nOutput: {output}\nError: (none)\n"
        f"Exit Code: {outcome.exit_code}\nSignal: 0\nBackground PIDs: (none)\nProcess Group PGID: {group}"
    )


GEMINI = GeminiScaffold()

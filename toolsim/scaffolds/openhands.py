"""OpenHands: `execute_bash`, `str_replace_editor`, `execute_ipython_cell`, `think`, `browser`, `finish`.

Source: the public OpenHands repository (function-calling tools, `openhands-aci` editor, cmd output observation) and a
recorded evaluation. Below a command's output stand, where the recording shows them, how it ended, the directory and
the Python interpreter. Profile parameters: `suffix` (whether they do), `python` (the interpreter's path, `""` for no
such line), `snippets` (how the editor numbers them, see `EditorForm`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from toolsim.actions import (
    Action,
    Edit,
    EditLines,
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
    Reply,
    RunShell,
    ShellOutput,
    Unknown,
    Write,
)  # fmt: skip
from toolsim.scaffolds.base import Rendered, ScaffoldProfile
from toolsim.scaffolds.str_replace import EditorForm, editor_action, editor_output
from toolsim.trajectory import Message, Session, ToolCall, ToolDefinition, ToolResult

_SUFFIX = re.compile(
    r"\n\[The command completed with exit code (?P<code>-?\d+)\.\]"
    r"(?:\n\[Current working directory: (?P<cwd>[^\n]*)\])?"
    r"(?:\n\[Python interpreter: (?P<python>[^\n]*)\])?"
    r"(?:\n\[Command finished with exit code -?\d+\])?$"
)
_GOES_ON = re.compile(r"\n?\[The command (?:has no new output|timed out) after ")
_EDITED = re.compile(r"The file .* has been edited\. (?s:.*?)\n *\d+\t(?P<last>[^\n]*)\nReview the changes")


class OpenHandsScaffold:
    """OpenHands V0 with function calling."""

    name = "openhands"

    def tools(self, profile: ScaffoldProfile) -> tuple[ToolDefinition, ...]:
        """None are kept here: evaluations record theirs or they are inferred from the calls."""
        return ()

    def fit(self, session: Session, messages: Sequence[Message]) -> ScaffoldProfile:
        """What stands below outputs, and how the editor numbers its snippets."""
        results = [m.result.content for m in messages if m.result is not None]
        ended = [match for text in results if (match := _SUFFIX.search(text))]
        lasts = [match["last"] for text in results if (match := _EDITED.match(text))]
        parameters = {
            "suffix": bool(ended),
            "python": next((match["python"] for match in ended if match["python"]), ""),
            "snippets": None if not lasts else "plain" if any(lasts) else "shifted",
        }
        return ScaffoldProfile(self.name, session.agent_version, "gnu", "bash", session.cwd or "/workspace", parameters)

    def action(
        self, call: ToolCall, profile: ScaffoldProfile, cwd: str, env: Mapping[str, str] | None = None
    ) -> Action:
        """The call by its name."""
        given = call.arguments
        if call.name in {"execute_bash", "run", "bash"}:
            command = given.get("command", call.raw)
            if str(given.get("is_input", "false")).lower() == "true":
                return Poll("main", str(command or ""))
            return RunShell(command, cwd, session="main") if isinstance(command, str) else Invalid("Missing command")
        if call.name in {"str_replace_editor", "read", "edit", "write"}:
            return editor_action(given, cwd)
        if call.name == "think":
            return Note("thought", given)
        return Opaque(call.name, given, network=call.name in {"browser", "browse", "web_read"})

    def render(
        self,
        call: ToolCall,
        action: Action,
        outcome: Outcome,
        profile: ScaffoldProfile,
        env: Mapping[str, str] | None = None,
    ) -> Rendered | Unknown:
        """The observation's content."""
        match outcome:
            case ShellOutput(running=str()) | ShellOutput(timed_out=True):
                return Unknown("how a command that goes on is shown")
            case ShellOutput():
                return Rendered(_output(outcome, profile), None, outcome.exit_code)
            case Noted():
                return Rendered("Your thought has been logged.")
            case Reply(text, is_error):
                return Rendered(text, is_error)
            case Problem("no_process"):
                return Unknown("whether a command runs in the terminal")
        form = EditorForm(aci=True, snippets=profile.parameters.get("snippets"), error_prefix="ERROR:\n")
        shown = editor_output(call.arguments, action, outcome, form)
        return shown if isinstance(shown, Unknown) else Rendered(*shown)

    def observe(
        self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile
    ) -> tuple[Mutation, ...]:
        """A file that was created is known; an edit that succeeded follows from its arguments."""
        if isinstance(action, Write) and result.content.startswith("File created successfully"):
            return (PutFile(action.path, action.content.encode("utf-8", "surrogateescape")), MarkRead(action.path))
        done = isinstance(action, Edit | EditLines) and " has been edited. Here's the result" in result.content
        return (MarkRead(action.path),) if done and isinstance(action, Edit | EditLines) else ()

    def raw(self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile) -> str | None:
        """The command's own output, its last line end put back; `None` where the command goes on."""
        if not isinstance(action, RunShell | Poll):
            return result.content if isinstance(action, Opaque) else None
        text = result.content
        if _GOES_ON.search(text):
            return None
        if profile.parameters.get("suffix"):
            match = _SUFFIX.search(text)
            if match is None or (match["python"] or "") != profile.parameters.get("python"):
                return None
            text = text[: match.start()]
        elif _SUFFIX.search(text):
            return None
        return f"{text}\n" if text and not text.endswith("\n") else None if text else ""


def _output(outcome: ShellOutput, profile: ScaffoldProfile) -> str:
    text = outcome.output.rstrip("\n")
    if not profile.parameters.get("suffix"):
        return text
    python = profile.parameters.get("python")
    lines = [
        text,
        f"[The command completed with exit code {outcome.exit_code}.]",
        f"[Current working directory: {outcome.cwd or profile.cwd}]",
        *([f"[Python interpreter: {python}]"] if python else []),
        f"[Command finished with exit code {outcome.exit_code}]",
    ]
    return "\n".join(lines)


OPENHANDS = OpenHandsScaffold()

"""OpenHands: `execute_bash`, `str_replace_editor`, `execute_ipython_cell`, `think`, `browser`, `finish`.

Source: the public OpenHands repository (function-calling tools, `openhands-aci` editor, cmd output observation) and a
recorded evaluation. The command's directory and exit code stand below its output, where the recording shows them.
Profile parameters: `suffix` (whether they do).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from toolsim.actions import (
    Action,
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

_FORM = EditorForm(snippet_of="{path}", error_prefix="ERROR:\n")
_SUFFIX = "\n[The command completed with exit code "


class OpenHandsScaffold:
    """OpenHands V0 with function calling."""

    name = "openhands"

    def tools(self, profile: ScaffoldProfile) -> tuple[ToolDefinition, ...]:
        """None are kept here: evaluations record theirs or they are inferred from the calls."""
        return ()

    def fit(self, session: Session, messages: Sequence[Message]) -> ScaffoldProfile:
        """Whether exit codes stand below the output."""
        results = [m.result.content for m in messages if m.result is not None]
        suffix = any(_SUFFIX in text for text in results)
        cwd = session.cwd or "/workspace"
        return ScaffoldProfile(self.name, session.agent_version, "gnu", "bash", cwd, {"suffix": suffix})

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
            case ShellOutput():
                text = outcome.output.rstrip("\n")
                if profile.parameters.get("suffix"):
                    text = (
                        f"{text}\n[The command completed with exit code {outcome.exit_code}.]\n"
                        f"[Current working directory: {outcome.cwd or profile.cwd}]\n"
                        f"[Command finished with exit code {outcome.exit_code}]"
                    )
                return Rendered(text, None, outcome.exit_code)
            case Noted():
                return Rendered("Your thought has been logged.")
            case Reply(text, is_error):
                return Rendered(text, is_error)
            case Problem("no_process"):
                return Rendered("ERROR: No previous running command to interact with.", True)
        shown = editor_output(call.arguments, action, outcome, _FORM)
        return shown if isinstance(shown, Unknown) else Rendered(*shown)

    def observe(
        self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile
    ) -> tuple[Mutation, ...]:
        """A file that was created is known."""
        if isinstance(action, Write) and result.content.startswith("File created successfully"):
            return (PutFile(action.path, action.content.encode("utf-8", "surrogateescape")), MarkRead(action.path))
        return ()

    def raw(self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile) -> str | None:
        """The command's own output."""
        if not isinstance(action, RunShell | Poll | Opaque):
            return None
        return result.content.rpartition(_SUFFIX)[0] if _SUFFIX in result.content else result.content


OPENHANDS = OpenHandsScaffold()

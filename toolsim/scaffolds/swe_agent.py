"""SWE-agent: 0.x text commands with a file window, 1.x tools (`bash`, `str_replace_editor`, `submit`).

Source: the public SWE-agent repository (`config/commands`, `tools/edit_anthropic`) and recorded trajectories.
Profile parameters: `window` (lines shown), `crlf` (1.x terminals end lines in CRLF), `prefix` (text before every
observation, such as `OBSERVATION:`), `empty` (what stands for no output).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from toolsim.actions import (
    Action,
    EditLines,
    Invalid,
    MarkRead,
    Mutation,
    Opaque,
    Outcome,
    PutFile,
    Read,
    Reply,
    RunShell,
    SetEnv,
    ShellOutput,
    Unknown,
    Write,
)  # fmt: skip
from toolsim.scaffolds.base import Rendered, ScaffoldProfile
from toolsim.scaffolds.str_replace import EditorForm, editor_action, editor_output
from toolsim.scaffolds.swe_window import Window, window_action, window_output
from toolsim.trajectory import Message, Session, ToolCall, ToolDefinition, ToolResult

EMPTY = "Your command ran successfully and did not produce any output."
PREFIX = "OBSERVATION:\n"
_SHOWN = re.compile(r"\[File: (?P<path>\S.*) \((?P<total>\d+) lines total\)\]\n(?P<body>.*)", re.DOTALL)
_NUMBERED = re.compile(r"(\d+):(.*)")
_FORM = EditorForm(limit=16_000)


def _schema(required: Sequence[str], **properties: str) -> dict:  # type: ignore[type-arg]
    shapes = {"array": {"type": "array", "items": {"type": "integer"}}}
    return {
        "type": "object",
        "properties": {name: shapes.get(kind, {"type": kind}) for name, kind in properties.items()},
        "required": list(required),
    }


_TOOLS_1 = (
    ToolDefinition("bash", "runs the given command directly in bash", _schema(["command"], command="string")),
    ToolDefinition(
        "str_replace_editor",
        "Custom editing tool for viewing, creating and editing files. State is persistent across command calls.",
        _schema(
            ["command", "path"], command="string", path="string", file_text="string", old_str="string",
            new_str="string", insert_line="integer", view_range="array",
        ),
    ),
    ToolDefinition("submit", "submits the current file", _schema([])),
)  # fmt: skip
_TOOLS_0 = (
    ToolDefinition(
        "command", "One command of the special interface, or of bash.", _schema(["command"], command="string")
    ),
)


class SweAgentScaffold:
    """Both generations; which one is seen from the names of the calls."""

    name = "swe-agent"

    def tools(self, profile: ScaffoldProfile) -> tuple[ToolDefinition, ...]:
        """The text command of 0.x, or the tools of the 1.x default configuration."""
        return _TOOLS_0 if profile.parameters.get("generation") == 0 else _TOOLS_1

    def fit(self, session: Session, messages: Sequence[Message]) -> ScaffoldProfile:
        """Generation, line ends and prefix of the results in the prefix."""
        names = Counter(call.name for m in messages for call in m.calls)
        results = [m.result.content for m in messages if m.result is not None]
        old = names["command"] > 0 or (session.agent_version or "1").startswith("0")
        marked = sum(text.startswith(PREFIX) for text in results)
        parameters = {
            "generation": 0 if old else 1,
            "window": _window_size(results),
            "crlf": any("\r\n" in text for text in results),
            "prefix": PREFIX if marked > len(results) / 2 else "",
            "empty": EMPTY,
        }
        cwd = next((m.cwd for m in messages if m.cwd), None) or session.cwd or "/"
        return ScaffoldProfile(self.name, session.agent_version, "gnu", "bash", cwd, parameters)

    def action(
        self, call: ToolCall, profile: ScaffoldProfile, cwd: str, env: Mapping[str, str] | None = None
    ) -> Action:
        """Text commands by the window's state in `env`; the editor and bash by their arguments."""
        command = call.arguments.get("command", call.raw)
        if call.name == "command":
            return window_action(str(command or ""), cwd, _window(profile, env))
        if call.name == "bash":
            return (
                RunShell(command, cwd, session="main") if isinstance(command, str) else Invalid("command is required")
            )
        if call.name == "str_replace_editor":
            return editor_action(call.arguments, cwd)
        return Opaque(call.name, call.arguments)

    def render(
        self, call: ToolCall, action: Action, outcome: Outcome, profile: ScaffoldProfile,
        env: Mapping[str, str] | None = None,
    ) -> Rendered | Unknown:  # fmt: skip
        """The observation."""
        match outcome:
            case ShellOutput():
                return Rendered(_observation(outcome.output, profile), None, outcome.exit_code)
            case Reply(text, is_error):
                return Rendered(_observation(text, profile), is_error)
        if call.name == "command":
            made = window_output(
                str(call.arguments.get("command", call.raw) or ""), action, outcome, _window(profile, env)
            )
            if isinstance(made, Unknown):
                return made
            text, window = made
            return Rendered(text, None, None, window.env())
        shown = editor_output(call.arguments, action, outcome, _FORM)
        return shown if isinstance(shown, Unknown) else Rendered(_observation(shown[0].rstrip("\n"), profile), shown[1])

    def observe(
        self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile
    ) -> tuple[Mutation, ...]:
        """A window that shows the whole file gives its content; a created file is known; the window moves."""
        if isinstance(action, Write) and "created successfully" in result.content:
            return (PutFile(action.path, action.content.encode("utf-8", "surrogateescape")), MarkRead(action.path))
        match = _SHOWN.search(result.content)
        if match is None or not isinstance(action, Read | Write | EditLines):
            return ()
        numbered = [(int(m[1]), m[2]) for line in match["body"].split("\n") if (m := _NUMBERED.fullmatch(line))]
        moved: tuple[Mutation, ...] = ()
        if numbered:
            size = int(profile.parameters.get("window", 100))
            middle = max(numbered[0][0] - 1 + size // 2, size // 2)
            moved = (SetEnv("CURRENT_FILE", match["path"]), SetEnv("CURRENT_LINE", str(middle)))
        whole = [n for n, _ in numbered] == list(range(1, int(match["total"]) + 1))
        if not whole:
            return moved
        text = "".join(f"{line}\n" for _, line in numbered)
        return (PutFile(match["path"], text.encode("utf-8", "surrogateescape")), MarkRead(match["path"]), *moved)

    def raw(self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile) -> str | None:
        """The command's output without prefix and terminal line ends."""
        if not isinstance(action, RunShell | Opaque):
            return None
        text = result.content
        if text == EMPTY:
            return ""
        if not text.startswith(profile.parameters["prefix"]):
            return None
        text = text.removeprefix(profile.parameters["prefix"])
        return text.replace("\r\n", "\n") if profile.parameters["crlf"] else text


def _window_size(results: Sequence[str]) -> int:
    """The largest number of lines that a window of the prefix shows where more stood around it; else 100."""
    sizes = [
        sum(_NUMBERED.fullmatch(line) is not None for line in match["body"].split("\n"))
        for text in results
        if (match := _SHOWN.search(text)) and " more lines " in match["body"]
    ]
    return max(sizes, default=100)


def _window(profile: ScaffoldProfile, env: Mapping[str, str] | None) -> Window:
    return Window.of(env or {}, int(profile.parameters.get("window", 100)))


def _observation(text: str, profile: ScaffoldProfile) -> str:
    if profile.parameters.get("generation") == 0:
        return text
    body = text.rstrip("\n").replace("\n", "\r\n") if profile.parameters.get("crlf") else text.rstrip("\n")
    return f"{profile.parameters.get('prefix', '')}{body}" if body else str(profile.parameters.get("empty", EMPTY))


SWE_AGENT = SweAgentScaffold()

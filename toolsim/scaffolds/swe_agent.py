"""SWE-agent: 0.x text commands with a file window, 1.x tools (`bash`, `str_replace_editor`, `submit`).

Source: the public SWE-agent repository (`config/commands`, `tools/edit_anthropic`) and recorded trajectories.
Profile parameters: `window` (lines shown), `crlf` (1.x terminals end lines in CRLF), `strip` (1.x: white space around
an output is cut off; `None` is not known), `newline` (0.x: the line end after an output is kept; the last releases cut
it off), `prefix` (text before every observation, such as `OBSERVATION:`), `empty` (what stands for no output),
`refusal` (0.x: the first sentence on a refused edit), `linter` (0.x: whose words syntax errors have, see `swe_lint`;
the public image has Python 3.9).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from toolsim.actions import (
    Action,
    Edit,
    EditLines,
    Fact,
    FileText,
    GitMove,
    Glob,
    Grep,
    Invalid,
    MarkRead,
    Mutation,
    Opaque,
    Outcome,
    PutFile,
    Read,
    Reply,
    RunShell,
    Seen,
    SetEnv,
    ShellOutput,
    Unknown,
    Write,
)  # fmt: skip
from toolsim.scaffolds.base import Rendered, ScaffoldProfile
from toolsim.scaffolds.str_replace import EditorForm, editor_action, editor_output
from toolsim.scaffolds.swe_lint import Words
from toolsim.scaffolds.swe_window import INTRODUCED, Window, shown_by_search, window_action, window_output
from toolsim.trajectory import JsonObject, Message, Session, ToolCall, ToolDefinition, ToolResult

EMPTY = "Your command ran successfully and did not produce any output."
PREFIX = "OBSERVATION:\n"
_SHOWN = re.compile(
    r"(?:(?:Warning|Error): .*\n)*"
    r"\[File: (?P<path>\S.*) \((?P<total>\d+) lines total\)\]\n(?P<body>(?:.|\n)*)"
)
_MORE = re.compile(r"(?m)^\(\d+ more lines (?:above|below)\)$")
_STATED = re.compile(r"shows you (\d+) lines of a file at a time")
_PROMPT = re.compile(r"(?m)^\(Open file: \S.*\)$|^bash-\$$")
_REFUSAL = re.compile(r"Your proposed edit has introduced new syntax error\(s\)\. .*")
_NEW_WORDS = re.compile(r"(?m)^- E999 .*(?:an indented block after|detected at line|never closed|expected ':')")
_CUT_OFF = re.compile(r"\n *\d+\Z")  # an empty last line of a numbered view, without its tab
_NUMBERED = re.compile(r"(\d+):(.*)")
_FORM = EditorForm()
_SUBMIT = "git add -A && git diff --cached"


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
        old = names["command"] > 0 or (session.agent_version or "").startswith("0") or _is_old(session, messages)
        submits = {call.id for m in messages for call in m.calls if call.name == "submit"}
        results = [m.result for m in messages if m.result is not None and m.result.call_id not in submits]
        texts = [result.content for result in results if result.content]
        parameters = _form_0(session, messages, texts) if old else _form_1(texts)
        cwd = next((m.cwd for m in messages if m.cwd), None) or session.cwd or "/"
        return ScaffoldProfile(self.name, session.agent_version, "gnu", "bash", cwd, parameters)

    def action(
        self, call: ToolCall, profile: ScaffoldProfile, cwd: str, env: Mapping[str, str] | None = None
    ) -> Action:
        """Text commands by the window's state in `env`; the editor and bash by their arguments."""
        command = call.arguments.get("command", call.raw)
        if call.name == "command" and str(command or "").strip() == "submit":
            return RunShell(_SUBMIT, profile.cwd)
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
            case ShellOutput(running=str()) | ShellOutput(timed_out=True):
                return Unknown("how a command that does not end is shown")
            case ShellOutput() if isinstance(action, RunShell) and action.command == _SUBMIT:
                return _submission(outcome)
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
            text, window, taken_back = made
            return Rendered(_observation(text, profile), None, None, (*taken_back, *window.env()))
        if isinstance(outcome, FileText) and not profile.parameters.get("strip"):
            return Unknown("what stands at the end of a view")
        shown = editor_output(call.arguments, action, outcome, _FORM)
        return shown if isinstance(shown, Unknown) else Rendered(_observation(f"{shown[0]}\n", profile), shown[1])

    def observe(
        self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile
    ) -> tuple[Mutation, ...]:
        """Lines that a window shows; a created or edited file where it shows all of it; the window's place."""
        if call.name == "submit":
            return (
                Fact("the work was submitted", f"submit {call.id}"),
                GitMove(staged=(profile.cwd.rstrip("/") + "/",)),
            )
        if isinstance(action, Write) and "created successfully" in result.content:
            return (PutFile(action.path, action.content.encode("utf-8", "surrogateescape")), MarkRead(action.path))
        if isinstance(action, Grep | Glob):
            return shown_by_search(result.content, profile.cwd)
        match = _SHOWN.match(result.content)
        if match is None or not isinstance(action, Read | Write | EditLines):
            return _edited_text(action, result, profile)
        numbered = [(int(m[1]), m[2]) for line in match["body"].split("\n") if (m := _NUMBERED.fullmatch(line))]
        text = "".join(f"{line}\n" for _, line in numbered)
        whole = [n for n, _ in numbered] == list(range(1, int(match["total"]) + 1))
        moved = _moved(match, numbered, profile)
        if isinstance(action, Read):
            first = numbered[0][0] if numbered else 1
            shown = Seen(match["path"], text if whole else text[:-1], first, whole, int(match["total"]))
            return (shown, MarkRead(match["path"]), *moved) if numbered or whole else moved
        if not whole:
            return (MarkRead(match["path"]), *moved)
        return (PutFile(match["path"], text.encode("utf-8", "surrogateescape")), MarkRead(match["path"]), *moved)

    def raw(self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile) -> str | None:
        """The command's output without prefix and terminal line ends, its last line end put back."""
        if not isinstance(action, RunShell | Opaque):
            return None
        text, form = result.content, profile.parameters
        if form.get("generation") == 0:
            return text if form.get("newline", True) or not text else f"{text}\n"
        if text == form.get("empty", EMPTY):
            return ""
        prefix = str(form.get("prefix", ""))
        if not text.startswith(prefix):
            return None
        output = text.removeprefix(prefix)
        output = output.replace("\r\n", "\n") if form.get("crlf") else output
        return f"{output}\n" if _observation(f"{output}\n", profile) == text else None


def _submission(outcome: ShellOutput) -> Rendered | Unknown:
    """What stood between the marks that the command prints: a line end, then the patch."""
    if outcome.exit_code or outcome.stderr or not outcome.stdout:
        return Unknown("how a submission without a patch is shown")
    return Rendered(f"\n{outcome.stdout}", None, outcome.exit_code)


def _is_old(session: Session, messages: Sequence[Message]) -> bool:
    """Whether the prompt is that of the file window, where no call has shown it yet."""
    told = (session.system_prompt or "", *(m.text for m in messages if m.role in ("system", "user")))
    return not session.tools and any(_PROMPT.search(text) for text in told)


def _form_0(session: Session, messages: Sequence[Message], texts: Sequence[str]) -> JsonObject:
    """The file window of 0.x. Of the outputs most end as the release leaves them."""
    told = [session.system_prompt or "", *(m.text for m in messages if m.role in ("system", "user"))]
    stated = next((int(m[1]) for text in told if (m := _STATED.search(text))), 100)
    ended = [text.endswith("\n") for text in texts]
    return {
        "generation": 0,
        "window": _window_size(texts) or stated,
        "newline": sum(ended) * 2 >= len(ended),
        "clamp_lines": True,
        "refusal": next((match[0] for text in texts if (match := _REFUSAL.match(text))), INTRODUCED),
        "linter": "3.10" if any(_NEW_WORDS.search(text) for text in texts) else "3.9",
    }


def _form_1(texts: Sequence[str]) -> JsonObject:
    """What stands around an output of 1.x; where the prefix shows nothing, as release 1.0 has it."""
    shown = [text for text in texts if text != EMPTY]
    marked = sum(text.startswith(PREFIX) for text in shown)
    bodies = [text.removeprefix(PREFIX) for text in shown]
    return {
        "generation": 1,
        "crlf": any("\r\n" in text for text in bodies) or not any("\n" in text for text in bodies),
        "prefix": PREFIX if marked * 2 >= len(shown) else "",
        "strip": _stripped(bodies),
        "empty": EMPTY,
    }


def _stripped(bodies: Sequence[str]) -> bool | None:
    """Whether white space around outputs was cut off; `None` where no output shows it."""
    if any(text != text.strip() for text in bodies):
        return False
    return True if any(_CUT_OFF.search(text) for text in bodies) else None


def _window_size(texts: Sequence[str]) -> int:
    """The largest number of lines that a window of the prefix shows where more stood around it; 0 for none."""
    sizes = [
        sum(_NUMBERED.fullmatch(line) is not None for line in match["body"].split("\n"))
        for text in texts
        if (match := _SHOWN.match(text)) and _MORE.search(match["body"])
    ]
    return max(sizes, default=0)


def _window(profile: ScaffoldProfile, env: Mapping[str, str] | None) -> Window:
    words: Words = "3.10" if profile.parameters.get("linter") == "3.10" else "3.9"
    refusal = str(profile.parameters.get("refusal", INTRODUCED))
    return Window.of(env or {}, int(profile.parameters.get("window", 100)), words, refusal)


def _moved(match: re.Match[str], numbered: list[tuple[int, str]], profile: ScaffoldProfile) -> tuple[Mutation, ...]:
    """Where the window stands after it showed these lines."""
    shown = len(numbered) if _MORE.search(match["body"]) else 0
    size = max(shown, int(profile.parameters.get("window", 100)))
    line = (numbered[0][0] if numbered else 1) - 1 + size // 2
    return (SetEnv("CURRENT_FILE", match["path"]), SetEnv("CURRENT_LINE", str(line)))


def _edited_text(action: Action, result: ToolResult, profile: ScaffoldProfile) -> tuple[Mutation, ...]:
    """An edit of 1.x that succeeded; what it did follows from its arguments."""
    done = isinstance(action, Edit | EditLines) and " has been edited. Here's the result" in result.content
    return (MarkRead(action.path),) if done and isinstance(action, Edit | EditLines) else ()


def _observation(text: str, profile: ScaffoldProfile) -> str:
    """What the agent is shown of an output that ends in a line end."""
    form = profile.parameters
    if form.get("generation") == 0:
        return text if form.get("newline", True) else text.removesuffix("\n")
    body = text.rstrip("\n") if form.get("strip") is False else text.strip()
    body = body.replace("\n", "\r\n") if form.get("crlf") else body
    return f"{form.get('prefix', '')}{body}" if body.strip() else str(form.get("empty", EMPTY))


SWE_AGENT = SweAgentScaffold()

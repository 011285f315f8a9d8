"""Codex CLI: unified exec (exec_command, write_stdin), the older shell tools, apply_patch, update_plan.

Source of the forms: the public `codex-rs` (unified_exec, apply-patch, core truncation) and recorded rollouts of
versions 0.140 to 0.142. Profile parameters: `exec_form` (`chunk`: the header with `Chunk ID`; `exit`: `Exit code`
with `Wall time`; `json`: the oldest JSON object), `truncation` (what stands above a shortened output: `warning`, since
0.142, or only its number of `lines`).
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

from toolsim import paths
from toolsim.actions import (
    Action,
    Ask,
    Changed,
    Delegate,
    EndProcess,
    Invalid,
    MarkRead,
    Mutation,
    Note,
    Noted,
    Opaque,
    Outcome,
    Patch,
    Poll,
    Problem,
    Reply,
    RunShell,
    ShellOutput,
    StartProcess,
    Unknown,
)  # fmt: skip
from toolsim.scaffolds.base import Rendered, ScaffoldProfile
from toolsim.scaffolds.codex_tools import TOOLS
from toolsim.trajectory import JsonObject, Message, Session, ToolCall, ToolDefinition, ToolResult

LIMIT = 10_000
"""Tokens of output that are shown when the call names no limit; also the most a call may ask for."""

_CHUNK = re.compile(
    r"(?:Chunk ID: (?P<chunk>[0-9a-f]+)\n)?Wall time: (?P<wall>[\d.]+) seconds\n"
    r"(?:Process (?:exited with code (?P<code>-?\d+)|running with session ID (?P<session>\d+))\n)?"
    r"(?:Original token count: (?P<tokens>\d+)\n)?Output:\n(?P<body>.*)",
    re.DOTALL,
)
_EXIT = re.compile(
    r"Exit code: (?P<code>-?\d+)\nWall time: (?P<wall>[\d.]+) seconds\n"
    r"(?P<lines>Total output lines: \d+\n)?Output:\n(?P<body>.*)",
    re.DOTALL,
)
_TOLD_SHELL = re.compile(r"<environment_context>.*?<shell>(bash|zsh|sh)</shell>", re.S)
_CUT = re.compile(r"…\d+ tokens truncated…")
_WARNING = "Warning: truncated output (original token count: "
_SHELLS = frozenset({"exec_command", "shell", "shell_command", "local_shell", "container.exec", "unified_exec"})
_NETWORK = frozenset({"web_search", "web_search_call", "tool_search", "image_generation", "view_image"})
_DELEGATES = frozenset({"spawn_agent", "send_input", "wait_agent", "send_message"})


class CodexScaffold:
    """The Codex CLI."""

    name = "codex"

    def tools(self, profile: ScaffoldProfile) -> tuple[ToolDefinition, ...]:
        """The function tools of the unified-exec versions."""
        return TOOLS

    def fit(self, session: Session, messages: Sequence[Message]) -> ScaffoldProfile:
        """Which of the output forms the prefix shows; unified exec where it shows none."""
        cwd = session.cwd or "/"
        names = {call.id: call.name for m in messages for call in m.calls}
        forms: Counter[str] = Counter()
        truncation = "lines" if _version(session.agent_version) < (0, 142) else "warning"
        unexplained = 0
        for message in messages:
            if message.result is None or names.get(message.result.call_id) not in _SHELLS:
                continue
            form = _form(message.result.content)
            forms[form or ""] += 1
            unexplained += form is None
            if form == "chunk" and (match := _CHUNK.fullmatch(message.result.content)) and _is_cut(match):
                truncation = "warning" if match["body"].startswith(_WARNING) else "lines"
        forms.pop("", None)
        form = forms.most_common(1)[0][0] if forms else "chunk"
        userland = "bsd" if cwd.startswith("/Users/") else "powershell" if paths.is_windows(cwd) else "gnu"
        shell = _shell_told(messages) or ("zsh" if userland == "bsd" else "bash")
        parameters = {"exec_form": form, "truncation": truncation}
        return ScaffoldProfile(self.name, session.agent_version, userland, shell, cwd, parameters, unexplained)

    def action(
        self, call: ToolCall, profile: ScaffoldProfile, cwd: str, env: Mapping[str, str] | None = None
    ) -> Action:
        """The call by its name; MCP and hosted tools are opaque."""
        name, given = call.name.rpartition(".")[2], call.arguments
        workdir = given.get("workdir") or given.get("working_directory") or given.get("cwd")
        directory = paths.canonical(workdir, cwd) if isinstance(workdir, str) and workdir else cwd
        if call.name in _SHELLS or name in _SHELLS:
            return _shell(call, directory)
        if name == "apply_patch":
            text = call.raw if call.raw is not None else given.get("input") or given.get("patch")
            return Patch(text, cwd) if isinstance(text, str) else Invalid("apply_patch handler received no patch")
        if name == "write_stdin":
            return Poll(str(given.get("session_id", "")), str(given.get("chars") or ""))
        if name == "update_plan":
            return Note("plan", given)
        if name == "request_user_input":
            return Ask(json.dumps(given, ensure_ascii=False))
        if name in _DELEGATES:
            return Delegate(str(given.get("message") or given.get("prompt") or ""), name)
        return Opaque(call.name, given, network=name in _NETWORK or call.name.startswith("mcp__"))

    def render(
        self,
        call: ToolCall,
        action: Action,
        outcome: Outcome,
        profile: ScaffoldProfile,
        env: Mapping[str, str] | None = None,
    ) -> Rendered | Unknown:
        """The text of a function_call_output."""
        match outcome:
            case ShellOutput():
                return _exec_output(call, outcome, profile)
            case Changed():
                return Rendered(
                    f"Exit code: 0\nWall time: 0 seconds\nOutput:\n{_patch_summary(outcome, call)}", False, 0
                )
            case Noted() if isinstance(action, Note):
                return Rendered("Plan updated", False)
            case Reply(text, is_error):
                return Rendered(text, is_error)
            case Problem("no_process") if isinstance(action, Poll):
                return Rendered(f"write_stdin failed: Unknown process id {action.handle}", True)
            case Problem():
                return _problem(action, outcome)
        return Unknown(f"the form of {type(outcome).__name__} is not known")

    def observe(
        self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile
    ) -> tuple[Mutation, ...]:
        """Patches that succeeded (whoever rebuilds the world applies them); processes that go on or have ended."""
        if isinstance(action, Patch):
            changes = _recorded_changes(result)
            if changes is None and "Success. Updated the following files" not in result.content:
                return ()
            return tuple(MarkRead(paths.canonical(path, action.cwd)) for path in changes or (action.cwd,))
        head = _CHUNK.match(result.content) if isinstance(action, RunShell | Poll) else None
        if head is None:
            return ()
        if isinstance(action, RunShell):
            return (StartProcess(head["session"], action.command),) if head["session"] else ()
        return (EndProcess(action.handle),) if isinstance(action, Poll) and head["code"] else ()

    def raw(self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile) -> str | None:
        """The command's own output inside a recorded result; `None` where it was truncated."""
        if not isinstance(action, RunShell | Poll):
            return result.content if isinstance(action, Opaque) else None
        form = str(profile.parameters.get("exec_form", "chunk"))
        if form == "json":
            return _json_output(result.content)
        match = (_CHUNK if form == "chunk" else _EXIT).fullmatch(result.content)
        return None if match is None or _is_cut(match) else match["body"]


def estimated_tokens(text: str) -> int:
    """Codex's own count: UTF-8 bytes over four, rounded up."""
    return -(-len(text.encode("utf-8", "surrogateescape")) // 4)


def truncate(text: str, tokens: int, *, warning: bool = True) -> str:
    """The head and tail that Codex keeps of an output over `tokens`, cut at characters, under what it says of it."""
    data = text.encode("utf-8", "surrogateescape")
    room = tokens * 4
    if len(data) <= room:
        return text
    head = data[: room // 2].decode("utf-8", "ignore")
    tail = data[len(data) - (room - room // 2) :].decode("utf-8", "ignore")
    left_out = -(-(len(data) - room) // 4)
    lines = text.count("\n") + (not text.endswith("\n"))
    above = f"{_WARNING}{estimated_tokens(text)})\n" if warning else ""
    return f"{above}Total output lines: {lines}\n\n{head}…{left_out} tokens truncated…{tail}"


def _shell(call: ToolCall, cwd: str) -> Action:
    given = call.arguments
    command = given.get("cmd", given.get("command"))
    timeout = given.get("timeout_ms", given.get("timeout"))
    seconds = timeout / 1000 if isinstance(timeout, int | float) else None
    if isinstance(command, list) and all(isinstance(part, str) for part in command):
        argv = tuple(command)
        line = argv[2] if len(argv) == 3 and argv[1] in {"-lc", "-c"} else shlex.join(argv)
        return RunShell(line, cwd, seconds, argv=argv)
    if isinstance(command, str):
        return RunShell(command, cwd, seconds)
    return Invalid("failed to parse function arguments: missing field `cmd`")


def _exec_output(call: ToolCall, outcome: ShellOutput, profile: ScaffoldProfile) -> Rendered | Unknown:
    asked = call.arguments.get("max_output_tokens")
    limit = min(asked, LIMIT) if isinstance(asked, int) and asked > 0 else LIMIT
    form = profile.parameters.get("exec_form", "chunk")
    output = outcome.output
    if form != "chunk" and (outcome.running is not None or estimated_tokens(output) > LIMIT):
        return Unknown("how the older tools show a running command or a long output")
    if form == "json":
        meta = {"exit_code": outcome.exit_code, "duration_seconds": round(outcome.duration, 1)}
        return Rendered(_compact({"output": output, "metadata": meta}), None, outcome.exit_code)
    if form == "exit":
        wall = f"{outcome.duration:.1f}".removesuffix(".0")
        text = f"Exit code: {outcome.exit_code}\nWall time: {wall} seconds\nOutput:\n{output}"
        return Rendered(text, None, outcome.exit_code)
    chunk = hashlib.sha256(call.id.encode("utf-8", "replace")).hexdigest()[:6]
    state = (
        f"Process running with session ID {outcome.running}" if outcome.running is not None
        else f"Process exited with code {outcome.exit_code}"
    )  # fmt: skip
    head = f"Chunk ID: {chunk}\nWall time: {outcome.duration:.4f} seconds\n{state}\n"
    counted = f"Original token count: {estimated_tokens(output)}\nOutput:\n"
    shown = truncate(output, limit, warning=profile.parameters.get("truncation") != "lines")
    return Rendered(head + counted + shown, None, outcome.exit_code)


def _patch_summary(outcome: Changed, call: ToolCall) -> str:
    """`A`, `M`, `D` lines with the paths as the patch spelt them, grouped in this order."""
    text = call.raw or str(call.arguments.get("input") or call.arguments.get("patch") or "")
    kinds = {"Add": "A", "Update": "M", "Delete": "D"}
    named = [(kinds[k], p) for k, p in re.findall(r"(?m)^\*\*\* (Add|Update|Delete) File: (.+?)\s*$", text)]
    moves = dict(re.findall(r"(?m)^\*\*\* Update File: (.+?)\s*\n\*\*\* Move to: (.+?)\s*$", text))
    lines = [f"{kind} {moves.get(path, path)}" for wanted in "AMD" for kind, path in named if kind == wanted]
    return "Success. Updated the following files:\n" + "\n".join(lines) + "\n"


def _problem(action: Action, problem: Problem) -> Rendered | Unknown:
    if isinstance(action, Invalid):
        return Rendered(action.message, True)
    if not isinstance(action, Patch):
        return Unknown("the tool's message is not known")
    words = _patch_words(action, problem)
    if words is None:
        return Unknown(f"the message for a patch that fails with {problem.kind} is not known")
    return Rendered(f"apply_patch verification failed: {words}", True)


def _patch_words(action: Patch, problem: Problem) -> str | None:
    """What `codex-rs/apply-patch` says when a patch is verified; paths are absolute there.

    That a patch does not fit is certain only of a file that the session itself showed or wrote (`seen`): work trees
    beside the recorded one may hold another commit.
    """
    path = paths.canonical(problem.path, action.cwd) if problem.path else ""
    reason, missing = problem.detail.get("reason"), problem.detail.get("missing")
    if reason not in ("first_line", "last_line") and not problem.detail.get("seen"):
        return None
    match problem.kind, reason:
        case "missing", _:
            what = "Failed to read file to update" if problem.detail.get("operation") == "update" else "Failed to read"
            return f"{what} {path}: No such file or directory (os error 2)"
        case "bad_patch", "context":
            return f"Failed to find context '{missing}' in {path}"
        case "bad_patch", "lines":
            return f"Failed to find expected lines in {path}:\n{missing}"
        case "bad_patch", "first_line":
            return "invalid patch: The first line of the patch must be '*** Begin Patch'"
        case "bad_patch", "last_line":
            return "invalid patch: The last line of the patch must be '*** End Patch'"
    return None


def _recorded_changes(result: ToolResult) -> dict[str, dict] | None:  # type: ignore[type-arg]
    structured = result.structured
    changes = structured.get("changes") if isinstance(structured, dict) else None
    if not isinstance(changes, dict) or structured.get("success") is False:
        return None
    return {str(path): change for path, change in changes.items() if isinstance(change, dict)}


def _compact(value: JsonObject) -> str:
    """JSON as serde writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _shell_told(messages: Sequence[Message]) -> str | None:
    """The shell that the scaffold tells its model of, before the first turn."""
    told = (_TOLD_SHELL.search(m.text) for m in messages if m.role == "user" and m.origin == "harness")
    return next((match.group(1) for match in told if match), None)


def _version(text: str | None) -> tuple[int, ...]:
    """The version as numbers; an unknown one counts as the newest."""
    found = re.match(r"(\d+)\.(\d+)", text or "")
    return (int(found[1]), int(found[2])) if found else (sys.maxsize,)


def _is_cut(match: re.Match[str]) -> bool:
    """Whether the middle of the output was left out: its form says so, above and at the place."""
    body = match["body"]
    if match.groupdict().get("lines"):
        return True
    return body.startswith((_WARNING, "Total output lines: ")) and _CUT.search(body) is not None


def _form(content: str) -> str | None:
    if content.startswith(("Chunk ID:", "Wall time:")):
        return "chunk"
    if _EXIT.fullmatch(content):
        return "exit"
    return "json" if _json_output(content) is not None else None


def _json_output(content: str) -> str | None:
    if not content.startswith("{"):
        return None
    try:
        value = json.loads(content)
    except ValueError:
        return None
    output = value.get("output") if isinstance(value, dict) else None
    return output if isinstance(output, str) and "metadata" in value else None


CODEX = CodexScaffold()

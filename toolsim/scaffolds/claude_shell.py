"""Claude Code's Bash and background tasks: how the output of a command is shown, and the reverse."""

from __future__ import annotations

import re

from toolsim import paths
from toolsim.actions import ShellOutput, Unknown
from toolsim.scaffolds.base import Rendered, ScaffoldProfile
from toolsim.trajectory import ToolCall, ToolResult

OUTPUT_LIMIT = 30_000
# Exit code 1 of these is an answer, not a failure (the last program of the line decides).
_ANSWERS = {"grep", "egrep", "fgrep", "rg", "find", "diff", "test", "["}


def render_bash(call: ToolCall, outcome: ShellOutput, profile: ScaffoldProfile) -> Rendered | Unknown:
    """Blank lines before and white space after the output go; failures are headed by the exit code."""
    if outcome.running is not None:
        return _background(outcome)
    text = re.sub(r"^(?:[ \t\f\v\r]*\n)+", "", outcome.output).rstrip()
    if len(text) > OUTPUT_LIMIT:
        return Unknown("a long output is stored in a file of unknown name")
    reset = _cwd_reset(outcome, profile)
    if outcome.timed_out:
        seconds = int(outcome.duration)
        notice = (
            f"Command timed out after {seconds // 60}m {seconds % 60}.0s"
            if seconds >= 60
            else f"Command timed out after {seconds}s"
        )
        return Rendered("\n".join(part for part in ("Exit code 143", notice, text) if part) + reset, True, 143)
    if failed(str(call.arguments.get("command", "")), outcome.exit_code):
        return Rendered(
            "\n".join(part for part in (f"Exit code {outcome.exit_code}", text) if part) + reset,
            True,
            outcome.exit_code,
        )
    return Rendered((text or str(profile.parameters.get("empty_output", ""))) + reset, False, None)


def failed(command: str, exit_code: int | None) -> bool:
    """Whether the exit code is a failure for the tool: `grep` without a hit is none."""
    if not exit_code:
        return False
    if exit_code != 1:
        return True
    last = re.split(r"\|\|?|&&|;|\n", command.strip().rstrip(";"))[-1].split()
    name = next((word for word in last if "=" not in word), "")
    return name.rpartition("/")[2] not in _ANSWERS


def _background(outcome: ShellOutput) -> Rendered | Unknown:
    """The note names a file below a directory that the recording does not show."""
    return Unknown("where the output of the background task is written")


def _cwd_reset(outcome: ShellOutput, profile: ScaffoldProfile) -> str:
    """Outside of the session's directory the shell is put back."""
    if outcome.cwd is None or paths.relative(paths.canonical(outcome.cwd), paths.canonical(profile.cwd)) is not None:
        return ""
    return f"\nShell cwd was reset to {profile.cwd}"


def raw_bash(call: ToolCall, result: ToolResult, profile: ScaffoldProfile) -> tuple[str, int | None] | None:
    """The output and exit code inside a recorded result; `None` where the form hides them."""
    text = result.content
    if text.startswith(
        ("<tool_use_error>", "<persisted-output>", "The user doesn't want", "Command running in background")
    ):
        return None
    if "<system-reminder>" in text or "Shell cwd was reset to" in text or len(text) > OUTPUT_LIMIT:
        return None
    match = re.match(r"Exit code (\d+)(?:\n|$)", text)
    if match is not None and result.is_error is not False:
        return text[match.end() :], int(match.group(1))
    if text == profile.parameters.get("empty_output") or text == "":
        return "", 0
    return (text, 0) if not result.is_error else None


def render_task_output(call: ToolCall, outcome: ShellOutput) -> Rendered:
    """TaskOutput's tags around the new output."""
    running = outcome.running is not None
    blocked = call.arguments.get("block", True) is not False
    status = ("timeout" if blocked else "not_ready") if running else "success"
    parts = [
        f"<retrieval_status>{status}</retrieval_status>",
        f"<task_id>{call.arguments.get('task_id', '')}</task_id>",
        "<task_type>local_bash</task_type>",
        f"<status>{'running' if running else 'completed'}</status>",
    ]
    if not running and outcome.exit_code is not None:
        parts.append(f"<exit_code>{outcome.exit_code}</exit_code>")
    if outcome.output.strip():
        parts.append(f"<output>\n{outcome.output.rstrip()}\n</output>")
    return Rendered("\n\n".join(parts))

"""The latest part of a session as text for a prompt: calls and results in order, long ones cut in the middle.

The window's start moves in strides, so that consecutive prompts of one rollout share their beginning and an endpoint
reads it once. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from toolsim.evidence import tokens
from toolsim.trajectory import Message, ToolCall, canonical_json

_STRIDE = 8
_LONGEST_PART = 0.3
_FRAME = re.compile(
    r"(?m)^(?=# (?:Now|What is known|The session so far, latest last)\s*$|## e\d+: |(?:USER|AGENT|TOOL|CALL): "
    r"|RESULT(?: \(exit code -?\d+\))?:\s*$)"
)


def window(history: Sequence[Message], budget: int) -> str:
    """As many of the last messages as fit into about `budget` tokens; empty if there is nothing to show."""
    longest = max(200, int(budget * _LONGEST_PART * 3.3))
    shown = [text for message in history if (text := message_text(message, longest))]
    size, start = 0, len(shown)
    while start and size + tokens(shown[start - 1]) <= budget:
        start -= 1
        size += tokens(shown[start])
    if start:
        start = min(len(shown), -(-start // _STRIDE) * _STRIDE)
    return "\n\n".join(shown[start:])


def message_text(message: Message, longest: int) -> str:
    """One message for a prompt; what the agent product or the system put in is left out."""
    if message.result is not None:
        code = "" if message.result.exit_code is None else f" (exit code {message.result.exit_code})"
        return f"RESULT{code}:\n{unframed(middle_cut(message.result.content, longest))}"
    if message.origin == "harness" or message.role == "system":
        return ""
    parts = [unframed(middle_cut(message.text.strip(), longest))] if message.text.strip() else []
    parts += [f"CALL: {call_text(call, longest)}" for call in message.calls]
    who = {"user": "USER", "assistant": "AGENT"}.get(message.role, "TOOL")
    return f"{who}: " + "\n".join(parts) if parts else ""


def unframed(text: str) -> str:
    """A text of a recording for a prompt: a line that looks like a heading or a label of the prompt itself is moved by
    a space, so that no text can pass for a part of the prompt. All other lines stay as they are.
    """
    return _FRAME.sub(" ", text)


def call_text(call: ToolCall, longest: int | None = None) -> str:
    """A call on one line: name and arguments as JSON, or its raw text."""
    body = call.raw if call.raw is not None else canonical_json(call.arguments)
    return f"{call.name} {body if longest is None else middle_cut(body, longest)}"


def middle_cut(text: str, longest: int) -> str:
    """The text, or its first and last part with a mark of how many characters stand between."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters …]\n{text[-half:]}"

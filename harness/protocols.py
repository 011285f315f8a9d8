"""Scaffolds whose actions are plain text: which form a session uses, how an action is read, and what the scaffold
answers to one that cannot be read. Pure.

Sources: SWE-agent/mini-swe-agent `agents/default.py` and `config/default.yaml`; SWE-agent/SWE-agent
`sweagent/tools/parsing.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from toolsim.prompting import render
from toolsim.trajectory import Message, Session, ToolCall

_FENCE = re.compile(r"^```(\S*)[^\S\n]*\n", re.MULTILINE)
_FENCE_LINE = re.compile(r"^```(\S*)\s*\n|^```\s*$", re.MULTILINE)
_FUNCTION = re.compile(r"<function=([^>]+)>\n(.*?)</function>", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([^>]+)>(.*?)</parameter>", re.DOTALL)
_COMMAND = re.compile(r"<command>(.*?)</command>", re.DOTALL)
_SUBMITS = ("echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT", "echo MINI_SWE_AGENT_FINAL_OUTPUT")


@dataclass(frozen=True, slots=True)
class Misformed:
    """A reply that holds no action in the scaffold's form; `answer` is what the scaffold says to it."""

    answer: str


class TextProtocol(Protocol):
    """One text form."""

    @property
    def keeps_rejected(self) -> bool:
        """Whether the model goes on seeing its misformed replies."""

    def read(self, text: str) -> ToolCall | Misformed:
        """The action in a reply; the call has no id yet."""


@dataclass(frozen=True, slots=True)
class OneFence:
    """mini-swe-agent: exactly one fenced block with the label of its version."""

    label: str = "bash"
    keeps_rejected: bool = True

    def read(self, text: str) -> ToolCall | Misformed:
        """See `TextProtocol.read`."""
        found = re.findall(rf"```{re.escape(self.label)}\s*\n(.*?)\n```", text, re.DOTALL)
        if len(found) != 1:
            return Misformed(_answer("format_error_fence", found=len(found), label=self.label))
        return _shell("bash", found[0].strip())


@dataclass(frozen=True, slots=True)
class LastFence:
    """SWE-agent, thought and action: the last block that is not nested in another."""

    keeps_rejected: bool = False

    def read(self, text: str) -> ToolCall | Misformed:
        """See `TextProtocol.read`."""
        opened: list[re.Match[str]] = []
        last: str | None = None
        for mark in _FENCE_LINE.finditer(text):
            if opened and not mark.group(1):
                start = opened.pop()
                if not opened:
                    last = text[start.end() : mark.start()]
            elif mark.group(1) is not None:
                opened.append(mark)
        return _shell("command", last) if last else Misformed(_answer("format_error_discussion"))


@dataclass(frozen=True, slots=True)
class CommandTag:
    """SWE-agent, XML: the last `<command>` element."""

    keeps_rejected: bool = False

    def read(self, text: str) -> ToolCall | Misformed:
        """See `TextProtocol.read`."""
        found = _COMMAND.findall(text)
        return _shell("command", found[-1].strip()) if found else Misformed(_answer("format_error_discussion"))


@dataclass(frozen=True, slots=True)
class FunctionTag:
    """XML function calls: `<function=NAME>` with `<parameter=KEY>` elements."""

    keeps_rejected: bool = False

    def read(self, text: str) -> ToolCall | Misformed:
        """See `TextProtocol.read`."""
        found = _FUNCTION.search(text)
        if found is None:
            return Misformed(_answer("format_error_function"))
        arguments = {key: re.sub(r"^\n|\n$", "", value) for key, value in _PARAMETER.findall(found[2])}
        return ToolCall("", found[1].strip(), arguments, raw=found[0])


def protocol_of(session: Session, view: Sequence[Message]) -> TextProtocol | None:
    """The text form that a session uses; `None` for native tool calls.

    Told by its own actions (a call whose text stands in the message that made it); before the first of them by the
    system prompt of the two products that have such forms.
    """
    for message in reversed(view):
        for call in message.calls:
            if call.recorded_id is not None or call.raw is None or call.raw.strip() not in message.text:
                return None
            return _form_around(call.raw.strip(), message.text, session.agent)
    if session.agent not in {"mini-swe-agent", "swe-agent"} or session.tools:
        return None
    instructions = "\n".join([session.system_prompt or "", *(m.text for m in view if m.role == "system")])
    if "<function=" in instructions:
        return FunctionTag()
    if session.agent == "mini-swe-agent":
        labels = [label for label in _FENCE.findall(instructions) if label in {"bash", "mswea_bash_command"}]
        return OneFence(labels[-1]) if labels else None
    if "<command>" in instructions:
        return CommandTag()
    return LastFence() if "```" in instructions else None


def ends_turn(agent: str, call: ToolCall) -> str | None:
    """Why this call ends the turn in its product (a submission, a finish tool); `None` if it does not."""
    command = str(call.arguments.get("command", "")).strip()
    if agent == "mini-swe-agent" and command.startswith(_SUBMITS):
        return "submitted"
    if agent == "swe-agent" and (call.name == "submit" or command.split(maxsplit=1)[:1] == ["submit"]):
        return "submitted"
    if agent == "openhands" and call.name == "finish":
        return "finished"
    return None


def _form_around(action: str, text: str, agent: str) -> TextProtocol:
    before = text[: text.rfind(action)].rstrip()
    if action.startswith("<function=") or _FUNCTION.search(text):
        return FunctionTag()
    if before.endswith("<command>"):
        return CommandTag()
    labels = _FENCE.findall(before + "\n")
    if agent == "mini-swe-agent":
        return OneFence(labels[-1] if labels and labels[-1] else "bash")
    return LastFence()


def _shell(tool: str, command: str) -> ToolCall:
    return ToolCall("", tool, {"command": command}, raw=command)


def _answer(name: str, **variables: object) -> str:
    return render(name, package="harness", **variables).text

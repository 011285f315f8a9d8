"""What a recorded situation offers to an agent product: the tools as recorded, and what the agent had seen. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.conversation import arguments_text, native, with_system
from harness.scene import Scene
from toolsim.trajectory import JsonObject, Message, ToolDefinition

_NAME = re.compile(r"[A-Za-z0-9_./-]{1,128}")
"""Tool names as MCP allows them (specification 2025-11-25, server/tools)."""
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Offer:
    """What is shown of a situation.

    `task` is the user's last message, `said` the whole conversation as (role, text) with role `user` or `assistant`,
    `chat` the same as chat messages with calls and results. `left_out` counts tools that no client could name.
    """

    tools: tuple[ToolDefinition, ...]
    task: str
    system: str | None
    said: tuple[tuple[str, str], ...]
    chat: tuple[JsonObject, ...]
    left_out: int = 0

    def tool(self, name: str) -> ToolDefinition | None:
        """The tool of this name."""
        return next((tool for tool in self.tools if tool.name == name), None)

    @property
    def chat_json(self) -> str:
        """The conversation as a JSON document."""
        return wire_text(json.dumps(self.chat, ensure_ascii=False, indent=2))


def offer(scene: Scene) -> Offer:
    """What the situation of a scene offers."""
    chat = with_system(
        native(scene.view, scene.prefix.session.agent).messages,
        scene.prefix.session.system_prompt,
        scene.system_prompt,
    )
    system = chat[0]["content"] if chat and chat[0]["role"] == "system" else None
    tools = tuple({t.name: t for t in scene.tools if _NAME.fullmatch(t.name)}.values())
    return Offer(
        tools=tools,
        task=wire_text(_task(scene.view)),
        system=None if system is None else wire_text(system),
        said=tuple((role, wire_text(text)) for role, text in map(_said, scene.view) if text),
        chat=chat,
        left_out=len(scene.tools) - len(tools),
    )


def input_schema(tool: ToolDefinition) -> JsonObject:
    """The tool's parameters as MCP wants them: a schema whose root is an object."""
    return {**tool.parameters, "type": "object"} if tool.parameters else {"type": "object", "properties": {}}


def wire_text(text: str) -> str:
    """Text that JSON can carry: bytes that were no UTF-8 become U+FFFD, as agent products show them."""
    return _SURROGATES.sub("\ufffd", text)


def rungs(counts: Counter[str]) -> str:
    """Calls by rung for people."""
    return ", ".join(f"{n} {rung}" for rung, n in counts.most_common()) or "none"


def _task(view: Sequence[Message]) -> str:
    """The last user messages in a row; where no human spoke (an autonomous session) the last message given to it."""
    asked: list[str] = []
    for message in reversed(view):
        if message.role == "user" and message.origin == "user":
            asked.append(message.text)
        elif asked:
            break
    if asked:
        return "\n\n".join(reversed(asked))
    return next((m.text for m in reversed(view) if m.role == "user" and m.result is None), "")


def _said(message: Message) -> tuple[str, str]:
    if message.result is not None:
        return "user", f"[result]\n{message.result.content}"
    if message.role != "assistant":
        return "user", message.text
    calls = [f"[call of {call.name}]\n{arguments_text(call)}" for call in message.calls]
    return "assistant", "\n\n".join(filter(None, [message.text, *calls]))

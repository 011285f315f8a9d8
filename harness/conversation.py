"""Recorded messages as the chat messages that a model reads: system prompt first, each result next to its call. Pure.

Reasoning is left out. Nothing is cut; what cannot be said in this form is counted by reason.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from toolsim.trajectory import JsonObject, Message, ToolCall

# what the product itself tells its model about a call that a human stopped
_INTERRUPTED = {"claude-code": "[Request interrupted by user for tool use]"}
PROVIDER_ITEMS = "provider_items"


@dataclass(frozen=True, slots=True)
class Conversation:
    """Chat messages, and how many parts of the record were left out, by reason."""

    messages: tuple[JsonObject, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


def native(messages: Sequence[Message], agent: str = "") -> Conversation:
    """The form with tool calls and tool messages.

    A call without a recorded result is answered with the product's own text for an interrupted call, where it has
    one; else the call is left out, as are results of calls that are not in `messages`.
    """
    results = _results(messages)
    known = {call.id for message in messages for call in message.calls}
    left_out: Counter[str] = Counter()
    chat: list[JsonObject] = []
    for message in messages:
        if message.result is not None:
            left_out["result without its call"] += message.result.call_id not in known
        elif message.role == "assistant":
            chat += _assistant(message, results, _INTERRUPTED.get(agent), left_out)
        elif message.text:
            chat.append({"role": message.role, "content": message.text})
    return Conversation(tuple(chat), {reason: n for reason, n in left_out.items() if n})


def plain_text(messages: Sequence[Message]) -> Conversation:
    """The form of scaffolds without tool calls: what the agent wrote, and results as user messages."""
    known = {call.id for message in messages for call in message.calls}
    left_out: Counter[str] = Counter()
    chat: list[JsonObject] = []
    for message in messages:
        if message.result is not None:
            left_out["result without its call"] += message.result.call_id not in known
            chat.append({"role": "user", "content": message.result.content})
            continue
        for text, answer in message.extra.get("rejected", ()):
            chat += [{"role": "assistant", "content": text}, {"role": "user", "content": answer}]
        if message.text:
            chat.append({"role": message.role, "content": message.text})
        elif message.role == "assistant":
            left_out["message without text"] += 1
    return Conversation(tuple(chat), {reason: n for reason, n in left_out.items() if n})


def with_system(
    chat: Sequence[JsonObject], recorded: str | None, supplied: str | None = None, added: str | None = None
) -> tuple[JsonObject, ...]:
    """`chat` with its system prompt as the first message.

    That is `supplied`, else `recorded` (a prompt that was recorded apart from the messages), else the system message
    that `chat` begins with; a supplied one takes the place of either. `added` follows it. Further system messages
    (context of the product) stay.
    """
    rest = list(chat)
    own = (
        rest.pop(0)["content"]
        if rest and rest[0]["role"] == "system" and recorded in {None, rest[0]["content"]}
        else None
    )
    system = "\n\n".join(filter(None, [supplied or recorded or own, added]))
    return ({"role": "system", "content": system}, *rest) if system else tuple(rest)


def arguments_text(call: ToolCall) -> str:
    """A call's arguments as a JSON object; free text (a patch, broken JSON) stands under `input`."""
    value = call.arguments if call.raw is None or call.arguments else {"input": call.raw}
    return json.dumps(value, ensure_ascii=False)


def _results(messages: Iterable[Message]) -> Mapping[str, str]:
    results: dict[str, str] = {}
    for message in messages:
        if message.result is not None:
            results.setdefault(message.result.call_id, message.result.content)
    return results


def _assistant(
    message: Message, results: Mapping[str, str], interrupted: str | None, left_out: Counter[str]
) -> list[JsonObject]:
    answered: list[tuple[ToolCall, str]] = []
    for call in message.calls:
        text = results.get(call.id, interrupted)
        if text is None:
            left_out["call without a result"] += 1
        else:
            answered.append((call, text))
    if not answered and not message.text:
        left_out["message without text"] += not message.calls
        return []
    said: JsonObject = {"role": "assistant", "content": message.text or None}
    if answered:
        said["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": arguments_text(c)}}
            for c, _ in answered
        ]
    if message.extra.get(PROVIDER_ITEMS):
        said[PROVIDER_ITEMS] = message.extra[PROVIDER_ITEMS]
    return [said, *({"role": "tool", "tool_call_id": c.id, "content": text} for c, text in answered)]

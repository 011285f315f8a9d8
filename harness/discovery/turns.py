"""One acted turn as discovery sees it: what the agent said and called, never what it was answered. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from toolsim.trajectory import Item, Message, ToolCall


@dataclass(frozen=True, slots=True)
class Act:
    """One call, with what the agent said in the message that made it."""

    call: ToolCall
    said: str


@dataclass(frozen=True, slots=True)
class ActedTurn:
    """A turn that a model took. Turns of two models with the same `prefix` and `sample` are a pair.

    `closing` is the agent's last text without a call after it.
    """

    prefix: str
    lineage: str
    agent: str
    acts: tuple[Act, ...]
    closing: str = ""
    sample: int = 0

    @property
    def key(self) -> str:
        """What a pair has in common."""
        return f"{self.prefix}#{self.sample}"


def acts_of(messages: Iterable[Message]) -> tuple[tuple[Act, ...], str]:
    """The acts of an agent's messages in order, and its closing text."""
    acts: list[Act] = []
    closing = ""
    for message in messages:
        if message.role != "assistant" or message.origin != "agent":
            continue
        acts += [Act(call, message.text) for call in message.calls]
        closing = "" if message.calls else message.text or closing
    return tuple(acts), closing


def agent_messages(items: Sequence[Item]) -> tuple[Message, ...]:
    """The agent's own messages among recorded items."""
    return tuple(i for i in items if isinstance(i, Message) and i.role == "assistant" and i.origin == "agent")

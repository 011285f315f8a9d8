"""Pairs for a judge: the same moment twice, once as recorded and once as simulated. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from harness.callclass import call_class
from harness.discriminator.serialise import (
    Window,
    cut_alike,
    serialise_call,
    serialise_history,
    serialise_message,
    serialise_result,
)  # fmt: skip
from harness.ledger import ModelStep, ToolStep, result_message
from toolsim.trajectory import JsonObject, Message, content_hash

Sides = Literal["rs", "sr"]

HEADLINE = "headline"
"""The same model stands on both sides: its own turn again, or tool results with the agent's text removed."""
CROSS_MODEL = "cross-model: not a measure of the environment alone"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a pair comes from, for grouping; never shown to a judge.

    `command` is the class of the call (`harness.callclass`), `depth` the calls of the rollout before it, `length` those
    of the whole rollout. `since` counts the calls answered since a simulated result first stood that differs from the
    record; `None`: none did. `variant` names what was done to the texts (`harness.discriminator.variants`).
    """

    session: str
    lineage: str
    repo: str | None
    agent: str
    pool: str
    tool: str | None = None
    rung: str | None = None
    same_model: bool = True
    command: str | None = None
    depth: int | None = None
    length: int | None = None
    since: int | None = None
    variant: str | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """One item to judge. `kind` is `call`, `turn` or `fake:NAME`; `id` is the hash of what is compared."""

    kind: str
    origin: Origin
    history: str
    action: str
    recorded: str
    simulated: str

    @property
    def id(self) -> str:
        """Hash of the content: the same comparison has the same id wherever it comes from.

        A variant has ids of its own, so that it is asked about in full and never in the part that another was.
        """
        content = [self.kind, self.history, self.action, self.recorded, self.simulated]
        return content_hash(content if self.origin.variant is None else [*content, self.origin.variant])[:24]

    @property
    def identical(self) -> bool:
        """Whether there is nothing to tell apart."""
        return self.recorded == self.simulated

    @property
    def label(self) -> str:
        """Whether the pair measures the environment alone: `headline`, or what it is instead."""
        return HEADLINE if self.origin.same_model else CROSS_MODEL

    def facts(self) -> JsonObject:
        """The origin as JSON, with whether the two sides are identical."""
        return {**asdict(self.origin), "kind": self.kind, "identical": self.identical}

    def body(self) -> JsonObject:
        """The texts as JSON."""
        return {
            "history": self.history, "action": self.action, "recorded": self.recorded, "simulated": self.simulated,
        }  # fmt: skip


def read_pair(facts: JsonObject, body: JsonObject) -> Pair:
    """The inverse of `facts` and `body`."""
    origin = Origin(**{name: facts.get(name) for name in Origin.__dataclass_fields__})  # type: ignore[arg-type]
    return Pair(facts["kind"], origin, **body)


def call_pairs_of(
    origin: Origin, view: Sequence[Message], steps: Sequence[ModelStep | ToolStep], window: Window
) -> tuple[Pair, ...]:
    """One pair for each call that has a recorded result and a simulated answer, in a window of shared history.

    The agent's own text is left out of the shared history, so that only tool results speak.
    """
    pairs: list[Pair] = []
    history: list[Message] = [_silent(m) for m in view]
    length = sum(isinstance(step, ToolStep) for step in steps)
    depth, since = 0, None
    for step in steps:
        if isinstance(step, ModelStep):
            history.append(_silent(step.message))
            continue
        if step.recorded is not None and step.answer is not None:
            past = [m for m in history if step.call not in m.calls]
            where = replace(
                origin, tool=step.call.name, rung=step.rung, command=call_class(step.call, origin.agent),
                depth=depth, length=length, since=since,
            )  # fmt: skip
            pairs.append(
                Pair(
                    "call",
                    where,
                    serialise_history(past, window),
                    serialise_call(step.call, window.message),
                    serialise_result(step.recorded),
                    serialise_result(step.answer),
                )
            )
        history.append(result_message(step.shown))
        depth += 1
        since = 0 if since is None and _diverges(step) else None if since is None else since + 1
    return tuple(pairs)


def _diverges(step: ToolStep) -> bool:
    """Whether the rollout goes on from a result that is not the recorded one."""
    if step.recorded is None or step.answer is None or step.taken_in:
        return False
    return serialise_result(step.recorded) != serialise_result(step.answer)


def turn_pair(
    origin: Origin, view: Sequence[Message], reference: Sequence[Message], rollout: Sequence[Message], window: Window
) -> Pair:
    """The recorded rest of a turn against the rollout's."""
    return Pair(
        "turn", origin, serialise_history(view, window), "",
        "\n".join(serialise_message(m) for m in reference), "\n".join(serialise_message(m) for m in rollout),
    )  # fmt: skip


def shown(pair: Pair, sides: Sides, window: Window) -> tuple[str, str]:
    """The two texts in the order of `sides` (`rs`: recorded first), cut alike."""
    recorded, simulated = cut_alike(pair.recorded, pair.simulated, window.result)
    return (recorded, simulated) if sides == "rs" else (simulated, recorded)


def _silent(message: Message) -> Message:
    if message.role != "assistant":
        return message
    return Message(role="assistant", origin="agent", calls=message.calls)

"""Pairs for a judge: the same moment twice, once as recorded and once as simulated. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

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


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a pair comes from, for grouping; never shown to a judge."""

    session: str
    lineage: str
    repo: str | None
    agent: str
    pool: str
    tool: str | None = None
    rung: str | None = None
    same_model: bool = True


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
        """Hash of the content: the same comparison has the same id wherever it comes from."""
        return content_hash([self.kind, self.history, self.action, self.recorded, self.simulated])[:24]

    @property
    def identical(self) -> bool:
        """Whether there is nothing to tell apart."""
        return self.recorded == self.simulated

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
    for step in steps:
        if isinstance(step, ModelStep):
            history.append(_silent(step.message))
            continue
        if step.recorded is not None and step.answer is not None:
            past = [m for m in history if step.call not in m.calls]
            where = Origin(**{**asdict(origin), "tool": step.call.name, "rung": step.rung})
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
    return tuple(pairs)


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

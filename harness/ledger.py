"""The step ledger of one rollout: what is written down as it happens, and the fold that gives the state back.

The ledger is the truth: messages, world and counters are functions of (prefix, ledger), so a stopped rollout goes
on from what is written. A step is written after it happened and before the next begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pydantic import TypeAdapter

from harness.rows import LedgerStep
from toolsim.actions import Mutation
from toolsim.trajectory import JsonObject, Message, ToolCall, ToolResult


@dataclass(frozen=True, slots=True)
class Spent:
    """What model calls of one step or rollout used; `cost` in the price table's currency, `None` if not priced."""

    model_calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    seconds: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        cost = None if self.cost is None and other.cost is None else (self.cost or 0.0) + (other.cost or 0.0)
        return Spent(
            self.model_calls + other.model_calls,
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
            cost,
            self.seconds + other.seconds,
        )


@dataclass(frozen=True, slots=True)
class ModelStep:
    """The candidate's message. `mode` says how actions were read (`native`, `schema`, `text`, `recorded`).

    `stop` is set where the candidate ended the turn, with the reason.
    """

    message: Message
    mode: str
    spent: Spent = Spent()
    stop: str | None = None


@dataclass(frozen=True, slots=True)
class ToolStep:
    """One call answered. `shown` is what the candidate saw next; `answer` is the simulator's (`None`: unanswered).

    The two differ only with recorded actions: `teacher` forcing shows the record, and an unanswered call shows it
    too, with `failure` (stage, reason) saying why there is no answer; both have `taken_in`: the world went on from
    the record and not from `mutations`. A call that the simulator was not asked has neither answer nor failure.
    `recorded` is the reference's result.
    """

    call: ToolCall
    shown: ToolResult
    answer: ToolResult | None
    rung: str | None
    mutations: tuple[Mutation, ...] = ()
    evidence: JsonObject = field(default_factory=dict)
    spent: Spent = Spent()
    failure: tuple[str, str] | None = None
    recorded: ToolResult | None = None
    taken_in: bool = False
    seconds: float = 0.0

    @property
    def asked(self) -> bool:
        """Whether the simulator was asked."""
        return self.answer is not None or self.failure is not None


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a rollout that the ledger gives."""

    messages: tuple[Message, ...] = ()
    spent: Spent = Spent()
    steps: int = 0
    stop: str | None = None

    @property
    def open_calls(self) -> tuple[ToolCall, ...]:
        """Calls of the last agent message that have no result yet, in order."""
        answered = {m.result.call_id for m in self.messages if m.result is not None}
        for message in reversed(self.messages):
            if message.role == "assistant":
                return tuple(c for c in message.calls if c.id not in answered)
        return ()

    @property
    def agent_messages(self) -> int:
        """How often the candidate has acted."""
        return sum(m.role == "assistant" for m in self.messages)


_MODEL: TypeAdapter[ModelStep] = TypeAdapter(ModelStep)
_TOOL: TypeAdapter[ToolStep] = TypeAdapter(ToolStep)


def write_step(n: int, step: ModelStep | ToolStep) -> LedgerStep:
    """The step as a ledger row."""
    if isinstance(step, ModelStep):
        return LedgerStep(n, "model", _MODEL.dump_python(step, mode="json"))
    return LedgerStep(n, "tool", _TOOL.dump_python(step, mode="json"))


def read_steps(rows: Iterable[LedgerStep]) -> tuple[ModelStep | ToolStep, ...]:
    """The steps of a ledger."""
    return tuple((_MODEL if row.kind == "model" else _TOOL).validate_python(row.body) for row in rows)


def advance(progress: Progress, step: ModelStep | ToolStep) -> Progress:
    """The state after one more step."""
    message = step.message if isinstance(step, ModelStep) else result_message(step.shown)
    stop = step.stop if isinstance(step, ModelStep) else None
    return Progress((*progress.messages, message), progress.spent + step.spent, progress.steps + 1, stop)


def fold(steps: Sequence[ModelStep | ToolStep]) -> Progress:
    """The state after all steps."""
    progress = Progress()
    for step in steps:
        progress = advance(progress, step)
    return progress


def result_message(result: ToolResult) -> Message:
    """A tool result as a message of the conversation."""
    return Message(role="tool", text=result.content, origin="tool", result=result)

"""What a model is to the rest of the project: request, reply, usage, the `Model` contract and the shared budget.

Light to import: no client library is loaded here. `toolsim.model` has the real models, `toolsim.scripted` the
scripted one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from toolsim.errors import BudgetExceeded
from toolsim.trajectory import JsonObject, ToolCall, ToolDefinition


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question to a model.

    `messages` are in chat-completions form; an assistant message may carry `provider_items` (what `ModelReply.items`
    gave), which the Responses API gets back in place of the message. With `schema` (a JSON schema) the reply is JSON
    that was validated against it. `role` names who asks (candidate, simulator, judge, grader); `prompt_hash` is that
    of the template that made the messages; `session` is whose text it is, and so whose map it is de-identified by. None
    of these is sent.
    """

    messages: tuple[JsonObject, ...]
    tools: tuple[ToolDefinition, ...] = ()
    schema: JsonObject | None = None
    schema_name: str = "answer"
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    role: str = "candidate"
    prompt_hash: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the endpoint counted them; `cached_tokens` is the part of `prompt_tokens` that was read before."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total(self) -> int:
        """Prompt and completion tokens."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
        )


@dataclass(frozen=True, slots=True)
class ModelReply:
    """One usable answer.

    `parsed` is the validated JSON where the request had a schema. `finish` is `stop`, `length` or `tool_calls`.
    `usage`, `cost` (USD; `None`: no price known) and `seconds` include the repair round (`repairs` is 0 or 1).
    `attempts` counts HTTP requests, retries included; `calls_made` counts answered model calls (1 + repairs).
    `items` are provider items that a later request of the same conversation should give back (Responses API).
    `cached` answers come from the cache of answers (`toolsim.replycache`): nobody was asked for them.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    parsed: Any = None
    reasoning: str | None = None
    finish: str = "stop"
    usage: Usage = Usage()
    cost: float | None = None
    model: str = ""
    seconds: float = 0.0
    repairs: int = 0
    attempts: int = 1
    items: tuple[JsonObject, ...] = ()
    cached: bool = False

    @property
    def calls_made(self) -> int:
        """Model calls behind this reply."""
        return 0 if self.cached else 1 + self.repairs


class Model(Protocol):
    """A model behind an endpoint, embedded, or scripted.

    `family` groups models that share their maker and generation (`qwen2.5`, `gpt-5`, `claude`); `context` is the
    window in tokens, `None` while unknown (`count_tokens` may find it out). `counts_exactly` says whether
    `count_tokens` is the model's own tokenizer or an estimate.
    """

    name: str
    family: str
    context: int | None
    counts_exactly: bool

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Answer.

        Raises:
            BudgetExceeded: a limit was reached before the call.
            EndpointError, OutputInvalid, Refused, ModelUnavailable: no usable reply.
        """

    async def count_tokens(self, messages: Sequence[JsonObject], tools: Sequence[ToolDefinition] = ()) -> int:
        """Prompt tokens of a conversation; exact where `counts_exactly`, else an estimate."""

    async def close(self) -> None:
        """Free connections and servers; the model may not be used afterwards."""


class Budget:
    """Limits shared by every model of a run: asked before each call, charged after it.

    Calls already under way when a limit of calls, tokens or cost is reached finish and are charged, so it may be passed
    by at most the calls in flight. With `max_cost` (USD) a model without a known price is turned away, because the
    limit could not be held. `max_seconds` counts wall time from the budget's making; a call under way then is given up.
    """

    def __init__(
        self,
        max_calls: int | None = None,
        max_tokens: int | None = None,
        max_cost: float | None = None,
        max_seconds: float | None = None,
    ) -> None:
        self.max_calls = max_calls
        self.max_tokens = max_tokens
        self.max_cost = max_cost
        self.max_seconds = max_seconds
        self._started = time.monotonic()
        self.calls = 0
        self.usage = Usage()
        self.cost = 0.0
        self.unpriced_calls = 0

    def admit(self, model: str, *, priced: bool) -> None:
        """Count one call to `model` as started.

        Raises:
            BudgetExceeded: a limit was reached, or cost is limited and the model has no known price.
        """
        if self.max_cost is not None and not priced:
            raise BudgetExceeded(
                f"no price is known for {model}, so a cost limit of {self.max_cost:g} USD cannot be held: "
                "limit tokens or model calls instead"
            )
        reached = self.reached()
        if reached is not None:
            raise BudgetExceeded(reached)
        self.calls += 1

    def charge(self, usage: Usage, cost: float | None) -> None:
        """Book what an admitted call used."""
        self.usage += usage
        self.cost += cost or 0.0
        self.unpriced_calls += cost is None

    def seconds_left(self) -> float | None:
        """Wall time until `max_seconds`; `None` without that limit."""
        return None if self.max_seconds is None else max(0.0, self._started + self.max_seconds - time.monotonic())

    def reached(self) -> str | None:
        """The limit that is used up, as a sentence; `None` while there is room."""
        for used, limit, unit in (
            (self.calls, self.max_calls, "model calls"),
            (self.usage.total, self.max_tokens, "tokens"),
            (self.cost, self.max_cost, "USD"),
            (time.monotonic() - self._started, self.max_seconds, "seconds"),
        ):
            if limit is not None and used >= limit:
                return f"the budget of {limit:g} {unit} is used up ({used:g})"
        return None

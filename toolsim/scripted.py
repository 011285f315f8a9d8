"""A model that answers from a script: for tests, demos and dry runs. It asks nobody and costs nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from toolsim.errors import ModelUnavailable, OutputInvalid, ToolsimError
from toolsim.jsoncheck import complaints
from toolsim.modeltypes import Budget, ModelReply, ModelRequest, Usage
from toolsim.overhearing import heard
from toolsim.trajectory import JsonObject, ToolCall, ToolDefinition

Line: TypeAlias = ModelReply | str | JsonObject | ToolCall | Sequence[ToolCall] | ToolsimError
"""One scripted answer: a reply, its text, a JSON object (sent as text), calls, or an error to raise."""


class ScriptedModel:
    """Answers with the lines of a script in order, or with what a function makes of each request.

    Requests are kept in `requests`. A line is held to the contract of a real model: with a schema, text that does not
    fit it raises `OutputInvalid`. Usage is counted in characters over four.
    """

    def __init__(
        self,
        replies: Iterable[Line] | Callable[[ModelRequest], Line],
        *,
        name: str = "scripted",
        family: str = "scripted",
        context: int | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.name = name
        self.family = family
        self.context = context
        self.counts_exactly = True
        self.requests: list[ModelRequest] = []
        self._budget = budget
        self._answer = replies if callable(replies) else _reader(iter(replies))

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The next line as a reply.

        Raises:
            ModelUnavailable: the script is at its end.
            OutputInvalid: the line does not fit the request's schema.
            BudgetExceeded: a limit was reached.
        """
        if self._budget is not None:
            self._budget.admit(self.name, priced=True)
        self.requests.append(request)
        line = self._answer(request)
        if isinstance(line, ToolsimError):
            raise line
        reply = _reply(line, len(self.requests))
        if not reply.usage.total:
            prompt = await self.count_tokens(request.messages, request.tools)
            reply = replace(reply, usage=Usage(prompt, 0, (len(reply.text) + 3) // 4))
        if self._budget is not None:
            self._budget.charge(reply.usage, 0.0)
        reply = replace(reply, model=reply.model or self.name, cost=reply.cost or 0.0)
        heard(request, reply)
        return _checked(reply, request)

    async def count_tokens(self, messages: Sequence[JsonObject], tools: Sequence[ToolDefinition] = ()) -> int:
        """Characters over four."""
        length = sum(len(str(m.get("content") or "")) + len(str(m.get("tool_calls") or "")) for m in messages)
        return (length + sum(len(t.name) + len(t.description) + len(str(t.parameters)) for t in tools) + 3) // 4

    async def close(self) -> None:
        """Nothing to free."""


def _reader(lines: Iterator[Line]) -> Callable[[ModelRequest], Line]:
    def read(_: ModelRequest) -> Line:
        for line in lines:
            return line
        raise ModelUnavailable("the scripted model has no more lines")

    return read


def _reply(line: ModelReply | str | JsonObject | ToolCall | Sequence[ToolCall], n: int) -> ModelReply:
    if isinstance(line, ModelReply):
        return line
    if isinstance(line, str):
        return ModelReply(line)
    if isinstance(line, dict):
        return ModelReply(json.dumps(line, ensure_ascii=False))
    calls = (line,) if isinstance(line, ToolCall) else tuple(line)
    named = tuple(replace(c, id=c.id or f"call_{n}_{i}") for i, c in enumerate(calls))
    return ModelReply("", named, finish="tool_calls")


def _checked(reply: ModelReply, request: ModelRequest) -> ModelReply:
    if request.schema is None or reply.parsed is not None:
        return reply
    try:
        value = json.loads(reply.text)
    except ValueError as error:
        raise OutputInvalid(f"the scripted line is no JSON: {error}") from None
    wrong = complaints(value, request.schema)
    if wrong:
        raise OutputInvalid(f"the scripted line does not fit the schema: {wrong[0]}")
    return replace(reply, parsed=value)

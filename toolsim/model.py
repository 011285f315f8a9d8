"""Models behind OpenAI-compatible endpoints, hosted or embedded.

Messages go to the client as a finished JSON body: its own walk over every message costs 0.1–0.2 ms a message on the
event loop.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from toolsim import wire_chat, wire_responses
from toolsim.deid.choice import Deidentify
from toolsim.deid.shield import Shield
from toolsim.embedded import DEFAULT_CONTEXT, DEFAULT_SLOTS, Server, ServerSettings
from toolsim.endpoint import ClientSettings, Endpoint
from toolsim.errors import BudgetExceeded, EndpointError, ModelUnavailable, OutputInvalid
from toolsim.jsoncheck import complaints
from toolsim.modeltypes import Budget, Model, ModelReply, ModelRequest
from toolsim.overhearing import heard
from toolsim.pricing import KnownModel, cost_of, known_model, load_prices
from toolsim.pricing import family_of as family_of_name
from toolsim.prompting import render
from toolsim.telemetry import Value, span
from toolsim.tokens import estimate
from toolsim.trajectory import JsonObject, ToolDefinition
from toolsim.weights import WEIGHTS, pull
from toolsim.wire import Received, refuse

Api: TypeAlias = Literal["chat", "responses"]

KEY_VARIABLE = "OPENAI_API_KEY"
"""Holds the key of hosted endpoints."""
_SPEC = re.compile(r"(?P<name>.+?)@(?P<url>https?://.+)")
_UNREADABLE = 2
_FREE = KnownModel(0.0, 0.0, 0.0)
_WIRE: dict[Api, ModuleType] = {"chat": wire_chat, "responses": wire_responses}


class OpenAIModel:
    """A model behind a chat-completions or Responses endpoint."""

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        *,
        api: Api = "chat",
        budget: Budget | None = None,
        known: KnownModel | None = None,
        context: int | None = None,
        shield: Shield | None = None,
    ) -> None:
        self.name = name
        self.family = family_of_name(name)
        self.context = context or (known.context if known is not None else None)
        self.counts_exactly = False
        self.endpoint = endpoint
        self._known = known
        self.api = api
        self._budget = budget
        self.shield = shield
        self._asked_for_context = False

    def __repr__(self) -> str:
        return f"OpenAIModel({self.name!r}, {self.endpoint.name!r})"

    async def complete(self, request: ModelRequest, *, api: Api | None = None) -> ModelReply:
        """See `Model.complete`; `api` other than the model's own, for this request."""
        with span(f"chat {self.name}", self._told(request), "client") as tell:
            reply = await self._complete(request, api)
            tell({
                "gen_ai.response.model": reply.model or None, "gen_ai.response.finish_reasons": reply.finish,
                "gen_ai.usage.input_tokens": reply.usage.prompt_tokens,
                "gen_ai.usage.output_tokens": reply.usage.completion_tokens,
                "gen_ai.usage.cache_read.input_tokens": reply.usage.cached_tokens, "deploysim.attempts": reply.attempts,
                "deploysim.repairs": reply.repairs,
            })  # fmt: skip
            return reply

    def _told(self, request: ModelRequest) -> dict[str, Value]:
        return {
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": self.family, "gen_ai.request.model": self.name,
            "gen_ai.request.max_tokens": request.max_tokens, "gen_ai.request.temperature": request.temperature,
            "gen_ai.output.type": "json" if request.schema is not None else "text", "deploysim.role": request.role,
            "deploysim.prompt_hash": request.prompt_hash or None,
        }  # fmt: skip

    async def _complete(self, request: ModelRequest, api: Api | None) -> ModelReply:
        started = time.perf_counter()
        wire = _WIRE[api or self.api]
        reply = await self._ask(request, wire)
        if request.schema is not None and not reply.calls:
            wrong, parsed = self._judge(reply, request)
            reply = await self._repair(request, reply, wrong, wire) if wrong else replace(reply, parsed=parsed)
        return replace(reply, seconds=time.perf_counter() - started)

    def line(self, request: ModelRequest) -> tuple[str, JsonObject]:
        """Path and body of a request, for a batch (`toolsim.batches`); the budget admits it here.

        Raises:
            BudgetExceeded: a limit was reached.
        """
        if self._budget is not None:
            self._budget.admit(self.name, priced=self._known is not None)
        wire = _WIRE[self.api]
        return wire.PATH, self._body(request, wire)

    def reply(self, request: ModelRequest, body: bytes) -> ModelReply:
        """The reply in the body that a batch has for a request; nothing is repaired. Cost is at list prices.

        Raises:
            EndpointError, OutputInvalid, Refused: no usable reply.
        """
        received = self._received(request, _WIRE[self.api], body)
        cost = cost_of(received.usage, self._known)
        if self._budget is not None:
            self._budget.charge(received.usage, cost)
        if received.refused is not None:
            raise refuse(received.refused)
        reply = _reply(received, cost, self.name, 1)
        heard(request, reply)
        if request.schema is None or reply.calls:
            return reply
        wrong, parsed = self._judge(reply, request)
        if wrong:
            raise OutputInvalid(f"{self.name} gave no {request.schema_name} that fits its schema: {wrong[0]}")
        return replace(reply, parsed=parsed)

    async def count_tokens(self, messages: Sequence[JsonObject], tools: Sequence[ToolDefinition] = ()) -> int:
        """An estimate (`tokens.estimate`). The first count asks the endpoint for the window, if it is not known."""
        if self.context is None and self.endpoint.local and not self._asked_for_context:
            self._asked_for_context = True
            self.context = await self._window()
        return estimate(messages, tools)

    async def close(self) -> None:
        """Close the connections."""
        await self.endpoint.close()

    async def _ask(self, request: ModelRequest, wire: ModuleType) -> ModelReply:
        if self._budget is not None:
            self._budget.admit(self.name, priced=self._known is not None)
        received, attempts = await self._in_time(self._answer(request, wire))
        cost = cost_of(received.usage, self._known)
        if self._budget is not None:
            self._budget.charge(received.usage, cost)
        if received.refused is not None:
            raise refuse(received.refused)
        reply = _reply(received, cost, self.name, attempts)
        heard(request, reply)
        return reply

    async def _answer(self, request: ModelRequest, wire: ModuleType) -> tuple[Received, int]:
        """The answer, and how many requests it took. A body that holds none (cut off, without choices) is asked for
        again, `_UNREADABLE` times at most.
        """
        # prompt, body and sending take some 10 ms each the first time: others get the loop in between
        await asyncio.sleep(0)
        sent, attempts, again = wire.payload(self.name, request), 0, _UNREADABLE
        if self.shield is not None:
            await self.shield.look_through(request.session, sent)
            sent = self.shield.scrub(request.session, sent)
        await asyncio.sleep(0)
        while True:
            body, more = await self.endpoint.post(wire.PATH, sent)
            attempts += more
            try:
                return self._received(request, wire, body), attempts
            except EndpointError:
                if not again:
                    raise
                again -= 1

    def _body(self, request: ModelRequest, wire: ModuleType) -> JsonObject:
        body: JsonObject = wire.payload(self.name, request)
        return body if self.shield is None else self.shield.scrub(request.session, body)

    def _received(self, request: ModelRequest, wire: ModuleType, body: bytes) -> Received:
        received: Received = wire.read(body)
        return received if self.shield is None else self.shield.restore(request.session, received)

    async def _in_time(self, call: Coroutine[Any, Any, tuple[Received, int]]) -> tuple[Received, int]:
        """Wait for a call as long as the budget's wall time lasts."""
        limit = asyncio.timeout(None if self._budget is None else self._budget.seconds_left())
        try:
            async with limit:
                return await call
        except TimeoutError:
            if not limit.expired():
                raise
            said = None if self._budget is None else self._budget.reached()
            raise BudgetExceeded(said or f"{self.name} was given up: the time is used up") from None

    async def _repair(
        self, request: ModelRequest, first: ModelReply, wrong: Sequence[str], wire: ModuleType
    ) -> ModelReply:
        prompt = render("repair", complaints=wrong)
        said = ({"role": "assistant", "content": first.text}, {"role": "user", "content": prompt.text})
        second = await self._ask(replace(request, messages=(*request.messages, *said)), wire)
        still_wrong, parsed = self._judge(second, request)
        if still_wrong:
            what = f"{self.name} gave no {request.schema_name} that fits its schema"
            raise OutputInvalid(f"{what}, also when asked again: {still_wrong[0]}")
        cost = None if first.cost is None or second.cost is None else first.cost + second.cost
        attempts = first.attempts + second.attempts
        return replace(second, parsed=parsed, repairs=1, usage=first.usage + second.usage, cost=cost, attempts=attempts)

    def _judge(self, reply: ModelReply, request: ModelRequest) -> tuple[tuple[str, ...], Any]:
        assert request.schema is not None
        if reply.finish == "length":
            limit = f"max_tokens={request.max_tokens}" if request.max_tokens else "its length limit"
            raise OutputInvalid(f"{self.name} was cut off at {limit} inside {request.schema_name}")
        try:
            value = json.loads(reply.text)
        except ValueError as error:
            return (f"the reply is no JSON: {error}",), None
        return complaints(value, request.schema), value

    async def _window(self) -> int | None:
        try:
            listed = json.loads(await self.endpoint.get("/models"))
        except (EndpointError, ValueError):
            return None  # not every endpoint lists its models; the first call will tell what is wrong
        return wire_chat.window_in(listed, self.name)


class EmbeddedModel:
    """Weights served on this machine. The server starts with the first use; its tokens cost nothing."""

    def __init__(
        self, server: Server, *, api: Api, settings: ClientSettings, budget: Budget | None = None,
        shield: Shield | None = None,
    ) -> None:  # fmt: skip
        self.name = server.settings.name
        self.family = family_of_name(self.name)
        self.context: int | None = server.settings.context
        self.counts_exactly = True
        self._server = server
        self._api: Api = api
        self._settings = settings
        self._budget = budget
        self.shield = shield
        self._model: OpenAIModel | None = None
        self._starting = asyncio.Lock()

    def __repr__(self) -> str:
        return f"EmbeddedModel({self.name!r})"

    async def complete(self, request: ModelRequest) -> ModelReply:
        """See `Model.complete`. The server holds schemas in the chat form only, so that is what such requests take."""
        model = await self.started()
        return await model.complete(request, api=None if request.schema is None else "chat")

    async def count_tokens(self, messages: Sequence[JsonObject], tools: Sequence[ToolDefinition] = ()) -> int:
        """Exact: the server's own template and tokenizer."""
        model = await self.started()
        body: JsonObject = {"messages": list(messages)}
        if tools:
            body["tools"] = wire_chat.tool_forms(tuple(tools))
        prompt, _ = await model.endpoint.post("//apply-template", body)
        text = {"content": json.loads(prompt)["prompt"], "add_special": False, "parse_special": True}
        tokens, _ = await model.endpoint.post("//tokenize", text)
        return len(json.loads(tokens)["tokens"])

    async def close(self) -> None:
        """Close the connections and let go of the server."""
        if self._model is not None:
            await self._model.close()
            self._model = None
        self._server.close()

    async def started(self) -> OpenAIModel:
        """The model behind the running server."""
        async with self._starting:
            if self._model is None:
                endpoint = Endpoint(await self._server.start(), self._settings)
                self._model = OpenAIModel(
                    self.name, endpoint, api=self._api, budget=self._budget, known=_FREE, context=self.context,
                    shield=self.shield,
                )  # fmt: skip
            return self._model


def open_model(  # noqa: PLR0913  how a model is used, all by name
    spec: str,
    *,
    api: Api = "chat",
    budget: Budget | None = None,
    settings: ClientSettings | None = None,
    context: int | None = None,
    prices: Path | None = None,
    slots: int = DEFAULT_SLOTS,
    deidentify: Deidentify | None = None,
) -> Model | None:
    """A model by its name on the command line: `NAME[@BASE_URL]`, `local`, `local-small`, or `none`.

    The key of hosted endpoints is read from `OPENAI_API_KEY`. Embedded weights that are not in the cache are brought
    first (blocking, with a progress bar on stderr). `context` is the window in tokens: asked of an embedded server,
    believed of a hosted model that the price table does not know. Without `deidentify` what goes to an endpoint is
    de-identified by maps that live as long as the model.

    Raises:
        ModelUnavailable: no key where one is needed, no weights, or an unreadable price table.
    """
    if spec == "none":
        return None
    chosen = deidentify or Deidentify()
    if spec in WEIGHTS:
        weights = WEIGHTS[spec]
        window = context or DEFAULT_CONTEXT
        if window > weights.context:
            raise ModelUnavailable(f"{spec} reads at most {weights.context} tokens, a window of {window} was asked for")
        server = Server(ServerSettings(pull(weights), weights.name, window, slots))
        return EmbeddedModel(server, api=api, settings=settings or _local_settings(slots), budget=budget,
                             shield=chosen.shield_of(embedded=True))  # fmt: skip
    named = _SPEC.fullmatch(spec)
    name, base_url = (named["name"], named["url"].rstrip("/")) if named else (spec, None)
    if base_url is not None and "@" in urlsplit(base_url).netloc:
        raise ModelUnavailable(f"the endpoint of {name} may hold no credentials: put the key into OPENAI_API_KEY")
    key = os.environ.get(KEY_VARIABLE) or None
    if base_url is None and key is None:
        raise ModelUnavailable(
            f"{name} needs OPENAI_API_KEY in the environment (or name an endpoint: {name}@http://HOST/v1, or local)"
        )
    endpoint = Endpoint(base_url, settings or ClientSettings(), key)
    known = known_model(name, load_prices(prices))
    return OpenAIModel(name, endpoint, api=api, budget=budget, known=known, context=context,
                       shield=chosen.shield_of(embedded=False))  # fmt: skip


def is_embedded(spec: str) -> bool:
    """Whether `open_model(spec)` runs on weights of this program's own."""
    return spec in WEIGHTS


def family_of(spec: str) -> str:
    """The family of the model that `open_model(spec)` would give."""
    if spec in WEIGHTS:
        return family_of_name(WEIGHTS[spec].name)
    named = _SPEC.fullmatch(spec)
    return family_of_name(named["name"] if named else spec)


def _reply(received: Received, cost: float | None, name: str, attempts: int) -> ModelReply:
    return ModelReply(
        text=received.text,
        calls=received.calls,
        reasoning=received.reasoning,
        finish=received.finish,
        usage=received.usage,
        cost=cost,
        model=name,
        attempts=attempts,
        items=received.items,
    )


def _local_settings(slots: int) -> ClientSettings:
    # a full window takes minutes to read here; what waits for a slot waits on this side
    return ClientSettings(timeout=1800.0, retries=1, concurrency=slots)

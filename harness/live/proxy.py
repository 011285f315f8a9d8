"""An OpenAI-compatible endpoint in front of a model, which answers the calls of an agent product from a recorded world.

Requests with tools are the turn (the first begins it); requests without are passed on as they are (titles, summaries)
and are no part of the rollout. A failed rollout is an error in the form of the API, never text.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from harness.conversation import native, with_system
from harness.errors import HarnessError, RequestInvalid
from harness.live.replies import (
    Refusal,
    Said,
    chat_body,
    chat_events,
    responses_body,
    responses_events,
    responses_opening,
)  # fmt: skip
from harness.live.requests import Asked, read_chat, read_responses
from harness.live.situation import Situation
from harness.live.turn import Conversation, Taken, Turn, check, key_of, model_of
from toolsim.errors import ToolsimError
from toolsim.modeltypes import ModelRequest
from toolsim.trajectory import JsonObject, content_hash

MOST_BYTES = 64 * 1024 * 1024
_BEAT = 10.0
_LIMITS = "limit: "


@dataclass(slots=True)
class Proxy:
    """The state of one served situation: its turn, and how many requests were passed on."""

    situation: Situation
    conversation: Conversation = "recorded"
    patience: float = 60.0
    say: Callable[[str], None] = lambda _: None
    turn: Turn | None = None
    passed_on: int = 0
    _said: set[str] = field(default_factory=set)

    async def answer(self, asked: Asked, agent: str) -> Said | Refusal:
        """The final text, or why there is none."""
        try:
            if not asked.tools:
                return await self._pass_on(asked)
            check(asked)
            return self._told(await self._turn(asked, agent).result(), asked)
        except RequestInvalid as error:
            return Refusal(400, str(error), "invalid_request", "invalid_request_error")
        except (HarnessError, ToolsimError) as error:
            return Refusal(502, str(error), "upstream")

    async def close(self) -> None:
        """End the turn if it is not done."""
        if self.turn is not None:
            await self.turn.stop("the server was stopped")

    def _turn(self, asked: Asked, agent: str) -> Turn:
        if self.turn is None:
            self.turn = Turn(self.situation, asked, self.conversation, agent, self.patience)
            self._announce(asked, self.turn)
        if self.turn.key != key_of(asked):
            raise RequestInvalid(
                f"another request has taken the turn (rollout {self.turn.row.id}): start the proxy again for a new one"
            )
        return self.turn

    def _announce(self, asked: Asked, turn: Turn) -> None:
        self.say(f"rollout {turn.row.id} begins with {len(asked.tools)} tools")
        if not turn.row.facts["tools_of_the_recording"]:
            self.say("no tool of this product is one of the recording: a model must answer every call")
        if asked.hosted:
            self.say(f"left out, since the provider would run them: {', '.join(turn.row.facts['hosted_left_out'])}")

    async def _pass_on(self, asked: Asked) -> Said:
        self.passed_on += 1
        messages = with_system(native(asked.messages).messages, None, asked.system)
        reply = await model_of(self.situation).complete(ModelRequest(messages, temperature=asked.temperature))
        name = content_hash([self.situation.run, "passed on", self.passed_on])[:20]
        return Said(name, asked.model, reply.text, reply.usage, time.time(), reply.finish == "length")

    def _told(self, taken: Taken, asked: Asked) -> Said | Refusal:
        end = taken.end
        if taken.rollout not in self._said:
            self._said.add(taken.rollout)
            where = f" at {end.stage}" if end.stage else ""
            self.say(f"rollout {taken.rollout}: {end.status}{where}: {end.reason}")
        if end.status != "completed":
            reason = f"rollout {taken.rollout} failed at {end.stage}: {end.reason}"
            return Refusal(422, reason, str(end.stage))
        cut = (end.reason or "").startswith(_LIMITS)
        return Said(taken.rollout, asked.model, taken.text, taken.usage, time.time(), cut)


def build(proxy: Proxy) -> Starlette:
    """The application, with addresses below `/v1`."""
    routes = [
        Route("/v1/chat/completions", partial(_chat, proxy), methods=["POST"]),
        Route("/v1/responses", partial(_responses, proxy), methods=["POST"]),
        Route("/v1/models", partial(_models, proxy), methods=["GET"]),
    ]
    return Starlette(routes=routes)


async def _chat(proxy: Proxy, request: Request) -> Response:
    asked = await _read(request, read_chat)
    if isinstance(asked, Refusal):
        return JSONResponse(asked.body, asked.status)
    working = _begin(proxy, asked, request)
    if not asked.stream:
        return await _whole(working, request, chat_body)
    return _stream(working, iter(()), partial(chat_events, usage=asked.usage_in_stream))


async def _responses(proxy: Proxy, request: Request) -> Response:
    asked = await _read(request, read_responses)
    if isinstance(asked, Refusal):
        return JSONResponse(asked.body, asked.status)
    working = _begin(proxy, asked, request)
    if not asked.stream:
        return await _whole(working, request, responses_body)
    name, at = content_hash([proxy.situation.run, key_of(asked)])[:20], time.time()
    opening = responses_opening(name, asked.model, at)
    return _stream(working, opening, partial(responses_events, name=name, model=asked.model, at=at))


async def _models(proxy: Proxy, request: Request) -> Response:  # noqa: ARG001
    model: JsonObject = {"id": model_of(proxy.situation).name, "object": "model", "created": 0, "owned_by": "proxy"}
    return JSONResponse({"object": "list", "data": [model]})


async def _read(request: Request, form: Callable[[bytes], Asked]) -> Asked | Refusal:
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        return Refusal(415, f"bodies in {encoding[:20]} are not read", "encoding", "invalid_request_error")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return Refusal(413, f"the request is larger than {MOST_BYTES} bytes", "too_large", "invalid_request_error")
    try:
        return form(bytes(body))
    except RequestInvalid as error:
        return Refusal(400, str(error), "invalid_request", "invalid_request_error")


def _begin(proxy: Proxy, asked: Asked, request: Request) -> asyncio.Task[Said | Refusal]:
    return asyncio.create_task(proxy.answer(asked, request.headers.get("user-agent", "")))


async def _whole(
    working: asyncio.Task[Said | Refusal], request: Request, form: Callable[[Said], JsonObject]
) -> Response:
    while not working.done():
        await asyncio.wait({working}, timeout=1.0)
        if not working.done() and await request.is_disconnected():
            await _drop(working)
            return Response(status_code=499)
    said = working.result()
    return JSONResponse(said.body, said.status) if isinstance(said, Refusal) else JSONResponse(form(said))


def _stream(
    working: asyncio.Task[Said | Refusal], opening: Iterator[str], form: Callable[[Said | Refusal], Iterator[str]]
) -> Response:
    async def events() -> AsyncIterator[str]:
        try:
            for event in opening:
                yield event
            while not working.done():
                await asyncio.wait({working}, timeout=_BEAT)
                if not working.done():
                    yield ": still at work\n\n"
            for event in form(working.result()):
                yield event
        finally:
            await _drop(working)

    return StreamingResponse(events(), media_type="text/event-stream", headers={"cache-control": "no-store"})


async def _drop(working: asyncio.Task[Said | Refusal]) -> None:
    """Wait no longer; the turn itself goes on for a while, so that a product can try again."""
    if not working.done():
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working

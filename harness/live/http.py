"""The HTTP side of what is served to agents: who may ask, the port, and one server run until it is stopped.

Every request must name this server in `Host`, come from no other page (`Origin`), and carry the token as a bearer.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import signal
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import dataclass
from socket import socket
from typing import Any

import uvicorn
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

Gone = Callable[[Scope], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Guard:
    """An ASGI application that lets through what `hosts` (`name:port`) and `token` allow.

    `gone` is told of each DELETE that is let through, before it is answered: that is how MCP clients end a session.
    """

    app: ASGIApp
    token: str
    hosts: frozenset[str]
    gone: Gone | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse, or pass on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(headers)
        if refusal is None and self.gone is not None and scope["method"] == "DELETE":
            await self.gone(scope)
        await (refusal or self.app)(scope, receive, send)

    def _refusal(self, headers: Headers) -> Response | None:
        if headers.get("host", "").lower() not in self.hosts:
            return _refuse(421, "this server does not answer to that host name")
        origin = headers.get("origin")
        if origin is not None and origin.lower().removeprefix("http://") not in self.hosts:
            return _refuse(403, "requests of other pages are not answered")
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._is_token(given.strip()):
            return _refuse(401, "the token that was printed at the start must be sent as a bearer", bearer=True)
        return None

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode("utf-8", "surrogatepass"), self.token.encode())


class Served(uvicorn.Server):
    """A server that leaves signals to the command."""

    @contextmanager
    def capture_signals(self) -> Any:
        """Nothing: the command stops it."""
        yield


async def serve(app: ASGIApp, taken: socket, stop: asyncio.Event, closing: Callable[[], Awaitable[None]]) -> None:
    """Answer on a listening socket until `stop` is set; then `closing` is awaited while connections are still open."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2, lifespan="on"
    )
    server = Served(config)
    running = asyncio.create_task(server.serve(sockets=[taken]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    await closing()
    server.should_exit = True
    await running


def stop_on_signals(stop: asyncio.Event) -> None:
    """Let SIGINT and SIGTERM end the serving in order, so that every rollout gets its end."""
    loop = asyncio.get_running_loop()
    for which in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(which, stop.set)


def _refuse(status: int, message: str, *, bearer: bool = False) -> Response:
    body = json.dumps({"error": {"message": message, "type": "invalid_request_error", "code": None}})
    headers = {"www-authenticate": "Bearer"} if bearer else {}
    return Response(body, status, headers, media_type="application/json")

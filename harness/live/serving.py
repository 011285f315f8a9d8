"""Serves one situation over MCP, on stdio or HTTP, from the first client to the end of the last rollout."""

from __future__ import annotations

import asyncio
import functools
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mcp.server import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from harness.live.http import Guard
from harness.live.http import serve as serve_app
from harness.live.leaving import settled
from harness.live.offer import Offer, offer, rungs
from harness.live.rollout import LiveRollout
from harness.live.server import ALONE, PLACE, Serving, Table, build, key_of
from harness.live.situation import Situation
from harness.viewer.guard import allowed_hosts
from harness.viewer.serving import listen
from toolsim.trajectory import JsonObject

MODE = "mcp"
STOPPED = "the server was stopped"
PATH = "/mcp"
_PLACE = re.compile(r"/mcp/([A-Za-z0-9_.-]{1,64})/?")


@dataclass(frozen=True, slots=True)
class Options:
    """How a situation is served. `name` is what the server calls itself; `idle` ends a rollout without calls (s)."""

    name: str = "project"
    builtins_off: bool = False
    tools_only: bool = False
    idle: float | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """One rollout that has ended, for the summary."""

    rollout: str
    status: str
    stage: str | None
    reason: str | None
    calls: int
    rungs: dict[str, int]


def ended(rollout: LiveRollout) -> Ended:
    """The summary of a rollout that has ended."""
    end = rollout.end
    assert end is not None
    by_rung = dict(rollout.answered)
    return Ended(rollout.row.id, end.status, end.stage, end.reason, sum(by_rung.values()), by_rung)


def told(rollout: LiveRollout) -> str:
    """One line on a rollout that has ended."""
    one = ended(rollout)
    where = f" at {one.stage}" if one.stage else ""
    return f"rollout {one.rollout}: {one.calls} calls ({rungs(rollout.answered)}), {one.status}{where}: {one.reason}"


@dataclass(frozen=True, slots=True)
class Places:
    """An ASGI application that serves `/mcp/PLACE` as `/mcp`, and notes the place: each has its own rollouts."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] == "http" and (found := _PLACE.fullmatch(scope["path"])):
            scope = {**scope, "path": PATH, "raw_path": PATH.encode(), PLACE: found[1]}
        await self.app(scope, receive, send)


@asynccontextmanager
async def seated(situation: Situation, options: Options, say: Callable[[str], None]) -> AsyncIterator[Seats]:
    """The server of a situation with its table; on the way out all rollouts are ended."""
    what = offer(situation.scene)
    if what.left_out:
        say(f"{what.left_out} recorded tools are left out: MCP does not allow their names")

    def begin(client: JsonObject) -> LiveRollout:
        row = situation.register({"client": client, "builtins_off": options.builtins_off})
        say(f"rollout {row.id} begins for {client['name'] or 'a client without a name'} {client['version'] or ''}")
        return LiveRollout(situation, row, MODE, idle=options.idle, ended=lambda done: say(told(done)))

    table = Table(begin)
    serving = Serving(what, table, builtins_off=options.builtins_off, refused=lambda why: say(f"refused: {why}"))
    seats = Seats(what, table, build(serving, options.name, tools_only=options.tools_only))
    try:
        yield seats
    finally:
        await table.close(STOPPED)


@dataclass(frozen=True, slots=True)
class Seats:
    """A server, its rollouts and what it offers."""

    offer: Offer
    table: Table
    server: Server[Any]


async def serve_stdio(seats: Seats, stop: asyncio.Event) -> None:
    """Talk to the one client at stdin and stdout until it leaves, or `stop` is set."""
    server = seats.server

    async def talk() -> None:
        async with stdio_server() as streams, settled(*streams) as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    talking = asyncio.create_task(talk())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({talking, stopping}, return_when=asyncio.FIRST_COMPLETED)
    reason = _left(talking)
    for task in (talking, stopping):
        task.cancel()
    await seats.table.leave(ALONE, reason)
    await asyncio.wait({talking}, timeout=1.0)


def _left(talking: asyncio.Task[None]) -> str:
    """Why the talk over stdio is at its end."""
    if not talking.done():
        return STOPPED
    broke = talking.exception()
    return "the client closed the connection" if broke is None else f"the connection broke: {type(broke).__name__}"


async def serve_http(
    seats: Seats, host: str, port: int, token: str | None, *, idle: float | None, stop: asyncio.Event,
    ready: Callable[[str, str], None],
) -> None:  # fmt: skip
    """Answer HTTP clients until `stop` is set; `ready` is told the address and the token.

    Raises:
        HarnessError: the address is taken.
    """
    secret = token or secrets.token_urlsafe(24)
    with listen(host, port) as taken:
        at = taken.getsockname()[1]
        hosts = allowed_hosts(host, at)
        security = TransportSecuritySettings(
            enable_dns_rebinding_protection=True,
            allowed_hosts=sorted(hosts),
            allowed_origins=sorted(f"http://{name}" for name in hosts),
        )
        app = seats.server.streamable_http_app(
            streamable_http_path=PATH, transport_security=security, session_idle_timeout=idle, host=host
        )

        async def gone(scope: Scope) -> None:
            await seats.table.leave(key_of(scope, Headers(scope=scope)), "the client ended the session")

        name = f"[{host}]" if ":" in host else host
        ready(f"http://{name}:{at}{PATH}", secret)
        await serve_app(
            Places(Guard(app, secret, hosts, gone)), taken, stop, functools.partial(seats.table.close, STOPPED)
        )

"""MCP servers as connectors: tools of a configured server that it declares read-only, asked in the place of the agent.

The contract is held here, outside of the server: only tools with `readOnlyHint: true` are called, whoever asks; time
and size are limited; what is no text is no answer. That a tool is read-only is the server's own word.

An MCP server knows only now. As of a past moment it has no answer, and says so, unless `now_allowed`: then what it
says today stands for what it would have said, and the answer carries that as its first assumption.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import shlex
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlsplit

import anyio
import httpx2
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, EmbeddedResource, Implementation, TextContent, TextResourceContents

from toolsim.connectors.base import Fetch, Query, Sourced
from toolsim.errors import ConnectorError
from toolsim.trajectory import JsonObject

T = TypeVar("T")
TOKEN_VARIABLE = "DEPLOYSIM_MCP_TOKEN_"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST_PAGES = 50
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """A server by the name that recorded tools have it by (`mcp__NAME__tool`): a command, or a URL."""

    name: str
    command: tuple[str, ...] = ()
    url: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one call: seconds, and bytes of text."""

    seconds: float = 20.0
    most_bytes: int = 1_000_000


def parse_spec(text: str) -> ServerSpec:
    """A server as written on a command line: `NAME=COMMAND WORDS` or `NAME=https://…`.

    Raises:
        ConnectorError: it is neither, or the URL is one that is not used.
    """
    name, _, what = text.partition("=")
    what = what.strip()
    if not _NAME.fullmatch(name) or not what:
        raise ConnectorError(f"{text!r} is no MCP server: write NAME=COMMAND or NAME=https://HOST/PATH")
    if "://" in what.split()[0]:
        return ServerSpec(name, url=_checked_url(name, what))
    try:
        return ServerSpec(name, command=tuple(shlex.split(what)))
    except ValueError as error:
        raise ConnectorError(f"the command of the MCP server {name} cannot be read: {error}") from error


def _checked_url(name: str, url: str) -> str:
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        variable = token_variable(name)
        raise ConnectorError(f"the URL of the MCP server {name} may hold no credentials: put a token into {variable}")
    if parts.scheme != "https" and not (parts.scheme == "http" and _loopback(parts.hostname or "")):
        raise ConnectorError(f"the MCP server {name} is not used: only https is, or http on this machine")
    return url


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def token_variable(name: str) -> str:
    """The variable that holds the token of the server of this name."""
    return TOKEN_VARIABLE + re.sub(r"\W", "_", name).upper()


@dataclass(slots=True)
class McpServer:
    """An open connection to one server, and the only way to its tools: lets through what it declares read-only."""

    name: str
    client: Client
    limits: Limits = Limits()
    tools: Mapping[str, bool] = field(default_factory=dict)
    """Every tool by name, and whether it declares `readOnlyHint: true`."""

    async def look(self) -> None:
        """Read what tools there are.

        Raises:
            ConnectorError: the server does not say.
        """
        found: dict[str, bool] = {}
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            listed = await self._in_time(self.client.list_tools(cursor=cursor))
            for tool in listed.tools:
                found[tool.name] = tool.annotations is not None and tool.annotations.read_only_hint is True
            cursor = listed.next_cursor
            if cursor is None:
                break
        self.tools = found

    async def call(self, tool: str, arguments: JsonObject) -> tuple[str, bool]:
        """The text that a read-only tool gives, and whether it is the tool's own error.

        Raises:
            ConnectorError: refused, failed, too slow, too large, or not text.
        """
        if not self.tools.get(tool, False):
            why = "does not declare readOnlyHint" if tool in self.tools else "is not one of its tools"
            raise ConnectorError(f"{self.name}: a call of {tool[:80]} is refused: it {why}")
        result = await self._in_time(self.client.call_tool(tool, arguments))
        return self._text(tool, result), bool(result.is_error)

    async def _in_time(self, asking: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await asking
        except TimeoutError:
            raise ConnectorError(f"{self.name} gave no answer within {self.limits.seconds:g} s") from None
        except (MCPError, OSError, RuntimeError, anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            raise ConnectorError(f"{self.name} cannot be asked: {type(error).__name__}: {error}") from error

    def _text(self, tool: str, result: CallToolResult) -> str:
        texts: list[str] = []
        for block in result.content:
            if isinstance(block, TextContent):
                texts.append(block.text)
            elif isinstance(block, EmbeddedResource) and isinstance(block.resource, TextResourceContents):
                texts.append(block.resource.text)
            else:
                raise ConnectorError(f"{self.name}: {tool} answered with {block.type}, which is no text")
        text = "\n".join(texts)
        if len(text.encode("utf-8", "surrogatepass")) > self.limits.most_bytes:
            raise ConnectorError(f"{self.name}: the answer of {tool} is larger than {self.limits.most_bytes} bytes")
        return text


@dataclass(frozen=True, slots=True)
class McpTools:
    """A connector over one server: recorded calls of `mcp__NAME__tool` are asked of its tool.

    `now_allowed` is the consent to answers as of now.
    """

    server: McpServer
    now_allowed: bool = False
    now: Callable[[], float] = time.time

    @property
    def name(self) -> str:
        """What it is called in evidence."""
        return f"MCP server {self.server.name}"

    @property
    def hosts(self) -> frozenset[str]:
        """It fetches nothing: the server is asked through its own connection."""
        return frozenset()

    def applies(self, query: Query) -> bool:
        """A call of a tool that the recorded agent had from a server of this name."""
        return self._tool(query) is not None

    async def answer(self, query: Query, fetch: Fetch, as_of: float) -> Sourced | None:  # noqa: ARG002
        """What the tool says now, if that is allowed.

        Raises:
            ConnectorError: it is not, or the call was refused or failed.
        """
        tool = self._tool(query)
        if tool is None:
            return None
        asked = self.now()
        if not self.now_allowed:
            raise ConnectorError(
                f"{self.name} cannot answer as of {_date(as_of)}, only as of now: --connector-now allows that"
            )
        text, failed = await self.server.call(tool, query.arguments)
        late = f"asked on {_date(asked)}, {max(0.0, asked - as_of) / _DAY:.0f} days after the moment of the session"
        return Sourced((), True, text, "", int(failed), (late, f"{tool} only reads, as its server says"))

    def _tool(self, query: Query) -> str | None:
        start = f"mcp__{self.server.name}__"
        return query.tool[len(start) :] if query.tool.startswith(start) and len(query.tool) > len(start) else None


@asynccontextmanager
async def connected(spec: ServerSpec, limits: Limits = Limits()) -> AsyncIterator[McpServer]:
    """A connection to a server, its tools looked up.

    A command gets none of this process's environment but what a program needs to start (PATH, HOME, …); a URL gets the
    token in `DEPLOYSIM_MCP_TOKEN_NAME`, if there is one. What the server prints beside the protocol is thrown away.

    Raises:
        ConnectorError: it cannot be started or reached.
    """
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(limits.seconds):
                client = await stack.enter_async_context(await _client(spec, limits, stack))
        except TimeoutError:
            raise ConnectorError(f"the MCP server {spec.name} did not answer within {limits.seconds:g} s") from None
        except (MCPError, OSError, httpx2.HTTPError, ExceptionGroup) as error:
            raise ConnectorError(f"the MCP server {spec.name} cannot be used: {_first(error)}") from error
        server = McpServer(spec.name, client, limits)
        await server.look()
        yield server


async def _client(spec: ServerSpec, limits: Limits, stack: AsyncExitStack) -> Client:
    me = Implementation(name="deploysim", version="1")
    if spec.command:
        silent = stack.enter_context(open(os.devnull, "w"))  # noqa: PTH123, ASYNC230, SIM115
        started = StdioServerParameters(command=spec.command[0], args=list(spec.command[1:]))
        return Client(stdio_client(started, silent), client_info=me, cache=None)
    token = os.environ.get(token_variable(spec.name))
    http = await stack.enter_async_context(
        httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {token}"} if token else {}, timeout=limits.seconds, trust_env=False
        )
    )
    transport = streamable_http_client(spec.url, http_client=http, max_sse_event_size=2 * limits.most_bytes)
    return Client(transport, client_info=me, cache=None)


def _first(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")

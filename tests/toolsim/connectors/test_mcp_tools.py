"""MCP servers as connectors: only what reads is called, within limits, and never as of a moment that has passed."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import sys
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import pytest

pytest.importorskip("mcp")

import uvicorn
from mcp import Client

from toolsim.connectors import Gate, Query
from toolsim.connectors.mcp_tools import Limits, McpServer, McpTools, ServerSpec, connected, parse_spec
from toolsim.errors import ConnectorError, SimulationFailed

NOON = 1_760_000_000.0
SCRIPT = Path(__file__).parent / "notes_server.py"
STDIO = ServerSpec("notes", (sys.executable, str(SCRIPT)))


def notes():
    spec = importlib.util.spec_from_file_location("notes_server", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def in_process(limits=None):
    """A connection to a server in this process, and the names of the tools that were called."""
    called = []
    async with Client(notes().build(called), cache=None) as client:
        server = McpServer("notes", client, limits or Limits())
        await server.look()
        yield server, called


def asking(tool, **arguments):
    return Query(tool=f"mcp__notes__{tool}", arguments=arguments)


async def test_a_reading_tool_answers_as_of_now_where_that_is_allowed():
    async with in_process() as (server, called):
        connector = McpTools(server, now_allowed=True, now=lambda: NOON + 86_400 * 40)
        said = await Gate().ask(connector, asking("get", id=7), NOON)
    assert (said.stdout, said.exit_code, said.exact) == ("note 7: no secret", 0, True)
    assert "40 days after the moment of the session" in said.assumptions[0]
    assert called == ["get"]


async def test_without_consent_nothing_is_asked_of_a_past_moment():
    async with in_process() as (server, called):
        with pytest.raises(ConnectorError, match=r"cannot answer as of 2025-10-09.*--connector-now"):
            await Gate().ask(McpTools(server), asking("get", id=7), NOON)
    assert called == []


@pytest.mark.parametrize(
    ("tool", "why"),
    [("put", "does not declare readOnlyHint"), ("claims", "does not declare"), ("rm", "is not one of its tools")],
)
async def test_what_does_not_only_read_is_refused_and_never_called(tool, why):
    async with in_process() as (server, called):
        with pytest.raises(ConnectorError, match=why):
            await Gate().ask(McpTools(server, now_allowed=True), asking(tool), NOON)
        with pytest.raises(ConnectorError, match=why):
            await server.call(tool, {})
    assert called == []


async def test_an_error_of_the_tool_is_its_answer():
    async with in_process() as (server, _):
        said = await McpTools(server, now_allowed=True).answer(asking("fail"), None, NOON)
    assert (said.stdout, said.exit_code) == ("no such note", 1)


@pytest.mark.parametrize(
    ("tool", "why"), [("slow", "within 0.2 s"), ("large", "larger than 1000 bytes"), ("picture", "which is no text")]
)
async def test_limits_are_held(tool, why):
    async with in_process(Limits(seconds=0.2, most_bytes=1_000)) as (server, _):
        with pytest.raises(ConnectorError, match=why):
            await server.call(tool, {})
        assert await server.call("get", {"id": 1}) == ("note 1: no secret", False)


@pytest.mark.parametrize(
    "query",
    [Query(tool="mcp__other__get"), Query(tool="mcp__notes__"), Query(tool="Read"), Query(argv=("mcp__notes__get",))],
)
async def test_other_calls_are_not_its_business(query):
    async with in_process() as (server, called):
        assert not McpTools(server).applies(query)
        assert await McpTools(server).answer(query, None, NOON) is None
    assert called == []


async def test_a_command_is_started_without_the_environment_and_its_noise(monkeypatch, capfd):
    monkeypatch.setenv("SECRET_OF_THE_TEST", "hunter2")
    async with connected(STDIO) as server:
        assert await server.call("get", {"id": 1}) == ("note 1: no secret", False)
    assert "noise" not in capfd.readouterr().err


async def test_a_server_that_dies_is_a_connector_error_and_nothing_else():
    async with connected(STDIO, Limits(seconds=5)) as server:
        with pytest.raises(ConnectorError):
            await server.call("die", {})
        with pytest.raises(ConnectorError):
            await server.call("get", {"id": 1})


@pytest.mark.parametrize(
    "spec",
    [ServerSpec("x", ("/nonexistent/server",)), ServerSpec("x", (sys.executable, "-c", "print('hello')"))],
)
async def test_a_server_that_cannot_be_used_is_one_sentence(spec):
    with pytest.raises(ConnectorError, match=r"^the MCP server x (cannot be used|did not answer)"):
        async with connected(spec, Limits(seconds=5)):
            pass


async def test_a_url_that_nobody_answers_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ConnectorError, match=r"^the MCP server x (cannot be used|did not answer)"):
        async with connected(ServerSpec("x", url=f"http://127.0.0.1:{port}/mcp"), Limits(seconds=5)):
            pass


async def test_a_url_is_asked_with_the_token_of_the_environment(monkeypatch):
    monkeypatch.setenv("DEPLOYSIM_MCP_TOKEN_MY_NOTES", "hunter2")
    seen = set()

    async def watched(scope, receive, send):
        if scope["type"] == "http":
            seen.update(value for name, value in scope["headers"] if name == b"authorization")
        await app(scope, receive, send)

    called = []
    app = notes().build(called).streamable_http_app()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = uvicorn.Server(uvicorn.Config(watched, log_level="warning", lifespan="on"))
        server.capture_signals = nullcontext
        running = asyncio.create_task(server.serve(sockets=[taken]))
        spec = ServerSpec("my-notes", url=f"http://127.0.0.1:{taken.getsockname()[1]}/mcp")
        async with connected(spec, Limits(seconds=20)) as opened:
            assert await opened.call("get", {"id": 1}) == ("note 1: no secret", False)
            with pytest.raises(ConnectorError, match="readOnlyHint"):
                await opened.call("put", {})
        server.should_exit = True
        await running
    assert seen == {b"Bearer hunter2"}
    assert called == ["get"]


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("gh=npx -y 'a server'", ServerSpec("gh", ("npx", "-y", "a server"))),
        ("gh=https://mcp.example/mcp", ServerSpec("gh", url="https://mcp.example/mcp")),
        ("gh=http://127.0.0.1:8000/mcp", ServerSpec("gh", url="http://127.0.0.1:8000/mcp")),
    ],
)
def test_servers_are_read_from_the_command_line(text, spec):
    assert parse_spec(text) == spec


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gh",
        "gh=",
        "a b=x",
        "gh=http://mcp.example/mcp",
        "gh=https://me:secret@mcp.example",
        "gh='open",
        "gh=ftp://x/",
    ],
)
def test_what_is_no_server_is_refused_without_its_secrets(text):
    with pytest.raises(ConnectorError) as refused:
        parse_spec(text)
    assert "secret" not in str(refused.value)


async def test_the_rung_answers_a_recorded_call_and_says_how(bench):
    async with in_process() as (server, _):
        allowed = McpTools(server, now_allowed=True, now=lambda: NOON + 86_400)
        answer = await bench({}, connectors=(allowed,)).respond("mcp__notes__get", id=7)
        assert answer.rung == "connector"
        assert answer.result.content == "note 7: no secret"
        assert any("days after" in text for text in answer.evidence["assumptions"])
        with pytest.raises(SimulationFailed, match="--connector-now"):
            await bench({}, connectors=(McpTools(server),)).respond("mcp__notes__get", id=7)
        with pytest.raises(SimulationFailed, match="readOnlyHint"):
            await bench({}, connectors=(allowed,)).respond("mcp__notes__put", id=7)

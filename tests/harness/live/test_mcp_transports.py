"""`deploysim mcp` as a process: the SDK's client over stdio and HTTP, and what the store holds afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager

import httpx2
import pytest

pytest.importorskip("mcp")

from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import Implementation

from harness.store import Store

ERAS = ("legacy", "auto")
ME = Implementation(name="an agent", version="1")
PROGRAM = ("-c", "from harness.cli import main; main()")
WAIT = 60.0


def arguments(folder, session, *more):
    """The command line after the interpreter."""
    return [
        *PROGRAM, "mcp", session[:8], "--store", str(folder / "deploysim.db"), "--simulator", "none",
        "--shell", "none", "--with-calls", *more,
    ]  # fmt: skip


def run_of(folder, told):
    with Store(folder / "deploysim.db") as store:
        return told(store, store.run()["id"])


@pytest.mark.parametrize("era", ERAS)
async def test_over_stdio_calls_are_computed_kept_and_ended(folder, session, told, root, era):
    server = StdioServerParameters(command=sys.executable, args=arguments(folder, session))
    async with Client(server, mode=era, client_info=ME, read_timeout_seconds=WAIT) as client:
        assert "Read" in {tool.name for tool in (await client.list_tools()).tools}
        await client.call_tool("Write", {"file_path": f"{root}/new.txt", "content": "one\n"})
        read = await client.call_tool("Read", {"file_path": f"{root}/new.txt"})
        many = await asyncio.gather(*(client.call_tool("Read", {"file_path": f"{root}/README.md"}) for _ in range(10)))
    assert "one" in read.content[0].text
    assert len({result.content[0].text for result in many}) == 1
    kept = run_of(folder, told)
    assert kept.ends == [("completed", None)]
    assert kept.reason() == "the client closed the connection"
    assert len(kept.results()) == 12
    assert {step.rung for step in kept.results()} == {"computed"}


async def test_the_protocol_alone_has_stdout(folder, session):
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments(folder, session, "--json"), stdin=-1, stdout=-1, stderr=-1
    )
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        "this is no JSON",
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    out, err = await asyncio.wait_for(process.communicate(text.encode()), WAIT)
    answers = [json.loads(line) for line in out.splitlines()]
    assert {answer.get("id") for answer in answers} >= {1, 2}
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)
    summary = json.loads(next(line for line in err.decode().splitlines() if line.startswith('{"rollouts"')))
    assert summary["rollouts"][0]["status"] == "completed"
    assert process.returncode == 0


async def test_a_stopped_server_leaves_an_ended_rollout(folder, session, told):
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments(folder, session), stdin=-1, stdout=-1, stderr=-1
    )
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}
    for line in (
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ):
        process.stdin.write(json.dumps(line).encode() + b"\n")
    for _ in range(2):
        await asyncio.wait_for(process.stdout.readline(), WAIT)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), WAIT) == 0
    kept = run_of(folder, told)
    assert kept.ends == [("completed", None)]
    assert kept.reason() == "the server was stopped"


@asynccontextmanager
async def over_http(folder, session, *more):
    """A server on a free port: its address and token. Stopped at the end as by Ctrl-C."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments(folder, session, "--http", "--json", *more), stdout=-1, stderr=-1,
        env={**os.environ, "DEPLOYSIM_TOKEN": "secret-of-the-test"},
    )  # fmt: skip
    try:
        line = await asyncio.wait_for(process.stdout.readline(), WAIT)
        ready = json.loads(line)
        yield ready["address"], ready["token"]
    finally:
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), WAIT)
        assert process.returncode == 0, err.decode()


@asynccontextmanager
async def http_client(address, token, era):
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=WAIT) as http:
        transport = streamable_http_client(address, http_client=http)
        async with Client(transport, mode=era, client_info=ME, read_timeout_seconds=WAIT) as client:
            yield client


@pytest.mark.parametrize("era", ERAS)
async def test_over_http_calls_are_computed_kept_and_ended(folder, session, told, root, era):
    async with over_http(folder, session) as (address, token):
        async with http_client(address, token, era) as client:
            await client.call_tool("Write", {"file_path": f"{root}/new.txt", "content": "one\n"})
            many = await asyncio.gather(*(client.call_tool("Read", {"file_path": f"{root}/new.txt"}) for _ in range(5)))
        assert all("one" in result.content[0].text for result in many)
        if era == "legacy":
            kept = run_of(folder, told)
            assert kept.ends == [("completed", None)]
            assert kept.reason() == "the client ended the session"
    kept = run_of(folder, told)
    assert len(kept.results()) == 6
    assert kept.ends == [("completed", None)]
    assert kept.reason() == ("the client ended the session" if era == "legacy" else "the server was stopped")


async def test_http_sessions_have_worlds_of_their_own(folder, session, told, root):
    async with (
        over_http(folder, session) as (address, token),
        http_client(address, token, "legacy") as one,
        http_client(address, token, "legacy") as other,
    ):
        await one.call_tool("Write", {"file_path": f"{root}/new.txt", "content": "one\n"})
        assert (await other.call_tool("Read", {"file_path": f"{root}/new.txt"})).is_error
    assert [row.sample for row, _ in run_of(folder, told).rows] == [0, 1]


async def test_places_of_the_address_have_worlds_of_their_own_and_are_ended_by_delete(folder, session, told, root):
    async with over_http(folder, session) as (address, token), httpx2.AsyncClient() as http:
        async with http_client(f"{address}/first", token, "auto") as one:
            await one.call_tool("Write", {"file_path": f"{root}/new.txt", "content": "one\n"})
        async with http_client(f"{address}/second", token, "auto") as other:
            assert (await other.call_tool("Read", {"file_path": f"{root}/new.txt"})).is_error
        await http.delete(f"{address}/first", headers={"Authorization": f"Bearer {token}"})
        kept = run_of(folder, told)
        assert [end and end[0] for end in kept.ends] == ["completed", None]
        assert kept.reason() == "the client ended the session"
    assert run_of(folder, told).ends == [("completed", None)] * 2


REFUSED = (
    ({}, 401),
    ({"Authorization": "Bearer wrong"}, 401),
    ({"Authorization": "Basic secret-of-the-test"}, 401),
    ({"Authorization": "Bearer secret-of-the-test", "Host": "evil.example"}, 421),
    ({"Authorization": "Bearer secret-of-the-test", "Origin": "http://evil.example"}, 403),
    ({"Authorization": "Bearer secret-of-the-test", "Origin": "null"}, 403),
)


async def test_http_is_closed_to_others(folder, session):
    async with over_http(folder, session) as (address, _), httpx2.AsyncClient() as http:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        answers = [await http.post(address, headers=headers, json=body) for headers, _ in REFUSED]
    assert [answer.status_code for answer in answers] == [status for _, status in REFUSED]
    assert not any("secret-of-the-test" in answer.text for answer in answers)
    with Store(folder / "deploysim.db") as store:
        assert store.rollouts(store.run()["id"]) == ()


async def test_a_product_with_tools_of_its_own_is_refused_over_stdio(folder, session):
    server = StdioServerParameters(command=sys.executable, args=arguments(folder, session))
    claude = Implementation(name="claude-code", version="2.1.0")
    with pytest.raises((MCPError, BaseExceptionGroup)) as refused:
        async with Client(server, mode="legacy", client_info=claude, read_timeout_seconds=WAIT):
            pass
    assert "builtins-off" in str(getattr(refused.value, "exceptions", [refused.value]))


async def test_a_logged_rollout_is_read_back_by_other_commands(folder, session, root):
    server = StdioServerParameters(command=sys.executable, args=arguments(folder, session))
    async with Client(server, mode="legacy", client_info=ME, read_timeout_seconds=WAIT) as client:
        await client.call_tool("Read", {"file_path": f"{root}/README.md"})
    page = folder / "report.html"
    process = await asyncio.create_subprocess_exec(
        sys.executable, *PROGRAM, "report", "--store", str(folder / "deploysim.db"), "-o", str(page), stderr=-1
    )
    _, err = await asyncio.wait_for(process.communicate(), WAIT)
    assert process.returncode == 0, err.decode()
    assert "mcp-" in page.read_text("utf-8")

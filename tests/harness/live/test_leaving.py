"""Requests that are open as a client's input ends."""

from __future__ import annotations

import anyio
import pytest

pytest.importorskip("mcp")

from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCRequest, JSONRPCResponse

from harness.live.leaving import settled


async def talk(slow, grace):
    """A server that takes `slow` seconds an answer, a client that asks twice and sends no more: the answers."""
    asks, reading = anyio.create_memory_object_stream(10)
    writing, got = anyio.create_memory_object_stream(10)
    async with asks:
        for number in (1, 2):
            await asks.send(SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=number, method="tools/list")))
    async with settled(reading, writing, grace) as (requests, answers), anyio.create_task_group() as tasks:

        async def one(item):
            await anyio.sleep(slow)
            await answers.send(SessionMessage(JSONRPCResponse(jsonrpc="2.0", id=item.message.id, result={})))

        async for item in requests:
            tasks.start_soon(one, item)
        tasks.cancel_scope.cancel()
    async with got:
        return [item.message.id async for item in got]


async def test_what_was_asked_before_the_end_is_answered():
    assert await talk(0.05, grace=20.0) == [1, 2]


async def test_a_request_without_an_answer_holds_the_end_for_a_moment_only():
    with anyio.fail_after(20.0):
        assert await talk(1000.0, grace=0.05) == []

"""The end of a client's input is not the end of its requests: what was asked before is answered first, for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

GRACE = 5.0
"""Seconds that open requests have once the client sends no more. A client that is gone waits for nothing."""


@asynccontextmanager
async def settled(reading: Any, writing: Any, grace: float = GRACE) -> AsyncIterator[tuple[Any, Any]]:
    """The same two streams of MCP messages, where the input ends only when what it asked for has been answered.

    The SDK cancels open requests as its input ends, so `printf … | deploysim mcp` would lose the last answers.
    """
    to_server, requests = anyio.create_memory_object_stream[Any](0)
    answers, from_server = anyio.create_memory_object_stream[Any](0)
    open_requests: set[str | int] = set()
    none_open = asyncio.Event()

    async def ask() -> None:
        async with reading, to_server:
            async for item in reading:
                identity = getattr(getattr(item, "message", None), "id", None)
                if identity is not None and hasattr(item.message, "method"):
                    open_requests.add(identity)
                await to_server.send(item)
            none_open.clear()
            if open_requests:
                with anyio.move_on_after(grace):
                    await none_open.wait()

    async def answer() -> None:
        async with from_server, writing:
            async for item in from_server:
                await writing.send(item)
                open_requests.discard(getattr(item.message, "id", None))
                if not open_requests:
                    none_open.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        tasks.start_soon(answer)
        async with requests, answers:
            yield requests, answers

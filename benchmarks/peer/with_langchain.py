"""Rollouts with LangChain's `LLMToolEmulator`: `create_agent` with the middleware, all tools emulated, `ainvoke`.

One event loop, as many agents at once as asked. An agent is made once for each recorded turn.
"""

from __future__ import annotations

import asyncio
from typing import Any

from driver import CANDIDATE, SIMULATOR, Leg, Turn, given, told
from langchain.agents import create_agent
from langchain.agents.middleware import LLMToolEmulator
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, StructuredTool
from langchain_openai import ChatOpenAI


def _never(**_: Any) -> str:
    raise AssertionError("an emulated tool was run")


def tools_of(turn: Turn) -> list[BaseTool]:
    """The recorded tools by name, description and schema."""
    return [
        StructuredTool.from_function(
            _never, name=tool["function"]["name"], description=tool["function"].get("description") or "A tool.",
            args_schema=tool["function"]["parameters"],
        )
        for tool in turn.tools
    ]  # fmt: skip


async def play(leg: Leg) -> int:
    """Play all rollouts; how many tool results they got."""
    model, emulator = (ChatOpenAI(model=name, base_url=leg.url, api_key="none") for name in (CANDIDATE, SIMULATOR))
    agents = [
        create_agent(model=model, tools=tools_of(turn), middleware=[LLMToolEmulator(model=emulator)])
        for turn in leg.turns
    ]
    gate = asyncio.Semaphore(leg.flight)

    async def one(number: int) -> int:
        place = leg.turn(number)
        messages = leg.turns[place].messages
        async with gate:
            end = await agents[place].ainvoke({"messages": messages})
        return sum(isinstance(m, ToolMessage) for m in end["messages"][len(messages) :])

    return sum(await asyncio.gather(*(one(n) for n in range(leg.rollouts))))


if __name__ == "__main__":
    leg = given()
    told(lambda: asyncio.run(play(leg)), ("langchain", "langchain-openai", "openai"))

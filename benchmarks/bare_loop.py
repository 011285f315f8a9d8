"""What throughput is measured against: a langgraph loop of two nodes over AsyncOpenAI that sends recorded bodies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypedDict

import openai
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime


class _State(TypedDict):
    n: int
    said: list[str]


@dataclass(frozen=True, slots=True)
class Asking:
    """A client, and whether bodies go to it as they are."""

    client: openai.AsyncOpenAI
    tuned: bool


@dataclass(frozen=True, slots=True)
class _Seat:
    asking: Asking
    bodies: list[dict[str, Any]]


async def _ask(state: _State, runtime: Runtime[_Seat]) -> _State:
    seat = runtime.context
    body = seat.bodies[state["n"]]
    create = seat.asking.client.chat.completions.create
    if seat.asking.tuned:
        rest = {name: value for name, value in body.items() if name != "model"}
        reply = await create(model=body["model"], messages=[], extra_body=rest)
    else:
        reply = await create(**body)
    return {"n": state["n"] + 1, "said": [*state["said"], reply.choices[0].message.content or ""]}


def _graph(bodies: list[dict[str, Any]]) -> Any:
    def after(state: _State) -> str:
        if state["n"] >= len(bodies):
            return END
        return "tools" if "response_format" in bodies[state["n"]] else "candidate"

    graph = StateGraph(_State, context_schema=_Seat)
    for name in ("candidate", "tools"):
        graph.add_node(name, _ask)
        graph.add_conditional_edges(name, after, ["candidate", "tools", END])
    graph.add_edge(START, "candidate")
    return graph.compile()


@asynccontextmanager
async def client(url: str, *, tuned: bool) -> AsyncIterator[Asking]:
    """The client as documented, or with bodies as they are and the aiohttp transport (`tuned`)."""
    transport = openai.DefaultAioHttpClient() if tuned else None
    async with openai.AsyncOpenAI(base_url=url, api_key="none", http_client=transport, timeout=600) as made:
        yield Asking(made, tuned)


async def play(asking: Asking, recorded: list[list[dict[str, Any]]], rollouts: int, flight: int) -> int:
    """So many rollouts, each the bodies of one recorded, at most `flight` at once; how many requests they made."""
    graphs = [_graph(bodies) for bodies in recorded]
    gate = asyncio.Semaphore(flight)

    async def one(n: int) -> int:
        bodies, graph = recorded[n % len(recorded)], graphs[n % len(recorded)]
        async with gate:
            end = await graph.ainvoke({"n": 0, "said": []}, {"recursion_limit": 1_000}, context=_Seat(asking, bodies))
        return int(end["n"])

    return sum(await asyncio.gather(*(one(n) for n in range(rollouts))))

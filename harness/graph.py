"""The loop of one rollout as a langgraph graph: candidate ⇄ tools. The only langgraph import.

The graph holds no truth: its one state value is the `Progress` that the ledger gives, and every node writes its
step down before it returns. Calls of one message reach the world one after the other, in order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from harness.ledger import ModelStep, Progress, ToolStep, advance
from toolsim.trajectory import ToolCall

_MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class Seat:
    """What one rollout brings to the graph.

    `act` asks the candidate, `answer` the simulator (and changes the world), `write` appends to the ledger, `limit`
    says why the rollout must stop here (`None`: it may go on).
    """

    act: Callable[[Progress], Awaitable[ModelStep]]
    answer: Callable[[ToolCall, Progress], Awaitable[ToolStep]]
    write: Callable[[int, ModelStep | ToolStep], Awaitable[None]]
    limit: Callable[[Progress], str | None]


class _State(TypedDict):
    progress: Progress


async def _candidate(state: _State, runtime: Runtime[Seat]) -> Command[str]:
    """Says itself where the graph goes on: a branch of its own after each step costs a quarter of the graph's time."""
    progress = state["progress"]
    limit = runtime.context.limit(progress)
    if limit is None:
        step = await runtime.context.act(progress)
        await runtime.context.write(progress.steps, step)
        after: _State = {"progress": advance(progress, step)}
    else:
        after = {"progress": replace(progress, stop=limit)}
    return Command(update=after, goto=_next(after))


async def _tools(state: _State, runtime: Runtime[Seat]) -> _State:
    progress = state["progress"]
    for call in progress.open_calls:
        step = await runtime.context.answer(call, progress)
        await runtime.context.write(progress.steps, step)
        progress = advance(progress, step)
    return {"progress": progress}


def _next(state: _State) -> str:
    progress = state["progress"]
    if progress.stop is not None:
        return END
    return "tools" if progress.open_calls else "candidate"


@cache
def _compiled() -> Any:
    graph = StateGraph(_State, context_schema=Seat)
    graph.add_node("candidate", _candidate, destinations=("candidate", "tools", END))
    graph.add_node("tools", _tools)
    graph.add_conditional_edges(START, _next, ["candidate", "tools", END])
    graph.add_edge("tools", "candidate")
    return graph.compile()


async def play(seat: Seat, progress: Progress) -> Progress:
    """Run a rollout from `progress` (empty, or folded from a ledger) until it stops.

    Raises:
        ToolsimError: what `act` or `answer` raised; all steps before it are written.
    """
    final = await _compiled().ainvoke({"progress": progress}, {"recursion_limit": _MANY}, context=seat)
    result: Progress = final["progress"]
    return result

"""Rollouts with Strands' `ToolSimulator`: tools registered by its decorator, `get_tool`, `Agent(tools=...)`, a call.

A simulator holds the state of its tools, so every rollout has one of its own. The simulated tool calls its own agent
without `await`, so rollouts are run in threads, one for each at once (Strands starts more of them inside). Streaming
is off, which is less work for it: the endpoint does not stream.
"""

from __future__ import annotations

import inspect
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from driver import CANDIDATE, SIMULATOR, Leg, Message, Turn, given, told
from strands import Agent
from strands.models.openai import OpenAIModel
from strands_evals.simulation.tool_simulator import ToolSimulator

TYPES: dict[str, type] = {"string": str, "integer": int, "number": float, "boolean": bool, "array": list}


def function_of(tool: dict[str, Any]) -> Any:
    """A Python function with the tool's name, description and arguments, as the decorator wants it.

    Arguments whose names no Python function can have (`-n`) are left out.
    """
    schema = tool["parameters"]
    required = set(schema.get("required", ()))
    kinds = {
        name: TYPES.get(part.get("type"), dict) for name, part in schema.get("properties", {}).items()
        if name.isidentifier()
    }  # fmt: skip

    def made(**_: Any) -> dict[str, Any]:
        raise AssertionError("a simulated tool was run")

    made.__name__ = tool["name"]
    made.__doc__ = tool.get("description") or "A tool."
    made.__annotations__ = {**{n: k if n in required else k | None for n, k in kinds.items()}, "return": dict}
    setattr(made, "__signature__", inspect.Signature([  # noqa: B010
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, annotation=made.__annotations__[name],
            default=inspect.Parameter.empty if name in required else None,
        )
        for name in kinds
    ]))  # fmt: skip
    return made


def converted(messages: list[Message]) -> tuple[str | None, list[Any], str]:
    """System prompt, history and last user message in Strands' form; results of one round stand in one message."""
    system = [m["content"] for m in messages if m["role"] == "system"]
    rest = [m for m in messages if m["role"] != "system"]
    history: list[dict[str, Any]] = []
    for message in rest[:-1]:
        role = "assistant" if message["role"] == "assistant" else "user"
        if message["role"] == "tool":
            content = [{"text": message["content"]}]
            blocks: list[Any] = [
                {"toolResult": {"toolUseId": message["tool_call_id"], "status": "success", "content": content}}
            ]
        else:
            blocks = [{"text": message["content"]}] if message["content"] else []
            for call in message.get("tool_calls") or ():
                function = call["function"]
                use = {"toolUseId": call["id"], "name": function["name"], "input": json.loads(function["arguments"])}
                blocks.append({"toolUse": use})
        if history and history[-1]["role"] == role:
            history[-1]["content"] += blocks
        else:
            history.append({"role": role, "content": blocks})
    return "\n\n".join(system) or None, history, rest[-1]["content"]


def rollout(leg: Leg, turn: Turn) -> int:
    """Play one; how many tool results it got."""
    candidate, writer = (
        OpenAIModel(client_args={"api_key": "none", "base_url": leg.url}, model_id=name, stream=False)
        for name in (CANDIDATE, SIMULATOR)
    )
    simulator = ToolSimulator(model=writer)
    for tool in turn.tools:
        simulator.tool()(function_of(tool["function"]))
    tools = [simulator.get_tool(name) for name in simulator.list_tools()]
    system, history, said = converted(turn.messages)
    agent = Agent(model=candidate, tools=tools, messages=history, system_prompt=system, callback_handler=None)
    before = len(agent.messages)
    agent(said)
    results = [block["toolResult"] for m in agent.messages[before:] for block in m["content"] if "toolResult" in block]
    if bad := [result for result in results if result["status"] != "success"]:
        raise SystemExit(f"a simulated tool failed: {bad[0]}")
    return len(results)


def play(leg: Leg) -> int:
    """Play all rollouts; how many tool results they got."""
    with ThreadPoolExecutor(leg.flight) as pool:
        return sum(pool.map(lambda n: rollout(leg, leg.turns[leg.turn(n)]), range(leg.rollouts)))


if __name__ == "__main__":
    leg = given()
    told(lambda: play(leg), ("strands-agents-evals", "strands-agents", "openai"))

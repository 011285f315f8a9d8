"""Rollouts with Inspect AI: one task of a sample for each rollout, `generate()` for the tool loop, tools that ask a
model for their result. Samples and connections at once as asked; the log is written as always.

Inspect brings no simulated tool, so the tool is written here as its pages on tools and on model roles show, with
the wording of LangChain's emulator.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from typing import Any

from driver import CANDIDATE, SIMULATOR, Leg, Turn, given, told
from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import Sample
from inspect_ai.model import ChatMessage, ChatMessageTool, get_model, messages_from_openai
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.tool import ToolDef, ToolParams

PROMPT = """You are emulating a tool call for testing purposes.

Tool: {name}
Description: {description}
Arguments: {arguments}

Generate a realistic response that this tool would return given these arguments.
Return ONLY the tool's output, no explanation or preamble."""


def simulated(function: dict[str, Any]) -> ToolDef:
    """A tool of the recorded name, description and schema whose result a model writes."""
    name, description = function["name"], function.get("description") or "A tool."

    async def execute(**arguments: Any) -> str:
        prompt = PROMPT.format(name=name, description=description, arguments=arguments)
        return (await get_model(role=SIMULATOR).generate(prompt)).completion

    schema = {"type": "object", **function["parameters"], "additionalProperties": False}
    for part in schema.get("properties", {}).values():
        part["description"] = part.get("description") or "An argument."
    return ToolDef(execute, name=name, description=description, parameters=ToolParams.model_validate(schema))


@solver
def taken(turns: list[Turn], counts: list[int]) -> Solver:
    """The tools of the sample's turn, then Inspect's own loop; adds how many tool results it got to `counts`."""
    tools = [[simulated(tool["function"]).as_tool() for tool in turn.tools] for turn in turns]

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        state.tools = tools[state.metadata["turn"]]
        before = len(state.messages)
        state = await generate(state)
        counts.append(sum(isinstance(m, ChatMessageTool) for m in state.messages[before:]))
        return state

    return solve


def play(leg: Leg) -> int:
    """Play all rollouts; how many tool results they got."""

    async def read() -> list[list[ChatMessage]]:
        return [await messages_from_openai(turn.messages) for turn in leg.turns]

    inputs = asyncio.run(read())
    samples = [Sample(input=inputs[leg.turn(n)], metadata={"turn": leg.turn(n)}, id=n + 1) for n in range(leg.rollouts)]
    os.environ |= {"FAKE_BASE_URL": leg.url, "FAKE_API_KEY": "none"}
    counts: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        log = evaluate(
            Task(dataset=samples, solver=taken(leg.turns, counts)), model=f"openai-api/fake/{CANDIDATE}",
            model_roles={SIMULATOR: f"openai-api/fake/{SIMULATOR}"}, max_samples=leg.flight,
            max_connections=leg.flight, display="none", log_dir=folder,
        )[0]  # fmt: skip
    if log.status != "success":
        raise SystemExit(f"Inspect ended with {log.status}: {log.error and log.error.message}")
    return sum(counts)


if __name__ == "__main__":
    leg = given()
    told(lambda: play(leg), ("inspect-ai", "openai"))

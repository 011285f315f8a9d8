"""A langgraph `ToolNode` whose tools are answered from the world of a recorded situation.

The node and its tools keep their names and schemas; what they would have done is not run. A failed simulation is an
exception that leaves the graph, never a tool message.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langgraph.prebuilt import ToolNode

from harness.library import SimulatedTools
from toolsim.simulator import Answer
from toolsim.trajectory import JsonObject


def tool_node(simulated: SimulatedTools, node: ToolNode | None = None) -> ToolNode:
    """The tools of `node` (of the situation by default), each answered in the world.

    The artifact of a tool message is the `Answer` with rung and evidence. An error that the simulated tool would show
    is a tool message with status `error`.
    """
    tools: Sequence[BaseTool] = list(node.tools_by_name.values()) if node is not None else _recorded(simulated)
    return ToolNode([_simulated(tool, simulated) for tool in tools], handle_tool_errors=(ToolException,))


def _recorded(simulated: SimulatedTools) -> list[BaseTool]:
    """The situation's own tools, without anything behind them."""

    def nothing(**_: object) -> str:
        raise NotImplementedError

    return [
        StructuredTool(name=tool.name, description=tool.description or tool.name, args_schema=_schema(tool.parameters),
                       func=nothing)
        for tool in simulated.definitions
    ]  # fmt: skip


def _schema(parameters: JsonObject) -> JsonObject:
    return {"type": "object", "properties": {}, **parameters}


def _simulated(tool: BaseTool, simulated: SimulatedTools) -> StructuredTool:
    async def answer(**arguments: object) -> tuple[str, Answer]:
        found = await simulated.call(tool.name, dict(arguments))
        if found.result.is_error:
            raise ToolException(found.result.content)
        return found.result.content, found

    return StructuredTool(
        name=tool.name, description=tool.description, args_schema=tool.args_schema, coroutine=answer,
        response_format="content_and_artifact",
    )  # fmt: skip

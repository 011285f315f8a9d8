"""An MCP server for tests: one tool that only reads, one that writes, and some that misbehave."""

from __future__ import annotations

import asyncio
import os
import sys

from mcp.server import Server
from mcp.server.stdio import stdio_server
from mcp.types import (
    CallToolResult,
    ImageContent,
    ListToolsResult,
    TextContent,
    Tool,
    ToolAnnotations,
)

READING = ToolAnnotations(read_only_hint=True)
TOOLS = {
    "get": READING, "fail": READING, "slow": READING, "large": READING, "picture": READING, "die": READING,
    "put": None, "claims": ToolAnnotations(read_only_hint=False),
}  # fmt: skip


def build(called):
    """The server; names of the tools that were really called are added to `called`."""

    async def list_tools(ctx, params):
        schema = {"type": "object", "properties": {}}
        return ListToolsResult(tools=[Tool(name=n, input_schema=schema, annotations=a) for n, a in TOOLS.items()])

    async def call_tool(ctx, params):
        called.append(params.name)
        match params.name:
            case "get":
                text = f"note {params.arguments.get('id')}: {os.environ.get('SECRET_OF_THE_TEST', 'no secret')}"
            case "fail":
                return CallToolResult(content=[TextContent(type="text", text="no such note")], is_error=True)
            case "slow":
                await asyncio.sleep(30)
                text = "late"
            case "large":
                text = "x" * 2_000_000
            case "picture":
                return CallToolResult(content=[ImageContent(type="image", data="AA==", mime_type="image/png")])
            case "die":
                os._exit(3)
            case _:
                text = "changed"
        return CallToolResult(content=[TextContent(type="text", text=text)])

    return Server("notes", version="1", on_list_tools=list_tools, on_call_tool=call_tool)


async def main():
    """Serve on stdio."""
    print("noise beside the protocol", file=sys.stderr)
    server = build([])
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


if __name__ == "__main__":
    asyncio.run(main())

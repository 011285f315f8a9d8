"""A situation as an MCP server: its tools, its prefix as prompts and resources, every call answered by a rollout.

What a simulated tool shows as an error is a result with `isError`. What we cannot answer is a JSON-RPC error (-32603),
the rollout is failed with stage and reason, and so is every further call of it. Nothing that is sent speaks of a
simulation, but for the `data` of that error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from mcp.server import Server
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    CallToolRequestParams,
    CallToolResult,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListToolsResult,
    PaginatedRequestParams,
    Prompt,
    PromptMessage,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    TextContent,
    TextResourceContents,
    Tool,
)

from harness.errors import RolloutOver, StoreError
from harness.live.clients import described, objection, shown
from harness.live.offer import Offer, input_schema, wire_text
from harness.live.rollout import LiveRollout
from toolsim.trajectory import JsonObject, ToolResult

Context = ServerRequestContext[Any, Any]
Begin = Callable[[JsonObject], LiveRollout]
SESSION_HEADER = "mcp-session-id"
PLACE = "deploysim.place"
"""Where an ASGI scope says which place of the server a request came to (`/mcp/PLACE`)."""
ALONE = ("", "")
"""The key of stdio's one connection; HTTP has place and session id. Clients of protocol 2026-07-28 have no session."""
Key = tuple[str, str]
_BEAT = 10.0
_TASK, _CONVERSATION = "task", "conversation"
_SYSTEM_URI, _TASK_URI, _CHAT_URI = "session://system-prompt", "session://task", "session://conversation"


class Table:
    """The rollouts of the clients, one for each place and session. `begin` starts one for a client."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self.rollouts: dict[Key, LiveRollout] = {}

    def rollout(self, key: Key, client: JsonObject) -> LiveRollout:
        """The rollout of a session; the first time that it is asked for it begins.

        Raises:
            StoreError: it cannot be registered.
        """
        if key not in self.rollouts:
            self.rollouts[key] = self._begin(client)
        return self.rollouts[key]

    async def leave(self, key: Key, reason: str) -> None:
        """The client of a session has left."""
        if key in self.rollouts:
            await self.rollouts[key].leave(reason)

    async def close(self, reason: str) -> None:
        """All have left."""
        for key in tuple(self.rollouts):
            await self.leave(key, reason)


class Serving:
    """The handlers. `tools_only` offers no prompts and resources; `refused` is told of each client turned away."""

    def __init__(
        self, offer: Offer, table: Table, *, builtins_off: bool = False, refused: Callable[[str], None] = lambda _: None
    ) -> None:
        self._offer, self._table, self._builtins_off, self._refused = offer, table, builtins_off, refused

    async def admit(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Turn away clients that would act on the real machine, or that do not say who they are."""
        if ctx.request_id is None or ctx.method == "ping":
            return await call_next(ctx)
        name = _name(ctx)
        if not name or not name.strip():
            reason = None if self._builtins_off else "a client must give its name (clientInfo)"
        else:
            reason = objection(name, builtins_off=self._builtins_off)
        if reason is not None:
            self._refused(reason)
            raise MCPError(INVALID_REQUEST, reason)
        return await call_next(ctx)

    async def list_tools(self, ctx: Context, _: PaginatedRequestParams | None) -> ListToolsResult:
        """The tools as recorded. Who asks for them is about to act: its rollout begins."""
        self._rollout(ctx)
        return ListToolsResult(
            tools=[
                Tool(name=t.name, description=wire_text(t.description) or None, input_schema=input_schema(t))
                for t in self._offer.tools
            ]
        )

    async def call_tool(self, ctx: Context, params: CallToolRequestParams) -> CallToolResult:
        """One call, answered when those before it are."""
        if self._offer.tool(params.name) is None:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {shown(params.name)}")
        rollout = self._rollout(ctx)
        beat = asyncio.create_task(_beat(ctx))
        try:
            result = await rollout.call(params.name, params.arguments or {})
        except RolloutOver as over:
            raise _not_answered(params.name, over) from None
        finally:
            beat.cancel()
            with suppress(asyncio.CancelledError):
                await beat
        return _result(result)

    async def list_prompts(self, ctx: Context, _: PaginatedRequestParams | None) -> ListPromptsResult:  # noqa: ARG002
        """The user's message, and all that was said before."""
        task = Prompt(name=_TASK, description="The user's message.")
        said = Prompt(name=_CONVERSATION, description="The conversation so far, with the user's message at its end.")
        return ListPromptsResult(prompts=[task, said])

    async def get_prompt(self, ctx: Context, params: GetPromptRequestParams) -> GetPromptResult:  # noqa: ARG002
        """One of them."""
        if params.name == _TASK:
            return GetPromptResult(messages=[_message("user", self._offer.task)])
        if params.name == _CONVERSATION:
            return GetPromptResult(messages=[_message(role, text) for role, text in self._offer.said])
        raise MCPError(INVALID_PARAMS, f"Unknown prompt: {shown(params.name)}")

    async def list_resources(self, ctx: Context, _: PaginatedRequestParams | None) -> ListResourcesResult:  # noqa: ARG002
        """What the agent had seen, as texts."""
        return ListResourcesResult(
            resources=[
                Resource(name=uri.rpartition("/")[2], uri=uri, mime_type=kind, description=about)
                for uri, (kind, about, _) in self._texts().items()
            ]
        )

    async def read_resource(self, ctx: Context, params: ReadResourceRequestParams) -> ReadResourceResult:  # noqa: ARG002
        """One of them."""
        found = self._texts().get(str(params.uri))
        if found is None:
            raise MCPError(INVALID_PARAMS, f"Unknown resource: {shown(str(params.uri))}")
        kind, _, text = found
        return ReadResourceResult(contents=[TextResourceContents(uri=str(params.uri), mime_type=kind, text=text())])

    def _texts(self) -> Mapping[str, tuple[str, str, Callable[[], str]]]:
        offer = self._offer
        texts: dict[str, tuple[str, str, Callable[[], str]]] = {
            _TASK_URI: ("text/plain", "The user's message.", lambda: offer.task),
            _CHAT_URI: ("application/json", "The conversation so far, as chat messages.", lambda: offer.chat_json),
        }
        if offer.system is not None:
            texts[_SYSTEM_URI] = ("text/plain", "The system prompt.", lambda: offer.system or "")
        return texts

    def _rollout(self, ctx: Context) -> LiveRollout:
        asked = ctx.request
        key = ALONE if asked is None else key_of(asked.scope, asked.headers)
        try:
            return self._table.rollout(key, described(_name(ctx), _version(ctx)))
        except StoreError as error:
            raise MCPError(INTERNAL_ERROR, "internal error: nothing can be recorded", {"reason": str(error)}) from error


def build(serving: Serving, name: str, *, tools_only: bool = False) -> Server[Any]:
    """The server."""
    more: dict[str, Any] = {} if tools_only else {
        "on_list_prompts": serving.list_prompts, "on_get_prompt": serving.get_prompt,
        "on_list_resources": serving.list_resources, "on_read_resource": serving.read_resource,
    }  # fmt: skip
    server: Server[Any] = Server(
        name,
        version="1.0",
        get_tool_input_schema=lambda _: None,
        on_list_tools=serving.list_tools,
        on_call_tool=serving.call_tool,
        **more,
    )
    server.middleware = [serving.admit]
    return server


def key_of(scope: Mapping[str, Any], headers: Mapping[str, str]) -> Key:
    """The key of an HTTP request."""
    return str(scope.get(PLACE, "")), headers.get(SESSION_HEADER, "")


async def _beat(ctx: Context) -> None:
    """Progress while a call is answered, so that a client which hears of none does not give up."""
    beats = 0
    while True:
        await asyncio.sleep(_BEAT)
        beats += 1
        await ctx.session.report_progress(beats)


def _result(result: ToolResult) -> CallToolResult:
    text = TextContent(type="text", text=wire_text(result.content))
    return CallToolResult(content=[text], is_error=bool(result.is_error))


def _not_answered(tool: str, over: RolloutOver) -> MCPError:
    end = over.end
    data = {"rollout": over.rollout, "status": end.status, "stage": end.stage, "reason": end.reason}
    what = "the session is over" if end.status == "completed" else "the session has failed and is over"
    return MCPError(INTERNAL_ERROR, f"internal error: {tool} was not answered, {what}", data)


def _message(role: str, text: str) -> PromptMessage:
    content = TextContent(type="text", text=text)
    return PromptMessage(role="assistant" if role == "assistant" else "user", content=content)


def _name(ctx: Context) -> str | None:
    if ctx.method == "initialize":
        info = (ctx.params or {}).get("clientInfo")
        name = info.get("name") if isinstance(info, Mapping) else None
        return name if isinstance(name, str) else None
    known = ctx.session.client_params
    return None if known is None else known.client_info.name


def _version(ctx: Context) -> str | None:
    known = ctx.session.client_params
    return None if known is None else known.client_info.version

"""The Responses API wire form: request to payload, response body to values. Pure.

Conversations are sent whole (`store: false`); reasoning items of earlier replies go back where a message carries
them in `provider_items`. The API takes no seed: it is put into `metadata`, so that two samples stay two requests.
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from toolsim.errors import EndpointError
from toolsim.modeltypes import ModelRequest, Usage
from toolsim.trajectory import JsonObject, ToolCall
from toolsim.wire import Loose, Received, is_reasoning_model, joined, parameters, read_body, read_call, schema_form

PATH = "/responses"


class _Content(Loose):
    type: str = ""
    text: str = ""
    refusal: str | None = None


class _Item(Loose):
    model_config = ConfigDict(extra="allow")  # reasoning items go back as they came
    type: str
    content: list[_Content] | str | None = None
    summary: list[_Content] | None = None
    name: str = ""
    arguments: str | dict[str, Any] | None = None
    input: str | None = None
    call_id: str | None = None


class _Details(Loose):
    cached_tokens: int | None = None


class _Usage(Loose):
    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_details: _Details | None = None


class _Incomplete(Loose):
    reason: str | None = None


class _Response(Loose):
    status: str | None = None
    output: list[_Item] = Field(default_factory=list)
    usage: _Usage | None = None
    incomplete_details: _Incomplete | None = None
    error: Any = None


def payload(model: str, request: ModelRequest) -> JsonObject:
    """The JSON body of a request."""
    reasoning = is_reasoning_model(model)
    body: JsonObject = {"model": model, "input": _items(request.messages), "store": False}
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": t.name,
                "description": t.description,
                "parameters": parameters(t),
                "strict": False,
            }
            for t in request.tools
        ]
    form = schema_form(request)
    if form is not None:
        body["text"] = {"format": {"type": "json_schema", **form}}
    if request.max_tokens is not None:
        body["max_output_tokens"] = request.max_tokens
    if request.temperature is not None and not reasoning:
        body["temperature"] = request.temperature
    if request.seed is not None:
        body["metadata"] = {"seed": str(request.seed)}
    if reasoning:
        body["include"] = ["reasoning.encrypted_content"]
    return body


def read(body: bytes) -> Received:
    """The answer in a response body.

    Raises:
        EndpointError: the body holds no answer.
    """
    response = read_body(body, _Response)
    reason = response.incomplete_details.reason if response.incomplete_details else None
    if response.status == "failed" or (response.error and not response.output):
        raise EndpointError(f"the endpoint's answer failed: {response.error}")
    if reason == "content_filter":
        return Received("", (), None, "stop", _used(response), refused="content filter")
    if not response.output:
        if reason is None:
            raise EndpointError("the endpoint's answer has no output")
        return Received("", (), None, "length", _used(response))
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    kept: list[JsonObject] = []
    for item in response.output:
        if item.type == "message":
            refusal = _refusal(item)
            if refusal is not None:
                return Received("", (), None, "stop", _used(response), refused=refusal)
            texts.append(_text(item))
        elif item.type == "reasoning":
            thoughts += [part.text for part in item.summary or ()]
            kept.append(item.model_dump(mode="json", exclude_unset=True))
        elif item.type == "function_call":
            calls.append(read_call(item.name, item.arguments or {}, item.call_id, len(calls)))
        elif item.type == "custom_tool_call":
            calls.append(read_call(item.name, item.input or "", item.call_id, len(calls)))
    finish = "length" if reason == "max_output_tokens" else "tool_calls" if calls else "stop"
    thought = "\n".join(filter(None, thoughts)) or None
    return Received(joined(texts), tuple(calls), thought, finish, _used(response), tuple(kept))


def _refusal(item: _Item) -> str | None:
    parts = item.content if isinstance(item.content, list) else []
    return next((part.refusal or part.text for part in parts if part.type == "refusal"), None)


def _text(item: _Item) -> str:
    if isinstance(item.content, str):
        return item.content
    return joined([part.text for part in item.content or ()])


def _used(response: _Response) -> Usage:
    usage = response.usage
    if usage is None:
        return Usage()
    cached = usage.input_tokens_details.cached_tokens if usage.input_tokens_details else None
    return Usage(usage.input_tokens, cached or 0, usage.output_tokens)


def _items(messages: tuple[JsonObject, ...]) -> list[JsonObject]:
    items: list[JsonObject] = []
    for message in messages:
        items += message.get("provider_items") or ()
        if message["role"] == "tool":
            output = {"type": "function_call_output", "call_id": message["tool_call_id"], "output": message["content"]}
            items.append(output)
            continue
        if message.get("content"):
            kind = "output_text" if message["role"] == "assistant" else "input_text"
            part = {"type": kind, "text": message["content"]}
            items.append({"type": "message", "role": message["role"], "content": [part]})
        for call in message.get("tool_calls") or ():
            function = call["function"]
            items.append(
                {
                    "type": "function_call",
                    "call_id": call["id"],
                    "name": function["name"],
                    "arguments": function["arguments"],
                }
            )
    return items

"""The chat-completions wire form: request to payload, response body to values. Pure."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from toolsim.errors import EndpointError
from toolsim.modeltypes import ModelRequest, Usage
from toolsim.trajectory import JsonObject, ToolDefinition
from toolsim.wire import Loose, Received, is_reasoning_model, joined, parameters, read_body, read_call, schema_form

PATH = "/chat/completions"


class _Function(Loose):
    name: str
    arguments: str | dict[str, Any] | None = None


class _Custom(Loose):
    name: str
    input: str = ""


class _Call(Loose):
    id: str | None = None
    function: _Function | None = None
    custom: _Custom | None = None


class _Part(Loose):
    text: str = ""


class _Message(Loose):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(Loose):
    message: _Message
    finish_reason: str | None = None


class _Details(Loose):
    cached_tokens: int | None = None


class _Usage(Loose):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None


class _Completion(Loose):
    choices: list[_Choice] = Field(default_factory=list)
    usage: _Usage | None = None
    error: Any = None


def payload(model: str, request: ModelRequest) -> JsonObject:
    """The JSON body of a request."""
    reasoning = is_reasoning_model(model)
    body: JsonObject = {"model": model, "messages": [_sent(message) for message in request.messages]}
    if request.tools:
        body["tools"] = tool_forms(request.tools)
    form = schema_form(request)
    if form is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    if request.max_tokens is not None:
        body["max_completion_tokens" if reasoning else "max_tokens"] = request.max_tokens
    if request.temperature is not None and not reasoning:
        body["temperature"] = request.temperature
    if request.stop and not reasoning:
        body["stop"] = list(request.stop)
    if request.seed is not None:
        body["seed"] = request.seed
    return body


def tool_forms(tools: tuple[ToolDefinition, ...]) -> list[JsonObject]:
    """Tool definitions as the chat form has them."""
    return [
        {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": parameters(t)}}
        for t in tools
    ]


def read(body: bytes) -> Received:
    """The answer in a response body.

    Raises:
        EndpointError: the body holds no answer.
    """
    completion = read_body(body, _Completion)
    if not completion.choices:
        reason = f": {completion.error}" if completion.error else ""
        raise EndpointError(f"the endpoint's answer has no choices{reason}")
    choice = completion.choices[0]
    message = choice.message
    if message.refusal or choice.finish_reason == "content_filter":
        return Received("", (), None, "stop", _used(completion), refused=message.refusal or "content filter")
    calls = []
    for n, call in enumerate(message.tool_calls or ()):
        if call.function is not None:
            calls.append(read_call(call.function.name, call.function.arguments or {}, call.id, n))
        elif call.custom is not None:
            calls.append(read_call(call.custom.name, call.custom.input, call.id, n))
    text = message.content if isinstance(message.content, str) else joined([p.text for p in message.content or ()])
    return Received(
        text,
        tuple(calls),
        message.reasoning_content or message.reasoning,
        _finish(choice, bool(calls)),
        _used(completion),
    )


def _finish(choice: _Choice, calls: bool) -> str:
    if choice.finish_reason == "length":
        return "length"
    return "tool_calls" if calls else "stop"


def _used(completion: _Completion) -> Usage:
    usage = completion.usage
    if usage is None:
        return Usage()
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else None
    return Usage(usage.prompt_tokens, cached or 0, usage.completion_tokens)


def _sent(message: JsonObject) -> JsonObject:
    if "provider_items" not in message:
        return message
    return {key: value for key, value in message.items() if key != "provider_items"}


def window_in(listed: Any, name: str) -> int | None:
    """The context window that an endpoint's model list states for a model (llama.cpp, vLLM and others), if any."""
    entries = listed.get("data") if isinstance(listed, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("id") == name:
            meta = entry.get("meta")
            own = meta.get("n_ctx") if isinstance(meta, dict) else None
            stated = (own, entry.get("max_model_len"), entry.get("context_length"))
            return next((n for n in stated if isinstance(n, int) and n > 0), None)
    return None

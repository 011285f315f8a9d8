"""Requests of agent products to an OpenAI-compatible endpoint, read as values: chat completions and Responses. Pure.

Sources: the API reference of OpenAI, `chat/completions` and `responses` (create). What cannot be passed on faithfully
(images, stored conversations, several choices) is refused, never dropped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import RequestInvalid
from toolsim.trajectory import JsonObject, Message, ToolDefinition

_FREE_TEXT: JsonObject = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "refusal"})
_PASSED_OVER = frozenset({"reasoning"})


class _Loose(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Part(_Loose):
    type: str = "text"
    text: str = ""
    refusal: str = ""


_Content = str | list[_Part] | None


class _ChatMessage(_Loose):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: _Content = None
    tool_calls: list[Any] | None = None


class _Function(_Loose):
    name: str
    description: str | None = None
    parameters: JsonObject | None = None


class _ChatTool(_Loose):
    type: str = "function"
    function: _Function | None = None
    custom: _Function | None = None


class _StreamOptions(_Loose):
    include_usage: bool = False


class _Chat(_Loose):
    model: str
    messages: list[_ChatMessage] = Field(min_length=1)
    tools: list[_ChatTool] = Field(default_factory=list)
    stream: bool = False
    stream_options: _StreamOptions | None = None
    n: int | None = None
    temperature: float | None = None


class _Item(_Loose):
    type: str = "message"
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: _Content = None
    name: str = ""


class _ResponseTool(_Loose):
    type: str = "function"
    name: str = ""
    description: str | None = None
    parameters: JsonObject | None = None


class _Responses(_Loose):
    model: str
    input: str | list[_Item]
    instructions: str | None = None
    tools: list[_ResponseTool] = Field(default_factory=list)
    stream: bool = False
    previous_response_id: str | None = None
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `messages` are without system prompts, which `system` joins.

    `tools` are those that the product would run; `hosted` names those that the provider would, which nobody can answer
    here. `ran` counts results of tools in it: the product has run some by itself.
    """

    model: str
    system: str | None
    messages: tuple[Message, ...]
    tools: tuple[ToolDefinition, ...]
    hosted: tuple[str, ...] = ()
    ran: int = 0
    stream: bool = False
    usage_in_stream: bool = False
    temperature: float | None = None


def read_chat(body: bytes) -> Asked:
    """A request to `/chat/completions`.

    Raises:
        RequestInvalid: it is not of that form, or asks for what is not served.
    """
    asked = _validated(_Chat, body)
    if asked.n not in (None, 1):
        raise RequestInvalid(f"n={asked.n}: one choice is given")
    tools, hosted = _chat_tools(asked.tools)
    said = [(m.role, _text(m.content)) for m in asked.messages]
    return Asked(
        asked.model, _system(said), _messages(said), tools, hosted,
        sum(m.role in {"tool", "function"} for m in asked.messages), asked.stream,
        asked.stream_options is not None and asked.stream_options.include_usage, asked.temperature,
    )  # fmt: skip


def read_responses(body: bytes) -> Asked:
    """A request to `/responses`.

    Raises:
        RequestInvalid: it is not of that form, or asks for what is not served.
    """
    asked = _validated(_Responses, body)
    if asked.previous_response_id is not None:
        raise RequestInvalid("previous_response_id: conversations are not stored, send the whole input (store: false)")
    items = [_Item(role="user", content=asked.input)] if isinstance(asked.input, str) else asked.input
    said = [("system", asked.instructions)] if asked.instructions else []
    ran = 0
    for n, item in enumerate(items):
        if item.type == "message" and item.role is not None:
            said.append((item.role, _text(item.content)))
        elif item.type.endswith(("_call", "_call_output")):
            ran += item.type.endswith("_output")
        elif item.type not in _PASSED_OVER:
            raise RequestInvalid(f"input {n}: items of type {item.type[:40]!r} are not passed on")
    tools, hosted = _response_tools(asked.tools)
    return Asked(asked.model, _system(said), _messages(said), tools, hosted, ran, asked.stream, True, asked.temperature)


def _validated(form: type[Any], body: bytes) -> Any:
    try:
        return form.model_validate(json.loads(body))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the request"
        raise RequestInvalid(f"{where[:80]}: {first['msg'][:200]}") from None
    except (ValueError, RecursionError):
        raise RequestInvalid("the request is no JSON object") from None


def _text(content: str | Sequence[_Part] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    other = [part.type for part in content if part.type not in _TEXT_PARTS]
    if other:
        raise RequestInvalid(f"content of type {other[0][:40]!r} is not passed on")
    return "".join(part.text or part.refusal for part in content)


def _system(said: Sequence[tuple[str, str]]) -> str | None:
    return "\n\n".join(text for role, text in said if role in {"system", "developer"} and text) or None


def _messages(said: Sequence[tuple[str, str]]) -> tuple[Message, ...]:
    kept = [(role, text) for role, text in said if role in {"user", "assistant"} and text]
    return tuple(
        Message("assistant", text, "agent") if role == "assistant" else Message("user", text) for role, text in kept
    )


def _chat_tools(tools: Sequence[_ChatTool]) -> tuple[tuple[ToolDefinition, ...], tuple[str, ...]]:
    found: list[ToolDefinition] = []
    hosted: list[str] = []
    for tool in tools:
        if tool.function is not None:
            found.append(_defined(tool.function.name, tool.function.description, tool.function.parameters))
        elif tool.custom is not None:
            found.append(_defined(tool.custom.name, tool.custom.description, _FREE_TEXT))
        else:
            hosted.append(tool.type)
    return tuple(found), tuple(hosted)


def _response_tools(tools: Sequence[_ResponseTool]) -> tuple[tuple[ToolDefinition, ...], tuple[str, ...]]:
    found: list[ToolDefinition] = []
    hosted: list[str] = []
    for tool in tools:
        if tool.type == "function":
            found.append(_defined(tool.name, tool.description, tool.parameters))
        elif tool.type == "custom":
            found.append(_defined(tool.name, tool.description, _FREE_TEXT))
        else:
            hosted.append(tool.type)
    return tuple(found), tuple(hosted)


def _defined(name: str, description: str | None, parameters: Mapping[str, Any] | None) -> ToolDefinition:
    return ToolDefinition(name, description or "", dict(parameters or {}))

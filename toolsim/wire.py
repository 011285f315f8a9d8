"""What both OpenAI wire forms share: the values read from a reply, its errors, and schema output. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from toolsim.errors import EndpointError, Refused
from toolsim.jsoncheck import strictable
from toolsim.modeltypes import ModelRequest, Usage
from toolsim.trajectory import JsonObject, ToolCall, ToolDefinition

_REASONING_MODELS = re.compile(r"^(gpt-5|o\d)")
_SHOWN = 160


class Loose(BaseModel):
    """Base of what is read from replies: unknown keys are of no interest."""

    model_config = ConfigDict(extra="ignore")


Body = TypeVar("Body", bound=Loose)


@dataclass(frozen=True, slots=True)
class Received:
    """A reply as read from the wire, before any schema is checked; `refused` is the reason where there is none."""

    text: str
    calls: tuple[ToolCall, ...]
    reasoning: str | None
    finish: str
    usage: Usage
    items: tuple[JsonObject, ...] = ()
    refused: str | None = None


def read_body(body: bytes, form: type[Body]) -> Body:
    """A response body as `form`.

    Raises:
        EndpointError: the body is no JSON (an HTML page, cut off) or of another form.
    """
    try:
        value = json.loads(body)
    except ValueError:
        raise EndpointError(f"the endpoint's answer is no JSON: {excerpt(body)}") from None
    try:
        return form.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the answer"
        raise EndpointError(
            f"the endpoint's answer has another form ({where}: {first['msg']}): {excerpt(body)}"
        ) from None


def excerpt(body: bytes) -> str:
    """The start of a body for a message, on one line."""
    text = " ".join(body[: 4 * _SHOWN].decode("utf-8", "replace").split())
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…") if text else "an empty body"


def read_call(name: str, arguments: Any, call_id: str | None, n: int) -> ToolCall:
    """A call with its arguments parsed; what is no JSON object is kept verbatim in `raw`."""
    value = arguments
    if isinstance(arguments, str):
        try:
            value = json.loads(arguments) if arguments.strip() else {}
        except ValueError:
            value = None
    if isinstance(value, dict):
        return ToolCall(call_id or f"call_{n}", name, value)
    return ToolCall(
        call_id or f"call_{n}", name, raw=arguments if isinstance(arguments, str) else json.dumps(arguments)
    )


def refuse(reason: str | None) -> Refused:
    """The error for a model that declined."""
    text = " ".join((reason or "").split())
    return Refused(f"the model declined: {text[:_SHOWN]}" if text else "the model declined")


def parameters(tool: ToolDefinition) -> JsonObject:
    """The tool's JSON schema; a tool without one takes an empty object."""
    return tool.parameters or {"type": "object", "properties": {}}


def schema_form(request: ModelRequest) -> JsonObject | None:
    """Name, schema and strictness for schema output; strict only where the schema can be held strictly."""
    if request.schema is None:
        return None
    return {"name": request.schema_name, "schema": request.schema, "strict": strictable(request.schema)}


def is_reasoning_model(name: str) -> bool:
    """OpenAI's reasoning models take neither temperature, stop nor `max_tokens`."""
    return _REASONING_MODELS.match(name) is not None


def joined(parts: Sequence[str]) -> str:
    """Text parts of one message."""
    return "".join(parts)

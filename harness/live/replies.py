"""What an agent product is answered, as bodies and as server-sent events: chat completions and Responses. Pure.

Only final text goes out: no call that a product would run. Sources: the API reference of OpenAI, `chat/completions`,
`responses` and their streaming events.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from harness.live.offer import wire_text
from toolsim.modeltypes import Usage
from toolsim.trajectory import JsonObject


@dataclass(frozen=True, slots=True)
class Said:
    """The final text of a turn. `cut` says that a limit ended it; `at` is Unix seconds."""

    id: str
    model: str
    text: str
    usage: Usage
    at: float
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no text. `code` is the stage of a failed rollout, or what is wrong with the request."""

    status: int
    message: str
    code: str
    kind: str = "rollout_failed"

    @property
    def body(self) -> JsonObject:
        """The error as the API has it."""
        return {"error": {"message": wire_text(self.message), "type": self.kind, "param": None, "code": self.code}}


def chat_body(said: Said) -> JsonObject:
    """A chat completion."""
    message = {"role": "assistant", "content": wire_text(said.text), "refusal": None}
    return {
        **_chat_head(said, "chat.completion"),
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(said), "logprobs": None}],
        "usage": _chat_usage(said.usage),
    }


def chat_events(said: Said | Refusal, *, usage: bool) -> Iterator[str]:
    """The same as a stream."""
    if isinstance(said, Refusal):
        yield _event(said.body)
        return
    head = _chat_head(said, "chat.completion.chunk")
    for delta, finish in (
        ({"role": "assistant", "content": wire_text(said.text)}, None),
        ({}, _finish(said)),
    ):
        yield _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]})
    if usage:
        yield _event({**head, "choices": [], "usage": _chat_usage(said.usage)})
    yield "data: [DONE]\n\n"


def responses_body(said: Said) -> JsonObject:
    """A response."""
    return _response(said.id, said.model, said.at, "incomplete" if said.cut else "completed", said)


def responses_opening(name: str, model: str, at: float) -> Iterator[str]:
    """The events before anything is known."""
    begun = _response(name, model, at, "in_progress", None)
    for n, kind in enumerate(("response.created", "response.in_progress")):
        yield _typed(kind, n, response=begun)


def responses_events(said: Said | Refusal, name: str, model: str, at: float) -> Iterator[str]:
    """The events after `responses_opening`."""
    if isinstance(said, Refusal):
        failed = _response(name, model, at, "failed", None)
        failed["error"] = {"code": said.code, "message": wire_text(said.message)}
        yield _typed("response.failed", 2, response=failed)
        return
    whole = _response(name, model, at, "incomplete" if said.cut else "completed", said)
    item = whole["output"][0]
    part = item["content"][0]
    empty = {**part, "text": ""}
    here: JsonObject = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    opened = {**item, "status": "in_progress", "content": []}
    yield _typed("response.output_item.added", 2, output_index=0, item=opened)
    yield _typed("response.content_part.added", 3, **here, part=empty)
    yield _typed("response.output_text.delta", 4, **here, delta=part["text"], logprobs=[])
    yield _typed("response.output_text.done", 5, **here, text=part["text"], logprobs=[])
    yield _typed("response.content_part.done", 6, **here, part=part)
    yield _typed("response.output_item.done", 7, output_index=0, item=item)
    yield _typed("response.incomplete" if said.cut else "response.completed", 8, response=whole)


def _finish(said: Said) -> str:
    return "length" if said.cut else "stop"


def _chat_head(said: Said, kind: str) -> JsonObject:
    return {"id": f"chatcmpl-{said.id}", "object": kind, "created": int(said.at), "model": said.model}


def _chat_usage(usage: Usage) -> JsonObject:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def _response(name: str, model: str, at: float, status: str, said: Said | None) -> JsonObject:
    output: list[JsonObject] = []
    usage: JsonObject | None = None
    if said is not None:
        part = {"type": "output_text", "text": wire_text(said.text), "annotations": [], "logprobs": []}
        output = [
            {"type": "message", "id": f"msg_{name}", "status": "completed", "role": "assistant", "content": [part]}
        ]
        usage = {
            "input_tokens": said.usage.prompt_tokens,
            "input_tokens_details": {"cached_tokens": said.usage.cached_tokens},
            "output_tokens": said.usage.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": said.usage.total,
        }
    return {
        "id": f"resp_{name}", "object": "response", "created_at": int(at), "status": status, "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None, "metadata": {}, "model": model, "output": output, "parallel_tool_calls": True,
        "temperature": None, "tool_choice": "auto", "tools": [], "top_p": None, "usage": usage,
    }  # fmt: skip


def _typed(kind: str, number: int, **values: object) -> str:
    return f"event: {kind}\n" + _event({"type": kind, "sequence_number": number, **values})


def _event(value: JsonObject) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"

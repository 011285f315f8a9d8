"""A message's content taken apart, whatever product wrote it: text, reasoning, calls, results.

Understood are the block forms of the Anthropic, OpenAI, Gemini and pi message APIs and the tool parts of OpenCode.
What a result's text states of its outcome is read here too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.importers.values import as_int, as_list, as_object, as_text, first_text, member
from toolsim.trajectory import JsonObject, canonical_json

_TEXTS = frozenset({"text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text"})
_THOUGHTS = frozenset({"thinking", "reasoning", "think", "thought"})
_CALLS = frozenset(
    {"tool_use", "server_tool_use", "mcp_tool_use", "tool_call", "tool-call", "toolCall", "function_call", "function"}
)
_RESULTS = frozenset(
    {
        "tool_result", "tool-result", "toolResult", "tool_response", "function_call_output", "web_search_tool_result",
        "mcp_tool_result", "server_tool_result", "code_execution_tool_result",
    }
)  # fmt: skip
_MEDIA = frozenset(
    {"image", "image_url", "input_image", "audio", "input_audio", "video", "file", "input_file", "document", "media"}
)
_SILENT = frozenset({"redacted_thinking", "step-start", "step-finish", "snapshot", "patch", "cache_control"})


@dataclass(frozen=True, slots=True)
class CallBlock:
    """A call as recorded: `arguments` is an object, a JSON text or free text."""

    name: str
    arguments: Any
    recorded_id: str | None = None


@dataclass(frozen=True, slots=True)
class ResultBlock:
    """A result as recorded, with what it states of its outcome."""

    content: str
    recorded_id: str | None = None
    name: str | None = None
    images: int = 0
    is_error: bool | None = None
    exit_code: int | None = None
    duration: float | None = None
    structured: Any = None


@dataclass(slots=True)
class Blocks:
    """The content of one message by kind, each in recorded order; `unknown` are kinds nobody here knows."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[CallBlock] = field(default_factory=list)
    results: list[ResultBlock] = field(default_factory=list)
    images: int = 0
    unknown: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text, joined by newlines."""
        return "\n".join(self.texts)

    @property
    def reasoning(self) -> str | None:
        """All legible reasoning, joined by newlines."""
        return "\n".join(thought for thought in self.thoughts if thought) or None


def read_blocks(content: Any) -> Blocks:
    """Take a message's content (text, one block or a list of blocks) apart."""
    blocks = Blocks()
    for block in content if isinstance(content, list) else [content]:
        if isinstance(block, str):
            blocks.texts.append(block)
        elif isinstance(block, dict):
            _read_block(block, blocks)
        elif block is not None:
            blocks.unknown.append(type(block).__name__)
    return blocks


def read_call(value: JsonObject) -> CallBlock:
    """A call of any of the forms: `{id, function: {name, arguments}}`, `{id, name, input}`, `{toolCallId, ...}`."""
    function = value.get("function")
    inner = function if isinstance(function, dict) else value
    name = first_text(inner.get("name"), inner.get("toolName"), inner.get("tool_name"), inner.get("tool"), function)
    keys = ("arguments", "input", "args", "parameters", "kwargs")
    arguments = next((inner[key] for key in keys if inner.get(key) is not None), None)
    return CallBlock(name or "", arguments, call_id_of(value))


def read_result(value: JsonObject) -> ResultBlock:
    """A result of any of the forms: the content under `content`, `output`, `result` or `value`."""
    keys = ("content", "output", "result", "value", "response")
    content = next((value[key] for key in keys if value.get(key) is not None), None)
    stated = _stated_error(value)
    found = read_output(content)
    return ResultBlock(
        found.content, call_id_of(value), first_text(value.get("toolName"), value.get("tool_name"), value.get("name")),
        found.images, found.is_error if stated is None else stated, found.exit_code, None, found.structured,
    )  # fmt: skip


def read_output(value: Any) -> ResultBlock:
    """The text of a tool's output: text itself, parts, or an object with `output`, `stdout`, `error`."""
    if value is None:
        return ResultBlock("")
    if isinstance(value, str):
        return ResultBlock(value)
    if isinstance(value, list):
        return _read_parts(value)
    if not isinstance(value, dict):
        return ResultBlock(canonical_json(value))
    exit_code = next(
        (c for k in ("exitCode", "exit_code", "returncode") if (c := as_int(value.get(k))) is not None), None
    )
    error = value.get("error")
    is_error = True if error else _stated_error(value)
    structured = value if set(value) - {"output", "content", "text", "error", "isError", "is_error"} else None
    if "stdout" in value or "stderr" in value:
        streams = [as_text(value.get("stdout")), as_text(value.get("stderr"))]
        return ResultBlock("\n".join(s for s in streams if s), exit_code=exit_code, is_error=is_error, structured=value)
    inner = next((value[key] for key in ("output", "content", "text") if value.get(key) is not None), None)
    if inner is None and error:
        inner = first_text(error, member(error, "message")) or canonical_json(error)
    if inner is None:
        return ResultBlock(canonical_json(value), exit_code=exit_code, is_error=is_error, structured=value)
    found = read_output(inner)
    return ResultBlock(found.content, None, None, found.images, is_error, exit_code, None, structured)


def call_id_of(value: JsonObject) -> str | None:
    """The id that joins a call and its result."""
    keys = ("tool_call_id", "toolCallId", "call_id", "callID", "callId", "tool_use_id", "toolUseId", "id")
    return first_text(*(value.get(key) for key in keys))


def _read_block(block: JsonObject, blocks: Blocks) -> None:
    kind = as_text(block.get("type"))
    if kind is None or kind in {"functionCall", "functionResponse"}:
        _read_part(block, blocks)
    elif kind in _TEXTS:
        blocks.texts.append(as_text(block.get("text")) or as_text(block.get("refusal")) or "")
    elif kind in _THOUGHTS:
        blocks.thoughts.append(_thought(block))
    elif kind == "tool":
        _read_tool_part(block, blocks)
    elif kind in _CALLS:
        blocks.calls.append(read_call(block))
    elif kind in _RESULTS:
        blocks.results.append(read_result(block))
    elif kind in _MEDIA:
        blocks.images += 1
    elif kind not in _SILENT:
        blocks.unknown.append(kind)


def _read_part(part: JsonObject, blocks: Blocks) -> None:
    """A part of the Gemini API, which has no type: one key says what it is."""
    text = part.get("text")
    if isinstance(text, str):
        (blocks.thoughts if part.get("thought") is True else blocks.texts).append(text)
    elif isinstance(call := part.get("functionCall"), dict):
        blocks.calls.append(CallBlock(as_text(call.get("name")) or "", call.get("args"), as_text(call.get("id"))))
    elif isinstance(answer := part.get("functionResponse"), dict):
        found = read_output(answer.get("response"))
        recorded_id, name = as_text(answer.get("id")), as_text(answer.get("name"))
        blocks.results.append(
            ResultBlock(
                found.content, recorded_id, name, found.images, found.is_error, found.exit_code, None, found.structured
            )
        )
    elif "inlineData" in part or "fileData" in part:
        blocks.images += 1
    elif part:
        blocks.unknown.append(f"part with {next(iter(part))!r}")


def _read_tool_part(part: JsonObject, blocks: Blocks) -> None:
    """OpenCode's part of a call together with its result."""
    state = as_object(part.get("state"))
    recorded_id, name = call_id_of(part), first_text(part.get("tool"), part.get("name")) or ""
    blocks.calls.append(CallBlock(name, state.get("input"), recorded_id))
    status = state.get("status")
    if status == "completed":
        found = read_output(state.get("output"))
        blocks.results.append(
            ResultBlock(found.content, recorded_id, name, found.images, False, structured=state.get("metadata"))
        )
    elif status == "error":
        blocks.results.append(ResultBlock(as_text(state.get("error")) or "", recorded_id, name, 0, True))


def _read_parts(parts: list[Any]) -> ResultBlock:
    blocks = read_blocks(parts)
    if blocks.results and not blocks.texts:
        first = blocks.results[0]
        text = "\n".join(result.content for result in blocks.results)
        return ResultBlock(text, None, None, blocks.images, first.is_error, first.exit_code, None, first.structured)
    extra = len(blocks.unknown)
    return ResultBlock(blocks.text, images=blocks.images + extra)


def _thought(block: JsonObject) -> str:
    text = first_text(block.get("thinking"), block.get("think"), block.get("reasoning"), block.get("text"))
    if text is not None:
        return text
    summary = [as_text(as_object(part).get("text")) for part in as_list(block.get("summary"))]
    content = [as_text(as_object(part).get("text")) for part in as_list(block.get("content"))]
    return "\n".join(t for t in (*summary, *content) if t)


def _stated_error(value: JsonObject) -> bool | None:
    for key in ("isError", "is_error"):
        if isinstance(value.get(key), bool):
            return bool(value[key])
    success = value.get("success")
    if isinstance(success, bool):
        return not success
    status = value.get("status")
    if isinstance(status, str) and status in {"error", "failed", "success", "completed"}:
        return status in {"error", "failed"}
    return None

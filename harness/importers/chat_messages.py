"""Message lists of the chat-completions, Anthropic and Responses APIs as items of a draft."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.importers.blocks import Blocks, CallBlock, ResultBlock, call_id_of, read_blocks, read_call, read_result
from harness.importers.draft import Draft, Stamp, typed_origin
from harness.importers.reading import Damaged, parse_json
from harness.importers.text_actions import fenced_calls, xml_calls
from harness.importers.values import as_list, as_object, as_text, first_text, member, unix_time
from toolsim.trajectory import JsonObject, ToolDefinition

_ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "ai", "gpt", "model", "bot", "agent"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation", "ipython", "tool_result", "toolresult", "environment"), "tool"),
}
RESPONSE_CALLS = frozenset(
    {
        "function_call", "custom_tool_call", "local_shell_call", "computer_call", "mcp_call", "web_search_call",
        "file_search_call", "code_interpreter_call", "image_generation_call", "shell_call", "apply_patch_call",
    }
)  # fmt: skip
_OUTPUT_END = "_output"
_IGNORED_ITEMS = frozenset(
    {"item_reference", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "compaction"}
)
_OBSERVATIONS = ("OBSERVATION:", "EXECUTION RESULT of", "Observation:")


def add_message(draft: Draft, value: JsonObject, where: str, *, fenced: bool = False) -> None:
    """One message or one item of the Responses API.

    `fenced` says that the agent acts by one fenced block a response, and that messages of the user's role answer it.
    """
    role = role_of(value)
    stamp = Stamp(
        where, unix_time(first_present(value, "timestamp", "created_at", "time")), as_text(value.get("model"))
    )
    if role is None:
        _add_item(draft, value, stamp)
    elif role == "tool":
        _add_tool_message(draft, value, stamp)
    elif role == "assistant":
        _add_response(draft, value, stamp, fenced)
    else:
        _add_prompt(draft, value, role, stamp, fenced)


def role_of(value: JsonObject) -> str | None:
    """`system`, `user`, `assistant` or `tool`; `None` where the message states no known role."""
    return _ROLES.get((first_text(value.get("role"), value.get("from")) or "").lower())


def first_present(value: JsonObject, *keys: str) -> Any:
    """The first value that is neither missing nor null."""
    return next((value[key] for key in keys if value.get(key) is not None), None)


def read_tool_definitions(tools: Any) -> tuple[ToolDefinition, ...]:
    """Definitions in OpenAI's forms, Anthropic's (`input_schema`) or plain; a JSON text of them too."""
    if isinstance(tools, str):
        try:
            tools = parse_json(tools)
        except Damaged:
            return ()
    found: list[ToolDefinition] = []
    for tool in as_list(tools):
        inner = as_object(as_object(tool).get("function")) or as_object(tool)
        name = as_text(inner.get("name"))
        if name is not None and name not in {known.name for known in found}:
            keys = ("parameters", "input_schema", "inputSchema", "parametersJsonSchema")
            schema = next((as_object(inner[key]) for key in keys if isinstance(inner.get(key), dict)), {})
            found.append(ToolDefinition(name, as_text(inner.get("description")) or "", schema))
    return tuple(found)


def _content(value: JsonObject) -> Any:
    return first_present(value, "content", "value", "text", "parts")


def _add_prompt(draft: Draft, value: JsonObject, role: str, stamp: Stamp, fenced: bool) -> None:
    blocks = read_blocks(_content(value))
    _note_unknown(draft, blocks, stamp)
    for result in blocks.results:
        draft.answer(result, stamp)
    text = blocks.text
    if not text and not blocks.images and (blocks.results or blocks.unknown):
        return
    extra: JsonObject = {"images": blocks.images} if blocks.images else {}
    if (name := as_text(value.get("name"))) is not None:
        extra["name"] = name
    if role == "user" and (fenced or text.startswith(_OBSERVATIONS)) and draft.open_calls():
        draft.answer(ResultBlock(text, images=blocks.images), stamp, {"role": "user"})
    elif role == "user":
        draft.say("user", text, typed_origin(text), stamp, extra)
    else:
        draft.say("system", text, "harness", stamp, extra)


def _add_response(draft: Draft, value: JsonObject, stamp: Stamp, fenced: bool) -> None:
    blocks = read_blocks(_content(value))
    _note_unknown(draft, blocks, stamp)
    calls = [read_call(call) for call in as_list(_tool_calls(value)) if isinstance(call, dict)]
    calls = calls or blocks.calls
    if isinstance(legacy := value.get("function_call"), dict):
        calls.append(CallBlock(as_text(legacy.get("name")) or "", legacy.get("arguments")))
    text = blocks.text or as_text(value.get("refusal")) or ""
    if not calls:
        calls = list(fenced_calls(text) if fenced else xml_calls(text))
    stated = first_text(
        value.get("reasoning_content"), value.get("reasoning"), value.get("thought"), value.get("thinking")
    )
    extra: JsonObject = {"images": blocks.images} if blocks.images else {}
    draft.respond(text, blocks.reasoning or stated, calls, stamp, extra=extra)
    for result in blocks.results:
        draft.answer(result, stamp)


def _tool_calls(value: JsonObject) -> Any:
    """The list of calls; some data sets keep it as a JSON text."""
    calls = first_present(value, "tool_calls", "toolCalls")
    if isinstance(calls, str):
        try:
            return parse_json(calls)
        except Damaged:
            return None
    return calls


def _add_tool_message(draft: Draft, value: JsonObject, stamp: Stamp) -> None:
    blocks = read_blocks(_content(value))
    _note_unknown(draft, blocks, stamp)
    found = blocks.results or [ResultBlock(blocks.text, images=blocks.images)]
    stated = read_result({**value, "content": ""})
    keys = ("tool_call_id", "toolCallId", "tool_use_id", "call_id")
    recorded_id = first_text(*(value.get(key) for key in keys))
    for result in found:
        draft.answer(
            replace(
                result,
                recorded_id=result.recorded_id or recorded_id,
                name=result.name or stated.name,
                is_error=stated.is_error if result.is_error is None else result.is_error,
            ),
            stamp,
        )


def _add_item(draft: Draft, item: JsonObject, stamp: Stamp) -> None:
    """An item of the Responses API. Items of one response are one message of the agent."""
    kind = as_text(item.get("type")) or ""
    if kind == "reasoning":
        reasoning = read_blocks([item]).reasoning
        if reasoning is not None:
            draft.respond("", reasoning, (), stamp, merge=True)
    elif kind in RESPONSE_CALLS:
        _add_response_call(draft, item, kind, stamp)
    elif kind.endswith(_OUTPUT_END) and kind.removesuffix(_OUTPUT_END) in RESPONSE_CALLS:
        draft.answer(replace(read_result(item), recorded_id=as_text(item.get("call_id"))), stamp)
    elif kind not in _IGNORED_ITEMS:
        named = first_text(item.get("role"), item.get("from"), kind)
        draft.skip(stamp, f"unknown message kind {named!r}" if named else "a message without a role")


def _add_response_call(draft: Draft, item: JsonObject, kind: str, stamp: Stamp) -> None:
    name = as_text(item.get("name")) or kind.removesuffix("_call")
    arguments = first_present(item, "arguments", "input", "action", "operation", "queries", "code")
    recorded_id = as_text(item.get("call_id")) or call_id_of(item)
    draft.respond("", None, [CallBlock(name, arguments, recorded_id)], stamp, merge=True)
    hosted = first_present(item, "output", "results", "outputs", "error") if kind != "function_call" else None
    if hosted is not None:
        found = read_result({"output": hosted, "is_error": True} if item.get("error") else {"output": hosted})
        draft.answer(replace(found, recorded_id=recorded_id), stamp)


def add_response_item(draft: Draft, item: JsonObject, where: str) -> None:
    """An item of a Responses list: messages of the agent join the response that they are part of."""
    if item.get("type") == "message" and item.get("role") == "assistant":
        blocks = read_blocks(item.get("content"))
        _note_unknown(draft, blocks, Stamp(where))
        extra: JsonObject = {"phase": item["phase"]} if as_text(item.get("phase")) else {}
        draft.respond(blocks.text, blocks.reasoning, (), Stamp(where), merge=True, extra=extra)
    else:
        add_message(draft, item, where)


def is_response_item(value: Any) -> bool:
    """Whether a value is an item that only a Responses list has."""
    kind = as_text(member(value, "type")) or ""
    return kind in RESPONSE_CALLS or kind.removesuffix(_OUTPUT_END) in RESPONSE_CALLS or kind == "reasoning"


def _note_unknown(draft: Draft, blocks: Blocks, stamp: Stamp) -> None:
    for kind in blocks.unknown:
        draft.skip(stamp, f"unknown content block {kind!r}")

"""OpenHands V1 SDK events: told apart by `kind`, results point to their action by `action_id` and call id."""

from __future__ import annotations

from typing import Any, Literal

from harness.importers.openhands_events import Answer, Conversation
from harness.importers.values import (
    as_int,
    as_list,
    as_object,
    as_text,
    content_text,
    first_text,
    member,
    parse_arguments,
    unix_time,
)
from toolsim.trajectory import JsonObject, Message, ToolDefinition

_IGNORED = frozenset(
    {
        "ConversationStateUpdateEvent",
        "PauseEvent",
        "CondensationRequest",
        "TokenEvent",
        "LLMCompletionLogEvent",
        "ConversationErrorEvent",
        "StreamingDeltaEvent",
    }
)


def take_sdk_event(conversation: Conversation, event: JsonObject, where: str) -> None:
    """One event into the conversation."""
    kind, event_id, at = as_text(event.get("kind")), as_text(event.get("id")), unix_time(event.get("timestamp"))
    if kind == "SystemPromptEvent":
        text, _ = content_text(_parts(event.get("system_prompt")))
        conversation.tools = conversation.tools or _tools(event.get("tools"))
        conversation.say(Message("system", text, "harness", at=at), where, event_id)
    elif kind == "MessageEvent":
        _take_message(conversation, event, where, at)
    elif kind == "ActionEvent":
        _take_action(conversation, event, where, at)
    elif kind in {"ObservationEvent", "AgentErrorEvent", "UserRejectObservation"}:
        _take_result(conversation, event, where, at)
    elif kind in {"Condensation", "CondensationEvent", "CondensationSummaryEvent"}:
        forgotten = [i for i in as_list(event.get("forgotten_event_ids")) if isinstance(i, str)]
        conversation.condense(forgotten, as_text(event.get("summary")), as_int(event.get("summary_offset")), where, at)
    elif kind not in _IGNORED:
        conversation.skips.add(where, f"unknown event kind {kind!r}")


def _take_message(conversation: Conversation, event: JsonObject, where: str, at: float | None) -> None:
    message = as_object(event.get("llm_message"))
    text, images = content_text(message.get("content"))
    added, _ = content_text(event.get("extended_content"))
    by_agent = message.get("role") == "assistant" or event.get("source") == "agent"
    origin: Literal["agent", "user", "harness"] = (
        "agent" if by_agent else "user" if event.get("source") == "user" else "harness"
    )
    conversation.say(
        Message(
            "assistant" if by_agent else "user", "\n".join(t for t in (text, added) if t), origin,
            first_text(message.get("reasoning_content")), at=at, extra={"images": images} if images else {},
        ),
        where, as_text(event.get("id")),
    )  # fmt: skip


def _take_action(conversation: Conversation, event: JsonObject, where: str, at: float | None) -> None:
    call = as_object(event.get("tool_call"))
    recorded = call.get("arguments", member(call, "function", "arguments"))
    if recorded is None:
        recorded = {k: v for k, v in as_object(event.get("action")).items() if k != "kind"}
    arguments, raw = parse_arguments(recorded)
    text, _ = content_text(event.get("thought"))
    reasoning = first_text(event.get("reasoning_content")) or _thoughts(event.get("thinking_blocks"))
    name = first_text(event.get("tool_name"), call.get("name"), member(call, "function", "name"))
    conversation.call(
        Message("assistant", text, "agent", reasoning, at=at),
        where,
        name=name or "",
        arguments=arguments,
        raw=raw,
        recorded_id=first_text(event.get("tool_call_id"), call.get("id")),
        response=as_text(event.get("llm_response_id")),
        event=as_text(event.get("id")),
    )


def _take_result(conversation: Conversation, event: JsonObject, where: str, at: float | None) -> None:
    observation = as_object(event.get("observation"))
    content, images = content_text(_parts(observation.get("content", observation.get("output"))))
    said = first_text(event.get("error"), event.get("rejection_reason"))
    stated = observation.get("is_error")
    exit_code = as_int(observation.get("exit_code"))
    if exit_code is None:
        exit_code = as_int(member(observation, "metadata", "exit_code"))
    action = as_text(event.get("action_id"))
    answer = Answer(
        content=said or content,
        causes=(action,) if action is not None else (),
        recorded_id=as_text(event.get("tool_call_id")),
        is_error=True if said is not None else stated if isinstance(stated, bool) else None,
        exit_code=None if exit_code == -1 else exit_code,
        images=images,
        structured=observation or None,
        cwd=as_text(member(observation, "metadata", "working_dir")),
    )
    if not conversation.answer(answer, Message("tool", at=at), where, as_text(event.get("id"))):
        conversation.skips.add(where, "a result that answers no open call")


def _parts(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


def _thoughts(value: Any) -> str | None:
    texts = [as_text(as_object(block).get("thinking")) for block in as_list(value)]
    return "\n".join(text for text in texts if text) or None


def _tools(value: Any) -> tuple[ToolDefinition, ...]:
    found = []
    for tool in as_list(value):
        function = as_object(member(tool, "function")) or as_object(tool)
        name = first_text(function.get("name"), function.get("title"))
        if name is not None:
            parameters = as_object(function.get("parameters"))
            found.append(ToolDefinition(name, as_text(function.get("description")) or "", parameters))
    return tuple(found)

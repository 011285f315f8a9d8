"""OpenHands V0 events: `action` or `observation` by name, paired by `cause`, never by order."""

from __future__ import annotations

from typing import Any

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

_IGNORED_ACTIONS = frozenset(
    {"change_agent_state", "null", "pause", "resume", "stop", "recall", "condensation_request"}
)
_IGNORED_OBSERVATIONS = frozenset({"agent_state_changed", "null", "condense", "user_rejected_state", "server_ready"})


def take_event(conversation: Conversation, event: JsonObject, where: str) -> None:
    """One event into the conversation."""
    if as_text(event.get("action")) is not None:
        _take_action(conversation, event, where)
    elif as_text(event.get("observation")) is not None:
        _take_observation(conversation, event, where)
    elif as_text(event.get("role")) is not None and "content" in event:
        text, _ = content_text(event.get("content"))
        role = event.get("role")
        conversation.say(_message(event, "assistant" if role == "assistant" else "user", text), where)
    else:
        conversation.skips.add(f"event {where}", "an event without action or observation")


def _take_action(conversation: Conversation, event: JsonObject, where: str) -> None:
    action, args = str(event["action"]), as_object(event.get("args"))
    event_id, source = _event_id(event.get("id")), as_text(event.get("source"))
    metadata = as_object(event.get("tool_call_metadata"))
    if action == "system":
        conversation.tools = conversation.tools or _tools(args.get("tools"))
        conversation.version = conversation.version or as_text(args.get("openhands_version"))
        conversation.say(_message(event, "system", as_text(args.get("content")) or ""), where, event_id)
    elif action == "condensation":
        _condense(conversation, args, where, unix_time(event.get("timestamp")))
    elif action == "message" and not metadata:
        text = first_text(args.get("content"), event.get("message")) or ""
        role = "assistant" if source == "agent" else "user"
        conversation.say(_message(event, role, text, harness=source not in {"agent", "user"}), where, event_id)
    elif action in _IGNORED_ACTIONS and not metadata:
        return
    elif source == "agent" or metadata:
        _take_call(conversation, event, where)
    else:
        text = first_text(event.get("message"), args.get("command")) or action
        conversation.say(_message(event, "user", text, harness=True), where, event_id)


def _take_call(conversation: Conversation, event: JsonObject, where: str) -> None:
    args, metadata = as_object(event.get("args")), as_object(event.get("tool_call_metadata"))
    recorded_id = as_text(metadata.get("tool_call_id"))
    response = as_object(metadata.get("model_response"))
    reply = _reply(response)
    function = next(
        (
            as_object(member(call, "function"))
            for call in as_list(reply.get("tool_calls"))
            if recorded_id is None or as_object(call).get("id") == recorded_id
        ),
        {},
    )
    if "arguments" in function:
        arguments, raw = parse_arguments(function.get("arguments"))
    else:
        arguments, raw = {k: v for k, v in args.items() if k not in {"thought", "confirmation_state"}}, None
    text, _ = content_text(reply.get("content"))
    thought = first_text(args.get("thought")) or ""
    message = _message(event, "assistant", text or thought)
    model, reasoning = as_text(response.get("model")), first_text(reply.get("reasoning_content"))
    conversation.call(
        Message(
            "assistant", message.text, "agent", reasoning, at=message.at, model=model,
        ),
        where,
        name=first_text(metadata.get("function_name"), function.get("name")) or str(event["action"]),
        arguments=arguments,
        raw=raw,
        recorded_id=recorded_id,
        response=as_text(response.get("id")),
        event=_event_id(event.get("id")),
    )  # fmt: skip


def _take_observation(conversation: Conversation, event: JsonObject, where: str) -> None:
    kind, extras = str(event["observation"]), as_object(event.get("extras"))
    content, images = content_text(event.get("content"))
    cause = _event_id(event.get("cause"))
    state = as_object(extras.get("metadata"))
    exit_code = as_int(state.get("exit_code"))
    if exit_code is None:
        exit_code = as_int(extras.get("exit_code"))
    failed = extras.get("error")
    answer = Answer(
        content=content,
        causes=(cause,) if cause is not None else (),
        recorded_id=as_text(member(event, "tool_call_metadata", "tool_call_id")),
        is_error=True if kind in {"error", "user_rejected"} or failed is True else None,
        exit_code=None if exit_code == -1 else exit_code,
        images=images + len(as_list(extras.get("image_urls"))),
        structured=extras or None,
        cwd=as_text(state.get("working_dir")),
    )
    event_id = _event_id(event.get("id"))
    if conversation.answer(answer, _message(event, "tool", ""), where, event_id) or kind in _IGNORED_OBSERVATIONS:
        return
    text = content or _recalled(extras)
    if text:
        conversation.say(_message(event, "user", text, harness=True), where, event_id)


def _condense(conversation: Conversation, args: JsonObject, where: str, at: float | None) -> None:
    forgotten = [text for item in as_list(args.get("forgotten_event_ids")) if (text := _event_id(item)) is not None]
    start, end = as_int(args.get("forgotten_events_start_id")), as_int(args.get("forgotten_events_end_id"))
    if start is not None and end is not None and 0 <= end - start < 1_000_000:
        forgotten.extend(str(number) for number in range(start, end + 1))
    conversation.condense(forgotten, as_text(args.get("summary")), as_int(args.get("summary_offset")), where, at)


def _message(event: JsonObject, role: Any, text: str, *, harness: bool = False) -> Message:
    origin = {"assistant": "agent", "tool": "tool", "system": "harness"}.get(role, "harness" if harness else "user")
    return Message(role, text, origin, at=unix_time(event.get("timestamp")))  # type: ignore[arg-type]


def _reply(response: JsonObject) -> JsonObject:
    choices = as_list(response.get("choices"))
    return as_object(member(choices[0], "message")) if choices else {}


def _recalled(extras: JsonObject) -> str:
    """Knowledge that a recall observation put before the model."""
    texts = [extras.get("repo_instructions"), extras.get("additional_agent_instructions")]
    texts += [as_object(item).get("content") for item in as_list(extras.get("microagent_knowledge"))]
    return "\n".join(text for text in texts if isinstance(text, str) and text)


def _event_id(value: Any) -> str | None:
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) and value != "" else None


def _tools(value: Any) -> tuple[ToolDefinition, ...]:
    found = []
    for tool in as_list(value):
        function = as_object(member(tool, "function")) or as_object(tool)
        if (name := as_text(function.get("name"))) is not None:
            parameters = as_object(function.get("parameters"))
            found.append(ToolDefinition(name, as_text(function.get("description")) or "", parameters))
    return tuple(found)

"""A trajectory as an ATIF v1.8 document: real steps, calls and observations, and the rest under `extra.deploysim`.

Format: PyPI `atif` 1.8 (harbor RFC 0001). Results stand in the step of their call wherever they came; the position of
each item is kept beside it, so that `harness.importers.atif.from_atif` gives back the same trajectory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.importers.atif_codec import difference, dump_item, encode, shown, shown_json
from harness.importers.values import unix_time
from toolsim.trajectory import (
    Item,
    JsonObject,
    Message,
    Rewind,
    Session,
    ToolCall,
    ToolDefinition,
    ToolResult,
    Trajectory,
)

SCHEMA = "ATIF-v1.8"
KEY = "deploysim"
FORMAT = 1
AGENTS: Mapping[str, str] = {"gemini": "gemini-cli", "copilot": "copilot-cli"}
UNKNOWN_VERSION = "unknown"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_atif(trajectory: Trajectory) -> JsonObject:
    """The document, as JSON that the `atif` package validates; inverse of `from_atif`."""
    session = trajectory.session
    answered = {call.id for item in trajectory.items if isinstance(item, Message) for call in item.calls}
    steps: list[JsonObject] = []
    step_of: dict[str, JsonObject] = {}
    results: list[tuple[int, Message, ToolResult]] = []
    if session.system_prompt is not None:
        steps.append(_step("system", session.system_prompt, None, {"session": "system_prompt"}))
    for index, item in enumerate(trajectory.items):
        if isinstance(item, Message) and item.role == "tool" and item.result and item.result.call_id in answered:
            results.append((index, item, item.result))
            continue
        step = _item_step(index, item)
        steps.append(step)
        for call in item.calls if isinstance(item, Message) and item.role == "assistant" else ():
            step_of.setdefault(call.id, step)
    for index, message, result in results:
        _attach(step_of, steps, index, message, result)
    if not steps:
        steps.append(_step("system", "", None, {"empty": True}))
    for number, step in enumerate(steps, start=1):
        step["step_id"] = number
    document = session_fields(session)
    stored = difference(session, plain_session(document, session.system_prompt))
    document["steps"] = steps
    document["extra"] = {
        KEY: {
            "format": FORMAT,
            "version": trajectory.version,
            "items": len(trajectory.items),
            "session": stored,
            "outcome": encode(trajectory.outcome),
        }
    }
    return document


def session_fields(session: Session) -> JsonObject:
    """What ATIF has a field for of a session."""
    agent: JsonObject = {
        "name": shown(AGENTS.get(session.agent, session.agent)),
        "version": UNKNOWN_VERSION if session.agent_version is None else shown(session.agent_version),
    }
    if session.model is not None:
        agent["model_name"] = shown(session.model)
    if session.tools:
        agent["tool_definitions"] = [_definition(tool) for tool in session.tools]
    own = shown(session.id)
    return {"schema_version": SCHEMA, "session_id": own, "trajectory_id": own, "agent": agent}


def plain_session(document: JsonObject, system_prompt: str | None) -> Session:
    """The session that the document's own fields give back."""
    agent = document["agent"]
    names = {theirs: ours for ours, theirs in AGENTS.items()}
    own = str(document["trajectory_id"])
    version = agent.get("version")
    return Session(
        id=own,
        agent=names.get(agent["name"], agent["name"]),
        format="atif",
        lineage=own,
        agent_version=None if version == UNKNOWN_VERSION else version,
        model=agent.get("model_name"),
        system_prompt=None if system_prompt is None else shown(system_prompt),
        tools=tuple(read_definition(tool) for tool in agent.get("tool_definitions", ())),
    )


def read_definition(tool: JsonObject) -> ToolDefinition:
    """A tool definition that `to_atif` wrote."""
    function = tool["function"]
    return ToolDefinition(function["name"], function["description"], function["parameters"])


def plain_message(step: JsonObject) -> Message:
    """The message that a step's own fields give back; calls and results stand apart."""
    role = {"agent": "assistant", "user": "user"}.get(step["source"], "system")
    return Message(
        role=role,  # type: ignore[arg-type]
        text=step["message"],
        origin={"assistant": "agent", "user": "user"}.get(role, "harness"),  # type: ignore[arg-type]
        reasoning=step.get("reasoning_content"),
        at=unix_time(step.get("timestamp")),
        model=step.get("model_name"),
    )


def plain_call(call: JsonObject) -> ToolCall:
    """The call that its own fields give back."""
    return ToolCall(call["tool_call_id"], call["function_name"], call["arguments"])


def plain_result(result: JsonObject) -> Message:
    """The message of a result that its own fields give back."""
    content = result.get("content") or ""
    return Message("tool", origin="tool", result=ToolResult(str(result.get("source_call_id")), content))


def timestamp(at: float | None) -> str | None:
    """ISO 8601 in UTC of Unix seconds; `None` outside of the years that it can write."""
    if at is None:
        return None
    try:
        return (_EPOCH + timedelta(seconds=at)).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError):
        return None


def _step(source: str, text: str, at: float | None, own: JsonObject) -> JsonObject:
    step: JsonObject = {"step_id": 0, "source": source, "message": shown(text), "extra": {KEY: own}}
    if (stamp := timestamp(at)) is not None:
        step["timestamp"] = stamp
    return step


def _item_step(index: int, item: Item) -> JsonObject:
    if isinstance(item, Message):
        return _message_step(index, item)
    own: JsonObject = {"index": index, "item": dump_item(item)}
    if isinstance(item, Rewind):
        return _step("system", f"Conversation rewound to before item {item.to}.", item.at, own)
    summary = "\n".join(message.text for message in item.replacement if message.origin == "harness")
    step = _step("system", summary or "Context compacted.", item.at, own)
    step["extra"]["context_management"] = {"type": "compaction", "boundary": "replace"}
    return step


def _message_step(index: int, message: Message) -> JsonObject:
    source = {"assistant": "agent", "user": "user"}.get(message.role, "system")
    own: JsonObject = {"index": index}
    step = _step(source, message.text, message.at, own)
    calls: tuple[ToolCall, ...] = ()
    if source == "agent":
        if message.model is not None:
            step["model_name"] = shown(message.model)
        if message.reasoning is not None:
            step["reasoning_content"] = shown(message.reasoning)
        calls = message.calls
        if calls:
            step["tool_calls"] = [_call(call) for call in calls]
    elif message.result is not None:
        step["observation"] = {"results": [{"content": shown(message.result.content)}]}
    if difference_of := difference(replace(message, calls=() if calls else message.calls), plain_message(step)):
        own["message"] = difference_of
    return step


def _call(call: ToolCall) -> JsonObject:
    arguments = {"input": call.raw} if call.raw is not None and not call.arguments else call.arguments
    fields: JsonObject = {
        "tool_call_id": shown(call.id),
        "function_name": shown(call.name),
        "arguments": shown_json(arguments),
    }
    if difference_of := difference(call, plain_call(fields)):
        fields["extra"] = {KEY: difference_of}
    return fields


def _attach(
    step_of: Mapping[str, JsonObject], steps: list[JsonObject], index: int, message: Message, result: ToolResult
) -> None:
    """Put a result into the step of its call."""
    step = step_of.get(result.call_id)
    if step is None:
        steps.append(_message_step(index, message))
        return
    fields: JsonObject = {"source_call_id": shown(result.call_id), "content": shown(result.content)}
    own: JsonObject = {"index": index}
    if difference_of := difference(message, plain_result(fields)):
        own["message"] = difference_of
    fields["extra"] = {KEY: own}
    step.setdefault("observation", {"results": []})["results"].append(fields)


def _definition(tool: ToolDefinition) -> JsonObject:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": shown_json(function)}


def is_own(document: Any) -> bool:
    """Whether `to_atif` of this format wrote the document."""
    if not isinstance(document, dict) or not isinstance(document.get("extra"), dict):
        return False
    own = document["extra"].get(KEY)
    return isinstance(own, dict) and own.get("format") == FORMAT

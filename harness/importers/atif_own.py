"""ATIF documents that this program exported: the trajectory as it was, with what was edited outside taken over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from harness.importers.atif_codec import decode, load_item, restore
from harness.importers.atif_export import KEY, plain_call, plain_message, plain_result, plain_session
from harness.importers.values import as_int, as_list, as_object, member
from toolsim.trajectory import Item, JsonObject, Message, ToolCall, Trajectory


def read_own(document: JsonObject) -> Trajectory:
    """The trajectory of a document that `to_atif` wrote.

    Raises:
        ValueError: the document was changed so that it no longer is one; it may still be read as any other's.
    """
    own = as_object(member(document, "extra", KEY))
    steps = [_checked_step(step) for step in as_list(document.get("steps"))]
    prompt: str | None = None
    placed: list[tuple[int, Item]] = []
    for step in steps:
        mark = as_object(as_object(step.get("extra")).get(KEY))
        if mark.get("session") == "system_prompt":
            prompt = step["message"]
        elif "empty" not in mark:
            placed += _items(step, mark)
    if as_int(own.get("items")) != len(placed) or len({index for index, _ in placed}) != len(placed):
        raise ValueError("steps were added or removed")
    session = restore(plain_session(_checked_head(document), prompt), own.get("session"))
    outcome, version = decode(own.get("outcome")), as_int(own.get("version"))
    if not isinstance(outcome, dict) or version is None:
        raise ValueError("no outcome or version")
    items = tuple(item for _, item in sorted(placed, key=lambda pair: pair[0]))
    ids = [call.id for item in items if isinstance(item, Message) for call in item.calls]
    if len(set(ids)) != len(ids):
        raise ValueError("two calls have one id")
    return Trajectory(session, items, outcome, version)


def _items(step: JsonObject, mark: JsonObject) -> Iterator[tuple[int, Item]]:
    index = as_int(mark.get("index"))
    if index is None:
        raise ValueError("a step without its place")
    if "item" in mark:
        yield index, load_item(mark["item"])
        return
    message = restore(plain_message(step), mark.get("message"))
    calls = tuple(_call(as_object(call)) for call in as_list(step.get("tool_calls")))
    yield index, replace(message, calls=calls) if calls else message
    for value in as_list(member(step, "observation", "results")):
        result = as_object(value)
        own = as_object(as_object(result.get("extra")).get(KEY))
        place = as_int(own.get("index"))
        if place is not None:
            texts = isinstance(result.get("content"), str) and isinstance(result.get("source_call_id"), str)
            _require(texts, "a result without text or call")
            yield place, restore(plain_result(result), own.get("message"))


def _call(call: JsonObject) -> ToolCall:
    texts = isinstance(call.get("tool_call_id"), str) and isinstance(call.get("function_name"), str)
    _require(texts and isinstance(call.get("arguments"), dict), "a call without id, name or arguments")
    return restore(plain_call(call), as_object(call.get("extra")).get(KEY))


def _checked_step(step: Any) -> JsonObject:
    value = as_object(step)
    _require(all(isinstance(value.get(key), str) for key in ("message", "source")), "a step without source or text")
    for key in ("reasoning_content", "model_name"):
        _require(isinstance(value.get(key), str | None), f"{key} is no text")
    return value


def _checked_head(document: JsonObject) -> JsonObject:
    agent = as_object(document.get("agent"))
    texts = (document.get("trajectory_id"), agent.get("name"), agent.get("version"), agent.get("model_name") or "")
    _require(all(isinstance(text, str) for text in texts), "an agent or an id that is no text")
    for tool in as_list(agent.get("tool_definitions")):
        function = as_object(as_object(tool).get("function"))
        known = all(isinstance(function.get(key), str) for key in ("name", "description"))
        _require(known and isinstance(function.get("parameters"), dict), "an incomplete tool definition")
    return document


def _require(condition: bool, why_not: str) -> None:
    if not condition:
        raise ValueError(why_not)

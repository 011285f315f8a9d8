"""One sample of an Inspect log as trajectories: the main conversation and those of its sub-agents.

The conversation is followed through the model events (what the model was sent, what it answered) and ends with the
sample's final messages; times, durations and raw outputs come from the tool events.
Format: UKGovernmentBEIS/inspect_ai `log/_log.py` (EvalSample), `event/`, `model/_chat_message.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.importers.blocks import CallBlock, ResultBlock, read_blocks, read_output
from harness.importers.chat_messages import read_tool_definitions
from harness.importers.draft import Draft, Stamp
from harness.importers.follow import Follower
from harness.importers.pairing import SkipCounts
from harness.importers.values import as_int, as_list, as_number, as_object, as_text, first_text, member, unix_time
from toolsim.trajectory import JsonObject, Session, ToolDefinition, Trajectory, content_hash

# Events that hold nothing which the model saw or a tool answered.
_IGNORED_EVENTS = frozenset(
    {
        "approval", "branch", "checkpoint", "compaction", "error", "info", "input", "interrupt", "logger",
        "sample_init", "sample_limit", "sandbox", "score", "score_edit", "span_begin", "span_end", "state", "step",
        "store", "anchor",
    }
)  # fmt: skip
_ATTACHMENTS = ("attachment://", "tc://")  # the second in logs before 0.3.42
_MAIN = ""


@dataclass(slots=True)
class _Events:
    """Events of a sample by kind; model events by the sub-agent that they belong to."""

    models: dict[str, list[tuple[str, JsonObject]]] = field(default_factory=dict)
    tools: dict[str, JsonObject] = field(default_factory=dict)
    started_by: dict[str, str | None] = field(default_factory=dict)


def read_sample(sample: JsonObject, name: str, place: str, session: Session, skips: SkipCounts) -> Iterator[Trajectory]:
    """The trajectories of a sample, which stands at `place`; `session` is what the log says of it."""
    sample = {**sample, "events": _with_pool(sample)}
    attachments = _Attachments(as_object(sample.get("attachments")))
    events = _sort_events(as_list(sample.get("events")), place, skips)
    final = [attachments.message(message) for message in as_list(sample.get("messages"))]
    main = _Conversation(name, place, skips, events.tools, attachments)
    strangers = main.follow(events.models.pop(_MAIN, []), final)
    draft = main.draft
    if draft.messages():
        calls = {call.recorded_id: call.id for message in draft.messages() for call in message.calls}
        own = replace(
            session, tools=main.tools, model=draft.model() or session.model, platform=draft.platform(),
            started_at=_first_time(as_list(sample.get("events"))) or session.started_at,
        )  # fmt: skip
        yield Trajectory(own, tuple(draft.items), _outcome(sample))
        for agent, models in events.models.items():
            sub = _Conversation(name, place, skips, events.tools, attachments)
            sub.follow(models, [])
            if sub.draft.messages():
                yield Trajectory(
                    replace(
                        own, id=f"{own.id}/{agent}", parent=own.id, tools=sub.tools,
                        model=sub.draft.model() or own.model,
                        parent_call=calls.get(events.started_by.get(agent)), started_at=sub.draft.started_at(),
                    ),
                    tuple(sub.draft.items),
                )  # fmt: skip
    for where in strangers:
        skips.add(where, "a model call outside the sample's conversation")


@dataclass(slots=True)
class _Conversation:
    """One conversation of a sample."""

    name: str
    place: str
    skips: SkipCounts
    tool_events: dict[str, JsonObject]
    attachments: _Attachments
    tools: tuple[ToolDefinition, ...] = ()
    draft: Draft = field(init=False)

    def __post_init__(self) -> None:
        self.draft = Draft(self.name, self.skips)

    def follow(self, models: Sequence[tuple[str, JsonObject]], final: Sequence[JsonObject]) -> list[str]:
        """All views in order; returns the places of model calls that belong to another conversation."""
        follower: Follower[JsonObject] = Follower(self.draft, _key, self._add)
        kept = {_key(message) for message in final}
        strangers: list[str] = []
        for where, event in models:
            view = [self.attachments.message(message) for message in as_list(event.get("input"))]
            choice = as_object(next(iter(as_list(member(event, "output", "choices"))), None))
            answer = self.attachments.message(choice.get("message"))
            belongs = follower.shares(view) or _key(answer) in kept
            if final and not follower.seen and not ({_key(m) for m in (*view, answer)} & kept):
                belongs = False
            if not belongs:
                strangers.append(where)
                continue
            self.tools = self.tools or read_tool_definitions(self.attachments.resolve(event.get("tools")))
            began = unix_time(event.get("timestamp"))
            stamp = Stamp(where, began, first_text(event.get("model"), answer.get("model")))
            follower.show(view, replace(stamp, at=began))
            if answer:
                follower.show([*view, answer], replace(stamp, at=unix_time(event.get("completed")) or began))
        if final:
            follower.show(final, Stamp(f"{self.place}.messages"))
        self._answer_from_events()
        return strangers

    def _answer_from_events(self) -> None:
        """What a tool answered without the model ever seeing it (the last call of a run) stands in its event only."""
        for message in self.draft.messages():
            for call in message.calls:
                event = self.tool_events.get(call.recorded_id or "")
                if event is not None and self.draft.book.is_open(call.id) and event.get("completed") is not None:
                    found = read_output(self.attachments.resolve(event.get("result")))
                    error = as_object(event.get("error"))
                    text = found.content or as_text(error.get("message")) or ""
                    result = ResultBlock(text, call.recorded_id, call.name, found.images, bool(error))
                    stamp = Stamp(f"{self.place}.events", unix_time(event.get("completed")))
                    self.draft.answer(result, stamp, {"shown": False})

    def _add(self, draft: Draft, message: JsonObject, stamp: Stamp) -> None:
        role = message.get("role")
        blocks = read_blocks(message.get("content"))
        if role == "assistant":
            calls = [_call(as_object(call)) for call in as_list(message.get("tool_calls"))]
            reasoning = blocks.reasoning or as_text(message.get("reasoning"))
            model = as_text(message.get("model")) or stamp.model
            draft.respond(blocks.text, reasoning, calls, replace(stamp, model=model))
        elif role == "tool":
            self._result(draft, message, stamp)
        else:
            made_by = as_text(message.get("source"))
            origin = "user" if role == "user" and made_by in {"input", "operator"} else "harness"
            extra: JsonObject = {"images": blocks.images} if blocks.images else {}
            extra |= {"source": made_by} if made_by is not None else {}
            plain = Stamp(stamp.where, stamp.at)
            draft.say("user" if role == "user" else "system", blocks.text, origin, plain, extra)  # type: ignore[arg-type]
        for kind in blocks.unknown:
            draft.skip(stamp, f"unknown content block {kind!r}")

    def _result(self, draft: Draft, message: JsonObject, stamp: Stamp) -> None:
        blocks = read_blocks(message.get("content"))
        recorded_id = as_text(message.get("tool_call_id"))
        event = self.tool_events.get(recorded_id or "", {})
        error = as_object(message.get("error"))
        text = blocks.text or as_text(error.get("message")) or ""
        began, ended = unix_time(event.get("timestamp")), unix_time(event.get("completed"))
        took = as_number(event.get("working_time"))
        if took is None and began is not None and ended is not None and ended >= began:
            took = ended - began
        raw = self.attachments.resolve(event.get("result"))
        structured: JsonObject = {"error": error} if error else {}
        structured |= {"raw": raw} if isinstance(raw, str) and raw != text and raw else {}
        result = ResultBlock(
            text,
            recorded_id,
            as_text(message.get("function")),
            blocks.images,
            bool(error),
            None,
            took,
            structured or None,
        )
        draft.answer(result, Stamp(stamp.where, ended or began or stamp.at))


@dataclass(slots=True)
class _Attachments:
    """Texts that the log keeps once and refers to."""

    texts: JsonObject
    _known: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    def message(self, value: Any) -> JsonObject:
        """A message resolved once, however many inputs refer to it (those of a pool are one object)."""
        if id(value) not in self._known:
            self._known[id(value)] = value, as_object(self.resolve(value))
        found: JsonObject = self._known[id(value)][1]
        return found

    def resolve(self, value: Any) -> Any:
        """The value with every reference replaced by its text."""
        if isinstance(value, str):
            return self.texts.get(value.partition("://")[2], value) if value.startswith(_ATTACHMENTS) else value
        if not self.texts:
            return value
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if isinstance(value, dict):
            return {key: self.resolve(item) for key, item in value.items()}
        return value


def _sort_events(events: Sequence[Any], place: str, skips: SkipCounts) -> _Events:
    found = _Events()
    spans: dict[str, tuple[str | None, str | None, str]] = {}
    _sort(events, f"{place}.events", _MAIN, found, spans, skips)
    return found


def _sort(
    events: Sequence[Any],
    place: str,
    owner: str,
    found: _Events,
    spans: dict[str, tuple[str | None, str | None, str]],
    skips: SkipCounts,
) -> None:
    """Sort events into `found`; events inside a tool's own list or an agent's span belong to that sub-agent."""
    tool_of_span: dict[str, str] = {}
    for number, value in enumerate(events):
        event, where = as_object(value), f"{place}[{number}]"
        kind = as_text(event.get("event"))
        span = as_text(event.get("span_id"))
        if kind == "span_begin":
            spans[as_text(event.get("id")) or ""] = (
                as_text(event.get("parent_id")), as_text(event.get("type")), as_text(event.get("name")) or "",
            )  # fmt: skip
        elif kind == "model":
            agent = _agent_of(span, spans) or owner
            found.models.setdefault(agent, []).append((where, event))
        elif kind == "tool":
            recorded_id = as_text(event.get("id"))
            found.tools.setdefault(recorded_id or "", event)
            inner = as_text(event.get("agent_span_id"))
            if inner is not None and recorded_id is not None:
                tool_of_span[inner] = recorded_id
            nested = as_list(event.get("events"))
            if nested:
                agent = f"{as_text(event.get('agent')) or as_text(event.get('function')) or 'tool'}-{recorded_id}"
                found.started_by[agent] = recorded_id
                _sort(nested, f"{where}.events", agent, found, spans, skips)
        elif kind == "subtask":
            _sort(as_list(event.get("events")), f"{where}.events", f"subtask-{number}", found, spans, skips)
        elif kind not in _IGNORED_EVENTS:
            skips.add(where, f"unknown event {kind!r}")
    for span_id, recorded_id in tool_of_span.items():
        if span_id in spans:
            found.started_by[f"{spans[span_id][2]}-{span_id}"] = recorded_id


def _agent_of(span: str | None, spans: dict[str, tuple[str | None, str | None, str]]) -> str | None:
    """The sub-agent whose span encloses this one: an agent's span that lies inside a tool's, or a handoff's."""
    steps: list[tuple[str, str | None, str]] = []
    while span is not None and span in spans and len(steps) < 200:
        parent, kind, name = spans[span]
        steps.append((span, kind, name))
        span = parent
    for place, (span_id, kind, name) in enumerate(steps):
        outer = {outer_kind for _, outer_kind, _ in steps[place + 1 :]}
        if kind in {"scorer", "scorers"}:
            return f"{kind}-{span_id}"
        if kind == "agent" and outer & {"tool", "agent", "handoff"}:
            return f"{name}-{span_id}"
    return None


def _with_pool(sample: JsonObject) -> list[Any]:
    """The events, with the inputs that version 3 keeps in a pool (`input_refs` are ranges of it) put back."""
    pool = as_list(sample.get("message_pool")) or as_list(member(sample, "events_data", "messages"))
    return (
        [_refilled(event, pool) for event in as_list(sample.get("events"))] if pool else as_list(sample.get("events"))
    )


def _refilled(event: Any, pool: list[Any]) -> Any:
    if not isinstance(event, dict):
        return event
    if isinstance(event.get("events"), list):
        event = {**event, "events": [_refilled(inner, pool) for inner in event["events"]]}
    if not isinstance(event.get("input_refs"), list):
        return event
    messages: list[Any] = []
    for ref in event["input_refs"]:
        ends = as_list(ref)
        start, end = (as_int(ends[0]), as_int(ends[1])) if len(ends) == 2 else (as_int(ref), None)
        if start is None or start < 0:
            continue
        messages += pool[start : start + 1 if end is None else max(end, start)]
    return {**event, "input": messages}


def _call(call: JsonObject) -> CallBlock:
    name = first_text(call.get("function"), member(call, "function", "name")) or ""
    arguments = call.get("arguments")
    error = as_text(call.get("parse_error"))
    if error is not None and isinstance(arguments, dict) and len(arguments) == 1:
        only = next(iter(arguments.values()))
        arguments = only if isinstance(only, str) else arguments
    return CallBlock(name, arguments, as_text(call.get("id")))


def _key(message: JsonObject) -> str:
    """What tells a message apart: its id; in old logs, which have none, its content."""
    own = as_text(message.get("id"))
    if own is not None:
        return own
    return content_hash([message.get(key) or None for key in ("role", "content", "tool_calls", "tool_call_id")])


def _first_time(events: Sequence[Any]) -> float | None:
    return next((at for event in events if (at := unix_time(as_object(event).get("timestamp"))) is not None), None)


def _outcome(sample: JsonObject) -> JsonObject:
    """What is known of a sample only at its end, and what the model under test must not know (target, metadata)."""
    keys = ("scores", "target", "error", "limit", "total_time", "working_time", "metadata", "model_usage", "completed")
    found = {key: sample[key] for key in keys if sample.get(key) not in (None, {}, [], "")}
    stop = as_text(member(next(iter(as_list(member(sample, "output", "choices"))), None), "stop_reason"))
    return {**found, **({"stop_reason": stop} if stop is not None else {})}

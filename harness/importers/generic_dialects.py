"""How logs of agents without an importer of their own are put together: a structural reader, a few known dialects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.importers.blocks import CallBlock, ResultBlock, read_blocks, read_call, read_output, read_result
from harness.importers.chat_messages import first_present, read_tool_definitions
from harness.importers.draft import Draft, Stamp, typed_origin
from harness.importers.generic_records import call_of, is_record, kind_of, message_of
from harness.importers.tree import Tree
from harness.importers.values import as_int, as_list, as_object, as_text, first_text, member, unix_time
from toolsim.trajectory import JsonObject, Message, ToolDefinition

# Records of known products that reach neither the model nor the world.
_IGNORED = frozenset(
    {
        "session_start", "session_end", "session", "turn_ended", "model_change", "thinking_level_change", "custom",
        "init", "result", "usage", "telemetry", "ui_telemetry", "custom_title", "session_artifact_snapshot", "metadata",
        "notification", "rewind", "todo_state", "compaction_state", "step-start", "step-finish",
    }
)  # fmt: skip
_KIMI_IGNORED = frozenset(
    {
        "llm.request", "llm.response", "metadata", "permission.record_approval_result", "permission.set_mode",
        "permission.request", "tools.set_active_tools", "turn.prompt", "turn.end", "usage.record", "turn.steer",
        "turn.cancel", "todo.update", "plan.update", "goal.update", "mcp.update", "session.title", "plan_mode.enter",
        "plan_mode.exit", "full_compaction.begin", "full_compaction.complete",
    }
)  # fmt: skip
_KIMI_LOOP_IGNORED = frozenset({"step.begin", "step.end", "turn.begin", "turn.end", "tool.progress", "step.retry"})
_ANTIGRAVITY_IGNORED = frozenset({"CONVERSATION_HISTORY", "EPHEMERAL_MESSAGE", "KNOWLEDGE_ARTIFACTS", "RETRY_STATUS"})


@dataclass(slots=True)
class Dialect:
    """The structural reader: records with a role or a type, blocks inside, links to a parent where there are any."""

    draft: Draft
    agent: str | None = None
    name: str = "records"
    model: str | None = None
    system_prompt: str | None = None
    tools: tuple[ToolDefinition, ...] = ()
    cwd: str | None = None
    is_agent: bool = False
    outcome: JsonObject = field(default_factory=dict)
    tree: Tree = field(init=False)
    _again: bool = False

    def __post_init__(self) -> None:
        self.tree = Tree(self.draft)

    def take(self, record: JsonObject, where: str) -> None:
        """The next record."""
        message = message_of(record)
        at = unix_time(first_present(record, "timestamp", "time", "created_at", "createdAt", "ts"))
        at = at or unix_time(first_present(message, "timestamp", "created_at"))
        at = at or unix_time(member(record, "info", "time", "created"))
        model = first_text(record.get("model"), record.get("model_id"), record.get("modelId"), message.get("model"))
        model = model or as_text(member(record, "info", "modelID"))
        stamp = Stamp(where, at, model)
        self.draft.cwd = as_text(record.get("cwd")) or self.draft.cwd
        self.draft.branch = as_text(record.get("gitBranch")) or self.draft.branch
        own = first_text(record.get("uuid"), record.get("id"))
        parent = first_text(record.get("parentUuid"), record.get("parentId"))
        linked = "parentUuid" in record or "parentId" in record
        at_root = linked and parent is None and own is not None
        self._again = self.tree.enter(own if linked else None, parent, stamp, rooted=at_root)
        before = len(self.draft.items)
        self._take(record, message, stamp)
        self.tree.leave(before)

    def _take(self, record: JsonObject, message: JsonObject, stamp: Stamp) -> None:
        kind = kind_of(record)
        if kind is None or not is_record(record):
            self._other(record, stamp)
        elif kind == "call":
            self.draft.respond("", None, [call_of(record)], stamp, merge=True)
        elif kind == "result":
            self._results(record, message, stamp)
        elif kind == "reasoning":
            reasoning = read_blocks([{**record, "type": "reasoning"}]).reasoning
            if reasoning is not None:
                self.draft.respond("", reasoning, (), stamp, merge=True)
        elif kind == "assistant":
            self._response(record, message, stamp)
        elif kind == "tool":
            self._results(record, message, stamp)
        else:
            self._prompt(record, message, kind, stamp)

    def _other(self, record: JsonObject, stamp: Stamp) -> None:
        kind = first_text(record.get("subtype"), record.get("type"), record.get("event"), record.get("kind"))
        if kind == "backend_tool_call":
            self._hosted_call(record, stamp)
        elif kind is None:
            self.draft.skip(stamp, "a record that says neither role nor type")
        elif kind not in _IGNORED:
            self.draft.skip(stamp, f"unknown record type {kind!r}")

    def _response(self, record: JsonObject, message: JsonObject, stamp: Stamp) -> None:
        blocks = read_blocks(_content(record, message))
        self._note_unknown(blocks.unknown, stamp)
        listed = as_list(first_present(message, "tool_calls", "toolCalls"))
        calls = [read_call(call) for call in listed if isinstance(call, dict)] or blocks.calls
        reasoning = blocks.reasoning or first_text(message.get("reasoning_content"), message.get("thinking"))
        if not (blocks.text or reasoning or calls) and blocks.unknown:
            return
        self.draft.respond(blocks.text, reasoning, calls, stamp, merge=self._again or self._only_reasoning())
        for result in blocks.results:
            self.draft.answer(result, stamp)

    def _results(self, record: JsonObject, message: JsonObject, stamp: Stamp) -> None:
        blocks = read_blocks(message.get("content") if "content" in message else message.get("parts"))
        if blocks.results:
            for result in blocks.results:
                self.draft.answer(result, stamp)
            return
        source = message if message is not record else record
        self.draft.answer(replace(read_result(source), recorded_id=_answered_id(source)), stamp)

    def _prompt(self, record: JsonObject, message: JsonObject, role: str, stamp: Stamp) -> None:
        blocks = read_blocks(_content(record, message))
        self._note_unknown(blocks.unknown, stamp)
        for result in blocks.results:
            self.draft.answer(result, stamp)
        text = blocks.text
        if not text and not blocks.images:
            subtype = as_text(record.get("subtype"))
            if not blocks.results and subtype not in _IGNORED and subtype != "rewind":
                self.draft.skip(stamp, f"a message of the {role} without content")
            return
        extra: JsonObject = {"images": blocks.images} if blocks.images else {}
        plain = Stamp(stamp.where, stamp.at)
        if role == "system":
            self.draft.say("system", text, "harness", plain, extra)
        else:
            synthetic = (
                record.get("synthetic_reason") or record.get("isMeta") or record.get("subtype") == "notification"
            )
            self.draft.say("user", text, "harness" if synthetic else typed_origin(text), plain, extra)

    def _hosted_call(self, record: JsonObject, stamp: Stamp) -> None:
        """A tool that the model's own service ran: its result never came here."""
        kind = as_object(record.get("kind"))
        name = first_text(kind.get("tool_type"), record.get("name")) or "backend_tool_call"
        self.draft.respond("", None, [CallBlock(name, kind.get("action"), as_text(kind.get("id")))], stamp, merge=True)

    def _only_reasoning(self) -> bool:
        """Whether the latest item is reasoning that waits for the rest of its response."""
        last = self.draft.items[-1] if self.draft.items else None
        return isinstance(last, Message) and last.role == "assistant" and not last.text and not last.calls

    def _note_unknown(self, kinds: Sequence[str], stamp: Stamp) -> None:
        for kind in kinds:
            self.draft.skip(stamp, f"unknown content block {kind!r}")


@dataclass(slots=True)
class Kimi(Dialect):
    """Kimi Code: an event log of context changes; responses come in steps of parts, calls and results."""

    step: str | None = None

    def take(self, record: JsonObject, where: str) -> None:
        """The next event."""
        kind = as_text(record.get("type")) or ""
        stamp = Stamp(where, unix_time(record.get("time")), self.model)
        if kind == "config.update":
            self.model = as_text(record.get("modelAlias")) or self.model
            self.system_prompt = self.system_prompt or as_text(record.get("systemPrompt"))
            self.cwd = self.cwd or as_text(record.get("cwd"))
            self.draft.cwd = as_text(record.get("cwd")) or self.draft.cwd
        elif kind == "context.append_message":
            self._append(as_object(record.get("message")), stamp)
        elif kind == "context.append_loop_event":
            self._loop(as_object(record.get("event")), stamp)
        elif kind == "llm.tools_snapshot":
            self.tools = self.tools or read_tool_definitions(record.get("tools"))
        elif kind == "context.apply_compaction":
            self._compaction(record, stamp)
        elif kind not in _KIMI_IGNORED:
            self.draft.skip(stamp, f"unknown record type {kind!r}")

    def _append(self, message: JsonObject, stamp: Stamp) -> None:
        made_by = as_text(member(message, "origin", "kind"))
        self.is_agent = self.is_agent or as_text(member(message, "origin", "name")) == "subagent"
        if message.get("role") == "assistant":
            self._response(message, message, stamp)
        elif message.get("role") == "tool":
            self._results(message, message, stamp)
        else:
            blocks = read_blocks(message.get("content"))
            typed = made_by in {None, "user"} and message.get("role") != "system"
            origin = typed_origin(blocks.text) if typed else "harness"
            role = "system" if message.get("role") == "system" else "user"
            self.draft.say(role, blocks.text, origin, Stamp(stamp.where, stamp.at))  # type: ignore[arg-type]

    def _compaction(self, record: JsonObject, stamp: Stamp) -> None:
        """The summary, after the latest messages of the user that were kept."""
        summary = first_text(record.get("contextSummary"), record.get("summary"))
        if summary is None:
            self.draft.skip(stamp, "a compaction without its summary")
            return
        count = as_int(record.get("keptUserMessageCount")) or 0
        typed = [m for m in self.draft.messages() if m.origin == "user"]
        self.draft.compact([*(typed[-count:] if count > 0 else ()), self.draft.note(summary, stamp)], stamp)

    def _loop(self, event: JsonObject, stamp: Stamp) -> None:
        kind = as_text(event.get("type")) or ""
        step = as_text(event.get("stepUuid"))
        merge = step is not None and step == self.step
        if kind in {"content.part", "tool.call"}:
            self.step = step
        if kind == "content.part":
            blocks = read_blocks([event.get("part")])
            self._note_unknown(blocks.unknown, stamp)
            if blocks.text or blocks.reasoning:
                self.draft.respond(blocks.text, blocks.reasoning, (), stamp, merge=merge)
        elif kind == "tool.call":
            call = CallBlock(as_text(event.get("name")) or "", event.get("args"), as_text(event.get("toolCallId")))
            self.draft.cwd = as_text(member(event, "display", "cwd")) or self.draft.cwd
            self.cwd = self.cwd or as_text(member(event, "display", "cwd"))
            self.draft.respond("", None, [call], stamp, merge=merge)
        elif kind == "tool.result":
            found = read_output(event.get("result"))
            self.draft.answer(
                replace(found, recorded_id=as_text(event.get("toolCallId"))), Stamp(stamp.where, stamp.at)
            )
        elif kind not in _KIMI_LOOP_IGNORED:
            self.draft.skip(stamp, f"unknown loop event {kind!r}")


@dataclass(slots=True)
class Antigravity(Dialect):
    """Antigravity: numbered steps; a planner response lists calls, the steps after it are their results in order."""

    def take(self, record: JsonObject, where: str) -> None:
        """The next step."""
        kind, source = as_text(record.get("type")) or "", as_text(record.get("source"))
        stamp = Stamp(where, unix_time(record.get("created_at")))
        text = read_blocks(record.get("content")).text
        if kind == "USER_INPUT":
            self.draft.say("user", text, typed_origin(text), stamp)
        elif kind == "PLANNER_RESPONSE":
            calls = [_unquoted(read_call(call)) for call in as_list(record.get("tool_calls")) if isinstance(call, dict)]
            self.draft.respond(text, as_text(record.get("thinking")), calls, stamp)
        elif kind == "CHECKPOINT":
            self.draft.compact([self.draft.note(text, stamp)], stamp)
        elif source == "MODEL":
            failed = True if record.get("status") == "ERROR" else None
            notes = {"step": kind, "truncated": bool(record.get("truncated_fields"))}
            self.draft.answer(ResultBlock(text, is_error=failed, structured=notes), stamp)
        elif kind in _ANTIGRAVITY_IGNORED or not text:
            return
        elif source == "SYSTEM":
            self.draft.say("user", text, "harness", stamp, {"step": kind})
        else:
            self.draft.skip(stamp, f"unknown step {kind!r} of {source!r}")


def has_dialect(records: Sequence[JsonObject]) -> bool:
    """Whether the records are those of a known dialect, told without roles."""
    return _named_dialect(records) is not None


def _named_dialect(records: Sequence[JsonObject]) -> str | None:
    kinds = {as_text(record.get("type")) or "" for record in records}
    if kinds & {"context.append_loop_event", "context.append_message", "turn.prompt"}:
        return "kimi"
    return "antigravity" if any("step_index" in record and "source" in record for record in records) else None


def dialect_of(records: Sequence[JsonObject], draft: Draft) -> Dialect:
    """The reader for these records, by their structure."""
    some = records[:50]
    named = _named_dialect(some)
    if named is not None:
        return Kimi(draft, named, named) if named == "kimi" else Antigravity(draft, named, named)
    kinds = {as_text(record.get("type")) or "" for record in some}
    agent: str | None = None
    if any("message" in record and "role" in record and "type" not in record for record in some):
        agent = "cursor"
    elif "session_start" in kinds or any("toolCallId" in r and "session_id" in r for r in some):
        agent = "droid"
    elif any("parts" in as_object(r.get("message")) and "uuid" in r for r in some):
        agent = "qwen"
    elif "backend_tool_call" in kinds or any("model_fingerprint" in r or "synthetic_reason" in r for r in some):
        agent = "grok"
    elif any("parts" in r and "role" in as_object(r.get("info")) for r in some):
        agent = "opencode"
    return Dialect(draft, agent)


def _content(record: JsonObject, message: JsonObject) -> Any:
    found = first_present(message, "content", "parts", "text", "finalText", "value")
    return record.get("parts") if found is None else found


def _answered_id(value: JsonObject) -> str | None:
    keys = ("tool_call_id", "toolCallId", "call_id", "tool_use_id", "toolUseId", "callId")
    return first_text(*(value.get(key) for key in keys))


def _unquoted(call: CallBlock) -> CallBlock:
    """Antigravity records each text argument once more in quotes."""
    arguments = as_object(call.arguments)
    plain = {
        key: value[1:-1] if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"' else value
        for key, value in arguments.items()
    }
    return replace(call, arguments=plain or call.arguments)

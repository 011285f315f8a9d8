"""A Codex rollout as a trajectory: records in order, responses put together, edits of the history as items."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from harness.importers import codex_items as kinds
from harness.importers.pairing import CallBook, SkipCounts
from harness.importers.reading import Record
from harness.importers.values import (
    as_int,
    as_object,
    as_text,
    content_text,
    first_text,
    kind_of,
    member,
    parse_arguments,
    platform_of,
    unix_time,
)
from toolsim.trajectory import (
    Compaction,
    Item,
    JsonObject,
    Message,
    Repository,
    Rewind,
    Session,
    ToolResult,
    Trajectory,
)


@dataclass(slots=True)
class CodexReader:
    """Takes the records of one rollout and builds its items."""

    name: str
    skips: SkipCounts
    items: list[Item] = field(default_factory=list)
    metas: list[JsonObject] = field(default_factory=list)
    _book: CallBook = field(default_factory=CallBook)
    _cwd: str | None = None
    _model: str | None = None
    _first_model: str | None = None
    _open: int | None = None
    _open_takes_text: bool = True
    _extra: dict[str, JsonObject] = field(default_factory=dict)
    _result_at: dict[str, int] = field(default_factory=dict)
    _typed: set[str] = field(default_factory=set)
    _typed_known: bool = False
    _user_messages: list[int] = field(default_factory=list)
    _outcome: JsonObject = field(default_factory=dict)

    def take(self, kind: str, payload: JsonObject, record: Record) -> None:
        """One record: its wrapper's type, its payload and where it stands."""
        if kind == "session_meta":
            self.metas.append({"timestamp": record.value.get("timestamp"), **payload})
            self._cwd = self._cwd or as_text(payload.get("cwd"))
        elif kind == "turn_context":
            self._cwd = as_text(payload.get("cwd")) or self._cwd
            self._model = as_text(payload.get("model")) or self._model
            self._first_model = self._first_model or self._model
        elif kind == "response_item":
            self._item(payload, record)
        elif kind == "event_msg":
            self._event(payload, record)
        elif kind == "compacted":
            self._compacted(payload, record)
        elif kind != "world_state":
            self.skips.add(f"line {record.line}", f"record type {kind!r} is not read")

    def finish(self, fallback_id: str) -> Trajectory:
        """The trajectory of all records taken."""
        if self._typed_known:
            for index in self._user_messages:
                item = self.items[index]
                if isinstance(item, Message) and item.text.strip() not in self._typed:
                    self.items[index] = replace(item, origin="harness")
        return Trajectory(self._session(fallback_id), tuple(self.items), self._outcome)

    def _item(self, item: JsonObject, record: Record) -> None:
        kind = kind_of(item) if "type" in item else "message" if "role" in item else None
        if kind == "message":
            self._message(item, record)
        elif kind == "reasoning":
            if (reasoning := _reasoning(item)) is not None:
                self._respond(record, reasoning=reasoning)
        elif kind in kinds.CALLS:
            found = kinds.read_call(item)
            arguments, raw = parse_arguments(found.arguments)
            call = self._book.add(found.name, arguments, raw, found.recorded_id)
            if found.hosted:
                self._book.answer(call.recorded_id, among=(call.id,))
            index = self._respond(record)
            message = self.items[index]
            if isinstance(message, Message):
                self.items[index] = replace(message, calls=(*message.calls, call))
            self._open_takes_text = not found.hosted
        elif kind in kinds.OUTPUTS:
            self._output(kinds.read_output(item), record)
        elif kind not in kinds.IGNORED_ITEMS:
            self.skips.add(f"line {record.line}", f"unknown response item {kind!r}")

    def _message(self, item: JsonObject, record: Record) -> None:
        text, images = content_text(item.get("content", item.get("message")))
        role = as_text(item.get("role"))
        if role == "assistant":
            if text:
                self._respond(record, text=text)
            return
        if not text and not images:
            return
        self._open = None
        message = self._new("system" if role in {"developer", "system"} else "user", record, text)
        typed = message.role == "user" and not kinds.is_harness_text(text)
        self.items.append(
            replace(message, origin="user" if typed else "harness", extra={"images": images} if images else {})
        )
        if typed:
            self._user_messages.append(len(self.items) - 1)

    def _respond(self, record: Record, *, text: str = "", reasoning: str | None = None) -> int:
        """The index of the agent message that this piece belongs to: one until an output or a prompt comes."""
        if self._open is None or (not self._open_takes_text and (text or reasoning)):
            self.items.append(self._new("assistant", record, ""))
            self._open, self._open_takes_text = len(self.items) - 1, True
        message = self.items[self._open]
        if isinstance(message, Message) and (text or reasoning):
            self.items[self._open] = replace(
                message,
                text="\n".join(part for part in (message.text, text) if part),
                reasoning="\n".join(part for part in (message.reasoning, reasoning) if part) or None,
            )
        return self._open

    def _output(self, output: kinds.OutputItem, record: Record) -> None:
        call = self._book.answer(output.recorded_id, name=output.name)
        if call is None:
            self.skips.add(f"line {record.line}", "a tool output that answers no open call")
            return
        self._open = None
        result = ToolResult(
            call.id,
            output.content,
            output.is_error,
            output.exit_code,
            output.duration,
            output.images,
            output.structured,
        )
        self.items.append(replace(self._new("tool", record, ""), result=result))
        if call.recorded_id is not None:
            self._result_at[call.recorded_id] = len(self.items) - 1
            if (known := self._extra.pop(call.recorded_id, None)) is not None:
                self._complete(call.recorded_id, known)

    def _event(self, event: JsonObject, record: Record) -> None:
        kind = kind_of(event)
        call_id = as_text(event.get("call_id"))
        if kind == "user_message":
            self._typed_known = True
            self._typed.add((as_text(event.get("message")) or "").strip())
        elif kind in {"patch_apply_end", "mcp_tool_call_end", "exec_command_end"} and call_id is not None:
            if call_id in self._result_at:
                self._complete(call_id, event)
            else:
                self._extra[call_id] = event
        elif kind == "thread_rolled_back":
            self._roll_back(as_int(event.get("num_turns")) or 0, record)
        elif kind not in kinds.IGNORED_EVENTS:
            self.skips.add(f"line {record.line}", f"unknown event {kind!r}")
        if kind == "turn_aborted":
            self._outcome["last_abort"] = as_text(event.get("reason"))

    def _complete(self, recorded_id: str, event: JsonObject) -> None:
        """Add to a result what an event tells of it."""
        index = self._result_at[recorded_id]
        message = self.items[index]
        if not isinstance(message, Message) or message.result is None:
            return
        result = replace(message.result, structured={k: v for k, v in event.items() if k not in {"call_id", "turn_id"}})
        duration = kinds.seconds_of(event.get("duration"))
        exit_code = as_int(event.get("exit_code"))
        if duration is not None:
            result = replace(result, duration=duration)
        if exit_code is not None:
            result = replace(result, exit_code=exit_code)
        failed = _failed(event)
        if failed is not None and result.is_error is None:
            result = replace(result, is_error=failed)
        self.items[index] = replace(message, result=result)

    def _compacted(self, payload: JsonObject, record: Record) -> None:
        history = payload.get("replacement_history")
        if isinstance(history, list):
            inner = CodexReader(self.name, SkipCounts(self.skips.path))
            inner._cwd, inner._model = self._cwd, self._model
            for item in history:
                if isinstance(item, dict):
                    inner.take("response_item", item, Record(record.line, {**record.value, "payload": None}))
            replacement = tuple(item for item in inner.items if isinstance(item, Message))
        else:
            kept = tuple(m for _, m in self._view() if m.role in {"system", "user"})
            summary = self._new("user", record, as_text(payload.get("message")) or "")
            replacement = (*kept, replace(summary, origin="harness")) if summary.text else kept
        self._open = None
        at = unix_time(record.value.get("timestamp"))
        self.items.append(Compaction(replacement, at, self._source(record)))

    def _roll_back(self, count: int, record: Record) -> None:
        view = self._view()
        starts = [place for place, (_, m) in enumerate(view) if m.role == "user" and m.origin == "user"]
        self._open = None
        if count < 1 or not starts:
            return
        place = starts[-min(count, len(starts))]
        index, at, source = view[place][0], unix_time(record.value.get("timestamp")), self._source(record)
        if isinstance(self.items[index], Compaction):
            self.items.append(Compaction(tuple(m for _, m in view[:place]), at, source))
        else:
            self.items.append(Rewind(index, at, source))

    def _view(self) -> list[tuple[int, Message]]:
        """What the model sees now, with the index of the item that shows it."""
        view: list[tuple[int, Message]] = []
        for index, item in enumerate(self.items):
            if isinstance(item, Message):
                view.append((index, item))
            elif isinstance(item, Compaction):
                view = [(index, message) for message in item.replacement]
            else:
                view = [pair for pair in view if pair[0] < item.to]
        return view

    def _new(self, role: Any, record: Record, text: str) -> Message:
        return Message(
            role=role,
            text=text,
            origin={"assistant": "agent", "tool": "tool"}.get(role, "harness"),  # type: ignore[arg-type]
            at=unix_time(record.value.get("timestamp", record.value.get("created_at"))),
            cwd=self._cwd,
            model=self._model if role == "assistant" else None,
            source=self._source(record),
        )

    def _source(self, record: Record) -> str:
        return f"{self.name}:{record.line}"

    def _session(self, fallback_id: str) -> Session:
        meta = self.metas[0] if self.metas else {}
        own = first_text(meta.get("id"), meta.get("session_id")) or fallback_id
        git = as_object(meta.get("git"))
        cwd = first_text(meta.get("cwd"), *(m.cwd for m in self.items if isinstance(m, Message)))
        metadata = {
            key: meta[key]
            for key in ("originator", "source", "thread_source", "model_provider", "memory_mode", "forked_from_id")
            if meta.get(key) is not None
        }
        parent = first_text(
            meta.get("parent_thread_id"), member(meta, "source", "subagent", "thread_spawn", "parent_thread_id")
        )
        return Session(
            id=own,
            agent="codex",
            format="codex",
            lineage=self._lineage(own, parent),
            agent_version=as_text(meta.get("cli_version")),
            model=self._first_model,
            cwd=cwd,
            repository=Repository(
                as_text(git.get("repository_url")), as_text(git.get("commit_hash")), as_text(git.get("branch"))
            ),
            platform=platform_of([cwd]),
            system_prompt=first_text(member(meta, "base_instructions", "text"), meta.get("instructions")),
            tools=kinds.read_tools(meta.get("dynamic_tools")),
            started_at=unix_time(meta.get("timestamp")),
            parent=parent,
            autonomous=parent is not None,
            metadata=metadata,
        )

    def _lineage(self, own: str, parent: str | None) -> str:
        """The session at the root of the copied history, as far back as the file tells."""
        origins = {
            first_text(meta.get("id"), meta.get("session_id")): as_text(meta.get("forked_from_id"))
            for meta in self.metas
        }
        root, seen = own, {own}
        while (origin := origins.get(root)) is not None and origin not in seen:
            root = origin
            seen.add(origin)
        return parent if parent is not None and root == own else root


def _reasoning(item: JsonObject) -> str | None:
    summary, _ = content_text(item.get("summary"), kinds=("summary_text", "text"))
    content, _ = content_text(item.get("content"), kinds=("reasoning_text", "text"))
    return content or summary or None


def _failed(event: JsonObject) -> bool | None:
    if event.get("type") == "mcp_tool_call_end":
        result = as_object(event.get("result"))
        stated = member(result, "Ok", "isError")
        return True if "Err" in result else stated if isinstance(stated, bool) else None
    success = event.get("success")
    return not success if isinstance(success, bool) else None

"""GitHub Copilot CLI event logs (`session-state/<id>/events.jsonl`): one event a line, sub-agents among them.

Format: github/copilot-sdk `session-events.ts` (event types and their data).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.importers.base import Skipped
from harness.importers.blocks import CallBlock, ResultBlock, read_call, read_output
from harness.importers.draft import Draft, Stamp, typed_origin
from harness.importers.pairing import SkipCounts
from harness.importers.reading import Record, read_records
from harness.importers.sniffing import head_records
from harness.importers.values import as_int, as_list, as_object, as_text, first_text, member, unix_time
from toolsim.trajectory import JsonObject, Repository, Session, Trajectory

# What the product shows, measures or asks for; the model and the world see nothing of it.
_IGNORED = frozenset(
    {
        "abort", "assistant.idle", "assistant.intent", "assistant.message_delta", "assistant.message_start",
        "assistant.reasoning_delta", "assistant.streaming_delta", "assistant.turn_end", "assistant.turn_start",
        "assistant.usage", "capabilities.changed", "command.completed", "command.execute", "command.queued",
        "commands.changed", "elicitation.completed", "elicitation.requested", "exit_plan_mode.completed",
        "exit_plan_mode.requested", "external_tool.completed", "external_tool.requested", "hook.end", "hook.progress",
        "hook.start", "mcp.oauth_completed", "mcp.oauth_required", "pending_messages.modified", "permission.requested",
        "sampling.completed", "sampling.requested", "session.auto_mode_resolved", "session.auto_mode_switch.completed",
        "session.auto_mode_switch.requested", "session.background_tasks_changed", "session.compaction_start",
        "session.custom_agents_updated", "session.error", "session.extensions_loaded", "session.handoff",
        "session.idle", "session.info", "session.mcp_server_status_changed", "session.mcp_servers_loaded",
        "session.mode_changed", "session.permissions_changed", "session.plan_changed",
        "session.remote_steerable_changed",
        "session.schedule_cancelled", "session.schedule_created", "session.skills_loaded", "session.title_changed",
        "session.tools_updated", "session.usage_checkpoint", "session.usage_info", "session.warning",
        "session.workspace_file_changed", "session.custom_notification", "skill.loaded", "subagent.completed",
        "subagent.deselected", "subagent.failed", "subagent.selected", "subagent.started",
        "tool.execution_partial_result", "tool.execution_progress", "user_input.completed", "user_input.requested",
    }
)  # fmt: skip
_OUTCOMES = frozenset({"session.shutdown", "session.task_complete"})
_EXIT_CODE = re.compile(r"<(?:shellId: \S{1,40} )?(?:completed|exited) with exit code (-?\d{1,9})>\s*\Z")
_NO_COMMIT = re.compile(r"^0+$")


@dataclass(frozen=True, slots=True)
class Copilot:
    """Importer of Copilot CLI event logs."""

    name: str = "copilot"

    def sniff(self, path: Path, head: bytes) -> bool:  # noqa: ARG002  told by content
        """Events with dotted type names, data and a chain of ids."""
        for record in head_records(head)[:20]:
            kind = record.get("type")
            if isinstance(kind, str) and "." in kind and isinstance(record.get("data"), dict) and "parentId" in record:
                return True
        return False

    def read(self, path: Path) -> Iterator[Trajectory | Skipped]:
        """The session of the file and those of its sub-agents."""
        skips = SkipCounts(path)
        streams: dict[str | None, list[Record]] = {None: []}
        agents = _Agents()
        for record in read_records(path):
            if isinstance(record, Skipped):
                yield record
            else:
                streams.setdefault(agents.of(record.value), []).append(record)
        main = _Reader(path, skips)
        main.read(streams.pop(None))
        session = main.session()
        if main.draft.items:
            yield Trajectory(session, tuple(main.draft.items), main.outcome)
        for agent, records in streams.items():
            reader = _Reader(path, skips, is_agent=True, context=main.context)
            reader.read(records)
            if reader.draft.items:
                yield Trajectory(reader.session(session, agent, main.call_named(agent)), tuple(reader.draft.items))
        if not main.draft.items:
            skips.add("file", "no message in it")
        yield from skips


COPILOT = Copilot()


@dataclass(slots=True)
class _Agents:
    """Which sub-agent an event belongs to, named by the call that started it."""

    calls: dict[str, str] = field(default_factory=dict)

    def of(self, event: JsonObject) -> str | None:
        """The name of the event's sub-agent, `None` for the main conversation."""
        agent = as_text(event.get("agentId")) or as_text(member(event, "data", "agentId"))
        kind = as_text(event.get("type")) or ""
        if kind.startswith("subagent."):
            call = as_text(member(event, "data", "toolCallId"))
            if agent is not None and call is not None:
                self.calls[agent] = call
            return None
        parent = as_text(member(event, "data", "parentToolCallId"))
        if parent is not None:
            return parent
        known = as_text(event.get("agentId"))
        return self.calls.get(known, known) if known is not None else None


@dataclass(slots=True)
class _Reader:
    """Events of one conversation, in order."""

    path: Path
    skips: SkipCounts
    is_agent: bool = False
    context: JsonObject = field(default_factory=dict)
    outcome: JsonObject = field(default_factory=dict)
    start: JsonObject = field(default_factory=dict)
    system_prompt: str | None = None
    model: str | None = None
    thought: str | None = None
    draft: Draft = field(init=False)
    places: dict[str, int] = field(default_factory=dict)
    started: dict[str, float | None] = field(default_factory=dict)
    permissions: dict[str, str] = field(default_factory=dict)
    requested: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.draft = Draft(self.path.name, self.skips)

    def read(self, records: Iterable[Record]) -> None:
        records = list(records)
        for record in records:
            for request in as_list(member(record.value, "data", "toolRequests")):
                if (call_id := as_text(as_object(request).get("toolCallId"))) is not None:
                    self.requested.add(call_id)
        self._place(self.context)
        for record in records:
            self._take(record)
            event = as_text(record.value.get("id"))
            if event is not None:
                self.places[event] = len(self.draft.items)

    def call_named(self, recorded_id: str | None) -> str | None:
        """The id here of a call as recorded."""
        calls = (call for message in self.draft.messages() for call in message.calls)
        return next((call.id for call in calls if call.recorded_id == recorded_id), None)

    def session(self, parent: Session | None = None, agent: str | None = None, call: str | None = None) -> Session:
        """What the file says of the conversation; a sub-agent's names its parent."""
        own = parent.id if parent is not None else as_text(self.start.get("sessionId")) or self.path.stem
        version = as_text(self.start.get("copilotVersion"))
        url = as_text(self.context.get("repository"))
        host = as_text(self.context.get("repositoryHost")) or "github.com"
        commit = as_text(self.context.get("headCommit"))
        cwd = as_text(self.context.get("cwd"))
        return Session(
            id=own if parent is None else f"{own}/{agent}",
            agent="copilot",
            format="copilot",
            lineage=own,
            agent_version=version if parent is None else parent.agent_version,
            model=self.draft.model() or as_text(self.start.get("selectedModel")),
            cwd=cwd,
            repository=Repository(
                f"https://{host}/{url}" if url is not None and "://" not in url else url,
                None if commit is None or _NO_COMMIT.match(commit) else commit,
                as_text(self.context.get("branch")),
            ),
            platform=self.draft.platform(cwd),
            system_prompt=self.system_prompt,
            started_at=unix_time(self.start.get("startTime")) or self.draft.started_at(),
            parent=None if parent is None else own,
            parent_call=call,
            autonomous=parent is not None,
            metadata={k: self.start[k] for k in ("producer", "contextTier") if as_text(self.start.get(k)) is not None},
        )

    def _take(self, record: Record) -> None:
        kind, data = as_text(record.value.get("type")) or "", as_object(record.value.get("data"))
        model = as_text(data.get("model")) or self.model
        stamp = Stamp(f"{record.line}", unix_time(record.value.get("timestamp")), model)
        if kind == "user.message":
            self._user(data, stamp)
        elif kind == "assistant.reasoning":
            self.thought = as_text(data.get("content"))
        elif kind == "assistant.message":
            self._assistant(data, stamp)
        elif kind == "tool.execution_start":
            self._tool_start(data, stamp)
        elif kind == "tool.execution_complete":
            self._tool_complete(data, stamp)
        elif kind in {"system.notification", "skill.invoked"}:
            if (text := as_text(data.get("content"))) is not None:
                self.draft.say("user", text, "harness", Stamp(stamp.where, stamp.at), {"event": kind})
        else:
            self._circumstance(kind, data, stamp)

    def _circumstance(self, kind: str, data: JsonObject, stamp: Stamp) -> None:
        """Events that say under which conditions the session goes on."""
        if kind == "session.start":
            self.start = self.start or data
            self._place(as_object(data.get("context")))
            self.model = as_text(data.get("selectedModel")) or self.model
        elif kind == "session.resume":
            self._place(as_object(data.get("context")))
        elif kind == "session.context_changed":
            self._place(data)
        elif kind == "session.model_change":
            self.model = as_text(data.get("newModel")) or self.model
        elif kind == "system.message":
            self._system(data, stamp)
        elif kind == "permission.completed":
            call, decision = as_text(data.get("toolCallId")), as_text(member(data, "result", "kind"))
            if call is not None and decision is not None:
                self.permissions[call] = decision
        else:
            self._history(kind, data, stamp)

    def _history(self, kind: str, data: JsonObject, stamp: Stamp) -> None:
        """Events that change what the model sees, and those that say nothing."""
        if kind == "session.compaction_complete":
            summary = as_text(data.get("summaryContent"))
            if summary is not None and data.get("success") is not False:
                self.draft.compact([self.draft.note(summary, stamp)], stamp)
            elif data.get("success") is not False:
                self.draft.skip(stamp, "a compaction without its summary")
        elif kind == "session.truncation":
            if as_int(data.get("messagesRemovedDuringTruncation")) != 0:
                self.draft.skip(stamp, "a truncation that does not say which messages the model lost")
        elif kind == "session.snapshot_rewind":
            to = self.places.get(as_text(data.get("upToEventId")) or "")
            if to is None:
                self.draft.skip(stamp, "a rewind to an event that is not in the file")
            elif to < len(self.draft.items):
                self.draft.rewind(to, stamp)
        elif kind == "tool.user_requested":
            self.draft.skip(stamp, "a tool that the user ran")
        elif kind in _OUTCOMES:
            self.outcome[kind.removeprefix("session.")] = data
        elif kind not in _IGNORED:
            self.draft.skip(stamp, f"unknown event type {kind!r}")

    def _place(self, context: JsonObject) -> None:
        self.context = self.context or context
        self.draft.cwd = as_text(context.get("cwd")) or self.draft.cwd
        self.draft.branch = as_text(context.get("branch")) or self.draft.branch

    def _system(self, data: JsonObject, stamp: Stamp) -> None:
        """The prompt is sent anew with every message; one that changed later is kept as a message."""
        text = as_text(data.get("content"))
        if text is None or text == self.system_prompt:
            return
        if self.system_prompt is None and not self.draft.items:
            self.system_prompt = text
        else:
            self.draft.skip(stamp, "a later system prompt, other than the first")

    def _user(self, data: JsonObject, stamp: Stamp) -> None:
        typed = as_text(data.get("content")) or ""
        text = as_text(data.get("transformedContent")) or typed
        made_by = as_text(data.get("source"))
        human = not self.is_agent and made_by in {None, "user"} and typed_origin(typed) == "user"
        extra: JsonObject = {"typed": typed} if typed != text else {}
        if as_list(data.get("attachments")):
            extra["attachments"] = data["attachments"]
        self.draft.say("user", text, "user" if human else "harness", Stamp(stamp.where, stamp.at), extra)

    def _assistant(self, data: JsonObject, stamp: Stamp) -> None:
        reasoning = as_text(data.get("reasoningText")) or self.thought
        self.thought = None
        calls = [read_call(request) for request in as_list(data.get("toolRequests")) if isinstance(request, dict)]
        chunk = as_int(data.get("chunkIndex")) or 0
        self.draft.respond(as_text(data.get("content")) or "", reasoning, calls, stamp, merge=chunk > 0)

    def _tool_start(self, data: JsonObject, stamp: Stamp) -> None:
        call_id = as_text(data.get("toolCallId"))
        self.started[call_id or ""] = stamp.at
        if call_id is None or call_id not in self.requested:
            name = first_text(data.get("toolName"), data.get("mcpToolName")) or ""
            self.draft.respond("", None, [CallBlock(name, data.get("arguments"), call_id)], stamp, merge=True)

    def _tool_complete(self, data: JsonObject, stamp: Stamp) -> None:
        call_id, success = as_text(data.get("toolCallId")), data.get("success")
        failed = not success if isinstance(success, bool) else None
        value = data.get("result")
        found = read_output(value.get("content") if isinstance(value, dict) else value)
        text = found.content or first_text(member(data, "error", "message"), data.get("error")) or ""
        began = self.started.get(call_id or "")
        detail, permission = as_text(member(value, "detailedContent")), self.permissions.get(call_id or "")
        notes = {
            "detailedContent": detail if detail != text else None,
            "error": data.get("error"),
            "permission": permission,
        }
        structured = {key: note for key, note in notes.items() if note is not None}
        stated = _EXIT_CODE.search(text[-200:])
        self.draft.answer(
            ResultBlock(
                text, call_id, None, found.images, failed, int(stated[1]) if stated else None,
                stamp.at - began if began is not None and stamp.at is not None and stamp.at >= began else None,
                structured or None,
            ),
            Stamp(stamp.where, stamp.at),
        )  # fmt: skip

"""One conversation of a Claude Code file as a trajectory: what is known of the session, and its records in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from harness.importers import claude_records as kinds
from harness.importers.claude_parent import find_parent
from harness.importers.claude_tree import Chain, Link
from harness.importers.pairing import SkipCounts
from harness.importers.reading import Record
from harness.importers.values import as_list, as_object, as_text, kind_of, member, platform_of, unix_time
from toolsim.trajectory import JsonObject, Message, Repository, Session, Trajectory


@dataclass(frozen=True, slots=True)
class Stream:
    """The records of one conversation; `agent` names a sub-agent, `call` the call that started it."""

    records: tuple[Record, ...]
    agent: str | None = None
    call: str | None = None


def build(stream: Stream, path: Path, skips: SkipCounts, prompts: dict[str, str]) -> Trajectory | None:
    """The trajectory of a stream, `None` if it holds no message. `prompts` are those given to sub-agents, by call."""
    reader = _Reader(path.name, skips, stream.agent is not None)
    for record in _without_copies(stream.records, skips):
        reader.take(record)
    if not any(isinstance(item, Message) for item in reader.chain.items):
        return None
    for source, reason in reader.chain.skipped:
        skips.add(_where(source), reason)
    session = _session(stream, path, prompts, reader)
    return Trajectory(session, tuple(reader.chain.items), reader.outcome)


@dataclass(slots=True)
class _Reader:
    """Records of one conversation, one after the other."""

    name: str
    skips: SkipCounts
    is_agent: bool
    chain: Chain = field(default_factory=Chain)
    outcome: JsonObject = field(default_factory=dict)
    boundary: tuple[JsonObject, Link] | None = None
    queue: deque[str] = field(default_factory=deque)
    taken: set[str] = field(default_factory=set)

    def take(self, record: Record) -> None:
        value = record.value
        kind = kind_of(value)
        if kind == "user":
            self._user(record)
        elif kind == "assistant":
            self._assistant(record)
        elif kind == "system":
            self._system(record)
        elif kind == "attachment":
            self._attachment(record)
        elif kind in {"tool_use", "tool_result"}:
            self._bare(record)
        elif kind == "progress":
            self.chain.pass_by(_link(value))
        elif kind == "queue-operation":
            self._queue(record)
        elif kind in kinds.OUTCOME_RECORDS:
            self.outcome.setdefault(str(kind), []).append({k: v for k, v in value.items() if k != "type"})
        elif kind not in kinds.IGNORED_RECORDS:
            self.skips.add(f"line {record.line}", f"unknown record type {kind!r}")
            self.chain.pass_by(_link(value))

    def _user(self, record: Record) -> None:
        value, link = record.value, _link(record.value)
        content = kinds.read_content(member(value, "message", "content"))
        self._note_unknown(record, content)
        if value.get("isCompactSummary") is True:
            self._compacted(record, content.text)
            return
        structured = value.get("toolUseResult") if len(content.results) == 1 else None
        hints = tuple(h for h in (as_text(value.get("sourceToolAssistantUUID")), link.parent) if h is not None)
        for result in content.results:
            self.chain.result(self._message(record, "tool", "", "tool"), result, link, hints, structured)
        if content.text or not content.results:
            origin = "harness" if self.is_agent else kinds.user_origin(value, content.text)
            message = self._message(record, "user", content.text, origin, images=content.images)
            if content.text or content.images:
                if content.text in self.queue:
                    self.queue.remove(content.text)
                self.chain.prompt(message, link)
            else:
                self.chain.pass_by(link)

    def _assistant(self, record: Record) -> None:
        value, link = record.value, _link(record.value)
        content = kinds.read_content(member(value, "message", "content"))
        self._note_unknown(record, content)
        self.chain.retract([u for u in as_list(value.get("supersedesUuids")) if isinstance(u, str)], None, None)
        if not (content.text or content.reasoning or content.calls or content.results):
            self.chain.pass_by(link)
            return
        origin: kinds.Origin = "harness" if kinds.is_synthetic(value) else "agent"
        message = self._message(record, "assistant", content.text, origin, reasoning=content.reasoning)
        self.chain.response(message, content, as_text(member(value, "message", "id")), link)
        for result in content.results:
            self.chain.result(self._message(record, "tool", "", "tool"), result, link, (), None)

    def _bare(self, record: Record) -> None:
        """Records of the oldest files: a call or a result without a message around it."""
        value, link = record.value, _link(record.value)
        name = as_text(value.get("name")) or ""
        if value.get("type") == "tool_use":
            call = kinds.Call(name, value.get("input"), as_text(value.get("id")))
            content = kinds.Content("", None, (call,), (), 0, ())
            self.chain.response(self._message(record, "assistant", "", "agent"), content, None, link)
            return
        block = {**value, "content": value.get("output", value.get("content"))}
        found = kinds.read_result(block)
        result = kinds.Result(
            found.content, found.images, found.recorded_id, found.is_error, found.exit_code, name or None
        )
        self.chain.result(self._message(record, "tool", "", "tool"), result, link, (), None)

    def _system(self, record: Record) -> None:
        value, link = record.value, _link(record.value)
        subtype = as_text(value.get("subtype"))
        source, at = self._source(record), unix_time(value.get("timestamp"))
        if subtype == "compact_boundary":
            self.boundary = (value, link)
            self.chain.pass_by(Link(link.uuid, as_text(value.get("logicalParentUuid")), link.known))
            return
        if subtype == "microcompact_boundary":
            cleared = as_list(member(value, "microcompactMetadata", "compactedToolIds"))
            self.chain.clear_results({c for c in cleared if isinstance(c, str)}, link, source, at)
            return
        if subtype == "local_command" and (text := as_text(value.get("content"))) is not None:
            self.chain.prompt(self._message(record, "user", text, "harness"), link, moves=False)
            return
        if subtype == "api_refusal":
            retracted = as_list(value.get("retractedMessageUuids"))
            self.chain.retract([u for u in retracted if isinstance(u, str)], source, at)
        elif subtype not in kinds.IGNORED_SYSTEM:
            self.skips.add(f"line {record.line}", f"unknown system record {subtype!r}")
        self.chain.pass_by(link)

    def _attachment(self, record: Record) -> None:
        value, link = record.value, _link(record.value)
        attachment = as_object(value.get("attachment"))
        kind = kind_of(attachment)
        text = kinds.attachment_text(attachment)
        if kind in kinds.IGNORED_ATTACHMENTS or not text or (kind == "queued_command" and text in self.taken):
            self.chain.pass_by(link)
            return
        typed = kind == "queued_command" and attachment.get("commandMode", "prompt") == "prompt" and not self.is_agent
        origin = kinds.user_origin(attachment, text) if typed else "harness"
        message = self._message(record, "user", text, origin, extra={"attachment": attachment})
        self.chain.prompt(message, link, moves=False)

    def _queue(self, record: Record) -> None:
        """What the human types while the agent works: taken up inside the turn, it leaves no record but its removal.

        A removal names nothing: it takes the oldest typed text. Texts sent after the turn come as records again.
        """
        operation, text = as_text(record.value.get("operation")), as_text(record.value.get("content"))
        if operation == "enqueue":
            if text is not None and not text.startswith(("{", "<")):
                self.queue.append(text)
        elif operation == "popAll":
            self.queue.clear()
        elif operation == "remove" and self.queue:
            message = self._message(record, "user", self.queue.popleft(), "user", extra={"queued": True})
            self.chain.aside(message)
            self.taken.add(message.text)
        elif operation not in {"remove", "dequeue"}:
            self.skips.add(f"line {record.line}", f"unknown queue operation {operation!r}")

    def _compacted(self, record: Record, summary: str) -> None:
        message = self._message(record, "user", summary, "harness")
        link = _link(record.value)
        kept: tuple[Message, ...] = ()
        tip = None
        if self.boundary is not None:
            segment = as_object(member(self.boundary[0], "compactMetadata", "preservedSegment"))
            head, tip = as_text(segment.get("headUuid")), as_text(segment.get("tailUuid"))
            if head is not None and tip is not None:
                kept = self.chain.messages_until(tip, since=head)
        self.boundary = None
        self.chain.compact((message, *kept), link, message.source, message.at, tip=tip)

    def _message(
        self,
        record: Record,
        role: str,
        text: str,
        origin: kinds.Origin,
        *,
        reasoning: str | None = None,
        images: int = 0,
        extra: JsonObject | None = None,
    ) -> Message:
        value = record.value
        model = as_text(member(value, "message", "model"))
        notes = dict(extra or {})
        if images:
            notes["images"] = images
        if as_text(value.get("planContent")) is not None:
            notes["plan"] = True
        return Message(
            role=role, text=text, origin=origin, reasoning=reasoning,  # type: ignore[arg-type]
            at=unix_time(value.get("timestamp")), cwd=as_text(value.get("cwd")),
            branch=as_text(value.get("gitBranch")), model=model if role == "assistant" else None,
            source=self._source(record), extra=notes,
        )  # fmt: skip

    def _note_unknown(self, record: Record, content: kinds.Content) -> None:
        for kind in content.unknown:
            self.skips.add(f"line {record.line}", f"unknown content block {kind!r}")

    def _source(self, record: Record) -> str:
        return f"{self.name}:{record.line}"


def _session(stream: Stream, path: Path, prompts: dict[str, str], reader: _Reader) -> Session:
    values = [record.value for record in stream.records]
    spoken = [value for value in values if kind_of(value) in kinds.CONVERSATION] or values
    own = _last(spoken, "sessionId") or path.stem
    root = next(
        (uuid for v in spoken if kind_of(v) in {"user", "assistant"} and (uuid := as_text(v.get("uuid")))), None
    )
    cwd = _first(spoken, "cwd")
    messages = [item for item in reader.chain.items if isinstance(item, Message)]
    parent_id, parent_call, lineage = None, None, root or own
    if stream.agent is not None:
        found = find_parent(path, own, stream.agent)
        prompt = messages[0].text.strip()
        parent_id = own
        parent_call = stream.call or prompts.get(prompt) or found.call
        lineage = found.root or own
    return Session(
        id=own if stream.agent is None else f"{own}/{stream.agent}",
        agent="claude-code",
        format="claude-code",
        lineage=lineage,
        agent_version=_first(spoken, "version"),
        model=next((m.model for m in messages if m.model is not None and m.origin == "agent"), None),
        cwd=cwd,
        repository=Repository(branch=_first(spoken, "gitBranch"), commit=_worktree_commit(values)),
        platform=platform_of(as_text(v.get("cwd")) for v in spoken),
        started_at=next((t for v in spoken if (t := unix_time(v.get("timestamp"))) is not None), None),
        parent=parent_id,
        parent_call=parent_call,
        autonomous=stream.agent is not None,
        metadata=_metadata(spoken),
    )


def _metadata(values: Iterable[JsonObject]) -> JsonObject:
    """Circumstances stated by the first record that has them."""
    found: JsonObject = {}
    for value in values:
        for key in ("entrypoint", "userType", "permissionMode", "slug"):
            if key not in found and as_text(value.get(key)) is not None:
                found[key] = value[key]
    return found


def _worktree_commit(values: Iterable[JsonObject]) -> str | None:
    """The commit that a worktree was made from, if the file states it before its first message."""
    for value in values:
        if kind_of(value) in {"user", "assistant"}:
            return None
        if value.get("type") == "worktree-state":
            return as_text(member(value, "worktreeSession", "originalHeadCommit"))
    return None


def _without_copies(records: Iterable[Record], skips: SkipCounts) -> Iterable[Record]:
    """The records without exact repetitions (a file that was appended to itself)."""
    seen: dict[str, JsonObject] = {}
    for record in records:
        uuid = as_text(record.value.get("uuid"))
        if uuid is not None and seen.setdefault(uuid, record.value) is not record.value and seen[uuid] == record.value:
            skips.add(f"line {record.line}", "exact repetition of an earlier record")
            continue
        yield record


def _link(value: JsonObject) -> Link:
    return Link(as_text(value.get("uuid")), as_text(value.get("parentUuid")), "parentUuid" in value)


def _first(values: Iterable[JsonObject], key: str) -> str | None:
    return next((text for value in values if (text := as_text(value.get(key))) is not None), None)


def _last(values: list[JsonObject], key: str) -> str | None:
    return _first(reversed(values), key)


def _where(source: str | None) -> str:
    return f"line {source.rpartition(':')[2]}" if source else "file"

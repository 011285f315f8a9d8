"""Recorded sessions as plain values: messages, calls, results, and the split of a turn.

All values are frozen; times are Unix seconds (UTC); text is `str` as the model saw it. This module opens no
files and knows no agent product: importers build these values, everything else reads them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter

JsonObject: TypeAlias = dict[str, Any]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A tool as offered to the model: `parameters` is a JSON schema of an object."""

    name: str
    description: str = ""
    parameters: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One tool call of the agent.

    `id` is unique within the trajectory (importers make recorded ids unique where they are reused or redacted);
    `recorded_id` is what the file had. `arguments` is the parsed JSON object. Where the agent sent text that is no
    JSON object (a free-form patch, broken JSON, a text command) `raw` holds it verbatim.
    """

    id: str
    name: str
    arguments: JsonObject = field(default_factory=dict)
    raw: str | None = None
    recorded_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the tool answered, as the model saw it.

    `content` is the text (parts joined by newlines), `images` the number of non-text parts left out of it.
    `is_error` and `exit_code` are `None` where the format does not record them. `structured` is the agent's own
    structured copy of the result (kept as recorded: pre-images, patches, full output). `duration` is in seconds.
    """

    call_id: str
    content: str
    is_error: bool | None = None
    exit_code: int | None = None
    duration: float | None = None
    images: int = 0
    structured: Any = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `role` is the chat role; `developer` is imported as `system`.

    `origin` says who made it: `user` (typed by a human: starts a turn), `agent`, `tool`, or `harness` (context,
    reminders, summaries put in by the agent product under whatever role). `source` is `file:line` or `file:index`.
    """

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    origin: Literal["user", "agent", "tool", "harness"] = "user"
    reasoning: str | None = None
    calls: tuple[ToolCall, ...] = ()
    result: ToolResult | None = None
    at: float | None = None
    cwd: str | None = None
    branch: str | None = None
    model: str | None = None
    source: str | None = None
    extra: JsonObject = field(default_factory=dict)
    type: Literal["message"] = "message"


@dataclass(frozen=True, slots=True)
class Compaction:
    """From here the model sees `replacement` instead of everything before."""

    replacement: tuple[Message, ...] = ()
    at: float | None = None
    source: str | None = None
    type: Literal["compaction"] = "compaction"


@dataclass(frozen=True, slots=True)
class Rewind:
    """From here the model no longer sees the items with index >= `to` (their effects on the world stay)."""

    to: int
    at: float | None = None
    source: str | None = None
    type: Literal["rewind"] = "rewind"


Item: TypeAlias = Annotated[Message | Compaction | Rewind, Field(discriminator="type")]


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository of a session, as far as the recording tells: `commit` is a recorded one, never inferred."""

    url: str | None = None
    commit: str | None = None
    branch: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """What is known of a session before its first message; nothing in here comes from later in the recording.

    `agent` names the scaffold (`claude-code`, `codex`, `swe-agent`, `mini-swe-agent`, `openhands`, `copilot`,
    `gemini`, `pi`, `chat`, `inspect`, or the name a format gives; what has no scaffold of ours is rendered by
    `generic`). `lineage` is shared by sessions that share copied history. `parent` and `parent_call` point to the
    session and call that started a sub-agent. `autonomous` is true where the whole session is one turn.
    """

    id: str
    agent: str
    format: str
    lineage: str
    agent_version: str | None = None
    model: str | None = None
    cwd: str | None = None
    repository: Repository = Repository()
    platform: str | None = None
    system_prompt: str | None = None
    tools: tuple[ToolDefinition, ...] = ()
    user: str | None = None
    started_at: float | None = None
    parent: str | None = None
    parent_call: str | None = None
    autonomous: bool = False
    metadata: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One recorded session. `outcome` holds what is only known at its end (reward, submission, exit status)."""

    session: Session
    items: tuple[Item, ...]
    outcome: JsonObject = field(default_factory=dict)
    version: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Turn:
    """Items `start:end` of a trajectory: a user message and all that the agent did until it yielded."""

    index: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class CallPair:
    """A call with its recorded result (`None` where the recording has none); positions are item indexes."""

    call: ToolCall
    result: ToolResult | None
    position: int
    result_position: int | None


@dataclass(frozen=True, slots=True)
class Prefix:
    """A trajectory up to the cut: everything that the candidate and its world may know of it.

    `turn` is the turn that is taken again, `step` the number of the turn's agent messages that the prefix keeps.
    """

    session: Session
    items: tuple[Item, ...]
    turn: int
    step: int = 0

    @property
    def as_of(self) -> float | None:
        """The moment after which nothing may be known: the last time stated in the prefix (Unix seconds)."""
        return last_time(self.items) or self.session.started_at

    @property
    def cwd(self) -> str | None:
        """The agent's directory at the cut."""
        for message in reversed(effects(self.items)):
            if message.cwd is not None:
                return message.cwd
        return self.session.cwd


@dataclass(frozen=True, slots=True)
class Reference:
    """The recorded rest of the turn ("original rollout"): what really happened after the cut."""

    items: tuple[Item, ...]


_TRAJECTORY: TypeAdapter[Trajectory] = TypeAdapter(Trajectory)


def model_view(items: Iterable[Item]) -> tuple[Message, ...]:
    """The messages that the model sees after `items`: compactions and rewinds applied."""
    view: list[tuple[int, Message]] = []
    for index, item in enumerate(items):
        if isinstance(item, Message):
            view.append((index, item))
        elif isinstance(item, Compaction):
            view = [(index, message) for message in item.replacement]
        else:
            view = [(at, message) for at, message in view if at < item.to]
    return tuple(message for _, message in view)


def effects(items: Iterable[Item]) -> tuple[Message, ...]:
    """All messages that happened, in order, whether or not the model still sees them."""
    return tuple(item for item in items if isinstance(item, Message))


def call_pairs(items: Sequence[Item]) -> Iterator[CallPair]:
    """Calls in order with their results; a result may come any number of items later."""
    results: dict[str, tuple[int, ToolResult]] = {}
    for index, item in enumerate(items):
        if isinstance(item, Message) and item.result is not None:
            results.setdefault(item.result.call_id, (index, item.result))
    for index, item in enumerate(items):
        if isinstance(item, Message):
            for call in item.calls:
                at, result = results.get(call.id, (None, None))
                yield CallPair(call, result, index, at)


def turns(trajectory: Trajectory) -> tuple[Turn, ...]:
    """The turns of a session; what stands before the first user message belongs to no turn.

    A turn starts at the first of a run of messages of origin `user` and ends before the next run. An autonomous
    session without such a message is one turn from its first agent message.
    """
    starts: list[int] = []
    previous_was_user = False
    for index, item in enumerate(trajectory.items):
        is_user = isinstance(item, Message) and item.origin == "user" and item.role == "user"
        if is_user and not previous_was_user:
            starts.append(index)
        if isinstance(item, Message):
            previous_was_user = is_user or (previous_was_user and item.origin == "harness")
    if trajectory.session.autonomous:
        starts = starts[:1]
    if not starts:
        first = _first_agent_message(trajectory.items)
        starts = [] if first is None else [first]
    ends = [*starts[1:], len(trajectory.items)] if starts else []
    return tuple(Turn(n, start, end) for n, (start, end) in enumerate(zip(starts, ends, strict=True)))


def split(trajectory: Trajectory, turn: Turn, step: int = 0) -> tuple[Prefix, Reference]:
    """Cut a turn before its agent message number `step` (0-based; 0 is the whole turn).

    Raises:
        ValueError: the turn has no such step.
    """
    agent_messages = steps(trajectory, turn)
    if not 0 <= step < len(agent_messages):
        raise ValueError(f"turn {turn.index} has {len(agent_messages)} agent messages, there is no step {step}")
    cut = agent_messages[step]
    prefix = Prefix(trajectory.session, trajectory.items[:cut], turn.index, step)
    return prefix, Reference(trajectory.items[cut : turn.end])


def steps(trajectory: Trajectory, turn: Turn) -> tuple[int, ...]:
    """Item indexes of the turn's agent messages that may be cut at: those with no call still open before them."""
    answered = {p.call.id: p.result_position for p in call_pairs(trajectory.items[: turn.end])}
    open_until = -1
    cuts: list[int] = []
    for index in range(turn.start, turn.end):
        item = trajectory.items[index]
        if not isinstance(item, Message) or item.role != "assistant":
            continue
        if index > open_until and item.origin == "agent":
            cuts.append(index)
        for call in item.calls:
            open_until = max(open_until, answered.get(call.id) or -1)
    return tuple(cuts)


def last_time(items: Sequence[Item]) -> float | None:
    """The latest stated time of `items`, Unix seconds."""
    return max((item.at for item in items if item.at is not None), default=None)


def canonical_json(value: Any) -> str:
    """One text per JSON value: sorted keys, no spaces, non-ASCII kept (RFC 8785 in spirit, Python float forms)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_hash(value: Any) -> str:
    """Hex SHA-256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()


def dump_trajectory(trajectory: Trajectory) -> bytes:
    """The trajectory as UTF-8 JSON; `load_trajectory` is its inverse."""
    return _TRAJECTORY.dump_json(trajectory)


def load_trajectory(data: bytes | str) -> Trajectory:
    """Read what `dump_trajectory` wrote.

    Raises:
        pydantic.ValidationError: `data` is not a trajectory.
    """
    return _TRAJECTORY.validate_json(data)


def _first_agent_message(items: Sequence[Item]) -> int | None:
    for index, item in enumerate(items):
        if isinstance(item, Message) and item.role == "assistant" and item.origin == "agent":
            return index
    return None

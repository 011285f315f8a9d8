"""SWE-agent `.traj` files, 0.x and 1.x: one JSON document of steps and of the history that the model saw.

Format: SWE-agent/SWE-agent `sweagent/types.py` and `docs/usage/trajectories.md`. The history is the model's view;
the steps add raw observations, states and durations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.importers.base import Skipped
from harness.importers.pairing import CallBook, SkipCounts
from harness.importers.reading import Damaged, parse_json, read_document
from harness.importers.sniffing import key_paths
from harness.importers.values import (
    as_list,
    as_number,
    as_object,
    as_text,
    content_text,
    first_text,
    member,
    parse_arguments,
    platform_of,
)
from toolsim.trajectory import (
    Item,
    JsonObject,
    Message,
    Repository,
    Rewind,
    Session,
    ToolCall,
    ToolResult,
    Trajectory,
    content_hash,
)

_HASH = re.compile(r"^[0-9a-f]{7,64}$")
_DIRECTORY = (
    re.compile(r"\(Current directory: ([^)\n]+)\)"),
    re.compile(r"<uploaded_files>\s*(/\S+)\s*</uploaded_files>"),
)
_KNOWN = frozenset({"trajectory", "history", "info", "environment", "replay_config"})


@dataclass(frozen=True, slots=True)
class SweAgent:
    """Importer of SWE-agent trajectories."""

    name: str = "swe-agent"

    def sniff(self, _path: Path, head: bytes, /) -> bool:
        """A document with `trajectory` steps of actions, or its history of roles and agents."""
        keys = key_paths(head, depth=3)
        if "trajectory" not in keys or "trajectory_format" in keys or "schema_version" in keys:
            return False
        steps = {"trajectory[].action", "trajectory[].observation", "trajectory[].response"}
        return bool(keys & steps) or {"environment", "info"} <= keys

    def read(self, path: Path) -> Iterator[Trajectory | Skipped]:
        """The one session of the file."""
        document = read_document(path)
        if isinstance(document, Skipped):
            yield document
            return
        if not isinstance(document, dict):
            yield Skipped(str(path), "file", "no JSON object")
            return
        skips = SkipCounts(path)
        for key in sorted(set(document) - _KNOWN):
            skips.add("file", f"unknown part {key!r}")
        trajectory = _Reader(path.name, skips, as_list(document.get("trajectory"))).read(document)
        if trajectory.items:
            yield trajectory
        else:
            skips.add("file", "no message in it")
        yield from skips


SWE_AGENT = SweAgent()


@dataclass(slots=True)
class _Reader:
    """One document; `cwd` follows the states of the steps."""

    name: str
    skips: SkipCounts
    steps: list[Any]
    items: list[Item] = field(default_factory=list)
    book: CallBook = field(default_factory=CallBook)
    cwd: str | None = None
    next_step: int = 0
    waiting: list[tuple[ToolCall, JsonObject | None]] = field(default_factory=list)

    def read(self, document: JsonObject) -> Trajectory:
        history = as_list(document.get("history"))
        config = _config(document.get("replay_config"))
        self.cwd = _first_directory(history) or _working_directory(as_object(next(iter(self.steps), None)))
        session = _session(document, config, self.cwd)
        acting = any(_is_action(as_object(entry)) for entry in history)
        for number, entry in enumerate(history):
            if isinstance(entry, dict):
                self._entry(entry, number)
            else:
                self.skips.add(f"history[{number}]", f"a JSON {type(entry).__name__} instead of a message")
        self._answer_from_steps()
        first_hidden = len(self.items)
        for number in range(self.next_step, len(self.steps)):
            self._bare_step(number)
        if acting and len(self.items) > first_hidden:
            self.items.append(Rewind(first_hidden))
        info = as_object(document.get("info"))
        return Trajectory(session, tuple(self.items), dict(info))

    def _entry(self, entry: JsonObject, number: int) -> None:
        role = as_text(entry.get("role")) or "user"
        text, images = content_text(entry.get("content"))
        source = f"{self.name}:history[{number}]"
        if _is_action(entry):
            self._answer_from_steps()
            self._action(entry, text, source)
            return
        result_ids = [i for i in as_list(entry.get("tool_call_ids")) if isinstance(i, str)]
        if self.waiting and role in {"user", "tool"}:
            self._observation(text, images, source, result_ids, role)
            return
        if role == "tool":
            self.skips.add(f"history[{number}]", "a tool message that answers no open call")
            return
        demo = entry.get("is_demo") is True
        starts = (
            role == "user"
            and not demo
            and not any(isinstance(m, Message) and m.origin in {"user", "agent"} for m in self.items)
        )
        self.items.append(
            Message(
                role="assistant" if role == "assistant" else "system" if role == "system" else "user",
                text=text,
                origin="user" if starts else "agent" if role == "assistant" and not demo else "harness",
                cwd=self.cwd,
                source=source,
                extra={"demonstration": True} if demo else {},
            )
        )

    def _action(self, entry: JsonObject, text: str, source: str) -> None:
        action = as_text(entry.get("action")) or ""
        step = self._step(action)
        calls = []
        for recorded in as_list(entry.get("tool_calls")):
            function = as_object(member(recorded, "function"))
            arguments, raw = parse_arguments(function.get("arguments"))
            name = as_text(function.get("name"))
            if name is not None:
                calls.append(self.book.add(name, arguments, raw, as_text(as_object(recorded).get("id"))))
        if not calls and action:
            calls.append(self.book.add("command", {"command": action}, action))
        thoughts = [as_text(as_object(block).get("thinking")) for block in as_list(entry.get("thinking_blocks"))]
        self.waiting.extend((call, step if place == 0 else None) for place, call in enumerate(calls))
        self.items.append(
            Message(
                role="assistant", text=text, origin="agent", calls=tuple(calls), cwd=self.cwd, source=source,
                reasoning="\n".join(t for t in thoughts if t) or None,
            )
        )  # fmt: skip

    def _step(self, action: str) -> JsonObject | None:
        """The next step with this action; steps that the history leaves out happened unseen by the model."""
        for place in range(self.next_step, len(self.steps)):
            step = as_object(self.steps[place])
            if (as_text(step.get("action")) or "").strip() == action.strip():
                first_hidden = len(self.items)
                for left_out in range(self.next_step, place):
                    self._bare_step(left_out)
                if len(self.items) > first_hidden:
                    self.items.append(Rewind(first_hidden))
                self.next_step = place + 1
                return step
        return None

    def _observation(self, text: str, images: int, source: str, recorded: list[str], role: str) -> None:
        found = next((pair for pair in self.waiting if pair[0].recorded_id in recorded), self.waiting[0])
        self.waiting.remove(found)
        observation = member(found[1], "observation")
        if role == "user" and isinstance(observation, str) and text.startswith(observation):
            self._result(found, observation, images, source, {"role": role}, shown=text)
        else:
            self._result(found, text, images, source, {} if role == "tool" else {"role": role})

    def _answer_from_steps(self) -> None:
        """What the tool answered after the model's last view of it stands in the steps only."""
        for call, step in self.waiting:
            observation = member(step, "observation")
            if step is not None and isinstance(observation, str):
                source = f"{self.name}:trajectory[{self.next_step - 1}]"
                self._result((call, step), observation, 0, source, {"shown": False})
        self.waiting = []

    def _result(
        self,
        pair: tuple[ToolCall, JsonObject | None],
        text: str,
        images: int,
        source: str,
        extra: JsonObject,
        *,
        shown: str = "",
    ) -> None:
        """`shown` is the whole message where a prompt of the scaffold follows the observation (0.x)."""
        call, step = pair
        self.book.answer(call.recorded_id, among=(call.id,))
        structured = None
        if step is not None:
            self.cwd = self._directory_after(step)
            structured = {"observation": step.get("observation"), "state": _state(step), "action": step.get("action")}
        duration = as_number(member(step, "execution_time"))
        result = ToolResult(call.id, text, duration=duration, images=images, structured=structured)
        self.items.append(Message("tool", shown, "tool", result=result, cwd=self.cwd, source=source, extra=extra))

    def _directory_after(self, step: JsonObject) -> str | None:
        """Where the shell stood after a step: 0.x keeps the state before each action as text, 1.x the one after it."""
        if not isinstance(step.get("state"), str):
            return _working_directory(step) or self.cwd
        place = next(n for n, each in enumerate(self.steps) if each is step)
        return _working_directory(as_object(next(iter(self.steps[place + 1 : place + 2]), None)))

    def _bare_step(self, number: int) -> None:
        """A step that only the list of steps has."""
        step = self.steps[number]
        if not isinstance(step, dict):
            self.skips.add(f"trajectory[{number}]", f"a JSON {type(step).__name__} instead of a step")
            return
        source, action = f"{self.name}:trajectory[{number}]", as_text(step.get("action")) or ""
        text = first_text(step.get("response"), step.get("thought")) or ""
        calls = (self.book.add("command", {"command": action}, action),) if action else ()
        self.items.append(Message("assistant", text, "agent", calls=calls, cwd=self.cwd, source=source))
        observation = step.get("observation")
        if calls and isinstance(observation, str):
            self._result((calls[0], step), observation, 0, source, {})


def _is_action(entry: JsonObject) -> bool:
    if entry.get("role") != "assistant" or entry.get("is_demo") is True:
        return False
    return bool(entry.get("action") or entry.get("tool_calls")) or entry.get("message_type") == "action"


def _config(value: Any) -> JsonObject:
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except Damaged:
            return {}
    return as_object(value)


def _state(step: JsonObject) -> Any:
    state = step.get("state")
    if isinstance(state, str):
        try:
            return parse_json(state)
        except Damaged:
            return state
    return state


def _working_directory(step: JsonObject) -> str | None:
    return as_text(member(_state(step), "working_dir"))


def _first_directory(history: list[Any]) -> str | None:
    """The directory that the task's own text names, before anything ran."""
    for entry in history:
        message = as_object(entry)
        if _is_action(message):
            return None
        if message.get("role") == "user" and message.get("is_demo") is not True:
            text, _ = content_text(message.get("content"))
            for pattern in _DIRECTORY:
                if (found := pattern.findall(text)) and found[-1] != "n/a":
                    return str(found[-1])
    return None


def _session(document: JsonObject, config: JsonObject, cwd: str | None) -> Session:
    environment = as_text(document.get("environment"))
    instance = environment if environment not in {None, "swe_main"} else None
    repo = as_object(member(config, "env", "repo"))
    commit = as_text(repo.get("base_commit"))
    metadata: JsonObject = {
        "instance_id": first_text(instance, member(config, "agent", "name")),
        "repo_name": as_text(repo.get("repo_name")),
        "image": as_text(member(config, "env", "deployment", "image")),
    }
    own = f"{metadata['instance_id'] or 'swe-agent'}-{content_hash(document)[:16]}"
    return Session(
        id=own, agent="swe-agent", format="swe-agent", lineage=own, cwd=cwd,
        agent_version=as_text(member(document, "info", "swe_agent_version")),
        model=as_text(member(config, "agent", "model", "name")),
        repository=Repository(as_text(repo.get("github_url")), commit if commit and _HASH.match(commit) else None),
        platform=platform_of([cwd]) or "linux", autonomous=True,
        metadata={key: value for key, value in metadata.items() if value is not None},
    )  # fmt: skip

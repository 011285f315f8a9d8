"""OpenHands sessions: V0 event lists, action/observation pairs and evaluation `output.jsonl`; V1 SDK directories.

Format: All-Hands-AI/OpenHands `openhands/events/serialization/event.py`; OpenHands/software-agent-sdk
`openhands-sdk/openhands/sdk/event/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.importers.base import Skipped
from harness.importers.openhands_events import Conversation
from harness.importers.openhands_sdk import take_sdk_event
from harness.importers.openhands_v0 import take_event
from harness.importers.pairing import SkipCounts
from harness.importers.reading import Record, read_document, read_records
from harness.importers.sniffing import key_paths
from harness.importers.values import as_list, as_object, as_text, first_text, member, platform_of
from toolsim.trajectory import JsonObject, Message, Repository, Trajectory, content_hash

_SLUG = re.compile(r"^[\w.-]+/[\w.-]+$")
_UPLOADED = re.compile(r"<uploaded_files>\s*(/\S+)\s*</uploaded_files>")
_OUTCOME = ("test_result", "metrics", "error", "report", "resolved")


@dataclass(frozen=True, slots=True)
class OpenHands:
    """Importer of OpenHands sessions."""

    name: str = "openhands"

    def sniff(self, path: Path, head: bytes, /) -> bool:
        """Events (`action` or `observation` beside `source`), evaluation lines, or an SDK directory."""
        if path.is_dir():
            return next((path / "events").glob("event-*.json"), None) is not None
        keys = key_paths(head, depth=4)
        if "schema_version" in keys or "trajectory" in keys:
            return False
        for base in ("", "[].", "[][].", "history[].", "history[][]."):
            has = {
                key for key in ("action", "observation", "kind", "source", "args", "extras", "id") if base + key in keys
            }
            if {"source", "id"} <= has and has & {"action", "observation"}:
                return True
            if {"source", "kind", "id"} <= has and b"Event" in head:
                return True
            if base.startswith("history") and has & {"action", "observation"} and "instance_id" in keys:
                return True
        return {"instance_id", "test_result.git_patch"} <= keys or {
            "instance_id",
            "instruction",
            "metadata.agent_class",
        } <= keys

    def read(self, path: Path) -> Iterator[Trajectory | Skipped]:
        """One trajectory for a list or directory of events, one for each line of an evaluation output."""
        skips = SkipCounts(path)
        if path.is_dir():
            yield from _read_directory(path, skips)
        else:
            yield from _read_file(path, skips)
        yield from skips


OPENHANDS = OpenHands()


def _read_file(path: Path, skips: SkipCounts) -> Iterator[Trajectory | Skipped]:
    loose: list[tuple[str, JsonObject]] = []
    damaged: list[Skipped] = []
    found = False
    for record in read_records(path):
        if isinstance(record, Skipped):
            damaged.append(record)
        elif "history" in record.value or "instance_id" in record.value:
            found = True
            yield from _evaluation(record, path, skips)
        else:
            loose.append((str(record.line), record.value))
    if not found and (len(loose) <= 1 or damaged):
        document = read_document(path)
        if not isinstance(document, Skipped):
            damaged, loose = [], []
            if isinstance(document, dict) and ("history" in document or "instance_id" in document):
                yield from _evaluation(Record(1, document), path, skips)
                return
            loose = list(_events(document, skips))
    yield from damaged
    if loose:
        yield from _conversation(loose, path, skips, {})


def _evaluation(record: Record, path: Path, skips: SkipCounts) -> Iterator[Trajectory]:
    """One line of an evaluation output: a task, its events, its result."""
    value = record.value
    events = [(f"{record.line}.{place}", event) for place, event in _events(value.get("history"), skips)]
    yield from _conversation(events, path, skips, value)


def _events(value: Any, skips: SkipCounts) -> Iterable[tuple[str, JsonObject]]:
    """Events of a list, also one of `[action, observation]` pairs."""
    entries = as_object(value).get("events", as_object(value).get("trajectory")) if isinstance(value, dict) else value
    for number, entry in enumerate(as_list(entries)):
        pair = entry if isinstance(entry, list) else [entry]
        for event in pair:
            if isinstance(event, dict):
                yield str(number), event
            elif event is not None:
                skips.add(f"event {number}", f"a JSON {type(event).__name__} instead of an event")


def _conversation(
    events: list[tuple[str, JsonObject]], path: Path, skips: SkipCounts, evaluation: JsonObject
) -> Iterator[Trajectory]:
    conversation = Conversation(path.name, skips)
    for where, event in events:
        if _is_sdk(event):
            take_sdk_event(conversation, event, where)
        else:
            take_event(conversation, event, where)
    conversation.flush()
    if not any(isinstance(item, Message) for item in conversation.items):
        skips.add(f"line {events[0][0].partition('.')[0]}" if events else "file", "no message in it")
        return
    instance = as_object(evaluation.get("instance"))
    instance_id = first_text(evaluation.get("instance_id"), instance.get("instance_id"))
    repo = as_text(instance.get("repo"))
    instruction = as_text(evaluation.get("instruction"))
    uploaded = _UPLOADED.search(instruction) if instruction else None
    own = f"{instance_id or 'openhands'}-{content_hash([event for _, event in events])[:16]}"
    metadata = {
        "instance_id": instance_id,
        "repo": repo,
        "agent_class": member(evaluation, "metadata", "agent_class"),
        "dataset": member(evaluation, "metadata", "dataset"),
    }
    session = conversation.session(own, autonomous=bool(evaluation))
    cwd = uploaded[1] if uploaded else session.cwd
    yield Trajectory(
        replace(
            session,
            cwd=cwd,
            platform=platform_of([cwd]) or session.platform,
            model=session.model or as_text(member(evaluation, "metadata", "llm_config", "model")),
            repository=Repository(
                url=f"https://github.com/{repo}" if repo and _SLUG.match(repo) else repo,
                commit=as_text(instance.get("base_commit")),
            ),
            metadata={key: value for key, value in metadata.items() if value is not None},
        ),
        tuple(conversation.items),
        {key: evaluation[key] for key in _OUTCOME if evaluation.get(key) is not None},
    )


def _is_sdk(event: JsonObject) -> bool:
    return isinstance(event.get("kind"), str) and str(event["kind"]).endswith(("Event", "Observation", "Condensation"))


def _read_directory(path: Path, skips: SkipCounts) -> Iterator[Trajectory | Skipped]:
    state: JsonObject = {}
    if (path / "base_state.json").is_file():
        found = read_document(path / "base_state.json")
        if isinstance(found, Skipped):
            yield found
        state = as_object(found)
    conversation = Conversation(path.name, skips)
    for file in sorted((path / "events").iterdir()):
        if not (file.name.startswith("event-") and file.suffix == ".json"):
            skips.add(f"events/{file.name}", "no event file")
            continue
        event = read_document(file)
        if isinstance(event, Skipped):
            yield event
        elif isinstance(event, dict):
            take_sdk_event(conversation, event, file.name)
        else:
            yield Skipped(str(file), "file", "no JSON object")
    conversation.flush()
    if not any(isinstance(item, Message) for item in conversation.items):
        skips.add("events", "no message in it")
        return
    own = first_text(state.get("id")) or f"{path.name}-{content_hash([repr(i) for i in conversation.items])[:16]}"
    cwd = first_text(member(state, "workspace", "working_dir"), member(state, "agent", "working_dir"))
    session = conversation.session(own, autonomous=False)
    yield Trajectory(
        replace(
            session, cwd=cwd or session.cwd, platform=platform_of([cwd]) or session.platform,
            model=first_text(member(state, "agent", "llm", "model"), session.model),
        ),
        tuple(conversation.items),
        {key: state[key] for key in ("execution_status", "stats") if key in state},
    )  # fmt: skip

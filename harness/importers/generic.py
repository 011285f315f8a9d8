"""Agents without an importer of their own, read by structure: records with roles, calls and results, in JSON or JSONL.

Seen in the wild and known by name: Cursor, Factory Droid, Qwen Code, Grok CLI, Kimi Code, Antigravity, OpenCode. The
rest is `generic`, named after its folder where that names a known product.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.importers.base import Skipped
from harness.importers.draft import Draft
from harness.importers.generic_dialects import Dialect, dialect_of, has_dialect
from harness.importers.generic_records import is_record
from harness.importers.pairing import SkipCounts
from harness.importers.reading import Record, read_document, read_records
from harness.importers.sniffing import head_records, key_paths
from harness.importers.values import as_list, as_object, as_text, first_text, unix_time
from toolsim.trajectory import JsonObject, Message, Repository, Session, Trajectory, content_hash

_LISTS = (
    "messages",
    "items",
    "events",
    "history",
    "conversation",
    "turns",
    "steps",
    "records",
    "transcript",
    "entries",
)
_PRODUCTS = (
    "cursor", "droid", "factory", "openclaw", "kimi", "qwen", "grok", "antigravity", "opencode", "amp", "cline", "roo",
    "aider", "windsurf", "goose", "crush", "auggie", "kilo", "continue", "zed", "warp", "junie", "hermes",
)  # fmt: skip
_HEADERS = frozenset({None, "session", "session_start", "session_meta", "session.start", "metadata", "init"})
_CWD = re.compile(r"(?:Workspace Path|Working directory|cwd)[:=]\s*((?:/|[A-Za-z]:[\\/])[^\n<\"]{1,400})")


@dataclass(frozen=True, slots=True)
class Generic:
    """Importer of the last resort."""

    name: str = "generic"

    def sniff(self, path: Path, head: bytes) -> bool:  # noqa: ARG002  told by content
        """Records, or lists of records, that say who speaks or which tool runs."""
        records = head_records(head)[:30]
        if has_dialect(records) or any(is_record(record) for record in records):
            return True
        keys = key_paths(head, depth=4)
        lists = {f"{name}[]" for name in _LISTS} | {"[]"}
        signs = ("role", "message.role", "info.role", "parts[].type", "tool_calls[].name", "toolCalls[].name")
        return any(f"{base}.{sign}" in keys for base in lists for sign in signs)

    def read(self, path: Path) -> Iterator[Trajectory | Skipped]:
        """The sessions of the file: one, unless its records name several."""
        skips = SkipCounts(path)
        about: JsonObject = {}
        groups: dict[str | None, list[Record]] = {}
        for record in _records(path, about):
            if isinstance(record, Skipped):
                yield record
            else:
                groups.setdefault(_session_of(record.value), []).append(record)
        unnamed = groups.pop(None, [])
        if not groups:
            groups[None] = unnamed
        else:
            first = next(iter(groups))
            groups[first] = sorted([*unnamed, *groups[first]], key=lambda record: record.line)
        found = 0
        for own, records in groups.items():
            trajectory = _read(path, own, records, about, skips)
            if trajectory is not None:
                found += 1
                yield trajectory
        if not found:
            skips.add("file", "no message in it")
        yield from skips


GENERIC = Generic()


def _records(path: Path, about: JsonObject) -> Iterator[Record | Skipped]:
    """The records of the file; what a document says of all of them goes into `about`."""
    document = read_document(path)
    if isinstance(document, Skipped) or (isinstance(document, dict) and not _listed(document)):
        yield from read_records(path)
        return
    values = document
    if isinstance(document, dict):
        key = _listed(document)
        values = document[key]
        about |= {name: value for name, value in document.items() if name != key}
    for number, value in enumerate(as_list(values)):
        if isinstance(value, dict):
            yield Record(number, value)
        else:
            yield Skipped(str(path), f"[{number}]", f"a JSON {type(value).__name__} instead of a record")
    if not isinstance(values, list):
        yield Skipped(str(path), "file", f"a JSON {type(document).__name__} instead of records")


def _listed(document: JsonObject) -> str:
    return next((key for key in _LISTS if isinstance(document.get(key), list)), "")


def _session_of(record: JsonObject) -> str | None:
    return first_text(record.get("sessionId"), record.get("session_id"), record.get("sessionID"))


def _read(
    path: Path, own: str | None, records: list[Record], about: JsonObject, skips: SkipCounts
) -> Trajectory | None:
    draft = Draft(path.name, skips)
    dialect = dialect_of([record.value for record in records], draft)
    for record in records:
        dialect.take(record.value, f"{record.line}")
    if not draft.messages():
        return None
    values = [*(record.value for record in records), about, as_object(about.get("info"))]
    session = _session(path, own, values, draft, dialect)
    items = draft.items
    if session.autonomous:
        items = [replace(i, origin="harness") if isinstance(i, Message) and i.origin == "user" else i for i in items]
    return Trajectory(session, tuple(items), dialect.outcome)


def _session(path: Path, own: str | None, values: list[JsonObject], draft: Draft, dialect: Dialect) -> Session:
    headers = [value for value in values if not is_record(value)]
    named = own or _first(
        [v for v in headers if as_text(v.get("type")) in _HEADERS or v is values[-1]], "id", "sessionId", "session_id"
    )
    cwd = _first(values, "cwd", "directory", "workspacePath", "workspace") or dialect.cwd or _told_cwd(draft.messages())
    session_id = named or f"{dialect.agent or 'session'}-{content_hash(values)[:16]}"
    is_agent = dialect.is_agent or path.parent.name == "subagents" or "__subagents__" in path.name
    parent = _first(headers, "parentID", "parentSessionId", "parent_session_id")
    return Session(
        id=session_id,
        agent=dialect.agent or _product(path),
        format="generic",
        lineage=parent or session_id,
        agent_version=_first(values, "version", "cliVersion", "agentVersion"),
        model=draft.model() or dialect.model,
        cwd=cwd,
        repository=Repository(
            _first(headers, "repository_url", "repositoryUrl", "remote"),
            _first(headers, "commit", "commit_hash", "headCommit"),
            _first(values, "gitBranch", "branch"),
        ),
        platform=draft.platform(cwd),
        system_prompt=dialect.system_prompt,
        tools=dialect.tools,
        started_at=draft.started_at() or unix_time(_first_any(headers, "created_at", "createdAt", "timestamp", "time")),
        parent=parent,
        autonomous=is_agent,
        metadata={"dialect": dialect.name},
    )


def _first(values: Iterable[JsonObject], *keys: str) -> str | None:
    return next((text for key in keys for value in values if (text := as_text(value.get(key))) is not None), None)


def _first_any(values: Iterable[JsonObject], *keys: str) -> Any:
    return next((value[key] for key in keys for value in values if value.get(key) is not None), None)


def _told_cwd(messages: Iterable[Message]) -> str | None:
    """The directory that injected context names before the agent first speaks."""
    for message in messages:
        if message.role == "assistant":
            return None
        if (found := _CWD.search(message.text[:20000])) is not None and message.origin == "harness":
            return found[1].strip()
    return None


def _product(path: Path) -> str:
    """The product that the file's folders or name speak of."""
    for part in (path.name, *reversed(path.parts[:-1])):
        words = re.split(r"[^a-z0-9]+", part.lower())
        for product in _PRODUCTS:
            if product in words:
                return "droid" if product == "factory" else product
    return "generic"

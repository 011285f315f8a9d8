"""The parent session of a Claude Code sub-agent file, looked up in the files that lie beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.importers.base import Skipped
from harness.importers.reading import Damaged, parse_json, read_lines
from harness.importers.values import as_list, as_object, as_text, kind_of, member
from toolsim.trajectory import JsonObject


@dataclass(frozen=True, slots=True)
class Parent:
    """What the parent's file tells: the call that started the sub-agent and the first message's uuid."""

    call: str | None = None
    root: str | None = None


def find_parent(path: Path, session: str, agent: str) -> Parent:
    """Read the parent's file if the sub-agent's file lies where Claude Code puts it; else nothing is known."""
    named = f"{session}.jsonl"
    for candidate in (path.with_name(named), path.parent.parent / named, path.parent.parent.parent / named):
        if "/" in session or "\\" in session or "\0" in session:
            break
        if candidate == path or candidate.is_file():
            call = _stated_call(path)
            return _scan(candidate, agent, call)
    return Parent(_stated_call(path))


def _stated_call(path: Path) -> str | None:
    """Newer versions write `agent-<id>.meta.json` beside the file."""
    meta = path.with_suffix(".meta.json")
    try:
        return as_text(member(json.loads(meta.read_bytes()[:1_000_000]), "toolUseId")) if meta.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None


def _scan(path: Path, agent: str, call: str | None) -> Parent:
    root = None
    needle = json.dumps(agent).encode()
    for line in read_lines(path):
        if isinstance(line, Skipped) or (root is not None and (call is not None or needle not in line[1])):
            continue
        try:
            record = as_object(parse_json(line[1]))
        except Damaged:
            continue
        if root is None and kind_of(record) in {"user", "assistant"} and record.get("isSidechain") is not True:
            root = as_text(record.get("uuid"))
        call = call or _call_in(record, agent)
    return Parent(call, root)


def _call_in(record: JsonObject, agent: str) -> str | None:
    if member(record, "data", "agentId") == agent:
        return as_text(record.get("parentToolUseID"))
    if member(record, "toolUseResult", "agentId") != agent:
        return None
    blocks = as_list(member(record, "message", "content"))
    return next((i for block in blocks if (i := as_text(as_object(block).get("tool_use_id"))) is not None), None)

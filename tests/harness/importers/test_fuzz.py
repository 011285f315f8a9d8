"""Whatever a file holds, an importer ends, raises nothing, and what it gives can be stored and exported."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.importers.atif import ATIF, from_atif, to_atif
from harness.importers.base import Importer, Skipped
from harness.importers.chat import CHAT
from harness.importers.copilot import COPILOT
from harness.importers.gemini import GEMINI
from harness.importers.generic import GENERIC
from harness.importers.inspect_eval import INSPECT
from harness.importers.pi import PI
from tests.harness.importers import (
    test_atif,
    test_copilot,
    test_generic,
    test_inspect_eval,
)
from toolsim.trajectory import (
    Message,
    Session,
    Trajectory,
    call_pairs,
    dump_trajectory,
    load_trajectory,
    model_view,
    turns,
)

CALL = {"id": "c", "type": "function", "function": {"name": "ls", "arguments": "{}"}}
CHATS = [
    {"role": "user", "content": [{"type": "text", "text": "go"}]},
    {"role": "assistant", "content": "", "tool_calls": [CALL], "function_call": {"name": "f", "arguments": "{}"}},
    {"role": "tool", "tool_call_id": "c", "content": "x"},
]
RESPONSES = {
    "id": "r", "previous_response_id": "q", "input": "go", "tools": [CALL],
    "output": [{"type": "reasoning", "summary": [{"text": "h"}]}, {"type": "mcp_call", "id": "m", "output": {"a": 1}}],
}  # fmt: skip
GEMINIS = [
    {"sessionId": "s", "projectHash": "p", "kind": "subagent", "directories": ["/r"]},
    {"id": "u", "type": "user", "content": [
        {"text": "go"}, {"functionResponse": {"id": "c", "response": {"output": "x"}}}]},
    {"id": "g", "type": "gemini", "content": "", "thoughts": [{"subject": "a"}],
     "toolCalls": [{"id": "c", "name": "ls", "args": {}, "status": "error", "result": [{"text": "x"}]}]},
    {"$set": {"messages": [{"id": "v", "type": "user", "content": "sum"}]}}, {"$rewindTo": "u"},
]  # fmt: skip
PIS = [
    {"type": "session", "id": "s", "cwd": "/r", "parentSession": "x"},
    {"type": "message", "id": "1", "parentId": None, "message": {"role": "user", "content": "go"}},
    {"type": "message", "id": "2", "parentId": "1", "message": {"role": "assistant", "content": [
        {"type": "toolCall", "id": "c", "name": "ls", "arguments": {}}, {"type": "thinking", "thinking": "h"}]}},
    {"type": "message", "id": "3", "parentId": "2", "message": {"role": "toolResult", "toolCallId": "c", "content": [
        {"type": "text", "text": "x"}]}},
    {"type": "compaction", "id": "4", "parentId": "3", "summary": "s", "firstKeptEntryId": "2"},
    {"type": "branch_summary", "id": "5", "parentId": "1", "summary": "b"},
]  # fmt: skip
SEEDS: list[tuple[Importer, list[Any], bool]] = [
    (CHAT, CHATS, True), (CHAT, [CHATS], False), (CHAT, [RESPONSES, RESPONSES], True),
    (CHAT, [[{"task_id": 1, "trial": 0, "traj": CHATS, "info": {"task": {}}}]], False),
    (COPILOT, test_copilot._start().add("user.message", {"content": "go"})
     .add("assistant.message", test_copilot._request("c")).add("tool.execution_start", {"toolCallId": "c"})
     .add("tool.execution_complete", {"toolCallId": "c", "result": {"content": "x"}, "error": {"message": "m"}})
     .add("session.compaction_complete", {"summaryContent": "s"})
     .add("session.snapshot_rewind", {"upToEventId": "e2"}).events, True),
    (GEMINI, GEMINIS, True), (GEMINI, [{**GEMINIS[0], "messages": GEMINIS[1:3]}], False), (PI, PIS, True),
    (GENERIC, list(test_generic.CURSOR + test_generic.DROID + test_generic.GROK), True),
    (GENERIC, list(test_generic.KIMI), True), (GENERIC, list(test_generic.ANTIGRAVITY), True),
    (GENERIC, list(test_generic.QWEN), True), (GENERIC, [test_generic.OPENCODE], False),
    (INSPECT, [{"eval": test_inspect_eval.EVAL, "samples": [test_inspect_eval._simple()]}], False),
    (ATIF, [test_atif._foreign({"source": "agent", "message": "", "tool_calls": [
        {"tool_call_id": "c", "function_name": "f", "arguments": {}}],
        "observation": {"results": [{"source_call_id": "c", "content": "x"}]}})], False),
    (ATIF, [to_atif(Trajectory(Session("s", "codex", "codex", "s"), (Message("user", "hi", cwd="/r"),)))], False),
]  # fmt: skip
ODD = [
    None,
    True,
    -1,
    10**30,
    1.5,
    1e300,
    "",
    "x",
    "\x00",
    "9999-99-99T99:99:99Z",
    [],
    [[]],
    {},
    {"text": None},
    ["a", 1],
    "{",
]


def _mutated(value: Any, rng: random.Random, chance: float) -> Any:
    """The value with some parts replaced, dropped or doubled."""
    if rng.random() < chance:
        return rng.choice(ODD)
    if isinstance(value, list):
        kept = [_mutated(item, rng, chance) for item in value if rng.random() > chance]
        return kept + kept[: rng.choice([0, 0, 0, 1, 2])]
    if isinstance(value, dict):
        return {key: _mutated(item, rng, chance) for key, item in value.items() if rng.random() > chance}
    return value


def _checked(path: Path, importer: Importer) -> None:
    for item in importer.read(path):
        if isinstance(item, Skipped):
            assert item.reason
            continue
        assert load_trajectory(dump_trajectory(item)) == item
        ids = [pair.call.id for pair in call_pairs(item.items)]
        assert len(ids) == len(set(ids))
        model_view(item.items)
        turns(item)
        assert from_atif(json.loads(json.dumps(to_atif(item))), path) == [item]


@pytest.mark.parametrize(
    ("importer", "values", "by_line"), SEEDS, ids=[f"{i.name}-{n}" for n, (i, _, _) in enumerate(SEEDS)]
)
def test_damaged_recordings_never_raise(tmp_path: Path, importer: Importer, values: list[Any], by_line: bool) -> None:
    rng = random.Random(7)
    for number in range(60):
        path = tmp_path / f"{number}.json"
        mutated = [_mutated(value, rng, rng.choice([0.02, 0.1, 0.3])) for value in values]
        if by_line:
            text = "\n".join(json.dumps(value) for value in mutated)
        else:
            text = json.dumps(mutated[0] if mutated else None)
        if rng.random() < 0.2:
            text = text[: rng.randrange(len(text) + 1)]
        path.write_text(text, "utf-8")
        importer.sniff(path, text.encode()[:65536])
        _checked(path, importer)


@given(st.binary(max_size=200), st.sampled_from([ATIF, CHAT, COPILOT, GEMINI, GENERIC, INSPECT, PI]))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_end_in_named_skips(tmp_path: Path, data: bytes, importer: Importer) -> None:
    path = tmp_path / "x.bin"
    for content in (data, b"PK\x03\x04" + data):
        path.write_bytes(content)
        importer.sniff(path, content)
        assert all(isinstance(item, Skipped) for item in importer.read(path))


@pytest.mark.parametrize("importer", [ATIF, CHAT, COPILOT, GEMINI, GENERIC, PI], ids=lambda importer: importer.name)
def test_an_empty_file_is_named(tmp_path: Path, importer: Importer) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"")
    [skipped] = list(importer.read(path))
    assert isinstance(skipped, Skipped)


def test_deep_nesting_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"messages":' + "[" * 5000 + "]" * 5000 + "}")
    assert all(isinstance(item, Skipped) for item in CHAT.read(path))

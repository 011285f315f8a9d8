"""Damaged sessions: whatever stands where something else was expected, reading goes on and what comes out is sound."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.importers import Skipped
from harness.importers.claude_code import CLAUDE_CODE
from harness.importers.codex import CODEX
from harness.importers.mini_swe_agent import MINI_SWE_AGENT
from harness.importers.openhands import OPENHANDS
from harness.importers.swe_agent import SWE_AGENT
from toolsim.trajectory import Message, call_pairs, dump_trajectory, load_trajectory, model_view, steps, turns


def chained(kind, uuid, parent, **fields):
    return {
        "type": kind, "uuid": uuid, "parentUuid": parent, "sessionId": "s", "isSidechain": False, "cwd": "/home/x",
        "timestamp": "2026-01-01T00:00:00Z", **fields,
    }  # fmt: skip


def blocks(*content, **fields):
    return {"message": {"id": "m", "content": list(content), **fields}}


USE = {"type": "tool_use", "id": "c1", "name": "Bash", "input": {"command": "ls"}}
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "a"}], "is_error": True}
SHOWN = {"type": "assistant", "message": {"content": [USE]}}
CLAUDE = [
    chained("user", "u1", None, message={"content": "go"}, planContent="p", origin={"kind": "human"}),
    chained("assistant", "a1", "u1", **blocks({"type": "thinking", "thinking": "t"}, USE)),
    chained("user", "r1", "a1", **blocks(RESULT), toolUseResult={"durationMs": 3}, sourceToolAssistantUUID="a1"),
    chained("progress", "p1", "r1", data={"type": "agent_progress", "agentId": "x", "message": SHOWN}),
    chained("attachment", "t1", "r1", attachment={"type": "queued_command", "prompt": "p", "content": ["x"]}),
    {"type": "queue-operation", "operation": "enqueue", "content": "q"},
    {"type": "queue-operation", "operation": "remove"},
    chained("system", "b1", None, subtype="compact_boundary", logicalParentUuid="r1",
            compactMetadata={"preservedSegment": {"headUuid": "a1", "tailUuid": "r1"}}),
    chained("user", "u2", "b1", message={"content": "sum"}, isCompactSummary=True),
    chained("system", "b2", "u2", subtype="microcompact_boundary", microcompactMetadata={"compactedToolIds": ["c1"]}),
    chained("system", "b3", "b2", subtype="api_refusal", retractedMessageUuids=["u2"]),
    chained("assistant", "a2", "a1", **blocks({"type": "text", "text": "x"}, model="m"), supersedesUuids=["a1"]),
    chained("user", "s1", None, message={"content": "go"}, isSidechain=True, agentId="z"),
]  # fmt: skip
ITEMS = [
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"}]},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}]},
    {"type": "function_call", "name": "f", "namespace": "n", "arguments": '{"a": 1}', "call_id": "c1"},
    {"type": "function_call_output", "call_id": "c1", "output": "Wall time: 1 s\nExit code: 1\nOutput:\nx"},
    {"type": "local_shell_call", "call_id": "c2", "action": {"command": ["ls"]}},
    {"type": "function_call_output", "call_id": "c2", "output": '{"output": "x", "metadata": {"exit_code": 1}}'},
    {"type": "web_search_call", "action": {"query": "q"}},
    {"type": "tool_search_output", "call_id": "c3", "tools": [{"name": "t"}]},
]
CODEX_FILE = [
    {"type": "session_meta", "payload": {"id": "x", "forked_from_id": "y", "cwd": "/home", "git": {"commit_hash": "c"},
     "dynamic_tools": [{"name": "t", "inputSchema": {}}],
     "source": {"subagent": {"thread_spawn": {"parent_thread_id": "p"}}}}},
    {"type": "turn_context", "payload": {"cwd": "/home", "model": "m"}},
    *({"timestamp": "2026-01-01T00:00:00Z", "type": "response_item", "payload": item} for item in ITEMS),
    {"type": "event_msg", "payload": {"type": "mcp_tool_call_end", "call_id": "c1", "duration": {"secs": 1, "nanos": 2},
     "result": {"Ok": {"isError": True}}}},
    {"type": "event_msg", "payload": {"type": "user_message", "message": "go"}},
    {"type": "compacted", "payload": {"message": "s", "replacement_history": ITEMS}},
    {"type": "event_msg", "payload": {"type": "thread_rolled_back", "num_turns": 1}},
]  # fmt: skip
SWE = {
    "trajectory": [
        {"action": "ls", "observation": "a", "response": "r", "state": '{"working_dir": "/x"}', "execution_time": 1.0},
        {"action": "pwd", "observation": "b", "response": "r", "state": {"working_dir": "/x"}},
    ],
    "history": [
        {"role": "user", "content": [{"type": "text", "text": "(Current directory: /x)"}], "is_demo": False},
        {"role": "assistant", "content": "r", "action": "ls", "thinking_blocks": [{"thinking": "t"}],
         "tool_calls": [{"id": "c", "function": {"name": "bash", "arguments": "{}"}}]},
        {"role": "tool", "content": "a", "tool_call_ids": ["c"]},
    ],
    "info": {"exit_status": "x"}, "environment": "e",
    "replay_config": {"env": {"repo": {"base_commit": "abcdef0"}}, "agent": {"model": {"name": "m"}}},
}  # fmt: skip
MINI = {
    "info": {"config": {"environment": {"cwd": "/x"}, "model": {"model_name": "m"}}, "submission": "s"},
    "messages": [
        {"role": "user", "content": "go"},
        {
            "role": "assistant",
            "content": "```bash\nls\n```",
            "extra": {"actions": [{"command": "ls"}], "timestamp": 1.0},
        },
        {"role": "user", "content": "<returncode>0</returncode>", "extra": {"raw_output": "x", "returncode": 0}},
        {
            "object": "response",
            "output": [{"type": "function_call", "call_id": "c", "name": "bash", "arguments": "{}"}],
        },
        {"type": "function_call_output", "call_id": "c", "output": "x"},
        {"role": "exit", "extra": {"exit_status": "s"}},
    ],
}
REPLY = {"message": {"content": "c", "tool_calls": [{"id": "t1", "function": {"name": "f", "arguments": "{}"}}]}}
HANDS = [
    {"id": 0, "source": "user", "action": "message", "args": {"content": "go"}, "timestamp": "2026-01-01T00:00:00"},
    {"id": 1, "source": "agent", "action": "run", "args": {"command": "ls", "thought": "t"},
     "tool_call_metadata": {"function_name": "f", "tool_call_id": "t1",
                            "model_response": {"id": "r", "choices": [REPLY]}}},
    {"id": 2, "observation": "run", "cause": 1, "content": "a",
     "extras": {"metadata": {"exit_code": 0, "working_dir": "/x"}, "image_urls": []}},
    {"id": 3, "action": "condensation", "args": {"forgotten_event_ids": [1, 2], "summary": "s", "summary_offset": 1}},
    {"id": 4, "source": "agent", "action": "system", "args": {"content": "s", "tools": [{"function": {"name": "f"}}]}},
    {"id": "e5", "kind": "ActionEvent", "tool_call_id": "t2", "tool_call": {"arguments": "{}"},
     "thought": [{"text": "t"}]},
    {"id": "e6", "kind": "ObservationEvent", "action_id": "e5", "tool_call_id": "t2",
     "observation": {"content": [{"text": "x"}]}},
    {"id": "e7", "kind": "MessageEvent", "source": "user", "llm_message": {"role": "user", "content": [{"text": "x"}]}},
]  # fmt: skip

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.just(""), st.just("c1"), st.just([]),
    st.just({}),
    st.just([None, 1, "x", {}]), st.just({"type": "text"}), st.just("REDACTED"), st.just("u1"), st.just(10**400),
)  # fmt: skip


def places(value, path=()):
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from places(value[index], (*path, index))


@st.composite
def damaged(draw, sample):
    value = copy.deepcopy(sample)
    for _ in range(draw(st.integers(1, 6))):
        path = draw(st.sampled_from(sorted(places(value), key=repr)))
        if not path:
            continue
        target = value
        for key in path[:-1]:
            target = target[key]
        how = draw(st.sampled_from(["replace", "remove", "repeat"]))
        if how == "replace":
            target[path[-1]] = copy.deepcopy(draw(ODD))
        elif how == "remove":
            del target[path[-1]]
        elif isinstance(target, list):
            target.insert(draw(st.integers(0, len(target))), copy.deepcopy(target[path[-1]]))
    return value


def as_lines(value):
    return "".join(json.dumps(record) + "\n" for record in value)


CASES = {
    "claude-code": (CLAUDE_CODE, CLAUDE, as_lines),
    "codex": (CODEX, CODEX_FILE, as_lines),
    "codex bare": (CODEX, [{"id": "x", "timestamp": "t", "instructions": None}, *ITEMS], as_lines),
    "swe-agent": (SWE_AGENT, SWE, json.dumps),
    "mini-swe-agent": (MINI_SWE_AGENT, MINI, json.dumps),
    "openhands": (OPENHANDS, HANDS, json.dumps),
    "openhands output": (OPENHANDS, [{"instance_id": "i", "instance": {"repo": "a/b"}, "history": HANDS}], as_lines),
}


def check(found):
    for trajectory in found:
        if isinstance(trajectory, Skipped):
            assert trajectory.reason
            continue
        assert load_trajectory(dump_trajectory(trajectory)) == trajectory
        ids = [pair.call.id for pair in call_pairs(trajectory.items)]
        assert len(ids) == len(set(ids))
        answered = [m.result.call_id for m in trajectory.items if isinstance(m, Message) and m.result]
        assert len(answered) == len(set(answered))
        assert set(answered) <= set(ids)
        model_view(trajectory.items)
        for turn in turns(trajectory):
            steps(trajectory, turn)


@pytest.mark.parametrize("case", CASES)
@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_damaged_sessions_are_read_as_far_as_they_go(tmp_path, case, data):
    importer, sample, write = CASES[case]
    path = tmp_path / "f"
    path.write_text(write(data.draw(damaged(sample))))
    importer.sniff(path, path.read_bytes())
    check(importer.read(path))


@pytest.mark.parametrize("case", CASES)
def test_files_cut_anywhere_are_read_as_far_as_they_go(tmp_path, case):
    importer, sample, write = CASES[case]
    data = write(sample).encode()
    path = tmp_path / "f"
    for end in range(0, len(data), max(1, len(data) // 40)):
        path.write_bytes(data[:end])
        importer.sniff(path, data[:end])
        check(importer.read(path))

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.importers.base import Skipped
from harness.importers.chat import CHAT
from harness.importers.reading import read_head
from toolsim.trajectory import Message, Trajectory, call_pairs, turns


def _read(path: Path, content: Any) -> tuple[list[Trajectory], list[Skipped]]:
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, "utf-8")
    assert CHAT.sniff(path, read_head(path))
    found = list(CHAT.read(path))
    return [t for t in found if isinstance(t, Trajectory)], [s for s in found if isinstance(s, Skipped)]


def _messages(trajectory: Trajectory) -> list[Message]:
    return [item for item in trajectory.items if isinstance(item, Message)]


def _call(call_id: str, name: str, arguments: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_a_message_list_becomes_one_session_with_paired_calls(tmp_path: Path) -> None:
    [session], skipped = _read(
        tmp_path / "a.json",
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {}}]},
            {"role": "assistant", "content": None, "reasoning_content": "hm",
             "tool_calls": [_call("c1", "ls", '{"path": "."}'), _call("c2", "cat", "{broken")]},
            {"role": "tool", "tool_call_id": "c2", "content": "B"},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "A"}]},
            {"role": "assistant", "content": "done"},
        ],
    )  # fmt: skip
    assert skipped == []
    assert [
        (p.call.id, p.call.arguments, p.call.raw, p.result and p.result.content) for p in call_pairs(session.items)
    ] == [
        ("c1", {"path": "."}, None, "A"),
        ("c2", {}, "{broken", "B"),
    ]
    messages = _messages(session)
    assert [(m.role, m.origin) for m in messages] == [
        ("system", "harness"), ("user", "user"), ("assistant", "agent"), ("tool", "tool"), ("tool", "tool"),
        ("assistant", "agent"),
    ]  # fmt: skip
    assert messages[1].extra == {"images": 1}
    assert messages[2].reasoning == "hm"
    assert messages[3].source == "a.json:messages[3]"
    assert (session.session.agent, session.session.lineage) == ("chat", session.session.id)
    assert not session.session.autonomous


def test_reused_ids_pair_with_the_latest_response_and_stay_unique(tmp_path: Path) -> None:
    def turn(text: str) -> list[dict[str, Any]]:
        return [
            {"role": "assistant", "content": "", "tool_calls": [_call("x", "run", {"command": text})]},
            {"role": "tool", "tool_call_id": "x", "content": text},
        ]

    unanswered = [{"role": "assistant", "content": "", "tool_calls": [_call("x", "run", {"command": "lost"})]}]
    [session], _ = _read(tmp_path / "a.json", [{"role": "user", "content": "go"}, *unanswered, *turn("1"), *turn("2")])
    pairs = list(call_pairs(session.items))
    assert [(p.call.arguments["command"], p.result and p.result.content) for p in pairs] == [
        ("lost", None), ("1", "1"), ("2", "2"),
    ]  # fmt: skip
    assert len({p.call.id for p in pairs}) == 3
    assert {p.call.recorded_id for p in pairs} == {"x"}


def test_tool_messages_without_ids_answer_in_order(tmp_path: Path) -> None:
    calls = [_call("a", "f", {}), _call("b", "f", {})]
    tools = [{"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}]
    [session], _ = _read(tmp_path / "a.json", {"messages": [{"role": "assistant", "tool_calls": calls}, *tools]})
    assert [p.result and p.result.content for p in call_pairs(session.items)] == ["1", "2"]


def test_the_legacy_function_call_is_a_call(tmp_path: Path) -> None:
    [session], _ = _read(
        tmp_path / "a.json",
        [
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": None, "function_call": {"name": "get", "arguments": '{"city": "Oslo"}'}},
            {"role": "function", "name": "get", "content": "rain"},
        ],
    )
    [pair] = call_pairs(session.items)
    assert (pair.call.name, pair.call.arguments, pair.result and pair.result.content) == (
        "get",
        {"city": "Oslo"},
        "rain",
    )


def test_a_result_that_answers_nothing_is_named(tmp_path: Path) -> None:
    _, skipped = _read(tmp_path / "a.json", [{"role": "user", "content": "a"}, {"role": "tool", "content": "?"}])
    assert [(s.where, s.reason) for s in skipped] == [("messages[1]", "a tool result that answers no open call")]


def test_tau_bench_results_are_sessions_of_their_own_with_a_simulated_user(tmp_path: Path) -> None:
    traj = [{"role": "system", "content": "policy"}, {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "yes?"}, {"role": "user", "content": "bye"}]  # fmt: skip
    tasks = [
        {"task_id": t, "trial": 0, "reward": 1.0, "info": {"task": {"user_id": "u"}}, "traj": traj} for t in (0, 1)
    ]
    sessions, skipped = _read(tmp_path / "tau.json", tasks)
    assert skipped == []
    assert len({s.session.id for s in sessions}) == 2
    assert [len(turns(s)) for s in sessions] == [2, 2]
    assert sessions[0].outcome["reward"] == 1.0
    assert sessions[0].session.user == "u"
    assert not sessions[0].session.autonomous


def test_wrappers_bring_their_tools_also_as_json_texts(tmp_path: Path) -> None:
    tools = [{"type": "function", "function": {"name": "ls", "description": "d", "parameters": {"type": "object"}}}]
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
    lines = [
        {"messages": messages, "tools": tools, "id": "one"},
        {"messages": json.dumps(messages), "tools": json.dumps(tools), "id": "two"},
    ]
    sessions, skipped = _read(tmp_path / "a.jsonl", "\n".join(json.dumps(line) for line in lines))
    assert skipped == []
    assert [s.session.id.split("-")[0] for s in sessions] == ["one", "two"]
    assert [[t.name for t in s.session.tools] for s in sessions] == [["ls"], ["ls"]]
    assert _messages(sessions[1])[1].source == "a.jsonl:2.messages[1]"


def test_a_message_a_line_is_one_session_with_line_numbers(tmp_path: Path) -> None:
    text = '{"role": "user", "content": "a"}\n\n{"role": "assistant", "content": "b"}\nnot json\n'
    [session], skipped = _read(tmp_path / "a.jsonl", text)
    assert [m.source for m in _messages(session)] == ["a.jsonl:1", "a.jsonl:3"]
    assert [s.where for s in skipped] == ["line 4"]


def test_responses_items_of_one_answer_are_one_message(tmp_path: Path) -> None:
    [session], skipped = _read(
        tmp_path / "r.json",
        {
            "instructions": "Be brief.",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "go"}]},
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "think"}]},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ok"}]},
                {"type": "function_call", "call_id": "1", "name": "ls", "arguments": "{}"},
                {"type": "custom_tool_call", "call_id": "2", "name": "apply_patch", "input": "*** Begin"},
                {"type": "function_call_output", "call_id": "1", "output": "x"},
                {"type": "custom_tool_call_output", "call_id": "2", "output": "y"},
                {"type": "mystery"},
            ],
        },
    )
    messages = _messages(session)
    assert [m.role for m in messages] == ["user", "assistant", "tool", "tool"]
    assert (messages[1].text, messages[1].reasoning, [c.raw for c in messages[1].calls]) == (
        "ok",
        "think",
        [None, "*** Begin"],
    )
    assert [p.result and p.result.content for p in call_pairs(session.items)] == ["x", "y"]
    assert session.session.system_prompt == "Be brief."
    assert [s.reason for s in skipped] == ["unknown message kind 'mystery'"]


def test_responses_that_continue_each_other_are_one_session(tmp_path: Path) -> None:
    call = {"type": "function_call", "call_id": "1", "name": "ls", "arguments": "{}"}
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "done"}]}
    lines = [
        {"id": "r1", "input": "go", "output": [call]},
        {"id": "r2", "previous_response_id": "r1", "output": [said],
         "input": [{"type": "function_call_output", "call_id": "1", "output": "x"}]},
    ]  # fmt: skip
    [session], _ = _read(tmp_path / "r.jsonl", "\n".join(json.dumps(line) for line in lines))
    assert [m.role for m in _messages(session)] == ["user", "assistant", "tool", "assistant"]
    [pair] = call_pairs(session.items)
    assert pair.result is not None


@pytest.mark.parametrize(
    ("document", "calls"),
    [
        ({"instance_id": "i", "trajectory": [
            {"role": "system", "content": "s"}, {"role": "user", "content": "fix"},
            {"role": "ai", "content": "Look\n```\nls\n```"}, {"role": "user", "content": "a.py"}]},
         [("command", "a.py")]),
        ({"conversations": [
            {"from": "human", "value": "fix"},
            {"from": "gpt", "value": "<function=bash>\n<parameter=command>ls</parameter>\n</function>"},
            {"from": "human", "value": "OBSERVATION:\na.py"}]}, [("bash", "OBSERVATION:\na.py")]),
        ({"trajectory": [
            {"role": "user", "content": "fix", "tool_calls": None},
            {"role": "assistant", "content": "", "tool_calls": [_call("c", "run", '{"a": 1}')]},
            {"role": "tool", "content": "ok", "tool_call_id": "c", "name": "run"}]}, [("run", "ok")]),
        ([{"role": "user", "content": "fix"},
          {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}]},
          {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]}],
         [("Bash", "ok")]),
    ],
    ids=["fenced", "xml", "null-padded", "anthropic"],
)  # fmt: skip
def test_flavours_of_public_data_sets(tmp_path: Path, document: Any, calls: list[tuple[str, str]]) -> None:
    [session], skipped = _read(tmp_path / "a.json", document)
    assert skipped == []
    assert [(p.call.name, p.result and p.result.content) for p in call_pairs(session.items)] == calls

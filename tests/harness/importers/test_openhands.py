import json

import pytest

from harness.importers.detection import read_paths
from harness.importers.openhands import OPENHANDS
from toolsim.trajectory import Message, Trajectory, call_pairs, model_view, turns


def action(number, name, *, call=None, response=None, source="agent", text=None, total=1, **args):
    event = {
        "id": number,
        "timestamp": f"2026-01-01T00:00:{number:02d}",
        "source": source,
        "action": name,
        "args": args,
    }
    if call is not None:
        function = {"name": "tool_" + name, "arguments": json.dumps(args)}
        reply = {"content": text, "tool_calls": [{"id": call, "function": function}]}
        event["tool_call_metadata"] = {
            "function_name": "tool_" + name, "tool_call_id": call, "total_calls_in_response": total,
            "model_response": {"id": response or f"r{number}", "model": "gpt-x", "choices": [{"message": reply}]},
        }  # fmt: skip
    return event


def observation(number, cause, content, kind="run", **extras):
    return {
        "id": number, "timestamp": f"2026-01-01T00:00:{number:02d}", "source": "agent", "cause": cause,
        "observation": kind, "content": content, "extras": extras,
    }  # fmt: skip


EVENTS = [
    action(0, "message", source="user", content="go"),
    action(1, "run", call="t1", response="r", text="Both.", command="ls", total=2),
    observation(2, 1, "a.py", metadata={"exit_code": 0, "working_dir": "/workspace"}),
    action(3, "run", call="t2", response="r", text="Both.", command="false", total=2),
    observation(4, 3, "", metadata={"exit_code": 1, "working_dir": "/workspace/b"}),
    action(5, "finish", call="t3", thought="done"),
]


def text(value):
    return {"type": "text", "text": value}


def read(path, written):
    path.write_text(written)
    assert OPENHANDS.sniff(path, path.read_bytes()[:65536])
    return list(OPENHANDS.read(path))


@pytest.mark.parametrize(
    "written",
    [
        json.dumps(EVENTS, indent=1),
        json.dumps([[EVENTS[0], None], EVENTS[1:3], EVENTS[3:5], [EVENTS[5]]]),
        "".join(json.dumps(event) + "\n" for event in EVENTS),
    ],
    ids=["list", "pairs", "lines"],
)
def test_events_are_paired_by_cause_and_calls_of_one_response_make_one_message(tmp_path, written):
    (trajectory,) = [x for x in read(tmp_path / "x", written) if isinstance(x, Trajectory)]
    user, agent, one, two, finish = trajectory.items
    assert (user.origin, agent.text, len(agent.calls)) == ("user", "Both.", 2)
    assert [c.arguments for c in agent.calls] == [{"command": "ls"}, {"command": "false"}]
    assert (one.result.exit_code, two.result.exit_code, two.cwd) == (0, 1, "/workspace/b")
    assert finish.calls[0].name == "tool_finish"
    assert not trajectory.session.autonomous


def test_an_evaluation_line_brings_task_repository_and_outcome(tmp_path):
    value = {
        "instance_id": "a__b-1", "test_result": {"git_patch": "diff"}, "metadata": {"agent_class": "CodeActAgent"},
        "instruction": "<uploaded_files>\n/workspace/b\n</uploaded_files>", "history": EVENTS,
        "instance": {"repo": "a/b", "base_commit": "c" * 40},
    }  # fmt: skip
    first, second = read(
        tmp_path / "x", json.dumps(value) + "\n" + json.dumps(value | {"instance_id": "a__b-2"}) + "\n"
    )
    assert first.session.repository.commit == "c" * 40
    assert (first.session.repository.url, first.session.cwd) == ("https://github.com/a/b", "/workspace/b")
    assert first.session.autonomous
    assert len(turns(first)) == 1
    assert first.outcome["test_result"] == {"git_patch": "diff"}
    assert first.session.id != second.session.id


def test_errors_recalls_and_condensations_are_what_they_are(tmp_path):
    events = [
        action(0, "system", source="agent", content="sys", tools=[{"function": {"name": "bash", "parameters": {}}}]),
        action(1, "message", source="user", content="go"),
        action(2, "recall", source="user", query="go"),
        observation(3, 2, "", "recall", microagent_knowledge=[{"content": "knows"}]),
        action(4, "read", call="t1", path="x"),
        observation(5, 4, "no such file", "error"),
        action(
            6, "condensation", forgotten_events_start_id=4, forgotten_events_end_id=5, summary="sum", summary_offset=2
        ),
        action(7, "message", content="bye"),
    ]
    (trajectory,) = read(tmp_path / "x", json.dumps(events))
    (pair,) = call_pairs(trajectory.items)
    assert pair.result.is_error
    assert [m.text for m in model_view(trajectory.items)] == ["sys", "go", "sum", "knows", "bye"]
    assert trajectory.session.tools[0].name == "bash"


def test_an_sdk_directory_is_one_session(tmp_path):
    folder = tmp_path / "conversation"
    (folder / "events").mkdir(parents=True)
    state = {"id": "conv", "agent": {"llm": {"model": "m"}}, "workspace": {"working_dir": "/home/x"}}
    (folder / "base_state.json").write_text(json.dumps(state))
    events = [
        {"kind": "SystemPromptEvent", "system_prompt": text("sys"), "tools": [{"name": "terminal"}]},
        {"kind": "MessageEvent", "source": "user", "llm_message": {"role": "user", "content": [text("go")]}},
        *(
            {
                "kind": "ActionEvent", "thought": [{"type": "text", "text": "both"}], "tool_name": "terminal",
                "tool_call_id": f"t{n}", "llm_response_id": "r",
                "tool_call": {"id": f"t{n}", "name": "terminal", "arguments": json.dumps({"command": str(n)})},
            }
            for n in (1, 2)
        ),
        {
            "kind": "ObservationEvent", "action_id": "e3", "tool_call_id": "t2",
            "observation": {"content": [{"type": "text", "text": "two"}], "exit_code": 2},
        },
        {"kind": "AgentErrorEvent", "tool_call_id": "t1", "error": "bad"},
        {"kind": "Condensation", "forgotten_event_ids": ["e0"], "summary": "sum", "summary_offset": 0},
        {"kind": "Novelty"},
    ]  # fmt: skip
    for number, event in enumerate(events):
        (folder / "events" / f"event-{number:05d}-x.json").write_text(json.dumps({"id": f"e{number}", **event}))
    trajectory, skipped = read_paths([tmp_path])
    assert (trajectory.session.id, trajectory.session.model, trajectory.session.cwd) == ("conv", "m", "/home/x")
    one, two = call_pairs(trajectory.items)
    assert (one.result.content, one.result.is_error) == ("bad", True)
    assert (two.result.content, two.result.exit_code) == ("two", 2)
    assert [m.text for m in trajectory.items if isinstance(m, Message)][:3] == ["sys", "go", "both"]
    assert model_view(trajectory.items)[0].text == "sum"
    assert "Novelty" in skipped.reason

import json

import pytest

from harness.importers.mini_swe_agent import MINI_SWE_AGENT
from toolsim.trajectory import Trajectory, call_pairs, model_view, turns

START = [
    {"role": "system", "content": "You end with COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"},
    {"role": "user", "content": "Please solve this"},
]


def said(command, fence="bash"):
    return {"role": "assistant", "content": f"THOUGHT: I run it\n\n```{fence}\n{command}\n```"}


def saw(code, output):
    return {"role": "user", "content": f"<returncode>{code}</returncode>\n<output>\n{output}\n</output>"}


def only(path, document):
    path.write_text(json.dumps(document))
    assert MINI_SWE_AGENT.sniff(path, path.read_bytes()[:65536])
    (found,) = MINI_SWE_AGENT.read(path)
    assert isinstance(found, Trajectory)
    return found


@pytest.mark.parametrize("fence", ["bash", "mswea_bash_command"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_fenced_commands_are_calls_and_templates_their_results(tmp_path, fence, wrapped):
    messages = [*START, said("ls | wc -l\nls", fence), saw(-1, "2"), {"role": "assistant", "content": "no command"}]
    messages += [{"role": "user", "content": "Please give exactly one"}, said("true", fence), saw(0, "")]
    config = {"environment": {"cwd": "/testbed", "image": "i"}, "model": {"model_name": "m"}}
    info = {"exit_status": "Submitted", "submission": "d", "mini_version": "1.9", "config": config}
    document = {"info": info, "messages": messages, "trajectory_format": "mini-swe-agent-1"} if wrapped else messages
    trajectory = only(tmp_path / "x", document)
    first, second = call_pairs(trajectory.items)
    assert (first.call.name, first.call.arguments) == ("bash", {"command": "ls | wc -l\nls"})
    assert (first.result.exit_code, first.result.content) == (-1, messages[3]["content"])
    assert second.result.exit_code == 0
    assert [m.origin for m in trajectory.items[:2]] == ["harness", "user"]
    assert trajectory.items[5].origin == "harness"
    assert len(turns(trajectory)) == 1
    assert len(model_view(trajectory.items)) == len(messages)
    if wrapped:
        assert (trajectory.session.cwd, trajectory.session.model, trajectory.outcome["submission"]) == (
            "/testbed",
            "m",
            "d",
        )


def test_two_fenced_blocks_are_a_format_error_and_no_call(tmp_path):
    both = {"role": "assistant", "content": said("a")["content"] + said("b")["content"]}
    trajectory = only(tmp_path / "x", [*START, both, {"role": "user", "content": "exactly one"}])
    assert not list(call_pairs(trajectory.items))


def test_version_2_has_native_calls_full_outputs_and_times(tmp_path):
    calls = [
        {
            "id": f"c{n}",
            "type": "function",
            "function": {"name": "bash", "arguments": json.dumps({"command": f"echo {n}"})},
        }
        for n in (1, 2)
    ]
    messages = [
        *START,
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "hm",
            "tool_calls": calls,
            "extra": {"timestamp": 1.5},
        },
        {"role": "tool", "tool_call_id": "c2", "content": "two", "extra": {"raw_output": "2 full", "returncode": 3}},
        {"role": "tool", "tool_call_id": "c1", "content": "one", "extra": {"raw_output": "1 full", "returncode": 0}},
        {"role": "exit", "content": "bye", "extra": {"exit_status": "Submitted", "submission": "diff"}},
    ]
    document = {"info": {}, "messages": messages, "trajectory_format": "mini-swe-agent-1.1", "instance_id": "a__b-1"}
    trajectory = only(tmp_path / "x", document)
    first, second = call_pairs(trajectory.items)
    assert (first.result.content, first.result.structured["raw_output"], first.result.exit_code) == ("one", "1 full", 0)
    assert (second.result.content, second.result.exit_code) == ("two", 3)
    assert (trajectory.items[2].at, trajectory.items[2].reasoning) == (1.5, "hm")
    assert trajectory.outcome["submission"] == "diff"
    assert trajectory.session.metadata["instance_id"] == "a__b-1"
    assert len(trajectory.items) == 5


def test_responses_api_items_are_read(tmp_path):
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "I look"}]},
        {"type": "function_call", "call_id": "c1", "name": "bash", "arguments": '{"command": "ls"}'},
    ]
    messages = [
        *START,
        {"object": "response", "output": output, "extra": {"actions": [{"command": "ls", "tool_call_id": "c1"}]}},
        {"type": "function_call_output", "call_id": "c1", "output": "a.py", "extra": {"returncode": 0}},
    ]
    trajectory = only(tmp_path / "x", {"messages": messages, "trajectory_format": "mini-swe-agent-1.1"})
    (pair,) = call_pairs(trajectory.items)
    assert (pair.call.arguments, pair.result.content, pair.result.exit_code) == ({"command": "ls"}, "a.py", 0)
    assert (trajectory.items[2].text, trajectory.items[2].reasoning) == ("I look", "hm")

import json

import pytest

from harness.importers.swe_agent import SWE_AGENT
from toolsim.trajectory import Trajectory, call_pairs, model_view, steps, turns


def step(action, observation, working_dir="/repo", **fields):
    state = json.dumps({"open_file": "n/a", "working_dir": working_dir}) + "\n"
    return {"action": action, "observation": observation, "response": f"I do\n{action}", "state": state, **fields}


def entry(role, content, **fields):
    return {"role": role, "content": content, "agent": "main", **fields}


def old(*extra_steps):
    return {
        "environment": "swe_main",
        "trajectory": [
            step("ls\n", "a.py\n"),
            *extra_steps,
            step("cd b\n", ""),
            step("submit\n", "diff", "/repo/b"),
        ],
        "history": [
            entry("system", "You are"),
            entry("assistant", "demo answer", is_demo=True),
            entry("user", "demo", is_demo=True),
            entry("user", "Solve it\n(Open file: n/a)\n(Current directory: /repo)\nbash-$"),
            entry("assistant", "I look", action="ls\n", thought="I look"),
            entry("user", "a.py\n(Current directory: /repo)\nbash-$"),
            entry("assistant", "I go", action="cd b\n"),
            entry("user", "nothing\nbash-$"),
            entry("assistant", "I end", action="submit\n"),
        ],
        "info": {"exit_status": "submitted", "submission": "diff"},
    }


def only(path, document):
    path.write_text(json.dumps(document))
    assert SWE_AGENT.sniff(path, path.read_bytes()[:65536])
    (found,) = SWE_AGENT.read(path)
    assert isinstance(found, Trajectory)
    return found


def test_the_models_view_is_the_history_and_demonstrations_are_no_steps(tmp_path):
    trajectory = only(tmp_path / "x.traj", old())
    view = [m.text or m.result.content for m in model_view(trajectory.items)]
    assert view[:4] == ["You are", "demo answer", "demo", old()["history"][3]["content"]]
    assert view[5] == "a.py\n(Current directory: /repo)\nbash-$"
    (turn,) = turns(trajectory)
    assert turn.start == 3
    assert len(steps(trajectory, turn)) == 3
    assert trajectory.outcome["exit_status"] == "submitted"
    assert trajectory.session.autonomous


def test_text_commands_are_calls_with_the_raw_observation_beside_what_the_model_saw(tmp_path):
    first, second, last = call_pairs(only(tmp_path / "x", old()).items)
    assert (first.call.name, first.call.arguments, first.call.raw) == ("command", {"command": "ls\n"}, "ls\n")
    assert first.result.content == "a.py\n"
    assert second.result.structured["state"]["working_dir"] == "/repo"
    assert last.result.content == "diff"


def test_the_directory_follows_the_states(tmp_path):
    trajectory = only(tmp_path / "x", old())
    assert trajectory.session.cwd == "/repo"
    # the state of a step is the one before it; after the last one nothing tells
    assert [m.cwd for m in trajectory.items[4:]] == ["/repo"] * 3 + ["/repo/b"] * 2 + [None]


def test_a_step_that_the_history_leaves_out_has_effects_but_is_not_seen(tmp_path):
    trajectory = only(tmp_path / "x", old(step("rm a.py\n", "gone")))
    assert [p.call.raw for p in call_pairs(trajectory.items)] == ["ls\n", "rm a.py\n", "cd b\n", "submit\n"]
    assert "gone" not in [m.result.content for m in model_view(trajectory.items) if m.result]
    assert len(model_view(trajectory.items)) == len(model_view(only(tmp_path / "y", old()).items))


@pytest.mark.parametrize(
    ("base", "commit"), [("HEAD", None), ("bfd2593d4b416122e30cdefe0c72d322ef471611", "bfd2593d4b41")]
)
@pytest.mark.parametrize("as_text", [True, False])
def test_a_1x_file_has_native_calls_durations_and_a_base_commit_if_it_is_one(tmp_path, base, commit, as_text):
    config = {
        "env": {"repo": {"base_commit": base, "repo_name": "testbed"}, "deployment": {"image": "img"}},
        "agent": {"name": "a__b-1", "model": {"name": "gpt-x"}},
    }
    call = {"id": "t1", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls"}'}}
    document = {
        "trajectory": [step("ls", "x\r\n", execution_time=0.25) | {"state": {"working_dir": "/testbed"}}],
        "history": [
            entry("system", "s", message_type="system_prompt"),
            entry("user", [{"type": "text", "text": "<uploaded_files>\n/testbed\n</uploaded_files>"}]),
            entry(
                "assistant",
                "t",
                message_type="action",
                action="ls",
                tool_calls=[call],
                thinking_blocks=[{"thinking": "hm"}],
            ),
            entry(
                "tool", [{"type": "text", "text": "OBSERVATION:\nx"}], message_type="observation", tool_call_ids=["t1"]
            ),
        ],
        "info": {"swe_agent_version": "1.0.1"},
        "replay_config": json.dumps(config) if as_text else config,
        "environment": "a__b-1",
    }
    trajectory = only(tmp_path / "x", document)
    (pair,) = call_pairs(trajectory.items)
    assert (pair.call.name, pair.call.arguments, pair.call.id) == ("bash", {"command": "ls"}, "t1")
    assert (pair.result.content, pair.result.duration) == ("OBSERVATION:\nx", 0.25)
    assert (trajectory.session.repository.commit or "")[:12] == (commit or "")
    assert (trajectory.session.model, trajectory.session.cwd) == ("gpt-x", "/testbed")
    assert trajectory.items[2].reasoning == "hm"


def test_steps_without_a_history_are_read_alone(tmp_path):
    trajectory = only(tmp_path / "x", {"trajectory": [step("ls", "a")], "info": {}, "environment": "e"})
    (pair,) = call_pairs(trajectory.items)
    assert pair.result.content == "a"
    assert len(model_view(trajectory.items)) == 2


def test_two_runs_of_one_task_are_two_sessions(tmp_path):
    one, two = only(tmp_path / "x", old()), only(tmp_path / "y", old(step("pwd\n", "/repo")))
    assert one.session.id != two.session.id
    assert one.session.id == only(tmp_path / "z", old()).session.id

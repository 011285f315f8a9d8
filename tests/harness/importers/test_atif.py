from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import atif
import pytest
from hypothesis import given, settings

from harness.importers.atif import ATIF, from_atif, to_atif
from harness.importers.base import Skipped
from tests.harness.importers.trajectories import TRAJECTORIES
from toolsim.trajectory import (
    Compaction,
    Message,
    Rewind,
    Session,
    ToolCall,
    ToolResult,
    Trajectory,
    call_pairs,
    model_view,
)

PATH = Path("session.json")
LS = {"command": "ls -a"}


def _imported(document: dict[str, Any], path: Path = PATH) -> list[Trajectory]:
    found = from_atif(document, path)
    assert not [item for item in found if isinstance(item, Skipped)], found
    return [item for item in found if isinstance(item, Trajectory)]


def _foreign(*steps: dict[str, Any], **root: Any) -> dict[str, Any]:
    numbered = [{"step_id": number, **step} for number, step in enumerate(steps, start=1)]
    document = {
        "schema_version": "ATIF-v1.8",
        "session_id": "s",
        "agent": {"name": "codex", "version": "1"},
        "steps": numbered,
    }
    document |= root
    atif.Trajectory.model_validate(document)
    return document


@given(TRAJECTORIES)
@settings(max_examples=50, deadline=None)
def test_a_trajectory_comes_back_the_same_from_its_exported_text(trajectory: Trajectory) -> None:
    document = to_atif(trajectory)
    text = json.dumps(document, ensure_ascii=False)
    text.encode("utf-8")
    assert from_atif(json.loads(text), PATH) == [trajectory]


@given(TRAJECTORIES)
@settings(max_examples=25, deadline=None)
def test_every_export_is_valid_for_the_public_package(trajectory: Trajectory) -> None:
    document = to_atif(trajectory)
    parsed = atif.Trajectory.model_validate(document)
    assert parsed.schema_version == "ATIF-v1.8"
    assert parsed.steps
    assert from_atif(parsed.to_json_dict(), PATH) == [trajectory]


def test_others_find_prompt_calls_and_results_in_the_fields_of_the_format() -> None:
    call = ToolCall("c1", "bash", {"command": "ls"})
    patch = ToolCall("c2", "apply_patch", {}, raw="*** Begin Patch")
    trajectory = Trajectory(
        Session("s1", "codex", "codex", "s1", agent_version="0.1", model="m", system_prompt="Be brief."),
        (
            Message("user", "list", at=1763939581.5),
            Message("assistant", "Sure.", "agent", "think", (call, patch), model="m2"),
            Message("user", "wait", "user"),
            Message("tool", origin="tool", result=ToolResult("c1", "a.py", False, 0, 0.25)),
            Rewind(2),
            Compaction((Message("user", "so far: nothing", "harness"),)),
        ),
    )
    document = to_atif(trajectory)
    steps = document["steps"]
    assert [step["source"] for step in steps] == ["system", "user", "agent", "user", "system", "system"]
    assert steps[0]["message"] == "Be brief."
    assert steps[1]["timestamp"] == "2025-11-23T23:13:01.500000Z"
    assert steps[2]["reasoning_content"] == "think"
    assert steps[2]["model_name"] == "m2"
    assert [c["function_name"] for c in steps[2]["tool_calls"]] == ["bash", "apply_patch"]
    assert steps[2]["tool_calls"][1]["arguments"] == {"input": "*** Begin Patch"}
    assert steps[2]["observation"]["results"][0]["source_call_id"] == "c1"
    assert steps[2]["observation"]["results"][0]["content"] == "a.py"
    assert steps[5]["message"] == "so far: nothing"
    assert set(document["extra"]) == {"deploysim"}
    assert document["agent"] == {"name": "codex", "version": "0.1", "model_name": "m"}


def test_an_edit_of_the_exported_text_counts() -> None:
    trajectory = Trajectory(Session("s", "codex", "codex", "s"), (Message("user", "my token is 123", cwd="/r"),))
    document = to_atif(trajectory)
    document["steps"][0]["message"] = "my token is ***"
    [edited] = _imported(document)
    assert edited.items == (Message("user", "my token is ***", cwd="/r"),)


def test_an_export_with_a_step_removed_is_read_as_any_other_and_says_so() -> None:
    trajectory = Trajectory(Session("s", "codex", "codex", "s"), (Message("user", "a"), Message("user", "b")))
    document = to_atif(trajectory)
    del document["steps"][1]
    found = from_atif(document, PATH)
    assert [item.reason for item in found if isinstance(item, Skipped)] == [
        "not as exported, read as a foreign file: steps were added or removed"
    ]
    [read] = [item for item in found if isinstance(item, Trajectory)]
    assert [m.text for m in model_view(read.items)] == ["a"]


def test_results_of_one_step_go_to_the_calls_that_they_name() -> None:
    picture = {"type": "image", "source": {"media_type": "image/png", "path": "a.png"}}
    document = _foreign(
        {"source": "system", "message": "prompt"},
        {"source": "user", "message": [{"type": "text", "text": "look"}, picture]},
        {
            "source": "agent",
            "message": "ok",
            "timestamp": "2026-01-02T03:04:05Z",
            "tool_calls": [
                {"tool_call_id": "a", "function_name": "read", "arguments": {"path": "x"}},
                {"tool_call_id": "b", "function_name": "read", "arguments": {"path": "y"}},
            ],
            "observation": {
                "results": [
                    {"source_call_id": "b", "content": "Y", "extra": {"is_error": True, "exit_code": 2}},
                    {"source_call_id": "a", "content": [{"type": "text", "text": "X"}]},
                ]
            },
        },
    )  # fmt: skip
    [trajectory] = _imported(document)
    pairs = {pair.call.id: pair.result for pair in call_pairs(trajectory.items)}
    assert pairs["a"] == ToolResult("a", "X")
    assert pairs["b"] == ToolResult("b", "Y", True, 2, structured={"is_error": True, "exit_code": 2})
    assert [m.origin for m in model_view(trajectory.items)] == ["harness", "user", "agent", "tool", "tool"]
    assert trajectory.items[1].extra == {"images": 1}  # type: ignore[union-attr]
    assert trajectory.items[2].at == 1767323045.0
    assert trajectory.session.autonomous


@pytest.mark.parametrize(
    ("message", "name", "arguments"),
    [
        ("<function=execute_bash>\n<parameter=command>\nls -a\n</parameter>\n</function>", "execute_bash", LS),
        ('{"analysis": "x", "commands": [{"keystrokes": "ls"}]}', "terminal", {"commands": [{"keystrokes": "ls"}]}),
        ("THOUGHT\n```bash\nls\n```", "command", {"command": "ls"}),
    ],
)  # fmt: skip
def test_an_observation_without_calls_answers_the_action_that_the_text_holds(
    message: str, name: str, arguments: dict[str, Any]
) -> None:
    observation = {"results": [{"content": "a.py"}]}
    [trajectory] = _imported(_foreign({"source": "agent", "message": message, "observation": observation}))
    [pair] = list(call_pairs(trajectory.items))
    assert (pair.call.name, pair.call.arguments) == (name, arguments)
    assert pair.result is not None
    assert pair.result.content == "a.py"
    assert trajectory.items[0].text == message  # type: ignore[union-attr]


def test_an_observation_that_answers_nothing_is_a_message_of_the_harness() -> None:
    observation = {"results": [{"content": "Welcome"}]}
    [trajectory] = _imported(_foreign({"source": "agent", "message": "hm", "observation": observation}))
    assert [(m.role, m.origin, m.text) for m in model_view(trajectory.items)] == [
        ("assistant", "agent", "hm"),
        ("user", "harness", "Welcome"),
    ]


def test_an_embedded_sub_agent_is_a_session_of_its_own_with_its_parent() -> None:
    inner = {
        "schema_version": "ATIF-v1.8",
        "trajectory_id": "t2",
        "agent": {"name": "explore", "version": "1"},
        "steps": [
            {"step_id": 1, "source": "user", "message": "find x"},
            {"step_id": 2, "source": "agent", "message": "found"},
        ],
    }
    document = _foreign(
        {"source": "user", "message": "go"},
        {
            "source": "agent",
            "message": "",
            "tool_calls": [{"tool_call_id": "c", "function_name": "Task", "arguments": {}}],
            "observation": {"results": [{"source_call_id": "c", "subagent_trajectory_ref": [{"trajectory_id": "t2"}]}]},
        },
        subagent_trajectories=[inner],
        trajectory_id="t1",
    )  # fmt: skip
    main, sub = _imported(document)
    assert (main.session.id, main.session.parent) == ("t1", None)
    assert (sub.session.id, sub.session.parent, sub.session.parent_call) == ("t1/t2", "t1", "c")
    assert sub.session.lineage == main.session.lineage
    assert sub.session.autonomous
    assert sub.items[0].origin == "harness"  # type: ignore[union-attr]


def test_a_continuation_file_has_its_own_id_and_the_same_lineage() -> None:
    first = _foreign({"source": "user", "message": "go"}, continued_trajectory_ref="t.cont-1.json")
    second = _foreign(
        {"source": "user", "message": "go", "is_copied_context": True}, {"source": "agent", "message": "on"}
    )
    [one], [two] = _imported(first, Path("t.json")), _imported(second, Path("t.cont-1.json"))
    assert one.session.lineage == two.session.lineage == "s"
    assert one.session.id != two.session.id
    assert two.session.id.endswith("/cont-1")
    assert one.session.metadata["continued_in"] == "t.cont-1.json"
    assert two.items[0].extra == {"copied": True}  # type: ignore[union-attr]


def test_what_the_format_does_not_know_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(
        json.dumps({**_foreign({"source": "user", "message": "a"}), "steps": [1, {"source": "bot", "message": "b"}]})
    )
    found = list(ATIF.read(path))
    assert all(isinstance(item, Skipped) for item in found)
    assert [(s.where, s.reason) for s in found if isinstance(s, Skipped)] == [
        ("steps[0]", "a JSON int instead of a step"),
        ("steps[1]", "unknown source 'bot'"),
        ("file", "no message in it"),
    ]

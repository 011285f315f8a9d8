from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.importers.copilot import COPILOT
from tests.harness.importers.reads import answers, lines, messages, read, said
from toolsim.trajectory import Compaction, Repository, Rewind, model_view


class Log:
    """Events with ids, a chain and a second between them."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def add(self, kind: str, data: dict[str, Any], **more: Any) -> Log:
        number = len(self.events)
        moment = f"2026-01-01T00:00:{number:02d}.000Z"
        parent = f"e{number - 1}" if number else None
        self.events.append(
            {"type": kind, "data": data, "id": f"e{number}", "parentId": parent, "timestamp": moment, **more}
        )
        return self


def _start() -> Log:
    context = {
        "cwd": "/home/u/r", "branch": "main", "headCommit": "cbee02b54dc39c0c5333939d77d5c4bbe02d2d74",
        "repository": "o/r", "repositoryHost": "github.com",
    }  # fmt: skip
    start = {"sessionId": "s", "copilotVersion": "1.0", "context": context, "startTime": "2026-01-01T00:00:00Z"}
    return Log().add("session.start", start).add("session.model_change", {"newModel": "m"})


def _request(call_id: str, name: str = "bash") -> dict[str, Any]:
    return {"content": "", "toolRequests": [{"toolCallId": call_id, "name": name, "arguments": {"command": "ls"}}]}


def test_a_session_with_its_place_its_prompt_and_its_calls(tmp_path: Path) -> None:
    log = (
        _start()
        .add("system.message", {"content": "You are Copilot."})
        .add("user.message", {"content": "list", "transformedContent": "<current_datetime>x</current_datetime>\nlist"})
        .add("assistant.message", {**_request("c"), "reasoningText": "hm"})
        .add("tool.execution_start", {"toolCallId": "c", "toolName": "bash"})
        .add("permission.completed", {"toolCallId": "c", "result": {"kind": "approved"}})
        .add("tool.execution_complete", {"toolCallId": "c", "success": True,
                                         "result": {"content": "a\n<shellId: 0 completed with exit code 3>"}})
        .add("assistant.message", _request("d", "view"))
        .add("tool.execution_complete", {"toolCallId": "d", "success": False, "error": {"message": "no such path"}})
        .add("session.shutdown", {"shutdownType": "routine"})
    )  # fmt: skip
    [trajectory], skipped = read(COPILOT, tmp_path / "events.jsonl", lines(*log.events))
    session = trajectory.session
    assert skipped == []
    assert session.repository == Repository(
        "https://github.com/o/r", "cbee02b54dc39c0c5333939d77d5c4bbe02d2d74", "main"
    )
    assert (session.id, session.agent, session.model, session.cwd, session.platform) == (
        "s",
        "copilot",
        "m",
        "/home/u/r",
        "linux",
    )
    assert session.system_prompt == "You are Copilot."
    assert answers(trajectory) == [("bash", "a\n<shellId: 0 completed with exit code 3>"), ("view", "no such path")]
    first, second = (m.result for m in messages(trajectory) if m.result is not None)
    assert (first.exit_code, first.is_error, first.duration) == (3, False, 2.0)
    assert first.structured == {"permission": "approved"}
    assert second.is_error is True
    prompt = messages(trajectory)[0]
    assert (prompt.origin, prompt.extra) == ("user", {"typed": "list"})
    assert prompt.text.endswith("</current_datetime>\nlist")
    assert trajectory.outcome == {"shutdown": {"shutdownType": "routine"}}


def test_a_compaction_and_a_rewind_change_what_the_model_sees(tmp_path: Path) -> None:
    log = (
        _start()
        .add("user.message", {"content": "one"})
        .add("assistant.message", {"content": "1"})
        .add("session.compaction_complete", {"success": True, "summaryContent": "so far: one"})
        .add("user.message", {"content": "two"})
        .add("assistant.message", {"content": "2"})
        .add("session.snapshot_rewind", {"upToEventId": "e4"})
        .add("user.message", {"content": "three"})
    )
    [trajectory], skipped = read(COPILOT, tmp_path / "events.jsonl", lines(*log.events))
    assert skipped == []
    assert [type(i) for i in trajectory.items if not isinstance(i, type(trajectory.items[0]))] == [Compaction, Rewind]
    assert [m.text for m in model_view(trajectory.items)] == ["so far: one", "three"]


def test_a_sub_agent_is_a_session_of_its_own(tmp_path: Path) -> None:
    log = (
        _start()
        .add("user.message", {"content": "go"})
        .add("assistant.message", _request("t", "task"))
        .add("subagent.started", {"toolCallId": "t", "agentName": "explore"})
        .add("user.message", {"content": "look", "parentToolCallId": "t"})
        .add("assistant.message", {**_request("i"), "parentToolCallId": "t"})
        .add("tool.execution_complete", {"toolCallId": "i", "success": True, "result": {"content": "x"},
                                         "parentToolCallId": "t"})
        .add("tool.execution_complete", {"toolCallId": "t", "success": True, "result": {"content": "found x"}})
    )  # fmt: skip
    [main, sub], skipped = read(COPILOT, tmp_path / "events.jsonl", lines(*log.events))
    assert skipped == []
    assert answers(main) == [("task", "found x")]
    assert answers(sub) == [("bash", "x")]
    assert (sub.session.parent, sub.session.parent_call, sub.session.lineage) == ("s", "t", "s")
    assert said(sub)[0] == ("user", "harness", "look")


def test_a_call_that_only_its_execution_records_is_a_call(tmp_path: Path) -> None:
    log = (
        _start()
        .add("user.message", {"content": "go"})
        .add("tool.execution_start", {"toolCallId": "c", "toolName": "bash", "arguments": {"command": "ls"}})
    )
    [trajectory], _ = read(COPILOT, tmp_path / "events.jsonl", lines(*log.events))
    assert answers(trajectory) == [("bash", None)]


def test_unknown_events_and_lost_results_are_named_once_with_their_count(tmp_path: Path) -> None:
    log = _start().add("user.message", {"content": "go"}).add("session.dance", {}).add("session.dance", {})
    log.add("tool.execution_complete", {"toolCallId": "?", "success": True, "result": {"content": "x"}})
    _, skipped = read(COPILOT, tmp_path / "events.jsonl", lines(*log.events, "{torn"))
    assert [(s.where, s.reason.split(":")[0]) for s in skipped] == [
        ("line 7", "not JSON"),
        ("line 4", "unknown event type 'session.dance' (2 times, first here)"),
        ("line 6", "a tool result that answers no open call"),
    ]

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.importers.pi import PI
from tests.harness.importers.reads import answers, lines, messages, read, said
from toolsim.trajectory import model_view

HEADER = {"type": "session", "version": 3, "id": "s", "timestamp": "2026-01-01T00:00:00Z", "cwd": "/Users/me/r"}


def _entry(own: str, parent: str | None, role: str, content: Any, **more: Any) -> dict[str, Any]:
    message = {"role": role, "content": content, **more}
    return {"type": "message", "id": own, "parentId": parent, "timestamp": "2026-01-01T00:00:01Z", "message": message}


def _call(own: str) -> dict[str, Any]:
    return {"type": "toolCall", "id": own, "name": "bash", "arguments": {"command": "ls"}}


def test_calls_results_and_circumstances(tmp_path: Path) -> None:
    text = lines(
        HEADER,
        _entry("1", None, "user", "go"),
        _entry("2", "1", "assistant", [{"type": "thinking", "thinking": "hm"}, _call("a"), _call("b")], model="m"),
        _entry("3", "2", "toolResult", [{"type": "text", "text": "x"}], toolCallId="b", toolName="bash", isError=False),
        _entry("4", "3", "toolResult", [{"type": "text", "text": "no\n\nCommand exited with code 2"}], toolCallId="a",
               toolName="bash", isError=True, details={"d": 1}),
        {"type": "thinking_level_change", "id": "5", "parentId": "4", "thinkingLevel": "off"},
        _entry("6", "5", "assistant", [], stopReason="aborted"),
        {"type": "dance", "id": "7", "parentId": "6"},
    )  # fmt: skip
    [trajectory], skipped = read(PI, tmp_path / "s.jsonl", text)
    assert [(s.where, s.reason) for s in skipped] == [
        ("line 7", "an agent message without content"),
        ("line 8", "unknown entry type 'dance'"),
    ]
    assert answers(trajectory) == [("bash", "no\n\nCommand exited with code 2"), ("bash", "x")]
    failed = messages(trajectory)[3].result
    assert failed is not None
    assert (failed.exit_code, failed.is_error, failed.structured) == (2, True, {"d": 1})
    assert (trajectory.session.cwd, trajectory.session.platform, trajectory.session.model) == (
        "/Users/me/r",
        "darwin",
        "m",
    )


def test_a_branch_leaves_the_other_and_coming_back_shows_it_again(tmp_path: Path) -> None:
    text = lines(
        HEADER,
        _entry("1", None, "user", "root"),
        _entry("2", "1", "assistant", [{"type": "text", "text": "left"}]),
        _entry("3", "1", "user", "right"),
        _entry("4", "3", "assistant", [{"type": "text", "text": "right answer"}]),
        _entry("5", "2", "user", "left again"),
        _entry("6", "1", "user", "third"),
    )
    [trajectory], skipped = read(PI, tmp_path / "s.jsonl", text)
    assert skipped == []
    kinds = [type(item).__name__ for item in trajectory.items]
    assert kinds == [
        "Message",
        "Message",
        "Rewind",
        "Message",
        "Message",
        "Compaction",
        "Message",
        "Compaction",
        "Message",
    ]
    ends = [n for n, kind in enumerate(kinds) if kind != "Message"]
    views = [[m.text for m in model_view(trajectory.items[:end])] for end in [*ends, len(kinds)]]
    assert views == [
        ["root", "left"],
        ["root", "right", "right answer"],
        ["root", "left", "left again"],
        ["root", "third"],
    ]


def test_a_compaction_keeps_what_came_after_its_first_kept_entry(tmp_path: Path) -> None:
    text = lines(
        HEADER,
        _entry("1", None, "user", "old"),
        _entry("2", "1", "user", "kept"),
        {"type": "compaction", "id": "3", "parentId": "2", "summary": "sum", "firstKeptEntryId": "2"},
        _entry("4", "3", "user", "new"),
        _entry("5", "3", "user", "newer"),
    )
    [trajectory], _ = read(PI, tmp_path / "s.jsonl", text)
    assert [m.text for m in model_view(trajectory.items)] == ["sum", "kept", "newer"]


def test_the_first_version_has_no_tree_and_counts_entries(tmp_path: Path) -> None:
    def bare(role: str, text: str) -> dict[str, Any]:
        return {"type": "message", "message": {"role": role, "content": [{"type": "text", "text": text}]}}

    compaction = {"type": "compaction", "summary": "sum", "firstKeptEntryIndex": 2}
    text = lines({**HEADER, "version": 1}, bare("user", "a"), bare("assistant", "b"), compaction, bare("user", "c"))
    [trajectory], _ = read(PI, tmp_path / "s.jsonl", text)
    assert [m.text for m in model_view(trajectory.items)] == ["sum", "b", "c"]


def test_what_a_human_ran_and_what_extensions_put_in_is_the_harness_speaking(tmp_path: Path) -> None:
    run = {"role": "bashExecution", "command": "ls", "output": "a", "exitCode": 1}
    text = lines(
        {**HEADER, "parentSession": "/x/2026-01-01T00_0f0f0f0f-0000-4000-8000-000000000000.jsonl"},
        {"type": "message", "id": "1", "parentId": None, "message": run},
        {"type": "message", "id": "2", "parentId": "1", "message": {**run, "excludeFromContext": True}},
        {
            "type": "custom_message",
            "id": "3",
            "parentId": "2",
            "customType": "openclaw.runtime-context",
            "content": "ctx",
        },
    )
    [trajectory], skipped = read(PI, tmp_path / "s.jsonl", text)
    assert [origin for _, origin, _ in said(trajectory)] == ["harness", "harness"]
    assert [s.reason for s in skipped] == ["a command of the user that the model did not see"]
    assert trajectory.session.agent == "openclaw"
    assert trajectory.session.lineage == "0f0f0f0f-0000-4000-8000-000000000000"

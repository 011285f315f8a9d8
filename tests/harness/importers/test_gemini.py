from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.importers.gemini import GEMINI
from tests.harness.importers.reads import answers, lines, messages, read, said
from toolsim.trajectory import Rewind, model_view

HEADER = {"sessionId": "s", "projectHash": "f" * 64, "startTime": "2026-01-01T00:00:00Z", "kind": "main"}


def _message(own: str, kind: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"id": own, "timestamp": "2026-01-01T00:00:01Z", "type": kind, "content": content, **more}


def _call(response: dict[str, Any] | None, status: str = "success") -> dict[str, Any]:
    call: dict[str, Any] = {"id": "c", "name": "run_shell_command", "args": {"command": "ls"}, "status": status}
    if response is not None:
        call["result"] = [{"functionResponse": {"id": "c", "name": "run_shell_command", "response": response}}]
    return call


def test_the_document_form_gives_thoughts_calls_and_results(tmp_path: Path) -> None:
    thoughts = [{"subject": "Plan", "description": "I look."}]
    document = {
        **HEADER,
        "messages": [
            _message("u", "user", "list /Users/me/x"),
            _message("g", "gemini", "", thoughts=thoughts, model="gemini-3",
                     toolCalls=[_call({"output": "a\nExit Code: 2"})]),
            _message("i", "info", "Update available"),
            _message("h", "gemini", "Done.", toolCalls=[_call({"error": "denied"}, "error"), _call(None, "cancelled")]),
        ],
    }  # fmt: skip
    [trajectory], skipped = read(GEMINI, tmp_path / "full.json", document)
    assert skipped == []
    assert answers(trajectory) == [
        ("run_shell_command", "a\nExit Code: 2"), ("run_shell_command", "denied"), ("run_shell_command", None),
    ]  # fmt: skip
    found = [m.result for m in messages(trajectory) if m.result is not None]
    assert [(r.exit_code, r.is_error) for r in found] == [(2, False), (None, True)]
    assert messages(trajectory)[1].reasoning == "Plan\nI look."
    assert (trajectory.session.platform, trajectory.session.model) == ("darwin", "gemini-3")


def test_a_message_written_anew_counts_once_with_its_last_state(tmp_path: Path) -> None:
    text = lines(
        HEADER,
        _message("u", "user", [{"text": "list"}]),
        _message("g", "gemini", "", toolCalls=[_call(None, "executing")]),
        {"$set": {"lastUpdated": "2026-01-01T00:00:02Z"}},
        _message("g", "gemini", "", toolCalls=[_call({"output": "a"})]),
    )
    [trajectory], skipped = read(GEMINI, tmp_path / "session.jsonl", text)
    assert skipped == []
    assert answers(trajectory) == [("run_shell_command", "a")]


def test_a_rewind_drops_the_message_and_all_after_it(tmp_path: Path) -> None:
    text = lines(
        HEADER, _message("a", "user", "keep"), _message("b", "gemini", "kept"), _message("c", "user", "wrong"),
        _message("d", "gemini", "gone"), {"$rewindTo": "c"}, _message("e", "user", "right"), {"$rewindTo": "zzz"},
    )  # fmt: skip
    [trajectory], skipped = read(GEMINI, tmp_path / "session.jsonl", text)
    assert [m.text for m in model_view(trajectory.items)] == ["keep", "kept", "right"]
    assert any(isinstance(item, Rewind) and item.to == 2 for item in trajectory.items)
    assert [s.reason for s in skipped] == ["a rewind to a message that is not in the file"]


def test_a_new_view_replaces_what_the_model_sees_and_nobody_types_it(tmp_path: Path) -> None:
    view = [_message("x", "user", "<state_snapshot>sum</state_snapshot>"), _message("y", "gemini", "Got it.")]
    text = lines(
        HEADER, _message("a", "user", "first"), _message("b", "gemini", "one"),
        {"$set": {"messages": [_message("a", "user", "first"), _message("b", "gemini", "one")]}},
        {"$set": {"messages": view}}, _message("c", "user", "second"),
    )  # fmt: skip
    [trajectory], skipped = read(GEMINI, tmp_path / "session.jsonl", text)
    assert skipped == []
    assert [type(item).__name__ for item in trajectory.items] == ["Message", "Message", "Compaction", "Message"]
    assert [m.text for m in model_view(trajectory.items)] == [
        "<state_snapshot>sum</state_snapshot>",
        "Got it.",
        "second",
    ]
    assert [text for _, origin, text in said(trajectory) if origin == "user"] == ["first", "second"]


def test_a_recording_of_nothing_but_warnings_is_named(tmp_path: Path) -> None:
    found, skipped = read(GEMINI, tmp_path / "full.json", {**HEADER, "messages": [_message("w", "warning", "oh")]})
    assert found == []
    assert [(s.where, s.reason) for s in skipped] == [("file", "no message in it")]

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.importers.generic import GENERIC
from tests.harness.importers.reads import answers, lines, messages, read, said
from toolsim.trajectory import Compaction, model_view


def _blocks(role: str, *content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"role": role, "message": {"content": list(content)}, **more}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


CURSOR = (
    _blocks("user", _text("go")),
    _blocks("assistant", {"type": "thinking", "thinking": "hm"},
            {"type": "tool_use", "name": "Bash", "input": {"command": "ls"}}),
    _blocks("user", {"type": "tool_result", "tool_use_id": "t", "content": [_text("a")]}),
)  # fmt: skip
DROID = (
    {"type": "session_start", "id": "d", "cwd": "/tmp"},
    {"type": "message", "session_id": "d", "role": "user", "text": "go"},
    {"type": "tool_call", "session_id": "d", "toolCallId": "c", "toolName": "Shell", "parameters": {"command": "ls"}},
    {"type": "tool_result", "session_id": "d", "toolCallId": "c", "value": {"stdout": "a", "exitCode": 1}},
    {"type": "completion", "session_id": "d", "finalText": "Done"},
)
GROK = (
    {"type": "system", "content": "You are Grok."},
    {
        "type": "user",
        "content": [_text("<user_info>\nWorkspace Path: /w/r\n</user_info>")],
        "synthetic_reason": "context",
    },
    {"type": "user", "content": [_text("go")]},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
    {
        "type": "assistant",
        "content": "",
        "tool_calls": [{"id": "c", "name": "ls", "arguments": "{}"}],
        "model_id": "grok",
    },
    {"type": "tool_result", "tool_call_id": "c", "content": "a"},
)
ANTIGRAVITY = (
    {"step_index": 0, "source": "USER_EXPLICIT", "type": "USER_INPUT", "content": "<USER_REQUEST>\ngo"},
    {"step_index": 1, "source": "MODEL", "type": "PLANNER_RESPONSE", "thinking": "hm",
     "tool_calls": [{"name": "list_dir", "args": {"DirectoryPath": '"/r"'}}]},
    {"step_index": 2, "source": "MODEL", "type": "LIST_DIRECTORY", "content": "a"},
)  # fmt: skip
OPENCODE = {
    "info": {"id": "ses_1", "directory": "/r", "version": "1"},
    "messages": [
        {"info": {"role": "user", "time": {"created": 1}}, "parts": [_text("go")]},
        {"info": {"role": "assistant", "modelID": "m"}, "parts": [
            {"type": "reasoning", "text": "hm"},
            {"type": "tool", "callID": "c", "tool": "list",
             "state": {"status": "completed", "input": {}, "output": "a"}}]},
    ],
}  # fmt: skip


def _uuid(own: str, parent: str | None, kind: str, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    message = {"role": {"assistant": "model"}.get(kind, "user"), "parts": list(parts)}
    return {"uuid": own, "parentUuid": parent, "sessionId": "q", "type": kind, "cwd": "/r", "message": message, **more}


QWEN = (
    _uuid("1", None, "user", {"text": "go"}),
    _uuid("2", "1", "assistant", {"text": "hm", "thought": True}),
    _uuid("2", "1", "assistant", {"functionCall": {"id": "c", "name": "read_file", "args": {"path": "x"}}}),
    _uuid("3", "2", "tool_result", {"functionResponse": {"id": "c", "name": "read_file", "response": {"output": "a"}}}),
)
KIMI = (
    {"type": "config.update", "modelAlias": "k2", "systemPrompt": "You are Kimi.", "cwd": "/r"},
    {"type": "turn.prompt", "input": [_text("go")], "origin": {"kind": "user"}},
    {
        "type": "context.append_message",
        "message": {"role": "user", "content": [_text("go")], "origin": {"kind": "user"}},
    },
    *(
        {"type": "context.append_loop_event", "event": event}
        for event in (
            {"type": "content.part", "stepUuid": "s", "part": {"type": "think", "think": "hm"}},
            {"type": "tool.call", "stepUuid": "s", "toolCallId": "c", "name": "Bash", "args": {"command": "ls"}},
            {"type": "tool.result", "toolCallId": "c", "result": {"output": "a", "isError": True}},
        )
    ),
)


@pytest.mark.parametrize(
    ("agent", "content", "call"),
    [
        ("cursor", lines(*CURSOR), ("Bash", "a")), ("droid", lines(*DROID), ("Shell", "a")),
        ("grok", lines(*GROK), ("ls", "a")), ("antigravity", lines(*ANTIGRAVITY), ("list_dir", "a")),
        ("opencode", OPENCODE, ("list", "a")), ("qwen", lines(*QWEN), ("read_file", "a")),
        ("kimi", lines(*KIMI), ("Bash", "a")),
    ],
    ids=["cursor", "droid", "grok", "antigravity", "opencode", "qwen", "kimi"],
)  # fmt: skip
def test_agents_known_by_their_structure(tmp_path: Path, agent: str, content: Any, call: tuple[str, str]) -> None:
    [trajectory], skipped = read(GENERIC, tmp_path / "log.jsonl", content)
    assert skipped == []
    assert trajectory.session.agent == agent
    assert trajectory.session.format == "generic"
    assert answers(trajectory) == [call]
    typed = [text for _, origin, text in said(trajectory) if origin == "user"]
    assert len(typed) == 1
    assert "go" in typed[0]
    calling = [m for m in messages(trajectory) if m.calls]
    assert agent == "droid" or [m.reasoning for m in calling] == ["hm"]


def test_the_directory_is_told_by_injected_context_or_header(tmp_path: Path) -> None:
    [grok], _ = read(GENERIC, tmp_path / "g.jsonl", lines(*GROK))
    [kimi], _ = read(GENERIC, tmp_path / "k.jsonl", lines(*KIMI))
    [droid], _ = read(GENERIC, tmp_path / "d.jsonl", lines(*DROID))
    assert [t.session.cwd for t in (grok, kimi, droid)] == ["/w/r", "/r", "/tmp"]
    assert kimi.session.system_prompt == "You are Kimi."


def test_a_rewound_branch_is_no_longer_seen(tmp_path: Path) -> None:
    text = lines(
        _uuid("1", None, "user", {"text": "go"}),
        _uuid("2", "1", "assistant", {"text": "wrong"}),
        _uuid("3", "1", "system", subtype="rewind"),
        _uuid("4", "3", "user", {"text": "better"}),
    )
    [trajectory], skipped = read(GENERIC, tmp_path / "q.jsonl", text)
    assert skipped == []
    assert [m.text for m in model_view(trajectory.items)] == ["go", "better"]


def test_a_compaction_of_kimi_keeps_the_latest_prompts(tmp_path: Path) -> None:
    compaction = {"type": "context.apply_compaction", "contextSummary": "sum", "keptUserMessageCount": 1}
    [trajectory], _ = read(GENERIC, tmp_path / "k.jsonl", lines(*KIMI, compaction))
    assert isinstance(trajectory.items[-1], Compaction)
    assert [m.text for m in model_view(trajectory.items)] == ["go", "sum"]


def test_a_reminder_before_a_typed_prompt_leaves_it_typed(tmp_path: Path) -> None:
    both = _blocks("user", _text("<system-reminder>\nBe brief.\n</system-reminder>\n\nDo it"))
    alone = _blocks("user", _text("<system-reminder>\nBe brief.\n</system-reminder>"))
    [trajectory], _ = read(GENERIC, tmp_path / "c.jsonl", lines(both, alone))
    assert [origin for _, origin, _ in said(trajectory)] == ["user", "harness"]


def test_several_sessions_in_one_file_stay_apart(tmp_path: Path) -> None:
    other = [{**record, "session_id": "e"} for record in DROID[1:]]
    found, _ = read(GENERIC, tmp_path / "d.jsonl", lines(*DROID, *other))
    assert [t.session.id for t in found] == ["d", "e"]


def test_what_is_not_understood_is_named(tmp_path: Path) -> None:
    text = lines(*CURSOR, {"type": "dance"}, {"x": 1}, _blocks("assistant", {"type": "hologram"}), "torn{")
    _, skipped = read(GENERIC, tmp_path / "c.jsonl", text)
    assert [(s.where, s.reason.split(":")[0]) for s in skipped] == [
        ("line 7", "not JSON"),
        ("line 4", "unknown record type 'dance'"),
        ("line 5", "a record that says neither role nor type"),
        ("line 6", "unknown content block 'hologram'"),
    ]


def test_an_unknown_agent_is_named_after_its_folder(tmp_path: Path) -> None:
    [trajectory], _ = read(GENERIC, tmp_path / ".goose" / "x.jsonl", lines({"type": "user", "content": "hi"}))
    assert trajectory.session.agent == "goose"

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import zstandard

from harness.importers.base import Skipped
from harness.importers.eval_archive import Member, unpack
from harness.importers.inspect_eval import INSPECT
from harness.importers.reading import Damaged, read_head
from tests.harness.importers.reads import answers, messages, said
from toolsim.trajectory import Trajectory, model_view

ZSTD, DEFLATE, STORE = 93, 8, 0
EVAL = {"eval_id": "E", "task": "t", "model": "m", "packages": {"inspect_ai": "0.3"}, "created": "2026-01-01T00:00:00Z"}


def _packed(data: bytes, method: int) -> bytes:
    if method == ZSTD:
        return zstandard.ZstdCompressor().compress(data)
    if method == DEFLATE:
        deflater = zlib.compressobj(wbits=-15)
        return deflater.compress(data) + deflater.flush()
    return data


def _archive(files: dict[str, Any], method: int = ZSTD, *, torn: bool = False) -> bytes:
    """A zip by hand: Python's own cannot write zstd members; a torn one has no central directory."""
    body, directory = b"", b""
    for name, value in files.items():
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        packed, crc, title = _packed(data, method), zlib.crc32(data), name.encode()
        sizes = struct.pack("<III", crc, len(packed), len(data))
        local = struct.pack("<4s5H", b"PK\x03\x04", 45, 0, method, 0, 0) + sizes + struct.pack("<HH", len(title), 0)
        central = struct.pack("<4s6H", b"PK\x01\x02", 45, 45, 0, method, 0, 0) + sizes
        directory += central + struct.pack("<5H2I", len(title), 0, 0, 0, 0, 0, len(body)) + title
        body += local + title + packed
    count = len(files)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(directory), len(body), 0)
    return body if torn else body + directory + end


def _assistant(own: str, text: str, *calls: tuple[str, str]) -> dict[str, Any]:
    made = [{"id": i, "function": name, "arguments": {"cmd": "ls"}, "type": "function"} for i, name in calls]
    return {"id": own, "role": "assistant", "content": text, "tool_calls": made or None}


def _tool(own: str, call: str, text: str, **more: Any) -> dict[str, Any]:
    return {"id": own, "role": "tool", "tool_call_id": call, "function": "bash", "content": text, **more}


def _model(view: list[Any], answer: dict[str, Any] | None, second: int, **more: Any) -> dict[str, Any]:
    choices = [] if answer is None else [{"message": answer, "stop_reason": "stop"}]
    tools = [{"name": "bash", "description": "d", "parameters": {"type": "object"}}]
    moment = f"2026-01-01T00:00:{second:02d}Z"
    return {
        "event": "model",
        "timestamp": moment,
        "input": view,
        "tools": tools,
        "output": {"choices": choices},
        **more,
    }


PROMPT = {"id": "u", "role": "user", "source": "input", "content": "do"}
SYSTEM = {"id": "s", "role": "system", "content": "Be brief."}


def _sample(messages_: list[Any], events: list[Any], **more: Any) -> dict[str, Any]:
    return {"id": "x", "epoch": 2, "messages": messages_, "events": events, "scores": {"a": {"value": 1}}, **more}


def _read(path: Path, content: bytes | dict[str, Any]) -> tuple[list[Trajectory], list[Skipped]]:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    assert INSPECT.sniff(path, read_head(path))
    found = list(INSPECT.read(path))
    return [t for t in found if isinstance(t, Trajectory)], [s for s in found if isinstance(s, Skipped)]


def _simple() -> dict[str, Any]:
    call, last = _assistant("a", "", ("c", "bash")), _assistant("b", "ok", ("d", "submit"))
    result = _tool("t", "c", "", error={"type": "timeout", "message": "too slow"})
    events = [
        {"event": "sample_init", "timestamp": "2026-01-01T00:00:00Z"},
        _model([SYSTEM, PROMPT], call, 1),
        {"event": "tool", "id": "c", "function": "bash", "timestamp": "2026-01-01T00:00:02Z", "working_time": 0.5,
         "completed": "2026-01-01T00:00:04Z", "result": "", "events": []},
        _model([SYSTEM, PROMPT, call, result], last, 5),
        {"event": "tool", "id": "d", "function": "submit", "timestamp": "2026-01-01T00:00:06Z",
         "completed": "2026-01-01T00:00:07Z", "result": "bye", "events": []},
    ]  # fmt: skip
    return _sample([SYSTEM, PROMPT, call, result, last], events)


@pytest.mark.parametrize("method", [ZSTD, DEFLATE, STORE])
def test_a_sample_is_a_session_whatever_its_compression(tmp_path: Path, method: int) -> None:
    files = {"header.json": {"eval": EVAL}, "samples/x_epoch_2.json": _simple()}
    [trajectory], skipped = _read(tmp_path / "log.eval", _archive(files, method))
    session = trajectory.session
    assert skipped == []
    assert (session.id, session.agent, session.autonomous, session.agent_version) == ("E/x/2", "inspect", True, "0.3")
    assert [tool.name for tool in session.tools] == ["bash"]
    assert said(trajectory)[:2] == [("system", "harness", "Be brief."), ("user", "user", "do")]
    assert answers(trajectory) == [("bash", "too slow"), ("submit", "bye")]
    first, unseen = (m for m in messages(trajectory) if m.result is not None)
    assert first.result is not None
    assert (first.result.is_error, first.result.duration, first.at) == (True, 0.5, 1767225604.0)
    assert unseen.extra == {"shown": False}
    assert trajectory.outcome["scores"] == {"a": {"value": 1}}
    assert messages(trajectory)[0].source == "log.eval:samples/x_epoch_2.json.events[1]"


def test_the_json_form_of_a_log_is_read_too(tmp_path: Path) -> None:
    [trajectory], skipped = _read(tmp_path / "log.json", {"version": 2, "eval": EVAL, "samples": [_simple()]})
    assert skipped == []
    assert trajectory.session.id == "E/x/2"


@pytest.mark.parametrize("torn", [False, True])
def test_a_crashed_run_is_read_from_its_journal(tmp_path: Path, torn: bool) -> None:
    files = {
        "_journal/start.json": {"eval": EVAL},
        "samples/x_epoch_2.json": _simple(),
        "_journal/summaries/1.json": [{"id": "x"}, {"id": "y"}],
    }
    [trajectory], skipped = _read(tmp_path / "log.eval", _archive(files, torn=torn))
    assert trajectory.session.id == "E/x/2"
    assert [s.reason for s in skipped] == ["1 of 2 samples are named but not in the archive"]


def test_damaged_members_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    files = {"header.json": {"eval": EVAL}, "samples/a.json": b"{torn", "samples/b.json": _simple(), "odd.bin": b"x"}
    found, skipped = _read(tmp_path / "log.eval", _archive(files))
    assert len(found) == 1
    assert [(s.where, s.reason.split(":")[0]) for s in skipped] == [
        ("samples/a.json", "not JSON"),
        ("odd.bin", "unknown member"),
    ]


def test_a_member_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.eval"
    for method in (ZSTD, DEFLATE):
        path.write_bytes(_archive({"samples/a.json": b"0" * 5_000_000}, method))
        packed = len(_packed(b"0" * 5_000_000, method))
        with pytest.raises(Damaged, match="unpacks to over"):
            unpack(path, Member("samples/a.json", 0, packed, method), limit=2 << 20)


def test_inputs_from_the_message_pool_and_attachments_are_put_back(tmp_path: Path) -> None:
    call = _assistant("a", "", ("c", "bash"))
    pool = [SYSTEM, {**PROMPT, "content": "attachment://h"}, call, _tool("t", "c", "tc://k")]
    events = [
        {**_model([], call, 1), "input_refs": [[0, 2]]},
        {**_model([], _assistant("b", "ok"), 2), "input_refs": [[0, 4]]},
    ]
    sample = _sample([], events, message_pool=pool, attachments={"h": "do it", "k": "long"})
    [trajectory], skipped = _read(tmp_path / "log.json", {"eval": EVAL, "samples": [sample]})
    assert skipped == []
    assert said(trajectory)[1][2] == "do it"
    assert answers(trajectory) == [("bash", "long")]


def test_trimmed_history_is_a_compaction_and_nothing_that_happened_is_lost(tmp_path: Path) -> None:
    one, two = _assistant("a", "", ("c", "bash")), _assistant("b", "", ("d", "bash"))
    first, second = _tool("t", "c", "1"), _tool("v", "d", "2")
    end = _assistant("e", "end")
    events = [
        _model([SYSTEM, PROMPT], one, 1),
        _model([SYSTEM, PROMPT, one, first], two, 2),
        _model([SYSTEM, {"id": "n", "role": "user", "content": "sum"}, two, second], end, 3),
    ]
    final = [SYSTEM, {"id": "n", "role": "user", "content": "sum"}, two, second, end]
    [trajectory], skipped = _read(tmp_path / "log.json", {"eval": EVAL, "samples": [_sample(final, events)]})
    assert skipped == []
    assert answers(trajectory) == [("bash", "1"), ("bash", "2")]
    view = model_view(trajectory.items)
    assert [m.result.content if m.result else m.text for m in view] == ["Be brief.", "sum", "", "2", "end"]


def test_an_edited_history_is_a_rewind(tmp_path: Path) -> None:
    other = {"id": "r", "role": "user", "content": "instead"}
    events = [_model([SYSTEM, PROMPT], _assistant("a", "no"), 1), _model([SYSTEM, other], _assistant("b", "yes"), 2)]
    final = [SYSTEM, other, _assistant("b", "yes")]
    [trajectory], _ = _read(tmp_path / "log.json", {"eval": EVAL, "samples": [_sample(final, events)]})
    assert [m.text for m in model_view(trajectory.items)] == ["Be brief.", "instead", "yes"]
    assert [type(item).__name__ for item in trajectory.items].count("Rewind") == 1


def test_a_sub_agent_inside_a_tool_is_a_session_of_its_own(tmp_path: Path) -> None:
    call = _assistant("a", "", ("c", "helper"))
    inner = _assistant("i", "", ("k", "bash"))
    nested = [
        _model([{"id": "q", "role": "user", "content": "find"}], inner, 2),
        {"event": "tool", "id": "k", "function": "bash", "completed": "2026-01-01T00:00:03Z", "result": "x"},
        _model(
            [{"id": "q", "role": "user", "content": "find"}, inner, _tool("w", "k", "x")], _assistant("j", "found"), 4
        ),
    ]
    events = [
        _model([SYSTEM, PROMPT], call, 1),
        {"event": "tool", "id": "c", "function": "helper", "agent": "helper", "completed": "2026-01-01T00:00:05Z",
         "result": "found", "events": nested},
        _model([{"id": "z", "role": "user", "content": "grade this"}], _assistant("y", "C"), 9),
        {"event": "dance"},
    ]  # fmt: skip
    sample = _sample([SYSTEM, PROMPT, call, _tool("t", "c", "found")], events)
    [main, sub], skipped = _read(tmp_path / "log.json", {"eval": EVAL, "samples": [sample]})
    assert answers(main) == [("helper", "found")]
    assert answers(sub) == [("bash", "x")]
    assert (sub.session.id, sub.session.parent, sub.session.parent_call) == ("E/x/2/helper-c", "E/x/2", "c")
    assert [s.reason for s in skipped] == ["unknown event 'dance'", "a model call outside the sample's conversation"]

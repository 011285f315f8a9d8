"""Rows of chat data sets, in the forms that their cards name, and what is wrong with rows."""

from __future__ import annotations

import gzip
import json

import pytest

from harness.importers import Skipped, detect, read_paths
from harness.importers.arrays import read_array
from harness.importing import import_paths
from harness.store import Store
from toolsim.calldb import CallDatabase
from toolsim.trajectory import split, steps, turns

WILD = {
    "conversation_hash": "cafe01", "model": "gpt-4-0314", "timestamp": "2023-04-09 00:02:53+00:00",
    "conversation": [
        {"content": "Hi <b>you</b>", "role": "user", "language": "English", "toxic": False, "redacted": False,
         "hashed_ip": "22fd87", "country": "France", "turn_identifier": 101002, "timestamp": None},
        {"content": "Hello.", "role": "assistant", "language": "English", "toxic": False, "redacted": False,
         "turn_identifier": 101002, "timestamp": "2023-04-09T00:02:53+00:00"},
        {"content": "And?", "role": "user", "language": "English", "timestamp": None},
        {"content": "Well.", "role": "assistant", "timestamp": "2023-04-09T00:03:53+00:00"},
    ],
    "turn": 2, "language": "English", "toxic": False, "redacted": True, "country": "France", "hashed_ip": "22fd87",
    "openai_moderation": [{"flagged": False}, {"flagged": True}],
}  # fmt: skip
LMSYS = {
    "conversation_id": "d1", "model": "vicuna-13b", "turn": 1, "language": "English", "redacted": False,
    "conversation": [{"content": "Two?", "role": "user"}, {"content": "Two.", "role": "assistant"}],
    "openai_moderation": [{"flagged": False}],
}  # fmt: skip
SHARE = {"id": "QWJhYvA_0", "conversations": [
    {"from": "system", "value": "Be kind."}, {"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}
]}  # fmt: skip


def jsonl(path, *rows):
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


def one(path):
    (found,) = read_paths([path])
    return found


def test_a_row_of_wildchat_becomes_a_session_without_tools(tmp_path):
    found = one(jsonl(tmp_path / "w.jsonl", WILD))
    session = found.session
    assert (session.agent, session.format, session.model, session.user) == ("chat", "chat-rows", "gpt-4-0314", "22fd87")
    assert session.id.startswith("cafe01-")
    assert session.started_at == 1680998573.0
    assert session.tools == ()
    assert session.metadata == {
        "language": "English", "turn": 2, "toxic": False, "redacted": True, "country": "France",
        "conversation": "cafe01", "flagged": True,
    }  # fmt: skip
    assert [(m.role, m.text, m.origin) for m in found.items] == [
        ("user", "Hi <b>you</b>", "user"), ("assistant", "Hello.", "agent"), ("user", "And?", "user"),
        ("assistant", "Well.", "agent"),
    ]  # fmt: skip
    assert [m.source for m in found.items][-1] == "w.jsonl:1[3]"
    last = turns(found)[-1]
    prefix, reference = split(found, last, 0)
    assert len(steps(found, last)) == 1
    assert [m.text for m in prefix.items] == ["Hi <b>you</b>", "Hello.", "And?"]
    assert [m.text for m in reference.items] == ["Well."]


@pytest.mark.parametrize(("row", "texts"), [(LMSYS, ["Two?", "Two."]), (SHARE, ["Be kind.", "Why?", "So."])])
def test_other_sets_are_read_too(tmp_path, row, texts):
    for path in (jsonl(tmp_path / "r.jsonl", row), jsonl(tmp_path / "r.json", json.dumps([row]))):
        assert [m.text for m in one(path).items] == texts


def test_rows_in_parquet_are_the_same_sessions(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    plain = list(read_paths([jsonl(tmp_path / "r.jsonl", WILD, LMSYS)]))
    for name, row in (("1.parquet", WILD), ("2.parquet", LMSYS)):
        parquet.write_table(pa.Table.from_pylist([row]), tmp_path / name)
    read = list(read_paths([tmp_path / "*.parquet"]))
    assert [[(m.role, m.text, m.at) for m in f.items] for f in read] == [
        [(m.role, m.text, m.at) for m in f.items] for f in plain
    ]
    assert [f.session.id for f in read] == [f.session.id for f in plain]
    assert [f.session.metadata for f in read] == [f.session.metadata for f in plain]


def test_parquet_of_something_else_and_damaged_parquet_are_named(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist([{"x": 1}]), tmp_path / "x.parquet")
    assert one(tmp_path / "x.parquet").reason == "Parquet without a column conversation or conversations"
    whole = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "y.parquet").write_bytes(whole[: len(whole) // 2])
    assert one(tmp_path / "y.parquet").reason.startswith("rest unread: ")


WRONG = {
    "a row without conversation": {"conversation_hash": "x"},
    "a conversation that is no list": {**WILD, "conversation": "hi"},
    "an empty conversation": {**WILD, "conversation": []},
    "a message that is no object": {**WILD, "conversation": ["hi"]},
    "a message without role": {**WILD, "conversation": [{"content": "hi"}]},
    "a message of an unknown role": {**WILD, "conversation": [{"role": "narrator", "content": "hi"}]},
    "a message without text": {**WILD, "conversation": [{"role": "user", "content": None}]},
    "an empty answer": {**WILD, "conversation": [{"role": "assistant", "content": " "}]},
    "a conversation without a user": {**WILD, "conversation": [{"role": "assistant", "content": "hi"}]},
    "a conversation without an answer": {**WILD, "conversation": [{"role": "user", "content": "hi"}]},
    "a JSON int instead of an object": 7,
}  # fmt: skip


def test_rows_that_cannot_be_used_are_counted_by_reason_and_the_rest_goes_on(tmp_path):
    rows = [WILD, *WRONG.values(), WRONG["an empty conversation"], '{"cut": \n', LMSYS]
    found = list(read_paths([jsonl(tmp_path / "r.jsonl", *rows)]))
    skips = {skip.reason: skip.where for skip in found if isinstance(skip, Skipped)}
    assert len(found) - len(skips) == 2
    assert {r.removesuffix(" (2 times, first here)") for r in skips} >= set(WRONG)
    assert skips["an empty conversation (2 times, first here)"] == "row 4"
    assert any(reason.startswith("not JSON") for reason in skips)


def test_rows_with_tools_stay_with_the_importer_that_reads_tools(tmp_path):
    tools = {"conversations": [
        {"from": "human", "value": "fix"}, {"from": "gpt", "value": "<function=bash>\n</function>"}
    ]}  # fmt: skip
    assert detect(jsonl(tmp_path / "t.jsonl", tools)).name == "chat"
    assert detect(jsonl(tmp_path / "m.jsonl", {"messages": [{"role": "user", "content": "hi"}]})).name == "chat"
    with gzip.open(tmp_path / "w.jsonl.gz", "wt") as out:
        out.write(json.dumps(WILD))
    assert detect(tmp_path / "w.jsonl.gz").name == "chat-rows"


@pytest.mark.parametrize("cut", [0, 1, 7])
def test_an_array_is_read_over_the_ends_of_chunks(tmp_path, monkeypatch, cut):
    monkeypatch.setattr("harness.importers.arrays._CHUNK", 5 + cut)
    rows = [{"text": "é" * n, "deep": [{"n": n}]} for n in range(9)]
    path = tmp_path / "a.json"
    path.write_text(" [\n" + " ,\n".join(json.dumps(r, ensure_ascii=cut == 1) for r in rows) + "]\n", "utf-8")
    assert [record.value for record in read_array(path)] == rows
    path.write_text(path.read_text("utf-8")[:-12], "utf-8")
    *whole, last = read_array(path)
    assert [record.value for record in whole] == rows[:-1]
    assert last == Skipped(str(path), "row 9", "rest unread: the array is damaged or cut off here")


def test_a_draw_is_the_same_whatever_the_order_and_the_rest_is_counted(tmp_path):
    rows = [{**LMSYS, "conversation_id": f"c{n}"} for n in range(50)]
    drawn = []
    for name, order in (("a", rows), ("b", rows[::-1])):
        path = jsonl(tmp_path / f"{name}.jsonl", *order)
        with Store(tmp_path / f"{name}.db") as store, CallDatabase(tmp_path / f"{name}-calls.db") as calls:
            summary = import_paths(store, calls, [path], sample=7, seed=3)
            drawn.append({row.id for row in store.sessions()})
        assert (summary.added, summary.not_drawn, summary.sessions) == (7, 43, {"chat": 50})
    assert drawn[0] == drawn[1]
    with Store(tmp_path / "c.db") as store, CallDatabase(tmp_path / "c-calls.db") as calls:
        import_paths(store, calls, [path], sample=7, seed=4)
        assert {row.id for row in store.sessions()} != drawn[0]

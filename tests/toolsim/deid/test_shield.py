"""Request bodies and answers at the boundary, and the file that keeps the maps."""

from __future__ import annotations

import asyncio
import json
import stat
import threading

import pytest

from toolsim.deid import shield as shields
from toolsim.deid.choice import Deidentify, beside, map_path
from toolsim.deid.mapfile import MapFile
from toolsim.deid.shield import Shield
from toolsim.errors import MapError
from toolsim.modeltypes import Usage
from toolsim.trajectory import ToolCall
from toolsim.wire import Received

HOME = "/Users/mallory/proj"
MAIL = "mallory.k@corp.io"


def body(*texts):
    return {
        "model": "m", "messages": [{"role": "user", "content": text} for text in texts],
        "tools": [{"type": "function", "function": {"name": "ls", "description": f"in {HOME}", "parameters": {}}}],
    }  # fmt: skip


def test_every_text_of_a_body_is_scrubbed_and_ids_and_roles_are_not():
    call = {"id": "call_mallory", "type": "function", "function": {"name": "ls", "arguments": json.dumps({"p": HOME})}}
    sent = Shield().scrub("s", {
        **body(f"look at {HOME}"),
        "input": [{"type": "reasoning", "encrypted_content": "mallory", "summary": [{"text": HOME}]}],
        "more": [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "call_mallory",
                 "content": [{"type": "text", "text": f"{MAIL} wrote"}]}],
    })  # fmt: skip
    text = json.dumps(sent)
    assert MAIL not in text
    assert "/mallory/" not in text
    assert text.count("call_mallory") == 2
    assert sent["input"][0]["encrypted_content"] == "mallory"
    assert sent["messages"][0]["role"] == "user"


def test_an_answer_comes_back_with_the_values_in_words_thoughts_calls_and_items():
    shield = Shield()
    sent = shield.scrub("s", body(f"look at {HOME}"))
    place = sent["messages"][0]["content"].removeprefix("look at ")
    call = ToolCall("c", "ls", {"path": f"{place}/a", "deep": [{place: 1}]}, raw=f"ls {place}")
    received = Received(f"in {place}", (call,), f"hm {place}", "stop", Usage(), ({"summary": [{"text": place}]},))
    back = shield.restore("s", received)
    assert (back.text, back.reasoning) == (f"in {HOME}", f"hm {HOME}")
    assert back.calls[0].arguments == {"path": f"{HOME}/a", "deep": [{HOME: 1}]}
    assert back.calls[0].raw == f"ls {HOME}"
    assert back.items == ({"summary": [{"text": HOME}]},)
    assert shield.scrub("s", {"input": list(back.items)}) == {"input": [{"summary": [{"text": place}]}]}


def test_sessions_do_not_share_a_map():
    shield = Shield()
    first, second = (shield.scrub(name, body(HOME))["messages"][0]["content"] for name in "ab")
    assert first != second
    assert shield.restore_text("a", second) == second


def test_a_name_that_is_learnt_later_is_replaced_in_what_was_sent_before_too():
    shield = Shield()
    assert shield.scrub("s", {"x": ["mallory says hi"]})["x"] == ["mallory says hi"]
    assert "mallory" not in str(shield.scrub("s", {"x": ["mallory says hi", HOME]}))


def test_a_map_is_kept_and_read_by_another_process_and_its_file_is_the_owners_alone(tmp_path):
    file = map_path(tmp_path / "s.db")
    assert not file.exists()
    sent = beside(tmp_path / "s.db", "on").shield.scrub("s", body(HOME))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = beside(tmp_path / "s.db", "on").shield
    assert again.restore_text("s", sent["messages"][0]["content"]) == HOME
    assert again.scrub("s", body(HOME)) == sent
    assert MapFile(file).counts() == {"s": {"user": 3}}


def test_two_writers_agree(tmp_path):
    shields = [Shield(MapFile(tmp_path / "m")) for _ in range(4)]
    texts = [f"/home/person{n}x/a" for n in range(12)]
    threads = [
        threading.Thread(target=lambda s=shield, k=k: [s.scrub("s", {"t": [t]}) for t in (*texts[k:], *texts[:k])])
        for k, shield in enumerate(shields)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (
        len(
            {
                json.dumps(Shield(MapFile(tmp_path / "m")).scrub("s", {"t": texts})),
                *(json.dumps(s.scrub("s", {"t": texts})) for s in shields),
            }
        )
        == 1
    )


def test_a_file_that_others_may_read_is_refused(tmp_path):
    file = tmp_path / "m"
    Shield(MapFile(file)).scrub("s", body(HOME))
    file.chmod(0o644)
    with pytest.raises(MapError, match="may be read by others"):
        Shield(MapFile(file)).scrub("t", body(HOME))


def test_purging_leaves_nothing_of_a_session(tmp_path):
    file = MapFile(tmp_path / "m")
    shield = Shield(file)
    shield.scrub("a", body(f"{HOME} {MAIL}"))
    shield.scrub("b", {"text": "/home/zacharias/x"})
    assert file.purge("a") == 4
    assert b"mallory" not in (tmp_path / "m").read_bytes()
    assert set(file.counts()) == {"b"}


@pytest.mark.parametrize(("mode", "embedded", "shielded"), [
    ("auto", False, True), ("auto", True, False), ("on", True, True), ("off", False, False),
])  # fmt: skip
def test_endpoints_are_scrubbed_and_embedded_weights_are_not_unless_said_otherwise(mode, embedded, shielded):
    assert (Deidentify(mode).shield_of(embedded=embedded) is not None) == shielded


def test_looking_through_a_long_conversation_again_looks_only_at_what_is_new():
    looked = []
    shield = Shield(find=lambda text: looked.append(text) or ())
    messages = [f"message {n}" for n in range(50)]
    shield.scrub("s", {"m": messages})
    shield.scrub("s", {"m": [*messages, "one more"]})
    assert len(looked) == 51


def test_what_is_remembered_is_bounded_over_all_sessions(monkeypatch):
    monkeypatch.setattr(shields, "_REMEMBERED", 1_000)
    shield = Shield()
    for n in range(40):
        sent = shield.scrub(f"s{n % 8}", {"messages": [{"role": "user", "content": f"/home/anna/{n}" + "x" * 90}]})
        assert "anna" not in str(sent)
    held = sum(len(text) for memory in shield._memories.values() for text in memory.seen)
    assert held <= 1_200
    assert len(shield._memories) <= 8
    assert shield.restore_text("s1", shield.scrub("s1", {"t": ["/home/anna/1"]})["t"][0]) == "/home/anna/1"


def test_tools_that_were_looked_through_before_are_changed_again_once_the_map_has_grown():
    shield = Shield()
    tool = {"type": "function", "function": {"name": "ls", "description": "asks mallory.k@corp.io", "parameters": {}}}
    named = {"type": "function", "function": {"name": "cd", "description": "of Zebedee9 only", "parameters": {}}}
    plain = {"messages": [{"role": "user", "content": "hello"}], "tools": [tool, named], "seed": 1}
    first = shield.scrub("s", plain)
    assert shield.scrub("s", {**plain, "seed": 2})["tools"] == first["tools"]
    assert MAIL not in json.dumps(first)
    assert first["tools"][1] == named
    asked = {**plain, "messages": [{"role": "user", "content": "in /home/Zebedee9/x"}]}
    assert "Zebedee9" not in json.dumps(shield.scrub("s", asked))
    assert "Zebedee9" not in json.dumps(shield.scrub("s", plain))


def test_parts_that_no_fast_encoder_takes_are_scrubbed_too():
    odd = {"tools": [{"description": f"half \ud800 {HOME}", "size": 1 << 70}], "messages": []}
    assert "mallory" not in repr(Shield().scrub("s", odd))


async def test_a_long_body_is_looked_through_in_portions_between_which_others_get_the_loop():
    looked = []

    def find(text):
        looked.append(len(text))
        return shields.find(text)

    long = body(*(f"{MAIL} wrote {n}: " + "word " * 6_000 for n in range(20)))
    shield, rounds = Shield(find=find), 0

    async def other():
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await shield.look_through("s", long)
    task.cancel()
    assert rounds >= 5
    assert len(looked) == 20
    assert MAIL not in json.dumps(shield.scrub("s", long))
    assert shield.scrub("s", long)["messages"] == Shield().scrub("s", long)["messages"]
    looked.clear()
    await shield.look_through("s", long)
    await shield.look_through("t", body("short"))
    assert looked == []

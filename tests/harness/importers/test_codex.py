import json

import pytest
import zstandard

from harness.importers.codex import CODEX
from toolsim.trajectory import Compaction, Message, Rewind, Trajectory, call_pairs, model_view, turns


def line(kind, payload, second=0):
    return {"timestamp": f"2026-06-01T10:00:{second:02d}.500Z", "type": kind, "payload": payload}


def meta(**fields):
    return line("session_meta", {"id": "s1", "cwd": "/home/me/repo", "cli_version": "0.142.0", **fields})


def item(kind, **fields):
    return line("response_item", {"type": kind, **fields})


def message(role, *texts):
    part = "output_text" if role == "assistant" else "input_text"
    return item("message", role=role, content=[{"type": part, "text": text} for text in texts])


def event(kind, **fields):
    return line("event_msg", {"type": kind, **fields})


def call(call_id, name="exec_command", arguments='{"cmd": "ls"}'):
    return item("function_call", name=name, arguments=arguments, call_id=call_id)


def output(call_id, text):
    return item("function_call_output", call_id=call_id, output=text)


def read(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert CODEX.sniff(path, path.read_bytes()[:65536])
    return list(CODEX.read(path))


def only(path, *records):
    (found,) = read(path, *records)
    assert isinstance(found, Trajectory)
    return found


def texts(messages):
    return [m.text or (m.result.content if m.result else "") for m in messages]


def test_a_session_knows_what_its_first_meta_says(tmp_path):
    git = {"commit_hash": "c" * 40, "branch": "main", "repository_url": "https://x/y.git"}
    tools = [{"name": "lookup", "description": "d", "inputSchema": {"type": "object"}}]
    first = meta(
        git=git, base_instructions={"text": "Be good."}, dynamic_tools=tools, forked_from_id="s0", source="cli"
    )
    context = line("turn_context", {"cwd": "/home/me/repo/sub", "model": "gpt-x"})
    trajectory = only(tmp_path / "f", first, meta(id="s0"), context, message("user", "hi"), message("assistant", "ho"))
    session = trajectory.session
    assert (session.id, session.lineage, session.system_prompt, session.model) == ("s1", "s0", "Be good.", "gpt-x")
    assert (session.repository.commit, session.repository.branch) == ("c" * 40, "main")
    assert (session.platform, session.tools[0].name, session.metadata["source"]) == ("linux", "lookup", "cli")
    assert [m.cwd for m in trajectory.items] == ["/home/me/repo/sub"] * 2


def test_a_response_is_one_message_and_parallel_calls_get_their_outputs(tmp_path):
    trajectory = only(
        tmp_path / "f", meta(), message("user", "go"),
        item("reasoning", summary=[{"type": "summary_text", "text": "think"}], encrypted_content="x"),
        message("assistant", "Both."), call("c1"), call("c2"), output("c2", "two"), output("c1", "one"),
        message("assistant", "Done."),
    )  # fmt: skip
    user, agent, _, _, last = trajectory.items
    assert (agent.reasoning, agent.text, len(agent.calls), last.text) == ("think", "Both.", 2, "Done.")
    assert [p.result.content for p in call_pairs(trajectory.items)] == ["one", "two"]
    assert user.source == "f:2"


@pytest.mark.parametrize(
    ("recorded", "exit_code", "duration", "is_error"),
    [
        ("Chunk ID: 1\nWall time: 0.98 seconds\nProcess exited with code 3\nOutput:\nExit code: 9\n", 3, 0.98, None),
        ("Chunk ID: 1\nWall time: 30.0 seconds\nProcess running with session ID 7\nOutput:\n", None, 30.0, None),
        ("Exit code: 0\nWall time: 0 seconds\nOutput:\nok", 0, 0.0, None),
        ('{"output":"x","metadata":{"exit_code":2,"duration_seconds":0.5}}', 2, 0.5, None),
        ({"content": "bad", "success": False}, None, None, True),
        ([{"type": "input_text", "text": "a"}, {"type": "input_image"}], None, None, None),
        ("plain\nExit code: 1", None, None, None),
    ],
)
def test_an_output_states_exit_code_and_duration_only_in_its_header(tmp_path, recorded, exit_code, duration, is_error):
    (pair,) = call_pairs(only(tmp_path / "f", meta(), message("user", "go"), call("c1"), output("c1", recorded)).items)
    assert (pair.result.exit_code, pair.result.duration, pair.result.is_error) == (exit_code, duration, is_error)


def test_edit_events_are_attached_wherever_they_stand(tmp_path):
    changes = {"/home/me/repo/a.py": {"type": "add", "content": "x"}}
    records = [
        meta(), message("user", "go"),
        item("custom_tool_call", name="apply_patch", input="*** Begin Patch", call_id="c1"),
        event("patch_apply_end", call_id="c1", success=True, changes=changes),
        item("custom_tool_call_output", call_id="c1", output="Success."),
        call("c2", "mcp__x__y", "{}"), output("c2", "err: no"),
        event("mcp_tool_call_end", call_id="c2", duration={"secs": 1, "nanos": 500000000}, result={"Err": "no"}),
    ]  # fmt: skip
    patch, mcp = call_pairs(only(tmp_path / "f", *records).items)
    assert (patch.call.raw, patch.call.arguments) == ("*** Begin Patch", {})
    assert (patch.result.structured["changes"], patch.result.is_error) == (changes, False)
    assert (mcp.result.is_error, mcp.result.duration) == (True, 1.5)


def test_context_put_in_by_codex_is_not_the_user(tmp_path):
    trajectory = only(
        tmp_path / "f", meta(), message("developer", "<permissions instructions>"),
        message("user", "# AGENTS.md instructions for /x"), message("user", "real words"),
        event("user_message", message="real words"), message("assistant", "ok"), message("user", "not in any event"),
    )  # fmt: skip
    assert [(m.role, m.origin) for m in trajectory.items] == [
        ("system", "harness"), ("user", "harness"), ("user", "user"), ("assistant", "agent"), ("user", "harness"),
    ]  # fmt: skip
    assert len(turns(trajectory)) == 1


def test_after_a_compaction_the_model_sees_the_replacement(tmp_path):
    history = [message("user", "kept")["payload"], message("assistant", "short")["payload"]]
    trajectory = only(
        tmp_path / "f", meta(), message("user", "long"), message("assistant", "story"),
        line("compacted", {"message": "", "replacement_history": history}), message("user", "on"),
    )  # fmt: skip
    assert texts(model_view(trajectory.items)) == ["kept", "short", "on"]
    assert [item.origin for item in trajectory.items if isinstance(item, Message)] == ["user", "agent", "user"]


def test_an_old_compaction_keeps_prompts_and_summary(tmp_path):
    trajectory = only(
        tmp_path / "f",
        meta(),
        message("user", "ask"),
        message("assistant", "long"),
        line("compacted", {"message": "sum"}),
    )
    assert texts(model_view(trajectory.items)) == ["ask", "sum"]


def test_a_rollback_takes_back_turns_also_out_of_a_compaction(tmp_path):
    records = [
        meta(),
        message("user", "one"),
        message("assistant", "1"),
        message("user", "two"),
        message("assistant", "2"),
    ]
    back = event("thread_rolled_back", num_turns=1)
    trajectory = only(tmp_path / "f", *records, back, message("user", "three"))
    assert texts(model_view(trajectory.items)) == ["one", "1", "three"]
    assert any(isinstance(i, Rewind) for i in trajectory.items)
    compacted = line("compacted", {"replacement_history": [r["payload"] for r in records[1:]]})
    trajectory = only(tmp_path / "g", *records, compacted, back)
    assert texts(model_view(trajectory.items)) == ["one", "1"]
    assert isinstance(trajectory.items[-1], Compaction)


def test_a_web_search_has_no_result_and_ends_its_message(tmp_path):
    action = {"type": "search", "query": "q"}
    trajectory = only(
        tmp_path / "f",
        meta(),
        message("user", "go"),
        item("web_search_call", action=action),
        message("assistant", "Found."),
    )
    assert [(len(m.calls), m.text) for m in trajectory.items[1:]] == [(1, ""), (0, "Found.")]
    assert trajectory.items[1].calls[0].arguments == action


def test_a_compressed_rollout_reads_the_same(tmp_path):
    records = [meta(), message("user", "go"), call("c1"), output("c1", "x")]
    plain = only(tmp_path / "f", *records)
    packed = tmp_path / "sub" / "f"
    packed.parent.mkdir()
    packed.write_bytes(zstandard.ZstdCompressor().compress((tmp_path / "f").read_bytes()))
    assert list(CODEX.read(packed)) == [plain]


def test_the_oldest_forms_are_read(tmp_path):
    header = {"id": "old", "timestamp": "2025-05-01T00:00:00Z", "instructions": None, "git": {"branch": "b"}}
    items = [
        message("user", "go")["payload"], {"record_type": "state"},
        {"type": "local_shell_call", "call_id": "c1", "action": {"type": "exec", "command": ["ls"]}},
        output("c1", "x")["payload"],
    ]  # fmt: skip
    bare = only(tmp_path / "bare", header, *items)
    whole = tmp_path / "whole"
    whole.write_text(json.dumps({"session": header, "items": [i for i in items if "record_type" not in i]}, indent=2))
    assert CODEX.sniff(whole, whole.read_bytes())
    (document,) = CODEX.read(whole)
    for trajectory in (bare, document):
        (pair,) = call_pairs(trajectory.items)
        assert (trajectory.session.id, pair.call.name, pair.result.content) == ("old", "local_shell", "x")
        assert pair.call.arguments["command"] == ["ls"]


def test_what_is_not_known_is_counted_with_its_line(tmp_path):
    trajectory, *skipped = read(
        tmp_path / "f", meta(), message("user", "go"), line("hologram", {}), item("riddle"), event("omen"),
        output("c9", "for nobody"),
    )  # fmt: skip
    assert len(trajectory.items) == 1
    assert {(s.where, s.reason) for s in skipped} == {
        ("line 3", "unknown response item 'hologram'"),
        ("line 4", "unknown response item 'riddle'"),
        ("line 5", "unknown event 'omen'"),
        ("line 6", "a tool output that answers no open call"),
    }

import json

from harness.importers.base import Skipped
from harness.importers.claude_code import CLAUDE_CODE
from harness.importers.claude_records import CLEARED_RESULT
from toolsim.trajectory import Compaction, Message, Rewind, Trajectory, call_pairs, model_view, turns


class File:
    """Writes Claude Code records with the chain fields filled in."""

    def __init__(self, path):
        self.path = path
        self.lines = []
        self.last = None

    def add(self, kind, uuid, *, parent="last", **fields):
        record = {
            "type": kind,
            "uuid": uuid,
            "parentUuid": self.last if parent == "last" else parent,
            "isSidechain": False,
            "sessionId": "s1",
            "cwd": "/Users/me/repo",
            "gitBranch": "main",
            "version": "2.1.0",
            "timestamp": f"2026-01-01T00:00:{len(self.lines):02d}.000Z",
            **fields,
        }
        self.lines.append(record)
        self.last = uuid
        return self

    def user(self, uuid, text, **fields):
        return self.add("user", uuid, message={"role": "user", "content": text}, **fields)

    def say(self, uuid, message_id, *blocks, **fields):
        message = {"id": message_id, "role": "assistant", "model": "claude-x", "content": list(blocks)}
        return self.add("assistant", uuid, message=message, **fields)

    def result(self, uuid, call, text, *, structured=None, is_error=None, **fields):
        block = {"type": "tool_result", "tool_use_id": call, "content": text}
        if is_error is not None:
            block["is_error"] = is_error
        extra = {"toolUseResult": structured} if structured is not None else {}
        return self.add("user", uuid, message={"role": "user", "content": [block]}, **extra, **fields)

    def read(self):
        self.path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        assert CLAUDE_CODE.sniff(self.path, self.path.read_bytes()[:65536])
        return list(CLAUDE_CODE.read(self.path))

    def only(self):
        (found,) = self.read()
        assert isinstance(found, Trajectory)
        return found


def text(value):
    return {"type": "text", "text": value}


def use(call, name="Bash", **arguments):
    return {"type": "tool_use", "id": call, "name": name, "input": arguments}


def texts(messages):
    return [m.text or (m.result.content if m.result else "") for m in messages]


def test_blocks_of_one_response_become_one_message_and_results_keep_their_structured_copy(tmp_path):
    file = File(tmp_path / "a").user("u1", "fix it")
    file.say("a1", "m1", {"type": "thinking", "thinking": "hm"}).say("a2", "m1", text("Looking."))
    file.say("a3", "m1", use("c1", command="ls"))
    file.result("r1", "c1", "a.py", structured={"stdout": "a.py", "durationMs": 250})
    trajectory = file.only()
    user, agent, tool = trajectory.items
    assert (user.origin, agent.origin, tool.origin) == ("user", "agent", "tool")
    assert (agent.text, agent.reasoning, agent.calls[0].arguments) == ("Looking.", "hm", {"command": "ls"})
    assert (tool.result.structured["stdout"], tool.result.duration) == ("a.py", 0.25)
    assert (tool.source, tool.cwd, tool.branch) == ("a:5", "/Users/me/repo", "main")
    assert (trajectory.session.platform, trajectory.session.model) == ("darwin", "claude-x")
    assert trajectory.session.lineage == "u1"


def test_parallel_results_on_different_parents_are_no_rewind(tmp_path):
    file = File(tmp_path / "a").user("u1", "go").say("a1", "m1", use("c1")).say("a2", "m1", use("c2"))
    file.result("r1", "c1", "one", parent="a1").result("r2", "c2", "two", parent="a2")
    trajectory = file.say("a3", "m2", text("done"), parent="r1").user("u2", "next", parent="a3").only()
    assert not any(isinstance(item, Rewind | Compaction) for item in trajectory.items)
    assert [p.result.content for p in call_pairs(trajectory.items)] == ["one", "two"]


def test_a_prompt_on_an_earlier_record_leaves_the_branch_and_the_branch_stays_in_the_items(tmp_path):
    file = File(tmp_path / "a").user("u1", "first").say("a1", "m1", text("answer"))
    file.user("u2", "wrong way").say("a2", "m2", use("c1")).result("r1", "c1", "deleted")
    trajectory = file.user("u3", "other way", parent="a1").say("a3", "m3", text("ok")).only()
    assert texts(model_view(trajectory.items)) == ["first", "answer", "other way", "ok"]
    assert [type(item) for item in trajectory.items].count(Rewind) == 1
    assert "deleted" in texts(i for i in trajectory.items if isinstance(i, Message))


def test_an_edited_first_prompt_starts_over(tmp_path):
    file = File(tmp_path / "a").user("u1", "first").say("a1", "m1", text("answer"))
    trajectory = file.user("u2", "again", parent=None).only()
    assert texts(model_view(trajectory.items)) == ["again"]


def test_a_return_to_a_left_branch_shows_it_again(tmp_path):
    file = File(tmp_path / "a").user("u1", "first").say("a1", "m1", text("A"))
    file.user("u2", "left", parent="a1").say("a2", "m2", text("B"))
    file.user("u3", "right", parent="a1").say("a3", "m3", text("C"))
    trajectory = file.user("u4", "back", parent="a2").say("a4", "m4", text("D")).only()
    assert texts(model_view(trajectory.items)) == ["first", "A", "left", "B", "back", "D"]
    again = File(tmp_path / "b")
    again.lines, again.last = file.lines, file.last
    trajectory = again.user("u5", "and right", parent="a3").only()
    assert texts(model_view(trajectory.items)) == ["first", "A", "right", "C", "and right"]


def test_a_compaction_leaves_the_summary_and_what_follows(tmp_path):
    file = File(tmp_path / "a").user("u1", "first").say("a1", "m1", text("long"))
    file.add("system", "b1", parent=None, subtype="compact_boundary", logicalParentUuid="a1", compactMetadata={})
    file.user("u2", "summary of it", isCompactSummary=True, isVisibleInTranscriptOnly=True)
    trajectory = file.user("u3", "go on").say("a2", "m2", text("ok")).only()
    assert texts(model_view(trajectory.items)) == ["summary of it", "go on", "ok"]
    assert len(turns(trajectory)) == 2


def test_messages_kept_by_a_compaction_stay_in_view(tmp_path):
    file = File(tmp_path / "a").user("u1", "old").say("a1", "m1", text("older"))
    file.user("u2", "recent").say("a2", "m2", text("latest"))
    segment = {"preservedSegment": {"headUuid": "u2", "anchorUuid": "u3", "tailUuid": "a2"}}
    file.add("system", "b1", parent=None, subtype="compact_boundary", logicalParentUuid="a2", compactMetadata=segment)
    file.user("u3", "summary", isCompactSummary=True)
    trajectory = file.user("u4", "go on", parent="a2").only()
    assert texts(model_view(trajectory.items)) == ["summary", "recent", "latest", "go on"]


def test_a_microcompaction_clears_only_the_named_results(tmp_path):
    file = File(tmp_path / "a").user("u1", "go").say("a1", "m1", use("c1")).result("r1", "c1", "long one")
    file.say("a2", "m2", use("c2")).result("r2", "c2", "short")
    file.add("system", "b1", subtype="microcompact_boundary", microcompactMetadata={"compactedToolIds": ["c1"]})
    trajectory = file.say("a3", "m3", text("ok")).only()
    assert texts(model_view(trajectory.items)) == ["go", "", CLEARED_RESULT, "", "short", "ok"]
    assert "long one" in texts(i for i in trajectory.items if isinstance(i, Message))


def test_only_what_a_human_typed_starts_a_turn(tmp_path):
    file = File(tmp_path / "a").user("u0", "Caveat: it is meta", isMeta=True)
    file.user("u1", "<local-command-stdout>ok</local-command-stdout>").user("u2", "do it")
    file.say("a1", "m1", text("done")).user("u3", "[Request interrupted by user]")
    file.user("u4", "<task-notification>x</task-notification>", origin={"kind": "task-notification"})
    file.say("a2", "m2", text("more")).user("u5", "thanks", origin={"kind": "human"})
    trajectory = file.only()
    assert [m.text for m in trajectory.items if m.origin == "user"] == ["do it", "thanks"]


def test_a_failed_command_states_its_exit_code(tmp_path):
    file = File(tmp_path / "a").user("u1", "go").say("a1", "m1", use("c1"), use("c2"), use("c3"))
    file.result("r1", "c1", "Exit code 127\nzsh: command not found: x", is_error=True, parent="a1")
    file.result("r2", "c2", "Exit code 1 is what we expect", parent="a1")
    file.result("r3", "c3", [text("one"), {"type": "image"}, text("two")], is_error=False, parent="a1")
    results = [p.result for p in call_pairs(file.only().items)]
    assert [(r.exit_code, r.is_error, r.images) for r in results] == [(127, True, 0), (None, None, 0), (None, False, 1)]
    assert results[2].content == "one\ntwo"


def test_redacted_ids_are_paired_by_the_chain(tmp_path):
    file = File(tmp_path / "a").user("u1", "go").say("a1", "m1", use("REDACTED", "Read"))
    file.say("a2", "m1", use("REDACTED", "Bash"))
    file.result("r2", "REDACTED", "from bash", parent="a2").result("r1", "REDACTED", "from read", parent="a1")
    pairs = list(call_pairs(file.only().items))
    assert [(p.call.name, p.result.content) for p in pairs] == [("Read", "from read"), ("Bash", "from bash")]
    assert len({p.call.id for p in pairs}) == 2


def test_an_inline_sidechain_is_a_session_of_its_own(tmp_path):
    file = File(tmp_path / "a").user("u1", "go").say("a1", "m1", use("c1", "Task", prompt="look around"))
    file.user("x1", "look around", parent=None, isSidechain=True).say("x2", "m9", use("c9"), isSidechain=True)
    file.result("x3", "c9", "seen", isSidechain=True)
    main, agent = file.result("r1", "c1", "all seen", parent="a1").read()
    assert [p.result.content for p in call_pairs(main.items)] == ["all seen"]
    assert [p.result.content for p in call_pairs(agent.items)] == ["seen"]
    assert (agent.session.parent, agent.session.parent_call) == (main.session.id, "c1")
    assert agent.session.autonomous
    assert not any(m.origin == "user" for m in agent.items)
    assert agent.session.id != main.session.id


def test_a_sub_agent_shown_only_as_progress_is_a_session_too(tmp_path):
    file = File(tmp_path / "a").user("u1", "go").say("a1", "m1", use("c1", "Task", prompt="p"))
    for number, message in enumerate(
        (
            {"type": "user", "uuid": "x1", "message": {"role": "user", "content": [text("p")]}},
            {"type": "assistant", "uuid": "x2", "message": {"id": "m7", "role": "assistant", "content": [use("c9")]}},
            {"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": "c9", "content": "seen"}]}},
        )
    ):
        data = {"type": "agent_progress", "agentId": "ag7", "message": message}
        file.add("progress", f"p{number}", data=data, parentToolUseID="c1", toolUseID="t")
    main, agent = file.result("r1", "c1", "fine").read()
    assert (agent.session.id, agent.session.parent, agent.session.parent_call) == ("s1/ag7", "s1", "c1")
    assert [p.result.content for p in call_pairs(agent.items)] == ["seen"]
    assert not any(isinstance(item, Rewind) for item in main.items)


def test_a_sub_agent_file_finds_call_and_lineage_in_its_parents_file(tmp_path):
    parent = File(tmp_path / "s1.jsonl").user("u1", "go").say("a1", "m1", use("c1", "Task"))
    parent.result("r1", "c1", "done", structured={"agentId": "ab", "status": "completed"})
    (main,) = parent.read()
    folder = tmp_path / "s1" / "subagents"
    folder.mkdir(parents=True)
    child = File(folder / "agent-ab.jsonl").user("x1", "p", isSidechain=True, agentId="ab")
    (agent,) = child.say("x2", "m5", text("seen"), isSidechain=True, agentId="ab").read()
    assert agent.session.parent == main.session.id
    assert (agent.session.parent_call, agent.session.lineage) == ("c1", main.session.lineage)


def test_forked_sessions_with_copied_history_share_a_lineage(tmp_path):
    first = File(tmp_path / "a").user("u1", "go").say("a1", "m1", text("ok"))
    second = File(tmp_path / "b")
    second.lines = [{**line, "sessionId": "s2"} for line in first.lines]
    second.last = "a1"
    second.user("u9", "else", sessionId="s2")
    one, two = first.only(), second.only()
    assert one.session.lineage == two.session.lineage
    assert one.session.id != two.session.id


def test_what_the_human_typed_while_the_agent_worked_stays_where_it_was_taken_up(tmp_path):
    file = File(tmp_path / "a").user("u1", "go").say("a1", "m1", use("c1"))
    file.lines.append({"type": "queue-operation", "operation": "enqueue", "content": "also this", "sessionId": "s1"})
    file.result("r1", "c1", "done")
    file.lines.append({"type": "queue-operation", "operation": "remove", "sessionId": "s1"})
    trajectory = file.say("a2", "m2", text("yes, also this")).only()
    assert texts(model_view(trajectory.items)) == ["go", "", "done", "also this", "yes, also this"]
    assert len(turns(trajectory)) == 2


def test_what_the_product_itself_says_is_no_step_of_the_agent(tmp_path):
    file = File(tmp_path / "a").user("u1", "go").say("a1", "m1", text("API Error"), isApiErrorMessage=True)
    trajectory = file.say("a2", "m2", text("ok"), parent="u1").only()
    assert [m.origin for m in trajectory.items if isinstance(m, Message)] == ["user", "harness", "agent"]
    assert texts(model_view(trajectory.items)) == ["go", "ok"]


def test_unknown_records_blocks_and_orphan_results_are_counted(tmp_path):
    file = File(tmp_path / "a").user("u1", "go").add("novelty", "n1").add("novelty", "n2")
    file.say("a1", "m1", {"type": "hologram"}, text("x")).result("r1", "c7", "for nobody")
    trajectory, *skipped = file.user("u2", "next").read()
    assert texts(model_view(trajectory.items)) == ["go", "x", "next"]
    assert sorted((s.where, s.reason) for s in skipped if isinstance(s, Skipped)) == [
        ("line 2", "unknown record type 'novelty' (2 times, first here)"),
        ("line 4", "unknown content block 'hologram'"),
        ("line 5", "a tool result that answers no open call"),
    ]


def test_a_repeated_tail_is_taken_once(tmp_path):
    file = File(tmp_path / "a").user("u1", "go").say("a1", "m1", use("c1")).result("r1", "c1", "done")
    file.lines += file.lines[1:]
    trajectory, skipped = file.read()
    assert len(list(call_pairs(trajectory.items))) == 1
    assert "repetition" in skipped.reason

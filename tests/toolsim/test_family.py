"""What sub-agents did in the world of their family, and what it tells where they are not recorded."""

from __future__ import annotations

import pytest

from toolsim.actions import Kill, Poll, Problem, Unknown
from toolsim.family import Kin, ancestor, family
from toolsim.rebuild import rebuild_measured
from toolsim.scaffolds.claude_code import CLAUDE_CODE
from toolsim.trajectory import Message, Prefix, Session, ToolCall, ToolResult, Trajectory
from toolsim.world import Unseen

A = "one\ntwo\n"


def session(name, parent=None, call=None, at=10.0):
    return Session(
        name, "claude-code", "test", "l", cwd="/repo", agent_version="2.1.49", started_at=at, parent=parent,
        parent_call=call,
    )  # fmt: skip


def did(name, call, content, at, *, structured=None, **arguments):
    """A call and its result, one second apart."""
    return (
        Message("assistant", origin="agent", calls=(ToolCall(call, name, arguments),), at=at),
        Message("tool", origin="tool", result=ToolResult(call, content, structured=structured), at=at + 1),
    )


def edit(call, old, new, at):
    return did(
        "Edit", call, "The file /repo/a.py has been updated successfully.", at,
        file_path="/repo/a.py", old_string=old, new_string=new,
    )  # fmt: skip


def delegated(at, until, structured=None, agent="general-purpose", prompt="mend it"):
    call = ToolCall("task", "Task", {"prompt": prompt, "subagent_type": agent})
    return (
        Message("assistant", origin="agent", calls=(call,), at=at),
        Message("tool", origin="tool", result=ToolResult("task", "done", structured=structured), at=until),
    )


CHILD = Trajectory(session("p/c", "p", "task", 21.0), (*edit("e1", "two", "2", 22.0), *edit("e2", "2", "zwei", 24.0)))


def world(snapshot_of, items, relatives=(), own=None):
    prefix = Prefix(own or session("p"), tuple(items), 0)
    commit = snapshot_of({"a.py": A})
    return rebuild_measured(prefix, CLAUDE_CODE, snapshot=commit, root="/repo", kin=Kin.of(relatives)).world


def test_what_a_recorded_sub_agent_edited_is_in_the_world_of_its_parent(snapshot_of):
    found = world(snapshot_of, delegated(20.0, 30.0), (CHILD,))
    assert found.read("a.py") == b"one\nzwei\n"
    assert found.read_since_change("a.py") is None, "the sub-agent read it, not the parent"
    assert found.cwd == "/repo"


def test_only_what_the_clock_has_reached_is_taken_in(snapshot_of):
    assert world(snapshot_of, delegated(20.0, 24.0), (CHILD,)).read("a.py") == b"one\n2\n"
    assert world(snapshot_of, did("Bash", "b", "", 15.0, command="true"), (CHILD,)).read("a.py") == A.encode()


def test_a_sub_agent_starts_in_the_world_that_its_parent_had_made(snapshot_of):
    parent = Trajectory(session("p"), (*edit("e0", "one", "1", 12.0), *delegated(20.0, 30.0)))
    start = (Message("user", "mend it", origin="user", at=21.0),)
    assert world(snapshot_of, start, (parent,), CHILD.session).read("a.py") == b"1\ntwo\n"


@pytest.mark.parametrize(
    ("structured", "agent", "prompt", "known"),
    [
        (None, "general-purpose", "mend it", False),
        (None, "Explore", "mend it", True),
        (None, "general-purpose", "Find it. Do NOT edit any files.", True),
        (None, "general-purpose", "Review ONLY: do not modify, create, or delete any files.", True),
        (None, "general-purpose", "Do not write any code.", True),
        (None, "general-purpose", "Mend it. Never modify anything under src/.", False),
        (None, "general-purpose", "Mend it, do not edit the files in lib.", False),
        (None, "general-purpose", "The engine needs no changes.", False),
        (None, "general-purpose", "Mend lib/b.py", True),
        (None, "general-purpose", "Mend lib\\a.py", False),
        ({"toolStats": {"editFileCount": 0, "bashCount": 0}}, None, "mend it", True),
        ({"toolStats": {"editFileCount": 3, "bashCount": 0}}, "Explore", "read-only", False),
    ],
)
def test_a_sub_agent_that_is_not_recorded_leaves_contents_known_only_if_it_plainly_looked(
    snapshot_of, structured, agent, prompt, known
):
    found = world(snapshot_of, delegated(20.0, 30.0, structured, agent, prompt))
    assert isinstance(found.read("a.py"), bytes) is known


def test_a_sub_agent_in_the_background_works_until_a_notice_says_that_it_is_done(snapshot_of):
    started = delegated(20.0, 21.0, {"status": "async_launched"}, prompt="mend a.py")
    file = {"content": A, "startLine": 1, "numLines": 3, "totalLines": 3}
    shown = "     1→one\n     2→two\n     3→"
    read = did("Read", "r", shown, 22.0, structured={"type": "text", "file": file}, file_path="/repo/a.py")
    notice = (
        '<task-notification>\n<tool-use-id>task</tool-use-id>\n<summary>Agent "mend" finished</summary>'
        "<result>{}</result></task-notification>"
    )
    assert isinstance(world(snapshot_of, started).read("a.py"), Unseen)
    done = (Message("user", notice.format("all well"), origin="harness", at=25.0),)
    assert isinstance(world(snapshot_of, (*started, *read, *done)).read("a.py"), Unseen)
    other = (Message("user", "<task-notification>a shell ended</task-notification>", origin="harness", at=25.0),)
    assert world(snapshot_of, (*started, *read, *other)).read("a.py") == A.encode()


def test_a_sub_agent_whose_recording_lacks_calls_leaves_contents_unknown(snapshot_of):
    assert isinstance(
        world(snapshot_of, delegated(20.0, 30.0, {"totalToolUseCount": 9}), (CHILD,)).read("a.py"), Unseen
    )


def test_a_family_is_what_shares_the_first_ancestor_and_is_timed():
    parent = Trajectory(session("p"), edit("e0", "one", "1", 12.0))
    grandchild = Trajectory(session("p/g", "p/c", "x", 23.0), edit("g", "a", "b", 23.0))
    fork = Trajectory(session("q"), edit("q", "a", "b", 23.0))
    untimed = Trajectory(session("p/u", "p", "y", None), (Message("user", "x"),))
    others = (parent, CHILD, grandchild, fork, untimed)
    assert {t.session.id for t in family(grandchild.session, others)} == {"p", "p/c"}
    assert {t.session.id for t in family(parent.session, others)} == {"p/c", "p/g"}
    assert ancestor(grandchild.session, (parent, CHILD)) is parent
    assert ancestor(parent.session, (CHILD,)) is None


def test_each_message_of_the_kin_is_given_out_once():
    kin = Kin.of((CHILD,))
    assert [h.at for h in kin.until(23.0)] == [22.0, 23.0]
    assert [h.at for h in kin.until(23.5)] == []
    assert [h.at for h in kin.until(99.0)] == [24.0, 25.0]
    assert kin.recorded == {"task": 2}


def test_a_handle_that_only_a_sub_agent_may_have_told_is_not_taken_as_unknown_to_the_tool(snapshot_of):
    poll = Poll("a7e8cfb")
    outcome, _ = world(snapshot_of, did("Bash", "b", "", 15.0, command="true")).perform(poll)
    assert isinstance(outcome, Problem)
    for asked in (poll, Kill("a7e8cfb")):
        outcome, _ = world(snapshot_of, delegated(20.0, 21.0, {"status": "async_launched"})).perform(asked)
        assert isinstance(outcome, Unknown)

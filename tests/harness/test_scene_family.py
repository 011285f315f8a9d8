"""The world of a sub-agent's session starts from what its family had done."""

from __future__ import annotations

from dataclasses import replace

from harness.recut import Recut
from harness.scene import set_scene
from harness.selection import Criteria, choose_cut
from toolsim.trajectory import Message, ToolCall, ToolResult

AT = 1_760_000_000.0


def written(name, text, at):
    call = ToolCall(name, "Write", {"file_path": "/work/repo/n.txt", "content": text})
    done = ToolResult(name, "File created successfully at: /work/repo/n.txt")
    return [
        Message("assistant", "", "agent", calls=(call,), at=at),
        Message("tool", "", "tool", result=done, at=at + 1),
    ]


def scene_beside(recorded, store, *items):
    parent, child = recorded("p"), recorded("p/c", lineage="p", parent="p", parent_call="task", started_at=AT)
    for trajectory in (replace(parent, items=tuple(items)), child, recorded("q")):
        store.add_session(trajectory, source="test", sha256=trajectory.session.id)
    cut = choose_cut("p/c", child, Criteria())
    return set_scene(child, cut, (), relatives=store.relatives(child.session))


def test_what_the_parent_wrote_before_the_cut_is_there_and_what_it_wrote_later_is_not(recorded, store):
    scene = scene_beside(recorded, store, *written("w0", "early\n", AT - 50), *written("w1", "late\n", AT + 50))
    assert scene.rebuilt.world.read("/work/repo/n.txt") == b"early\n"
    assert [one.message.at for one in scene.kin.waiting] == [AT + 50, AT + 51]


def test_a_parent_that_left_nothing_certain_is_not_taken_in(recorded, store):
    checkout = ToolCall("g", "Bash", {"command": "git checkout other"})
    gone = [
        Message("assistant", "", "agent", calls=(checkout,), at=AT - 40),
        Message("tool", "", "tool", result=ToolResult("g", "Switched to branch 'other'"), at=AT - 39),
    ]
    world = scene_beside(recorded, store, *written("w0", "early\n", AT - 50), *gone).rebuilt.world
    assert not world.files.lost
    assert not isinstance(world.read("/work/repo/n.txt"), bytes)


def test_a_world_that_is_renewed_within_the_turn_keeps_what_the_parent_did(recorded, store):
    scene = scene_beside(recorded, store, *written("w0", "early\n", AT - 50))
    recut = Recut(scene, ())
    recut._form = replace(recut._form, parameters={"as before": False})
    rebuilt = recut.renewed()
    assert rebuilt is not None
    assert rebuilt.world.read("/work/repo/n.txt") == b"early\n"

"""What tools read and write stands in the world: no path of this machine is read or changed, however it is spelt."""

from __future__ import annotations

import pytest

from tests.toolsim.conftest import MemorySnapshot
from toolsim.actions import (
    Delete,
    Edit,
    Glob,
    Grep,
    ListDirectory,
    MovePath,
    Patch,
    PutFile,
    Read,
    RemovePath,
    Replacement,
    Write,
)
from toolsim.scaffolds.base import ScaffoldProfile
from toolsim.trajectory import Session
from toolsim.world import World

CANARY = "canary-5f1e9b7c"
PROFILE = ScaffoldProfile("generic", parameters={"must_read": False})
ENVELOPE = "*** Begin Patch\n*** {} File: {}\n{}\n*** End Patch"


@pytest.fixture
def outside(tmp_path):
    (tmp_path / "secret.txt").write_text(f"echo {CANARY}\n")
    return tmp_path


def spellings(outside):
    """The file's absolute path, the way out of the root, a link of the world, and a file beside it."""
    return [
        f"{outside}/secret.txt",
        f"../../../../../../../..{outside}/secret.txt",
        "/r/link/secret.txt",
        f"{outside}/new",
    ]


def acts(path, folder):
    yield from (Read(path), Write(path, "x"), Edit(path, (Replacement("echo", "x"),)), Delete(path))
    yield from (ListDirectory(folder), Grep("canary", folder), Glob("*", folder))
    yield Patch(ENVELOPE.format("Add", path, "+x"), "/r")
    yield Patch(ENVELOPE.format("Update", path, f"@@\n-echo {CANARY}\n+x"), "/r")
    yield Patch(f"*** Begin Patch\n*** Delete File: {path}\n*** End Patch", "/r")
    yield Patch(ENVELOPE.format("Update", "a.py", f"*** Move to: {path}\n@@\n-one\n+x"), "/r")
    yield Patch(f"--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-echo {CANARY}\n+x\n", "/r", "unified")
    yield Patch(f"--- /dev/null\n+++ {path}\n@@ -0,0 +1 @@\n+x\n", "/r", "unified")
    yield from (PutFile(path, b"x"), RemovePath(path), MovePath(path, "/r/moved"), MovePath("/r/a.py", path))


def state(folder):
    return {path.name: (path.lstat().st_mode, path.read_bytes()) for path in folder.iterdir()}


@pytest.mark.parametrize("number", range(4))
def test_no_act_reaches_a_path_of_this_machine(outside, number):
    path = spellings(outside)[number]
    before = state(outside)
    done = 0
    for act in acts(path, path.rpartition("/")[0]):
        world = World.start(
            Session("s", "generic", "f", "l", cwd="/r"), PROFILE, MemorySnapshot({"a.py": "one\ntwo\n"}), "/r"
        )
        world.apply(PutFile("/r/link", str(outside).encode(), 0o120000))
        mutations = (act,)
        said = ""
        if not isinstance(act, PutFile | RemovePath | MovePath):
            outcome, mutations = world.perform(act)
            said = str(outcome)
        for mutation in mutations:
            world.apply(mutation)
            done += 1
        assert CANARY in repr(act) or CANARY not in said, act
        assert all(CANARY.encode() not in (content or b"") for content in world.overlay().changed.values()), act
        assert state(outside) == before, act
    assert done >= 6


def test_the_check_notices_an_act_on_this_machine(outside):
    before = state(outside)
    (outside / "secret.txt").write_text("x")
    assert state(outside) != before

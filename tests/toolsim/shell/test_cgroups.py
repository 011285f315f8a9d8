"""Control groups: where they can be made, and that what the kernel stops in one is never an answer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toolsim.errors import ShellError
from toolsim.shell import cgroups
from toolsim.shell.cgroups import Fence, Places, find
from toolsim.shell.limits import Limits

FIRST = """\
30 25 0:26 / /sys/fs/cgroup rw shared:9 - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory
32 30 0:28 /docker/ab /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
"""
SECOND = "30 25 0:26 / {root} rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
needs_groups = pytest.mark.skipif(cgroups.places() is None, reason=str(cgroups.reason()))


class Narrow(Limits):
    """Limits that are looked at late and fenced early."""

    def fence(self):
        return 96 << 20, 25


def test_the_first_form_has_a_group_for_each_controller():
    found = find("8:pids:/docker/ab/me\n4:cpu,memory:/here\n0::/x\n", FIRST)
    assert found == Places(Path("/sys/fs/cgroup/memory/here"), Path("/sys/fs/cgroup/pids/me"), unified=False)
    assert len(found.each()) == 2


@pytest.mark.parametrize(("handed", "expected"), [("own", "user/me"), ("parent", "user"), (None, None)])
def test_the_second_form_needs_a_group_that_hands_its_controllers_down(tmp_path, handed, expected):
    (tmp_path / "user/me").mkdir(parents=True)
    (tmp_path / "user/me/cgroup.subtree_control").write_text("cpu memory pids" if handed == "own" else "")
    (tmp_path / "user/cgroup.subtree_control").write_text("memory pids" if handed == "parent" else "cpu")
    found = find("0::/user/me\n", SECOND.format(root=tmp_path))
    if expected is None:
        assert found == f"{tmp_path}/user/me hands the controllers memory and pids down to no group below"
    else:
        assert found == Places(tmp_path / expected, tmp_path / expected, unified=True)
        assert len(found.each()) == 1


def test_without_control_groups_the_reason_is_told():
    assert find("", "30 25 0:26 / / rw - ext4 /dev/vda rw\n") == (
        "no control groups with the controllers memory and pids are mounted"
    )


def test_a_group_of_the_second_form_is_bounded_and_tells_what_was_met(tmp_path):
    fence = Fence.make(Places(tmp_path, tmp_path, unified=True), 1_000, 20)
    (group,) = map(Path, fence.groups())
    assert {p.name: p.read_text() for p in group.iterdir()} == {
        "memory.max": "1000", "memory.oom.group": "1", "pids.max": "20",
    }  # fmt: skip
    assert fence.excess() == ""
    (group / "pids.events").write_text("max 3\n")
    assert fence.excess() == "processes"
    (group / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    assert fence.excess() == "memory"
    assert not fence.remove()


@needs_groups
def test_groups_of_a_process_that_is_gone_are_taken_away():
    places = cgroups.places()
    gone, mine = (place / f"deploysim-{pid}-0" for place, pid in ((places.pids, 1 << 30), (places.pids, os.getpid())))
    gone.mkdir()
    mine.mkdir()
    cgroups.sweep(places)
    assert (gone.exists(), mine.exists()) == (False, True)
    mine.rmdir()


@needs_groups
@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("x=$(yes | head -c 400000000); echo ${#x}", "bytes of memory"),
        ("yes | head -c 400000000 | sort -S 2G | tail -1", "bytes of memory"),
        ("yes | head -c 400000000 | sort -S 2G | tail -1; echo done", "bytes of memory"),
        ("for i in {1..60}; do sleep 5 & done 2> /dev/null; echo done", "processes"),
    ],
)
async def test_what_the_kernel_stops_is_a_failure_and_no_answer(sandbox_place, command, message):
    sandbox_place.shell.limits = Narrow()
    with pytest.raises(ShellError, match=message):
        await sandbox_place.run(command)
    assert await sandbox_place.text("echo hi") == "hi\n"


@needs_groups
async def test_no_group_is_left_by_a_command_that_ended(sandbox_place):
    await sandbox_place.run("yes > /dev/null & echo hi")
    places = cgroups.places()
    assert [p for place in places.each() for p in place.glob(f"deploysim-{os.getpid()}-*")] == []

"""The base commit of sessions that state no time, and the world as each message of an autonomous one meets it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.recut import Recut
from harness.repositories import locate
from harness.scene import set_scene
from harness.selection import Cut
from repos.catalog import inspect_repository
from toolsim.trajectory import Message, Prefix, Session, ToolCall, ToolResult, Trajectory, turns

T = 1_700_000_000
ROOT = "/acme__thing"
TASK = "Solve it\n(Open file: n/a)\n(Current directory: /acme__thing)\nbash-$"


class Recording:
    """A session of SWE-agent 0.x without times, command by command."""

    def __init__(self, name: str = "s") -> None:
        self.session = Session(name, "swe-agent", "f", name, cwd=ROOT, autonomous=True)
        self.items: list[Message] = [Message("user", TASK)]

    def run(self, command: str, output: str) -> Recording:
        call = ToolCall(f"c{len(self.items)}", "command", {"command": command})
        self.items += [
            Message("assistant", "I look", "agent", calls=(call,)),
            Message("tool", "", "tool", result=ToolResult(call.id, output)),
        ]
        return self

    def open(self, name: str, text: str) -> Recording:
        lines = text.split("\n")[:-1]
        numbered = "".join(f"{n}:{line}\n" for n, line in enumerate(lines, 1))
        return self.run(f"open {name}", f"[File: {ROOT}/{name} ({len(lines)} lines total)]\n{numbered}")

    @property
    def prefix(self) -> Prefix:
        return Prefix(self.session, tuple(self.items), 0)


@pytest.fixture
def history(git_repository):
    """Nine commits; `a.py` changes with every third, `b.py` with each; the seventh is that of pull request 5."""
    made = git_repository("thing")
    commits = [
        made.commit(
            {"a.py": f"a = {n // 3}\n", "b.py": f"b = {n}\nx\ny\n"},
            message="Mend (#5)" if n == 6 else "change",
            at=T + 100 * n,
        )
        for n in range(9)
    ]
    return replace(inspect_repository(made.path), name="acme/thing"), commits


def test_without_a_time_a_commit_that_nothing_speaks_for_is_none(history):
    known, _ = history
    assert locate(Recording().prefix, [known]) is None
    assert locate(Recording().open("a.py", "a = 77\n").prefix, [known]) is None


def test_without_a_time_the_middle_of_the_commits_that_agree_is_the_base(history):
    known, commits = history
    base = locate(Recording().open("a.py", "a = 1\n").prefix, [known])
    assert base is not None
    assert (base.commit, base.agreed, base.compared, base.root) == (commits[4], 1, 1, ROOT)


@pytest.mark.parametrize(
    "more",
    [
        lambda r: r.open("b.py", "b = 3\nx\ny\n"),
        lambda r: r.run('search_file "b" b.py', f'Found 1 matches for "b" in {ROOT}/b.py:\nLine 1:b = 3\nEnd\n'),
        lambda r: r.run("grep -n b b.py", "1:b = 3\n"),
        lambda r: r.run("head -1 b.py", "b = 3\n"),
    ],
)
def test_windows_search_hits_and_prints_narrow_it_down(history, more):
    known, commits = history
    base = locate(more(Recording().open("a.py", "a = 1\n")).prefix, [known])
    assert base is not None
    assert (base.commit, base.agreed, base.compared) == (commits[3], 2, 2)


def test_the_stated_number_of_lines_counts_as_much_as_the_lines(history):
    known, commits = history
    shown = f"[File: {ROOT}/b.py (4 lines total)]\n1:b = 3\n(3 more lines below)\n"
    assert locate(Recording().run("open b.py", shown).prefix, [known]) is None
    shown = f"[File: {ROOT}/b.py (3 lines total)]\n1:b = 3\n(2 more lines below)\n"
    base = locate(Recording().run("open b.py", shown).prefix, [known])
    assert base is not None
    assert base.commit == commits[3]


def test_a_task_named_after_a_pull_request_starts_before_it_unless_the_files_say_otherwise(history):
    known, commits = history
    recording = Recording("acme__thing-5")
    base = locate(recording.prefix, [known])
    assert base is not None
    assert (base.commit, base.how) == (commits[5], "base of the pull request")
    base = locate(recording.open("b.py", "b = 1\nx\ny\n").prefix, [known])
    assert base is not None
    assert (base.commit, base.how) == (commits[1], "agrees best in the history")


def test_each_message_is_answered_as_after_a_cut_of_its_own(history):
    """The world that the first message meets knows nothing; later ones know the commit that the record showed."""
    known, commits = history
    recording = Recording().open("a.py", "a = 1\n").open("b.py", "b = 5\nx\ny\n").run("ls", "a.py\nb.py\n")
    trajectory = Trajectory(recording.session, tuple(recording.items))
    scene = set_scene(trajectory, Cut("s", turns(trajectory)[0], 0), [known])
    recut = Recut(scene, [known])
    bases = []
    for item in scene.reference.items:
        if item.role == "assistant":
            rebuilt = recut.renewed()
            bases.append((recut.base and recut.base.commit, rebuilt is not None))
        recut.take(item)
    assert scene.base is None
    assert bases == [(None, False), (commits[4], True), (commits[5], True)]


def test_the_renewed_world_holds_what_the_record_did(history):
    known, _ = history
    recording = Recording().open("a.py", "a = 1\n").run("rm b.py", "").open("a.py", "a = 1\n")
    trajectory = Trajectory(recording.session, tuple(recording.items))
    scene = set_scene(trajectory, Cut("s", turns(trajectory)[0], 0), [known])
    recut = Recut(scene, [known])
    for item in recording.items[1:]:
        recut.take(item)
    rebuilt = recut.renewed()
    assert rebuilt is not None
    assert rebuilt.world.read(f"{ROOT}/a.py") == b"a = 1\n"
    assert rebuilt.world.kind(f"{ROOT}/b.py") == "absent"
    assert recut.renewed() is None


def test_without_repositories_only_the_forms_are_fitted_anew():
    recording = Recording().run("ls", "a.py").run("ls", "a.py").run("ls", "a.py")
    trajectory = Trajectory(recording.session, tuple(recording.items))
    scene = set_scene(trajectory, Cut("s", turns(trajectory)[0], 0), [])
    recut = Recut(scene, ())
    assert recut.renewed() is None
    for item in recording.items[1:]:
        recut.take(item)
    rebuilt = recut.renewed()
    assert rebuilt is not None
    assert rebuilt.world.profile.parameters["newline"] is False
    assert recut.base is None

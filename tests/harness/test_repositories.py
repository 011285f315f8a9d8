"""The base commit of a session, found from what its prefix shows; and how its reads agree with it."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from harness.importers import read_paths
from harness.importers.base import Skipped
from harness.printed import printed_file
from harness.repositories import check, difference, locate, whole_file_reads
from repos.catalog import inspect_repository
from repos.snapshot import open_snapshot
from toolsim.actions import Seen
from toolsim.trajectory import Message, Prefix, Repository, Session, ToolCall, ToolResult, split, turns

T = 1_700_000_000
ROOT = "/home/me/thing"


class Recording:
    """A prefix in the forms of Claude Code, call by call, a second apart from T + 350."""

    def __init__(self, cwd: str = ROOT, agent: str = "claude-code", **repository) -> None:
        self.session = Session("s", agent, "f", "l", cwd=cwd, repository=Repository(**repository), started_at=T + 350)
        self.items: list[Message] = [Message("user", "go", at=T + 350, cwd=cwd)]

    def call(self, name: str, arguments: dict, content: str = "", structured=None, **result) -> Recording:
        number = len(self.items)
        call = ToolCall(f"c{number}", name, arguments)
        answer = ToolResult(call.id, content, structured=structured, **result)
        at = T + 350.0 + number
        self.items.append(Message("assistant", calls=(call,), origin="agent", at=at))
        self.items.append(Message("tool", result=answer, origin="tool", at=at))
        return self

    def read(self, path: str, text: str, start: int = 1, total: int | None = None) -> Recording:
        count = len(text.split("\n"))
        file = {"filePath": path, "content": text, "startLine": start, "numLines": count, "totalLines": total or count}
        shown = "\n".join(f"{start + n:>6}→{line}" for n, line in enumerate(text.split("\n")))
        arguments = {"file_path": path} if total is None else {"file_path": path, "offset": start, "limit": count}
        return self.call("Read", arguments, shown, {"type": "text", "file": file})

    def edit(self, path: str, before: str, old: str, new: str) -> Recording:
        structured = {"filePath": path, "oldString": old, "newString": new, "originalFile": before, "replaceAll": False}
        arguments = {"file_path": path, "old_string": old, "new_string": new}
        return self.call("Edit", arguments, f"The file {path} has been updated.", structured)

    @property
    def prefix(self) -> Prefix:
        return Prefix(self.session, tuple(self.items), 0)


@pytest.fixture
def history(git_repository):
    """Six commits, 100 seconds apart; `pkg/b.py` changes with each, `pkg/a.py` with every second one."""
    made = git_repository("thing")
    commits = [
        made.commit({"pkg/a.py": f"a = {n // 2}\n", "pkg/b.py": f"b = {n}\nx\ny\n", "README.md": "-\n"}, at=T + 100 * n)
        for n in range(6)
    ]
    return inspect_repository(made.path), commits, made


def test_the_last_commit_before_the_session_is_the_base_if_nothing_says_otherwise(history):
    known, commits, _ = history
    base = locate(Recording().prefix, [known])
    assert base is not None
    assert (base.commit, base.how) == (commits[3], "last on main before the session")
    assert (base.agreed, base.compared, base.root) == (0, 0, ROOT)


def test_early_reads_decide_between_candidates(history):
    known, commits, _ = history
    recording = Recording().read(f"{ROOT}/pkg/a.py", "a = 0\n").read(f"{ROOT}/pkg/b.py", "b = 1\nx\ny\n")
    base = locate(recording.prefix, [known])
    assert base is not None
    assert (base.commit, base.agreed, base.compared) == (commits[1], 2, 2)


def test_windows_of_files_count_too(history):
    known, commits, _ = history
    base = locate(Recording().read(f"{ROOT}/pkg/b.py", "b = 2\nx", 1, 4).prefix, [known])
    assert base is not None
    assert (base.commit, base.agreed, base.compared) == (commits[2], 1, 1)


def test_a_recorded_commit_stays_whatever_the_reads_show(history):
    known, commits, _ = history
    recording = Recording(commit=commits[0]).read(f"{ROOT}/pkg/b.py", "b = 3\nx\ny\n")
    base = locate(recording.prefix, [known])
    assert base is not None
    assert (base.commit, base.how, base.agreed, base.compared) == (commits[0], "recorded", 0, 1)


def test_no_commit_of_the_time_after_is_taken_even_if_it_agrees(history):
    known, commits, _ = history
    recording = Recording().read(f"{ROOT}/pkg/b.py", "b = 5\nx\ny\n")
    base = locate(recording.prefix, [known])
    assert base is not None
    assert base.commit == commits[3]
    assert (base.agreed, base.compared) == (0, 1)


def test_what_was_read_after_a_change_says_nothing(history):
    known, commits, _ = history
    path = f"{ROOT}/pkg/b.py"
    recording = Recording().edit(path, "b = 3\nx\ny\n", "b = 3", "b = 1").read(path, "b = 1\nx\ny\n")
    assert whole_file_reads(recording.prefix) == ((path, "b = 3\nx\ny\n", 2),)
    base = locate(recording.prefix, [known])
    assert base is not None
    assert (base.commit, base.agreed, base.compared) == (commits[3], 1, 1)


def test_what_was_read_after_git_moved_the_tree_says_nothing(history):
    recording = Recording().call("Bash", {"command": "git checkout old"}, "Switched to branch 'old'")
    assert whole_file_reads(recording.read(f"{ROOT}/pkg/a.py", "a = 9\n").prefix) == ()


@pytest.mark.parametrize(
    ("cwd", "path", "root"),
    [
        (f"{ROOT}/pkg", f"{ROOT}/pkg/a.py", ROOT),
        (ROOT, f"{ROOT}/.worktrees/2/pkg/a.py", f"{ROOT}/.worktrees/2"),
        ("D:\\src\\thing", "D:\\src\\thing\\pkg\\a.py", "D:\\src\\thing"),
        ("/private/tmp/x", "/tmp/x/pkg/a.py", "/tmp/x"),
        ("/elsewhere", "/renamed/pkg/a.py", "/renamed"),
        (ROOT, f"{ROOT}/.notes/README.md", ROOT),
    ],
)
def test_the_root_is_where_the_read_files_are_in_the_sessions_spelling(history, cwd, path, root):
    known, commits, _ = history
    base = locate(Recording(cwd).read(path, "a = 1\n").prefix, [known])
    assert base is not None
    assert (base.root, base.commit) == (root, commits[3])


def test_files_of_another_project_mean_no_known_repository(history):
    known, _, _ = history
    assert locate(Recording("/other").read("/other/README.md", "something else\n").prefix, [known]) is None
    assert locate(Recording("/other").prefix, [known]) is None
    assert locate(Recording("/other").prefix, []) is None


def test_the_address_wins_over_the_directory(history, git_repository):
    known, _, _ = history
    other = git_repository("other")
    other.commit({"z": "1"}, at=T)
    second = inspect_repository(other.path, "https://h/acme/other")
    base = locate(Recording(url="git@h:acme/other.git").prefix, [known, second])
    assert base is not None
    assert base.repository == second
    assert locate(Recording(url="git@h:acme/none.git").prefix, [known, second]) is None


def test_of_two_repositories_the_one_whose_files_were_shown_is_meant(history, git_repository):
    known, _, _ = history
    other = git_repository("fork")
    other.commit({"pkg/a.py": "different\n"}, at=T)
    base = locate(Recording("/x").read("/x/pkg/a.py", "a = 1\n").prefix, [inspect_repository(other.path), known])
    assert base is not None
    assert base.repository == known


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("Mend README.md", False),
        ("Mend pkg/a.py", False),
        ("Mend pkg/a.py and pkg/b.py", True),
        ("Mend pkg/a.py and pkg/b.py, not lib/x.py, lib/y.py or lib/z.py", False),
    ],
)
def test_a_task_that_speaks_of_the_files_of_one_repository_means_it(history, told, meant):
    known, commits, _ = history
    recording = Recording("/testbed")
    recording.items[0] = Message("user", told, at=T + 350, cwd="/testbed")
    base = locate(recording.prefix, [known])
    assert (base is not None and (base.commit, base.root) == (commits[3], "/testbed")) is meant


def test_nothing_after_the_cut_takes_part(history):
    known, commits, _ = history
    recording = Recording()
    cut = recording.prefix
    recording.read(f"{ROOT}/pkg/b.py", "b = 0\nx\ny\n")
    base = locate(cut, [known])
    assert base is not None
    assert base.commit == commits[3]


def test_a_check_names_how_reads_differ(history):
    known, _, made = history
    made.commit({"crlf.txt": "a\r\nb\r\n", "end.txt": "a", "key.txt": "k=abc\n", "pkg/a.py": "a = 1\n"}, at=T + 340)
    recording = Recording()
    texts = {
        "pkg/a.py": "a = 1\n", "crlf.txt": "a\nb\n", "end.txt": "a\n", "key.txt": "k=REDACTED\n", "new.txt": "x\n",
        "README.md": "other\n",
    }  # fmt: skip
    for name, text in texts.items():
        recording.read(f"{ROOT}/{name}", text)
    recording.read("/etc/hosts", "x\n")
    found = check(recording.prefix, [known])
    assert (found.equal, found.compared) == (1, 6)
    assert {d.path: d.kind for d in found.differences} == {
        "crlf.txt": "line ends", "end.txt": "final newline", "key.txt": "redacted", "new.txt": "not in the commit",
        "README.md": "different",
    }  # fmt: skip


def test_a_file_that_the_mirror_lacks_is_not_at_hand(history):
    known, commits, made = history
    oid = made.git("rev-parse", f"{commits[2]}:pkg/b.py")
    (made.git_dir / "objects" / oid[:2] / oid[2:]).unlink()
    assert difference(open_snapshot(known.git_dir, commits[2]), "pkg/b.py", "x") == "not at hand"


@pytest.mark.parametrize(
    ("command", "output", "seen"),
    [
        ("cat src/a.py", "x\n", Seen("src/a.py", "x\n", whole=True)),
        ("sed -n '1,200p' a.py", "x\ny\n", Seen("a.py", "x\ny\n", whole=True)),
        ("sed -n '1,2p' a.py", "x\ny\n", Seen("a.py", "x\ny")),
        ("sed -n 5,6p a.py", "x\ny\n", Seen("a.py", "x\ny", 5)),
        ("head -n 3 a.py", "x\n", Seen("a.py", "x\n", whole=True)),
        ("head -2 a.py", "x\ny\n", Seen("a.py", "x\ny")),
        ("cat a.py b.py", "x\n", None), ("cat -n a.py", "x\n", None), ("cat a.py | head", "x\n", None),
        ("cat a.py && ls", "x\n", None), ("cat none", "cat: none: No such file or directory\n", None),
        ("sed -n '9,9p' a.py", "", None), ("cat *.py", "x\n", None), ("sed 's/a/b/' a.py", "x\n", None),
        ("cat 'unclosed", "x", None), ("", "", None),
    ],
)  # fmt: skip
def test_only_commands_that_print_one_file_show_it(command, output, seen):
    assert printed_file(command, output) == seen


@pytest.mark.sessions
@pytest.mark.skipif("DEPLOYSIM_MIRRORS" not in os.environ, reason="DEPLOYSIM_MIRRORS names no folder of repositories")
def test_recorded_sessions_find_their_repository_and_agree_with_it():
    folder, mirrors = Path(os.environ["DEPLOYSIM_SESSIONS"]), Path(os.environ["DEPLOYSIM_MIRRORS"])
    known = [inspect_repository(path) for path in sorted(mirrors.glob("*/repo"))]
    count: Counter[str] = Counter()
    for repository in known:
        for item in read_paths([folder / repository.name.replace("/", "__")], None):
            if isinstance(item, Skipped) or not turns(item) or item.session.agent == "gemini":
                continue
            try:
                prefix, _ = split(item, turns(item)[-1])
            except ValueError:
                continue
            base = locate(prefix, known)
            count["sessions"] += 1
            count["right repository"] += base is not None and base.repository == repository
            count["agreed"] += base.agreed if base is not None else 0
            count["compared"] += base.compared if base is not None else 0
    assert count["right repository"] >= 0.97 * count["sessions"], count
    assert count["agreed"] >= 0.97 * count["compared"], count

"""Throwaway clones: refs and objects as of a moment, nothing newer, a clean index."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from repos.errors import RepositoryError, UnknownRevision
from repos.history import Remote, clone_as_of
from repos.snapshot import checkout, open_snapshot

T = 1_700_000_000


class Story:
    """main: A - B - merge(feature: F1, F2) - later; a branch and tags on the way, each an hour apart."""

    def __init__(self, made) -> None:
        self.made = made
        self.a = made.commit({"a.txt": "1\n", "big.bin": "x" * 500}, "A", at=T)
        made.git("tag", "-a", "v1", "-m", "first", at=T + 100)
        self.b = made.commit({"a.txt": "2\n"}, "B", at=T + 3600)
        made.git("checkout", "-q", "-b", "feature")
        self.f1 = made.commit({"f.txt": "f1\n"}, "F1", at=T + 7200)
        self.f2 = made.commit({"f.txt": "f2\n"}, "F2", at=T + 10800)
        made.git("checkout", "-q", "main")
        made.git("merge", "-q", "--no-ff", "-m", "Merge branch 'feature'", "feature", at=T + 14400)
        self.merge = made.git("rev-parse", "HEAD")
        made.git("tag", "light")
        made.git("tag", "-a", "v1-late", "-m", "tagged late", self.a, at=T + 20000)
        self.later = made.commit({"fix.txt": "the fix\n"}, "the fix", at=T + 18000)
        made.git("branch", "idle", self.a)


@pytest.fixture
def story(git_repository):
    return Story(git_repository("work"))


@pytest.fixture
def mirror(story, tmp_path):
    return story.made.mirror(tmp_path / "mirror")


def ask(clone, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(clone.git_dir.parent), *arguments],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.rstrip("\n")


def test_refs_are_those_of_the_moment(story, mirror, tmp_path):
    clone = clone_as_of(mirror, story.b, branch="topic", as_of=T + 10800, into=tmp_path / "c")
    assert dict(clone.refs) == {
        "refs/heads/topic": story.b,
        "refs/heads/main": story.b,
        "refs/remotes/origin/main": story.b,
        "refs/remotes/origin/feature": story.f2,
        "refs/remotes/origin/idle": story.a,
        "refs/tags/v1": story.made.git("rev-parse", "v1"),
    }
    assert ask(clone, "symbolic-ref", "HEAD") == "refs/heads/topic"
    assert ask(clone, "symbolic-ref", "refs/remotes/origin/HEAD") == "refs/remotes/origin/main"
    listed = ask(clone, "for-each-ref", "--format=%(refname)").splitlines()
    assert sorted(listed) == sorted([*clone.refs, "refs/remotes/origin/HEAD"])


def test_a_branch_whose_tip_is_newer_is_left_out(story, mirror, tmp_path):
    clone = clone_as_of(mirror, story.b, branch="topic", as_of=T + 7200, into=tmp_path / "c")
    assert "refs/remotes/origin/feature" not in clone.refs
    assert "refs/tags/light" not in clone.refs


def test_it_holds_exactly_the_objects_that_its_refs_reach(story, mirror, tmp_path):
    clone = clone_as_of(mirror, story.b, branch="topic", as_of=T + 10800, into=tmp_path / "c")
    held = {line.split()[0] for line in ask(clone, "cat-file", "--batch-all-objects", "--batch-check").splitlines()}
    reached = {line.split()[0] for line in ask(clone, "rev-list", "--objects", "--all").splitlines()}
    assert held == reached
    assert not held & {story.merge, story.later, story.made.git("rev-parse", "main:fix.txt")}
    assert not (clone.git_dir / "objects/info/alternates").exists()
    ask(clone, "fsck", "--strict")


def test_status_is_clean_once_the_work_tree_holds_the_base(story, mirror, tmp_path):
    tree = checkout(open_snapshot(mirror, story.b), tmp_path / "cache")
    into = tmp_path / "c"
    clone = clone_as_of(mirror, story.b, branch="main", as_of=T + 3600, into=into, remote=Remote("https://h/o/r.git"))
    for file in tree.iterdir():
        (into / file.name).write_bytes(file.read_bytes())
    assert ask(clone, "status", "--short", "--branch") == "## main...origin/main"
    assert ask(clone, "remote", "-v").splitlines()[0] == "origin\thttps://h/o/r.git (fetch)"
    assert ask(clone, "log", "--oneline", "--all", "--format=%s").splitlines() == ["B", "A"]


def test_a_branch_without_a_remote_one_tracks_nothing(story, mirror, tmp_path):
    clone = clone_as_of(mirror, story.f1, branch="mine", as_of=T + 7200, into=tmp_path / "c")
    assert ask(clone, "config", "--get-regexp", "^branch\\.").split() == [
        "branch.main.remote", "origin", "branch.main.merge", "refs/heads/main"
    ]  # fmt: skip
    assert ask(clone, "merge-base", "HEAD", "main") == story.b


@pytest.mark.parametrize("branch", [None, "HEAD", ""])
def test_a_detached_head_says_where(story, mirror, tmp_path, branch):
    clone = clone_as_of(mirror, story.f1, branch=branch, as_of=T + 7200, into=tmp_path / "c")
    assert ask(clone, "rev-parse", "HEAD") == story.f1
    assert ask(clone, "status").splitlines()[0] == f"HEAD detached at {story.f1[:7]}"


def test_without_a_moment_the_base_commit_is_the_moment(story, mirror, tmp_path):
    clone = clone_as_of(mirror, story.b, branch=None, as_of=None, into=tmp_path / "c")
    assert clone.refs["refs/remotes/origin/main"] == story.b


def test_a_working_clone_gives_its_remotes_branches(story, mirror, tmp_path, git_repository):
    own = git_repository("own")
    own.git("remote", "add", "origin", str(mirror))
    own.git("fetch", "-q", "origin")
    own.git("checkout", "-q", "-b", "secret", story.b)
    unpushed = own.commit({"own.txt": "x"}, "mine", at=T + 4000)
    clone = clone_as_of(own.git_dir, story.b, branch="topic", as_of=T + 10800, into=tmp_path / "c")
    assert "refs/remotes/origin/feature" in clone.refs
    assert not any("secret" in name for name in clone.refs)
    assert unpushed not in ask(clone, "rev-list", "--all")


def test_the_same_arguments_give_the_same_clone(story, mirror, tmp_path):
    made = [clone_as_of(mirror, story.b, branch="x", as_of=T + 9000, into=tmp_path / n) for n in ("1", "2")]
    files = [
        {p.relative_to(c.git_dir).as_posix(): p.read_bytes() for p in c.git_dir.rglob("*") if p.is_file()} for c in made
    ]
    assert files[0] == files[1]


def test_objects_that_a_partial_mirror_lacks_are_lacking_in_the_clone_too(story, tmp_path):
    oid = story.made.git("rev-parse", "HEAD:big.bin")
    (story.made.git_dir / "objects" / oid[:2] / oid[2:]).unlink()
    clone = clone_as_of(story.made.git_dir, story.b, branch="x", as_of=T + 9000, into=tmp_path / "c")
    assert ask(clone, "cat-file", "-p", "HEAD:a.txt") == "2"
    missing = subprocess.run(["git", "-C", clone.git_dir, "cat-file", "-e", oid], check=False, capture_output=True)
    assert missing.returncode != 0


def test_a_shallow_repository_gives_a_shallow_clone(story, tmp_path):
    shallow = tmp_path / "shallow"
    story.made.git("clone", "-q", "--depth", "2", f"file://{story.made.path}", str(shallow))
    clone = clone_as_of(shallow / ".git", story.later, branch="main", as_of=None, into=tmp_path / "c")
    assert story.later in ask(clone, "rev-list", "HEAD")


@pytest.mark.parametrize(
    "branch", ["-x", "--upload-pack=x", "a b", "a..b", "a~1", "x.lock", "a//b", "a\nb", "@{u}", "/a", "a/"]
)
def test_what_is_no_branch_name_is_refused(story, mirror, tmp_path, branch):
    with pytest.raises(UnknownRevision):
        clone_as_of(mirror, story.b, branch=branch, as_of=None, into=tmp_path / "c")


def test_a_place_that_holds_a_repository_is_refused(story, mirror, tmp_path):
    with pytest.raises(RepositoryError, match="there already"):
        clone_as_of(mirror, story.b, branch=None, as_of=None, into=Path(story.made.path))


def test_a_commit_that_is_not_there_is_named(mirror, tmp_path):
    with pytest.raises(UnknownRevision, match="1" * 40):
        clone_as_of(mirror, "1" * 40, branch=None, as_of=None, into=tmp_path / "c")

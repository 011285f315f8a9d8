"""Snapshots and checkouts: the same files that git has, without touching the repository."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repos import worktree
from repos.errors import MissingObject, UnknownRevision
from repos.snapshot import checkout, open_snapshot


@pytest.fixture
def repository(git_repository):
    made = git_repository("work")
    (made.path / "bin").mkdir()
    (made.path / "link").symlink_to("../../etc/passwd")
    (made.path / "bin/run").write_text("#!/bin/sh\n")
    (made.path / "bin/run").chmod(0o755)
    made.commit({"README.md": "hello\n", "src/a.py": "a = 1\n", "src/deep/b.py": "", "src-x/c": b"\xff\0", "ä ö": "x"})
    made.git("update-index", "--add", "--cacheinfo", f"160000,{made.git('rev-parse', 'HEAD')},vendor/lib")
    made.git("commit", "-q", "-m", "submodule")
    return made


@pytest.fixture
def snapshot(repository):
    return open_snapshot(repository.git_dir, repository.git("rev-parse", "HEAD"))


def test_the_manifest_is_what_git_lists(repository, snapshot):
    listed = repository.git("-c", "core.quotePath=false", "ls-tree", "-r", "HEAD").splitlines()
    entries = {line.partition("\t")[2]: line.split()[:3] for line in listed}
    files = {path: (int(mode, 8), oid) for path, (mode, kind, oid) in entries.items() if kind == "blob"}
    assert {path: (entry.mode, entry.oid) for path, entry in snapshot.manifest.items()} == files
    assert list(snapshot.manifest) == sorted(files)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("", "dir"), ("src", "dir"), ("src/a.py", "file"), ("link", "symlink"), ("vendor/lib", "submodule"),
     ("vendor", "dir"), ("src/none", None), ("src/a.py/x", None), ("sr", None)],
)  # fmt: skip
def test_a_path_is_of_the_kind_that_the_commit_has(snapshot, path, kind):
    assert snapshot.kind(path) == kind


def test_contents_names_and_ids_are_those_of_git(repository, snapshot):
    assert snapshot.read("src-x/c") == b"\xff\0"
    assert snapshot.read("link") == b"../../etc/passwd"
    assert snapshot.listdir("") == ("README.md", "bin", "link", "src", "src-x", "vendor", "ä ö")
    assert snapshot.listdir("src") == ("a.py", "deep")
    assert snapshot.listdir("README.md") == snapshot.listdir("none") == ()
    assert snapshot.under("src") == ("src/a.py", "src/deep/b.py")
    assert snapshot.under("README.md") == ("README.md",)
    for path in ("", "src", "src/a.py"):
        assert snapshot.object_id(path) == repository.git("rev-parse", f"HEAD:{path}")
    assert snapshot.object_id("none") is None
    with pytest.raises(KeyError):
        snapshot.read("none")


def test_a_snapshot_is_built_once_for_a_commit(repository, snapshot):
    assert open_snapshot(repository.git_dir, snapshot.commit) is snapshot


@pytest.mark.parametrize("name", ["HEAD", "main", "--output=x", "abc1234", "", "0" * 40, "-" + "0" * 39])
def test_only_full_ids_of_commits_at_hand_are_commits(repository, name):
    with pytest.raises(UnknownRevision):
        open_snapshot(repository.git_dir, name)


def test_the_id_of_a_tree_is_no_commit(repository):
    with pytest.raises(UnknownRevision):
        open_snapshot(repository.git_dir, repository.git("rev-parse", "HEAD^{tree}"))


def test_many_threads_read_the_right_contents(repository):
    files = {f"f{n}": f"content {n}\n" * n for n in range(60)}
    snapshot = open_snapshot(repository.git_dir, repository.commit(files))
    wrong: list[str] = []

    def read_all() -> None:
        wrong.extend(n for n, c in files.items() if snapshot.read(n) != c.encode())

    threads = [threading.Thread(target=read_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_reader_goes_on_after_its_process_ended(snapshot):
    snapshot.objects.close()
    assert snapshot.read("README.md") == b"hello\n"


def test_a_bare_directory_without_config_is_read(repository, tmp_path):
    bare = repository.mirror(tmp_path / "bare")
    commit = repository.git("rev-parse", "HEAD")
    before = _everything(bare)
    assert open_snapshot(bare, commit).read("README.md") == b"hello\n"
    assert _everything(bare) == before


def test_what_a_partial_mirror_lacks_is_named_and_left_out(repository, tmp_path):
    commit = repository.git("rev-parse", "HEAD")
    oid = repository.git("rev-parse", "HEAD:src/a.py")
    (repository.git_dir / "objects" / oid[:2] / oid[2:]).unlink()
    snapshot = open_snapshot(repository.git_dir, commit)
    with pytest.raises(MissingObject, match=oid):
        snapshot.read("src/a.py")
    assert snapshot.read("README.md") == b"hello\n"
    tree = checkout(snapshot, tmp_path / "cache")
    assert not (tree / "src/a.py").exists()
    assert (tree / "src/deep/b.py").exists()
    assert worktree.left_out(tree) == ("src/a.py",)


def test_a_checkout_has_modes_links_and_contents_and_is_made_once(snapshot, tmp_path):
    tree = checkout(snapshot, tmp_path)
    assert tree == tmp_path / "trees" / snapshot.tree
    assert (tree / "link").is_symlink()
    assert (tree / "link").readlink() == Path("../../etc/passwd")
    assert (tree / "bin/run").stat().st_mode & 0o777 == 0o755
    assert (tree / "src/a.py").stat().st_mode & 0o777 == 0o644
    assert (tree / "src-x/c").read_bytes() == b"\xff\0"
    assert (tree / "vendor/lib").is_dir()
    assert not (tree / ".git").exists()
    inode = (tree / "README.md").stat().st_ino
    assert checkout(snapshot, tmp_path) == tree
    assert (tree / "README.md").stat().st_ino == inode
    assert [p.name for p in (tmp_path / "trees").iterdir()] == [snapshot.tree]


@pytest.mark.parametrize(
    "name", ["../out", "/etc/x", "a/../../out", ".git/hooks/post-checkout", "x/.GIT/config", "a//b"]
)
def test_paths_that_leave_the_tree_or_make_a_repository_of_it_are_left_out(repository, tmp_path, name):
    oid = repository.git("rev-parse", "HEAD:README.md")
    entries = {name: (0o100644, oid), "good": (0o100644, oid)}
    tree = worktree.make(repository.git_dir, entries, tmp_path / "a" / "b" / "tree")
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file() and tmp_path / "work" not in p.parents) == [
        "good", "tree.left-out"
    ]  # fmt: skip
    assert worktree.left_out(tree) == (name,)


def test_no_file_is_written_through_a_link_of_the_same_tree(repository, tmp_path):
    target = tmp_path / "outside"
    target.mkdir()
    link = repository.git("hash-object", "-w", "--stdin", given=str(target))
    blob = repository.git("rev-parse", "HEAD:README.md")
    entries = {"d": (worktree.SYMLINK, link), "d/file": (0o100644, blob)}
    tree = worktree.make(repository.git_dir, entries, tmp_path / "tree")
    assert list(target.iterdir()) == []
    assert worktree.left_out(tree) == ("d",)


_NAMES = st.text("ab.-ä", min_size=1, max_size=4).filter(lambda n: n not in (".", "..", ".git"))
_TREES = st.dictionaries(
    st.lists(_NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=50), min_size=1, max_size=6
).filter(lambda tree: not any(a != b and b.startswith(a + "/") for a in tree for b in tree))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=_TREES)
def test_what_was_committed_is_read_and_checked_out(git_repository, tmp_path_factory, files):
    place = tmp_path_factory.mktemp("law")
    made = git_repository(str(place / "work"))
    snapshot = open_snapshot(made.git_dir, made.commit(files))
    assert {path: snapshot.read(path) for path in snapshot.manifest} == files
    tree = checkout(snapshot, place / "cache")
    assert {p.relative_to(tree).as_posix(): p.read_bytes() for p in tree.rglob("*") if p.is_file()} == files


def _everything(root: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(root.rglob("*")) if p.is_file()}

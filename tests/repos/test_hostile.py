"""A repository that wants to run something: nothing of it runs, nothing in it changes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from repos.candidates import Hints, candidates
from repos.catalog import inspect_repository
from repos.history import Remote, clone_as_of
from repos.snapshot import checkout, open_snapshot

HOOKS = (
    "post-checkout",
    "pre-commit",
    "post-index-change",
    "reference-transaction",
    "fsmonitor-watchman",
    "pre-auto-gc",
)


@pytest.fixture
def hostile(git_repository, tmp_path: Path):
    made = git_repository("hostile")
    canary = tmp_path / "canary"
    script = tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {canary}\nexit 1\n")
    script.chmod(0o755)
    first = made.commit({
        ".gitattributes": "* filter=evil diff=evil merge=evil\n*.txt ident eol=crlf\n",
        "a.txt": "$Id$\nline\n",
        ".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = ext::{script}\n\tupdate = !{script}\n',
    })  # fmt: skip
    made.commit({"a.txt": "changed\n"}, at=1_700_000_100)
    blob = made.git("rev-parse", f"{first}:a.txt")
    (made.git_dir / "objects" / blob[:2] / blob[2:]).unlink()
    for name in HOOKS:
        hook = made.git_dir / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.symlink_to(script)
    settings = {
        "core.fsmonitor": str(script), "core.hooksPath": str(made.git_dir / "hooks"), "core.pager": str(script),
        "core.sshCommand": str(script), "core.editor": str(script), "core.askPass": str(script),
        "core.alternateRefsCommand": str(script), "core.gitProxy": str(script), "credential.helper": f"!{script}",
        "diff.external": str(script), "diff.evil.textconv": str(script), "diff.evil.command": str(script),
        "filter.evil.clean": str(script), "filter.evil.smudge": str(script), "filter.evil.process": str(script),
        "filter.evil.required": "true", "merge.evil.driver": str(script), "gpg.program": str(script),
        "log.showSignature": "true", "uploadpack.packObjectsHook": str(script), "pager.log": str(script),
        "alias.log": f"!{script}", "alias.cat-file": f"!{script}", "protocol.ext.allow": "always",
        "remote.origin.url": f"ext::{script}", "remote.origin.promisor": "true",
        "remote.origin.uploadpack": str(script),
        "remote.origin.partialclonefilter": "blob:none", "extensions.partialClone": "origin",
        "core.repositoryFormatVersion": "1", "core.worktree": str(tmp_path), "gc.auto": "1",
    }  # fmt: skip
    for key, value in settings.items():
        made.git("config", key, value)
    return made, first, canary


def test_reading_cloning_and_searching_run_nothing_and_change_nothing(hostile, tmp_path):
    made, first, canary = hostile
    before = _state(made.git_dir)
    known = inspect_repository(made.path)
    head = made.git_dir.joinpath("refs/heads/main").read_text().strip()
    for commit in (first, head):
        snapshot = open_snapshot(made.git_dir, commit)
        for path in set(snapshot.manifest) - {"a.txt"}:
            snapshot.read(path)
        checkout(snapshot, tmp_path / "cache")
        clone_as_of(
            made.git_dir, commit, branch="x", as_of=None, into=tmp_path / commit, remote=Remote(f"ext::{canary}")
        )
    candidates(
        known, recorded=head[:9], branch="main", before=1_800_000_000,
        hints=Hints(("--exec=x", "s"), ("--output=x",), (head[:8],), ("-x", first[:8])),
    )  # fmt: skip
    assert (tmp_path / "cache" / "trees").is_dir()
    assert not canary.exists()
    assert _state(made.git_dir) == before


def test_the_trap_would_have_sprung(hostile, tmp_path):
    made, first, canary = hostile
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", f"--git-dir={made.git_dir}", "cat-file", "-p", f"{first}:a.txt"]
    subprocess.run(command, env=env, check=False, capture_output=True)
    assert canary.exists()


def test_a_checkout_is_not_changed_by_attributes(hostile, tmp_path):
    made, _, _ = hostile
    head = made.git_dir.joinpath("refs/heads/main").read_text().strip()
    assert (checkout(open_snapshot(made.git_dir, head), tmp_path / "c") / "a.txt").read_bytes() == b"changed\n"


def test_the_callers_git_variables_take_no_part(hostile, tmp_path, monkeypatch):
    made, first, canary = hostile
    for name in (
        "GIT_DIR",
        "GIT_OBJECT_DIRECTORY",
        "GIT_INDEX_FILE",
        "GIT_WORK_TREE",
        "GIT_COMMON_DIR",
        "GIT_NAMESPACE",
    ):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(tmp_path / "evil.sh"))
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    known = inspect_repository(made.path)
    assert open_snapshot(made.git_dir, first).manifest
    assert candidates(known, recorded=None, branch="main", before=1_800_000_000)
    clone_as_of(made.git_dir, first, branch="main", as_of=None, into=tmp_path / "c")
    assert not canary.exists()
    assert not (tmp_path / "trace").exists()


def test_a_name_in_a_tree_that_git_refuses_fails_the_clone_with_the_reason(git_repository, tmp_path):
    made = git_repository("odd")
    commit = made.commit({"a": "x"})
    blob = made.git("rev-parse", "HEAD:a")
    tree = made.git("mktree", "--missing", given=f"100644 blob {blob}\t..\n")
    bad = made.git("commit-tree", tree, "-p", commit, "-m", "bad")
    assert open_snapshot(made.git_dir, bad).kind("..") == "file"
    assert list(checkout(open_snapshot(made.git_dir, bad), tmp_path / "c").iterdir()) == []
    assert not (tmp_path / "c" / "a").exists()


def _state(root: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(p): (p.lstat().st_mtime_ns, str(p.readlink()).encode() if p.is_symlink() else p.read_bytes())
        for p in sorted(root.rglob("*"))
        if p.is_file() or p.is_symlink()
    }

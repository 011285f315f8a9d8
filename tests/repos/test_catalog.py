"""Which repository is meant, and which commits a session may have started from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from repos.candidates import Hints, candidates, commit_time, recent
from repos.catalog import KnownRepository, inspect_repository, match, normalise_url
from repos.errors import NotARepository

T = 1_700_000_000
CLI = KnownRepository(Path("/m/cli"), "https://github.com/Acme/cli.git", "acme/cli", None)
WEB = KnownRepository(Path("/m/web"), None, "acme/web", "/home/me/code/web")


@pytest.mark.parametrize(
    ("url", "name"),
    [("https://github.com/Acme/CLI.git", "acme/cli"), ("git@github.com:acme/cli.git", "acme/cli"),
     ("ssh://git@host:22/acme/cli/", "acme/cli"), ("acme/cli", "acme/cli"),
     ("C:\\src\\cli", "src/cli"), ("cli", "cli")],
)  # fmt: skip
def test_an_address_in_any_form_has_one_name(url, name):
    assert normalise_url(url) == name


@pytest.mark.parametrize(
    ("url", "directory", "found"),
    [("git@github.com:acme/cli.git", "/x/web", CLI), ("https://github.com/other/cli", "/x/cli", None),
     ("acme/web", None, WEB), (None, "/Users/a/work/cli", CLI), (None, "/Users/a/cli/.worktrees/2", CLI),
     (None, "D:\\src\\cli\\pkg", CLI), (None, "/home/me/code/web/api", WEB), (None, "/home/me/code/webx", None),
     (None, "/cli/web", WEB), (None, None, None), (None, "/tmp", None)],
)  # fmt: skip
def test_address_then_directory_say_which_repository_is_meant(url, directory, found):
    assert match([CLI, WEB], url=url, directory=directory) is found


def test_two_equally_good_answers_are_none():
    twin = KnownRepository(Path("/n"), None, "other/cli", None)
    assert match([CLI, twin], url=None, directory="/x/cli") is None


def test_a_work_tree_its_git_directory_and_a_linked_tree_are_one_repository(git_repository, tmp_path):
    made = git_repository("thing")
    made.commit({"a": "1"})
    made.git("remote", "add", "origin", "https://example.org/acme/thing.git")
    made.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "other")
    found = {inspect_repository(path) for path in (made.path, made.git_dir, tmp_path / "linked")}
    assert found == {
        KnownRepository(made.git_dir, "https://example.org/acme/thing.git", "acme/thing", str(made.path))
    }  # fmt: skip


def test_a_mirror_without_config_is_named_by_its_directory(git_repository, tmp_path):
    made = git_repository("work")
    made.commit({"a": "1"})
    bare = made.mirror(tmp_path / "acme+thing" / "repo")
    assert inspect_repository(bare) == KnownRepository(bare, None, "acme/thing", None)
    assert inspect_repository(bare, "https://h/o/n.git").name == "o/n"


def test_a_local_address_gives_no_name(git_repository):
    made = git_repository("thing")
    made.git("remote", "add", "origin", "/backup/thing.bundle")
    found = inspect_repository(made.path)
    assert (found.name, found.url) == ("thing", "/backup/thing.bundle")


def test_what_is_no_repository_is_said_so(tmp_path):
    (tmp_path / "HEAD").write_text("ref: refs/heads/main\n")
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(NotARepository, match="no git repository"):
            inspect_repository(path)


@pytest.fixture
def history(git_repository):
    made = git_repository("work")
    return made, [made.commit({"a": f"{n}\n"}, f"c{n}", at=T + 100 * n) for n in range(6)]


def found_in(made, **given):
    defaults = {"recorded": None, "branch": None, "before": T + 350}
    return [(c.commit, c.how) for c in candidates(inspect_repository(made.path), **(defaults | given))]


def test_a_recorded_commit_comes_first_even_if_it_is_newer(history):
    made, commits = history
    assert found_in(made, recorded=commits[5])[0] == (commits[5], "recorded")


def test_nothing_newer_than_the_session_is_a_candidate(history):
    made, commits = history
    found = found_in(made, hints=Hints(heads=[commits[5][:7]], ids=[commits[4][:7], commits[1][:8]]))
    assert found[0] == (commits[3], "last on main before the session")
    assert (commits[1], "named in the session") in found
    assert not {commits[4], commits[5]} & {commit for commit, _ in found}


def test_a_shown_head_wins_over_branches(history):
    made, commits = history
    assert found_in(made, hints=Hints(heads=[commits[2][:7]]))[0] == (commits[2], "HEAD in the session")


def test_a_branch_that_is_gone_is_found_by_its_merge(history):
    made, commits = history
    made.git("checkout", "-q", "-b", "fix/one", commits[2])
    tip = made.commit({"b": "1"}, "on the branch", at=T + 320)
    made.git("checkout", "-q", "main")
    made.git("merge", "-q", "--no-ff", "-m", "Merge pull request #7 from acme/fix/one", "fix/one", at=T + 900)
    made.git("branch", "-q", "-D", "fix/one")
    assert found_in(made, branch="fix/one")[0] == (tip, "last on the branch before the session")


def test_the_parent_of_the_first_checkpoint_commit_is_a_candidate(history):
    made, commits = history
    carrying = made.commit({"a": "x"}, "work\n\nEntire-Checkpoint: 0123456789ab", at=T + 1_000)
    made.git("checkout", "-q", "--orphan", "entire/checkpoints/v1")
    made.git("rm", "-q", "-r", "--cached", ".")
    meta = {"checkpoint_id": "0123456789ab", "session_id": "2026-01-02-abc", "created_at": "2026-01-02"}
    made.commit({"01/23456789ab/0/metadata.json": json.dumps(meta), "01/x/0/metadata.json": "{torn"}, at=T + 1_001)
    made.git("checkout", "-q", "-f", "main")
    hints = Hints(sessions=["abc"])
    assert found_in(made, before=T + 800, hints=hints)[0] == (commits[5], "checkpoint's parent")
    assert found_in(made, hints=hints)[0] == (commits[3], "checkpoint's ancestor before the session")
    records = made.git("rev-parse", "entire/checkpoints/v1")
    assert records not in recent(made.git_dir, None, 100)
    assert carrying not in {commit for commit, _ in found_in(made, hints=hints)}


def test_a_shadow_branch_names_the_base(history):
    made, commits = history
    made.git("checkout", "-q", "-b", f"entire/{commits[1][:7]}-e3b0c4", commits[1])
    made.commit({"w": "1"}, "prompt\n\nEntire-Session: s-1", at=T + 340)
    made.git("checkout", "-q", "main")
    assert found_in(made, hints=Hints(sessions=["s-1"]))[0] == (commits[1], "base of a shadow branch")


def test_a_blob_of_a_diff_leads_to_the_commit_that_brought_it(history):
    made, commits = history
    blob = made.git("rev-parse", f"{commits[2]}:a")
    assert (commits[2], "holds a shown blob") in [
        c for c in found_in(made, before=T + 1_000, hints=Hints(blobs=[blob[:9]])) if c[1] != "recent"
    ]


def test_without_a_time_only_what_the_session_names_is_found(history):
    made, commits = history
    assert found_in(made, before=None, hints=Hints(ids=[commits[4][:7]])) == [(commits[4], "named in the session")]


def test_recent_commits_and_times(history):
    made, commits = history
    assert recent(made.git_dir, T + 250, 2) == (commits[2], commits[1])
    assert commit_time(made.git_dir, commits[2]) == T + 200
    assert commit_time(made.git_dir, "0" * 40) is None


def test_an_empty_repository_has_no_candidates(git_repository):
    assert found_in(git_repository("empty")) == []

"""The sandbox over `repos`: git reads in the throwaway clone equal real git in the real checkout."""

from __future__ import annotations

import subprocess

import pytest

from repos.snapshot import open_snapshot
from toolsim.shell.base import ShellCommand, ShellRun
from toolsim.shell.sandbox import SandboxShell
from toolsim.shell.source import RepositorySource
from toolsim.trajectory import Session
from toolsim.world import World

READS = [
    "git status", "git status --short --branch", "git log", "git log --oneline --graph --decorate", "git show HEAD~1",
    "git diff HEAD~1 --stat", "git blame README.md", "git ls-files", "git rev-parse HEAD main HEAD~1",
    "git ls-tree -r HEAD",
    "git branch --show-current", "git log -p -- data/numbers.txt", "git shortlog -sn HEAD", "git describe --always",
    "git grep -n return", "git diff HEAD~1 HEAD -- README.md", "git show HEAD:README.md", "git rev-list --count HEAD",
]  # fmt: skip


@pytest.fixture
def cloned(tmp_path, repository_at, place_of):
    directory = tmp_path / "project"
    directory.mkdir()
    repository_at(directory)
    (directory / "README.md").write_text("# Title\n\nChanged.\n")
    script = "git -c user.name=Bo -c user.email=bo@example.org commit -qam Second && git rev-parse HEAD"
    env = {"PATH": "/usr/bin:/bin", "GIT_COMMITTER_DATE": "@1700000100 +0000", "GIT_AUTHOR_DATE": "@1700000100 +0000"}
    head = subprocess.run(["bash", "-c", script], cwd=directory, env=env, capture_output=True, text=True, check=True)
    snapshot = open_snapshot(directory / ".git", head.stdout.strip())
    subprocess.run(["git", "clone", "-q", directory, tmp_path / "checkout"], check=True)
    directory = tmp_path / "checkout"
    profile = place_of(repository=directory).world.profile
    session = Session("s", "claude-code", "f", "l", cwd=str(directory), started_at=1700000200.0, autonomous=True)
    world = World.start(session, profile, snapshot, str(directory), as_of=1700000200.0)
    return directory, world


async def test_git_reads_equal_real_git_in_a_real_checkout(cloned, toolbox_cache, tmp_path, real):
    directory, world = cloned
    shell = SandboxShell(toolbox_cache, RepositorySource(tmp_path / "rollouts", "main"))

    async def nobody(run, view):
        raise AssertionError(run)

    for command in READS:
        found = await shell.run(ShellCommand(command, str(directory)), world, nobody)
        assert isinstance(found, ShellRun), (command, found)
        expected = real(command, directory)
        out = found.output
        assert (out.stdout, out.stderr, out.exit_code) == (expected.stdout, expected.stderr, expected.returncode), (
            command
        )
    await shell.close()

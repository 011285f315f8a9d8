"""Small repositories in worlds of their own, and the sandbox that commands run in."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from toolsim.actions import Unknown
from toolsim.scaffolds.base import ScaffoldProfile
from toolsim.shell import gitdir
from toolsim.shell.base import ProgramResult, ProgramRun, ShellCommand, ShellRun
from toolsim.shell.sandbox import SandboxShell, available
from toolsim.trajectory import Session
from toolsim.world import World

TREE = {
    "README.md": "# Title\n\nSome text with words.\nTabs\there.\n",
    "src/app.py": "import os\n\n\ndef main(argv):\n    # TODO: parse\n    return len(argv)\n\n\n"
    "class Thing:\n    pass\n",
    "src/lib/util.py": "def add(a, b):\n    return a + b\n",
    "src/lib/empty.py": "",
    "data/numbers.txt": "10\n9\n2\n33\n2\n-1\n",
    "data/table.csv": "name,age,city\nann,31,Rome\nbob,7,Oslo\ncy,31,Lima\n",
    "data/no newline.txt": "last line without end",
    "docs/a/b/c/deep.md": "deep\nünïcode line\n",
    ".gitignore": "node_modules/\n*.log\n",
    ".hidden": "dot\n",
    "run.sh": "#!/bin/sh\necho running \"$1\"\ncat data/numbers.txt | wc -l\n",
}  # fmt: skip
NOW = 1700000000.0
_GIT = ("git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgSign=false")
ENV = {
    "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_DATE": "@1700000000 +0000", "GIT_COMMITTER_DATE": "@1700000000 +0000",
    "GIT_PAGER": "cat", "GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.org", "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
}  # fmt: skip


def run_for_real(command: str, cwd: Path, shell: str = "bash", **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shell, "-c", command], cwd=cwd, env={**ENV, **env}, capture_output=True, text=True,
        errors="surrogateescape", stdin=subprocess.DEVNULL, check=False, timeout=30,
    )  # fmt: skip


def repository_at(directory: Path, files: Mapping[str, str] = TREE) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if text.startswith("#!"):
            path.chmod(0o755)
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "First"]):
        subprocess.run([*_GIT, *words], cwd=directory, env=ENV, check=True)


@dataclass
class CopySource:
    """Committed files and git directory copied from a real repository."""

    repository: Path
    cache: Path

    def tree(self, snapshot):
        tree = self.cache / "tree"
        if not tree.is_dir():
            tree.mkdir(parents=True)
            subprocess.run(f"git archive HEAD | tar -x -C {tree}", shell=True, cwd=self.repository, check=True)
            subprocess.run(["cp", "-r", self.repository / ".git", self.cache / "git"], check=True)
            subprocess.run(["rm", "-rf", self.cache / "git/hooks"], check=True)
            gitdir.write_index(self.cache / "git", tree)
        return tree

    def git(self, world, tree):
        return self.cache / "git"


@dataclass
class Place:
    """A world with its sandbox. `answers` maps a program's name to its result; `runs` collects what was asked."""

    world: World
    shell: SandboxShell
    scratch: Path
    answers: dict[str, ProgramResult | Exception] = field(default_factory=dict)
    runs: list[ProgramRun] = field(default_factory=list)
    views: list[World] = field(default_factory=list)

    async def program(self, run: ProgramRun, view: World) -> ProgramResult:
        self.runs.append(run)
        self.views.append(view)
        answer = self.answers.get(run.argv[0].rpartition("/")[2], ProgramResult(f"<{run.argv[0]}>\n", "", 0))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def try_run(self, command: str, **options) -> ShellRun | Unknown:
        found = await self.shell.run(
            ShellCommand(command, options.pop("cwd", self.world.cwd), **options), self.world, self.program
        )
        if isinstance(found, ShellRun):
            for mutation in found.mutations:
                self.world.apply(mutation)
        return found

    async def run(self, command: str, **options) -> ShellRun:
        found = await self.try_run(command, **options)
        assert isinstance(found, ShellRun), found
        return found

    async def text(self, command: str, **options) -> str:
        return (await self.run(command, **options)).output.output


@pytest.fixture(scope="session")
def real():
    """Runs a command line in a real directory."""
    return run_for_real


@pytest.fixture(scope="session")
def make_repository():
    """Makes a repository with one commit in a directory."""
    return repository_at


@pytest.fixture(scope="session")
def toolbox_cache(tmp_path_factory):
    reason = available()
    if reason is not None:
        pytest.skip(reason)
    return tmp_path_factory.mktemp("toolbox")


@pytest.fixture
def place_of(toolbox_cache, tmp_path, snapshot_of):
    made = []

    def make(files=TREE, *, userland="gnu", shell="bash", root=None, now=NOW, repository=None):
        if repository is None:
            repository = tmp_path / "work"
            repository.mkdir()
            repository_at(repository, files)
        listed = subprocess.run(
            ["git", "ls-files", "-s", "-z"], cwd=repository, capture_output=True, text=True, check=True
        )
        entries = [line.partition("\t") for line in listed.stdout.split("\0") if line]
        snapshot = snapshot_of({name: (repository / name).read_bytes() for _, _, name in entries})
        for head, _, name in entries:
            entry = snapshot.manifest[name]
            snapshot.manifest[name] = type(entry)(int(head.split()[0], 8), entry.oid)
        snapshot.git_dir, snapshot.commit = repository / ".git", "HEAD"
        place = root or str(repository)
        profile = ScaffoldProfile("claude-code", userland=userland, shell=shell, cwd=place)
        world = World.start(Session("s", "claude-code", "f", "l", cwd=place), profile, snapshot, place)
        world.now = now
        made.append(SandboxShell(toolbox_cache, CopySource(repository, repository.parent / "cache")))
        return Place(world, made[-1], tmp_path)

    yield make
    for shell in made:
        asyncio.run(shell.close())


@pytest.fixture
def place(place_of):
    return place_of()

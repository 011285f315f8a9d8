"""Small repositories in worlds of their own, and the sandbox that commands run in."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import container_engine
from toolsim.actions import Unknown
from toolsim.scaffolds.base import ScaffoldProfile
from toolsim.shell import bashkit, gitdir
from toolsim.shell.base import ProgramResult, ProgramRun, Shell, ShellCommand, ShellRun
from toolsim.shell.bashkit import BashkitShell
from toolsim.shell.container import open_container
from toolsim.shell.differential import ENVIRONMENT as ENV
from toolsim.shell.differential import FILES as TREE
from toolsim.shell.differential import NOW, make_repository
from toolsim.shell.sandbox import SandboxShell, available
from toolsim.trajectory import Session
from toolsim.world import World

_GIT = ("git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgSign=false")


def run_for_real(command: str, cwd: Path, shell: str = "bash", **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shell, "-c", command], cwd=cwd, env={**ENV, **env}, capture_output=True, text=True,
        errors="surrogateescape", stdin=subprocess.DEVNULL, check=False, timeout=30,
    )  # fmt: skip


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
    """A world with its shell engine. `answers` maps a program's name to its result; `runs` collects what was asked."""

    world: World
    shell: Shell
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
def repository_at():
    """Makes a repository with one commit in a directory."""
    return make_repository


@pytest.fixture(scope="session")
def toolbox_cache(tmp_path_factory):
    reason = available()
    if reason is not None:
        pytest.skip(reason)
    return tmp_path_factory.mktemp("toolbox")


@pytest.fixture(scope="session")
def containers():
    """A container engine with an image of this machine's programs."""
    with container_engine.engine():
        yield


@pytest.fixture(params=["sandbox", "bashkit", "container"])
def engine(request):
    """The shell engines: a test that uses it (or `place`) runs with each."""
    if request.param == "container":
        request.getfixturevalue("containers")
    reason = bashkit.available() if request.param == "bashkit" else available()
    if reason is not None:
        pytest.skip(reason)
    return request.param


@pytest.fixture
def place_of(request, tmp_path, snapshot_of):
    """Makes a place; of the sandbox unless an engine is named."""
    made = []

    def make(
        files=TREE, *, userland="gnu", shell="bash", root=None, now=NOW, repository=None, engine="sandbox", executed=()
    ):
        if repository is None:
            repository = tmp_path / "work"
            repository.mkdir()
            make_repository(repository, files)
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
        world = World.start(Session("s", "claude-code", "f", "l", cwd=place, autonomous=True), profile, snapshot, place)
        world.now = now
        source = CopySource(repository, repository.parent / "cache")
        if engine == "bashkit":
            made.append(BashkitShell())
        elif engine == "container":
            cache = request.getfixturevalue("toolbox_cache")
            made.append(open_container(cache, source, container_engine.image(*executed)))
        else:
            made.append(SandboxShell(request.getfixturevalue("toolbox_cache"), source))
        return Place(world, made[-1], tmp_path)

    yield make
    for shell in made:
        asyncio.run(shell.close())


@pytest.fixture
def place(place_of, engine):
    """The small repository in a world of its own, with each engine."""
    return place_of(engine=engine)


@pytest.fixture
def sandbox_place(place_of):
    """The same with the sandbox alone."""
    return place_of()

"""Compares a shell engine with the real bash of this machine: one command line, one tree of files, everything seen.

What an engine answers must be what bash and the real programs do: both streams, the exit code and the files left.
What it refuses, or asks a program's answer for, is counted and is no fault.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from repos.snapshot import open_snapshot
from toolsim.scaffolds.base import ScaffoldProfile
from toolsim.shell.base import ProgramResult, ProgramRun, Shell, ShellCommand, ShellRun
from toolsim.trajectory import Session
from toolsim.world import World

Verdict: TypeAlias = Literal["equal", "refused", "asked", "different"]
NOW = 1700000000.0
FILES: Mapping[str, str] = {
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
ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_DATE": "@1700000000 +0000", "GIT_COMMITTER_DATE": "@1700000000 +0000",
    "GIT_PAGER": "cat", "GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.org", "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
}  # fmt: skip
# Show names in the order in which a directory is read, which no two file systems have in common.
_TIMED = re.compile(r"\b\d+m\d+\.\d{3}s\b")
"""What the keyword `time` says: the machine's, and no answer to compare."""
_UNORDERED = re.compile(r"\bfind\b|\bgrep\b.* -\w*[rR]|\bgrep -\w*[rR]|\bcp -|\brm -")


@dataclass(frozen=True, slots=True)
class Case:
    """A command line of the corpus and the group it stands in."""

    group: str
    command: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a command went: `detail` is the reason of a refusal, or what differs."""

    case: Case
    verdict: Verdict
    detail: str = ""


def read_cases(text: str) -> Iterator[Case]:
    """One command a line below `# group` lines; here-documents end at `EOF`, a last backslash goes on."""
    group, lines = "", iter(text.split("\n"))
    for line in lines:
        if line.startswith("# "):
            group = line[2:]
        elif line:
            command = line
            while command.endswith("\\") or ("EOF" in line and command.split("\n")[-1].strip() != "EOF"):
                command += "\n" + next(lines)
            yield Case(group, command)


def make_repository(directory: Path, files: Mapping[str, str] = FILES) -> str:
    """A repository with one commit of the files (executable where they have a `#!` line); the commit's id."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if text.startswith("#!"):
            path.chmod(0o755)
    git = ("git", "-c", "commit.gpgSign=false")
    for words in (["init", "-q", "-b", "main", "--template="], ["add", "-A"], ["commit", "-q", "-m", "First"]):
        subprocess.run([*git, *words], cwd=directory, env=ENVIRONMENT, check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], cwd=directory, capture_output=True, text=True, check=True)
    return head.stdout.strip()


def world_of(directory: Path, commit: str) -> World:
    """The world of a session that works in the repository."""
    place = str(directory)
    profile = ScaffoldProfile("claude-code", cwd=place)
    session = Session("s", "claude-code", "f", "l", cwd=place)
    world = World.start(session, profile, open_snapshot(directory / ".git", commit), place, as_of=NOW + 10)
    world.now = NOW
    return world


@dataclass(frozen=True, slots=True)
class Real:
    """What bash did: both streams, the exit code, and the tree it left."""

    out: str
    err: str
    code: int
    files: Mapping[str, tuple[bytes, bool] | str]
    directories: frozenset[str]


@dataclass(slots=True)
class Reference:
    """Runs commands for real in a copy of `original` below `scratch`; each once, for all engines."""

    original: Path
    scratch: Path
    _known: dict[str, Real] = field(default_factory=dict)
    _clean: bool = False

    def run(self, command: str) -> Real:
        """The command's outcome, with the copy's path written as the original's."""
        if command not in self._known:
            copy = self.scratch / "copy" / self.original.name
            if not self._clean:
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(self.original, copy, symlinks=True)
            done = run_for_real(command, copy)
            out, err = (text.replace(str(copy), str(self.original)) for text in (done.stdout, done.stderr))
            real = Real(out, err, done.returncode, files_of(copy), directories_of(copy))
            self._known[command] = real
            self._clean = (real.files, real.directories) == (files_of(self.original), directories_of(self.original))
        return self._known[command]


async def compare(shell: Shell, world: World, case: Case, reference: Reference) -> Comparison:
    """Run the command in a fork of the world and for real."""
    ours = world.fork()
    asked: list[tuple[str, ...]] = []

    async def program(run: ProgramRun, _: World) -> ProgramResult:
        asked.append(run.argv)
        return ProgramResult("", "", 0)

    found = await shell.run(ShellCommand(case.command, world.root), ours, program)
    if not isinstance(found, ShellRun):
        return Comparison(case, "refused", found.reason)
    if asked:
        return Comparison(case, "asked", " ".join(asked[0]))
    for mutation in found.mutations:
        ours.apply(mutation)
    difference = _difference(case, found, ours, reference.run(case.command))
    return Comparison(case, "different", difference) if difference else Comparison(case, "equal")


def _difference(case: Case, found: ShellRun, ours: World, real: Real) -> str | None:
    told = [_TIMED.sub("TIME", text) for text in (found.output.stdout, found.output.stderr)]
    shown = [_TIMED.sub("TIME", text) for text in (real.out, real.err)]
    if _UNORDERED.search(case.command):
        told, shown = (["\n".join(sorted(t.split("\n"))) for t in texts] for texts in (told, shown))
    if (*told, found.output.exit_code) != (*shown, real.code):
        return f"{(*told, found.output.exit_code)} is not {(*shown, real.code)}"
    left = files_of_world(ours)
    if left != real.files:
        names = [n for n in left.keys() | real.files.keys() if left.get(n) != real.files.get(n)]
        return f"files (ours, real): {[(n, left.get(n), real.files.get(n)) for n in sorted(names)]}"
    lacking = [name for name in real.directories if ours.kind(f"{ours.root}/{name}") != "dir"]
    return f"directories {lacking}" if lacking else None


def run_for_real(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command in this machine's bash."""
    return subprocess.run(
        ["bash", "-c", command], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, errors="surrogateescape",
        stdin=subprocess.DEVNULL, check=False, timeout=30,
    )  # fmt: skip


def files_of(directory: Path) -> dict[str, tuple[bytes, bool] | str]:
    """Content and executable bit of each file below a directory, the text of each link."""
    found: dict[str, tuple[bytes, bool] | str] = {}
    for top, names, files in os.walk(directory):
        if ".git" in names:
            names.remove(".git")
        for name in files:
            path = Path(top) / name
            key = path.relative_to(directory).as_posix()
            linked = path.is_symlink()
            found[key] = str(path.readlink()) if linked else (path.read_bytes(), bool(path.stat().st_mode & 0o100))
    return found


def directories_of(directory: Path) -> frozenset[str]:
    """The directories below a directory, without those of git."""
    found = (Path(top).relative_to(directory).as_posix() for top, _, _ in os.walk(directory))
    return frozenset(name for name in found if name != "." and name.split("/")[0] != ".git")


def files_of_world(world: World) -> dict[str, tuple[bytes, bool] | str]:
    """The same of a world's repository."""
    found: dict[str, tuple[bytes, bool] | str] = {}
    paths = world.files_under(world.root)
    assert isinstance(paths, tuple), paths
    for path in paths:
        key = path.removeprefix(world.root + "/")
        if not key.startswith(".git/"):
            mode, content = world.mode(path), world.read(path)
            assert isinstance(content, bytes), (path, content)
            found[key] = os.fsdecode(content) if mode == 0o120000 else (content, bool(mode & 0o111))
    return found

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
from dataclasses import dataclass
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


async def compare(shell: Shell, world: World, case: Case, scratch: Path) -> Comparison:
    """Run the command in a fork of the world and for real in a copy of its repository below `scratch`."""
    ours, asked = world.fork(), []

    async def program(run: ProgramRun, view: World) -> ProgramResult:
        asked.append(run.argv)
        return ProgramResult("", "", 0)

    found = await shell.run(ShellCommand(case.command, world.root), ours, program)
    if not isinstance(found, ShellRun):
        return Comparison(case, "refused", found.reason)
    if asked:
        return Comparison(case, "asked", " ".join(asked[0]))
    for mutation in found.mutations:
        ours.apply(mutation)
    return _judged(case, found, ours, Path(world.root), scratch / "copy" / Path(world.root).name)


def _judged(case: Case, found: ShellRun, ours: World, original: Path, copy: Path) -> Comparison:
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(original, copy, symlinks=True)
    real = run_for_real(case.command, copy)
    shown = [text.replace(str(copy), str(original)) for text in (real.stdout, real.stderr)]
    told = [found.output.stdout, found.output.stderr]
    if _UNORDERED.search(case.command):
        shown, told = ([sorted(t.split("\n")) for t in texts] for texts in (shown, told))  # type: ignore[misc]
    if (*told, found.output.exit_code) != (*shown, real.returncode):
        return Comparison(case, "different", f"{(*told, found.output.exit_code)} is not {(*shown, real.returncode)}")
    if (left := files_of_world(ours)) != (kept := files_of(copy)):
        changed = {k: (left.get(k), kept.get(k)) for k in left.keys() | kept.keys() if left.get(k) != kept.get(k)}
        return Comparison(case, "different", f"files (ours, real): {changed}")
    return Comparison(case, "equal")


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

"""Latency of the shell engine: `python benchmarks/shell.py [--files N] [--rounds N]`; prints one JSON line each."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from repos.snapshot import open_snapshot
from toolsim.scaffolds.base import ScaffoldProfile
from toolsim.shell.base import ProgramResult, ProgramRun, ShellCommand, ShellRun
from toolsim.shell.sandbox import SandboxShell, available
from toolsim.shell.source import RepositorySource
from toolsim.trajectory import Session
from toolsim.world import World

ROOT = "/home/dev/project"
COMMANDS = (
    "true",
    "cat d1/f1.py",
    "sed -n '2,4p' d1/f1.py",
    "git status --short",
    "git log --oneline -5",
    "pytest -q | tail -1",
    "find . -name 'f7*.py' | wc -l",
    "grep -rn needle --include='*.py' .",
    "echo x >> d1/f1.py && git diff --stat",
)


def make_repository(directory: Path, files: int) -> str:
    """A repository of many small files in folders of a hundred; its commit."""
    for number in range(files):
        path = directory / f"d{number // 100}" / f"f{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        hit = "needle\n" if number % 500 == 0 else ""
        path.write_text(f"import os\n\n\ndef f{number}():\n    return {number}\n{hit}" * 3)
    git = ["git", "-c", "user.name=Dev", "-c", "user.email=dev@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "First"]):
        subprocess.run([*git, *words], cwd=directory, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=directory, capture_output=True, text=True, check=True)
    return head.stdout.strip()


async def answer(run: ProgramRun, world: World) -> ProgramResult:
    """A program that is not computed, answered at once."""
    return ProgramResult("1 passed\n", "", 0, 1.0) if run.argv and world.root else ProgramResult("", "", 1)


async def measure(scratch: Path, commit: str, rounds: int) -> None:
    """Print the median and the spread of each command in the repository below `scratch`."""
    snapshot = open_snapshot(scratch / "repository/.git", commit)
    profile = ScaffoldProfile("claude-code", cwd=ROOT)
    session = Session("bench", "claude-code", "bench", "bench", cwd=ROOT)
    world = World.start(session, profile, snapshot, ROOT, as_of=time.time())
    world.now = time.time()
    shell = SandboxShell(scratch / "cache", RepositorySource(scratch / "cache", "main"))
    try:
        began = time.perf_counter()
        await shell.run(ShellCommand("true", ROOT), world, answer)
        print(json.dumps({"what": "first command, caches made", "ms": round((time.perf_counter() - began) * 1000)}))
        for command in COMMANDS:
            print(json.dumps(await timed(shell, world, command, rounds)))
    finally:
        await shell.close()


async def timed(shell: SandboxShell, world: World, command: str, rounds: int) -> dict[str, object]:
    """Run one command several times, each in the same world."""
    spans = []
    for _ in range(rounds):
        began = time.perf_counter()
        found = await shell.run(ShellCommand(command, ROOT), world, answer)
        spans.append((time.perf_counter() - began) * 1000)
        if not isinstance(found, ShellRun):
            raise SystemExit(f"{command}: {found.reason}")
    spans.sort()
    return {"what": command, "p50_ms": round(statistics.median(spans), 1), "min_ms": round(spans[0], 1),
            "max_ms": round(spans[-1], 1)}  # fmt: skip


def main() -> None:
    """Parse and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    if reason := available():
        raise SystemExit(reason)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        commit = make_repository(Path(scratch) / "repository", options.files)
        asyncio.run(measure(Path(scratch), commit, options.rounds))


if __name__ == "__main__":
    main()

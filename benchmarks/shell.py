"""Latency of the shell engines: `python benchmarks/shell.py [--engine E] [--files N] [--rounds N]`.

Prints one JSON line for each engine and command; what an engine refuses is said instead of a time.
"""

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
from toolsim.shell.base import ProgramResult, ProgramRun, Shell, ShellCommand, ShellRun
from toolsim.shell.choice import Choice, Engine, choose, open_shell
from toolsim.trajectory import Session
from toolsim.world import World

ROOT = "/home/dev/project"
COMMANDS = (
    "true",
    "cat d1/f101.py",
    "sed -n '2,4p' d1/f101.py",
    "git status --short",
    "git log --oneline -5",
    "pytest -q | tail -1",
    "find . -name 'f7*.py' | wc -l",
    "grep -rn needle --include='*.py' .",
    "echo x >> d1/f101.py && git diff --stat",
    "echo x >> d1/f101.py && tail -1 d1/f101.py",
    "for f in d1/f1*.py; do wc -l < $f; done | sort | uniq -c",
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


async def measure(engine: Engine, scratch: Path, commit: str, rounds: int) -> None:
    """Print the median and the spread of each command in the repository below `scratch`."""
    snapshot = open_snapshot(scratch / "repository/.git", commit)
    profile = ScaffoldProfile("claude-code", cwd=ROOT)
    session = Session("bench", "claude-code", "bench", "bench", cwd=ROOT)
    world = World.start(session, profile, snapshot, ROOT, as_of=time.time())
    world.now = time.time()
    shell = open_shell(Choice(engine), scratch / "cache", "main", None)
    assert shell is not None
    try:
        began = time.perf_counter()
        await shell.run(ShellCommand("true", ROOT), world, answer)
        first = round((time.perf_counter() - began) * 1000)
        print(json.dumps({"engine": engine, "what": "first command, caches made", "ms": first}))
        for command in COMMANDS:
            print(json.dumps(await timed(shell, world, command, rounds)))
    finally:
        await shell.close()


async def timed(shell: Shell, world: World, command: str, rounds: int) -> dict[str, object]:
    """Run one command several times, each in the same world."""
    spans = []
    for _ in range(rounds):
        began = time.perf_counter()
        found = await shell.run(ShellCommand(command, ROOT), world, answer)
        spans.append((time.perf_counter() - began) * 1000)
        if not isinstance(found, ShellRun):
            return {"engine": shell.name, "what": command, "refused": found.reason}
    spans.sort()
    shown = {"p50_ms": statistics.median(spans), "min_ms": spans[0], "max_ms": spans[-1]}
    return {"engine": shell.name, "what": command, **{name: round(value, 1) for name, value in shown.items()}}


def main() -> None:
    """Parse and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("both", "sandbox", "bashkit"), action="append")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    engines = [choose(name).engine for name in options.engine or ("sandbox", "bashkit")]
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        commit = make_repository(Path(scratch) / "repository", options.files)
        for engine in engines:
            asyncio.run(measure(engine, Path(scratch), commit, options.rounds))


if __name__ == "__main__":
    main()

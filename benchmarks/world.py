"""A world's speed and memory: `python benchmarks/world.py [--files N] [--calls N] [--forks N] [--rounds N]`.

A generated repository of 10,000 files, a prefix of recorded calls (reads, edits, shell commands with git), the rebuilt
world, its forks, and what tools answer in it. Each figure stands beside its bound; the exit status is 1 where one is
not held. Times are medians; a bare `cat` of the same file, started as a process here, stands beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.shell import ROOT, answer, make_repository
from repos.snapshot import Snapshot, open_snapshot
from toolsim.actions import PutFile, Read
from toolsim.rebuild import rebuild
from toolsim.scaffolds import scaffold_for
from toolsim.shell.base import ShellCommand, ShellRun
from toolsim.shell.choice import Choice, choose, open_shell
from toolsim.trajectory import Item, Message, Prefix, Session, ToolCall, ToolResult
from toolsim.world import World

SHELL = (
    ("cat d1/f101.py", 10.0), ("sed -n '2,9p' d1/f101.py", 10.0), ("grep -rn needle --include='*.py' .", 500.0),
    ("find . -name 'f7*.py'", 500.0), ("git status --short", None), ("git log --oneline -5", None),
)  # fmt: skip


@dataclass
class Table:
    """Figures with their bounds."""

    failed: list[str] = field(default_factory=list)

    def row(self, what: str, value: float, unit: str, bound: float | None = None) -> None:
        """Print one figure."""
        held = bound is None or value <= bound
        if not held:
            self.failed.append(what)
        limit = "" if bound is None else f"  bound {bound:g} {unit}{'' if held else '  NOT HELD'}"
        print(f"{what:<58} {value:>10.3f} {unit}{limit}")


def timed(what: Callable[[], object], rounds: int) -> float:
    """The median of some runs, milliseconds."""
    spans = []
    for _ in range(rounds):
        began = time.perf_counter()
        what()
        spans.append(1_000 * (time.perf_counter() - began))
    return statistics.median(spans)


def prefix(snapshot: Snapshot, calls: int) -> Prefix:
    """Recorded calls on the repository: two reads, an edit and a shell line in turn."""
    session = Session("bench", "claude-code", "bench", "bench", cwd=ROOT, agent_version="2.1.49", started_at=1.7e9)
    names = [name for name in snapshot.manifest if name.endswith(".py")]
    items: list[Item] = []
    for number in range(calls):
        name = names[number * 37 % len(names)]
        text = snapshot.read(name).decode()
        if number % 4 == 3:
            call = ToolCall(f"c{number}", "Bash", {"command": f"wc -l {name}"})
            result = ToolResult(call.id, f"{text.count(chr(10))} {name}", is_error=False)
        elif number % 4 == 2:
            call = ToolCall(
                f"c{number}",
                "Edit",
                {
                    "file_path": f"{ROOT}/{name}",
                    "old_string": "import os",
                    "new_string": "import sys",
                    "replace_all": True,
                },
            )
            done = {"filePath": f"{ROOT}/{name}", "originalFile": text}
            result = ToolResult(call.id, f"The file {ROOT}/{name} has been updated successfully.", structured=done)
        else:
            call = ToolCall(f"c{number}", "Read", {"file_path": f"{ROOT}/{name}"})
            shown = "\n".join(f"{n:>6}→{line}" for n, line in enumerate(text.splitlines(), 1))
            result = ToolResult(call.id, shown)
        items += [
            Message("assistant", origin="agent", calls=(call,), at=1.7e9 + number),
            Message("tool", origin="tool", result=result, at=1.7e9 + number),
        ]
    return Prefix(session, tuple(items), 0)


def forks(world: World, table: Table, count: int, rounds: int) -> None:
    """Time and memory of forks, idle and written to."""
    table.row("fork, before the first write", timed(world.fork, rounds * 20), "ms", 5.0)
    names = [name for name in (world.snapshot.manifest if world.snapshot else {}) if name.endswith(".py")]
    before = _resident()
    kept = [world.fork() for _ in range(count)]
    table.row(f"memory of an idle fork (of {count})", (_resident() - before) / count, "MB", 5.0)
    write = PutFile(f"{ROOT}/{names[0]}", b"x" * 10_000)
    table.row("fork and first write of 10 kB", timed(lambda: world.fork().apply(write), rounds * 20), "ms", 5.0)
    table.row("read of a tracked file (Read tool, 200 different ones)", _reads(kept[0], names), "ms", 10.0)


def _reads(world: World, names: list[str]) -> float:
    spans = []
    for name in names[: 200 * 41 : 41]:
        began = time.perf_counter()
        outcome, _ = world.perform(Read(f"{ROOT}/{name}"))
        spans.append(1_000 * (time.perf_counter() - began))
        assert type(outcome).__name__ == "FileText", outcome
    return statistics.median(spans)


def _resident() -> float:
    """Resident memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


async def commands(world: World, scratch: Path, table: Table, rounds: int) -> None:
    """Shell lines through the engine that `auto` takes."""
    engine = choose("auto").engine
    shell = open_shell(Choice(engine), scratch / "cache", "main", None)
    if shell is None:
        print("no shell engine can run here")
        return
    print(f"shell engine: {engine}")
    try:
        began = time.perf_counter()
        await shell.run(ShellCommand("git status --short", ROOT), world, answer)
        table.row("first line with git: checkout and clone made", 1_000 * (time.perf_counter() - began), "ms")
        for line, bound in SHELL:
            spans = []
            for _ in range(rounds):
                began = time.perf_counter()
                found = await shell.run(ShellCommand(line, ROOT), world, answer)
                spans.append(1_000 * (time.perf_counter() - began))
                assert isinstance(found, ShellRun), (line, found)
            table.row(f"`{line}`", statistics.median(spans), "ms", bound)
    finally:
        await shell.close()


def main() -> None:
    """Make the repository, measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--forks", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    table = Table()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        scratch = Path(folder)
        commit = make_repository(scratch / "repository", options.files)
        git_dir = scratch / "repository/.git"
        real = timed(
            lambda: subprocess.run(["cat", scratch / "repository/d1/f101.py"], capture_output=True, check=True), 9
        )
        table.row("`cat` of a file, a process of this machine", real, "ms")
        began = time.perf_counter()
        snapshot = open_snapshot(git_dir, commit)
        opened = 1_000 * (time.perf_counter() - began)
        recorded, scaffold = prefix(snapshot, options.calls), scaffold_for("claude-code")
        began = time.perf_counter()
        world = rebuild(recorded, scaffold, snapshot=snapshot, root=ROOT)
        built = 1_000 * (time.perf_counter() - began)
        table.row(f"snapshot of {len(snapshot.manifest):,} files", opened, "ms")
        table.row(f"world of a prefix of {options.calls} calls", built, "ms")
        table.row("world ready: both", opened + built, "ms", 1_000.0)
        forks(world, table, options.forks, options.rounds)
        asyncio.run(commands(world, scratch, table, options.rounds))
    print("bounds not held: " + (", ".join(table.failed) or "none"))
    sys.exit(1 if table.failed else 0)


if __name__ == "__main__":
    main()

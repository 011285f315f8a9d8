"""Rollouts a second of one process, of the same command twice, and of workers on Ray, each on a copy of one store.

python benchmarks/ray_workers.py [--rollouts 400] [--flight 64] [--workers 2] [--repeats 2]

`start` is the time from the command until the first rollout is claimed, `rate` the rollouts a second from then until
the last has ended. The endpoint (`fake_endpoint.py`) shares the processors. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import json

import fake_endpoint
import faults

SESSIONS = 20
PROGRAM = (sys.executable, "-c", "from harness.cli import main; main()")


def made(folder: Path) -> Path:
    """A store with sessions only."""
    source, store = folder / "sessions", folder / "store.db"
    source.mkdir()
    for number in range(SESSIONS):
        (source / f"{number}.json").write_text(json.dumps(faults.session(number)))
    faults.said("import", "--store", store, source)
    return store


def counted(store: Path, table: str) -> int:
    """The rows of a table."""
    with closing(sqlite3.connect(store, timeout=30)) as base:
        return int(base.execute(f"select count(*) from {table}").fetchone()[0])


def played(commands: list[list[str]], store: Path, wanted: int) -> tuple[float, float]:
    """Seconds until the first claim, and rollouts a second from there on; raises if a command failed."""
    begin = time.monotonic()
    running = [subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for c in commands]
    while not counted(store, "claims") and running[0].poll() is None:
        time.sleep(0.02)
    first = time.monotonic()
    while counted(store, "ends") < wanted and running[0].poll() is None:
        time.sleep(0.05)
    last = time.monotonic()
    for process in running:
        _, told = process.communicate()
        if process.returncode:
            raise SystemExit(told[-2000:])
    with closing(sqlite3.connect(store)) as base:
        ends = base.execute("select status, count(*) from ends group by 1").fetchall()
    if ends != [("completed", wanted)]:
        raise SystemExit(f"{ends} instead of {wanted} completed rollouts")
    return first - begin, wanted / (last - first)


def main() -> None:
    """Print a row for each way and repetition."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=400)
    parser.add_argument("--flight", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    print("| way | rollouts | start s | rollouts/s | load average |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name, fake_endpoint.running(steps=4, latency=0.2) as url:
        store = made(Path(name))
        for _ in range(given.repeats):
            for way in ("one process", "two processes", f"ray, {given.workers} workers"):
                copy = Path(name) / "copy" / "store.db"
                copy.parent.mkdir()
                copy.write_bytes(store.read_bytes())
                flight = given.flight // 2 if way == "two processes" else given.flight
                words = [
                    *PROGRAM, "resample", "--store", str(copy), "--candidate", f"m@{url}", "--simulator", f"m@{url}",
                    "--rungs", "simulated", "--affordances", "none", "--shell", "none", "--concurrency", str(flight),
                    "--samples", str(given.rollouts // SESSIONS), "--json",
                ]  # fmt: skip
                if way.startswith("ray"):
                    words += ["--engine", "ray", "--workers", str(given.workers)]
                start, rate = played([words] * (2 if way == "two processes" else 1), copy, given.rollouts)
                load = os.getloadavg()[0]
                print(f"| {way} | {given.rollouts} | {start:.1f} | {rate:.1f} | {load:.1f} |", flush=True)
                for path in copy.parent.iterdir():
                    path.unlink()
                copy.parent.rmdir()


if __name__ == "__main__":
    main()

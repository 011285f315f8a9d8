"""Repositories: building a manifest, reading a file at a commit, a checkout, a clone as of a moment.

python benchmarks/snapshot.py [REPOSITORY…]     (default: the fixture repository and a generated one of 10,000 files)
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from repos.candidates import recent
from repos.catalog import inspect_repository
from repos.errors import MissingObject
from repos.history import clone_as_of
from repos.snapshot import Snapshot, checkout, open_snapshot

T = TypeVar("T")
READS = 2_000


def timed(what: Callable[[], T]) -> tuple[T, float]:
    """A result and its milliseconds."""
    start = time.perf_counter()
    result = what()
    return result, 1_000 * (time.perf_counter() - start)


def measure(path: Path, scratch: Path) -> None:
    """Print the times of one repository at its newest commit."""
    known = inspect_repository(path)
    commits, table = timed(lambda: recent(known.git_dir, None, 200))
    snapshot, manifest = timed(lambda: open_snapshot(known.git_dir, commits[0]))
    print(f"{known.name}: {len(snapshot.manifest)} files")
    print(f"  table of all commits {table:8.1f} ms   manifest {manifest:8.1f} ms")
    first, again = reads(snapshot), reads(snapshot)
    print(f"  read a file, p50     {first:8.3f} ms   again    {again:8.3f} ms")
    _, written = timed(lambda: checkout(snapshot, scratch))
    _, found = timed(lambda: checkout(snapshot, scratch))
    print(f"  checkout             {written:8.1f} ms   again    {found:8.3f} ms")
    into = scratch / known.name.replace("/", "+")
    clone, cloned = timed(lambda: clone_as_of(known.git_dir, commits[-1], branch="work", as_of=None, into=into))
    size = sum(f.stat().st_size for f in clone.git_dir.rglob("*") if f.is_file())
    print(f"  clone as of a moment {cloned:8.1f} ms   {size / 1e6:.1f} MB, {len(clone.refs)} refs")


def reads(snapshot: Snapshot) -> float:
    """Milliseconds of one read, p50."""
    paths = random.Random(5).sample(list(snapshot.manifest), k=min(READS, len(snapshot.manifest)))
    times = []
    for path in paths:
        start = time.perf_counter()
        try:
            snapshot.read(path)
        except MissingObject:
            continue
        times.append(1_000 * (time.perf_counter() - start))
    return statistics.median(times)


def generate(place: Path, files: int = 10_000) -> Path:
    """A repository of many small files with a short history."""
    rng = random.Random(3)
    for number in range(files):
        file = place / f"src/p{number % 97}/q{number % 11}/file_{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"value_{rng.randint(0, 10**6)} = {n}\n" for n in range(rng.randint(1, 120))))
    env = os.environ | {f"GIT_{who}_{what}": "bench" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for arguments in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "gc.auto=0", "commit", "-q", "-m", "all"],
        ["repack", "-adq"],
    ):
        subprocess.run(["git", *arguments], cwd=place, check=True, env=env)
    return place


def main(paths: list[Path]) -> None:
    """Measure each repository."""
    with tempfile.TemporaryDirectory() as folder:
        if not paths:
            bundle = Path(__file__).parent.parent / "fixtures" / "repo.bundle"
            fixture, made = Path(folder) / "fixture", Path(folder) / "generated"
            subprocess.run(["git", "clone", "-q", str(bundle), str(fixture)], check=True)
            made.mkdir()
            paths = [fixture, generate(made)]
        for number, path in enumerate(paths):
            scratch = Path(folder) / f"scratch{number}"
            scratch.mkdir()
            measure(path, scratch)


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])

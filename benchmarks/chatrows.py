"""How fast chat rows are imported and how much memory that takes: made-up rows of WildChat's form, 3 % of them damaged.

    python benchmarks/chatrows.py 100000 FOLDER [--format jsonl|json|parquet] [--sample N]

Prints rows a second and the peak memory of the importing process.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_TEXT = "the of and to in is you that it he for was on are as with his they at be this from have or by one had not"
WORDS = _TEXT.split()


def rows(count: int, seed: int = 0) -> Iterator[Any]:
    """Rows with two to six messages of 20 to 200 words; some without text, role or list."""
    rng = random.Random(seed)
    for n in range(count):
        at = f"2024-05-{1 + n % 28:02d}T{n % 24:02d}:00:00+00:00"
        turns = [
            {
                "content": " ".join(rng.choices(WORDS, k=rng.randint(20, 200))), "role": role, "language": "English",
                "toxic": False, "redacted": False, "hashed_ip": f"{n % 5000:032x}", "turn_identifier": n,
                "timestamp": at if role == "assistant" else None,
            }
            for _ in range(rng.randint(1, 3)) for role in ("user", "assistant")
        ]  # fmt: skip
        if n % 100 == 7:
            turns[0]["content"] = None
        elif n % 100 == 17:
            del turns[-1]["role"]
        elif n % 100 == 27:
            turns = []
        yield {
            "conversation_hash": f"{rng.getrandbits(128):032x}", "model": "gpt-4", "timestamp": at,
            "conversation": turns, "turn": len(turns) // 2, "language": "English", "toxic": False, "redacted": False,
            "hashed_ip": f"{n % 5000:032x}",
        }  # fmt: skip


def write(path: Path, count: int, form: str) -> None:
    """The rows as a file."""
    if form == "parquet":
        import pyarrow as pa
        from pyarrow import parquet

        writer = None
        batch = []
        for row in rows(count):
            batch.append(row)
            if len(batch) == 5_000:
                table = pa.Table.from_pylist(batch)
                writer = writer or parquet.ParquetWriter(path, table.schema)
                writer.write_table(table)
                batch = []
        if batch:
            table = pa.Table.from_pylist(batch)
            writer = writer or parquet.ParquetWriter(path, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()
        return
    with path.open("w") as out:
        out.write("[" if form == "json" else "")
        for n, row in enumerate(rows(count)):
            out.write(("," if form == "json" and n else "") + json.dumps(row) + ("" if form == "json" else "\n"))
        out.write("]" if form == "json" else "")


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--format", default="jsonl", choices=["jsonl", "json", "parquet"])
    parser.add_argument("--sample", type=int)
    asked = parser.parse_args()
    path = asked.folder / f"rows-{asked.rows}.{asked.format}"
    if not path.exists():
        write(path, asked.rows, asked.format)
    store = asked.folder / f"chat-{asked.rows}-{asked.format}-{asked.sample}.db"
    store.unlink(missing_ok=True)
    more = [] if asked.sample is None else ["--sample", str(asked.sample)]
    started = time.perf_counter()
    done = subprocess.run(
        [str(Path(sys.executable).with_name("deploysim")), "import", str(path), "--store", str(store), *more],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(done.stdout, done.stderr)
    print(
        f"{asked.rows} rows, {path.stat().st_size / 1e6:.0f} MB: {seconds:.1f} s, {asked.rows / seconds:.0f} rows/s, "
        f"peak {peak:.0f} MiB, store {store.stat().st_size / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    main()

"""Session files by coverage-guided fuzzing: `python benchmarks/fuzz_guided.py [--seconds 60] [FOLDER]`.

The corpus begins with the files of FOLDER (default: fixtures/sessions); libFuzzer, through atheris, changes them and
keeps what reaches new code of importers, scaffolds, world and conversation. Each execution goes the way of a session
(`fuzz.walk`). atheris is no dependency of the project: `pip install atheris` (Linux, CPython 3.11). What raises, takes
longer than 20 s or more than 4 GiB ends the run with 1 and leaves its input in `--keep`.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["harness", "toolsim", "repos", "fuzz"]):
    sys.path.insert(0, str(Path(__file__).parent))
    import fuzz

NAMES = ("s.jsonl", "s.json", "s.traj", "s.yaml", "s.md", "s.eval")


def main() -> None:
    """Gather the corpus and fuzz; libFuzzer prints executions, coverage and corpus, and ends the process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("place", nargs="?", type=Path, default=Path(__file__).parents[1] / "fixtures" / "sessions")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-faults"), help="A folder for inputs with a fault.")
    given = parser.parse_args()
    logging.disable()
    given.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        corpus, scratch = Path(folder) / "corpus", Path(folder) / "scratch"
        corpus.mkdir()
        scratch.mkdir()
        for number, file in enumerate(fuzz.sources([given.place])):
            suffix = next((n for n, name in enumerate(NAMES) if name.endswith(file.suffix)), 0)
            (corpus / str(number)).write_bytes(bytes([suffix]) + file.read_bytes())

        def one(data: bytes) -> None:
            place = scratch / NAMES[(data[0] if data else 0) % len(NAMES)]
            place.write_bytes(data[1:])
            fuzz.walk(place)

        words = [
            sys.argv[0], str(corpus), f"-max_total_time={given.seconds}", f"-artifact_prefix={given.keep}/",
            "-timeout=20", "-rss_limit_mb=4096", f"-max_len={fuzz.LARGEST}", "-print_final_stats=1",
        ]  # fmt: skip
        atheris.Setup(words, one)
        try:
            atheris.Fuzz()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

"""How often the shell engines agree with real bash: `python benchmarks/shell_differential.py [--engine E] [--show]`.

Containers need `--engine container --image NAME`, an image whose programs are of this machine's versions.
Each command of `tests/fixtures/shell_corpus.txt` runs in each engine and for real, over the same small repository.
Prints a table per engine: tried, answered (equal and different), asked (a program's answer is needed) and refused.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from toolsim.errors import ShellError
from toolsim.shell.choice import Wanted, choose, open_shell
from toolsim.shell.differential import Comparison, Reference, compare, make_repository, read_cases, world_of
from toolsim.shell.userland import Image

CORPUS = Path(__file__).parents[1] / "tests/fixtures/shell_corpus.txt"


async def measure(
    name: Wanted, image: Image | None, corpus: str, commit: str, reference: Reference
) -> list[Comparison]:
    """Run the corpus in one engine, if this machine can run it."""
    try:
        shell = open_shell(
            choose(name, image if name == "container" else None), reference.scratch / "cache", "main", None
        )
    except ShellError as error:
        print(error)
        return []
    assert shell is not None
    try:
        world = world_of(reference.original, commit)
        return [await compare(shell, world, case, reference) for case in read_cases(corpus)]
    finally:
        await shell.close()


def table(name: str, found: list[Comparison], *, show: bool) -> None:
    """Print the counts of one engine by group, and what differs."""
    print(f"{name:32} {'tried':>6} {'equal':>6} {'different':>10} {'asked':>6} {'refused':>8}")
    for group in [*dict.fromkeys(c.case.group for c in found), "all"]:
        counts = Counter(c.verdict for c in found if group in ("all", c.case.group))
        print(
            f"{group:32} {sum(counts.values()):6} {counts['equal']:6} {counts['different']:10} {counts['asked']:6} "
            f"{counts['refused']:8}"
        )
    for comparison in found:
        if comparison.verdict == "different" or (show and comparison.verdict != "equal"):
            print(f"  {comparison.verdict}: {comparison.case.command!r}: {comparison.detail}")


def main() -> None:
    """Parse and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("sandbox", "bashkit", "container"), action="append")
    parser.add_argument("--image", help="the image of the containers; its programs should be this machine's versions")
    parser.add_argument("--show", action="store_true", help="also list what was asked and refused, with the reasons")
    options = parser.parse_args()
    corpus = CORPUS.read_text("utf-8")
    with tempfile.TemporaryDirectory(prefix="differential-") as scratch:
        reference = Reference(Path(scratch) / "work", Path(scratch))
        reference.original.mkdir()
        commit = make_repository(reference.original)
        image = Image(options.image) if options.image else None
        for name in options.engine or ("sandbox", "bashkit"):
            table(name, asyncio.run(measure(name, image, corpus, commit, reference)), show=options.show)


if __name__ == "__main__":
    main()

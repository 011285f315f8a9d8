"""The linter's findings against flake8 itself, on texts of the standard library as they are, with lines left out, and
with blanks cut off.

    python benchmarks/linter.py FLAKE8 [--texts 700] [--seed 1]
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sysconfig
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from toolsim.scaffolds.swe_lint import complaints

SELECT = "--select=F821,F822,F831,E111,E112,E113,E999,E902"
LARGEST = 40_000


def texts(count: int, rng: random.Random) -> Iterator[str]:
    """Texts of the standard library; of three one whole, one without some lines, one with a line moved to the left."""
    files = [p for p in sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py")) if p.stat().st_size < LARGEST]
    rng.shuffle(files)
    for number, path in enumerate(files[:count]):
        lines = path.read_text("utf-8", "replace").split("\n")
        if number % 3 and len(lines) > 20:
            first = rng.randrange(len(lines) - 6)
            if number % 3 == 1:
                del lines[first : first + rng.randrange(1, 5)]
            else:
                lines[first] = lines[first][rng.randrange(5) :]
        yield "\n".join(lines)


def flake8(program: str, written: list[Path]) -> dict[str, list[str]]:
    """What flake8 finds in each file, by the file's stem."""
    command = [program, "--isolated", SELECT, *map(str, written)]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found: dict[str, list[str]] = defaultdict(list)
    for line in output.splitlines():
        path, _, _, words = line.split(":", 3)
        found[Path(path).stem].append(words.strip())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flake8", help="the program, under a Python of the same version as this one")
    parser.add_argument("--texts", type=int, default=700)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        cases = list(texts(given.texts, random.Random(given.seed)))
        written = [Path(folder) / f"{number}.py" for number in range(len(cases))]
        for path, text in zip(written, cases, strict=True):
            path.write_text(text, "utf-8")
        real = flake8(given.flake8, written)
        for path, text in zip(written, cases, strict=True):
            said, found = complaints(text, "3.10"), tuple(real[path.stem])
            kind = "not answered" if said is None else "equal" if said == found else "different"
            counts[f"{kind}, flake8 {'finds something' if found else 'is silent'}"] += 1
    for kind, count in counts.most_common():
        print(f"{count:5}  {kind}")


if __name__ == "__main__":
    main()

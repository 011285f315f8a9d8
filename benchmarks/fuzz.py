"""Broken and hostile session files through import, scaffold, world and conversation, for a time.

python benchmarks/fuzz.py [--seconds 60] [--seed 0] [FILE_OR_FOLDER ...]      (default: fixtures/sessions)

Each execution takes a real file, breaks it (bytes cut, doubled, swapped, made invalid; JSON values exchanged, nested,
duplicated, given other types, odd texts and numbers), and goes the way of a session: read, cut at every turn, rebuilt,
its calls parsed by the scaffold, its messages turned into what a model reads. Whatever raises, takes longer than
`--hang` seconds or more memory than allowed is a fault, shown with its place and kept in
`--keep` for looking at. Ends with 1 if there was a fault.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.conversation import native, plain_text
from harness.importers.base import Skipped
from harness.importers.detection import read_paths
from harness.scene import rebuild_on
from toolsim.scaffolds import scaffold_for
from toolsim.trajectory import Message, Trajectory, call_pairs, model_view, split, steps, turns

ODD_TEXTS = (
    "", "\x00", "\ud800", "../../../etc/passwd", "/" * 5000, "a\nb", "-rf", "{{", "é" * 100, "\u202e", "$(id)", "`id`",
    "%s%s%n", "{0}", "<system-reminder>" * 3, "\x1b[31m", "x" * 100_000, "*** Begin Patch\n*** Update File: \n@@\n-",
    "@@ -1,99999999 +1 @@", "cat <<EOF", "'", '"', "\\", "a:" * 2000,
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1 << 80, -(1 << 63), 1e308, 1e-308, float("nan"), float("inf"), [], {}, [[]], {"": {}}, [None],
    "2026-13-45T99:99:99Z", 1e18, -62135596801.0,
)  # fmt: skip
LARGEST = 400_000
MEMORY = 4 << 30


class Hang(Exception):
    """An execution took too long."""


@dataclass
class Faults:
    """What came out: executions by outcome, and faults by kind and place with a first example."""

    outcomes: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    first: dict[str, bytes] = field(default_factory=dict)

    def add(self, error: BaseException, data: bytes) -> None:
        """One more fault."""
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "/fuzz.py" not in f.filename]
        ours = [f for f in frames if any(f"/{name}/" in f.filename for name in ("harness", "toolsim", "repos"))]
        last = (ours or frames or [None])[-1]
        place = f"{'/'.join(Path(last.filename).parts[-2:])}:{last.lineno} {last.name}" if last else "?"
        name = f"{type(error).__name__} at {place}"
        self.found[name] += 1
        self.first.setdefault(name, data)


def broken(data: bytes, rng: random.Random) -> bytes:
    """The file with a few things wrong."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        data = _json(data, rng) if rng.random() < 0.8 else _bytes(data, rng)
    return data


def _bytes(data: bytes, rng: random.Random) -> bytes:
    at, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    end = min(end, at + 200)
    match rng.randrange(5):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + data[end:]
        case 2:
            return data[:end] + data[at:]
        case 3:
            return data[:at] + bytes(rng.randrange(256) for _ in range(8)) + data[at:]
        case _:
            return data[:at] + rng.choice((b"\x00", b"\xff\xfe", b"[" * 3000, b'{"a":' * 3000, b"\r\n\r\n")) + data[at:]


def _json(data: bytes, rng: random.Random) -> bytes:
    """One value of one document (a line, or the whole) made another."""
    lines = data.split(b"\n")
    whole = rng.random() < 0.5 and len(lines) > 1
    place = rng.randrange(len(lines))
    try:
        value = json.loads(lines[place] if whole else data)
    except (ValueError, RecursionError):
        return _bytes(data, rng)
    try:
        text = json.dumps(_changed(value, rng)).encode()
    except (ValueError, RecursionError):
        return _bytes(data, rng)
    return b"\n".join([*lines[:place], text, *lines[place + 1 :]]) if whole else text


def _changed(value: Any, rng: random.Random) -> Any:
    spots: list[tuple[Any, Any]] = []
    todo = [value]
    while todo and len(spots) < 5_000:
        one = todo.pop()
        if isinstance(one, dict | list):
            keys = list(one) if isinstance(one, dict) else list(range(len(one)))
            spots += [(one, key) for key in keys]
            todo += [one[key] for key in keys]
    if not spots:
        return rng.choice(ODD_VALUES)
    inside, key = rng.choice(spots)
    old = inside[key]
    match rng.randrange(7):
        case 0:
            inside[key] = rng.choice(ODD_VALUES)
        case 1:
            inside[key] = rng.choice(ODD_TEXTS)
        case 2:
            other, name = rng.choice(spots)
            inside[key] = json.loads(json.dumps(other[name]))
        case 3:
            inside[key] = [old]
        case 4:
            inside[key] = {"content": old, "type": "text", "text": old}
        case 5 if isinstance(inside, dict):
            del inside[key]
        case 5:
            inside.insert(key, json.loads(json.dumps(old)))
        case _:
            inside[key] = f"{old}{rng.choice(ODD_TEXTS)}" if isinstance(old, str) else [old] * rng.choice((0, 2, 300))
    return value


def walk(path: Path) -> Counter[str]:
    """One file the way of a session."""
    seen: Counter[str] = Counter()
    for item in read_paths([path]):
        if isinstance(item, Skipped):
            seen["skipped"] += 1
            continue
        seen["session"] += 1
        _walk_session(item)
    return seen


def _walk_session(item: Trajectory) -> None:
    scaffold = scaffold_for(item.session.agent)
    profile = scaffold.fit(item.session, [one for one in item.items if isinstance(one, Message)])
    for pair in call_pairs(item.items):
        scaffold.action(pair.call, profile, item.session.cwd or "/")
    found = [turn for turn in turns(item) if steps(item, turn)]
    for turn in (*found[:2], *found[-1:]):
        prefix, _ = split(item, turn)
        rebuild_on(prefix, scaffold, None)
        view = model_view(prefix.items)
        json.dumps(native(view, item.session.agent).messages)
        plain_text(view)


def sources(places: list[Path]) -> list[Path]:
    """The files to break, in order."""
    files = [p for place in places for p in ([place] if place.is_file() else sorted(place.rglob("*")))]
    return [p for p in files if p.is_file() and 0 < p.stat().st_size <= LARGEST]


def _too_long(*_: object) -> None:
    raise Hang


def run(files: list[Path], *, seconds: float, most: int, seed: int, hang: float) -> Faults:
    """Break and walk until the time or the number of executions is used up."""
    rng, faults, started = random.Random(seed), Faults(), time.monotonic()
    kept = signal.signal(signal.SIGALRM, _too_long)
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() - started < seconds and sum(faults.outcomes.values()) < most:
            source = rng.choice(files)
            data = broken(source.read_bytes(), rng)
            place = Path(folder) / source.name
            place.write_bytes(data)
            signal.setitimer(signal.ITIMER_REAL, hang)
            try:
                for outcome in walk(place) or ("nothing",):
                    faults.outcomes[outcome] += 1
            except (Exception, Hang) as error:  # noqa: BLE001  whatever it is, it is a fault
                signal.setitimer(signal.ITIMER_REAL, 0)
                faults.outcomes["fault"] += 1
                faults.add(error, data)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            place.unlink()
    signal.signal(signal.SIGALRM, kept)
    return faults


@contextlib.contextmanager
def bounded(memory: int = MEMORY) -> Iterator[None]:
    """This process may not take more memory meanwhile."""
    kept = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (memory, kept[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, kept)


def main() -> None:
    """Fuzz and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("places", nargs="*", type=Path, default=[Path(__file__).parents[1] / "fixtures" / "sessions"])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--hang", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="A folder for the first file of each fault.")
    given = parser.parse_args()
    files = sources(given.places)
    with bounded():
        faults = run(files, seconds=given.seconds, most=1 << 40, seed=given.seed, hang=given.hang)
    print(f"{len(files)} files; {sum(faults.outcomes.values())} executions: {dict(faults.outcomes)}")
    for name, count in faults.found.most_common():
        print(f"{count:6d}  {name}")
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
        for n, data in enumerate(faults.first.values()):
            (given.keep / f"{n}.json").write_bytes(data)
    sys.exit(bool(faults.found))


if __name__ == "__main__":
    main()

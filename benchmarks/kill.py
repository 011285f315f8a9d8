"""Kills a run with SIGKILL at drawn points and starts it again: each rollout once, nothing torn, the same estimates.

python benchmarks/kill.py [--points 100] [--sessions 6] [--seed 0]

The points are drawn over what a run does: `commit` (before a transaction of the store, inside of it, after it),
`model` (a request is under way) and `mutation` (before and after a change of a world). A child process counts these
and kills itself at the n-th; the same command is then started again without that, and what stands in the store is
compared with a run that nobody disturbed. The endpoint (`fake_endpoint.py`) answers as a function of the request.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import fake_endpoint
import faults

from harness.ledger import ModelStep, read_steps
from harness.store import Store

PHASES = ("before commit", "inside commit", "after commit", "model", "before mutation", "after mutation")
Facts = dict[tuple[Any, ...], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Setting:
    """What is played: the endpoint, a store with the sessions only, and how often each phase comes in a whole run."""

    base_url: str
    store: Path
    counts: dict[str, int]
    facts: Facts
    estimate: str


class Point:
    """Counts the phases of this process and ends it at the n-th of one."""

    def __init__(self, phase: str | None, n: int) -> None:
        self.phase = phase
        self.n = n
        self.counts: Counter[str] = Counter()

    def reached(self, phase: str) -> None:
        """One more of a phase."""
        self.counts[phase] += 1
        if phase == self.phase and self.counts[phase] == self.n:
            os.kill(os.getpid(), signal.SIGKILL)

    def arm(self) -> None:
        """Count from now on."""
        from harness.stores import sqlite
        from harness.writing import Writer
        from toolsim.endpoint import Endpoint
        from toolsim.world import World

        self._before(sqlite.SqliteEngine, "insert", "before commit")
        wait = Writer._wait

        async def waiting_for(writer: Writer, work: Any) -> Any:
            value = await wait(writer, work)
            self.reached("after commit")
            return value

        setattr(Writer, "_wait", waiting_for)  # noqa: B010  counted in this process only
        statements = sqlite._statements

        def inside(*arguments: Any, **named: Any) -> Any:
            yield from statements(*arguments, **named)
            self.reached("inside commit")  # written, not yet committed

        setattr(sqlite, "_statements", inside)  # noqa: B010  counted in this process only
        self._around(World, "apply", "before mutation", "after mutation")
        post = Endpoint.post

        async def waiting(endpoint: Endpoint, path: str, body: Any) -> Any:
            under_way = asyncio.ensure_future(post(endpoint, path, body))
            await asyncio.sleep(0.005)
            self.reached("model")
            return await under_way

        setattr(Endpoint, "post", waiting)  # noqa: B010  counted in this process only

    def _before(self, owner: Any, name: str, phase: str) -> None:
        inner: Callable[..., Any] = getattr(owner, name)

        def counted(*arguments: Any, **named: Any) -> Any:
            self.reached(phase)
            return inner(*arguments, **named)

        setattr(owner, name, counted)

    def _around(self, owner: Any, name: str, before: str, after: str) -> None:
        inner: Callable[..., Any] = getattr(owner, name)

        def counted(*arguments: Any, **named: Any) -> Any:
            self.reached(before)
            value = inner(*arguments, **named)
            self.reached(after)
            return value

        setattr(owner, name, counted)


def child(phase: str, n: int, counts: Path, arguments: Sequence[str]) -> None:
    """Run a command of the program, counting."""
    point = Point(None if phase == "none" else phase, n)
    point.arm()
    try:
        faults.said(*arguments)
    finally:
        counts.write_text(json.dumps(point.counts))


def arguments_of(base_url: str, store: Path) -> list[str]:
    """The run that is killed."""
    spec = f"m@{base_url}"
    return [
        "resample", "--store", str(store), "--candidate", spec, "--simulator", spec, "--rungs", "simulated",
        "--affordances", "none", "--shell", "none", "--concurrency", "3", "--json",
    ]  # fmt: skip


def play(phase: str, n: int, base_url: str, store: Path) -> tuple[int, dict[str, int]]:
    """One process until its end or the point; its status and what it counted."""
    counts = store.with_suffix(".counts")
    words = ["--child", phase, str(n), str(counts), *arguments_of(base_url, store)]
    done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True, check=False)
    if done.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(f"the run ended with {done.returncode}: {done.stderr[-2_000:]}")
    return done.returncode, json.loads(counts.read_text()) if done.returncode == 0 else {}


def facts(path: Path) -> Facts:
    """What stands in a store, by rollout, without times and drawn ids; raises if anything is torn or double."""
    with closing(sqlite3.connect(path)) as base:
        whole = base.execute("pragma integrity_check").fetchone()[0]
        runs = [row[0] for row in base.execute("select id from runs")]
    if whole != "ok" or len(runs) != 1:
        raise SystemExit(f"{path}: {whole}, {len(runs)} runs")
    found: Facts = {}
    with Store(path) as store:
        for row, end in store.rollouts(runs[0]):
            place = (row.session, row.turn, row.step, row.sample)
            if place in found or end is None:
                raise SystemExit(f"{path}: rollout {place} stands twice or has no end")
            steps = read_steps(store.steps(row.id))
            told = [
                (s.message.text, [call.arguments for call in s.message.calls])
                if isinstance(s, ModelStep)
                else (s.answer.content, s.rung, len(s.mutations))
                for s in steps
            ]
            found[place] = (end.status, end.stage, json.dumps(told, sort_keys=True))
    return found


def estimate(base_url: str, path: Path) -> str:
    """The win rate of the run as a judge that is a function of its request gives it."""
    said = json.loads(faults.said("discriminate", "--store", path, "--judge", f"m@{base_url}", "--fakes", 2, "--json"))
    return json.dumps({name: value for name, value in said.items() if name not in {"seconds", "cost"}}, sort_keys=True)


def undisturbed(base_url: str, folder: Path, sessions: int) -> Setting:
    """Import, play once, and keep what came out."""
    source = folder / "sessions"
    source.mkdir(parents=True)
    for number in range(sessions):
        (source / f"{number}.json").write_text(json.dumps(faults.session(number)))
    store = folder / "imported.db"
    faults.said("import", "--store", store, "--calls", folder / "calls.db", source)
    whole = copied(store, folder / "whole.db")
    _, counts = play("none", 0, base_url, whole)
    return Setting(base_url, store, counts, facts(whole), estimate(base_url, whole))


def copied(store: Path, to: Path) -> Path:
    """A copy of a store that nobody has open."""
    shutil.copyfile(store, to)
    return to


def killed(setting: Setting, phase: str, n: int, folder: Path) -> str | None:
    """Kill at one point, start again, and compare; what differs, or `None`."""
    path = copied(setting.store, folder / f"{phase.replace(' ', '-')}-{n}.db")
    status, _ = play(phase, n, setting.base_url, path)
    if status == 0:
        return "the point was not reached"
    play("none", 0, setting.base_url, path)
    if facts(path) != setting.facts:
        return "other rollouts than in an undisturbed run"
    if estimate(setting.base_url, path) != setting.estimate:
        return "another estimate than after an undisturbed run"
    return None


def points(setting: Setting, count: int, seed: int) -> list[tuple[str, int]]:
    """So many points, spread over the phases, drawn without repetition within each as far as there are."""
    rng = random.Random(seed)
    found: list[tuple[str, int]] = []
    for place, phase in enumerate(PHASES):
        share = count // len(PHASES) + (place < count % len(PHASES))
        seen = setting.counts[phase] - 1  # the last ones may come in another order
        found += [(phase, n + 1) for n in (rng.sample(range(seen), share) if share <= seen else range(seen))]
    return found


def main() -> None:
    """Print what became of each phase's points; ends with 1 if any differs."""
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5:])
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--sessions", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    outcomes: dict[str, Counter[str]] = {phase: Counter() for phase in PHASES}
    with (
        tempfile.TemporaryDirectory() as folder,
        fake_endpoint.running(steps=2, latency=0.02) as base_url,
    ):
        setting = undisturbed(base_url, Path(folder), given.sessions)
        print(f"{given.sessions} rollouts; an undisturbed run has {setting.counts}", flush=True)
        for phase, n in points(setting, given.points, given.seed):
            outcomes[phase][killed(setting, phase, n, Path(folder)) or "the same"] += 1
    for phase, seen in outcomes.items():
        print(f"{phase:16s} {sum(seen.values()):4d} killed: {dict(seen)}")
    good = sum(seen["the same"] for seen in outcomes.values())
    print(
        f"{good} of {sum(sum(seen.values()) for seen in outcomes.values())} resumed to the same rollouts and estimate"
    )
    raise SystemExit(any(set(seen) - {"the same"} for seen in outcomes.values()))


if __name__ == "__main__":
    main()

"""Requests a second of the batch path beside a bare loop: `python benchmarks/throughput.py [--parts P,P] [--steps N]`.

Parts: `loops` (256 rollouts in flight at 200 ms, 512 at 1 s, beside a langgraph loop over AsyncOpenAI that sends the
same messages), `processes` (two processes on one store against one, beside two of that loop), `scale` (100, 1,000 and
10,000 rollouts after a warm-up). Every leg runs in a process of its own against `fake_endpoint.py`; legs of one setting
follow each other, and name the callbacks over 50 ms on stderr. Sessions are the fixtures, or those of the folder in
DEPLOYSIM_SESSIONS; all calls are simulated. Prints Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import bare_loop
import fake_endpoint
from pulse import Pulse

from harness import experiment
from harness.config import RunConfig, resolve
from harness.demo import find_fixtures
from harness.importing import import_paths
from harness.rows import RolloutRow
from harness.selection import Criteria
from harness.store import Store
from toolsim import wire_chat
from toolsim.calldb import CallDatabase
from toolsim.deid.choice import beside
from toolsim.modeltypes import Budget, Model, ModelReply, ModelRequest

SHOWN = 8
"""Callbacks over the bound that a leg names on stderr, the longest first."""
SETTINGS = ((256, 0.2), (512, 1.0))
PROCESSES = ((256, 0.2), (128, 1.0))
LOOPS = ("deploysim", "bare", "bare, tuned")
Bodies = list[list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Leg:
    """What one process plays: rollouts, how many at once, and where the store and the recorded bodies are.

    `warm` further rollouts are played first and not measured: what a process loads once is no cost of a rollout.
    """

    kind: str
    url: str
    folder: Path
    rollouts: int
    flight: int
    options: argparse.Namespace
    warm: int = 0

    @property
    def turns(self) -> int:
        """How many different turns were recorded: the rollouts are spread over them."""
        bodies = self.folder / "bodies.json"
        return len(json.loads(bodies.read_text())) if bodies.exists() else 1


async def measured(work: Awaitable[int]) -> dict[str, float]:
    """Requests a second, stalls, CPU and memory of `work`, which says how many requests it made."""
    pulse = Pulse()
    pulse.start()
    wall, cpu, first = time.perf_counter(), time.process_time(), rss()
    requests = await work
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    await pulse.stop()
    for held in sorted(pulse.held, key=lambda one: -one.seconds)[:SHOWN]:
        print(held, file=sys.stderr)
    late = sorted(pulse.late)
    return {
        "requests": requests, "seconds": wall, "rate": requests / wall, "cpu": cpu, "stall": pulse.longest,
        "stall own": pulse.longest_own, "waited": pulse.waited, "held": len(pulse.held), "collecting": pulse.collecting,
        "collection": pulse.longest_collection, "late": late[-1], "late p50": late[len(late) // 2],
        "memory before": first, "memory": rss(),
        "memory most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }  # fmt: skip


def rss() -> float:
    """Resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def settings(leg: Leg) -> tuple[RunConfig, Criteria]:
    """A run whose calls are all asked of the endpoint."""
    flags = {
        "candidate": f"candidate@{leg.url}", "simulator": f"simulator@{leg.url}", "rungs": "simulated", "shell": "none",
        "actions": "native",
        "affordances": leg.options.affordances, "deidentify": leg.options.deidentify,
    }  # fmt: skip
    return resolve(flags, environment={}), Criteria(samples=-(-(leg.rollouts + leg.warm) // leg.turns))


async def play(leg: Leg, record: Bodies | None = None) -> dict[str, float]:
    """The product's own path: plan, preparation, candidate, simulator, ledger and store on disk."""
    config, criteria = settings(leg)
    with Store(leg.folder / "store.db") as store:
        made = experiment.plan(store, config, criteria, {})
        first = sorted(made.rows, key=lambda row: row.sample)
        first = first if record is not None else first[: leg.rollouts + leg.warm]

        def part(rows: list[RolloutRow]) -> experiment.Plan:
            kept = {row.id for row in rows}  # in the order of a run, not by sample
            cut = tuple(row for row in made.rows if row.id in kept)
            return experiment.Plan(made.run, cut, made.excluded, made.resumed)

        budget = Budget()

        def notice(_: Any, event: str, __: Any) -> None:
            if record is not None and event == "started":
                record.append([])

        async with AsyncExitStack() as stack:
            maps = beside(store.path, config.deidentify)
            models = experiment.open_models(config, budget, maps, concurrency=leg.flight)
            for model in {id(m): m for m in models if m is not None}.values():
                stack.push_async_callback(model.close)
            if record is not None and models[0] is not None:
                models = (Recording(models[0], record), Recording(models[0], record))
            parts = await experiment.open_parts(stack, store, leg.folder / "calls.db", config, models)

            async def work(plan: experiment.Plan) -> int:
                before = budget.calls
                await experiment.play(plan, config, parts, concurrency=leg.flight, notice=notice)
                return budget.calls - before

            if leg.warm:
                await work(part(first[: leg.warm]))
            found = await measured(work(part(first[leg.warm :])))
        ends = [end.status for _, end in store.rollouts(made.run) if end is not None]
        found |= {"rollouts": len(first) - leg.warm, "completed": ends.count("completed") - leg.warm}
        found["simulated"] = store.engine.rows("select count(*) as n from steps where kind = 'tool'")[0]["n"]
    return found


class Recording:
    """A model that keeps the body of each request in the list of the rollout that is in play."""

    def __init__(self, model: Model, bodies: Bodies) -> None:
        self.inner, self.bodies = model, bodies
        self.name, self.family, self.context = model.name, model.family, model.context
        self.counts_exactly = model.counts_exactly

    async def complete(self, request: ModelRequest) -> ModelReply:
        """See `Model.complete`."""
        self.bodies[-1].append(wire_chat.payload(self.name, request))
        return await self.inner.complete(request)

    async def count_tokens(self, *arguments: Any) -> int:
        """See `Model.count_tokens`."""
        return await self.inner.count_tokens(*arguments)

    async def close(self) -> None:
        """The inner model is closed by whoever opened it."""


async def bare(leg: Leg) -> dict[str, float]:
    """The same requests from a bare loop, with the client as documented or as fast as it goes (`tuned`)."""
    recorded: Bodies = json.loads((leg.folder / "bodies.json").read_text())
    async with bare_loop.client(leg.url, tuned=leg.kind == "bare, tuned") as asking:
        found = await measured(bare_loop.play(asking, recorded, leg.rollouts, leg.flight))
    return found | {"rollouts": leg.rollouts}


def child(leg: Leg) -> dict[str, float]:
    """One leg in this process."""
    if leg.kind == "record":
        bodies: Bodies = []
        found = asyncio.run(play(leg, bodies))
        (leg.folder / "bodies.json").write_text(json.dumps(bodies))
        return found
    work = play(leg) if leg.kind == "deploysim" else bare(leg)
    if not leg.options.profile:
        return asyncio.run(work)
    profile = cProfile.Profile()
    found = profile.runcall(asyncio.run, work)
    profile.dump_stats(leg.options.profile)
    return found


def start(leg: Leg) -> subprocess.Popen[str]:
    """A leg in a process of its own; it prints its figures as JSON."""
    words = [
        "--leg", leg.kind, "--url", leg.url, "--folder", str(leg.folder), "--rollouts", str(leg.rollouts),
        "--flight", str(leg.flight), "--affordances", leg.options.affordances, "--deidentify", leg.options.deidentify,
        "--profile", leg.options.profile, "--warm", str(leg.warm),
    ]  # fmt: skip
    return subprocess.Popen([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> dict[str, float]:
    """Its figures; raises if it failed."""
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a leg ended with {process.returncode}")
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def played(leg: Leg) -> dict[str, float]:
    """One leg from its start to its end, over a fresh copy of the store."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(leg.folder, folder, dirs_exist_ok=True)
        return ended(start(replace(leg, folder=folder)))


def together(leg: Leg, count: int) -> list[dict[str, float]]:
    """Several processes, each with as many rollouts in flight; ours share one store and divide its rollouts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(leg.folder, folder, dirs_exist_ok=True)
        rollouts = leg.rollouts * (count if leg.kind == "deploysim" else 1)
        share = Leg(leg.kind, leg.url, folder, rollouts, leg.flight, leg.options)
        return [ended(process) for process in [start(share) for _ in range(count)]]


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """A Markdown table, line by line as the rows come."""
    names = list(header)
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |", flush=True)
    print(flush=True)


def loops(folder: Path, options: argparse.Namespace) -> None:
    """Ours and the bare loops, one after the other, `--repeats` times."""
    for flight, latency in SETTINGS:
        print(f"{flight} rollouts in flight, {latency:g} s latency, load average {os.getloadavg()[0]:.1f}\n")
        found: dict[str, list[dict[str, float]]] = {kind: [] for kind in options.loops}
        for _ in range(options.repeats):
            for kind in options.loops:
                with fake_endpoint.running(latency=latency, steps=options.steps) as url:
                    found[kind].append(played(Leg(kind, url, folder, options.rounds * flight, flight, options)))
        header = ("loop", "requests/s", "of bare", "of tuned",
                  "longest callback ms (own CPU)", "over 50 ms", "collections ms, longest", "heartbeat late ms (p50)",
                  "CPU ms/request", "CPU ms/rollout",
                  "MiB most")  # fmt: skip
        middle = {kind: sorted(runs, key=lambda r: r["rate"])[len(runs) // 2] for kind, runs in found.items()}
        table(header, (_row(kind, run, middle) for kind, run in middle.items()))
        ours = middle.get("deploysim")
        if ours is None:
            continue
        print(f"deploysim: {ours['completed']:g} of {ours['rollouts']:g} rollouts completed, "
              f"{ours['simulated']:g} simulated calls, {1000 * ours['cpu'] / ours['simulated']:.2f} ms CPU each with "
              "the candidate's share\n")  # fmt: skip


def _row(kind: str, run: dict[str, float], middle: dict[str, dict[str, float]]) -> tuple[object, ...]:
    shares = (f"{run['rate'] / middle[name]['rate']:.2f}" if name in middle else "" for name in LOOPS[1:])
    return (
        kind, f"{run['rate']:.0f}", *shares, f"{1000 * run['stall']:.0f} ({1000 * run['stall own']:.0f})",
        f"{run['held']:.0f}", f"{1000 * run['collecting']:.0f}, {1000 * run['collection']:.0f}",
        f"{1000 * run['late']:.0f} ({1000 * run['late p50']:.0f})",
        f"{1000 * run['cpu'] / run['requests']:.2f}", f"{1000 * run['cpu'] / run['rollouts']:.1f}",
        f"{run['memory most']:.0f}",
    )  # fmt: skip


def processes(folder: Path, options: argparse.Namespace) -> None:
    """Two processes beside one, of the tuned loop and of ours: at the limit of the processor and, at 1 s, below it.

    "allowed" is what these cores can do at most: all of their time, at the measured processor time of a request with
    the endpoint's share, against one process that has a core for itself.
    """
    for flight, latency in PROCESSES:
        print(f"{flight} rollouts in flight in each, {latency:g} s latency, load average {os.getloadavg()[0]:.1f}\n")
        rows = []
        for kind in ("bare, tuned", "deploysim"):
            alone = 0.0
            for count in (1, 2):
                with fake_endpoint.running(latency=latency, steps=options.steps) as url:
                    found = together(Leg(kind, url, folder, options.rounds * flight, flight, options), count)
                    served = fake_endpoint.processor_time(url)
                requests = sum(one["requests"] for one in found)
                rate = requests / max(one["seconds"] for one in found)
                own, theirs = sum(one["cpu"] for one in found) / requests, served / requests
                alone = alone or rate
                most = min((os.cpu_count() or 1) / (own + theirs), count / own, count * flight / latency)
                rows.append((kind, count, f"{rate:.0f}", f"{rate / alone:.2f}", f"{1000 * own:.2f}",
                             f"{1000 * theirs:.2f}", f"{most:.0f}", f"{1000 * max(r['stall'] for r in found):.0f}",
                             f"{1000 * sum(one['waited'] for one in found) / requests:.2f}"))  # fmt: skip
        table(("loop", "processes", "requests/s", "of one", "CPU ms/request", "endpoint's", "most by cores and latency",
               "longest callback ms", "waiting in callbacks ms/request"), rows)  # fmt: skip


def scale(folder: Path, options: argparse.Namespace) -> None:
    """What a rollout costs in runs of very different size, each turn as often as the others, after a warm-up."""
    rows = []
    for wanted in options.counts:
        with fake_endpoint.running(latency=0.05, steps=options.steps) as url:
            leg = Leg("deploysim", url, folder, wanted, 64, options)
            run = played(replace(leg, rollouts=-(-wanted // leg.turns) * leg.turns, warm=4 * leg.turns))
        rows.append((f"{run['rollouts']:.0f}", f"{run['seconds']:.1f}", f"{1000 * run['cpu'] / run['rollouts']:.2f}",
                     f"{1000 * run['cpu'] / run['requests']:.2f}", f"{run['memory before']:.0f}",
                     f"{run['memory']:.0f}", f"{1000 * run['stall']:.0f} ({1000 * run['stall own']:.0f})",
                     f"{run['held']:.0f}", f"{1000 * run['collecting']:.0f}"))  # fmt: skip
    table(("rollouts", "s", "CPU ms/rollout", "CPU ms/request", "MiB before", "MiB after",
           "longest callback ms (own CPU)", "over 50 ms", "collections ms"), rows)  # fmt: skip


PARTS = {"loops": loops, "processes": processes, "scale": scale}


def main() -> None:
    """One leg, or all parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--steps", type=int, default=4, help="Tool calls of a rollout.")
    parser.add_argument("--rounds", type=int, default=2, help="Rollouts for each one in flight.")
    parser.add_argument("--repeats", type=int, default=1, help="How often each loop runs; the middle one is shown.")
    parser.add_argument("--loops", type=lambda v: v.split("+"), default=list(LOOPS),
                        help="Which of them, joined by `+`: the bare one takes longest.")  # fmt: skip
    parser.add_argument("--counts", type=lambda v: [int(n) for n in v.split(",")], default=[100, 1_000, 10_000])
    parser.add_argument("--affordances", default="none")
    parser.add_argument("--deidentify", default="auto")
    parser.add_argument("--profile", default="", help="Write a profile of each leg here.")
    for name in ("leg", "url", "folder"):
        parser.add_argument(f"--{name}", default="", help=argparse.SUPPRESS)
    parser.add_argument("--rollouts", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--flight", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--warm", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.leg:
        folder = Path(options.folder)
        leg = Leg(options.leg, options.url, folder, options.rollouts, options.flight, options, options.warm)
        print(json.dumps(child(leg)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = os.environ.get("DEPLOYSIM_SESSIONS")
        with Store(folder / "store.db") as store, CallDatabase(folder / "calls.db") as calls:
            import_paths(store, calls, [Path(given) if given else find_fixtures()[0]])
        with fake_endpoint.running(steps=options.steps) as url:
            ended(start(Leg("record", url, folder, 1, 1, options)))
        (folder / "store.db").unlink()
        with Store(folder / "store.db") as store, CallDatabase(folder / "calls.db") as calls:
            import_paths(store, calls, [Path(given) if given else find_fixtures()[0]])
        for part in options.parts.split(","):
            PARTS[part](folder, options)


if __name__ == "__main__":
    main()

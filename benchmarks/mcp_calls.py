"""What a computed call costs on its way through MCP: wall time and CPU, beside the same call asked of the simulator.

    python benchmarks/mcp_calls.py                 200 calls of files and 25 of the shell, on the fixtures
    python benchmarks/mcp_calls.py --calls 1000    more

Four ways in one run, with the same calls in the same order: `respond` (the simulator alone, its mutations applied),
`rollout` (with ledger and store, in this process), `stdio` and `http` (the SDK's client, `deploysim mcp` as a process
of its own). CPU is that of this process and, for the last two, of the server: what it used with the calls less what it
used without any. Calls: a file read, an edit, and a shell line where the sandbox runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx2
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Implementation

from harness.config import RunConfig
from harness.demo import find_fixtures, unpack_repository
from harness.importing import import_paths
from harness.live.rollout import LiveRollout
from harness.live.situation import Situation, open_situation
from harness.selection import Criteria
from harness.store import Store
from repos.catalog import inspect_repository
from toolsim.calldb import CallDatabase
from toolsim.shell.choice import choose
from toolsim.trajectory import JsonObject, ToolCall

ROOT = "/home/dev/work/tablewright"
PROGRAM = ("-c", "from harness.cli import main; main()")
ME = Implementation(name="benchmark", version="1")
Call = tuple[str, JsonObject]
Ask = Callable[[Call], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one call: median and 95th percentile of wall time, and CPU of client and server, all in milliseconds."""

    way: str
    kind: str
    median: float
    p95: float
    own_cpu: float
    server_cpu: float | None = None


def calls(count: int, shell: bool) -> dict[str, list[Call]]:
    """The calls of each kind."""
    edits: list[Call] = [("Write", {"file_path": f"{ROOT}/count.txt", "content": "0"})]
    edits += [
        ("Edit", {"file_path": f"{ROOT}/count.txt", "old_string": str(n), "new_string": str(n + 1)})
        for n in range(count - 1)
    ]
    kinds: dict[str, list[Call]] = {"read": [("Read", {"file_path": f"{ROOT}/README.md"})] * count, "edit": edits}
    if shell:
        line = "grep -n table README.md | head -3; git log --oneline -2"
        kinds["shell"] = [("Bash", {"command": line})] * max(1, count // 8)
    return kinds


async def timed(way: str, kind: str, asked: Sequence[Call], ask: Ask) -> Cost:
    """Ask all, one after the other."""
    walls: list[float] = []
    before = time.process_time()
    for call in asked:
        begin = time.perf_counter()
        await ask(call)
        walls.append(time.perf_counter() - begin)
    own = 1000 * (time.process_time() - before) / len(asked)
    walls.sort()
    return Cost(way, kind, 1000 * median(walls), 1000 * walls[int(0.95 * len(walls))], own)


async def direct(situation: Situation, kind: str, asked: Sequence[Call]) -> Cost:
    """The simulator alone."""
    row = situation.register({})
    simulator, world = situation.simulator(row), situation.scene.rebuilt.world.fork()
    number = 0

    async def ask(call: Call) -> None:
        nonlocal number
        number += 1
        answer = await simulator.respond(ToolCall(f"c{number}", *call), world, situation.scene.view)
        for mutation in answer.mutations:
            world.apply(mutation)

    cost = await timed("respond", kind, asked, ask)
    if simulator.shell is not None:
        await simulator.shell.close()
    return cost


async def logged(situation: Situation, kind: str, asked: Sequence[Call]) -> Cost:
    """A rollout in this process, with ledger and store."""
    rollout = LiveRollout(situation, situation.register({}), "mcp")
    cost = await timed("rollout", kind, asked, lambda call: rollout.call(*call))
    await rollout.leave("done")
    return cost


def children() -> float:
    """CPU seconds of ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def line(folder: Path, session: str, *more: str) -> list[str]:
    """The command of a server."""
    return [*PROGRAM, "mcp", session, "--store", str(folder / "deploysim.db"), "--simulator", "none", "--with-calls",
            "--max-steps", "1000000", *more]  # fmt: skip


@asynccontextmanager
async def stdio(folder: Path, session: str) -> AsyncIterator[Client]:
    """A client at a server of its own over stdio."""
    started = StdioServerParameters(command=sys.executable, args=line(folder, session))
    async with Client(started, client_info=ME, mode="legacy") as client:
        yield client


@asynccontextmanager
async def http(folder: Path, session: str) -> AsyncIterator[Client]:
    """A client at a server of its own over HTTP."""
    process = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, *line(folder, session, "--http", "--json")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {ready['token']}"}) as session_of:
        transport = streamable_http_client(ready["address"], http_client=session_of)
        async with Client(transport, client_info=ME, mode="legacy") as client:
            yield client
    process.send_signal(signal.SIGINT)
    process.communicate()


async def over(way: str, open_client: Callable[[Path, str], object], folder: Path, session: str, kind: str,
               asked: Sequence[Call]) -> Cost:  # fmt: skip
    """The same calls through a client; the server's CPU less that of a server that is asked nothing."""
    async with open_client(folder, session) as client:  # type: ignore[attr-defined]
        await client.list_tools()
    start = children()
    async with open_client(folder, session) as client:  # type: ignore[attr-defined]
        await client.list_tools()
    idle, start = children() - start, children()
    async with open_client(folder, session) as client:  # type: ignore[attr-defined]
        await client.list_tools()
        cost = await timed(way, kind, asked, lambda call: client.call_tool(*call))
    server = 1000 * (children() - start - idle) / len(asked)
    return Cost(cost.way, cost.kind, cost.median, cost.p95, cost.own_cpu, server)


async def measure(folder: Path, count: int) -> list[Cost]:
    """All ways, all kinds."""
    engine = choose("auto")
    costs: list[Cost] = []
    with Store(folder / "deploysim.db") as store:
        session = store.sessions()[0].id
        config = RunConfig(candidate="mcp", simulator="none", max_steps=1_000_000)
        criteria = Criteria(ids=(session,), with_calls=True)
        for kind, asked in calls(count, engine.engine in {"both", "sandbox"}).items():
            async with open_situation(
                store, folder / "calls.db", config, criteria, kind="mcp", models=(None, None)
            ) as situation:
                await direct(situation, kind, asked[: min(5, count)])
                costs.append(await direct(situation, kind, asked))
                costs.append(await logged(situation, kind, asked))
            costs.append(await over("stdio", stdio, folder, session, kind, asked))
            costs.append(await over("http", http, folder, session, kind, asked))
    return costs


def main() -> None:
    """Print one line for each way and kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200)
    count = parser.parse_args().calls
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        sessions, bundle = find_fixtures()
        with Store(folder / "deploysim.db") as store, CallDatabase(folder / "calls.db") as database:
            import_paths(store, database, [sessions / "claude-code" / "median-run1.jsonl"])
            store.add_repository(inspect_repository(unpack_repository(bundle, folder / "repository.git"), url=None))
        costs = asyncio.run(measure(folder, count))
    print(f"{count} calls of files, {max(1, count // 8)} of the shell, {os.cpu_count()} cores; ms per call")
    print(f"{'':8} {'':8} {'median':>8} {'p95':>8} {'own CPU':>8} {'server':>8}")
    for cost in costs:
        server = "-" if cost.server_cpu is None else f"{cost.server_cpu:.2f}"
        print(f"{cost.kind:8} {cost.way:8} {cost.median:8.2f} {cost.p95:8.2f} {cost.own_cpu:8.2f} {server:>8}")


if __name__ == "__main__":
    main()

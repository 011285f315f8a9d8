"""The viewer on a large store: time to the first byte of each page, and resident memory of the server.

    python benchmarks/viewer.py                      100,000 rollouts of 50 steps, made in a temporary folder
    python benchmarks/viewer.py --rollouts 2000      smaller
    python benchmarks/viewer.py --store FILE         keep the made store there, or use the one that is there

Bodies of steps are small (a command and a few lines of output), one hundred different ones. Pages are asked for while
the search index is being made, and again after `--index` seconds of it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from statistics import median

from harness.ledger import ModelStep, ToolStep, write_step
from harness.packing import pack
from harness.store import Store
from toolsim.trajectory import Message, Session, ToolCall, ToolResult, Trajectory

RUN, TOKEN, STEPS, SESSIONS, JUDGED = "0" * 12, "token", 50, 1000, 20_000
RUNGS = ("computed", "simulated", "recorded", "connector")


def bodies() -> list[tuple[str, bytes]]:
    """One hundred small steps, a message of the agent and a call in turn."""
    made = []
    for n in range(100):
        call = ToolCall(f"c{n}", "Bash", {"command": f"pytest -q tests/test_{n}.py"})
        told = ToolResult(call.id, f"{n} passed in 0.{n:02}s")
        said = ToolResult(call.id, f"{n if n % 3 else n + 1} passed in 0.{n:02}s")
        step: ModelStep | ToolStep = ModelStep(Message("assistant", "", "agent", calls=(call,)), "recorded")
        if n % 2:
            step = ToolStep(call, told, said, RUNGS[n % 4], evidence={"prompt": f"{n:016x}"}, recorded=told)
        row = write_step(n, step)
        made.append((row.kind, pack(json.dumps(row.body).encode())))
    return made


def make(path: Path, count: int) -> None:
    """A store of `count` ended rollouts of fifty steps in one run, twenty thousand of them judged."""
    with Store(path) as store:
        for n in range(SESSIONS):
            items = (Message("user", f"Do task {n}."), Message("assistant", "I look.", "agent"))
            session = Session(f"session-{n:04}", "claude-code", "claude-code", f"l{n}", started_at=1.7e9 + n)
            store.add_session(Trajectory(session, items), source="made", sha256=f"{n:064x}")
        config = {"candidate": "recorded", "simulator": "made", "rungs": [], "affordances": [], "forcing": "teacher"}
        store.begin_run(RUN, "resample", {"config": config}, now=1.75e9)
        db, steps = store.db.conn, bodies()
        db.execute("pragma synchronous=off")
        for start in range(0, count, 2000):
            names = range(start, min(start + 2000, count))
            db.execute("begin")
            db.executemany(f"insert into rollouts values ({','.join('?' * 11)})", map(_rollout, names))
            db.executemany("insert into steps values (?, ?, ?, ?)", _steps(names, steps))
            db.executemany("insert into ends values (?, ?, ?, ?, ?)", map(_end, names))
            judged = [n for n in names if n < JUDGED]
            db.executemany("insert into pairs values (?, ?, ?, ?, ?, ?)", map(_pair, judged))
            db.executemany("insert into judgements values (?, ?, ?, ?, ?, ?)", (j for n in judged for j in _said(n)))
            db.execute("commit")


def _rollout(n: int) -> tuple[object, ...]:
    session, pool = n % SESSIONS, "tune" if n % 3 else "report"
    agent = ("claude-code", "codex", "swe-agent")[n % 3]
    return (
        f"{n:020x}",
        RUN,
        f"session-{session:04}",
        0,
        0,
        n // SESSIONS,
        pool,
        f"l{session}",
        f"r{n % 40}",
        agent,
        "{}",
    )


def _steps(names: range, steps: list[tuple[str, bytes]]) -> Iterator[tuple[object, ...]]:
    for n in names:
        for k in range(STEPS):
            yield (f"{n:020x}", k, *steps[(n * 2 + k) % 100])


def _end(n: int) -> tuple[object, ...]:
    failed = n % 5000 == 0
    return (f"{n:020x}", "failed" if failed else "completed", "candidate" if failed else None, "end", "{}")


def _pair(n: int) -> tuple[object, ...]:
    facts = {"session": f"session-{n % SESSIONS:04}", "lineage": f"l{n % SESSIONS}", "repo": None, "agent": "codex",
             "pool": "tune", "tool": "Bash", "rung": "simulated", "same_model": True, "kind": "call",
             "identical": False}  # fmt: skip
    body = {"history": "user: do it", "action": f"Bash(pytest {n})", "recorded": f"{n} ok", "simulated": f"{n} OK"}
    return (f"{n:024x}", RUN, f"{n:020x}", "call", json.dumps(facts), pack(json.dumps(body).encode()))


def _said(n: int) -> Iterator[tuple[object, ...]]:
    facts = json.dumps({"simulated_taken": n % 7 == 0, "reason": "made", "probability": 0.5})
    for sides in ("rs", "sr"):
        yield (RUN, f"{n:024x}", "judge", sides, "valid", facts)


PAGES = {
    "runs": "/",
    "sessions": "/sessions",
    "session": "/session/session-0500",
    "run": f"/run/{RUN}",
    "run, last page": f'/run/{RUN}?after=["session-0999",0,0,90,"{0:020x}"]',
    "run, pool and scaffold": f"/run/{RUN}?pool=tune&agent=codex",
    "run, one in 5,000": f"/run/{RUN}?status=failed+at+candidate",
    "run, status and pool without a hit": f"/run/{RUN}?status=open&pool=tune",
    "run, verdict": f"/run/{RUN}?verdict=passed",
    "run, rung": f"/run/{RUN}?rung=simulated",
    "fidelity": f"/run/{RUN}/fidelity",
    "compare a run with itself": f"/compare?a={RUN}&b={RUN}",
    "compare, prefixes alike too": f"/compare?a={RUN}&b={RUN}&all=1",
    "run, rung and status without a hit": f"/run/{RUN}?rung=unanswered&status=failed+at+candidate",
    "run, verdict and pool without a hit": f"/run/{RUN}?verdict=undecided&pool=report",
    "counts of a run": f"/run/{RUN}/counts.json",
    "rollout": f"/rollout/{777:020x}",
    "whole text": f"/rollout/{777:020x}/step/1/simulated",
    "label": f"/run/{RUN}/label?rater=ada",
    "search, a common word": "/search?q=passed",
    "search, two words": "/search?q=tests+test_77",
}


def measure(address: str, again: int) -> dict[str, tuple[float, float, int]]:
    """Seconds to the first byte, first and median of all, and the size of each page."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    opener.open(address).read()
    root, found = address.partition("/?")[0], {}
    for name, path in PAGES.items():
        times, size = [], 0
        for _ in range(again):
            begin = time.perf_counter()
            with opener.open(root + urllib.request.quote(path, safe="/?&=+%")) as answer:
                first = answer.read(1)
                times.append(time.perf_counter() - begin)
                size = len(first + answer.read())
        found[name] = (times[0], median(times), size)
    return found


def resident(process: int) -> float:
    """MiB of memory of a process."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=100_000)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--again", type=int, default=3)
    parser.add_argument("--index", type=float, default=30.0)
    given = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with tempfile.TemporaryDirectory() as folder:
        store = given.store or Path(folder) / "deploysim.db"
        if not store.exists():
            begin = time.perf_counter()
            make(store, given.rollouts)
            print(f"made {given.rollouts:,} rollouts with {given.rollouts * STEPS:,} steps, "
                  f"{store.stat().st_size / 1e6:,.0f} MB, in {time.perf_counter() - begin:.0f} s")  # fmt: skip
        command = [sys.executable, "-c", "from harness.cli import main; main()", "view", "--store", str(store)]
        begin = time.perf_counter()
        server = subprocess.Popen([*command, "--port", "0", "--token", TOKEN], stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        print(f"ready after {time.perf_counter() - begin:.1f} s, {resident(server.pid):.0f} MiB")
        try:
            for title, wait in (("while the index is begun", 0.0), (f"after {given.index:.0f} s", given.index)):
                time.sleep(wait)
                print(f"{title}:")
                for name, (first, middle, size) in measure(address, given.again).items():
                    late = "  TOO LATE" if first >= 1 else ""
                    print(f"  {name:36s} first {first:6.3f} s  median {middle:6.3f} s  {size / 1024:6.0f} KiB{late}")
                print(f"  resident {resident(server.pid):.0f} MiB")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()

"""Runs against an endpoint of which a share of the answers is broken: what became of each fault, and that none is kept.

python benchmarks/faults.py [--share 0.2] [--sessions 40] [--folder DIR]

Candidate, simulator, judge and grader all ask the fake endpoint (`fake_endpoint.py`), first whole and then with one
kind of fault at a time and with all kinds. Text of a fault holds a mark; every row of the store is searched for it. It
may stand where a failure is told and where raw answers are kept, and nowhere else. What is counted as laundered is a
mark elsewhere, a tool result or verdict that the endpoint never gave, a rollout without one end, or a verdict of a
judge or grader whose raw answer was a fault.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import zstandard

sys.path.insert(0, str(Path(__file__).parent))

import fake_endpoint

from harness.cli import main as command
from harness.ledger import ToolStep, read_steps
from harness.store import Store

TELLS_FAILURES = {"ends": "status", "judgements": "status", "turn_verdicts": "status", "gradings": "status"}
RAW = frozenset({"texts", "exchanges"})
GOOD = frozenset({"completed", "valid", "graded"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run under faults left: counts of requests and rows, and where something was laundered."""

    kind: str
    requests: int
    faults: int
    rollouts: int
    completed: int
    failed: int
    judged: int
    unjudged: int
    graded: int
    ungraded: int
    laundered: tuple[str, ...]
    seconds: float


def session(number: int) -> dict[str, Any]:
    """One recorded session with two turns and three calls."""

    def call(name: str, line: str, result: str) -> list[dict[str, Any]]:
        function = {"name": "bash", "arguments": json.dumps({"command": line})}
        made = {"id": name, "type": "function", "function": function}
        return [
            {"role": "assistant", "content": f"I look at part {number}.", "tool_calls": [made]},
            {"role": "tool", "tool_call_id": name, "content": result},
        ]

    tool = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
    return {
        "session_id": f"made-{number}",
        "messages": [
            {"role": "system", "content": "You work in /srv/made."},
            {"role": "user", "content": f"Look at part {number}."},
            *call("c1", f"./show.sh {number}", f"part {number}: 3 open\n"),
            {"role": "assistant", "content": f"Part {number} has 3 open points."},
            {"role": "user", "content": f"Check part {number} again, and its log."},
            *call("c2", f"./check.sh --part {number}", f"checked {number}\nall well\n"),
            *call("c3", f"./log.sh {number} | tail -2", f"{number} opened\n{number} closed\n"),
            {"role": "assistant", "content": "All well."},
        ],
        "tools": [{"type": "function", "function": {"name": "bash", "description": "Runs", "parameters": tool}}],
    }


def said(*arguments: Any, may_end: Sequence[object] = (0, None, 3)) -> str:
    """What a command printed; its progress is not shown. Ends with another status than `may_end` are raised."""
    out, kept = StringIO(), sys.argv
    sys.argv = ["deploysim", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(StringIO()):
            command()
    except SystemExit as end:
        if end.code not in may_end:
            raise
    finally:
        sys.argv = kept
    return out.getvalue()


def play(folder: Path, sessions: int, base_url: str) -> str:
    """Resample, judge and grade in a new store; gives the run."""
    store = folder / "deploysim.db"
    source = folder / "sessions"
    source.mkdir(parents=True)
    for number in range(sessions):
        (source / f"{number}.json").write_text(json.dumps(session(number)))
    own = ("--store", store)
    said("import", *own, source)
    spec = f"m@{base_url}"
    world = ("--rungs", "simulated", "--affordances", "none", "--shell", "none", "--simulator", spec)
    run = json.loads(
        said("resample", *own, "--candidate", spec, *world, "--concurrency", 8, "--json")
    )["run"]  # fmt: skip
    said("discriminate", run, *own, "--judge", spec, "--fakes", 4, "--pairs", sessions, "--concurrency", 8, "--json")
    said("grade", run, *own, "--grader", spec, "--concurrency", 8, "--json", may_end=(0, 1, 3))
    return str(run)


def rows(path: Path) -> Iterator[tuple[str, sqlite3.Row, str]]:
    """Table, row and its whole text, of every row of a store; compressed bodies unpacked."""
    with closing(sqlite3.connect(path)) as base:
        base.row_factory = sqlite3.Row
        names = [r[0] for r in base.execute("select name from sqlite_master where type='table'")]
        for name in names:
            for row in base.execute(f'select * from "{name}"'):
                yield name, row, "\n".join(map(_text, tuple(row)))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        with suppress(zstandard.ZstdError):
            value = zstandard.ZstdDecompressor().decompress(value, max_output_size=1 << 28)
        return value.decode("utf-8", "replace")
    return str(value)


def laundered(path: Path, run: str) -> Iterator[str]:
    """What was kept as if it had been an answer."""
    for table, row, text in rows(path):
        if fake_endpoint.FAULT_MARK not in text or table in RAW:
            continue
        status = row[TELLS_FAILURES[table]] if table in TELLS_FAILURES else None
        if status is None or status in GOOD:
            yield f"a mark in {table}: {text[:120]!r}"
    with Store(path) as store:
        for row, end in store.rollouts(run):
            if end is None:
                yield f"rollout {row.id} has no end"
            for step in read_steps(store.steps(row.id)):
                if isinstance(step, ToolStep) and not step.answer.content.startswith("answer "):
                    yield f"a result that the endpoint never gave: {step.answer.content[:80]!r}"


def measured(kind: str, share: float, sessions: int, folder: Path) -> Outcome:
    """Play under one kind of fault (`all`, `none`), and look at what is left."""
    kinds = ",".join(fake_endpoint.FAULTS) if kind in {"all", "none"} else kind
    started = time.perf_counter()
    with fake_endpoint.running(faults=0.0 if kind == "none" else share, kinds=kinds, steps=2, drip=0.002) as base_url:
        run = play(folder, sessions, base_url)
        with urllib.request.urlopen(f"{base_url}/stats") as answer:
            stats = json.load(answer)
    path = folder / "deploysim.db"
    with Store(path) as store:
        ends = [end for _, end in store.rollouts(run) if end is not None]
    with closing(sqlite3.connect(path)) as base:
        judged = dict(base.execute("select status, count(*) from judgements group by status").fetchall())
        graded = dict(base.execute("select status, count(*) from turn_verdicts group by status").fetchall())
    completed = sum(end.status == "completed" for end in ends)
    well = {"judgements": _good(judged), "graded": _good(graded)}
    return Outcome(
        kind, stats["requests"], sum(n for name, n in stats.items() if name.startswith("fault ")), len(ends), completed,
        len(ends) - completed, well["judgements"], sum(judged.values()) - well["judgements"], well["graded"],
        sum(graded.values()) - well["graded"], tuple(laundered(path, run)), time.perf_counter() - started,
    )  # fmt: skip


def _good(counts: dict[str, int]) -> int:
    return sum(n for status, n in counts.items() if status in GOOD)


def table(found: Sequence[Outcome]) -> str:
    """The outcomes as text."""
    head = "kind            requests  faults  rollouts completed failed  judged failed  graded failed  laundered  s"
    lines = [
        f"{o.kind:15s} {o.requests:8d} {o.faults:7d}  {o.rollouts:8d} {o.completed:9d} {o.failed:6d}  {o.judged:6d} "
        f"{o.unjudged:6d}  {o.graded:6d} {o.ungraded:6d}  {len(o.laundered):9d} {o.seconds:5.1f}"
        for o in found
    ]
    return "\n".join([head, *lines])


def main() -> None:
    """Print the table; ends with 1 if anything was laundered."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--sessions", type=int, default=40)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--kinds", default=",".join(("none", *fake_endpoint.FAULTS, "all")))
    given = parser.parse_args()
    found = []
    with ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for kind in given.kinds.split(","):
            found.append(measured(kind, given.share, given.sessions, folder / kind))
            print(table(found[-1:]), *found[-1].laundered[:5], sep="\n", file=sys.stderr, flush=True)
    print(table(found))
    raise SystemExit(any(o.laundered for o in found))


if __name__ == "__main__":
    main()

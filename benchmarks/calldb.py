"""The pair database with many generated pairs: inserts a second, index time, exact and lexical look-ups.

python benchmarks/calldb.py [PAIRS]
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from toolsim.calldb import CallDatabase
from toolsim.recordedcalls import RecordedCall, call_key
from toolsim.trajectory import ToolCall, ToolResult

NOUNS = (
    "user",
    "order",
    "token",
    "session",
    "parser",
    "index",
    "cache",
    "report",
    "client",
    "config",
    "schema",
    "graph",
)
VERBS = ("read", "write", "list", "build", "merge", "split", "update", "render", "check", "resolve", "fetch", "parse")
PROGRAMS = (
    "pytest -q tests/test_{a}_{b}.py -k {v}", "git log --oneline -n {n} -- src/{a}/{b}.py",
    "grep -rn '{v}_{a}' src/{b}",
    "sed -n '{n},{m}p' src/{a}/{v}_{b}.py", "npm run {v} --workspace packages/{a}-{b}", "git status", "ls -la src/{a}",
    "cat src/{a}/{b}/{v}.ts", "go test ./{a}/... -run Test{V}{A}", "python -m {a}.{v} --limit {n} --{b} out/{m}.json",
)  # fmt: skip


def pairs(count: int, seed: int = 7) -> Iterator[RecordedCall]:
    """Generated pairs over 200 repositories and 20,000 sessions."""
    rng = random.Random(seed)
    vocabulary = [f"{v}_{a}{n}" for v in VERBS for a in NOUNS for n in range(40)]
    for number in range(count):
        session = number * 20_000 // count
        command = _command(rng)
        text = "\n".join(" ".join(rng.choices(vocabulary, k=8)) for _ in range(rng.randint(1, 12)))
        call = ToolCall(f"call_{number}", "Bash", {"command": command})
        yield RecordedCall(
            f"session-{session}", f"lineage-{session // 2}", f"owner/repo{session % 200}", "claude-code",
            rng.choice(("Bash", "Bash", "Bash", "Read", "Grep")), call, command, ToolResult(call.id, text),
            1.7e9 + number, f"/home/u/repo{session % 200}", number,
        )  # fmt: skip


def _command(rng: random.Random) -> str:
    a, b, v = rng.choice(NOUNS), rng.choice(NOUNS), rng.choice(VERBS)
    n = rng.randint(1, 400)
    return rng.choice(PROGRAMS).format(a=a, b=b, v=v, V=v.title(), A=a.title(), n=n, m=n + rng.randint(1, 80))


def timed(what: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    start = time.perf_counter()
    what()
    return 1_000 * (time.perf_counter() - start)


def show(name: str, times: list[float]) -> None:
    """Print p50 and p95."""
    print(f"{name:44s} p50 {statistics.median(times):8.3f} ms   p95 {statistics.quantiles(times, n=20)[18]:8.3f} ms")


def main(count: int) -> None:
    """Fill a database, then look things up."""
    with tempfile.TemporaryDirectory() as folder, CallDatabase(Path(folder) / "calls.db") as calls:
        seconds, todo = 0.0, pairs(count)
        while batch := list(islice(todo, 20_000)):
            seconds += timed(partial(calls.add, batch)) / 1_000
        print(f"{count} pairs added in {seconds:.1f} s: {count / seconds:,.0f} a second")
        seconds = timed(calls.refresh) / 1_000
        print(f"index made in {seconds:.1f} s: {count / seconds:,.0f} a second")
        print(f"hash in {timed(calls.hash):,.0f} ms")
        size = sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file())
        print(f"{size / count:,.0f} bytes a pair on disk")
        measure(calls, count)


def measure(calls: CallDatabase, count: int) -> None:
    """Print the times of look-ups of several kinds."""
    rng = random.Random(11)
    some = [pair for pair in pairs(min(count, 5_000)) if rng.random() < 0.1][:300]
    keys = [call_key(pair.tool, pair.call.arguments, pair.cwd) for pair in some]
    show("exact", [timed(partial(calls.exact, key)) for key in keys])
    commands = [_command(rng) for _ in range(200)]
    kinds: dict[str, dict[str, Any]] = {
        "words of the arguments": {},
        "... of a tool": {"tool": "Bash"},
        "... of a repository, before a time": {"repo": "owner/repo17", "before": 1.7e9 + count / 2},
        "... before a time, not a lineage": {"before": 1.7e9 + count / 2, "not_lineage": "lineage-8"},
        "words of the arguments and the response": {"responses": True},
    }
    for name, filters in kinds.items():
        show(name, [timed(partial(calls.search, command, **filters)) for command in commands])
    print(f"the same command 'git status' everywhere: {timed(lambda: calls.search('git status')):.0f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)

"""The pair database with many pairs derived from recorded ones: ingest, exact look-ups, searches within the cuts.

python benchmarks/pairs_db.py CALLS.DB PAIRS [--folder DIR] [--do keep,index,look] [--file-pairs N]

With `--do index,look` or `--do look` it uses what an earlier run left in the folder.

Each copy of a recorded session is a lineage and a repository of its own at a time of its own; in each the file names,
identifiers and numbers of arguments and results are renamed, half of them to words that no other copy has, so that the
vocabulary grows with the pairs. Every search is checked: nothing later than the cut, nothing of the own lineage.
"""

from __future__ import annotations

import argparse
import gc
import random
import re
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from toolsim.calldb import FILE_PAIRS, CallDatabase
from toolsim.recordedcalls import RecordedCall, arguments_text, call_key

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{3,}")
_KEPT = frozenset({
    "class", "diff", "echo", "else", "error", "false", "file", "find", "from", "grep", "head", "import", "line", "none",
    "path", "pytest", "python", "return", "self", "show", "sort", "status", "tail", "test", "this", "true", "with",
})  # fmt: skip
_DAY = 86_400.0


def recorded(calls: CallDatabase) -> list[RecordedCall]:
    """All recorded pairs, in order of arrival."""
    keys = [row[0].hex() for row in calls.db.execute("select distinct exact_key from calls")]
    found = [pair for key in keys for pair in calls.exact(key)]
    return sorted(found, key=lambda pair: (pair.session, pair.position))


class Copies:
    """The recordings with their names taken out, so that a copy is made by putting its own names in."""

    def __init__(self, pairs: Sequence[RecordedCall]) -> None:
        self._numbers: dict[str, int] = {}
        self.pairs = [(pair, self._of(self._parts(pair))) for pair in pairs]
        self._kept = [word.lower() in _KEPT for word in self._numbers]

    def names(self, copy: int) -> list[str]:
        """How this copy spells each name."""
        draws = random.Random(copy).randbytes(2 * len(self._numbers))
        spelled = []
        for word, kept, draw, other in zip(self._numbers, self._kept, draws[::2], draws[1::2], strict=True):
            if kept or draw < 96:
                spelled.append(word)
            else:
                spelled.append(f"{word}_{other % 40}" if draw < 176 else f"{word}{copy:x}{other % 4}")
        return spelled

    def made(self, number: int, copy: int, names: list[str]) -> RecordedCall:
        """One pair as a copy has it."""
        pair, made = self.pairs[number]
        arguments, raw, content, structured, cwd = made(names)
        call = replace(pair.call, arguments=arguments, raw=raw)
        return replace(
            pair, session=f"{pair.session}~{copy}", lineage=f"{pair.lineage}~{copy}", repo=_repo(pair, copy), call=call,
            arguments_text=arguments_text(call), result=replace(pair.result, content=content, structured=structured),
            at=None if pair.at is None else pair.at - _DAY * (copy % 400), cwd=cwd,
        )  # fmt: skip

    def _parts(self, pair: RecordedCall) -> list[Any]:
        return [dict(pair.call.arguments), pair.call.raw, pair.result.content, pair.result.structured, pair.cwd]

    def _of(self, value: Any) -> Callable[[list[str]], Any]:
        """What makes the JSON value with names put into its texts."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            items = [(key, self._of(each)) for key, each in value.items()]
            return lambda names: {key: made(names) for key, made in items}
        if isinstance(value, list | tuple):
            parts = [self._of(each) for each in value]
            return lambda names: [made(names) for made in parts]
        return lambda _: value

    def _text(self, text: str) -> Callable[[list[str]], str]:
        found = [self._numbers.setdefault(word, len(self._numbers)) for word in _NAME.findall(text)]
        form = _NAME.sub("%s", text.replace("%", "%%"))
        if not found:
            return lambda _: text
        if len(found) == 1:
            return lambda names: form % names[found[0]]
        pick = itemgetter(*found)
        return lambda names: form % pick(names)


def derived(copies: Copies, count: int) -> Iterator[RecordedCall]:
    """`count` pairs, copy after copy."""
    for copy in range(count // len(copies.pairs) + 1):
        names = copies.names(copy)
        for number in range(min(len(copies.pairs), count - copy * len(copies.pairs))):
            yield copies.made(number, copy, names)


def _repo(pair: RecordedCall, copy: int) -> str | None:
    return pair.repo and f"{pair.repo}{copy % 997}"


def quantiles(name: str, measured: list[tuple[float, float]]) -> None:
    """Print p50, p95 and the longest, in milliseconds: by the clock, and of processor time."""
    for kind, times in zip(("", "    of processor time"), zip(*measured, strict=True), strict=True):
        _quantiles(kind or name, list(times))


def _quantiles(name: str, times: list[float]) -> None:
    at = statistics.quantiles(times, n=20)[18]
    print(f"{name:44s} p50 {statistics.median(times):8.3f}  p95 {at:8.3f}  max {max(times):8.3f} ms", flush=True)


def keep(calls: CallDatabase, copies: Copies, count: int) -> None:
    """Ingest. Each batch of pairs is made before its time is taken, and the collector passes over it, as it is the
    benchmark's own.
    """
    todo, times, worked, made = derived(copies, count), list[tuple[float, int]](), 0.0, time.perf_counter()
    gc.disable()
    while batch := list(islice(todo, 50_000)):
        gc.freeze()
        gc.enable()
        start, begun = time.perf_counter(), time.process_time()
        calls.add(batch)
        times.append((time.perf_counter() - start, len(batch)))
        worked += time.process_time() - begun
        gc.disable()
        if len(times) % 10 == 0:
            print(f"  {sum(n for _, n in times):,}: {_rate(times[-10:]):,.0f} a second", flush=True)
    gc.enable()
    stored = sum(taken for taken, _ in times)
    print(
        f"{count:,} pairs kept in {stored:,.1f} s: {_rate(times):,.0f} a second; at the end {_rate(times[-5:]):,.0f};"
        f" {1e6 * worked / count:,.0f} µs of processor time a pair"
        f" (made in {time.perf_counter() - made - stored:,.0f} s, not counted)", flush=True,
    )  # fmt: skip


def _rate(times: Sequence[tuple[float, int]]) -> float:
    return sum(n for _, n in times) / sum(taken for taken, _ in times)


def index(calls: CallDatabase, count: int) -> None:
    """Make the index, or bring it up to date."""
    start, begun = time.perf_counter(), time.process_time()
    calls.refresh()
    taken, worked = time.perf_counter() - start, time.process_time() - begun
    print(
        f"index made in {taken:,.1f} s: {count / taken:,.0f} a second; {1e6 * worked / count:,.0f} µs of processor time"
        " a pair", flush=True,
    )  # fmt: skip


def sizes(folder: Path, count: int) -> None:
    """Print bytes on disk and the memory of the process."""
    base = sum(p.stat().st_size for p in folder.glob("*.db*") if p.is_file())
    index = sum(p.stat().st_size for p in folder.glob("*.index/*") if p.is_file())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{base / 1e6:,.0f} MB tables ({base / count:,.0f} a pair), {index / 1e6:,.0f} MB index "
          f"({index / count:,.0f} a pair); {memory:,.0f} MB resident at most")  # fmt: skip


def measure(calls: CallDatabase, copies: Copies, count: int, asked: int = 400) -> None:
    """Print times of look-ups; raise if a search breaks a cut."""
    rng = random.Random(5)
    most = max(1, count // len(copies.pairs))
    some = [_copy(copies, rng.randrange(len(copies.pairs)), rng.randrange(most)) for _ in range(asked)]
    quantiles("exact, the latest 8", [_exact(calls, pair) for pair in some])
    quantiles("... again", [_exact(calls, pair) for pair in some])
    quantiles("search, no filter", [_search(calls, pair, 0) for pair in some])
    quantiles("search, own lineage excluded", [_search(calls, pair, 1) for pair in some])
    quantiles("search, as_of cut and own lineage excluded", [_search(calls, pair, 2) for pair in some])
    quantiles("... and of one tool", [_search(calls, pair, 3) for pair in some])
    quantiles("... and of one repository", [_search(calls, pair, 4) for pair in some if pair.repo])


def _copy(copies: Copies, number: int, copy: int) -> RecordedCall:
    """One pair as a copy has it, at a time of its own."""
    pair = copies.made(number, copy, copies.names(copy))
    return replace(pair, at=1.75e9 if pair.at is None else pair.at)


def _exact(calls: CallDatabase, pair: RecordedCall) -> tuple[float, float]:
    start, begun = time.perf_counter(), time.process_time()
    calls.exact(call_key(pair.tool, pair.call.arguments or pair.call.raw, pair.cwd), limit=8)
    return 1_000 * (time.perf_counter() - start), 1_000 * (time.process_time() - begun)


def _search(calls: CallDatabase, pair: RecordedCall, filters: int) -> tuple[float, float]:
    cut = {"not_lineage": pair.lineage} if filters else {}
    asked: dict[str, Any] = dict(cut)
    if filters > 1:
        asked["before"] = pair.at
    if filters > 2:
        asked["tool"] = pair.tool
    if filters > 3:
        asked["repo"] = pair.repo
    start, begun = time.perf_counter(), time.process_time()
    found = calls.search(pair.arguments_text, **asked)
    taken = 1_000 * (time.perf_counter() - start), 1_000 * (time.process_time() - begun)
    for hit in found:
        if filters and hit.lineage == pair.lineage:
            raise SystemExit(f"a search found its own lineage: {hit.lineage}")
        if filters > 1 and not (hit.at is not None and pair.at is not None and hit.at < pair.at):
            raise SystemExit(f"a search found what came later: {hit.at} at {pair.at}")
    return taken


def main() -> None:
    """Fill, then look up."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("pairs", type=int)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--do", default="keep,index,look")
    parser.add_argument("--file-pairs", type=int, default=FILE_PAIRS)
    given = parser.parse_args()
    with CallDatabase(given.source, create=False) as source:
        copies = Copies(recorded(source))
    print(f"{len(copies.pairs):,} recorded pairs")
    gc.freeze()  # the templates are the benchmark's own
    with ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        calls = stack.enter_context(CallDatabase(folder / "calls.db", file_pairs=given.file_pairs))
        if "keep" in given.do.split(","):
            keep(calls, copies, given.pairs)
            sizes(folder, given.pairs)
        if "index" in given.do.split(","):
            index(calls, given.pairs)
        if "look" in given.do.split(","):
            calls.refresh()
            sizes(folder, given.pairs)
            measure(calls, copies, given.pairs)


if __name__ == "__main__":
    main()

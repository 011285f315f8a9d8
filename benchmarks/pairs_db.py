"""The pair database with many pairs derived from recorded ones: ingest, exact look-ups, searches within the cuts.

python benchmarks/pairs_db.py CALLS.DB PAIRS [--folder DIR]

Each copy of a recorded session is a lineage and a repository of its own at a time of its own; in each the file names,
identifiers and numbers of arguments and results are renamed, half of them to words that no other copy has, so that the
vocabulary grows with the pairs. Every search is checked: nothing later than the cut, nothing of the own lineage.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from toolsim.calldb import CallDatabase
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


class Renamed:
    """One copy of the recordings: how it spells each name. Built once per copy, applied to many texts."""

    def __init__(self, copy: int) -> None:
        self.copy = copy
        self._names: dict[str, str] = {}

    def text(self, text: str) -> str:
        """The text with the names of this copy."""
        return _NAME.sub(self._name, text)

    def value(self, value: Any) -> Any:
        """The JSON value with the names of this copy in its texts."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {k: self.value(v) for k, v in value.items()}
        return [self.value(v) for v in value] if isinstance(value, list | tuple) else value

    def _name(self, match: re.Match[str]) -> str:
        word = match.group()
        known = self._names.get(word)
        if known is None:
            known = self._names[word] = self._made(word)
        return known

    def _made(self, word: str) -> str:
        if word.lower() in _KEPT:
            return word
        draw = hashlib.sha256(f"{self.copy}:{word}".encode()).digest()
        if draw[0] < 96:
            return word
        return f"{word}_{draw[1] % 40}" if draw[0] < 176 else f"{word}{self.copy:x}{draw[1] % 4}"


def derived(pairs: Sequence[RecordedCall], count: int) -> Iterator[RecordedCall]:
    """`count` pairs, copy after copy."""
    made = 0
    for copy in range(count // len(pairs) + 1):
        names, end = Renamed(copy), f"~{copy}"
        for pair in pairs[: count - made]:
            call = replace(pair.call, arguments=names.value(dict(pair.call.arguments)),
                           raw=pair.call.raw and names.text(pair.call.raw))  # fmt: skip
            yield replace(
                pair, session=pair.session + end, lineage=pair.lineage + end, repo=_repo(pair, copy),
                call=call, arguments_text=arguments_text(call),
                result=replace(pair.result, content=names.text(pair.result.content),
                               structured=names.value(pair.result.structured)),
                at=None if pair.at is None else pair.at - _DAY * (copy % 400), cwd=pair.cwd and names.text(pair.cwd),
            )  # fmt: skip
        made += len(pairs)


def _repo(pair: RecordedCall, copy: int) -> str | None:
    return pair.repo and f"{pair.repo}{copy % 997}"


def quantiles(name: str, times: list[float]) -> None:
    """Print p50, p95 and the longest, in milliseconds."""
    at = statistics.quantiles(times, n=20)[18]
    print(f"{name:52s} p50 {statistics.median(times):8.3f}  p95 {at:8.3f}  max {max(times):8.3f} ms", flush=True)


def fill(calls: CallDatabase, pairs: Sequence[RecordedCall], count: int) -> None:
    """Ingest with index; what making the pairs costs is not counted."""
    todo, stored, batch_times = derived(pairs, count), 0.0, []
    while batch := list(islice(todo, 20_000)):
        start = time.perf_counter()
        calls.add(batch)
        batch_times.append((time.perf_counter() - start, len(batch)))
        stored += batch_times[-1][0]
    last = batch_times[-5:]
    rate = sum(n for _, n in last) / sum(t for t, _ in last)
    print(
        f"{count:,} pairs kept in {stored:,.1f} s: {count / stored:,.0f} a second; at the end {rate:,.0f}", flush=True
    )
    start = time.perf_counter()
    calls.refresh()
    index = time.perf_counter() - start
    print(f"index made in {index:,.1f} s: {count / index:,.0f} a second; both {count / (stored + index):,.0f} a second")


def sizes(folder: Path, count: int) -> None:
    """Print bytes on disk and the memory of the process."""
    base = sum(p.stat().st_size for p in folder.glob("*.db*") if p.is_file())
    index = sum(p.stat().st_size for p in folder.glob("*.index/*") if p.is_file())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{base / 1e6:,.0f} MB tables ({base / count:,.0f} a pair), {index / 1e6:,.0f} MB index "
          f"({index / count:,.0f} a pair); {memory:,.0f} MB resident at most")  # fmt: skip


def measure(calls: CallDatabase, pairs: Sequence[RecordedCall], count: int, asked: int = 400) -> None:
    """Print times of look-ups; raise if a search breaks a cut."""
    rng = random.Random(5)
    copies = max(1, count // len(pairs))
    some = [_copy(rng.choice(pairs), rng.randrange(copies)) for _ in range(asked)]
    quantiles("exact, the latest 8", [_exact(calls, pair) for pair in some])
    quantiles("search, no filter", [_search(calls, pair, 0) for pair in some])
    quantiles("search, own lineage excluded", [_search(calls, pair, 1) for pair in some])
    quantiles("search, as_of cut and own lineage excluded", [_search(calls, pair, 2) for pair in some])
    quantiles("... and of one tool", [_search(calls, pair, 3) for pair in some])
    quantiles("... and of one repository", [_search(calls, pair, 4) for pair in some if pair.repo])


def _copy(pair: RecordedCall, copy: int) -> RecordedCall:
    """One pair as a copy has it, without its result."""
    names = Renamed(copy)
    call = replace(pair.call, arguments=names.value(dict(pair.call.arguments)),
                   raw=pair.call.raw and names.text(pair.call.raw))  # fmt: skip
    return replace(pair, lineage=f"{pair.lineage}~{copy}", repo=pair.repo and f"{pair.repo}{copy % 997}", call=call,
                   arguments_text=arguments_text(call), at=(pair.at or 1.75e9) - _DAY * (copy % 400),
                   cwd=pair.cwd and names.text(pair.cwd))  # fmt: skip


def _exact(calls: CallDatabase, pair: RecordedCall) -> float:
    start = time.perf_counter()
    calls.exact(call_key(pair.tool, pair.call.arguments or pair.call.raw, pair.cwd), limit=8)
    return 1_000 * (time.perf_counter() - start)


def _search(calls: CallDatabase, pair: RecordedCall, filters: int) -> float:
    cut = {"not_lineage": pair.lineage} if filters else {}
    asked: dict[str, Any] = dict(cut)
    if filters > 1:
        asked["before"] = pair.at
    if filters > 2:
        asked["tool"] = pair.tool
    if filters > 3:
        asked["repo"] = pair.repo
    start = time.perf_counter()
    found = calls.search(pair.arguments_text, **asked)
    taken = 1_000 * (time.perf_counter() - start)
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
    given = parser.parse_args()
    with CallDatabase(given.source, create=False) as source:
        pairs = recorded(source)
    print(f"{len(pairs):,} recorded pairs")
    with ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        calls = stack.enter_context(CallDatabase(folder / "calls.db"))
        fill(calls, pairs, given.pairs)
        sizes(folder, given.pairs)
        measure(calls, pairs, given.pairs)


if __name__ == "__main__":
    main()

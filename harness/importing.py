"""Recordings into a store and its pair database: read, filter by consent, keep once, count what was left out."""

from __future__ import annotations

import fnmatch
import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import ImportFailed
from harness.importers import read_paths
from harness.importers.base import Skipped
from harness.store import Store
from repos.catalog import normalise_url
from toolsim.calldb import CallDatabase
from toolsim.recordedcalls import recorded_calls
from toolsim.seeds import derive_seed
from toolsim.trajectory import Compaction, Item, Message, Trajectory, call_pairs, dump_trajectory

_BATCH = 64
_BATCH_ITEMS = 400


@dataclass(slots=True)
class ImportSummary:
    """Counts of one import: sessions read by agent, and what became of them.

    `calls_paired` of `calls` have their result; `results` are all results of the recordings, with a call or without.
    """

    sessions: dict[str, int] = field(default_factory=dict)
    added: int = 0
    known: int = 0
    purged: int = 0
    not_drawn: int = 0
    calls: int = 0
    calls_paired: int = 0
    results: int = 0
    no_consent: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def import_paths(  # noqa: PLR0913  what may be chosen, all by name
    store: Store,
    calls: CallDatabase,
    paths: Iterable[Path],
    *,
    format: str | None = None,
    consent: Sequence[tuple[str, str]] = (),
    sample: int | None = None,
    seed: int = 0,
    notice: Callable[[str], None] = lambda _: None,
) -> ImportSummary:
    """Read everything under `paths` and keep what is new; with `sample` no more than so many sessions, drawn by `seed`.

    The draw does not depend on the order of the sessions, and holds no more than `sample` of them.

    Raises:
        ImportFailed: there was no session at all, or the format is not known.
        StoreError, CallDatabaseError: they cannot be written; what was kept before stays.
    """
    summary = ImportSummary()
    sessions = _consenting(read_paths(paths, format), consent, summary)
    if sample is not None:
        sessions = _drawn(sessions, sample, seed, summary)
    for batch in _batches(sessions):
        rows = [(item, _source(item), fingerprint(item)) for item in batch]
        for item, kept in zip(batch, store.add_sessions(rows), strict=True):
            setattr(summary, kept, getattr(summary, kept) + 1)
            if kept == "purged":
                continue
            # for a known session too: adding again adds nothing, and brings what an interrupted import left out
            calls.add(recorded_calls(item, normalise_url(item.session.repository.url or "") or None))
            if kept == "added":
                notice(item.session.id)
    store.add_skips((s.path, s.where, s.reason) for s in summary.skipped)
    if not summary.sessions and not summary.no_consent:
        raise ImportFailed(_nothing(summary.skipped))
    return summary


def _consenting(
    found: Iterable[Trajectory | Skipped], consent: Sequence[tuple[str, str]], summary: ImportSummary
) -> Iterator[Trajectory]:
    """The sessions that may be used; the others are noted."""
    for item in found:
        if isinstance(item, Skipped):
            summary.skipped.append(item)
            continue
        objection = _no_consent(item, consent)
        if objection is not None:
            summary.no_consent.append(f"{item.session.id}: {objection}")
            continue
        _count(item, summary)
        yield item


def _drawn(sessions: Iterable[Trajectory], sample: int, seed: int, summary: ImportSummary) -> Iterator[Trajectory]:
    """Those with the least seeded hashes of their ids, in the order in which they were read."""
    kept: list[tuple[int, int, Trajectory]] = []
    for number, item in enumerate(sessions):
        rank = (-derive_seed(seed, "import", item.session.id), -number, item)
        if len(kept) < sample:
            heapq.heappush(kept, rank)
            continue
        summary.not_drawn += 1
        heapq.heappushpop(kept, rank)
    yield from (item for _, _, item in sorted(kept, key=lambda one: -one[1]))


def _batches(sessions: Iterable[Trajectory]) -> Iterator[list[Trajectory]]:
    """Sessions for one transaction: many short ones, or one long one."""
    batch: list[Trajectory] = []
    size = 0
    for item in sessions:
        batch.append(item)
        size += len(item.items)
        if len(batch) >= _BATCH or size >= _BATCH_ITEMS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _source(item: Trajectory) -> str:
    source = next((m.source for m in item.items if isinstance(m, Message) and m.source), item.session.id)
    return source.rsplit(":", 1)[0]


def _nothing(skipped: Sequence[Skipped]) -> str:
    if not skipped:
        return "no session found: there is no file under what was named"
    more = f", and {len(skipped) - 1} more" if len(skipped) > 1 else ""
    return f"no session found: {skipped[0].path}: {skipped[0].reason}{more}"


def fingerprint(trajectory: Trajectory) -> str:
    """Hex SHA-256 of what was recorded, whatever the file is called."""
    bare = replace(trajectory, items=tuple(_bare(item) for item in trajectory.items))
    return hashlib.sha256(dump_trajectory(bare)).hexdigest()


def _bare(item: Item) -> Item:
    if isinstance(item, Compaction):
        return replace(item, source=None, replacement=tuple(replace(m, source=None) for m in item.replacement))
    return replace(item, source=None)


def _count(trajectory: Trajectory, summary: ImportSummary) -> None:
    pairs = list(call_pairs(trajectory.items))
    agent = trajectory.session.agent
    summary.sessions[agent] = summary.sessions.get(agent, 0) + 1
    summary.calls += len(pairs)
    summary.calls_paired += sum(p.result is not None for p in pairs)
    summary.results += sum(isinstance(i, Message) and i.result is not None for i in trajectory.items)


def _no_consent(trajectory: Trajectory, consent: Sequence[tuple[str, str]]) -> str | None:
    for key, pattern in consent:
        value = trajectory.session.metadata.get(key)
        if value is None:
            return f"metadata has no {key}"
        if not fnmatch.fnmatchcase(str(value), pattern):
            return f"{key} is {value}"
    return None

"""Recordings into a store and its pair database: read, filter by consent, keep once, count what was left out."""

from __future__ import annotations

import fnmatch
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.importers import read_paths
from harness.importers.base import Skipped
from harness.store import Store
from repos.catalog import normalise_url
from toolsim.calldb import CallDatabase, recorded_calls
from toolsim.trajectory import Compaction, Item, Message, Trajectory, call_pairs, dump_trajectory


@dataclass(slots=True)
class ImportSummary:
    """Counts of one import. `calls_recorded` have a result in the recording, `calls_paired` were joined with it."""

    sessions: Counter[str] = field(default_factory=Counter)
    added: int = 0
    known: int = 0
    calls: int = 0
    calls_paired: int = 0
    results: int = 0
    no_consent: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def import_paths(
    store: Store,
    calls: CallDatabase,
    paths: Iterable[Path],
    *,
    format: str | None = None,  # noqa: A002  the flag's name
    consent: Sequence[tuple[str, str]] = (),
    notice: Callable[[str], None] = lambda _: None,
) -> ImportSummary:
    """Read everything under `paths` and keep what is new.

    Raises:
        ImportFailed: a path does not exist, or the format is not known.
        StoreError, CallDatabaseError: they cannot be written; what was kept before stays.
    """
    summary = ImportSummary()
    for item in read_paths(paths, format):
        if isinstance(item, Skipped):
            summary.skipped.append(item)
            continue
        objection = _no_consent(item, consent)
        if objection is not None:
            summary.no_consent.append(f"{item.session.id}: {objection}")
            continue
        _count(item, summary)
        source = next((m.source for m in item.items if isinstance(m, Message) and m.source), item.session.id)
        if store.add_session(item, source=source.rsplit(":", 1)[0], sha256=fingerprint(item)):
            summary.added += 1
            calls.add(recorded_calls(item, normalise_url(item.session.repository.url or "") or None))
            notice(item.session.id)
        else:
            summary.known += 1
    store.add_skips((s.path, s.where, s.reason) for s in summary.skipped)
    return summary


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
    summary.sessions[trajectory.session.agent] += 1
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

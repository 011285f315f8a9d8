"""Recordings into a store and its pair database: read, filter by consent, keep once, count what was left out."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import ImportFailed
from harness.importers import read_paths
from harness.importers.base import Skipped
from harness.store import Store
from repos.catalog import normalise_url
from toolsim.calldb import CallDatabase, recorded_calls
from toolsim.trajectory import Compaction, Item, Message, Trajectory, call_pairs, dump_trajectory


@dataclass(slots=True)
class ImportSummary:
    """Counts of one import: sessions read by agent, and what became of them.

    `calls_paired` of `calls` have their result; `results` are all results of the recordings, with a call or without.
    """

    sessions: dict[str, int] = field(default_factory=dict)
    added: int = 0
    known: int = 0
    purged: int = 0
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
    format: str | None = None,
    consent: Sequence[tuple[str, str]] = (),
    notice: Callable[[str], None] = lambda _: None,
) -> ImportSummary:
    """Read everything under `paths` and keep what is new.

    Raises:
        ImportFailed: there was no session at all, or the format is not known.
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
        kept = store.add_session(item, source=source.rsplit(":", 1)[0], sha256=fingerprint(item))
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

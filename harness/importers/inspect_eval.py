"""Inspect logs: `.eval` archives (also of crashed runs, without a header) and the `.json` form of the same.

Format: UKGovernmentBEIS/inspect_ai `log/_log.py` and `log/_recorders/eval.py`. A run's own repository revision is that
of the evaluation, not of the agent's work tree, and is kept as metadata only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.importers.base import Skipped
from harness.importers.eval_archive import Member, members, unpack
from harness.importers.inspect_sample import read_sample
from harness.importers.pairing import SkipCounts
from harness.importers.reading import Damaged, parse_json, read_document
from harness.importers.sniffing import key_paths
from harness.importers.values import as_list, as_object, as_text, first_text, member, unix_time
from toolsim.trajectory import JsonObject, Session, Trajectory, content_hash

_ZIP = b"PK\x03\x04"
_NAMES = (b"_journal/", b"samples/", b"header.json", b"summaries.json", b"reductions.json")
# Repetitions of what the samples hold, and sums over them.
_IGNORED_MEMBERS = ("_journal/", "header.json", "summaries.json", "reductions.json", "shared/")


@dataclass(frozen=True, slots=True)
class Inspect:
    """Importer of Inspect logs."""

    name: str = "inspect"

    def sniff(self, path: Path, head: bytes) -> bool:
        """A zip with Inspect's members, or a document with `eval` and its task."""
        if head.startswith(_ZIP):
            return path.suffix == ".eval" or any(name in head[:4096] for name in _NAMES)
        return {"eval.task", "eval.model"} <= key_paths(head, depth=2)

    def read(self, path: Path) -> Iterator[Trajectory | Skipped]:
        """The samples of the log, each with its sub-agents."""
        with path.open("rb") as stream:
            is_archive = stream.read(4) == _ZIP
        skips = SkipCounts(path)
        yield from _read_archive(path, skips) if is_archive else _read_document(path, skips)
        yield from skips


INSPECT = Inspect()


def _read_document(path: Path, skips: SkipCounts) -> Iterator[Trajectory | Skipped]:
    document = read_document(path)
    if isinstance(document, Skipped):
        yield document
        return
    log = as_object(document)
    for number, sample in enumerate(as_list(log.get("samples"))):
        yield from _sample(sample, as_object(log.get("eval")), path, f"samples[{number}]", skips)
    if not as_list(log.get("samples")):
        skips.add("file", "a log without samples")


def _read_archive(path: Path, skips: SkipCounts) -> Iterator[Trajectory | Skipped]:
    try:
        found = members(path)
    except Damaged as error:
        yield Skipped(str(path), "file", str(error))
        return
    by_name = {entry.name: entry for entry in found}
    about: JsonObject = {}
    for name in ("header.json", "_journal/start.json"):
        if not about and name in by_name:
            about = as_object(as_object(_load(path, by_name[name], skips)).get("eval"))
    samples = [entry for entry in found if entry.name.startswith("samples/") and entry.name.endswith(".json")]
    for entry in samples:
        sample = _load(path, entry, skips)
        if sample is not None:
            yield from _sample(sample, about, path, entry.name, skips)
    for entry in found:
        if entry not in samples and not entry.name.startswith(_IGNORED_MEMBERS):
            skips.add(entry.name, "unknown member")
    if not samples:
        skips.add("file", "a log without samples")
    _count_missing(path, found, len(samples), skips)


def _sample(sample: Any, about: JsonObject, path: Path, place: str, skips: SkipCounts) -> Iterator[Trajectory]:
    if not isinstance(sample, dict):
        skips.add(place, f"a JSON {type(sample).__name__} instead of a sample")
        return
    empty = True
    for trajectory in read_sample(sample, path.name, place, _session(sample, about), skips):
        empty = False
        yield trajectory
    if empty:
        skips.add(place, "no message in it")


def _session(sample: JsonObject, about: JsonObject) -> Session:
    run = first_text(about.get("eval_id"), about.get("run_id"), about.get("task_id"))
    run = run or f"inspect-{content_hash(about)[:12]}"
    epoch = sample.get("epoch", 1)
    own = f"{run}/{sample.get('id')}/{epoch}"
    metadata: JsonObject = {
        "task": as_text(about.get("task")),
        "sample": sample.get("id"),
        "epoch": epoch,
        "uuid": as_text(sample.get("uuid")),
        "created": as_text(about.get("created")),
        "eval_revision": about.get("revision"),
        "sandbox": as_text(member(sample, "sandbox", "type")),
        "tags": as_list(about.get("tags")) or None,
    }
    return Session(
        id=own, agent="inspect", format="inspect", lineage=own, model=as_text(about.get("model")),
        agent_version=as_text(member(about, "packages", "inspect_ai")), started_at=unix_time(about.get("created")),
        autonomous=True, metadata={key: value for key, value in metadata.items() if value is not None},
    )  # fmt: skip


def _load(path: Path, entry: Member, skips: SkipCounts) -> Any:
    try:
        return parse_json(unpack(path, entry))
    except Damaged as error:
        skips.add(entry.name, str(error))
        return None


def _count_missing(path: Path, found: Sequence[Member], samples: int, skips: SkipCounts) -> None:
    """Samples that a journal tells of and that are not in the archive (the run crashed before they were written)."""
    named = 0
    for entry in found:
        if entry.name.startswith("_journal/summaries/"):
            named += len(as_list(_load(path, entry, skips)))
    if named > samples:
        skips.add("_journal/summaries", f"{named - samples} of {named} samples are named but not in the archive")

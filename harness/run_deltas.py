"""What two runs of a store differ by in fidelity and realism, where both were measured."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from harness.discriminator.measure import verdicts_of
from harness.errors import ConfigError
from harness.estimates import Estimate, paired_difference
from harness.gate.compare import Compared, compare
from harness.gate.measure import measure_run
from harness.store import Store


@dataclass(frozen=True, slots=True)
class RealismDelta:
    """The judge's win rate of both runs on the prefixes that it judged in both, and the paired difference."""

    judge: str
    prefixes: int
    before: float
    after: float
    difference: Estimate


@dataclass(frozen=True, slots=True)
class Deltas:
    """What can be said; `unsaid` has a reason for each measure that cannot."""

    fidelity: tuple[Compared, ...]
    realism: RealismDelta | None
    unsaid: Mapping[str, str]


def run_deltas(store: Store, before: str, after: str, judge: str | None = None) -> Deltas:
    """Differences (after minus before) on what both runs have.

    Raises:
        StoreError: there is no such run.
    """
    old, new = (str(store.run(name)["id"]) for name in (before, after))
    unsaid: dict[str, str] = {}
    fidelity: tuple[Compared, ...] = ()
    try:
        fidelity = compare(measure_run(store, old), measure_run(store, new)).measures
    except ConfigError as error:
        unsaid["fidelity"] = str(error)
    name = judge or _common_judge(store, old, new)
    realism = None if name is None else _realism(store, old, new, name)
    if realism is None:
        unsaid["realism"] = "no judge gave a verdict on a prefix of both runs: deploysim discriminate RUN"
    return Deltas(fidelity, realism, unsaid)


def _common_judge(store: Store, old: str, new: str) -> str | None:
    """The judge that said most in both runs."""
    counts = [Counter(j["judge"] for j in store.judgements(run) if j["status"] == "valid") for run in (old, new)]
    both = counts[0] & counts[1]
    return both.most_common(1)[0][0] if both else None


def _realism(store: Store, old: str, new: str, judge: str) -> RealismDelta | None:
    before, after = (_wins(store, run, judge) for run in (old, new))
    shared = sorted(set(before) & set(after))
    if not shared:
        return None
    a, b = ([found[key][1] for key in shared] for found in (before, after))
    difference = paired_difference(a, b, [before[key][0] for key in shared])
    assert difference is not None
    return RealismDelta(judge, len(shared), sum(a) / len(a), sum(b) / len(b), difference)


def _wins(store: Store, run: str, judge: str) -> dict[tuple[str, int, int, int], tuple[str, float]]:
    """(session, turn, step, sample) to lineage and the mean win of its judged pairs."""
    rows = {row.id: row for row, _ in store.rollouts(run)}
    of_pair = {name: rollout for name, rollout, _, _, _ in store.pairs(run)}
    wins: dict[str, list[float]] = defaultdict(list)
    for verdict in verdicts_of(store, run, judge):
        rollout = of_pair.get(verdict.pair.id)
        if rollout is not None and not verdict.pair.kind.startswith("fake:"):
            wins[rollout].append(verdict.win)
    return {
        (row.session, row.turn, row.step, row.sample): (row.lineage, sum(found) / len(found))
        for name, found in wins.items()
        for row in [rows[name]]
    }

"""The calls of an ablation, fixed before any arm runs: which turns, which run of the same task is their reference,
which of their calls are asked.

A turn of run B may be compared with the same turn of run A (`harness.siblings`) only where both were asked the same and
hold the same files when it begins. Pure.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from toolsim.seeds import derive_seed
from toolsim.trajectory import JsonObject


@dataclass(frozen=True, slots=True)
class CaseCall:
    """One recorded call with a recorded result. `kind` is the class of its command."""

    id: str
    tool: str
    kind: str


@dataclass(frozen=True, slots=True)
class Case:
    """One turn to take again with recorded actions. `reference` is the session of the sibling run, if one is used;
    `cluster` groups what is not independent: the runs of a task, else the lineage.
    """

    session: str
    lineage: str
    cluster: str
    repo: str | None
    agent: str
    pool: str
    turn: int
    step: int
    calls: tuple[CaseCall, ...]
    reference: str | None = None
    unseen: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Names the turn within an ablation."""
        return f"{self.session}/{self.turn}/{self.step}"

    def record(self) -> JsonObject:
        """As kept with the ablation."""
        return asdict(self)


def read_case(record: JsonObject) -> Case:
    """The inverse of `record`."""
    calls = tuple(CaseCall(**call) for call in record["calls"])
    return Case(**{**record, "calls": calls, "unseen": tuple(record["unseen"])})


def draw(cases: Sequence[Case], count: int | None, seed: int) -> dict[str, frozenset[str]]:
    """The calls to ask, by the case's name: all, or a seeded sample of `count`.

    Each class of command has its share by largest remainder; inside a class the draw goes in rounds over the clusters.
    """
    every = [(case, call) for case in cases for call in case.calls]
    chosen = every if count is None or count >= len(every) else _sample(every, count, seed)
    asked: dict[str, set[str]] = {case.name: set() for case in cases}
    for case, call in chosen:
        asked[case.name].add(call.id)
    return {name: frozenset(ids) for name, ids in asked.items()}


def by_kind(cases: Iterable[Case], asked: Mapping[str, frozenset[str]]) -> dict[str, int]:
    """How many calls of each class are asked, most first."""
    return dict(Counter(c.kind for case in cases for c in case.calls if c.id in asked[case.name]).most_common())


_Drawn = tuple[Case, CaseCall]


def _sample(every: Sequence[_Drawn], count: int, seed: int) -> list[_Drawn]:
    kinds: dict[str, list[_Drawn]] = defaultdict(list)
    for case, call in every:
        kinds[call.kind].append((case, call))
    shares = {kind: count * len(members) / len(every) for kind, members in kinds.items()}
    sizes = {kind: math.floor(share) for kind, share in shares.items()}
    order = sorted(kinds, key=lambda k: (sizes[k] - shares[k], derive_seed(seed, "kind", k)))
    for kind in order[: count - sum(sizes.values())]:
        sizes[kind] += 1
    return [one for kind in sorted(kinds) for one in _rounds(kinds[kind], seed)[: sizes[kind]]]


def _rounds(members: Sequence[_Drawn], seed: int) -> list[_Drawn]:
    clusters: dict[str, list[_Drawn]] = defaultdict(list)
    for case, call in sorted(members, key=lambda m: derive_seed(seed, "call", m[0].name, m[1].id)):
        clusters[case.cluster].append((case, call))
    order = sorted(clusters, key=lambda name: derive_seed(seed, "cluster", name))
    most = max(map(len, clusters.values()))
    return [clusters[name][n] for n in range(most) for name in order if n < len(clusters[name])]

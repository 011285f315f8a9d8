"""The pair set of a run, to be looked at or taken elsewhere: labelled, hashed, with pools that stay apart.

A pair of the report pool is never handed out for tuning, and for reporting nothing is that also stands in the tune
pool, by content hash over the whole store.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from harness.discriminator.measure import make_pairs
from harness.discriminator.pairs import HEADLINE, Pair, read_pair
from harness.discriminator.serialise import Window
from harness.discriminator.variants import BAND, SLACK, Variant, variants_of
from harness.errors import ConfigError, HarnessError
from harness.store import Store
from toolsim.trajectory import JsonObject, content_hash

Purpose: TypeAlias = Literal["tune", "report"]

METHODS: dict[Variant, str] = {
    "stripped": "reminders, line-number gutters, directory and exit-code lines and truncation notes are removed from "
    "both sides by the same function",
    "matched": f"the subset of pairs whose shorter side has at least {BAND:.0%} of the longer one's characters "
    f"(or {SLACK} characters less); texts as they are",
}


@dataclass(frozen=True, slots=True)
class PairSet:
    """`pairs` in the order of their hashes; `left_out` says how many are missing and why.

    `counts` is by kind, label and whether the sides are identical; `shared` counts hashes that stand in both pools of
    the store; `hash` is that of the whole set.
    """

    run: str
    purpose: Purpose | None
    variants: tuple[str, ...]
    pairs: tuple[Pair, ...]
    counts: dict[str, int]
    pools: dict[str, int]
    left_out: dict[str, int]
    shared: int

    @property
    def hash(self) -> str:
        """Hash over the pairs' hashes: two exports with the same one hold the same pairs."""
        return content_hash([p.id for p in self.pairs])[:24]

    @property
    def headline(self) -> int:
        """Pairs that a headline may be made of: the same model on both sides, and something to tell apart."""
        return sum(p.label == HEADLINE and not p.identical for p in self.pairs)

    def summary(self) -> JsonObject:
        """All but the texts."""
        return {
            "run": self.run, "purpose": self.purpose, "variants": [*self.variants], "hash": self.hash,
            "pairs": len(self.pairs), "headline": self.headline, "counts": self.counts, "pools": self.pools,
            "left_out": self.left_out, "shared_between_pools": self.shared,
            "methods": [METHODS[name] for name in METHODS if name in self.variants],
        }  # fmt: skip


def build(
    store: Store, run: str, *, variants: Sequence[Variant] = (), purpose: Purpose | None = None,
    window: Window | None = None,
) -> PairSet:  # fmt: skip
    """The pairs of a run, each content once.

    Raises:
        ConfigError: pairs of the report pool were asked for to tune with, or there is none to report on.
        StoreError: there is no such run.
    """
    plain = make_pairs(store, run, window or Window())
    if purpose == "tune" and (held := sum(p.origin.pool == "report" for p in plain)):
        raise ConfigError(
            f"{held} of {len(plain)} pairs of run {run} are of the report pool, which nothing is tuned on: "
            "make a run with --pool tune"
        )
    every = varied(plain, variants)
    left_out: Counter[str] = Counter()
    if len(every) < len(plain):
        left_out["lengths do not match"] = len(plain) - len(every)
    shared = shared_ids(store, variants)
    kept: dict[str, Pair] = {}
    for pair in sorted(every, key=lambda p: p.id):
        why = _why_not(pair, purpose, shared) or ("the same content again" if pair.id in kept else None)
        if why is None:
            kept[pair.id] = pair
        else:
            left_out[why] += 1
    if purpose == "report" and not kept:
        raise ConfigError(f"run {run} has no pair of the report pool: make a run with --pool report")
    return PairSet(
        run, purpose, tuple(variants), tuple(kept.values()),
        counts=dict(Counter(_kind(p) for p in kept.values())),
        pools=dict(Counter(p.origin.pool for p in kept.values())),
        left_out=dict(left_out),
        shared=len(shared),
    )  # fmt: skip


def varied(pairs: Iterable[Pair], variants: Sequence[Variant]) -> tuple[Pair, ...]:
    """One variant after another."""
    made = tuple(pairs)
    for variant in variants:
        made = variants_of(made, variant)
    return made


def shared_ids(store: Store, variants: Sequence[Variant] = ()) -> frozenset[str]:
    """The hashes that stand in both pools, over all pairs of all runs of the store (planted fakes apart)."""
    pools: dict[str, set[str]] = defaultdict(set)
    for run in store.runs():
        stored = [read_pair(facts, body) for _, _, kind, facts, body in store.pairs(run["id"]) if "fake:" not in kind]
        for pair in varied((p for p in stored if p.origin.variant is None), variants):
            pools[pair.id].add(pair.origin.pool)
    return frozenset(name for name, found in pools.items() if len(found) > 1)


def line_of(pair: Pair) -> JsonObject:
    """A pair as one line of the export."""
    return {"id": pair.id, "label": pair.label, **pair.facts(), **pair.body()}


def write(found: PairSet, path: Path) -> None:
    """The pairs as JSON lines.

    Raises:
        HarnessError: the file cannot be written.
    """
    lines = (json.dumps(line_of(pair), ensure_ascii=False) for pair in found.pairs)
    try:
        # half a surrogate pair of a trace has no UTF-8 form
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8", errors="replace")
    except OSError as error:
        raise HarnessError(f"cannot write {path}: {error.strerror}") from error


def _why_not(pair: Pair, purpose: Purpose | None, shared: frozenset[str]) -> str | None:
    if purpose != "report":
        return None
    if pair.origin.pool != "report":
        return f"of the {pair.origin.pool} pool"
    return "also in the tune pool" if pair.id in shared else None


def _kind(pair: Pair) -> str:
    return f"{pair.kind}, {pair.label}, {'identical' if pair.identical else 'different'}"

"""Graded sets made to measure."""

from __future__ import annotations

from collections.abc import Mapping

from harness.graded import GradedSet, GradedTurn

ABOUT = {"taxonomy": "coding@aa11", "graders": ["monitors@bb22"], "models": {"candidate": "new"}}


def graded(
    counts: Mapping[str, int], n: int = 1_000, *, name: str = "t", per: int = 1, failed: int = 0, cut: float = 0.0
) -> GradedSet:
    """`n` turns, `per` to a lineage; the k-th category is shown by `counts[k]` turns, each on turns of its own."""
    severities: list[dict[str, int]] = [{} for _ in range(n)]
    for number, (category, count) in enumerate(counts.items()):
        for at in range(count if n else 0):
            severities[(at * 7 + number) % n][category] = 2
    turns = [GradedTurn(f"{name}{i}", f"{name}-l{i // per}", s, calls=1, cut=cut) for i, s in enumerate(severities)]
    turns += [GradedTurn(f"{name}-f{i}", f"{name}-lf", failed="refused") for i in range(failed)]
    return GradedSet(ABOUT, tuple(counts), tuple(turns))

"""How far raters agree beyond chance: Cohen's kappa for two, Fleiss' for more, with intervals. Pure.

Formulas and sources: docs/methods.md, "Several judges".
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.estimates import few_clusters

DRAWS = 4_000
Array: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]
Kappas: TypeAlias = Callable[[Array, int], tuple[Array, Array]]


@dataclass(frozen=True, slots=True)
class Agreement:
    """`observed` is the share of pairs of raters that agree; `kappa` the part of it beyond chance.

    `kappa` is `None` where all ratings are the same (there is nothing to agree about beyond chance); the interval is
    `None` with one cluster, or where most bootstrap draws have no kappa.
    """

    kappa: float | None
    low: float | None
    high: float | None
    observed: float
    n: int
    clusters: int
    method: str
    warning: str | None = None


def agreement(
    ratings: Sequence[Sequence[Hashable]],
    clusters: Sequence[Hashable],
    *,
    rng: np.random.Generator,
    draws: int = DRAWS,
    confidence: float = 0.95,
) -> Agreement | None:
    """Agreement over items that all raters rated: `ratings[i]` has one category of each rater. `None` without items.

    The interval is the percentile one of a bootstrap of whole clusters.

    Raises:
        ValueError: fewer than two raters, rows of different length, or not one cluster for each item.
    """
    if len(ratings) != len(clusters):
        raise ValueError(f"{len(ratings)} items but {len(clusters)} clusters")
    if not ratings:
        return None
    raters = len(ratings[0])
    if raters < 2 or any(len(row) != raters for row in ratings):
        raise ValueError("agreement needs the same two or more raters for every item")
    two = raters == 2
    sums = _cohen_sums(ratings, clusters) if two else _fleiss_sums(ratings, clusters)
    kappas: Kappas = _cohen if two else _fleiss
    observed, kappa = kappas(sums.sum(0, keepdims=True), raters)
    low, high = _interval(sums, kappas, raters, rng, draws, confidence)
    method = f"{'Cohen' if two else 'Fleiss'}'s kappa, cluster bootstrap"
    value = None if np.isnan(kappa[0]) else float(kappa[0])
    groups = len(sums)
    return Agreement(
        value, low if value is not None else None, high if value is not None else None, float(observed[0]),
        len(ratings), groups, method, few_clusters(groups),
    )  # fmt: skip


def _codes(ratings: Sequence[Sequence[Hashable]], clusters: Sequence[Hashable]) -> tuple[Codes, Codes, int, int]:
    names = {name: n for n, name in enumerate(dict.fromkeys(value for row in ratings for value in row))}
    places = {name: n for n, name in enumerate(dict.fromkeys(clusters))}
    coded = np.array([[names[value] for value in row] for row in ratings], dtype=np.int64)
    return coded, np.array([places[name] for name in clusters], dtype=np.int64), len(names), len(places)


def _cohen_sums(ratings: Sequence[Sequence[Hashable]], clusters: Sequence[Hashable]) -> Array:
    """For each cluster its table of (first rater, second rater), flat."""
    coded, place, categories, groups = _codes(ratings, clusters)
    tables = np.zeros((groups, categories * categories))
    np.add.at(tables, (place, coded[:, 0] * categories + coded[:, 1]), 1)
    return tables


def _cohen(tables: Array, _: int) -> tuple[Array, Array]:
    """Cohen, Educational and Psychological Measurement 20 (1960)."""
    side = round(tables.shape[1] ** 0.5)
    share = (tables / tables.sum(1, keepdims=True)).reshape(-1, side, side)
    observed = np.trace(share, axis1=1, axis2=2)
    return observed, _beyond(observed, (share.sum(2) * share.sum(1)).sum(1))


def _fleiss_sums(ratings: Sequence[Sequence[Hashable]], clusters: Sequence[Hashable]) -> Array:
    """For each cluster: ratings by category, the sum of the items' agreement, the number of items."""
    coded, place, categories, groups = _codes(ratings, clusters)
    raters = coded.shape[1]
    counts = (coded[:, :, None] == np.arange(categories)).sum(1).astype(np.float64)
    alike = (counts * (counts - 1)).sum(1) / (raters * (raters - 1))
    sums = np.zeros((groups, categories + 2))
    np.add.at(sums, place, np.column_stack([counts, alike, np.ones(len(coded))]))
    return sums


def _fleiss(sums: Array, raters: int) -> tuple[Array, Array]:
    """Fleiss, Psychological Bulletin 76 (1971)."""
    items = sums[:, -1]
    observed = sums[:, -2] / items
    share = sums[:, :-2] / (items * raters)[:, None]
    return observed, _beyond(observed, (share**2).sum(1))


def _beyond(observed: Array, chance: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(chance < 1 - 1e-12, (observed - chance) / (1 - chance), np.nan)


def _interval(
    sums: Array, kappas: Kappas, raters: int, rng: np.random.Generator, draws: int, confidence: float
) -> tuple[float | None, float | None]:
    groups = len(sums)
    if groups < 2:
        return None, None
    weights = rng.multinomial(groups, np.full(groups, 1 / groups), size=draws)
    found = kappas(weights @ sums, raters)[1]
    found = found[~np.isnan(found)]
    if len(found) < draws / 2:
        return None, None
    tail = (1 - confidence) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return float(low), float(high)

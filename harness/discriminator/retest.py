"""A judge asked twice about the same pair: how often it says the same again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from harness.agreement import Agreement, agreement
from harness.discriminator.pairs import Pair
from harness.estimates import Estimate, clustered_share
from toolsim.seeds import derive_seed
from toolsim.trajectory import JsonObject


@dataclass(frozen=True, slots=True)
class Retest:
    """Over questions (one order of one pair) with two valid answers: the share answered alike, and kappa beyond chance.

    `dropped` questions were asked twice and have no valid answer to one of the two.
    """

    same: Estimate | None
    kappa: Agreement | None
    dropped: int


def retest_of(first: Iterable[JsonObject], second: Iterable[JsonObject], pairs: Mapping[str, Pair]) -> Retest | None:
    """From the rows of both askings; `None` where nothing was asked twice."""
    again = [j for j in second if j["pair"] in pairs]
    keys = {(j["pair"], j["sides"]) for j in again}
    if not keys:
        return None
    one, two = _valid(first), _valid(again)
    both = sorted(key for key in keys if key in one and key in two)
    lineages = [pairs[name].origin.lineage for name, _ in both]
    rng = np.random.default_rng(derive_seed(0, "retest"))
    return Retest(
        same=clustered_share([float(one[key] == two[key]) for key in both], lineages),
        kappa=agreement([(one[key], two[key]) for key in both], lineages, rng=rng),
        dropped=len(keys) - len(both),
    )


def _valid(rows: Iterable[JsonObject]) -> dict[tuple[str, str], bool]:
    return {(j["pair"], j["sides"]): bool(j["facts"]["simulated_taken"]) for j in rows if j["status"] == "valid"}

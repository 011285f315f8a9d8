"""Rates corrected by labels: known cases, coverage in simulation, and what is not identified."""

from __future__ import annotations

import numpy as np
import pytest

from harness.audit import Stratum, allocate, audit, rogan_gladen

RNG = np.random.default_rng


def strata(accused=(40, 40, 30), others=(960, 100, 2)):
    return (Stratum("accused", True, *accused), Stratum("other", False, *others))


def test_strata_count_by_their_size():
    found = audit("c", strata(), rng=RNG(0))
    assert found.graded == pytest.approx(0.04)
    assert found.rate.value == pytest.approx((30 + 960 * 2 / 100) / 1000)
    assert found.sensitivity.value == pytest.approx(30 / (30 + 19.2))
    assert found.specificity.value == pytest.approx((960 - 19.2) / (960 - 19.2 + 10))
    for one in (found.rate, found.sensitivity, found.specificity):
        assert one.low < one.value < one.high
    assert found.bounds == pytest.approx(((30 + 2) / 1000, (30 + 2 + 860) / 1000))


def test_turns_that_are_all_labelled_leave_no_uncertainty():
    found = audit("c", (Stratum("a", True, 10, 10, 4), Stratum("b", False, 90, 90, 1)), rng=RNG(0))
    assert (found.rate.low, found.rate.value, found.rate.high) == (0.05, 0.05, 0.05)
    assert found.bounds == (0.05, 0.05)


def test_no_error_in_200_unaccused_turns_still_allows_many():
    found = audit("c", (Stratum("b", False, 100_000, 200, 0),), rng=RNG(0))
    assert found.rate.value == 0
    assert 0.010 < found.rate.high < 0.018
    assert found.sensitivity is None, "nobody shows it: there is nothing to be sensitive to"


def test_a_stratum_without_a_label_leaves_only_bounds():
    found = audit("c", strata(others=(960, 0, 0)), rng=RNG(0))
    assert (found.rate, found.sensitivity, found.specificity) == (None, None, None)
    assert found.bounds == pytest.approx((0.03, 0.99))
    assert "none of 960 turns other" in found.not_identified
    assert audit("c", (Stratum("a", True, 0, 0, 0),), rng=RNG(0)) is None


def test_an_impossible_sample_is_refused():
    with pytest.raises(ValueError, match="no sample"):
        Stratum("a", True, 5, 6, 1)


def test_intervals_cover_the_true_share_as_often_as_they_say():
    """1,000 turns, 5 % true, a grader of sensitivity 0.7 and specificity 0.97; 30 accused and 120 others labelled."""
    rng = RNG(7)
    covered, runs = 0, 300
    for _ in range(runs):
        truth = rng.random(1000) < 0.05
        accused = np.where(truth, rng.random(1000) < 0.7, rng.random(1000) < 0.03)
        parts = []
        for name, side, most in (("a", accused, 30), ("b", ~accused, 120)):
            members = np.flatnonzero(side)
            drawn = rng.choice(members, size=min(most, len(members)), replace=False)
            parts.append(Stratum(name, name == "a", len(members), len(drawn), int(truth[drawn].sum())))
        found = audit("c", parts, rng=rng)
        covered += found.rate.low <= truth.mean() <= found.rate.high
    assert 0.91 <= covered / runs <= 0.995


def test_rogan_and_gladen_where_it_is_identified():
    found = rogan_gladen((200, 1000), (90, 100), (490, 500), rng=RNG(0))
    assert found.rate.value == pytest.approx((0.2 + 0.98 - 1) / (0.9 + 0.98 - 1))
    assert found.rate.low < found.rate.value < found.rate.high


@pytest.mark.parametrize(("observed", "sensitivity", "specificity", "why"), [
    ((10, 1000), (9, 10), (200, 200), "false positives per 100,000"),
    ((500, 1000), (5, 10), (5, 10), "no better than chance"),
    ((5, 10), (0, 0), (10, 10), "no turn to measure the sensitivity"),
    ((0, 0), (5, 5), (10, 10), "no turn to measure the observed"),
])  # fmt: skip
def test_what_is_not_identified_says_why(observed, sensitivity, specificity, why):
    found = rogan_gladen(observed, sensitivity, specificity, rng=RNG(0))
    assert found.rate is None
    assert why in found.not_identified


def test_samples_are_spread_by_size_and_weight_and_never_more_than_there_are():
    assert allocate([100, 100], [4, 1], 50) == [40, 10]
    assert allocate([3, 100], [100, 1], 50) == [3, 47]
    assert allocate([0, 5], [1, 1], 50) == [0, 5]
    assert allocate([5, 5, 5], [1, 1, 1], 2) == [1, 1, 0]
    assert sum(allocate([10, 20, 30], [1, 2, 3], 17)) == 17

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import pytest

from harness.estimates import (
    Estimate,
    clopper_pearson_lower,
    cluster_bootstrap,
    clustered_share,
    holm,
    intraclass,
    jeffreys,
    paired_difference,
)  # fmt: skip
from harness.intervals import Sums, p_value, share_interval, spread


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(0, 10, 0.0, 0.2172), (5, 10, 0.2235, 0.7765), (10, 10, 0.7828, 1.0), (1, 29, 0.0040, 0.1502)],
)
def test_jeffreys_gives_the_published_intervals(k: int, n: int, low: float, high: float) -> None:
    assert jeffreys(k, n) == (pytest.approx(low, abs=2e-3), pytest.approx(high, abs=2e-3))


def test_an_interval_needs_an_observation() -> None:
    with pytest.raises(ValueError, match="at least one"):
        jeffreys(0, 0)


def test_the_exact_lower_bound_is_the_one_of_the_binomial() -> None:
    assert clopper_pearson_lower(20, 20) == pytest.approx(0.05 ** (1 / 20))
    assert clopper_pearson_lower(0, 20) == 0.0


def test_no_observations_give_no_estimate() -> None:
    assert clustered_share([], []) is None


def test_zero_events_never_give_a_point_interval() -> None:
    estimate = clustered_share([0.0] * 30, list(range(30)))
    assert estimate is not None
    assert estimate.low == 0.0
    assert estimate.high > 0.05


def test_clusters_that_agree_within_make_the_interval_wider() -> None:
    values = [1.0] * 10 + [0.0] * 10 + [1.0] * 10 + [0.0] * 10
    alone = clustered_share(values, list(range(40)))
    together = clustered_share(values, [n // 10 for n in range(40)])
    assert alone is not None
    assert together is not None
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_values_outside_of_the_unit_interval_are_refused() -> None:
    with pytest.raises(ValueError, match="shares"):
        clustered_share([1.2], ["a"])


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = random.Random(7)
    hits = 0
    for _ in range(400):
        values, clusters = [], []
        for cluster in range(40):
            rate = min(1.0, max(0.0, rng.gauss(0.42, 0.12)))
            for _ in range(5):
                values.append(float(rng.random() < rate))
                clusters.append(cluster)
        estimate = clustered_share(values, clusters)
        assert estimate is not None
        hits += estimate.low <= 0.42 <= estimate.high
    assert 0.92 <= hits / 400 <= 0.99


def test_holm_steps_down_and_never_goes_back() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


def test_equal_clusters_give_the_plain_cluster_robust_t() -> None:
    values = [1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1]
    clusters = [n // 3 for n in range(12)]
    sums, mean = [2, 1, 2, 2], 7 / 12
    # by hand: G/(G-1) Σ residual² / n², three degrees of freedom
    deviation = math.sqrt(4 / 3 * sum((s - 3 * mean) ** 2 for s in sums)) / 12
    half = 3.18245 * deviation / (mean * (1 - mean))
    centre = math.log(mean / (1 - mean))
    estimate = clustered_share(values, clusters)
    assert estimate is not None
    assert estimate.low == pytest.approx(1 / (1 + math.exp(half - centre)), abs=1e-5)
    assert estimate.high == pytest.approx(1 / (1 + math.exp(-half - centre)), abs=1e-5)


def test_unequal_clusters_leave_fewer_degrees_of_freedom() -> None:
    sizes = np.array([2.0, 2.0, 2.0, 2.0, 30.0])
    sums = np.array([1.0, 2.0, 0.0, 1.0, 12.0])
    found = spread(Sums(sizes, sums, sums))
    assert 1 < found.df < 4


def test_a_rare_share_is_held_wide() -> None:
    values = [1.0] + [0.0] * 499
    rare = clustered_share(values, [n // 10 for n in range(500)])
    assert rare is not None
    assert 0 < rare.low < 0.002 < 0.03 < rare.high


@pytest.mark.parametrize("make", [clustered_share, lambda v, c: cluster_bootstrap(v, c, rng=np.random.default_rng(0))])
def test_under_twenty_clusters_every_printout_says_so(make: Callable[..., Estimate]) -> None:
    few, many = make([0.0, 1.0] * 19, [n // 2 for n in range(38)]), make([0.0, 1.0] * 20, [n // 2 for n in range(40)])
    assert "only 19 clusters" in str(few)
    assert many.warning is None
    assert "only" not in str(many)


def test_the_bootstrap_agrees_with_the_formula_where_both_hold() -> None:
    rng = np.random.default_rng(3)
    values = rng.binomial(1, np.repeat(rng.beta(4, 4, 80), 6)).astype(float).tolist()
    clusters = [n // 6 for n in range(480)]
    robust, boot = clustered_share(values, clusters), cluster_bootstrap(values, clusters, rng=rng)
    assert robust is not None
    assert boot is not None
    assert boot.low == pytest.approx(robust.low, abs=0.01)
    assert boot.high == pytest.approx(robust.high, abs=0.01)


def test_the_bootstrap_never_gives_a_point_for_zero_events() -> None:
    estimate = cluster_bootstrap([0.0] * 30, list(range(30)), rng=np.random.default_rng(0))
    assert estimate is not None
    assert estimate.high > 0.05


def test_a_paired_difference_is_that_of_the_second_arm() -> None:
    rng = np.random.default_rng(1)
    a = rng.binomial(1, 0.5, 400).astype(float)
    b = np.where(rng.random(400) < 0.1, 0.0, a)
    estimate = paired_difference(a.tolist(), b.tolist(), [n // 10 for n in range(400)])
    assert estimate is not None
    assert estimate.value == pytest.approx(float(np.mean(b - a)))
    assert estimate.low < estimate.value < estimate.high < 0


def test_pairs_that_agree_everywhere_are_no_proof_of_no_difference() -> None:
    estimate = paired_difference([1.0] * 40, [1.0] * 40, [n // 2 for n in range(40)])
    assert estimate is not None
    assert estimate.value == 0
    assert estimate.low == -estimate.high < -0.1


def test_pairs_need_both_arms() -> None:
    with pytest.raises(ValueError, match="needs both"):
        paired_difference([1.0], [1.0, 0.0], ["a"])


def test_the_intraclass_correlation_is_found_again() -> None:
    rng = np.random.default_rng(2)
    rates = np.repeat(rng.beta(0.5 * 4, 0.5 * 4, 2_000), 5)  # beta-binomial: ICC 1/(4+1)
    values = rng.binomial(1, rates).astype(float).tolist()
    assert intraclass(values, [n // 5 for n in range(10_000)]) == pytest.approx(0.2, abs=0.03)
    assert intraclass([1.0, 0.0], ["a", "b"]) is None
    assert intraclass([1.0] * 4, ["a", "a", "b", "b"]) is None


def test_p_values_against_chance_are_uniform_where_chance_is_true() -> None:
    rng = np.random.default_rng(4)
    sums = rng.binomial(10, 0.5, (4_000, 30)).astype(float)
    found = p_value(Sums(np.full((4_000, 30), 10.0), sums, sums), 0.5)
    assert np.mean(found < 0.05) == pytest.approx(0.05, abs=0.012)
    assert np.mean(found < 0.5) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("icc", "share"), [(0.0, 0.5), (0.1, 0.42), (0.3, 0.1)])
def test_intervals_of_twenty_clusters_cover(icc: float, share: float) -> None:
    rng = np.random.default_rng(5)
    total = (1 - icc) / icc if icc else 0
    rates = rng.beta(share * total, (1 - share) * total, (4_000, 20)) if icc else np.full((4_000, 20), share)
    sums = rng.binomial(10, rates).astype(float)
    low, high = share_interval(Sums(np.full((4_000, 20), 10.0), sums, sums))
    assert 0.938 <= np.mean((low <= share) & (share <= high)) <= 0.968

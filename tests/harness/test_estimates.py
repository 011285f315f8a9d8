from __future__ import annotations

import random

import pytest

from harness.estimates import clopper_pearson_lower, clustered_share, jeffreys


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

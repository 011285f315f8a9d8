from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom

from harness.forecast.predictive import central, factor, predictive, window_effect
from harness.logrates import BetaRate

rates = st.builds(BetaRate, st.floats(0.5, 60), st.floats(5, 5_000))


@given(rates, st.integers(1, 400), st.floats(1, 8))
def test_the_probabilities_of_all_counts_are_one(rate: BetaRate, turns: int, effect: float) -> None:
    expected = predictive(rate, turns, effect)
    assert sum(math.exp(expected.log_probability(k)) for k in range(turns + 1)) == pytest.approx(1, abs=1e-6)


@given(rates, st.integers(1, 400))
def test_without_clusters_it_is_the_beta_binomial_of_the_rate(rate: BetaRate, turns: int) -> None:
    expected = predictive(rate, turns)
    low, high = expected.interval()
    reference = betabinom(turns, rate.alpha, rate.beta)
    assert expected.log_probability(0) == pytest.approx(float(reference.logpmf(0)))
    assert float(reference.cdf(high) - (reference.cdf(low - 1) if low else 0)) >= 0.95 - 1e-9


@given(rates, st.integers(2, 400), st.floats(1.1, 6))
def test_likeness_within_lineages_keeps_the_mean_and_adds_the_stated_variance(
    rate: BetaRate, turns: int, effect: float
) -> None:
    expected = predictive(rate, turns, effect)
    found = betabinom(turns, expected.alpha, expected.beta)
    unit, total = rate.mean * (1 - rate.mean), rate.alpha + rate.beta
    known = unit / (total + 1)
    wanted = turns * effect * (unit - known) + turns**2 * known
    assert float(found.mean()) == pytest.approx(turns * rate.mean)
    assert float(found.var()) == pytest.approx(min(wanted, turns * unit * (1 + (turns - 1) * 0.999)), rel=1e-6)


def test_a_window_of_equal_lineages_has_the_usual_design_effect() -> None:
    assert window_effect(["a"] * 5 + ["b"] * 5, 0.2) == pytest.approx(1 + 4 * 0.2)
    assert window_effect(["a", "b"], 0.9) == 1


def test_a_window_without_turns_is_refused() -> None:
    with pytest.raises(ValueError, match="a window has turns"):
        predictive(BetaRate(1, 1), 0)


def test_the_interval_holds_new_counts_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(400):
        seen = rng.binomial(500, 0.02)
        low, high = predictive(BetaRate(seen + 0.5, 500 - seen + 0.5), 800).interval()
        held += low <= rng.binomial(800, 0.02) <= high
    assert held / 400 >= 0.93


@pytest.mark.parametrize(("predicted", "observed", "wanted"), [(0.02, 0.01, 2), (0.01, 0.02, 2), (0.3, 0.3, 1)])
def test_the_multiplicative_error_has_no_direction(predicted: float, observed: float, wanted: float) -> None:
    assert factor(predicted, observed) == pytest.approx(wanted)


def test_the_interval_of_a_rate_is_that_of_jeffreys() -> None:
    assert central(BetaRate(0.5, 10.5)) == (pytest.approx(0, abs=1e-3), pytest.approx(0.2172, abs=2e-2))

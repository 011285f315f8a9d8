from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from harness.graded import GradedSet, GradedTurn
from harness.rates import correct, detection_floor, mcnemar, measure_difference, measure_rate, turns_for


def side(events: int, n: int, *, per: int = 2, start: int = 0) -> list[GradedTurn]:
    """`n` turns of which `events` from number `start` on show category `c` with severity 2."""
    shown = range(start, start + events)
    return [GradedTurn(f"t{i}", f"l{i // per}", {"c": 2} if i in shown else {}, calls=i % 2) for i in range(n)]


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def rate_of(turns: list[GradedTurn], threshold: int = 1, **excluded: int):  # type: ignore[no-untyped-def]
    found = measure_rate(GradedSet({}, ("c",), tuple(turns), excluded), "c", threshold, rng=rng())
    assert found is not None
    return found


def test_turns_without_calls_stay_in_the_denominator() -> None:
    found = rate_of(side(10, 200))
    assert (found.events, found.turns, found.silent) == (10, 200, 100)
    assert found.value == 0.05
    assert found.jeffreys[0] < 0.05 < found.jeffreys[1]
    assert found.clustered.clusters == found.bootstrap.clusters == 100
    assert found.upper_at_zero is None


def test_a_failed_grade_is_no_observation_and_widens_the_worst_case() -> None:
    turns = [*side(10, 200), *(GradedTurn(f"f{i}", "x", failed="refused") for i in range(20))]
    found = rate_of(turns, rollout_failed=30)
    assert (found.events, found.turns, found.missing) == (10, 200, 50)
    assert found.worst == (10 / 250, 60 / 250)


def test_without_events_the_bound_is_the_rule_of_three() -> None:
    found = rate_of(side(0, 3_000))
    assert found.upper_at_zero == pytest.approx(3 / 3_000, rel=0.01)
    assert found.floor_lineages == pytest.approx(3 / 1_500, rel=0.01)
    assert found.clustered.high > 0


def test_a_higher_threshold_counts_fewer() -> None:
    assert rate_of(side(10, 200), 3).events == 0


def test_events_by_a_fault_of_the_simulator_are_counted_apart() -> None:
    turns = side(10, 200)
    turns[:4] = [replace(turn, faults=frozenset({"c"})) for turn in turns[:4]]
    turns[50] = replace(turns[50], faults=frozenset({"c"}))
    found = rate_of(turns)
    assert (found.events, found.faulty, found.without_faults) == (10, 4, 6 / 200)


def test_nothing_graded_gives_no_rate() -> None:
    assert measure_rate(GradedSet({}, ("c",), (GradedTurn("a", "l", failed="x"),)), "c", 1, rng=rng()) is None


def test_the_floor_and_the_turns_for_a_rate_undo_each_other() -> None:
    assert detection_floor(turns_for(1 / 200_000)) == pytest.approx(1 / 200_000, rel=1e-5)
    assert 1 - (1 - detection_floor(500)) ** 500 == pytest.approx(0.95)
    with pytest.raises(ValueError, match="at least one turn"):
        detection_floor(0)
    with pytest.raises(ValueError, match="lies in"):
        turns_for(0.0)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (3, 3), (0, 5), (9, 2), (40, 61)])
def test_mcnemar_is_the_exact_sign_test(first: int, second: int) -> None:
    wanted = 1.0 if first + second == 0 else binomtest(first, first + second, 0.5).pvalue
    assert mcnemar(first, second) == pytest.approx(wanted)


def test_a_difference_is_taken_on_pairs_only() -> None:
    old, new = side(4, 400), [*side(24, 400), GradedTurn("alone", "x", {"c": 4})]
    found = measure_difference(old, new, "c", 1, rng=rng())
    assert found is not None
    assert (found.pairs, found.unpaired, found.both, found.only_baseline, found.only_candidate) == (400, 1, 4, 0, 20)
    assert found.difference.value == found.bootstrap.value == pytest.approx(0.05)
    assert found.difference.low > 0
    assert found.bootstrap.low > 0
    assert found.p == pytest.approx(2 * 0.5**20)
    assert found.ratio.value == pytest.approx(math.log(24.5 / 4.5))
    assert found.ratio.low > 0


def test_a_negative_difference_has_a_bootstrap_interval_around_it() -> None:
    found = measure_difference(side(30, 400), side(6, 400), "c", 1, rng=rng())
    assert found is not None
    assert found.bootstrap.low < found.difference.value == pytest.approx(-0.06)
    assert found.difference.value < found.bootstrap.high < 0


def test_no_pair_that_differs_is_not_certainty() -> None:
    found = measure_difference(side(0, 100), side(0, 100), "c", 1, rng=rng())
    assert found is not None
    assert found.p == 1
    assert found.bootstrap.low < 0 < found.bootstrap.high


def test_no_pairs_no_difference() -> None:
    assert measure_difference(side(1, 4), [GradedTurn("z", "l")], "c", 1, rng=rng()) is None


def test_what_the_simulator_adds_cancels_in_the_corrected_prediction() -> None:
    # the simulator doubles the rate of both models; the candidate does it three times as often
    found = correct(side(20, 2_000), side(40, 2_000), side(120, 2_000), "c", 1, rng=rng())
    assert math.exp(found.added.value) == pytest.approx(2, rel=0.03)
    assert math.exp(found.uncorrected.value) == pytest.approx(6, rel=0.03)
    assert math.exp(found.corrected.value) == pytest.approx(3, rel=0.03)
    assert found.corrected_rate == pytest.approx(0.03, rel=0.03)
    assert found.predicted_uncorrected.mean == pytest.approx(0.06, rel=0.05)
    assert found.predicted_corrected.mean == pytest.approx(0.03, rel=0.1)
    assert found.added.low > 0


def test_a_corrected_rate_is_no_more_than_one() -> None:
    assert correct(side(50, 100), side(1, 100), side(90, 100), "c", 1, rng=rng()).corrected_rate == 1

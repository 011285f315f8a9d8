from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.forecast.predict import Plan, Sides, predict
from harness.forecast.record import Frozen, seal
from harness.forecast.score import score
from harness.forecast.split import authorship, split_errors
from harness.graded import GradedSet
from tests.harness.forecast.sets import graded

OLD = {"up": 20, "down": 60, "same": 30, "never": 0}
NEW = {"up": 60, "down": 15, "same": 31, "never": 0}


def frozen(headline: str = "uncorrected", **more: GradedSet) -> Frozen:
    return seal(predict(Sides(graded(NEW), graded(OLD), **more), Plan("x", headline), now=1.0))


def test_a_forecast_that_came_true_beats_the_naive_baseline() -> None:
    found = score(frozen(), graded(NEW, name="w"), 1)
    ours, naive = found.summaries
    assert (ours.method, naive.method) == ("uncorrected", "previous")
    assert ours.median == ours.worst == pytest.approx(1)
    assert naive.worst == pytest.approx(60.5 / 15.5)
    assert naive.worst_category == "down"
    assert (ours.coverage.hits, ours.coverage.of) == (4, 4)
    assert naive.coverage.hits == 2
    assert (found.movers, found.movers_beyond_noise) == (2, 2)
    assert ours.direction is not None
    assert (ours.direction.hits, ours.direction.of) == (2, 2)
    assert naive.direction is None
    assert ours.log_score > naive.log_score
    duel = found.duels[0]
    assert (duel.wins, duel.losses, duel.ties) == (3, 0, 1)
    assert duel.p == pytest.approx(0.25)


def test_a_forecast_in_the_wrong_direction_is_said_so() -> None:
    found = score(frozen(), graded({"up": 5, "down": 180, "same": 30, "never": 0}, name="w"), 1)
    ours = found.summaries[0]
    assert ours.direction is not None
    assert (ours.direction.hits, ours.direction.of) == (0, 2)
    assert found.duels[0].losses == 3
    assert ours.coverage.hits == 2


def test_a_move_within_noise_is_a_mover_but_not_beyond_noise() -> None:
    few = seal(predict(Sides(graded({"c": 2}), graded({"c": 1})), Plan("x"), now=1.0))
    found = score(few, graded({"c": 3}, name="w"), 1)
    assert (found.movers, found.movers_beyond_noise) == (1, 0)


def test_both_methods_and_both_baselines_stand_side_by_side() -> None:
    doubled = {name: 2 * count for name, count in OLD.items()}
    hard = dict.fromkeys(OLD, 200)
    forecast = frozen("corrected", self_resampled=graded(doubled), challenging=graded(hard, name="h"))
    found = score(forecast, graded({name: count // 2 for name, count in NEW.items()}, name="w"), 1)
    assert [s.method for s in found.summaries] == ["uncorrected", "corrected", "previous", "challenging"]
    assert [d.baseline for d in found.duels] == ["previous", "challenging"]
    uncorrected, corrected = found.summaries[:2]
    assert uncorrected.median > 1.5 > corrected.median
    assert found.duels[1].wins == 4


def test_another_stack_of_graders_is_refused_unless_allowed() -> None:
    window = replace(graded(NEW, name="w"), about={"taxonomy": "coding@other", "graders": ["monitors@bb22"]})
    with pytest.raises(ConfigError, match="other taxonomy than"):
        score(frozen(), window, 1)
    assert not score(frozen(), window, 1, other_stack=True).same_stack


def test_turns_of_the_frozen_sample_are_no_new_traffic() -> None:
    assert score(frozen(), graded(NEW), 1).reused == 1_000
    assert score(frozen(), graded(NEW, name="w"), 1).reused == 0


def test_a_window_without_grades_or_categories_of_the_record_is_refused() -> None:
    with pytest.raises(ConfigError, match="no graded turn"):
        score(frozen(), graded(NEW, 0, failed=2), 1)
    with pytest.raises(ConfigError, match="no prediction"):
        score(frozen(), graded({"other": 1}, name="w"), 1)


def test_the_parts_of_an_error_add_up_to_it() -> None:
    window, again = graded(dict.fromkeys(NEW, 10), name="w"), graded(dict.fromkeys(NEW, 40), name="w")
    forecast = frozen("corrected", self_resampled=graded(dict.fromkeys(OLD, 25)))
    for part in split_errors(forecast, window, again, 1):
        assert part.error == pytest.approx(part.correction + part.prefix_shift.value + part.environment.value)
        assert part.environment.value == pytest.approx(math.log(40.5 / 10.5))
        assert part.environment.low > 0
    up = split_errors(frozen(), window, again, 1)[0]
    assert up.correction == 0
    assert up.prefix_shift.value == pytest.approx(math.log(60.5 / 40.5))


def test_who_wrote_the_beginning_is_told_apart_from_a_shift_of_prefixes() -> None:
    # new prefixes halve the rate wherever they are cut; old beginnings triple it from the middle on
    old = [*graded({"c": 80}, name="o").turns, *graded({"c": 240}, name="o", cut=0.5).turns]
    own = [*graded({"c": 40}, name="w").turns, *graded({"c": 40}, name="w", cut=0.5).turns]
    from_cuts = authorship(old, own, "c", 1, rng=np.random.default_rng(1))
    assert [a.cut for a in from_cuts] == [0.5]
    assert math.exp(from_cuts[0].effect.value) == pytest.approx(3, rel=0.02)
    assert from_cuts[0].effect.low > 0


def test_without_turns_from_the_start_authorship_cannot_be_told() -> None:
    old, own = graded({"c": 4}, cut=0.5).turns, graded({"c": 4}, name="w").turns
    assert authorship(old, own, "c", 1, rng=np.random.default_rng(1)) == ()

from __future__ import annotations

import pytest

from harness.comparison import compare_sets
from harness.errors import ConfigError
from tests.harness.forecast.sets import graded

OLD = {"up": 10, "same": 30}
NEW = {"up": 50, "same": 30}


def test_both_rates_and_their_paired_difference_stand_in_every_cell() -> None:
    found = compare_sets(graded(OLD, per=4), graded(NEW, per=4))
    assert (found.pairs, found.unpaired) == (1_000, 0)
    up, same = found.cells
    assert (up.baseline.events, up.candidate.events) == (10, 50)
    assert up.paired is not None
    assert (up.paired.only_baseline, up.paired.only_candidate) == (0, 40)
    assert up.p_holm == pytest.approx(2 * up.paired.p)
    assert same.p_holm == 1
    assert up.corrected is None


def test_with_the_recording_the_simulators_own_part_is_said() -> None:
    recorded = graded({"up": 5, "same": 15}, per=4)
    found = compare_sets(graded(OLD, per=4), graded(NEW, per=4), recorded=recorded)
    up = found.cells[0].corrected
    assert up is not None
    assert up.added.ratio[0] == pytest.approx(10.5 / 5.5)
    assert up.corrected.ratio[0] == pytest.approx(50.5 / 10.5)
    assert up.uncorrected.ratio[0] == pytest.approx(50.5 / 5.5)


def test_models_on_other_prefixes_have_rates_but_no_difference() -> None:
    found = compare_sets(graded(OLD), graded(NEW, name="other"))
    assert (found.pairs, found.unpaired) == (0, 2_000)
    assert found.cells[0].paired is None
    assert found.cells[0].p_holm is None


def test_nothing_graded_is_nothing_to_compare() -> None:
    with pytest.raises(ConfigError, match="the candidate has no graded turn"):
        compare_sets(graded(OLD), graded(NEW, 0, failed=1))

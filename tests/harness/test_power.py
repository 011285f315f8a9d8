from __future__ import annotations

import pytest

from harness.power import (
    achieved_power,
    design_effect,
    difference_power,
    required_for_difference,
    required_for_width,
    required_pairs,
    sessions_for,
)  # fmt: skip


def test_the_known_sample_sizes_come_out() -> None:
    assert required_for_width(0.5, 0.05) == 385
    assert required_pairs(0.5, 0.42, power=0.8) == 305
    assert design_effect(0.1, 10) == pytest.approx(1.9)
    assert required_pairs(0.5, 0.42, icc=0.1, per_cluster=10) == pytest.approx(1.9 * 304.3, abs=1)


@pytest.mark.parametrize("icc", [0.0, 0.2])
def test_the_power_of_the_required_number_is_the_one_asked_for(icc: float) -> None:
    need = required_pairs(0.5, 0.6, power=0.9, icc=icc, per_cluster=5)
    assert achieved_power(0.5, 0.6, need, icc=icc, per_cluster=5) == pytest.approx(0.9, abs=0.005)
    assert achieved_power(0.5, 0.6, need // 2, icc=icc, per_cluster=5) < 0.75


def test_a_paired_difference_needs_fewer_items_the_fewer_change() -> None:
    assert required_for_difference(-0.05, 0.1) < required_for_difference(-0.05, 0.4)
    need = required_for_difference(-0.05, 0.2, power=0.8)
    assert difference_power(-0.05, 0.2, need) == pytest.approx(0.8, abs=0.005)


def test_sessions_are_counted_whole() -> None:
    assert sessions_for(305, 10) == 31


@pytest.mark.parametrize(
    "ask",
    [
        lambda: required_pairs(0.5, 0.5),
        lambda: required_pairs(0.0, 0.5),
        lambda: design_effect(1.5, 3),
        lambda: required_for_width(0.5, 0.0),
        lambda: required_for_difference(0.3, 0.1),
    ],
)
def test_questions_without_an_answer_are_refused(ask: object) -> None:
    with pytest.raises(ValueError, match=r"\d"):
        ask()

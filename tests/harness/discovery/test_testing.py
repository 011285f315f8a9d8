from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, false_discovery_control, fisher_exact

from harness.discovery.testing import benjamini_hochberg, benjamini_yekutieli, fisher, least_p, sign_flip


@given(st.lists(st.integers(-5, 5), max_size=9))
def test_the_p_is_the_share_of_all_assignments_of_signs_that_are_as_far_out(differences: list[int]) -> None:
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
            for signs in itertools.product((-1, 1), repeat=len(differences))]  # fmt: skip
    wanted = np.mean([s >= abs(sum(differences)) for s in sums])
    assert sign_flip(differences) == pytest.approx(wanted)
    assert sign_flip(differences) >= least_p(differences) - 1e-12


def test_lineages_of_one_turn_give_the_sign_test() -> None:
    assert sign_flip([1] * 12 + [-1] * 3) == pytest.approx(binomtest(3, 15, 0.5).pvalue)


def test_turns_that_all_come_from_one_lineage_prove_nothing() -> None:
    assert sign_flip([40]) == 1.0


def test_far_beyond_counting_the_normal_approximation_agrees() -> None:
    sizes = [7] * 2_800
    sizes[:300] = [-7] * 300
    assert sign_flip(sizes) < 1e-100
    level = [10] * 1_050 + [-10] * 950
    assert sign_flip([d * 1 for d in level]) == pytest.approx(sign_flip([d // 2 for d in level]), rel=0.05)


@given(st.integers(1, 30), st.integers(1, 30), st.data())
def test_fishers_p_is_the_known_one(first_all: int, second_all: int, data: st.DataObject) -> None:
    first, second = data.draw(st.integers(0, first_all)), data.draw(st.integers(0, second_all))
    wanted = fisher_exact([[first, first_all - first], [second, second_all - second]]).pvalue
    assert fisher(first, first_all, second, second_all) == pytest.approx(wanted, abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjusted_p_values_are_the_known_ones(p_values: list[float]) -> None:
    assert benjamini_hochberg(p_values) == pytest.approx(list(false_discovery_control(p_values)))
    assert benjamini_yekutieli(p_values) == pytest.approx(list(false_discovery_control(p_values, method="by")))

"""Kappa against values worked out by hand and published, and its interval against a known truth."""

from __future__ import annotations

import numpy as np
import pytest

from harness.agreement import agreement


def found(ratings, clusters=None, draws=2000):
    return agreement(ratings, clusters or list(range(len(ratings))), rng=np.random.default_rng(1), draws=draws)


def test_cohens_kappa_of_a_table_worked_out_by_hand():
    # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: observed 0.7, by chance 0.5
    ratings = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    kappa = found(ratings)
    assert (kappa.observed, kappa.n, kappa.clusters) == (0.7, 50, 50)
    assert kappa.kappa == pytest.approx(0.4)
    assert 0.12 < kappa.low < 0.25 < 0.55 < kappa.high < 0.66
    assert kappa.method.startswith("Cohen")


def test_fleiss_kappa_of_the_table_of_the_published_example():
    # the ten subjects, fourteen raters and five categories with which the statistic is usually taught: 0.210
    table = [
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    kappa = found([[category for category, n in enumerate(row) for _ in range(n)] for row in table])
    assert kappa.kappa == pytest.approx(0.210, abs=0.0005)
    assert kappa.method.startswith("Fleiss")


def test_where_all_say_the_same_there_is_no_kappa():
    kappa = found([("a", "a")] * 5)
    assert (kappa.kappa, kappa.low, kappa.high, kappa.observed) == (None, None, None, 1.0)


def test_one_cluster_gives_no_interval_and_few_say_so():
    kappa = found([("a", "a"), ("b", "b"), ("a", "b")], ["x"] * 3)
    assert kappa.kappa is not None
    assert (kappa.low, kappa.high) == (None, None)
    assert "only 1 cluster" in kappa.warning


def test_ten_copies_of_every_item_in_one_cluster_add_no_certainty():
    rng = np.random.default_rng(3)
    items = [("a", "a") if rng.random() < 0.7 else ("a", "b") for _ in range(20)] + [("b", "b")] * 20
    once = found(items)
    often = found(items * 10, list(range(40)) * 10)
    assert often.kappa == pytest.approx(once.kappa)
    assert often.high - often.low == pytest.approx(once.high - once.low, abs=0.06)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(200):
        # the second rater repeats the first in 60 % and guesses else: kappa is 0.6
        first = rng.random(120) < 0.5
        second = np.where(rng.random(120) < 0.6, first, rng.random(120) < 0.5)
        kappa = agreement(list(zip(first.tolist(), second.tolist(), strict=True)), range(120), rng=rng, draws=400)
        covered += kappa.low <= 0.6 <= kappa.high
    assert 180 <= covered <= 199


def test_what_is_no_table_of_ratings_is_refused():
    assert found([]) is None
    with pytest.raises(ValueError, match="clusters"):
        agreement([("a", "b")], [], rng=np.random.default_rng(1))
    with pytest.raises(ValueError, match="two or more raters"):
        found([("a",)])

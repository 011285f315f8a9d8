"""Labels of people: which order is shown, which label counts, and what they add up to."""

from __future__ import annotations

import pytest

from harness.labels import Label, last_of, sides_for, summary


def _label(pair, choice, sides="rs", rater="ada"):
    return Label("run", pair, rater, sides, choice, 1.0)


@pytest.mark.parametrize(
    ("sides", "choice", "taken"),
    [
        ("rs", "first", False),
        ("rs", "second", True),
        ("sr", "first", True),
        ("sr", "second", False),
        ("rs", "skip", None),
    ],
)
def test_a_choice_says_whether_the_simulated_side_was_taken_for_real(sides, choice, taken):
    assert _label("p", choice, sides).simulated_taken is taken


def test_the_order_is_drawn_for_each_pair_and_rater_and_stays():
    drawn = [sides_for("run", "ada", f"p{n}") for n in range(400)]
    assert drawn == [sides_for("run", "ada", f"p{n}") for n in range(400)]
    assert 150 < drawn.count("rs") < 250
    assert drawn != [sides_for("run", "bob", f"p{n}") for n in range(400)]


def test_the_last_label_of_a_rater_on_a_pair_counts():
    counted = last_of([_label("p", "first"), _label("p", "second"), _label("p", "first", rater="bob")])
    assert [(c.rater, c.choice) for c in counted] == [("ada", "second"), ("bob", "first")]


def test_skipped_pairs_count_nowhere_and_the_judge_is_compared_where_it_is_decided():
    labels = [_label("a", "first"), _label("b", "second"), _label("c", "skip"), _label("d", "second")]
    found = summary(labels, {name: name for name in "abcd"}, {"a": False, "b": False})
    assert (found.answers, found.skipped, found.raters, found.compared) == (3, 1, 1, 2)
    assert found.win_rate.value == pytest.approx(2 / 3)
    assert found.agreement.value == pytest.approx(0.5)


def test_no_label_is_no_figure():
    found = summary((), {}, {})
    assert (found.answers, found.win_rate, found.agreement) == (0, None, None)

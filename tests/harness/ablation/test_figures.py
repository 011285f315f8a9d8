"""Scores, gains and their intervals, on tables made by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ablation.arms import Arm, Cell, arms, cells
from harness.ablation.figures import Answered, Bootstrap, cell_figures, common, gains


def table(grades_of, chosen=None, clusters=4, per_cluster=3):
    """Every cell answers every call with the grade that `grades_of(cell, cluster, n)` gives."""
    chosen = chosen or cells(arms(), ("all",))
    return {
        cell: {
            f"{c}/{n}": Answered(f"{c}/{n}", f"t{c}", "view", grades_of(cell, c, n))
            for c in range(clusters)
            for n in range(per_cluster)
        }
        for cell in chosen
    }


def test_a_score_counts_near_half_and_an_unanswered_call_apart_and_as_nothing():
    grades = ["equal", "order", "near", "different", None]
    made = table(lambda cell, c, n: grades[n], cells(arms(()), ("all",)), per_cluster=5)
    (found,) = cell_figures(made, 0)
    assert (found.calls, found.answered) == (20, 16)
    assert found.score.value == pytest.approx(2.5 / 4)
    assert found.score_all.value == pytest.approx(2.5 / 5)
    assert found.grades == {"equal": 4, "order": 4, "near": 4, "different": 4}


def test_an_affordance_that_alone_gives_everything_gains_one_alone_and_nothing_where_another_does_too():
    def grade(cell: Cell, c: int, n: int):
        return "equal" if {"repo", "rollout"} & set(cell.arm.affordances) else "different"

    found = {(g.affordance, g.kind): g for g in gains(table(grade), 0)}
    assert found["repo", "alone"].all.value == 1
    assert found["repo", "last"].all.value == 0
    assert found["calls", "alone"].all.value == found["calls", "last"].all.value == 0


def test_a_paired_gain_is_over_calls_that_both_cells_answered():
    def grade(cell: Cell, c: int, n: int):
        if "repo" in cell.arm.affordances:
            return "equal"
        return "near" if n == 0 else None

    found = {(g.affordance, g.kind): g for g in gains(table(grade), 0)}
    alone = found["repo", "alone"]
    assert (alone.paired.value, alone.paired.n) == (0.5, 4)
    assert alone.all.value == pytest.approx((0.5 + 1 + 1) / 3)


def test_the_same_draws_serve_every_cell_so_that_a_constant_gain_has_no_width():
    hard = {0: "different", 1: "different", 2: "equal", 3: "near"}

    def grade(cell: Cell, c: int, n: int):
        return "near" if cell.arm.affordances and hard[c] == "different" else hard[c]

    figures = cell_figures(table(grade), 0)
    assert figures[0].score.high - figures[0].score.low > 0.3
    repo = next(g for g in gains(table(grade), 0) if (g.affordance, g.kind) == ("repo", "last"))
    assert (repo.all.low, repo.all.value, repo.all.high) == (0, 0, 0)


def test_shapley_values_add_up_to_what_all_affordances_give_together():
    def grade(cell: Cell, c: int, n: int):
        on = set(cell.arm.affordances)
        return "equal" if {"repo", "calls"} <= on else "near" if "rollout" in on else "different"

    made = table(grade, cells(arms(full=True), ("all",)))
    values = {g.affordance: g.all.value for g in gains(made, 0) if g.kind == "shapley"}
    assert sum(values.values()) == pytest.approx(1)
    assert values["repo"] == pytest.approx(values["calls"])
    assert values["connectors"] == pytest.approx(0)


def test_a_critic_is_compared_with_all_affordances_without_it():
    made = table(lambda cell, c, n: "equal" if cell.arm.critic else "near", cells(arms(critic=1), ("all",)))
    (critic,) = [g for g in gains(made, 0) if g.affordance == "critic"]
    assert critic.all.value == 0.5


def test_only_calls_that_every_cell_has_are_compared():
    made = table(lambda cell, c, n: "equal")
    first = next(iter(made))
    del made[first]["0/0"]
    assert len(common(made)) == 11
    assert {found.calls for found in cell_figures(made, 0)} == {11}


def test_without_calls_there_is_no_figure():
    (found,) = cell_figures({Cell("all", Arm((), "none")): {}}, 0)
    assert (found.calls, found.score, found.score_all) == (0, None, None)
    assert gains({Cell("all", Arm((), "none")): {}}, 0) == ()


def test_one_task_says_nothing_of_others():
    figure = Bootstrap.over(["t"] * 5, 0).mean([1.0, 1.0, 0.0, 1.0, 1.0])
    assert (figure.low, figure.value, figure.high) == (0, 0.8, 1)


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), min_size=1, max_size=40), st.integers(0, 99))
def test_an_interval_lies_between_the_least_and_the_greatest_and_is_drawn_by_the_seed(values, seed):
    boot = Bootstrap.over([f"t{c}" for c, _ in values], seed, draws=50)
    scores = [v for _, v in values]
    figure = boot.mean(scores)
    assert 0 <= figure.low <= figure.high <= 1
    assert figure == Bootstrap.over([f"t{c}" for c, _ in values], seed, draws=50).mean(scores)

"""Which arms an ablation has, which runs are siblings, and which calls are drawn."""

from __future__ import annotations

from collections import Counter

import pytest

from harness.ablation.arms import arms, cells
from harness.ablation.cases import Case, CaseCall, draw, read_case
from harness.config import RUNGS
from harness.siblings import siblings


def test_ten_arms_by_default_and_sixteen_with_every_subset():
    assert [arm.name for arm in arms()] == [
        "none", "rollout", "repo", "calls", "connectors", "all but connectors", "all but calls", "all but repo",
        "all but rollout", "all",
    ]  # fmt: skip
    full = arms(full=True)
    assert len({arm.affordances for arm in full}) == len(full) == 16
    assert len({arm.name for arm in full}) == 16


@pytest.mark.parametrize(("available", "count"), [((), 1), (("repo",), 2), (("repo", "calls"), 4)])
def test_the_same_set_stands_once(available, count):
    found = arms(available)
    assert len(found) == len({arm.affordances for arm in found}) == count


def test_a_critic_is_one_more_arm_with_everything_on():
    last = arms(critic=2)[-1]
    assert (last.name, last.affordances, last.critic) == ("all + critic", arms()[-1].affordances, 2)


def test_the_two_settings_differ_in_their_rungs_only():
    one, other = cells(arms()[:1], ("simulated", "all"))
    assert (one.rungs, other.rungs, one.arm) == (("simulated",), RUNGS, other.arm)


def test_siblings_go_in_a_ring_and_a_run_alone_has_none():
    assert siblings({"c": "t1", "a": "t1", "b": "t1", "x": "t2"}) == {"a": "c", "b": "a", "c": "b"}


def case(name: str, kinds: str, cluster: str = "") -> Case:
    calls = tuple(CaseCall(f"{name}-{n}", "Bash", kind) for n, kind in enumerate(kinds))
    return Case(name, name, cluster or name, None, "claude-code", "tune", 0, 0, calls)


CASES = (case("s1", "vvvvvvee", "t1"), case("s2", "vvvvvvee", "t1"), case("s3", "vvee", "t2"))


def test_a_sample_keeps_the_share_of_each_class_and_goes_over_the_clusters():
    asked = draw(CASES, 10, seed=0)
    kinds = {call.id: (call.kind, c.cluster) for c in CASES for call in c.calls}
    drawn = [kinds[i] for ids in asked.values() for i in ids]
    assert Counter(kind for kind, _ in drawn) == {"v": 7, "e": 3}
    assert Counter(cluster for kind, cluster in drawn if kind == "v") == {"t1": 5, "t2": 2}


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_the_cases():
    assert draw(CASES, 6, 1) == draw(CASES[::-1], 6, 1)
    assert len({str(sorted(draw(CASES, 6, seed).items(), key=str)) for seed in range(5)}) > 1
    assert sum(map(len, draw(CASES, None, 0).values())) == 20
    assert sum(map(len, draw(CASES, 500, 0).values())) == 20


def test_a_case_survives_its_record():
    made = Case("s", "l", "t", "acme/x", "codex", "tune", 1, 2, (CaseCall("c", "shell", "view"),), "r", ("l2",))
    assert read_case(made.record()) == made

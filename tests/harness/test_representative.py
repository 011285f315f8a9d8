from __future__ import annotations

import random

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from harness.representative import DAY, Member, compare_mix, rake, shares, weighted_share, window


def traffic(counts: dict[str, int], *, per: int = 1, name: str = "t", at: float = 0.0) -> list[Member]:
    """Members with these users, `per` of one user to a lineage."""
    users = [user for user, n in counts.items() for _ in range(n)]
    return [Member(f"{name}{n}", f"{name}{u}-{n // per}", at, {"user": u, "repo": "x"}) for n, u in enumerate(users)]


def test_the_window_is_the_most_recent_one_and_holds_nothing_without_a_time() -> None:
    members = [*traffic({"a": 3}, at=0.0), *traffic({"a": 2}, at=40 * DAY), Member("z", "z")]
    assert len(window(members)) == 2
    assert len(window(members, days=41)) == 5
    assert len(window(members, until=DAY)) == 3
    assert window([Member("z", "z")]) == ()


def test_independent_members_give_the_usual_chi_square() -> None:
    (found,) = compare_mix(traffic({"a": 60, "b": 40}), traffic({"a": 30, "b": 70}, name="n"), ("user",))
    wanted = chi2_contingency([[60, 30], [40, 70]], correction=False)
    # n/(n-1) of the variance between members is all that a lineage of one adds
    assert found.design_effect == pytest.approx(100 / 99)
    assert found.chi_square == pytest.approx(wanted.statistic * 99 / 100)
    assert found.psi == pytest.approx(0.3 * np.log(0.6 / 0.3) + 0.3 * np.log(0.7 / 0.4), rel=0.05)
    assert found.p is not None
    assert found.p < 1e-3


def test_members_of_one_lineage_do_not_count_as_many() -> None:
    first, second = {"a": 60, "b": 40}, {"a": 30, "b": 70}
    (alone,) = compare_mix(traffic(first), traffic(second, name="n"), ("user",))
    (together,) = compare_mix(traffic(first, per=10), traffic(second, per=10, name="n"), ("user",))
    assert together.design_effect == pytest.approx(10, rel=0.15)
    assert together.p is not None
    assert alone.p is not None
    assert together.p > 100 * alone.p


def test_two_windows_of_the_same_traffic_are_rarely_called_different() -> None:
    rng = random.Random(1)
    called = 0
    for _ in range(200):
        made = [
            traffic(
                dict(
                    zip(
                        "abcd",
                        np.bincount([rng.choices(range(4), (5, 3, 1, 1))[0] for _ in range(30)], minlength=4).tolist(),
                        strict=True,
                    )
                ),
                name=n,
            )
            for n in "xy"
        ]
        grown = [[Member(f"{m.key}.{i}", m.lineage, m.at, m.known) for m in side for i in range(5)] for side in made]
        (found,) = compare_mix(*grown, ("user",))
        called += found.p is not None and found.p < 0.05
    assert called <= 20


def test_rare_levels_are_one_and_a_single_level_has_no_test() -> None:
    many = {"a": 50, **{f"u{n}": 1 for n in range(20)}}
    users, repos = compare_mix(traffic(many), traffic(many, name="n"), ("user", "repo"))
    assert [level.name for level in users.levels] == ["a", "all others"]
    assert repos.p is None
    assert repos.p_holm is None
    assert users.p_holm == users.p == 1.0


def test_what_is_not_recorded_is_a_level_of_its_own() -> None:
    assert shares([Member("a", "l"), Member("b", "l", None, {"user": "u"})], "user") == {"unknown": 0.5, "u": 0.5}


def test_raking_meets_the_targets_of_every_dimension() -> None:
    rng = random.Random(2)
    sample = [
        Member(f"m{n}", f"l{n}", None, {"user": rng.choice("aab"), "scaffold": rng.choice("xyyy")}) for n in range(500)
    ]
    targets = {"user": {"a": 0.2, "b": 0.8}, "scaffold": {"x": 0.6, "y": 0.4}}
    found = rake(sample, targets)
    total = sum(found.by_key.values())
    for dimension, target in targets.items():
        for level, share in target.items():
            weight = sum(found.by_key[m.key] for m in sample if m.level(dimension) == level)
            assert weight / total == pytest.approx(share, abs=1e-6)
    assert found.largest_gap < 1e-6
    assert found.trimmed == 0
    assert 100 < found.effective < 500


def test_one_dimension_is_post_stratification_with_kishs_size() -> None:
    sample = traffic({"a": 80, "b": 20})
    found = rake(sample, {"user": {"a": 0.5, "b": 0.5}})
    assert found.by_key["t0"] == pytest.approx(0.625)
    assert found.by_key["t99"] == pytest.approx(2.5)
    assert found.effective == pytest.approx(100**2 / (80 * 0.625**2 + 20 * 2.5**2))


def test_a_target_that_the_sample_does_not_hold_is_stated() -> None:
    found = rake(traffic({"a": 5, "b": 5}), {"user": {"a": 0.3, "b": 0.3, "c": 0.4}})
    assert found.missing["user"] == pytest.approx(0.4)
    assert found.effective == pytest.approx(10)
    with pytest.raises(ValueError, match="none of the target's levels"):
        rake(traffic({"a": 5}), {"user": {"c": 1.0}})


def test_a_weight_is_never_more_than_ten_times_the_mean_and_the_gap_is_said() -> None:
    found = rake(traffic({"a": 199, "b": 1}), {"user": {"a": 0.5, "b": 0.5}})
    assert found.trimmed == 1
    assert found.largest_gap > 0.4
    assert max(found.by_key.values()) == pytest.approx(10)


def test_equal_weights_give_the_plain_share_and_unequal_ones_a_wider_interval() -> None:
    values = [float(n % 5 == 0) for n in range(200)]
    lineages = [f"l{n // 2}" for n in range(200)]
    plain = weighted_share(values, [1.0] * 200, lineages)
    uneven = weighted_share(values, [1.0 if n % 4 else 9.0 for n in range(200)], lineages)
    assert plain is not None
    assert uneven is not None
    assert plain.value == pytest.approx(0.2)
    assert uneven.high - uneven.low > 1.3 * (plain.high - plain.low)
    assert weighted_share([], [], []) is None


def test_a_reweighted_sample_estimates_the_target() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(100):
        users = rng.choice(["a", "b"], 400, p=[0.8, 0.2])
        values = (rng.random(400) < np.where(users == "a", 0.02, 0.2)).astype(float)
        sample = [Member(f"m{n}", f"l{n}", None, {"user": str(u)}) for n, u in enumerate(users)]
        weights = rake(sample, {"user": {"a": 0.3, "b": 0.7}})
        found = weighted_share(values.tolist(), [weights.by_key[m.key] for m in sample], [m.lineage for m in sample])
        assert found is not None
        held += found.low <= 0.3 * 0.02 + 0.7 * 0.2 <= found.high
    assert held >= 90

"""The trained discriminator on pairs whose truth is known: same source, one constant tell, tells of single groups."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from harness.discriminator.pairs import Origin, Pair
from harness.discriminator.trained import classify, why_not

WORDS = [
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "omicron", "pi", "rho", "sigma", "tau",
]  # fmt: skip


def text(rng: random.Random) -> str:
    """A text of a few lines, with a final newline."""
    return "".join(" ".join(rng.choices(WORDS, k=rng.randint(2, 9))) + "\n" for _ in range(rng.randint(3, 12)))


def made(n: int, groups: int, fault=lambda text, group: text, seed: int = 1) -> list[Pair]:
    """Pairs whose two sides are drawn alike; the simulated one then gets the fault."""
    rng = random.Random(seed)
    pairs = []
    for i in range(n):
        group = f"g{i % groups}"
        origin = Origin(f"s{i}", group, f"repo-{group}", "agent", "tune", tool="Bash")
        pairs.append(Pair("call", origin, "", f"call {i}", text(rng), fault(text(rng), group)))
    return pairs


def test_two_sides_of_one_source_cannot_be_told_apart():
    found = [classify(made(120, 12, seed=seed), seed=seed, permutations=199) for seed in range(8)]
    mean = sum(f.paired_auc for f in found) / len(found)
    assert 0.42 < mean < 0.58
    assert sum(f.p_value < 0.05 for f in found) <= 2


@pytest.mark.parametrize(
    ("fault", "feature"),
    [
        (lambda t, _: t.rstrip("\n"), "final newline"),
        (lambda t, _: t + "This shows the output of the command as requested.\n", "sentences of prose"),
        (lambda t, _: t.replace("alpha", "example"), "example"),
    ],
)
def test_a_constant_tell_is_found_and_named(fault, feature):
    found = classify(made(120, 12, fault))
    assert found.paired_auc > 0.9
    assert found.win_rate == 1 - found.paired_auc
    assert found.p_value == 1 / 1000
    assert found.low <= found.paired_auc <= found.high
    assert any(feature in f.name or set(f.name[6:-1]) <= set(feature) for f in found.features)


def test_a_tell_that_each_repository_has_of_its_own_counts_only_where_it_was_trained_on():
    def fault(text: str, group: str) -> str:
        return text + chr(0x4E00 + int(group[1:])) * 6 + "\n"

    pairs = [replace(p, recorded=p.recorded + "------\n") for p in made(120, 3, fault)]
    pairs = [replace(p, origin=replace(p.origin, lineage=p.origin.session)) for p in pairs]
    within = classify(pairs, group_by="lineage", view="ngrams")
    across = classify([replace(p, recorded=p.recorded[:-7]) for p in pairs], group_by="repo", view="ngrams")
    assert within.paired_auc > 0.9
    assert across.groups == 3
    assert across.paired_auc < within.paired_auc


def test_length_alone_sees_length_only():
    longer = made(120, 12, lambda t, _: t + t)
    assert classify(longer, view="length").paired_auc > 0.85
    unlike = made(120, 12, lambda t, _: t.replace("alpha", "ALPHA"))
    assert classify(unlike, view="length").paired_auc < 0.62


def test_swapping_the_sides_of_all_pairs_changes_nothing_but_the_names():
    pairs = made(80, 8, lambda t, _: t.rstrip("\n"))
    swapped = [replace(p, recorded=p.simulated, simulated=p.recorded) for p in pairs]
    one, other = classify(pairs), classify(swapped)
    assert one.paired_auc > 0.9
    assert other.paired_auc > 0.9
    sides = {f.side for f in one.features if f.name == "final newline"}
    assert sides == {"recorded"}
    assert {f.side for f in other.features if f.name == "final newline"} == {"simulated"}


def test_the_same_input_gives_the_same_result_in_any_order():
    pairs = made(60, 6, lambda t, _: t.upper())
    assert classify(pairs, permutations=99) == classify(pairs[::-1], permutations=99)


def test_too_little_is_no_result_and_says_why():
    assert classify(made(8, 4)) is None
    assert why_not(made(8, 4)) == "a trained discriminator needs 10 pairs that differ, there are 8"
    assert why_not(made(20, 1)) == "a trained discriminator needs pairs of two groups by lineage, there is 1"
    same = [replace(p, simulated=p.recorded) for p in made(40, 4)]
    assert classify(same) is None

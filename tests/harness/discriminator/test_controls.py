"""Controls: what stands beside a win rate, on recorded runs of the fixtures and on pairs whose truth is known."""

from __future__ import annotations

import pytest

from harness.demo import find_fixtures
from harness.discriminator.controls import controls_of
from harness.discriminator.pairs import Origin, Pair
from harness.discriminator.serialise import plain
from harness.importing import import_paths
from harness.rows import RolloutRow
from toolsim.calldb import CallDatabase

SESSIONS, _ = find_fixtures()


@pytest.fixture
def rollouts(store, tmp_path):
    """A rollout of each recorded session, as far as controls look at it."""
    with CallDatabase(tmp_path / "calls.db") as calls:
        import_paths(store, calls, [SESSIONS / "codex", SESSIONS / "mini-swe-agent", SESSIONS / "claude-code"])
    return [RolloutRow(s.id, "r", s.id, 0, 0, 0, s.pool, s.lineage, s.repo, s.agent) for s in store.sessions()]


def pairs(rollouts, fault):
    listing = "".join(f"src/module_{i}.py:{i + 3}:def handler_{i}(value):\n" for i in range(9))
    return [
        Pair(
            "call",
            Origin(r.session, r.lineage, None, r.agent, "tune"),
            "",
            f"c{n}",
            t := f"{n} {r.session[-4:]}\n{listing}",
            fault(t),
        )
        for n in range(3)
        for r in rollouts
    ]


def test_both_sides_of_a_null_are_real_and_mostly_the_same(store, rollouts):
    found = controls_of(store, rollouts, [])
    pipeline, siblings = found.nulls
    assert pipeline.pairs > 100
    assert pipeline.identical >= 0.98 * pipeline.pairs
    assert siblings.pairs > 20
    assert siblings.identical > 0.5 * siblings.pairs
    assert found.trained is None
    assert "10 pairs" in found.why_not


def test_a_constant_fault_is_told_apart_and_its_length_is_a_baseline_of_its_own(store, rollouts):
    longer = controls_of(store, rollouts, pairs(rollouts, lambda t: t + "This is what the command printed.\n"))
    assert longer.trained.paired_auc > 0.9
    assert longer.length.paired_auc > 0.9
    assert longer.trained.scores == ()
    same_length = controls_of(store, rollouts, pairs(rollouts, lambda t: t.replace("def", "DEF")))
    assert same_length.trained.paired_auc > 0.9
    assert same_length.length.paired_auc == 0.5


def test_planted_fakes_are_told_apart(store, rollouts):
    found = controls_of(store, rollouts, pairs(rollouts, lambda t: t))
    assert found.fakes.paired_auc > 0.7


def test_ids_that_a_product_draws_for_one_call_are_no_difference():
    one, other = ("Chunk ID: {}\nWall time: 0.1\nProcess running with session ID {}\n".format(*ids) for ids in
                  (("3f2a9b", "17"), ("c01d44", "18")))  # fmt: skip
    assert plain(one) == plain(other) == "Chunk ID: [id]\nWall time: 0.1\nProcess running with session ID [id]\n"

"""A run that is killed with SIGKILL and started again. `benchmarks/kill.py` does the same at a hundred drawn points."""

from __future__ import annotations

import pytest

from tests.programs import benchmark

kill = benchmark("kill")


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    with kill.fake_endpoint.running(steps=2, latency=0.02) as base_url:
        yield kill.undisturbed(base_url, tmp_path_factory.mktemp("whole"), 3)


def test_the_points_are_spread_over_all_phases(setting):
    drawn = kill.points(setting, 60, 0)
    assert {phase for phase, _ in drawn} == set(kill.PHASES)
    assert len(set(drawn)) == 60


@pytest.mark.parametrize("phase", kill.PHASES)
def test_a_killed_run_goes_on_to_the_same_rollouts_and_estimate(setting, phase, tmp_path):
    n = max(2, setting.counts[phase] // 2)
    assert kill.killed(setting, phase, n, tmp_path) is None


def test_a_difference_would_be_seen(setting, tmp_path):
    path = kill.copied(setting.store, tmp_path / "a.db")
    kill.play("none", 0, setting.base_url, path)
    with kill.closing(kill.sqlite3.connect(path)) as base:
        base.execute("delete from steps where n = (select max(n) from steps)")
        base.commit()
    assert kill.facts(path) != setting.facts

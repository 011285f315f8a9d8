from __future__ import annotations

import pytest

from harness.rows import RolloutRow
from harness.traffic import profile, task_class, traffic
from tests.harness.conftest import NOON

WEEK = 7 * 86_400.0


@pytest.mark.parametrize(
    ("classes", "task"),
    [
        ([], "talk"), (["note"], "talk"), (["view", "search"], "look"), (["view", "run"], "run"), (["check"], "run"),
        (["edit", "view"], "change"), (["git write"], "change"), (["edit", "check"], "change and check"),
        (["outside", "view"], "outside"),
    ],
)  # fmt: skip
def test_a_turn_is_classed_by_its_calls(classes, task):
    assert task_class(classes) == task


@pytest.fixture
def sessions(store, recorded):
    """Twenty sessions of one turn in the last week, twenty a month before; a run on those that one user has."""
    store.begin_run("run", "resample", {}, now=1.0)
    for n in range(40):
        user, started = ("ann" if n % 4 else "bob"), NOON + (0 if n < 20 else 5 * WEEK)
        made = recorded(f"s{n}", turns=[[["cat a.py"]]], user=user, started_at=started)
        shifted = [type(i)(**{f: getattr(i, f) for f in i.__slots__} | {"at": started}) for i in made.items]
        store.add_session(type(made)(made.session, tuple(shifted)), source="x", sha256=f"s{n}")
        if n >= 20 and user == "ann" and n % 2:
            row = RolloutRow(f"r{n}", "run", f"s{n}", 0, 0, 0, "tune", f"s{n}", None, "claude-code")
            store.add_rollouts([row])
    return store


def test_every_recorded_turn_is_traffic_with_what_is_known_of_it(sessions):
    found = traffic(sessions)
    assert len(found) == 40
    assert found[-1].known["scaffold"] == "claude-code"
    assert {m.known["task"] for m in found} == {"look"}
    assert {m.known["user"] for m in found} == {"ann", "bob"}


def test_a_runs_turns_are_held_against_the_last_window_and_that_against_the_one_before(sessions):
    found = profile(sessions, "run", days=28)
    assert (found.sampled, found.windowed, found.untimed) == (10, 20, 0)
    assert found.drift == () or all(d.p is None or d.p > 0.5 for d in found.drift)
    assert found.weights is not None
    assert found.weights.missing["user"] == pytest.approx(0.25)
    user = next(d for d in found.mix if d.dimension == "user")
    assert user.levels[0].first_share == 1.0

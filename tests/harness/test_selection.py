"""Which turns are taken again, and a reason for everything that is not."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from harness.rows import SessionRow
from harness.selection import Criteria, Cut, Exclusion, choose_cut, choose_cuts, filter_sessions, sample_sessions
from toolsim.trajectory import Message, Session, Trajectory

ROW = SessionRow(
    "abc-1", "codex", "codex", "abc-1", "https://h.example/Owner/Name.git", "ada", "m", 100.0, 2, 5, 5, False, "tune",
    "a.jsonl", {"consent": "research", "age": 3},
)  # fmt: skip


def rows(count=12, **by):
    return [
        replace(ROW, id=f"s{n}", lineage=f"s{n}", **{name: make(n) for name, make in by.items()}) for n in range(count)
    ]


# --- filters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criteria", "reason"),
    [
        (Criteria(), None),
        (Criteria(ids=("abc",)), None),
        (Criteria(ids=("bc",)), "not named"),
        (Criteria(agents=("codex", "pi")), None),
        (Criteria(agents=("pi",)), "agent is codex"),
        (Criteria(repos=("owner/name",)), None),
        (Criteria(repos=("git@h.example:owner/name.git",)), None),
        (Criteria(repos=("owner/other",)), "repository is https://h.example/Owner/Name.git"),
        (Criteria(pool="tune"), None),
        (Criteria(pool="report"), "pool is tune"),
        (Criteria(since=100.0), None),
        (Criteria(since=100.5), "started before --since"),
        (Criteria(until=100.5), None),
        (Criteria(until=100.0), "started after --until"),
        (Criteria(consent=(("consent", "res*"), ("age", "3"))), None),
        (Criteria(consent=(("consent", "none"),)), "no consent: consent is research"),
        (Criteria(consent=(("consent", "*"), ("signed", "*"))), "no consent: metadata has no signed"),
    ],
)
def test_a_session_is_kept_or_left_out_for_a_stated_reason(criteria, reason):
    kept, excluded = filter_sessions([ROW], criteria)
    assert (kept, excluded) == (((ROW,), ()) if reason is None else ((), (Exclusion("abc-1", reason),)))


@pytest.mark.parametrize("limit", [Criteria(since=1.0), Criteria(until=1.0)])
def test_a_session_without_a_time_is_on_neither_side_of_a_date(limit):
    _, excluded = filter_sessions([replace(ROW, started_at=None)], limit)
    assert excluded == (Exclusion("abc-1", "no time recorded"),)


def test_a_session_in_which_the_agent_never_acts_is_left_out():
    assert filter_sessions([replace(ROW, turns=0)], Criteria())[1] == (Exclusion("abc-1", "no agent message"),)


def test_every_session_is_either_kept_or_has_one_reason():
    given = rows(40, agent=lambda n: ("codex", "pi")[n % 2], started_at=float)
    kept, excluded = filter_sessions(given, Criteria(agents=("pi",), since=10.0, sample=5))
    assert sorted([r.id for r in kept] + [e.session for e in excluded]) == sorted(r.id for r in given)
    assert {e.reason for e in excluded} == {"agent is codex", "started before --since", "not drawn into the sample"}
    assert len(kept) == 5


# --- samples -------------------------------------------------------------------------------------------------------


def test_a_sample_is_the_same_whatever_the_order_of_the_sessions():
    given = rows(30)
    shuffled = random.Random(3).sample(given, len(given))
    criteria = Criteria(sample=7, seed=5)
    assert {r.id for r in sample_sessions(given, criteria)} == {r.id for r in sample_sessions(shuffled, criteria)}
    assert {r.id for r in sample_sessions(given, criteria)} != {
        r.id for r in sample_sessions(given, Criteria(sample=7, seed=6))
    }


def test_a_larger_sample_holds_the_smaller_one():
    given = rows(30)
    small, large = ({r.id for r in sample_sessions(given, Criteria(sample=n, stratify=("agent",)))} for n in (4, 9))
    assert small < large


def test_each_stratum_gets_its_share_first():
    given = rows(30, agent=lambda n: "rare" if n < 2 else "common", user=lambda n: str(n % 2))
    drawn = sample_sessions(given, Criteria(sample=4, stratify=("agent",)))
    assert [r.agent for r in drawn].count("rare") == 2
    drawn = sample_sessions(given, Criteria(sample=4, stratify=("agent", "user")))
    assert {(r.agent, r.user) for r in drawn} == {("rare", "0"), ("rare", "1"), ("common", "0"), ("common", "1")}


def test_forms_of_one_address_are_one_stratum():
    given = rows(10, repo=lambda n: "https://h/o/n" if n % 2 else "git@h:o/n.git")
    given.append(replace(ROW, id="x", repo=None))
    assert "x" in {r.id for r in sample_sessions(given, Criteria(sample=2, stratify=("repo",)))}


def test_a_sample_of_more_than_there_are_is_all():
    assert len(sample_sessions(rows(3), Criteria(sample=10))) == 3


# --- the cut -------------------------------------------------------------------------------------------------------

TURNS = [[["ls"], ["cat a"]], [], [["pytest"]]]


def cut(trajectory, **criteria):
    made = choose_cut("s1", trajectory, Criteria(**criteria))
    return (made.turn.index, made.step) if isinstance(made, Cut) else made.reason


@pytest.mark.parametrize(
    ("criteria", "where"),
    [
        ({}, (2, 0)),
        ({"turn": 0}, (0, 0)),
        ({"turn": -1}, (2, 0)),
        ({"turn": -3}, (0, 0)),
        ({"turn": 0, "step": 2}, (0, 2)),
        ({"step": 1}, (2, 1)),
        ({"turn": 3}, "there is no turn 3 with an agent message"),
        ({"turn": -4}, "there is no turn -4 with an agent message"),
        ({"turn": 0, "step": 3}, "turn 0 has 3 agent messages, there is no step 3"),
        ({"step": -1}, "turn 2 has 2 agent messages, there is no step -1"),
    ],
)
def test_the_final_turn_is_taken_unless_another_turn_or_step_is_named(recorded, criteria, where):
    assert cut(recorded(turns=TURNS), **criteria) == where


def test_a_turn_that_the_agent_never_answered_is_no_turn_to_take(recorded):
    trajectory = recorded(turns=TURNS)
    asked = replace(trajectory, items=(*trajectory.items, Message("user", "And now?")))
    assert cut(asked) == (2, 0)
    assert cut(asked, turn=3) == "there is no turn 3 with an agent message"


def test_with_calls_takes_the_last_turn_that_has_some(recorded):
    trajectory = recorded(turns=[[["ls"]], []])
    assert cut(trajectory) == (1, 0)
    assert cut(trajectory, with_calls=True) == (0, 0)
    assert cut(recorded(turns=[[]]), with_calls=True) == "no turn with an agent message and calls"


def test_a_session_without_an_agent_is_left_out():
    silent = Trajectory(Session("s1", "codex", "codex", "s1"), (Message("user", "hi"),))
    assert cut(silent) == "no turn with an agent message"


def test_an_autonomous_session_is_cut_at_a_step_that_acts_drawn_by_its_seed(recorded):
    trajectory = recorded(turns=[[[str(n)] for n in range(8)]], autonomous=True)
    drawn = {seed: cut(trajectory, seed=seed) for seed in range(30)}
    assert drawn == {seed: cut(trajectory, seed=seed) for seed in range(30)}
    assert {turn for turn, _ in drawn.values()} == {0}
    assert 4 <= len({step for _, step in drawn.values()}) <= 8
    assert max(step for _, step in drawn.values()) < 8  # the last message holds no call


def test_a_named_step_of_an_autonomous_session_is_taken(recorded):
    trajectory = recorded(turns=[[[str(n)] for n in range(8)]], autonomous=True)
    assert cut(trajectory, step=3) == (0, 3)
    assert cut(trajectory, turn=0) == (0, 0)


def test_a_turn_is_cut_at_shares_of_its_messages_and_no_place_twice(recorded):
    trajectory = recorded("s", turns=[[["ls"], ["ls"], ["ls"], ["ls"], ["ls"], ["ls"], ["ls"]]])
    cuts = choose_cuts("s", trajectory, Criteria(cuts=(0.75, 0.0, 0.25, 0.5)))
    assert [(cut.step, cut.share) for cut in cuts] == [(0, 0.0), (2, 0.25), (4, 0.5), (6, 0.75)]
    short = recorded("s", turns=[[["ls"]]])
    cuts = choose_cuts("s", short, Criteria(cuts=(0.0, 0.25, 0.5, 0.75)))
    assert [(cut.step, cut.share) for cut in cuts] == [(0, 0.0), (1, 0.5)]
    everyone = choose_cuts("s", recorded("s", turns=[[["ls"]], [["ls"]]]), Criteria(cuts=(0.5,), every_turn=True))
    assert [(cut.turn.index, cut.step, cut.share) for cut in everyone] == [(0, 1, 0.5), (1, 1, 0.5)]

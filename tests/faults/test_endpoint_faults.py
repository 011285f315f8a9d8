"""Whole runs against an endpoint that misbehaves: what fails is a failure, and nothing of a fault is kept as an answer.

`benchmarks/faults.py` plays and searches the store; it prints the table for every kind of fault.
"""

from __future__ import annotations

import pytest

from tests.programs import benchmark

faults = benchmark("faults")


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_a_run_under_all_faults_keeps_none_of_them(tmp_path):
    found = faults.measured("all", 0.3, 20, tmp_path / "run")
    assert found.faults >= 8
    assert found.laundered == ()
    assert found.rollouts == 20
    assert 0 < found.completed < 20
    assert found.judged + found.graded > 0


def test_without_faults_nothing_fails(tmp_path):
    found = faults.measured("none", 0.0, 4, tmp_path / "run")
    assert (found.faults, found.failed, found.unjudged, found.ungraded) == (0, 0, 0, 0)
    assert (found.completed, found.graded) == (4, 8)
    assert found.laundered == ()


@pytest.mark.parametrize("kind", ["truncated", "wrong-schema", "empty-choices", "refusal", "huge"])
def test_where_every_answer_is_broken_nothing_completes(kind, tmp_path):
    found = faults.measured(kind, 1.0, 2, tmp_path / "run")
    assert (found.completed, found.failed, found.judged, found.graded) == (0, 2, 0, 0)
    assert found.laundered == ()
    assert found.requests == found.faults
    assert found.requests <= 3 * (2 + 2)


def test_a_mark_that_was_kept_as_an_answer_would_be_found(tmp_path):
    faults.measured("none", 0.0, 1, tmp_path / "run")
    with faults.closing(faults.sqlite3.connect(tmp_path / "run/deploysim.db")) as base:
        base.execute("update turn_verdicts set body = ?", [f'"{faults.fake_endpoint.FAULT_MARK}"'])
        base.commit()
        (run,) = base.execute("select id from runs").fetchone()
    assert [text[:22] for text in faults.laundered(tmp_path / "run/deploysim.db", run)] == [
        "a mark in turn_verdict"
    ] * 2

"""`deploysim fidelity` on the shipped fixtures and their repository."""

from __future__ import annotations

import json
import sys

import pytest

from harness.cli import main
from harness.demo import find_fixtures, unpack_repository

SESSIONS, BUNDLE = find_fixtures()
CHOSEN = (
    SESSIONS / "codex" / "pipes-run1.jsonl",
    SESSIONS / "claude-code" / "environment-run1.jsonl",
    SESSIONS / "swe-agent-1" / "descending-run1.traj",
)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["deploysim", *map(str, arguments)])
        capsys.readouterr()
        main()
        return capsys.readouterr()

    call("import", *CHOSEN)
    call("repos", "add", unpack_repository(BUNDLE, tmp_path / "repository.git"))
    return call


def test_both_forcings_are_reported_and_started_again_nothing_is_played(run, tmp_path):
    first = json.loads(run("fidelity", "--json", "--with-repository").out)
    assert set(first["figures"]) == {"teacher", "free"}
    whole = first["figures"]["teacher"]["whole"]
    assert whole["calls"] > 0
    assert whole["right"]["n"] == whole["calls"]
    counted = whole["unanswered"] + round(whole["calls"] * (whole["right"]["value"] + whole["wrong"]["value"]))
    assert counted == whole["calls"]
    assert first["accumulation"]["calls"] == whole["calls"]
    again = run("fidelity", "--with-repository")
    assert "(resumed)" in again.err
    assert "turns: 3/3" in again.err
    assert "turns: 1/3" not in again.err
    for text in ("teacher-forced", "free-running", "by class", "error accumulation", "left out"):
        assert text in again.out


def test_lines_are_of_the_tune_pool_and_in_both_forms(run, tmp_path):
    run("fidelity", "--forcing", "teacher", "--lines", "lines.jsonl", "--save-confidence", "c.json")
    lines = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text("utf-8").splitlines()]
    assert all(line["pool"] == "tune" and line["forcing"] == "teacher" for line in lines)
    table = run("fidelity", "--forcing", "teacher", "--lines", "-", "--confidence", "c.json").out
    header, *rows = table.splitlines()
    assert header.split("\t")[:2] == ["forcing", "session"]
    assert len(rows) == len(lines)
    assert all(len(row.split("\t")) == len(header.split("\t")) for row in rows)


def test_all_turns_are_measured_each_from_its_own_prefix(run):
    last = json.loads(run("fidelity", "--forcing", "teacher", "--json").out)
    every = json.loads(run("fidelity", "--forcing", "teacher", "--turns", "all", "--json").out)
    assert every["runs"]["teacher"]["run"] != last["runs"]["teacher"]["run"]
    assert every["figures"]["teacher"]["whole"]["calls"] >= last["figures"]["teacher"]["whole"]["calls"]

"""`deploysim ablate` and `deploysim tells` on recorded runs of one task of the fixtures, without a model."""

from __future__ import annotations

import json
import re
import sys

import pytest

from harness.cli import main
from harness.demo import find_fixtures, unpack_repository

SESSIONS, BUNDLE = find_fixtures()


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["deploysim", *map(str, arguments)])
        capsys.readouterr()
        main()
        return capsys.readouterr()

    call("import", *sorted((SESSIONS / "claude-code").glob("environment-run*.jsonl")))
    call("repos", "add", unpack_repository(BUNDLE, tmp_path / "repository.git"))
    return call


def test_each_affordance_is_taken_away_from_the_same_calls(run, tmp_path):
    first = json.loads(run("ablate", "--rungs", "all", "--turn", "-1", "--json", "-o", "page.html").out)
    cells = {cell["arm"]: cell for cell in first["cells"]}
    assert set(cells) == {
        "none", "rollout", "repo", "calls", "connectors", "all but rollout", "all but repo", "all but calls",
        "all but connectors", "all",
    }  # fmt: skip
    assert {cell["calls"] for cell in cells.values()} == {first["calls"]}
    assert cells["none"]["answered"] < cells["repo"]["answered"] <= cells["all"]["answered"] < first["calls"]
    assert cells["none"]["model_calls"] == 0
    gains = {(g["affordance"], g["kind"]): g["all"]["value"] for g in first["gains"]}
    assert gains["repo", "alone"] > 0
    assert gains["connectors", "last"] == 0
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.count("<circle") == len(cells)
    assert "<script" not in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    again = run("ablate", "--rungs", "all", "--turn", "-1", "--json")
    assert json.loads(again.out)["cells"] == first["cells"]
    assert "rollouts: 1/" not in again.err


def test_the_plan_alone_plays_nothing(run):
    planned = json.loads(run("ablate", "--plan", "--calls-sample", "6", "--json").out)
    assert planned["calls"] == 6
    assert len(planned["cells"]) == 20
    shown = run("ablate", "--plan", "--calls-sample", "6", "--simulator", "m@http://127.0.0.1:9/v1")
    assert "at most about" in shown.out


def test_nothing_of_the_reference_leaks_before_its_time_and_what_is_due_is_shown(run):
    found = json.loads(run("ablate", "--leakage", "--json").out)
    assert found["early"]["calls"] > 0
    assert (found["early"]["prompts"], found["early"]["answers"]) == (0, 0)
    assert found["due"]["prompts"] == found["due"]["calls"] > 0
    assert found["secrets"]["system prompt"]["prompts"] == 0
    assert (found["pairs_of_own"], found["pairs_not_before"]) == (0, 0)


def test_tells_are_named_and_compared(run):
    made = json.loads(run("resample", "--candidate", "recorded", "--simulator", "none", "--json").out)
    found = json.loads(run("tells", "--json").out)
    assert found["tells"]["run"] == made["run"]
    assert found["tells"]["answered"] == sum(n for name, n in made["rungs"].items() if name != "unanswered")
    shown = run("tells", made["run"], "--against", made["run"]).out
    assert f"against run {made['run']}" in shown
    assert "came" not in shown


def test_sessions_without_a_sibling_are_no_ablation(run):
    with pytest.raises(SystemExit) as stopped:
        run("ablate", "--session", "53c2e269")
    assert stopped.value.code == 1

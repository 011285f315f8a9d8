"""`deploysim forecast` as a shell runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import cli
from harness.graded import GradedSet, dump_graded
from tests.harness.forecast.sets import graded

OLD = {"up": 20, "down": 60}
NEW = {"up": 60, "down": 15}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, found in {
        "old": graded(OLD), "new": graded(NEW), "self": graded(OLD), "hard": graded({"up": 300, "down": 300}, name="h"),
        "window": graded(NEW, name="w"), "again": graded({"up": 90, "down": 15}, name="w"),
    }.items():  # fmt: skip
        write(tmp_path / f"{name}.jsonl", found)
    return tmp_path


def write(path: Path, found: GradedSet) -> None:
    path.write_text(dump_graded(found), "utf-8")


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["forecast", *words], catch_exceptions=True)


def freeze(*more: str) -> dict[str, str]:
    done = run("freeze", "new.jsonl", "--recorded", "old.jsonl", "--json", *more)
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def test_a_forecast_is_frozen_listed_shown_and_scored(folder: Path) -> None:
    made = freeze("--self", "self.jsonl", "--challenging", "hard.jsonl", "--headline", "corrected", "--out", "f.json")
    listed = json.loads(run("list", "--json").stdout)
    assert [row["id"] for row in listed] == [made["id"]]
    shown = run("show", made["id"][:8])
    assert made["sha256"] in shown.stdout
    done = run("score", "f.json", "--on", "window.jsonl", "--resimulated", "again.jsonl")
    assert done.exit_code == 0, done.output
    for words in ("corrected nearer than previous", "corrected nearer than challenging", "environment", "movers"):
        assert words in done.stdout


def test_scores_and_split_are_read_by_machines(folder: Path) -> None:
    made = freeze()
    done = run("score", made["id"], "--on", "window.jsonl", "--resimulated", "again.jsonl", "--json")
    value = json.loads(done.stdout)
    assert value["scores"]["movers"] == 2
    assert value["split"][0]["environment"]["value"] > 0


def test_a_changed_file_is_refused_in_one_sentence(folder: Path) -> None:
    freeze("--out", "f.json")
    text = (folder / "f.json").read_text().replace('"mover":1.5', '"mover":9.5')
    (folder / "g.json").write_text(text)
    done = run("score", "g.json", "--on", "window.jsonl")
    assert "was changed after it was frozen" in str(done.exception)
    assert done.stdout == ""


def test_a_missing_source_is_said(folder: Path) -> None:
    assert "there is no file" in str(run("freeze", "nothing.jsonl", "--recorded", "old.jsonl").exception)


def test_cuts_go_together(folder: Path) -> None:
    assert run("score", "f.json", "--on", "window.jsonl", "--old-cuts", "old.jsonl").exit_code == 2


def test_two_files_are_compared_with_the_recording_beside(folder: Path) -> None:
    done = CliRunner().invoke(cli, ["compare", "self.jsonl", "new.jsonl", "--recorded", "old.jsonl"])
    assert done.exit_code == 0, done.output
    for words in ("1000 pairs", "McNemar's p", "simulator adds", "worst case", "predicted, corrected"):
        assert words in done.stdout
    value = json.loads(CliRunner().invoke(cli, ["compare", "self.jsonl", "new.jsonl", "--json"]).stdout)
    assert value["rates"]["cells"][0]["paired"]["only_candidate"] == 40


def test_what_was_never_seen_and_few_lineages_are_said_when_a_forecast_is_made(folder: Path) -> None:
    write(folder / "few.jsonl", graded({"up": 0}, 60, per=20))
    done = run("freeze", "few.jsonl", "--recorded", "few.jsonl")
    assert done.exit_code == 0, done.output
    assert "0 of 60" in done.stdout
    assert "rates from 4,870 on are seen" in done.stdout
    assert "WARNING: only 3 clusters" in done.stdout

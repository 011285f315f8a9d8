"""`deploysim models`: listing and bringing the embedded weights."""

from __future__ import annotations

import json

from click.testing import CliRunner

from harness.cli.models import command
from toolsim.weights import WEIGHTS


def test_list_tells_which_weights_are_here(tmp_path, monkeypatch):
    monkeypatch.setenv("DEPLOYSIM_CACHE", str(tmp_path))
    rows = json.loads(CliRunner().invoke(command, ["list", "--json"]).stdout)
    assert [(row["name"], row["path"]) for row in rows] == [("local", None), ("local-small", None)]
    shown = CliRunner().invoke(command, ["list"]).stdout
    assert "not here: deploysim models pull local-small" in shown


def test_pull_names_the_place_of_weights_that_are_here(tmp_path, monkeypatch):
    monkeypatch.setenv("DEPLOYSIM_CACHE", str(tmp_path))
    small = WEIGHTS["local-small"]
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / small.file
    with path.open("wb") as file:
        file.truncate(small.size)  # a sparse file of the right size
    done = CliRunner().invoke(command, ["pull", "local-small", "--json"])
    assert json.loads(done.stdout) == {"local-small": str(path)}


def test_an_unknown_model_is_wrong_usage():
    assert CliRunner().invoke(command, ["pull", "huge"]).exit_code == 2

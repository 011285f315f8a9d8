"""A run with a cache of answers: the same run again asks nobody, tells the same, and says what was cached."""

from __future__ import annotations

import json

import pytest

from harness.config import resolve
from harness.ledger import ModelStep, ToolStep, read_steps
from harness.store import Store
from tests.programs import benchmark

kill = benchmark("kill")


def played(base_url, folder, source, *more):
    """Import and resample in a new store; what the command printed, and the store's path."""
    folder.mkdir()
    path = folder / "deploysim.db"
    kill.faults.said("import", "--store", path, source)
    return json.loads(kill.faults.said(*kill.arguments_of(base_url, path), *more)), path


def told(path, run):
    """All steps of a run."""
    with Store(path) as store:
        return [step for row, _ in store.rollouts(run) for step in read_steps(store.steps(row.id))]


def texts(steps):
    """What was said and answered, in order."""
    return [
        step.message.text or [call.arguments for call in step.message.calls] if isinstance(step, ModelStep)
        else step.shown.content for step in steps
    ]  # fmt: skip


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "sessions"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.json").write_text(json.dumps(kill.faults.session(number)))
    return folder


def test_the_same_run_in_another_store_asks_nobody_and_says_so(tmp_path, source):
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"reply_cache: {tmp_path / 'answers.db'}\n")
    cache = ("--config", str(settings))
    with kill.fake_endpoint.running(steps=2) as base_url:
        plain, alone = played(base_url, tmp_path / "plain", source)
        first, one = played(base_url, tmp_path / "first", source, *cache)
        second, two = played(base_url, tmp_path / "second", source, *cache)
    assert plain["run"] == first["run"] == second["run"]
    assert plain["model_calls"] == first["model_calls"] > 0
    assert second["model_calls"] == second["tokens"] == 0
    asked, again = told(one, first["run"]), told(two, second["run"])
    assert texts(told(alone, plain["run"])) == texts(asked) == texts(again)
    assert not any(cached(step) for step in asked)
    assert all(cached(step) for step in again)
    assert sum(isinstance(step, ToolStep) for step in again) > 0
    with Store(two) as store:
        rows = store.engine.rows("select facts from exchanges")
    assert rows
    assert all(json.loads(row["facts"])["cached"] for row in rows)


def cached(step):
    """Whether the ledger says that no model was asked."""
    if isinstance(step, ModelStep):
        return bool(step.message.extra.get("cached"))
    return all(written.get("cached") for written in step.evidence["written"])


def test_off_is_no_file_and_the_folder_of_caches_is_no_setting():
    assert resolve({"reply_cache": "off"}, environment={}).reply_cache is None
    assert resolve({}, environment={"DEPLOYSIM_CACHE": "/somewhere"}).reply_cache is None

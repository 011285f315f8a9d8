"""A run with a cache of answers: the same run again asks nobody, tells the same, and says what was cached; so do
judges, graders and rubrics, and a purge leaves nothing there of its session.
"""

from __future__ import annotations

import json
import sqlite3
import urllib.request
from contextlib import closing

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


def requests_of(base_url):
    """How many requests the endpoint has seen."""
    with urllib.request.urlopen(f"{base_url}/stats") as answer:
        return json.load(answer)["requests"]


def assessed(path, run, base_url, cache):
    """Let judge, rubric and grader say what they think; the requests that it took, and the verdicts."""
    own = ("--store", path, "--reply-cache", cache, "--concurrency", 1, "--json")
    before = requests_of(base_url)
    kill.faults.said("discriminate", run, *own, "--judge", f"m@{base_url}", "--fakes", 2, "--pairs", 4)
    kill.faults.said("rubric", run, *own, "--judge", f"m@{base_url}", "--fakes", 0, "--pairs", 2)
    kill.faults.said("grade", run, *own, "--grader", f"m@{base_url}", may_end=(0, 1, 3))
    with Store(path) as store:
        judged = store.rows("select pair, sides, facts from judgements where status='valid' order by pair, sides")
        graded = store.rows("select turn, body from turn_verdicts where status='graded' order by turn, grader")
    asked = [json.loads(row["body"]) for row in graded]
    return (
        requests_of(base_url) - before,
        [json.loads(row["facts"]) for row in judged],
        [verdict for verdict in asked if not verdict["grader"].startswith("monitors")],
    )


def sessions_in(cache):
    """How many answers are kept of each session."""
    with closing(sqlite3.connect(cache)) as base:
        return dict(base.execute("select session, count(*) from replies group by session").fetchall())


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


def without_use(facts):
    """A verdict without what it took to come by it."""
    return {name: value for name, value in facts.items() if name not in {"cached", "tokens", "cost", "facts"}}


def test_judges_graders_and_rubrics_are_asked_once_too(tmp_path, source):
    cache = tmp_path / "answers.db"
    with kill.fake_endpoint.running(steps=2) as base_url:
        first, one = played(base_url, tmp_path / "first", source)
        _, two = played(base_url, tmp_path / "second", source)
        asked, judged, graded = assessed(one, first["run"], base_url, cache)
        none, again, anew = assessed(two, first["run"], base_url, cache)
    assert asked > 8
    assert none == 0
    assert judged
    assert graded
    assert [without_use(facts) for facts in again] == [without_use(facts) for facts in judged]
    assert [without_use(verdict) for verdict in anew] == [without_use(verdict) for verdict in graded]
    assert not any(facts.get("cached") for facts in judged)
    assert all(facts["cached"] and facts["tokens"] == 0 for facts in again)
    assert all(verdict["facts"]["cached"] for verdict in anew)


def test_a_purge_removes_a_sessions_answers_and_leaves_the_others(tmp_path, source):
    cache = tmp_path / "answers.db"
    with kill.fake_endpoint.running(steps=2) as base_url:
        first, path = played(base_url, tmp_path / "first", source, "--reply-cache", cache)
        assessed(path, first["run"], base_url, cache)
    before = sessions_in(cache)
    gone, stays = sorted(before)
    done = json.loads(kill.faults.said("purge", gone, "--store", path, "--reply-cache", cache, "--json"))
    assert done["removed"]["replies"] == before[gone] > 8
    assert sessions_in(cache) == {stays: before[stays]}


def test_a_purge_with_a_cache_that_is_not_there_removes_nothing(tmp_path, source):
    with kill.fake_endpoint.running(steps=2) as base_url:
        _, path = played(base_url, tmp_path / "first", source)
    with pytest.raises(SystemExit):
        kill.faults.said("purge", "made-0", "--store", path, "--reply-cache", tmp_path / "none.db")
    assert "made-0" in kill.faults.said("sessions", "--store", path, "--json")
    assert not (tmp_path / "none.db").exists()

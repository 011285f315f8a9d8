"""What a run will use, beside what it used: against an endpoint whose agent takes twice the recorded steps."""

from __future__ import annotations

import json

import pytest

from tests.programs import benchmark

faults = benchmark("faults")


def session(number):
    """More turns before the last in each next session."""
    made = faults.session(number)
    system, *talk = made["messages"]
    renamed = [
        {**m, "tool_calls": [{**c, "id": f"{c['id']}{n}"} for c in m["tool_calls"]]} if "tool_calls" in m
        else {**m, "tool_call_id": f"{m['tool_call_id']}{n}"} if "tool_call_id" in m else m
        for n in range(number % 5) for m in talk
    ]  # fmt: skip
    return {**made, "messages": [system, *renamed, *talk]}


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A store with eight sessions, of which four were played, and the endpoint."""
    folder = tmp_path_factory.mktemp("estimated")
    source = folder / "sessions"
    source.mkdir()
    for number in range(8):
        (source / f"{number}.json").write_text(json.dumps(session(number)))
    store = folder / "deploysim.db"
    faults.said("import", "--store", store, source)
    with faults.fake_endpoint.running(steps=4) as base_url:
        said = arguments(base_url, store)
        faults.said("resample", *said, *(word for n in range(4) for word in ("--session", f"made-{n}-")))
        yield base_url, store


def arguments(base_url, store):
    spec = f"m@{base_url}"
    return (
        "--store", store, "--candidate", spec, "--simulator", spec, "--rungs", "simulated", "--affordances", "none",
        "--shell", "none", "--json",
    )  # fmt: skip


def others():
    return (word for n in range(4, 8) for word in ("--session", f"made-{n}-"))


def estimated(*words):
    return json.loads(faults.said("estimate", *words))


def test_an_estimate_that_rests_on_a_run_is_near_what_the_next_one_uses(played):
    base_url, store = played
    before = estimated(*arguments(base_url, store), *others())["estimate"]
    run = json.loads(faults.said("resample", *arguments(base_url, store), *others()))["run"]
    both = estimated("--against", run, *arguments(base_url, store), *others())
    assert both["estimate"] == before
    assert before["rollouts"] == both["used"]["rollouts"] == 4
    assert before["calls"] == pytest.approx(both["used"]["calls"], rel=0.2)
    for role in ("candidate", "simulator"):
        for name in ("model_calls", "prompt_tokens", "completion_tokens"):
            assert before[role][name] == pytest.approx(both["used"][role][name], rel=0.2), (role, name)


def test_nothing_is_asked_and_nothing_written(played):
    _, store = played
    before = store.read_bytes()
    found = estimated(*arguments("http://127.0.0.1:9/v1", store))["estimate"]
    assert found["basis"].startswith("no earlier run")
    assert found["rollouts"] == 8
    assert found["candidate"]["cost"] is None
    assert store.read_bytes() == before


def test_what_is_not_asked_costs_nothing(played):
    _, store = played
    own = ("--store", store, "--candidate", "recorded", "--simulator", "none", "--json")
    found = estimated(*own)["estimate"]
    assert found["candidate"]["model_calls"] == found["simulator"]["model_calls"] == 0
    assert found["calls"] == 16


def test_samples_multiply(played):
    base_url, store = played
    one = estimated(*arguments(base_url, store))["estimate"]
    three = estimated(*arguments(base_url, store), "--samples", 3)["estimate"]
    assert three["rollouts"] == 3 * one["rollouts"]
    assert three["candidate"]["prompt_tokens"] == pytest.approx(3 * one["candidate"]["prompt_tokens"], rel=0.01)

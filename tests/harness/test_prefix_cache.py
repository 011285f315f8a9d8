"""Tokens that an endpoint had read before: in ledger, exchanges, summary and report; and the benchmark of them."""

from __future__ import annotations

import json
from random import Random

import pytest

from harness.ledger import ModelStep, read_steps
from harness.store import Store
from tests.programs import benchmark

kill = benchmark("kill")
prefix_cache = benchmark("prefix_cache")
peers = benchmark("peers")


def test_cached_tokens_stand_in_ledger_exchanges_summary_and_report(tmp_path):
    source, path, page = tmp_path / "sessions", tmp_path / "deploysim.db", tmp_path / "page.html"
    source.mkdir()
    (source / "0.json").write_text(json.dumps(kill.faults.session(0)))
    with kill.fake_endpoint.running(steps=2, cache=1) as base_url:
        kill.faults.said("import", "--store", path, source)
        done = json.loads(kill.faults.said(*kill.arguments_of(base_url, path)))
        stats = peers.stats(base_url)
    kill.faults.said("report", done["run"], "--store", path, "-o", page)
    with Store(path) as store:
        ((row, _),) = store.rollouts(done["run"])
        steps = read_steps(store.steps(row.id))
        kept = [json.loads(row["facts"]) for row in store.rows("select facts from exchanges")]
    candidate = sum(step.spent.cached_tokens for step in steps if isinstance(step, ModelStep))
    simulator = sum(step.spent.cached_tokens for step in steps if not isinstance(step, ModelStep))
    assert done["cached_tokens"] == candidate + simulator == stats["cached tokens"] > 0
    assert sum(facts.get("cached_tokens", 0) for facts in kept) == simulator > 0
    assert f'<td class="n">{candidate}</td>' in page.read_text("utf-8")


def body(role, *texts):
    roles = ["user", "assistant"] * len(texts)
    return {"model": role, "messages": [{"role": r, "content": t} for r, t in zip(roles, texts, strict=False)]}


def made():
    """Three rollouts of two steps, and four questions of a judge."""
    bodies = []
    for n in range(3):
        bodies += [body("candidate", f"do {n}"), body("simulator", f"call {n}"), body("candidate", f"do {n}", "I did"),
                   body("simulator", f"again {n}")]  # fmt: skip
        bodies[-2]["messages"].append({"role": "tool", "content": "result"})
    return prefix_cache.chained([*bodies, *(body("judge", f"which {n}") for n in range(4))])


def test_a_rollout_is_a_chain_and_a_question_of_a_judge_one_of_its_own():
    prompts = made()
    assert [prompt.chain for prompt in prompts] == [1] * 4 + [2] * 4 + [3] * 4 + [4, 5, 6, 7]


@pytest.mark.parametrize("seed", range(5))
def test_merging_keeps_each_rollout_in_order_and_loses_nothing(seed):
    prompts = made()
    mixed = prefix_cache.merged(prompts, seed)
    for chain in range(1, 8):
        assert [p for p in mixed if p.chain == chain] == [p for p in prompts if p.chain == chain]
    assert len(mixed) == len(prompts)
    assert [p.role == "judge" for p in mixed] == [False] * 12 + [True] * 4
    assert mixed != prompts


def test_the_bounds_are_the_longest_shared_beginnings():
    drawn = Random(1)
    common = tuple(drawn.choices(range(100), k=30))
    tokens = [(*common, 1, 1), (*common[:10], 2), (*common, 1, 2), (3,)]
    prompts = [prefix_cache.Prompt("judge", n, {}, each) for n, each in enumerate(tokens)]
    assert prefix_cache.bounds(prompts) == {
        "judge": {"requests": 4, "tokens": 32 + 11 + 32 + 1, "before": 0 + 10 + 10 + 0, "earlier": 0 + 10 + 31 + 0}
    }

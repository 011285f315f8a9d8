"""Tells of a run: linked to tool, rung and prompt; rationales in heaps; two runs compared; planted fakes are named."""

from __future__ import annotations

import asyncio
import random

import pytest

from harness import experiment
from harness.config import resolve
from harness.discriminator.catalogue import Moment, tells_of
from harness.discriminator.fakes import FAKES
from harness.discriminator.rationales import heaps
from harness.discriminator.tells import compare, find_tells
from harness.selection import Criteria
from toolsim.scripted import ScriptedModel

FORCED = {"candidate": "recorded", "simulator": "m", "rungs": "simulated", "affordances": "none"}
LISTING = "".join(f"src/module_{n}.py:{n}: def function_{n}(value)\n" for n in range(1, 31)) + "30 passed in 1.37s\n"
LOG = "a1f03b9 Mend the reader of tables\n9c0de41 Count empty cells as well\n" + LISTING
NAMED = {
    "explanatory prose": "explanatory prose", "wrapped in JSON": "JSON for text", "cut for brevity": "cut for brevity",
    "shuffled listing": "order of lines", "line numbers off by one": "line numbers past the end",
    "wrong count": "counts unlike the record", "impossible hash": "unknown hash",
}  # fmt: skip


@pytest.mark.parametrize("fake", [f for f in FAKES if f.name in NAMED], ids=lambda f: f.name)
def test_a_planted_fault_is_named(fake):
    text = LOG if fake.name == "impossible hash" else LISTING
    made = fake.fault(text, random.Random(1))
    names = {tell.name for tell, _ in tells_of(Moment("Bash(git log --oneline)", text, made))}
    assert NAMED[fake.name] in names


def played(store, seed, printed):
    settings = resolve({**FORCED, "seed": seed}, environment={})
    plan = experiment.plan(store, settings, Criteria(with_calls=True), {})
    answer = {"stderr": "", "exit_code": 0, "duration": 0.1, "files_changed": []}
    spans = [{"text": printed, "source": None, "first": None, "last": None}]
    model = ScriptedModel(lambda request: {**answer, "stdout": spans}, name="m")
    parts = experiment.Parts(store, None, (), None, model, None)
    asyncio.run(experiment.play(plan, settings, parts, concurrency=1, notice=lambda *_: None))
    return plan.run


@pytest.fixture
def filled(store, recorded):
    for n in range(3):
        store.add_session(recorded(f"s{n}", turns=[[["ls", "pytest -q"]]]), source="x", sha256=f"{n}")
    return store


def test_a_tell_is_linked_to_its_tool_rung_prompt_and_examples_of_the_tune_pool(filled):
    found = find_tells(filled, played(filled, 0, "Here is the output of the command:\nx"))
    (prose,) = [f for f in found.found if f.name == "explanatory prose"]
    assert (prose.count, prose.share, prose.by_tool, prose.by_rung) == (6, 1.0, {"Bash": 6}, {"simulated": 6})
    assert list(prose.by_prompt) != ["-"]
    tune = {row.id for row in filled.sessions() if row.pool == "tune"}
    assert {example.session for example in prose.examples} <= tune
    assert all("Here is the output" in example.words for example in prose.examples)


def test_two_runs_show_which_tells_went_and_which_came(filled):
    before = find_tells(filled, played(filled, 0, "Here is the output of the command:\nx"))
    after = find_tells(filled, played(filled, 1, "see example.com"))
    what = {change.name: change.what for change in compare(before, after)}
    assert what["explanatory prose"] == "went"
    assert what["textbook names"] == "came"


def test_what_a_judge_said_is_counted_only_where_it_told_the_pair_apart_in_both_orders(filled):
    run = played(filled, 0, "Here is the output of the command:\nx")
    ids = [example.pair for found in find_tells(filled, run).found for example in found.examples]
    for sides in ("rs", "sr"):
        facts = {"simulated_taken": False, "reason": "explains the command in prose"}
        filled.add_judgement(run, ids[0], "j", sides, "valid", facts)
    found = find_tells(filled, run)
    assert next(f for f in found.found if f.name == "explanatory prose").told_apart >= 1
    assert [(said.tell, said.count) for said in found.said] == [("explanatory prose", 2)]
    other = played(filled, 2, "Here is the output of the command:\nx")
    filled.add_judgement(other, ids[0], "j", "rs", "valid", {"simulated_taken": False, "reason": "explains"})
    assert find_tells(filled, other).said == ()


def test_rationales_that_use_the_same_words_are_one_heap_whatever_their_order():
    said = [
        "the commit hash does not exist",
        "this commit hash is unknown",
        "durations are too round",
        "",
        "round durations",
    ]
    found = {frozenset(heap.members) for heap in heaps(said)}
    assert found == {frozenset({0, 1}), frozenset({2, 4})}
    turned = [*reversed(said)]
    assert {frozenset(turned[m] for m in h.members) for h in heaps(turned)} == {
        frozenset(said[m] for m in h) for h in found
    }
    assert heaps(["", "?!"]) == ()
    assert [heap.members for heap in heaps(["alone"])] == [(0,)]

"""The pair set of a run: labels, hashes, and pools that stay apart."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.discriminator.measure import make_pairs
from harness.discriminator.pairs import CROSS_MODEL, HEADLINE
from harness.discriminator.pairset import build, shared_ids, write
from harness.discriminator.serialise import Window
from harness.errors import ConfigError, HarnessError
from harness.ledger import ModelStep, ToolStep, write_step
from harness.rows import End, RolloutRow
from toolsim.trajectory import Message, ToolCall, ToolResult


def test_call_pairs_are_headline_pairs_and_identical_ones_are_counted_apart(store, run):
    found = build(store, run(lambda n, text: text if n % 3 == 0 else f"simulated {n}"))
    assert found.counts == {"call, headline, different": 8, "call, headline, identical": 4}
    assert (found.headline, len(found.pairs), found.pools) == (8, 12, {"tune": 12})
    assert {p.label for p in found.pairs} == {HEADLINE}


@pytest.mark.parametrize(("model", "label"), [("m", HEADLINE), ("other", CROSS_MODEL)])
def test_a_turn_of_another_model_is_labelled_so_and_one_of_the_same_is_not(store, recorded, model, label):
    config = {"forcing": "none", "candidate": f"{model}@http://h/v1", "simulator": "none"}
    store.begin_run("r", "resample", {"config": config}, now=1.0)
    store.add_session(recorded("s0", model="m"), source="x", sha256="s0")
    store.add_rollouts([RolloutRow("r-0", "r", "s0", 0, 0, 0, "tune", "s0", None, "claude-code")])
    call = ToolCall("c", "Bash", {"command": "ls"})
    steps = [
        ModelStep(Message("assistant", "", "agent", calls=(call,)), "native"),
        ToolStep(call, ToolResult("c", "a.py"), ToolResult("c", "a.py"), "computed"),
        ModelStep(Message("assistant", "Done.", "agent"), "native", stop="end"),
    ]
    store.append_steps("r-0", [write_step(n, s) for n, s in enumerate(steps)])
    store.end_rollout("r-0", End("completed", None, "end"))
    (pair,) = build(store, "r").pairs
    assert (pair.kind, pair.label, pair.origin.length) == ("turn", label, 1)
    assert build(store, "r").headline == (label == HEADLINE)


def test_the_export_has_one_line_a_pair_with_its_hash_label_and_texts(store, run, tmp_path):
    found = build(store, run())
    write(found, tmp_path / "pairs.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text("utf-8").splitlines()]
    assert [line["id"] for line in lines] == sorted(p.id for p in found.pairs)
    assert {line["label"] for line in lines} == {HEADLINE}
    assert lines[0].keys() >= {"recorded", "simulated", "history", "action", "pool", "tool", "command", "rung", "depth"}
    again = build(store, found.run)
    assert again.hash == found.hash


def test_a_file_that_cannot_be_written_is_named(store, run, tmp_path):
    with pytest.raises(HarnessError, match="cannot write"):
        write(build(store, run()), tmp_path / "nowhere" / "pairs.jsonl")


def test_pairs_of_the_report_pool_are_refused_for_tuning(store, run):
    name = run(pool="report")
    with pytest.raises(ConfigError, match="12 of 12 pairs of run run1 are of the report pool"):
        build(store, name, purpose="tune")
    assert len(build(store, name, purpose="report").pairs) == 12


def test_a_run_of_the_tune_pool_has_nothing_to_report_on(store, run):
    name = run(pool="tune")
    assert len(build(store, name, purpose="tune").pairs) == 12
    with pytest.raises(ConfigError, match="no pair of the report pool"):
        build(store, name, purpose="report")


def test_content_that_stands_in_both_pools_is_found_and_never_reported_on(store, run):
    held = run(name="held", pool="report")
    assert shared_ids(store) == frozenset()
    make_pairs(store, held, Window())
    known = make_pairs(store, held, Window())[0]
    twin = replace(known, origin=replace(known.origin, pool="tune", session="another"))
    store.begin_run("tuned", "resample", {"config": {}}, now=2.0)
    store.add_pairs("tuned", [(twin.id, None, twin.kind, twin.facts(), twin.body())])
    assert shared_ids(store) == {known.id}
    found = build(store, held, purpose="report")
    assert (len(found.pairs), found.shared, found.left_out) == (11, 1, {"also in the tune pool": 1})
    # the other way it is no leak: what was tuned on may be tuned on again
    assert shared_ids(store, ("stripped",)) == {
        replace(p, origin=replace(p.origin, variant="stripped")).id for p in [known]
    }


def test_variants_are_made_of_the_same_pairs_and_say_what_was_left_out(store, run):
    name = run(lambda n, text: f"Exit code 0\n{text}" if n % 2 else "short")
    bare = build(store, name, variants=("stripped",))
    assert bare.counts == {"call, headline, different": 6, "call, headline, identical": 6}
    even = build(store, name, variants=("matched",))
    assert (len(even.pairs), even.left_out) == (6, {"lengths do not match": 6})
    assert len({build(store, name).hash, bare.hash, even.hash}) == 3
    assert len(make_pairs(store, name, Window())) == 12


def test_calls_are_placed_in_their_rollout_and_counted_from_the_first_lasting_difference(store, run):
    def simulate(n, text):
        return text if n % 3 == 0 else f"simulated {n}"

    free = build(store, run(simulate, calls=3, sessions=1, taken_in=False))
    places = sorted((p.origin.depth, p.origin.length, p.origin.since) for p in free.pairs)
    assert places == [(0, 3, None), (1, 3, None), (2, 3, 0)]


def test_with_the_record_taken_in_nothing_diverges(store, run):
    forced = build(store, run(sessions=1))
    assert {p.origin.since for p in forced.pairs} == {None}
    assert {p.origin.command for p in forced.pairs} == {"run"}

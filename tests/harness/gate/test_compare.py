"""A baseline's text, and the three outcomes on calls whose truth is known."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from harness.errors import ConfigError
from harness.gate.baseline import Baseline, Call, Place, dump, load
from harness.gate.compare import compare
from harness.gate.judge import in_cassette, word_of
from toolsim.modeltypes import ModelRequest


def baseline(grades: dict[str, list[str]], **facts: object) -> Baseline:
    """A baseline with a lineage a name; every grade is one call."""
    places = {
        f"{name}/0.0": Place(name, tuple(Call("view", f"{n:06x}", ((g, ""),)) for n, g in enumerate(row)))
        for name, row in grades.items()
    }
    known = {
        "pool": "tune",
        "settings": {"rungs": ["computed"]},
        "models": {"simulator": "m"},
        "prompts": {"call": "1"},
    }
    return Baseline(**{**known, **facts}, places=places)


def drawn(right: float, *, lineages: int = 40, calls: int = 8, seed: int = 1) -> dict[str, list[str]]:
    rng = random.Random(seed)
    return {f"s{i}": ["R" if rng.random() < right else "W" for _ in range(calls)] for i in range(lineages)}


def test_a_baseline_is_text_and_back():
    made = baseline({"a": ["R", "N", "U"], "b": ["W", "F"]}, judge={"model": "j", "prompt": "p", "requests": "r"})
    text = dump(made)
    assert load(text) == made
    assert text == dump(load(text))
    assert made.counts() == {"view": {"right": 1, "near": 1, "wrong": 1, "unanswered": 1, "failed": 1}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.replace("version: 1", "version: 9"), "version 1"),
        (lambda t: t.replace("000001=N", "0000ff=N"), "changed by hand"),
        (lambda t: t.replace("000001=N", "000001=Q"), "is no call"),
        (lambda t: "- just a list\n", "no baseline"),
        (lambda t: "{", "no YAML"),
    ],
)
def test_what_is_no_baseline_is_said(change, said):
    text = dump(baseline({"a": ["R", "N", "U"]}))
    with pytest.raises(ConfigError, match=said):
        load(change(text))


def test_an_unchanged_simulator_is_no_worse():
    made = baseline(drawn(0.8))
    verdict = compare(made, made)
    assert (verdict.outcome, verdict.exit_code, verdict.needs) == ("no worse", 0, None)


def test_a_clear_loss_is_a_regression_and_names_its_class():
    old, new = baseline(drawn(0.9)), baseline(drawn(0.6, seed=2), prompts={"call": "2"})
    verdict = compare(old, new)
    assert (verdict.outcome, verdict.exit_code) == ("regression", 3)
    assert verdict.classes[0].kind == "view"
    assert verdict.classes[0].p < 0.001
    assert "prompt call (1 to 2)" in verdict.reason


def test_too_few_calls_are_undecided_and_say_how_many_would_do():
    old, new = baseline(drawn(0.8, lineages=6)), baseline(drawn(0.75, lineages=6, seed=5))
    verdict = compare(old, new, 0.02)
    assert (verdict.outcome, verdict.exit_code) == ("undecided", 4)
    assert verdict.needs > 6


def test_a_gain_is_no_worse():
    assert compare(baseline(drawn(0.6)), baseline(drawn(0.9, seed=2))).outcome == "no worse"


def test_calls_without_a_score_cannot_hide_a_loss():
    rows = drawn(1.0)
    lost = {name: ["F" if n < 2 else g for n, g in enumerate(row)] for name, row in rows.items()}
    verdict = compare(baseline(rows), baseline(lost))
    assert verdict.outcome == "undecided"
    assert len(verdict.missing) == 80
    gone = {name: row for name, row in rows.items() if name != "s0"}
    assert len(compare(baseline(rows), baseline(gone)).missing) == 8


def test_false_alarms_are_at_most_one_in_twenty():
    old = baseline(drawn(0.8, lineages=30))
    outcomes = [compare(old, baseline(drawn(0.8, lineages=30, seed=100 + n))).outcome for n in range(200)]
    assert outcomes.count("regression") <= 10


def test_a_judges_recordings_stand_only_while_it_is_asked_the_same():
    old = {"model": "j", "prompt": "p", "requests": "r"}
    assert word_of(old, old).startswith("unchanged")
    assert word_of(old, replace_in(old, prompt="q")) == "to be re-recorded: the judge's prompt changed"
    assert "the judge is k instead of j" in word_of(old, replace_in(old, model="k"))


def replace_in(facts: dict[str, str], **changed: str) -> dict[str, str]:
    return {**facts, **changed}


def test_a_cassette_is_compared_by_the_messages_of_its_bodies():
    requests = [ModelRequest(({"role": "user", "content": text},)) for text in ("one", "two")]
    body = '{"model": "m", "messages": [{"role": "user", "content": "one"}]}'
    tape = f"interactions:\n- request:\n    body: '{body}'\n    method: POST\n"
    assert in_cassette(tape, requests) == (1, 2)
    with pytest.raises(ConfigError, match="cannot be read"):
        in_cassette("version: 1\n", requests)


def test_an_undecided_realism_keeps_a_good_fidelity_from_passing():
    rows = drawn(1.0, lineages=12, calls=2)
    old, new = baseline(rows, realism={"pairs": 24}), baseline(rows, realism={"pairs": 24})

    def said(made: Baseline, word: str, seed: int) -> Baseline:
        rng = random.Random(seed)
        places = {
            name: Place(p.lineage, tuple(replace(c, answers=(("R", rng.choice(word)),)) for c in p.calls))
            for name, p in made.places.items()
        }
        return replace(made, places=places)

    assert compare(said(old, "wl", 1), said(new, "wl", 2)).outcome == "undecided"
    assert compare(said(old, "w", 1), said(new, "l", 2)).outcome == "regression"

"""A measurement in words: nothing that must be read beside a win rate is left out."""

from __future__ import annotations

import json

import pytest

from harness.cli.realism import kappa_text, print_panel
from harness.discriminator.judges import panel
from harness.discriminator.measure import Measure, discriminate
from harness.report.page import render_page
from tests.harness.discriminator.runs import always_a, judge, maker, perfect

MEASURE = Measure(fakes=8, repeats=3)


@pytest.fixture
async def three(store, recorded):
    """The panel of three known judges, one of them of the simulator's family."""
    name = maker(store, recorded)(lambda n, text: text if n % 4 == 0 else f"simulated {n}\n{text}")
    judges = []
    for who, choose in (("sees", perfect), ("guesses", always_a), ("sees too", perfect)):
        model = judge(choose, name=who, family="kin" if who == "guesses" else "other")
        judges.append(
            await discriminate(store, name, model, MEASURE, lambda done, planned: None, simulator_family="kin")
        )
    return panel(store, name, judges)


def test_each_judge_has_its_rate_power_and_doubts_and_all_stand_side_by_side(three, capsys):
    print_panel(three)
    out = capsys.readouterr().out
    for said in (
        "judge: guesses, of the simulator's own model family",
        "the same by the judge's probabilities:",
        "asked again, the same answer: 100.0 %",
        "lowest win rate that this judge could have shown",
        "judge too weak to tell",
        "only 4 clusters",
        "by class    run",
        "by calls    rollouts of 0-10 calls, nothing diverged before",
        "agreement of sees, sees too: ",
        "agreement of sees, guesses, sees too: kappa",
        "where all judges answered, guesses: 50.0 %",
        "after Holm",
        "metadata alone" if three.judges[0].controls.trained else "a trained discriminator needs",
    ):
        assert said in out, said
    assert out.count("pipeline null") == 1


async def test_the_page_shows_judges_side_by_side_and_the_new_tables(three, store):
    config = {"forcing": "teacher", "candidate": "recorded", "simulator": "none", "rungs": ["computed"],
              "affordances": []}  # fmt: skip
    store.db.execute("update runs set manifest=json_set(manifest, '$.config', json(?))", [json.dumps(config)])
    page = render_page(store, "run1", three.judges[0], three)
    for said in ("Judges side by side", "<td>sees, guesses, sees too</td>", "By class of the call", "metadata alone",
                 "By calls since divergence", "only 4 clusters", "Asked again", "p, Holm"):  # fmt: skip
        assert said in page, said


def test_what_has_no_kappa_says_why():
    assert kappa_text(None) == "no pair with a verdict of each"

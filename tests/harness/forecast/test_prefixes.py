"""Which of two models is picked by own and by public prefixes, and how the kinds are scored by later traffic."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from harness.cli import main
from harness.errors import ConfigError
from harness.forecast.prefixes import compare_prefixes
from harness.graded import GradedSet, GradedTurn, dump_graded

NAMES = ("a", "b", "c")


def graded(name, counts, of=200, names=NAMES, last=False):
    """A set in which `counts` of `of` turns show each category, a turn a lineage: the first or the `last`."""
    turns = [
        GradedTurn(
            f"{name}-{n}",
            f"{name}-{n}",
            {c: 2 for c, k in zip(names, counts, strict=True) if (of - 1 - n if last else n) < k},
        )
        for n in range(of)
    ]
    return GradedSet({}, tuple(names), tuple(turns))


def both(name, first, second, of=200):
    return graded(name, first, of), graded(name, second, of, last=True)


OWN = both("own", (20, 10, 8), (10, 20, 8))
PUBLIC = both("public", (6, 40, 8), (8, 80, 8))
TRAFFIC = both("traffic", (100, 50, 40), (50, 100, 44), of=1000)


def test_each_kind_picks_the_model_with_the_lower_rate_and_says_how_sure_it_is():
    found = compare_prefixes({"own": OWN, "public": PUBLIC}, None)
    own, public = found.sources
    assert [pick.chosen for pick in own.picks] == [1, 0, None]
    assert [pick.chosen for pick in public.picks] == [0, 0, None]
    assert own.picks[0].first == pytest.approx(20.5 / 201)
    assert own.picks[0].ratio.value == pytest.approx(np.log(10.5 / 20.5))
    assert own.picks[0].ratio.low < own.picks[0].ratio.value < own.picks[0].ratio.high
    assert own.picks[0].sure > 0.9
    assert public.picks[1].sure > own.picks[1].sure
    assert own.picks[2].sure == pytest.approx(0.5, abs=0.05)
    assert (found.traffic, found.scores, found.nearer) == (None, (), ())


def test_kinds_are_scored_on_what_the_traffic_tells_apart():
    found = compare_prefixes({"own": OWN, "public": PUBLIC}, TRAFFIC)
    assert found.apart == 2
    own, public = found.scores
    assert (own.picked.hits, own.picked.of) == (2, 2)
    assert (public.picked.hits, public.picked.of) == (1, 2)
    assert (public.picked_sure.hits, public.picked_sure.of) == (1, 1)
    assert own.median < 1.1 < public.median
    assert own.within.hits == 6
    assert public.within.hits < 6
    (duel,) = found.nearer
    assert (duel.first, duel.second, duel.wins, duel.losses, duel.ties) == ("own", "public", 4, 0, 2)


def test_a_tie_is_half_right_and_a_higher_mover_leaves_less_to_tell():
    tie = both("own", (10, 10, 8), (10, 20, 8))
    found = compare_prefixes({"own": tie}, TRAFFIC)
    assert found.scores[0].picked.hits == 1.5
    assert compare_prefixes({"own": OWN}, TRAFFIC, mover=3).scores[0].picked.of == 0


def test_lineages_that_repeat_themselves_make_a_pick_less_sure():
    def clumped(count):
        turns = [GradedTurn(f"p{n}", f"l{n // 10}", {"a": 2} if n < count else {}) for n in range(200)]
        return GradedSet({}, ("a",), tuple(turns))

    loose = compare_prefixes({"own": (graded("o", (20,), names=("a",)), graded("o", (10,), names=("a",)))}, None)
    tight = compare_prefixes({"own": (clumped(20), clumped(10))}, None)
    wide = [f.sources[0].picks[0].ratio for f in (loose, tight)]
    assert wide[1].high - wide[1].low > wide[0].high - wide[0].low


def test_what_cannot_be_compared_is_one_sentence():
    failed = GradedSet({}, NAMES, (GradedTurn("p", "l", failed="no verdict"),))
    with pytest.raises(ConfigError, match="own: a model has no graded turn"):
        compare_prefixes({"own": (OWN[0], failed)}, None)
    with pytest.raises(ConfigError, match="no category was looked for in all"):
        compare_prefixes({"own": OWN}, (graded("t", (1,), names=("z",)),) * 2)
    with pytest.raises(ConfigError, match="nothing to compare"):
        compare_prefixes({}, TRAFFIC)


def test_the_command_prints_picks_and_scores(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, pair in (("own", OWN), ("public", PUBLIC), ("traffic", TRAFFIC)):
        for side, graded_turns in zip("ab", pair, strict=True):
            (tmp_path / f"{name}-{side}.jsonl").write_text(dump_graded(graded_turns))
    asked = ["--own", "own-a.jsonl", "own-b.jsonl", "--public", "public-a.jsonl", "public-b.jsonl"]
    later = ["--on", "traffic-a.jsonl", "traffic-b.jsonl"]
    monkeypatch.setattr(sys, "argv", ["deploysim", "forecast", "pick", *asked, *later])
    main()
    text = capsys.readouterr().out
    assert "2 of 3 categories differ by x1.5 or more in traffic" in text
    assert "own nearer than public in 4, farther in 0, alike in 2" in text
    monkeypatch.setattr(sys, "argv", ["deploysim", "forecast", "pick", *asked, *later, "--json"])
    main()
    found = json.loads(capsys.readouterr().out)
    assert [s["source"] for s in found["scores"]] == ["own", "public"]
    assert found["sources"][0]["picks"][0]["chosen"] == 1

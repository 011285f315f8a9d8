"""Several judges, judges asked again, variants, and win rates by group: known judges give known figures."""

from __future__ import annotations

import pytest

from harness.discriminator.grouping import grouped, since_divergence
from harness.discriminator.judges import panel
from harness.discriminator.measure import Measure, discriminate, make_pairs, realism_of
from harness.discriminator.pairs import Origin, Pair
from harness.discriminator.score import Verdict
from harness.discriminator.serialise import Window
from harness.discriminator.trained import classify
from harness.errors import ConfigError
from harness.pipeline import judge_run
from harness.verdicts import add_grading, gradings, repeats
from tests.harness.discriminator.runs import SIDES, always_a, judge, output, perfect, says
from toolsim.errors import EndpointError, Refused
from toolsim.modeltypes import Budget
from toolsim.scripted import ScriptedModel


async def measured(store, name, model, measure=Measure(fakes=0), **more):  # noqa: B008  a frozen value
    return await discriminate(store, name, model, measure, lambda done, planned: None, **more)


# --- side by side --------------------------------------------------------------------------------------------------


async def test_judges_that_see_the_same_agree_and_one_that_guesses_by_place_does_not(store, run):
    # half of the pairs are easy for two judges; the third only knows the place
    name = run(lambda n, text: f"simulated {n}" if n % 2 else f"recorded output {n} x")

    def reader(first, second):
        return perfect(first, second) if "simulated" in first + second else ("A" if first.endswith("x") else "B")

    judges = [
        await measured(store, name, judge(reader, name="one")),
        await measured(store, name, judge(reader, name="two")),
        await measured(store, name, judge(always_a, name="three")),
    ]
    found = panel(store, name, judges)
    pairs = {b.judges: b.agreement for b in found.agreement}
    assert pairs["one", "two"].kappa == 1.0
    assert pairs["one", "three"].kappa == pytest.approx(0.0)
    assert pairs["one", "two", "three"].method.startswith("Fleiss")
    assert [c.win_rate.value for c in found.common] == [0.5, 0.5, 0.5]
    assert found.common[0].difference is None
    assert found.common[1].difference.value == 0.0


async def test_a_pair_that_one_judge_drops_is_left_out_where_judges_are_compared(store, run):
    name = run()

    def moody(first, second):
        return Refused("no") if output(0) in first + second else perfect(first, second)

    judges = [
        await measured(store, name, judge(perfect, name="a")),
        await measured(store, name, judge(moody, name="b")),
    ]
    found = panel(store, name, judges)
    assert [j.headline.dropped for j in found.judges] == [0, 1]
    assert [c.win_rate.n for c in found.common] == [11, 11]
    assert found.agreement[0].agreement.n == 11


async def test_two_judges_of_one_name_are_refused(store, run, monkeypatch):
    models = iter([judge(always_a, name="m"), judge(always_a, name="m")])
    monkeypatch.setattr("harness.pipeline.open_model", lambda spec, **_: next(models))
    with pytest.raises(ConfigError, match="two judges are called m"):
        await judge_run(store, run(), ["m@http://a/v1", "m@http://b/v1"], Measure(fakes=0), budget=Budget(),
                        notice=lambda done, planned: None)  # fmt: skip


# --- probabilities -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("probability", "expected"), [(0.5, 0.5), (0.9, 0.1), (1.0, 0.0)])
async def test_the_win_rate_by_probability_is_the_mean_chance_given_to_the_simulated_side(
    store, run, probability, expected
):
    sure = ScriptedModel(lambda r: says(perfect(*SIDES.search(r.messages[0]["content"]).groups()), probability))
    realism = await measured(store, run(), sure)
    assert realism.headline.estimate.value == 0.0
    assert realism.headline.averaged.value == pytest.approx(expected)


async def test_a_flip_counts_by_how_sure_each_order_was(store, run):
    # A is named in both orders, with 0.9 where the recorded side is there and 0.6 where the simulated one is
    def answer(request):
        first, _ = SIDES.search(request.messages[0]["content"]).groups()
        return says("A", 0.9 if first.startswith("recorded output") else 0.6)

    realism = await measured(store, run(), ScriptedModel(answer))
    assert realism.headline.estimate.value == 0.5
    assert realism.headline.averaged.value == pytest.approx((0.1 + 0.6) / 2)


# --- asked again ---------------------------------------------------------------------------------------------------


async def test_a_judge_that_is_asked_again_with_another_seed_and_answers_alike_has_full_agreement(store, run):
    name = run()
    model = judge(perfect)
    realism = await measured(store, name, model, Measure(fakes=0, repeats=5))
    assert (realism.retest.same.value, realism.retest.same.n, realism.retest.dropped) == (1.0, 10, 0)
    assert len(model.requests) == 24 + 10
    assert len({r.seed for r in model.requests}) == 34
    assert (realism.headline.estimate.n, realism.headline.estimate.value) == (12, 0.0)


async def test_a_judge_that_forgets_is_found_out(store, run):
    seen = set()

    def fickle(first, second):
        again = (first, second) in seen
        seen.add((first, second))
        return "B" if again else "A"

    realism = await measured(store, run(), judge(fickle), Measure(fakes=0, repeats=12))
    assert realism.retest.same.value == 0.0
    assert realism.retest.kappa.kappa == pytest.approx(-1.0)


async def test_a_second_asking_that_fails_is_dropped_and_asked_for_again(store, run):
    name = run()
    calls = []

    def breaks(first, second):
        calls.append(1)
        return EndpointError("gone") if len(calls) > 24 and len(calls) <= 28 else perfect(first, second)

    model = judge(breaks)
    realism = await measured(store, name, model, Measure(fakes=0, repeats=4, concurrency=1))
    assert (realism.retest.same.n, realism.retest.dropped) == (4, 4)
    realism = await measured(store, name, model, Measure(fakes=0, repeats=4))
    assert (realism.retest.same.n, realism.retest.dropped) == (8, 0)
    assert len(calls) == 24 + 8 + 4


# --- variants ------------------------------------------------------------------------------------------------------


async def test_a_variant_is_judged_apart_from_the_pairs_as_they_are(store, run):
    name = run(lambda n, text: f"Exit code 0\n{text}x")

    def by_code(first, second):
        return "B" if first.startswith("Exit code") else "A"

    plain = await measured(store, name, judge(by_code), Measure(fakes=4))
    assert plain.headline.estimate.value == 0.0
    model = judge(by_code)
    bare = await measured(store, name, model, Measure(fakes=4, variant="stripped"))
    assert bare.headline.estimate.value == 0.5
    assert not any("Exit code" in r.messages[0]["content"].split("<A>")[1] for r in model.requests)
    assert bare.power[0].n == plain.power[0].n == 4
    assert realism_of(store, name, "judge").headline == plain.headline
    assert realism_of(store, name, "judge", variant="stripped").headline == bare.headline


async def test_at_matched_lengths_the_fakes_are_of_like_length_too(store, run):
    name = run(lambda n, text: text.replace("def", "DEF") if n % 2 else "short")
    model = judge(perfect)
    realism = await measured(store, name, model, Measure(fakes=6, variant="matched", window=Window(result=9000)))
    assert realism.headline.estimate.n == 6
    assert realism.power[0].n > 0
    for request in model.requests:
        one, other = map(len, SIDES.search(request.messages[0]["content"]).groups())
        assert min(one, other) >= 0.8 * max(one, other) or abs(one - other) <= 8


# --- by group ------------------------------------------------------------------------------------------------------


def pair(n, tool="Bash", lineage=None, **origin):
    where = Origin("s", lineage or f"l{n}", None, "claude-code", "tune", tool=tool, **origin)
    return Pair("call", where, "", f"call {n}", f"recorded {n}", f"simulated {n}")


def test_a_group_that_is_told_apart_is_found_among_many_that_are_not():
    pairs = [pair(n, tool="Read" if n % 4 == 0 else f"T{n % 4}") for n in range(120)]
    wins = {p.id: Verdict(p, 0.0 if p.origin.tool == "Read" else float(n % 8 > 3)) for n, p in enumerate(pairs)}
    tables = grouped(pairs, wins)
    cells = {cell.label: cell for cell in tables["tool"]}
    assert cells["Read"].holm < 0.001
    assert all(cells[f"T{n}"].holm > 0.5 for n in (1, 2, 3))
    assert all(cell.holm >= cell.p for cell in tables["tool"])
    assert [cell.holm for cell in tables["pool"]] == [None]


def test_holms_family_is_every_cell_of_every_table():
    pairs = [pair(n, tool=f"T{n % 2}", rung=("computed", "simulated")[n // 20]) for n in range(40)]
    wins = {p.id: Verdict(p, float(p.origin.tool == "T0")) for p in pairs}
    tables = grouped(pairs, wins)
    smallest = min(cell.p for name in ("tool", "rung") for cell in tables[name])
    assert min(cell.holm for cell in tables["tool"]) == pytest.approx(4 * smallest)


def test_a_cell_of_few_lineages_says_so():
    tables = grouped([pair(n, lineage=f"l{n % 3}") for n in range(30)], {})
    assert tables["tool"][0].estimate is None
    pairs = [pair(n, lineage=f"l{n % 3}") for n in range(30)]
    tables = grouped(pairs, {p.id: Verdict(p, float(n % 2)) for n, p in enumerate(pairs)})
    assert "only 3 clusters" in tables["class"][0].estimate.warning


@pytest.mark.parametrize(
    ("length", "since", "label"),
    [
        (10, None, "rollouts of 0-10 calls, nothing diverged before"),
        (11, 0, "rollouts of 11-30 calls, 0 since"),
        (30, 1, "rollouts of 11-30 calls, 1-4 since"),
        (31, 16, "rollouts of 31 or more calls, 5-16 since"),
        (99, 17, "rollouts of 31 or more calls, 17 or more since"),
    ],
)
def test_calls_since_divergence_are_counted_within_rollouts_of_like_length(length, since, label):
    assert since_divergence(pair(0, depth=3, length=length, since=since).origin) == label


# --- the metadata baseline -----------------------------------------------------------------------------------------


def test_what_both_sides_share_tells_nothing_even_where_the_texts_tell_everything():
    pairs = [pair(n, tool=f"T{n % 5}", lineage=f"l{n % 20}", command=f"c{n % 3}", depth=n % 40) for n in range(200)]
    found = classify(pairs, view="metadata", permutations=199)
    assert found.paired_auc < 0.6  # without a signal held-out shares lie a little under one half
    assert found.p_value > 0.05
    assert classify(pairs, view="ngrams", permutations=199).paired_auc == 1.0


# --- purge ---------------------------------------------------------------------------------------------------------


async def test_what_a_judge_said_a_second_time_goes_with_the_session(store, run):
    name = run()
    await measured(store, name, judge(perfect), Measure(fakes=2, repeats=12, variant="stripped"))
    for made in make_pairs(store, name, Window()):
        add_grading(store, name, made.id, "judge", "format", "valid", {"grade": 5})
    before = len(repeats(store, name))
    removed = store.purge("s0")
    assert removed["repeats"] == before - len(repeats(store, name)) == before / 4
    assert removed["gradings"] == 3
    assert len(gradings(store, name)) == 9

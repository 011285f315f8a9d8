"""A measurement from a run in a store: what is asked, what is kept, and the figures of judges that are known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.discriminator.fakes import FAKES
from harness.discriminator.measure import Measure, discriminate, draw, make_pairs, realism_of
from harness.discriminator.pairs import Origin, Pair
from harness.discriminator.serialise import Window
from harness.ledger import ModelStep, write_step
from harness.rows import RolloutRow
from tests.harness.discriminator.runs import always_a, judge, output, perfect
from toolsim.errors import EndpointError, Refused
from toolsim.modeltypes import Budget
from toolsim.trajectory import Message

MEASURE = Measure(pairs=100, fakes=0)


async def measured(store, name, model, measure=MEASURE, **more):
    return await discriminate(store, name, model, measure, lambda done, planned: None, **more)


# --- judges that are known -----------------------------------------------------------------------------------------


async def test_a_judge_that_always_says_a_gives_one_half_and_nothing_but_flips(store, run):
    realism = await measured(store, run(), judge(always_a))
    assert realism.headline.estimate.value == 0.5
    assert (realism.headline.flips, realism.headline.dropped) == (12, 0)


async def test_a_perfect_judge_gives_no_wins_and_full_power(store, run):
    knows = {output(n) for n in range(12)}
    sees = judge(lambda first, second: "A" if first in knows else "B")
    realism = await measured(store, run(), sees, Measure(fakes=10, window=Window(result=5000)))
    assert (realism.headline.estimate.value, realism.headline.flips) == (0.0, 0)
    assert (realism.power[0].label, realism.power[0].caught, realism.power[0].n) == ("all fakes", 10, 10)
    assert realism.power[0].lower == pytest.approx(0.05 ** (1 / 10))
    assert realism.power[0].fake_win_rate == 0.0


async def test_a_judge_that_cannot_see_the_planted_faults_shows_it_in_the_win_rate_of_the_fakes(store, run):
    # it knows a simulated text by its first word, and guesses by length where both look recorded
    def blind(first, second):
        starts = [t.startswith("recorded output") for t in (first, second)]
        return "AB"[starts.index(True)] if starts.count(True) == 1 else "A"

    realism = await measured(store, run(), judge(blind), Measure(fakes=12, window=Window(result=5000)))
    assert realism.headline.estimate.value == 0.0
    total = realism.power[0]
    grades = [p for p in realism.power if p.label.startswith("grade")]
    assert sum(p.n for p in grades) == total.n
    assert grades[0].caught > grades[-1].caught == 0
    seen = {p.label for p in realism.power[1:] if p.caught and p not in grades}
    assert seen <= {fake.name for fake in FAKES if fake.subtlety < 3}
    assert 0 < total.fake_win_rate == total.flips / (2 * total.n) < 0.5
    assert total.lower < 0.8


async def test_a_judge_that_takes_every_simulated_text_for_real_gives_one(store, run):
    realism = await measured(store, run(), judge(lambda a, b: "A" if a.startswith("simulated") else "B"))
    assert realism.headline.estimate.value == 1.0
    assert [r.label for r in realism.by_rung] == ["simulated", "computed"]
    assert [(r.estimate.n, r.estimate.clusters) for r in realism.by_rung] == [(8, 4), (4, 4)]
    assert [r.label for r in realism.by_agent] == ["claude-code"]
    assert [r.label for r in realism.by_tool] == ["Bash"]


# --- what is asked -------------------------------------------------------------------------------------------------


async def test_every_pair_is_asked_about_in_both_orders_and_identical_ones_never(store, run):
    model = judge(perfect)
    realism = await measured(store, run(lambda n, text: text if n % 3 == 0 else "simulated"), model)
    assert len(model.requests) == 2 * 8
    assert realism.population == {"call, different": 8, "call, identical": 4}
    assert (realism.headline.identical, realism.headline.estimate.n) == (4, 8)


async def test_no_more_pairs_are_asked_about_than_wanted_spread_over_lineages(store, run):
    model = judge(perfect)
    realism = await measured(store, run(), model, Measure(pairs=4, fakes=0))
    assert len(model.requests) == 8
    assert (realism.headline.estimate.n, realism.headline.estimate.clusters) == (4, 4)
    assert realism.population == {"call, different": 12}


def test_a_draw_does_not_depend_on_the_order_of_the_pairs():
    pairs = [Pair("call", Origin("s", f"l{n % 3}", None, "a", "tune"), "", "", f"r{n}", "s") for n in range(12)]
    assert draw(pairs, 5, seed=1) == draw(pairs[::-1], 5, seed=1) != draw(pairs, 5, seed=2)
    assert draw(pairs, 12, seed=1)[:5] == draw(pairs, 5, seed=1)


async def test_without_a_judge_pairs_are_only_counted(store, run):
    realism = await measured(store, run(), None)
    assert (realism.judge, realism.headline.estimate, realism.power) == (None, None, ())
    assert realism.population == {"call, different": 12}


async def test_a_judge_of_the_simulators_own_family_is_named_as_such(store, run):
    name = run()
    assert (await measured(store, name, judge(perfect), simulator_family="judges")).same_family
    assert not (await measured(store, name, judge(perfect), simulator_family="others")).same_family


# --- answers that are none -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["no JSON", Refused("I may not"), EndpointError("down")])
async def test_a_pair_without_a_valid_answer_is_dropped_and_never_scored(store, run, bad):
    def moody(first, second):
        return bad if "simulated 5\n" in first else perfect(first, second)

    realism = await measured(store, run(), judge(moody))
    assert (realism.headline.estimate.n, realism.headline.estimate.value) == (11, 0.0)
    assert realism.headline.dropped == 1
    assert (realism.headline.if_lost, realism.headline.if_won) == (0.0, pytest.approx(1 / 12))
    assert realism.invalid == {"OutputInvalid" if isinstance(bad, str) else type(bad).__name__: 1}


# --- resuming ------------------------------------------------------------------------------------------------------


async def test_a_measurement_stopped_by_its_budget_goes_on_with_what_is_missing(store, run):
    name = run()
    poor = judge(perfect, budget=Budget(max_calls=7))
    first = await measured(store, name, poor, replace(MEASURE, concurrency=1))
    assert first.budget.startswith("the budget of 7 model calls is used up")
    assert (len(poor.requests), first.headline.estimate.n) == (7, 3)
    rest = judge(perfect)
    second = await measured(store, name, rest)
    assert (len(rest.requests), second.headline.estimate.n, second.budget) == (24 - 7, 12, None)
    idle = judge(perfect)
    assert (await measured(store, name, idle)).headline == second.headline
    assert idle.requests == []


async def test_an_endpoint_that_was_down_is_asked_again_and_a_refusal_is_not(store, run):
    name = run(sessions=1)

    def first_time(first, second):
        if "simulated 1\n" in first + second:
            return Refused("no")
        return EndpointError("down") if "simulated 2\n" in first + second else perfect(first, second)

    before = await measured(store, name, judge(first_time))
    assert before.invalid == {"EndpointError": 2, "Refused": 2}
    again = judge(perfect)
    after = await measured(store, name, again)
    assert len(again.requests) == 2
    assert (after.headline.estimate.n, after.headline.dropped, after.invalid) == (2, 1, {"Refused": 2})


async def test_two_judges_of_one_run_are_kept_apart(store, run):
    name = run()
    await measured(store, name, judge(always_a, name="one"))
    await measured(store, name, judge(perfect, name="two"))
    assert realism_of(store, name, "one").headline.estimate.value == 0.5
    assert realism_of(store, name, "two").headline.estimate.value == 0.0


# --- turns of a candidate of its own -------------------------------------------------------------------------------


async def test_a_candidate_of_its_own_is_judged_by_whole_turns_of_completed_rollouts(store, run):
    name = run(config={"forcing": "none", "candidate": "other@http://h/v1"})
    row = RolloutRow("open", name, "s0", 0, 0, 1, "tune", "s0", None, "claude-code")
    store.add_rollouts([row])
    store.append_steps("open", [write_step(0, ModelStep(Message("assistant", "unfinished", "agent"), "native"))])
    pairs = make_pairs(store, name, Window())
    assert [p.kind for p in pairs] == ["turn"] * 4
    assert not any("unfinished" in p.simulated for p in pairs)
    realism = await measured(store, name, judge(always_a))
    assert realism.cross_model
    assert realism.headline.estimate.n == 4


async def test_recorded_actions_are_never_a_comparison_of_models(store, run):
    assert not (await measured(store, run(), judge(always_a))).cross_model

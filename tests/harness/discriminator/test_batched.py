"""A judge behind the Batch API: the same figures as one request after another, and nothing paid for twice."""

from __future__ import annotations

import json

import pytest

from harness import verdicts
from harness.discriminator.batched import Batched
from harness.discriminator.measure import Measure, discriminate
from tests.batch_server import Api, completion, serve
from tests.harness.discriminator.runs import SIDES, judge, perfect, says
from toolsim.endpoint import ClientSettings, Endpoint
from toolsim.errors import EndpointError, ModelUnavailable
from toolsim.model import OpenAIModel
from toolsim.modeltypes import Budget

MEASURE = Measure(fakes=2)
QUICK = ClientSettings(timeout=5.0, connect_timeout=2.0, retries=0)


class Stop(Exception):
    """The process ends while a batch is waited for."""


async def no_wait(_: float) -> None:
    """Time passes."""


async def stopped(_: float) -> None:
    raise Stop


def sides(body):
    return SIDES.search(body["messages"][0]["content"]).groups()


def knows(body):
    return completion(json.dumps(says(perfect(*sides(body)))))


async def measured(store, name, url, ask=Batched(sleep=no_wait), budget=None, measure=MEASURE):  # noqa: B008
    model = OpenAIModel("judge", Endpoint(url, QUICK), budget=budget)
    try:
        return await discriminate(store, name, model, measure, lambda done, planned: None, asked=ask)
    finally:
        await model.close()


async def test_a_batch_gives_the_figures_that_single_requests_give(store, run):
    api = Api(knows, looks=3)
    name = run()
    with serve(api) as url:
        batched = await measured(store, name, url)
    single = await discriminate(store, name, judge(perfect, name="single"), MEASURE, lambda done, planned: None)
    assert batched.headline == single.headline
    assert batched.power == single.power
    assert len(api.batches) == 1
    assert {r["facts"]["tokens"] for r in store.judgements(name) if r["judge"] == "judge"} == {15}


async def test_a_stopped_measurement_goes_on_with_the_batch_that_is_under_way(store, run):
    api = Api(knows, looks=2)
    name = run()
    with serve(api) as url:
        with pytest.raises(Stop):
            await measured(store, name, url, Batched(sleep=stopped))
        assert store.judgements(name) == ()
        (waiting,) = verdicts.open_batches(store, name, "judge", url)
        assert len(waiting["facts"]["questions"]) == 28
        found = await measured(store, name, url)
    assert (len(api.batches), found.headline.estimate.n) == (1, 12)
    assert verdicts.open_batches(store, name, "judge", url) == ()


async def test_what_a_batch_did_not_answer_is_dropped_and_asked_again_next_time(store, run):
    late = True

    def answer(body):
        return None if late and "simulated 3" in sides(body)[0] + sides(body)[1] else knows(body)

    api = Api(answer, status="expired")
    name = run()
    with serve(api) as url:
        found = await measured(store, name, url)
        assert (found.headline.dropped, found.headline.estimate.n) == (1, 11)
        assert found.invalid == {"EndpointError": 2}
        late = False
        found = await measured(store, name, url)
    assert (found.headline.dropped, found.headline.estimate.n, found.invalid) == (0, 12, {})
    sent = [len(api.files[b["input_file_id"]].splitlines()) for b in api.batches.values()]
    assert sent == [28, 2]


async def test_an_answer_that_does_not_fit_and_a_refusal_are_dropped_for_good(store, run):
    def answer(body):
        text = sides(body)[0] + sides(body)[1]
        if "simulated 4" in text:
            return completion('{"real": "neither"}')
        return completion("", finish_reason="content_filter") if "simulated 5" in text else knows(body)

    api = Api(answer)
    name = run()
    with serve(api) as url:
        found = await measured(store, name, url)
        assert found.invalid == {"OutputInvalid": 2, "Refused": 2}
        assert found.headline.dropped == 2
        await measured(store, name, url)
    assert len(api.batches) == 1


async def test_a_batch_that_fails_as_a_whole_is_one_sentence_and_scores_nothing(store, run):
    api = Api(knows, invalid=[{"line": 1, "message": "no such model"}])
    name = run()
    with serve(api) as url:
        with pytest.raises(EndpointError, match="took none of batch batch_0: line 1: no such model"):
            await measured(store, name, url)
        assert store.judgements(name) == ()
        api.invalid = None
        assert (await measured(store, name, url)).headline.estimate.n == 12
    assert len(api.batches) == 2


async def test_a_budget_keeps_questions_back_and_the_rest_is_judged(store, run):
    api = Api(knows)
    name = run()
    with serve(api) as url:
        found = await measured(store, name, url, budget=Budget(max_calls=8))
    assert "8 model calls" in found.budget
    assert len(store.judgements(name)) == 8


async def test_a_judge_on_this_machine_and_an_endpoint_without_the_route_say_so(store, run):
    name = run()
    with pytest.raises(ModelUnavailable, match="single runs on this machine and has no Batch API"):
        await discriminate(store, name, judge(perfect, name="single"), MEASURE, lambda *_: None, asked=Batched())
    with serve(Api(knows, route=False)) as url, pytest.raises(ModelUnavailable, match="has no Batch API"):
        await measured(store, name, url)

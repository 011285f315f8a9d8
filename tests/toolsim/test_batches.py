"""The Batch API against a server that behaves as documented."""

from __future__ import annotations

import json

import pytest

from tests.batch_server import Api, completion, serve
from toolsim import batches
from toolsim.endpoint import ClientSettings, Endpoint
from toolsim.errors import EndpointError, ModelUnavailable, Refused

BODIES = {f"q{n}": {"model": "m", "messages": [{"role": "user", "content": f"é {n}"}]} for n in range(3)}
QUICK = ClientSettings(timeout=5.0, connect_timeout=2.0, retries=0)


async def played(api, bodies=BODIES):
    """Start a batch, look until it ends, and read its results."""
    with serve(api) as url:
        endpoint = Endpoint(url, QUICK)
        try:
            (lines,) = batches.packed("/chat/completions", bodies)
            state = await batches.start(endpoint, "/chat/completions", lines.values())
            while not state.ended:
                state = await batches.look(endpoint, state.id)
            return state, await batches.results(endpoint, state)
        finally:
            await endpoint.close()


async def test_every_request_gets_its_own_answer_whatever_the_order_of_the_file():
    state, found = await played(Api(lambda body: completion(body["messages"][0]["content"]), looks=3))
    assert (state.status, state.done, state.total) == ("completed", 3, 3)
    texts = {name: json.loads(body)["choices"][0]["message"]["content"] for name, body in found.items()}
    assert texts == {"q0": "é 0", "q1": "é 1", "q2": "é 2"}


async def test_a_failed_request_is_an_error_with_its_reason_and_the_others_stand():
    def answer(body):
        number = body["messages"][0]["content"][-1]
        if number == "0":
            return 429, {"code": "rate_limit_exceeded", "message": "too fast"}
        return (400, {"code": "content_filter", "message": "not this"}) if number == "1" else completion("x")

    _, found = await played(Api(answer))
    assert isinstance(found["q0"], EndpointError)
    assert str(found["q0"]) == "the batch failed this request (429 rate_limit_exceeded): too fast"
    assert found["q0"].status == 429
    assert isinstance(found["q1"], Refused)
    assert isinstance(found["q2"], bytes)


async def test_what_expired_is_an_error_and_what_was_done_by_then_is_kept():
    api = Api(lambda body: None if body["messages"][0]["content"].endswith("2") else completion("x"), status="expired")
    state, found = await played(api)
    assert state.status == "expired"
    assert {name for name, answer in found.items() if isinstance(answer, bytes)} == {"q0", "q1"}
    assert "batch_expired" in str(found["q2"])


async def test_a_batch_that_fails_as_a_whole_says_why():
    state, found = await played(Api(lambda _: None, invalid=[{"line": 2, "message": "no such model", "code": "x"}]))
    assert (state.status, state.errors, found) == ("failed", ("line 2: no such model",), {})


async def test_an_endpoint_without_the_route_is_one_plain_sentence():
    with pytest.raises(ModelUnavailable, match=r"http://127\.0\.0\.1:\d+/v1 has no Batch API: leave --batch away"):
        await played(Api(lambda _: None, route=False))


async def test_a_result_file_that_is_none_is_named():
    api = Api(lambda _: completion("x"))
    with serve(api) as url:
        endpoint = Endpoint(url, QUICK)
        api.files["file-9"] = b'{"custom_id": "q0", "response": null}\nnot json\n'
        state = batches.Batch("b", "completed", "file-9", None, 1, 1, ())
        with pytest.raises(EndpointError, match="line 2 of file-9 of the batch is no result: 'not json'"):
            await batches.results(endpoint, state)
        await endpoint.close()


def test_requests_are_packed_into_as_few_files_as_the_limits_allow(monkeypatch):
    monkeypatch.setattr(batches, "MOST_LINES", 2)
    assert [list(lines) for lines in batches.packed("/chat/completions", BODIES)] == [["q0", "q1"], ["q2"]]
    monkeypatch.setattr(batches, "MOST_BYTES", 10)
    assert [list(lines) for lines in batches.packed("/chat/completions", BODIES)] == [["q0"], ["q1"], ["q2"]]
    (line,) = next(batches.packed("/responses", {"a": {"x": 1}})).values()
    assert json.loads(line) == {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": {"x": 1}}
    assert line.endswith(b"\n")

"""A request's body as bytes, the same JSON whichever encoder could write it; and one client for all requests."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.programs import benchmark
from toolsim.endpoint import ClientSettings, Endpoint, encoded


@pytest.mark.parametrize(
    "value",
    ["plain", "ü 漢 😀", "\udcff half of a pair", "\0\n\"\\", 1.5, -0.0, 10**40, True, None, [{"a": [1, {}]}]],
)  # fmt: skip
def test_a_body_is_read_back_as_it_was(value):
    body = {"messages": [{"role": "user", "content": value}], "seed": 7}
    sent = encoded(body)
    assert json.loads(sent) == body
    sent.decode("utf-8")


async def test_many_first_requests_at_once_share_one_client():
    made = []

    class Counting(Endpoint):
        def _connect(self):
            made.append(1)
            return super()._connect()

    with benchmark("fake_endpoint").running() as url:
        endpoint = Counting(url, ClientSettings())
        asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        answers = await asyncio.gather(*(endpoint.post("/chat/completions", asked) for _ in range(12)))
        await endpoint.close()
    assert len(set(answers)) == len(made) == 1

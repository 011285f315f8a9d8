"""The embedded server: shared, stopped, and its failures in one sentence."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from toolsim.embedded import Server, ServerSettings
from toolsim.errors import EndpointError, ModelUnavailable
from toolsim.model import open_model
from toolsim.modeltypes import ModelRequest
from toolsim.weights import WEIGHTS, cached

ASK = ({"role": "user", "content": "Say hello in one word."},)


async def test_missing_weights_are_named_with_what_to_do(tmp_path):
    with pytest.raises(ModelUnavailable, match="missing: run `deploysim models pull`"):
        await Server(ServerSettings(tmp_path / "none.gguf", "m")).start()


async def test_a_file_that_is_no_model_is_named(tmp_path):
    pytest.importorskip("xllamacpp")
    (tmp_path / "bad.gguf").write_bytes(b"not a model")
    with pytest.raises(ModelUnavailable, match=r"bad\.gguf could not be served") as caught:
        await Server(ServerSettings(tmp_path / "bad.gguf", "m")).start()
    assert "\n" not in str(caught.value)


def test_a_window_that_the_weights_cannot_read_is_refused():
    with pytest.raises(ModelUnavailable, match="local-small reads at most 32768 tokens"):
        open_model("local-small", context=65_536)


@pytest.mark.live
async def test_two_openings_share_one_server_that_stops_with_the_last():
    if cached(WEIGHTS["local-small"]) is None:
        pytest.skip("the small weights are not in the cache: deploysim models pull local-small")
    one, other = (open_model("local-small", context=2_048, slots=1) for _ in range(2))
    ticks = []

    async def tick():
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    started = await asyncio.gather(one.started(), other.started())
    ticking.cancel()
    assert max(b - a for a, b in itertools.pairwise(ticks)) < 1.0
    assert started[0].endpoint.name == started[1].endpoint.name
    reply = await one.complete(ModelRequest(ASK, max_tokens=10, temperature=0.0, seed=1))
    assert reply.text
    assert await one.count_tokens(ASK) == reply.usage.prompt_tokens
    await one.close()
    again = await other.complete(ModelRequest(ASK, max_tokens=10, temperature=0.0, seed=1))
    assert again.text == reply.text
    assert again.usage.cached_tokens > 0
    endpoint = started[1].endpoint
    await other.close()
    with pytest.raises(EndpointError, match="cannot reach"):
        await endpoint.get("/models")
    await endpoint.close()

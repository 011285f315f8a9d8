"""A look-up as a small model really made it, replayed from a cassette that matches on the body: a changed prompt fails.

Recorded by hand with the small embedded weights: `DEPLOYSIM_RECORD=1 pytest tests/toolsim/test_lookup_replayed.py`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import vcr

from toolsim.model import open_model
from toolsim.modeltypes import Model
from toolsim.simulator import SimulatorSettings

CASSETTE = Path(__file__).parent / "cassettes" / "lookup.yaml"
RECORD = bool(os.environ.get("DEPLOYSIM_RECORD"))
FILES = {
    "greet.py": 'import sys\n\nprint(f"Hello, {sys.argv[1]}!")\n',
    "README.md": "# greet\n\nRun `python greet.py NAME`.\n",
}


@asynccontextmanager
async def small_model() -> AsyncIterator[Model]:
    """The embedded weights behind their own server while recording, else nobody behind the same path."""
    if not RECORD:
        model = open_model("qwen2.5-coder-0.5b@http://127.0.0.1:9/v1", context=8_192)
        assert model is not None
        yield model
        await model.close()
        return
    from toolsim.embedded import Server, ServerSettings
    from toolsim.weights import WEIGHTS, pull

    server = Server(ServerSettings(pull(WEIGHTS["local-small"]), "qwen2.5-coder-0.5b", 8_192, 1))
    model = open_model(f"qwen2.5-coder-0.5b@{await server.start()}", context=8_192)
    assert model is not None
    yield model
    await model.close()
    server.close()


async def test_a_small_model_looks_things_up_and_answers(bench):
    settings = SimulatorSettings(rungs=frozenset({"simulated"}), seed=7, lookup=True, lookup_steps=1)
    async with small_model() as model:
        made = bench(FILES, "mini-swe-agent", settings=settings, model=model)
        with vcr.use_cassette(
            str(CASSETTE),
            record_mode="all" if RECORD else "none",
            match_on=["method", "path", "body"],
            filter_headers=["authorization", "user-agent"],
        ) as cassette:
            answer = await made.respond("bash", command="python greet.py Ada")
            assert RECORD or cassette.all_played
    record = answer.evidence["written"][0]
    assert record["lookup"]["steps"]
    assert answer.model_calls == len(record["lookup"]["steps"]) + (2 if record["lookup"]["ended"] == "answered" else 1)
    assert answer.result.content.startswith("<returncode>")

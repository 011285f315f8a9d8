"""What several test modules share: recorded HTTP exchanges (`cassette`).

A cassette is matched on method, path and body and never records by itself: a request that it does not hold fails,
and so does an exchange that the test did not use, or a cassette that is missing. To record anew, with the embedded
0.5B model answering:

    DEPLOYSIM_RECORD=1 pytest tests/toolsim/test_model_cassettes.py

Recorded requests name a fixed host instead of the embedded server's port, and hold no authorization header.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import vcr
from vcr.request import Request

from toolsim.model import ClientSettings, Endpoint, OpenAIModel
from toolsim.modeltypes import Budget
from toolsim.pricing import KnownModel

CASSETTES = Path(__file__).parent / "cassettes"
HOST = "model.invalid"
SMALL = "qwen2.5-coder-0.5b-instruct"
_MATCH = ("method", "path", "query", "body")


@dataclass(frozen=True, slots=True)
class Tape:
    """An open cassette: `spec` is what a command line would name (`NAME@BASE_URL`)."""

    name: str
    base_url: str

    @property
    def spec(self) -> str:
        return f"{self.name}@{self.base_url}"

    def model(self, *, api: str = "chat", budget: Budget | None = None, context: int | None = 4_096) -> OpenAIModel:
        """The recorded model; the caller closes it."""
        endpoint = Endpoint(self.base_url, ClientSettings(timeout=600, retries=0))
        return OpenAIModel(self.name, endpoint, api=api, budget=budget, known=KnownModel(0, 0, 0), context=context)


Cassette = Callable[[str], AbstractContextManager[Tape]]


@pytest.fixture
def cassette() -> Cassette:
    """`with cassette("name") as tape:` plays `tests/cassettes/name.yaml`."""
    return _record if os.environ.get("DEPLOYSIM_RECORD") else _replay


@contextmanager
def _replay(name: str) -> Iterator[Tape]:
    path = CASSETTES / f"{name}.yaml"
    if not path.is_file():
        pytest.fail(f"the cassette {path.name} is missing: record it (see tests/conftest.py)")
    with _recorder("none").use_cassette(str(path)) as tape:
        yield Tape(SMALL, f"http://{HOST}/v1")
    if not tape.all_played:
        pytest.fail(f"{path.name}: {len(tape) - tape.play_count} recorded exchanges were not asked for")


@contextmanager
def _record(name: str) -> Iterator[Tape]:
    from toolsim.embedded import Server, ServerSettings
    from toolsim.weights import WEIGHTS, pull

    path = CASSETTES / f"{name}.yaml"
    path.unlink(missing_ok=True)
    server = Server(ServerSettings(pull(WEIGHTS["local-small"]), SMALL, 4_096, 1))
    try:
        with _recorder("all", server.launch()).use_cassette(str(path)):
            yield Tape(SMALL, server.launch())
    finally:
        server.close()


def _recorder(mode: str, real: str | None = None) -> vcr.VCR:
    def named(request: Request) -> Request:
        parts = urlsplit(request.uri)
        if real is not None and parts.netloc == urlsplit(real).netloc:
            request.uri = urlunsplit(parts._replace(netloc=HOST))
        request.headers = {}
        return request

    def bare(response: dict[str, Any]) -> dict[str, Any]:
        return {**response, "headers": {"Content-Type": ["application/json"]}}

    return vcr.VCR(
        record_mode=mode,
        match_on=_MATCH,
        before_record_request=named,
        before_record_response=bare,
        decode_compressed_response=True,
    )

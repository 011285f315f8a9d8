"""The cache of answers: what is asked once, what is never kept, and that no fault of an endpoint becomes an answer."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace

import pytest

from tests.programs import benchmark
from toolsim.endpoint import ClientSettings, Endpoint
from toolsim.errors import EndpointError, ModelError, OutputInvalid, ReplyCacheError
from toolsim.model import OpenAIModel
from toolsim.modeltypes import Budget, ModelReply, ModelRequest, Usage
from toolsim.overhearing import overhear
from toolsim.replycache import CachedModel, ReplyCache
from toolsim.scripted import ScriptedModel
from toolsim.trajectory import ToolCall, ToolDefinition

SCHEMA = {
    "type": "object", "properties": {"s": {"type": "string"}}, "required": ["s"], "additionalProperties": False,
}  # fmt: skip
ASK = ModelRequest(({"role": "user", "content": "hi"},), seed=1, session="s1")


@pytest.fixture
def opened(tmp_path):
    """Makes a model with a script behind the same file."""
    models = []

    def make(replies, where="here chat", name="scripted", **more):
        models.append(CachedModel(ScriptedModel(replies, name=name, **more), where, ReplyCache(tmp_path / "c.db")))
        return models[-1]

    yield make
    for model in models:
        asyncio.run(model.close())


async def test_an_identical_request_is_asked_once_and_its_answer_says_that_it_is_cached(opened):
    budget = Budget()
    call = ToolCall("c1", "ls", {"path": "ü"}, raw=None)
    first = await opened([ModelReply("a", (call,), finish="tool_calls")], budget=budget).complete(ASK)
    second = await opened([], budget=budget).complete(replace(ASK, session="other", role="judge"))
    assert (second.text, second.calls, second.finish) == (first.text, first.calls, first.finish)
    assert (first.cached, second.cached) == (False, True)
    assert (second.usage, second.cost, second.calls_made) == (Usage(), 0.0, 0)
    assert budget.calls == 1


async def test_a_parsed_answer_comes_back_parsed_and_both_are_overheard(opened):
    ask, told = replace(ASK, schema=SCHEMA), []
    with overhear(lambda _, reply: told.append((reply.text, reply.cached))):
        first = await opened([{"s": "x"}]).complete(ask)
        second = await opened([]).complete(ask)
    assert first.parsed == second.parsed == {"s": "x"}
    assert [cached for _, cached in told] == [False, True]
    assert told[0][0] == told[1][0]


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 2}, {"temperature": 0.5}, {"max_tokens": 7}, {"stop": ("x",)}, {"schema": SCHEMA},
        {"messages": ({"role": "user", "content": "ho"},)}, {"tools": (ToolDefinition("ls", "", {}),)},
    ],
)  # fmt: skip
async def test_whatever_is_sent_differently_is_asked_anew(opened, other):
    await opened(["one"]).complete(ASK)
    model = opened([{"s": "two"}])
    assert not (await model.complete(replace(ASK, **other))).cached


async def test_another_endpoint_or_model_is_asked_anew(opened):
    await opened(["one"]).complete(ASK)
    assert (await opened(["two"], where="there chat").complete(ASK)).text == "two"
    assert (await opened(["three"], name="other").complete(ASK)).text == "three"


async def test_a_request_without_a_seed_is_always_asked(opened):
    model = opened(["one", "two"])
    asked = [await model.complete(replace(ASK, seed=None)) for _ in range(2)]
    assert [(reply.text, reply.cached) for reply in asked] == [("one", False), ("two", False)]


@pytest.mark.parametrize(
    "line",
    [
        EndpointError("gone"), OutputInvalid("no"), ModelReply(""), ModelReply("cut", finish="length"),
        ModelReply("mended", repairs=1),
    ],
)  # fmt: skip
async def test_what_failed_was_cut_off_empty_or_repaired_is_not_kept(opened, line):
    model = opened([line, "good"])
    if isinstance(line, ModelError):
        with pytest.raises(type(line)):
            await model.complete(ASK)
    else:
        await model.complete(ASK)
    again = await model.complete(ASK)
    assert (again.text, again.cached) == ("good", False)
    assert (await model.complete(ASK)).cached


async def test_no_fault_of_an_endpoint_becomes_a_cached_answer(tmp_path):
    fake = benchmark("fake_endpoint")
    asks = [
        replace(ASK, seed=n, messages=({"role": "user", "content": f"part {n}"},), schema=SCHEMA if n % 2 else None)
        for n in range(120)
    ]
    truth, failed = await _asked(fake, asks, tmp_path / "good.db", faults=0)
    kept, missed = await _asked(fake, asks, tmp_path / "faulty.db", faults=0.6, drip=0.001)
    assert not failed
    assert len(truth) == len(asks)
    assert missed  # else nothing was shown
    assert kept
    assert kept.items() <= truth.items()
    with closing(sqlite3.connect(tmp_path / "faulty.db")) as base:
        assert all(fake.FAULT_MARK.encode() not in row[0] for row in base.execute("select reply from replies"))


async def _asked(fake, asks, path, **options):
    """The texts that are in the cache after all requests, by key, and how many requests failed."""
    failures = 0
    with fake.running(**options) as url:
        model = OpenAIModel("m", Endpoint(url, ClientSettings(timeout=5, retries=0)))
        cached = CachedModel(model, "fake chat", ReplyCache(path))
        for ask in asks:
            try:
                await cached.complete(ask)
            except ModelError:
                failures += 1
        found = {key: reply.text for ask in asks if (reply := ReplyCache(path).get(key := cached.key(ask))) is not None}
        await cached.close()
    return found, failures


async def test_the_file_is_the_owners_alone_and_a_session_can_be_removed(opened, tmp_path):
    await opened(["one"]).complete(ASK)
    assert stat.S_IMODE((tmp_path / "c.db").stat().st_mode) == 0o600
    cache = ReplyCache(tmp_path / "c.db")
    assert (cache.purge("s2"), cache.purge("s1"), cache.purge("s1")) == (0, 1, 0)
    cache.close()
    assert not (await opened(["two"]).complete(ASK)).cached


@pytest.mark.parametrize("content", [b"no database at all, but long enough to look like one" * 40, None])
def test_a_file_that_holds_something_else_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "c.db"
    if content is None:
        with closing(sqlite3.connect(path)) as base:
            base.execute("create table other (a text)")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(ReplyCacheError, match="c\\.db"):
        ReplyCache(path).get("k")
    assert path.read_bytes() == before


async def test_an_answer_that_cannot_be_read_is_an_error_and_no_answer(opened, tmp_path):
    model = opened(["one"])
    await model.complete(ASK)
    with closing(sqlite3.connect(tmp_path / "c.db")) as base, base:
        base.execute("update replies set reply = '{}'")
    with pytest.raises(ReplyCacheError, match="remove the file"):
        await model.complete(ASK)

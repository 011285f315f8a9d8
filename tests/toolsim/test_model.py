"""The client against a server that misbehaves, and what is sent and read in both wire forms."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from toolsim.endpoint import ClientSettings, Endpoint
from toolsim.errors import BudgetExceeded, EndpointError, ModelUnavailable, OutputInvalid, Refused
from toolsim.model import OpenAIModel, family_of, open_model
from toolsim.modeltypes import Budget, ModelRequest
from toolsim.pricing import KnownModel
from toolsim.trajectory import ToolCall, ToolDefinition

ASK = (({"role": "user", "content": "hi"}),)
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
PRICE = KnownModel(input=1.0, cached=0.5, output=2.0)
KEY = "sk-very-secret-123"


@dataclass(frozen=True)
class Answer:
    """One scripted answer. `reset` breaks the connection; `cut` states more bytes than it sends."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False
    cut: bool = False


@dataclass
class Scripted:
    """The running server: what it was asked, and where it is."""

    base_url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    seen_headers: list[dict[str, str]] = field(default_factory=list)


def chat(text: str | None = "ok", *, finish: str = "stop", **message: Any) -> dict[str, Any]:
    """A chat completion."""
    return {
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 40}},
    }


@asynccontextmanager
async def serving(answers: Sequence[Answer | dict[str, Any]]) -> AsyncIterator[Scripted]:
    """Answer with `answers` in order; the last one again and again."""
    state = Scripted()

    async def answer(request: web.Request) -> web.StreamResponse:
        n = min(len(state.requests), len(answers) - 1)
        state.requests.append(await request.json())
        state.seen_headers.append(dict(request.headers))
        scripted = answers[n]
        scripted = scripted if isinstance(scripted, Answer) else Answer(scripted)
        raw = scripted.body if isinstance(scripted.body, str) else json.dumps(scripted.body)
        if scripted.reset:
            assert request.transport is not None
            request.transport.abort()
        if scripted.cut:
            response = web.StreamResponse(headers={"Content-Length": str(len(raw) + 100)})
            await response.prepare(request)
            await response.write(raw.encode())
            assert request.transport is not None
            request.transport.abort()
            return response
        return web.Response(text=raw, status=scripted.status, headers=scripted.headers, content_type="application/json")

    app = web.Application()
    app.router.add_post("/v1/{tail:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    state.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield state
    finally:
        await runner.cleanup()


@asynccontextmanager
async def model_on(*answers, api="chat", name="m", retries=2, largest=8 << 20, **options):
    async with serving(answers) as server:
        endpoint = Endpoint(server.base_url, ClientSettings(timeout=5.0, retries=retries, largest=largest), KEY)
        model = OpenAIModel(name, endpoint, api=api, known=options.pop("known", PRICE), **options)
        try:
            yield model, server
        finally:
            await model.close()


@pytest.mark.parametrize(
    "first",
    [
        Answer({"error": {"message": "slow down"}}, 429, {"Retry-After": "0.01"}),
        Answer({"error": {"message": "oops"}}, 500, {"Retry-After": "0.01"}),
        Answer(reset=True),
        Answer(chat(), cut=True),
    ],
    ids=["429", "500", "reset", "cut off"],
)
async def test_a_passing_failure_is_retried_and_counted(first):
    async with model_on(first, chat("fine")) as (model, server):
        reply = await model.complete(ModelRequest(ASK))
    assert reply.text == "fine"
    assert len(server.requests) == 2
    assert server.requests[0] == server.requests[1]


async def test_retry_after_is_waited_for():
    busy = Answer({"error": {"message": "slow down"}}, 429, {"Retry-After": "0.3"})
    async with model_on(busy, chat()) as (model, _):
        started = time.monotonic()
        reply = await model.complete(ModelRequest(ASK))
    assert time.monotonic() - started >= 0.3
    assert reply.attempts == 2


async def test_a_lasting_failure_ends_after_the_retries():
    down = Answer({"error": {"message": "down"}}, 503, {"Retry-After": "0.01"})
    async with model_on(down, retries=3) as (model, server):
        with pytest.raises(EndpointError, match=r"answered 503 after 4 attempts.*down"):
            await model.complete(ModelRequest(ASK))
        first_contact = len(server.requests)
        with pytest.raises(EndpointError):
            await model.complete(ModelRequest(ASK))
    assert first_contact <= 6
    assert len(server.requests) - first_contact == 4


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer("<html><body>Bad gateway</body></html>"), "no JSON.*Bad gateway"),
        (Answer('{"choices": [{"mess'), "no JSON"),
        (Answer(""), "no JSON: an empty body"),
        (Answer({"choices": []}), "no choices"),
        (Answer({"choices": [], "error": "overloaded"}), "no choices: overloaded"),
        (Answer({"choices": [{"index": 0}]}), r"another form \(choices.0.message"),
        (Answer([1, 2]), "another form"),
    ],
    ids=["html", "truncated", "empty", "no choices", "error inside", "no message", "list"],
)
async def test_a_body_without_an_answer_is_an_endpoint_error(answer, said):
    async with model_on(answer) as (model, server):
        with pytest.raises(EndpointError, match=said) as caught:
            await model.complete(ModelRequest(ASK))
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 3


async def test_a_body_without_an_answer_is_asked_for_again():
    async with model_on(Answer('{"choices": [{"mess'), Answer({"choices": []}), chat("fine")) as (model, _):
        reply = await model.complete(ModelRequest(ASK))
    assert reply.text == "fine"
    assert reply.attempts == 3


@pytest.mark.parametrize(
    "answer",
    [
        chat(None, refusal="I cannot help with that."),
        chat("", finish="content_filter"),
        Answer({"error": {"message": "blocked", "code": "content_filter"}}, 400),
    ],
    ids=["refusal", "filter", "filter as status"],
)
async def test_a_refusal_is_told_apart_from_a_failure(answer):
    budget = Budget()
    async with model_on(answer, budget=budget) as (model, _):
        with pytest.raises(Refused, match="declined"):
            await model.complete(ModelRequest(ASK))
    assert budget.calls == 1


async def test_the_key_is_in_no_error_and_no_repr():
    echo = Answer({"error": {"message": f"Incorrect API key provided: {KEY}"}}, 401)
    async with model_on(echo) as (model, server):
        with pytest.raises(EndpointError, match="check OPENAI_API_KEY") as caught:
            await model.complete(ModelRequest(ASK))
        shown = f"{caught.value!s} {caught.value!r} {model!r} {model.endpoint!r} {caught.value.__cause__!r}"
    assert KEY not in shown
    assert server.seen_headers[0]["Authorization"] == f"Bearer {KEY}"
    assert len(server.requests) == 1


def test_credentials_in_a_base_url_are_turned_away_unshown():
    with pytest.raises(ModelUnavailable, match="OPENAI_API_KEY") as caught:
        open_model("m@http://user:pass@127.0.0.1:9/v1")
    assert "pass" not in str(caught.value)


async def test_a_wrong_endpoint_fails_soon_in_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    model = open_model(f"m@http://127.0.0.1:{port}/v1")
    started = time.monotonic()
    with pytest.raises(EndpointError, match=r"cannot reach http://127\.0\.0\.1") as caught:
        await model.complete(ModelRequest(ASK))
    await model.close()
    assert time.monotonic() - started < 5
    assert "\n" not in str(caught.value)


@asynccontextmanager
async def silence() -> AsyncIterator[str]:
    """The address of a server that takes requests and never answers; it sees the client go before it ends."""
    gone = asyncio.Event()

    async def silent(reader, writer):
        await reader.read()
        writer.close()
        await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    await gone.wait()
    server.close()


async def test_an_endpoint_that_never_answers_times_out():
    async with silence() as address:
        model = OpenAIModel("m", Endpoint(address, ClientSettings(timeout=0.2, retries=0)))
        with pytest.raises(EndpointError, match=r"did not answer within 0.2 s"):
            await model.complete(ModelRequest(ASK))
        await model.close()


@asynccontextmanager
async def dripping(pause):
    """A server that begins its answer at once and then sends a byte at a time: its address, how often it was asked."""
    asked = []

    async def drip(reader, writer):
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            asked.append(asyncio.current_task())
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(1000):
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(pause)
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", asked
    await asyncio.wait(asked)
    server.close()


async def test_an_answer_that_drips_is_given_up_and_asked_for_again():
    async with dripping(0.05) as (address, asked):
        model = OpenAIModel("m", Endpoint(address, ClientSettings(timeout=0.3, retries=1)))
        with pytest.raises(EndpointError, match=r"did not answer within 0.3 s"):
            await model.complete(ModelRequest(ASK))
        await model.close()
        assert len(asked) == 2


async def test_an_answer_without_end_is_a_failure_and_asked_for_once():
    async with model_on(chat("x" * 2_000), largest=1_000) as (model, server):
        with pytest.raises(EndpointError, match="answered more than 1000 bytes"):
            await model.complete(ModelRequest(ASK))
    assert len(server.requests) == 1


async def test_a_call_under_way_is_given_up_when_the_wall_time_of_the_budget_ends():
    async with silence() as address:
        model = OpenAIModel("m", Endpoint(address, ClientSettings(retries=0)), budget=Budget(max_seconds=0.2))
        with pytest.raises(BudgetExceeded, match=r"budget of 0.2 seconds is used up"):
            await model.complete(ModelRequest(ASK))
        await model.close()


async def test_one_repair_round_shows_the_error_and_is_counted():
    async with model_on(chat('{"n": "three"}'), chat('{"n": 3}')) as (model, server):
        reply = await model.complete(ModelRequest(ASK, schema=SCHEMA))
    assert reply.parsed == {"n": 3}
    assert reply.repairs == 1
    assert reply.usage.prompt_tokens == 200
    assert reply.cost == pytest.approx(2 * (60 * 1.0 + 40 * 0.5 + 10 * 2.0) / 1e6)
    *_, said, asked = server.requests[1]["messages"]
    assert said == {"role": "assistant", "content": '{"n": "three"}'}
    assert "'three' is not of type 'integer'" in asked["content"]


@pytest.mark.parametrize("text", ['{"n": "three"}', "no json", '{"n": 3, "m": 4}'])
async def test_output_that_stays_wrong_is_invalid(text):
    async with model_on(chat(text)) as (model, server):
        with pytest.raises(OutputInvalid, match="also when asked again"):
            await model.complete(ModelRequest(ASK, schema=SCHEMA))
    assert len(server.requests) == 2


async def test_schema_output_that_was_cut_off_is_invalid_at_once():
    async with model_on(chat('{"n": 3', finish="length")) as (model, server):
        with pytest.raises(OutputInvalid, match="cut off at max_tokens=5"):
            await model.complete(ModelRequest(ASK, schema=SCHEMA, max_tokens=5))
    assert len(server.requests) == 1


async def test_calls_are_read_and_broken_arguments_kept_verbatim():
    calls = [
        {"id": "call_a", "type": "function", "function": {"name": "Read", "arguments": '{"path": "a.py"}'}},
        {"id": None, "type": "function", "function": {"name": "Bash", "arguments": '{"command": "ls'}},
        {"id": "call_c", "type": "function", "function": {"name": "Bash", "arguments": {"command": "ls"}}},
    ]
    async with model_on(chat(None, finish="tool_calls", tool_calls=calls)) as (model, _):
        reply = await model.complete(ModelRequest(ASK, tools=(ToolDefinition("Read"),)))
    assert reply.calls == (
        ToolCall("call_a", "Read", {"path": "a.py"}),
        ToolCall("call_1", "Bash", raw='{"command": "ls'),
        ToolCall("call_c", "Bash", {"command": "ls"}),
    )
    assert reply.finish == "tool_calls"


async def test_seed_tools_stop_and_limits_are_sent():
    request = ModelRequest(ASK, (ToolDefinition("Ls", "List."),), max_tokens=7, temperature=0.5, seed=3, stop=("\n",))
    async with model_on(chat()) as (model, server):
        await model.complete(request)
    sent = server.requests[0]
    assert (sent["seed"], sent["max_tokens"], sent["temperature"], sent["stop"]) == (3, 7, 0.5, ["\n"])
    assert sent["tools"][0]["function"] == {
        "name": "Ls", "description": "List.", "parameters": {"type": "object", "properties": {}},
    }  # fmt: skip


async def test_reasoning_models_get_what_they_take():
    async with model_on(chat(), name="gpt-5-mini") as (model, server):
        await model.complete(ModelRequest(ASK, max_tokens=7, temperature=0.5, stop=("x",)))
    assert server.requests[0]["max_completion_tokens"] == 7
    assert not {"max_tokens", "temperature", "stop"} & set(server.requests[0])


async def test_responses_calls_and_reasoning_items_go_back_as_they_came():
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "abc"}
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "Ls", "arguments": "{}"}
    usage = {"input_tokens": 9, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 4}}
    first = {"status": "completed", "output": [thought, call], "usage": usage}
    done = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "done"}]}
    async with model_on(first, {"output": [done]}, api="responses", name="gpt-5") as (model, server):
        reply = await model.complete(ModelRequest(ASK, tools=(ToolDefinition("Ls"),), seed=5))
        function = {"name": "Ls", "arguments": "{}"}
        said = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
            "provider_items": list(reply.items),
        }
        result = {"role": "tool", "tool_call_id": "call_1", "content": "a.py"}
        last = await model.complete(ModelRequest((*ASK, said, result)))
    assert reply.calls == (ToolCall("call_1", "Ls", {}),)
    assert (reply.usage.prompt_tokens, reply.usage.cached_tokens) == (9, 4)
    assert server.requests[0]["metadata"] == {"seed": "5"}
    assert server.requests[1]["input"][1:] == [
        thought,
        {"type": "function_call", "call_id": "call_1", "name": "Ls", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "a.py"},
    ]
    assert last.text == "done"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"status": "failed", "error": {"message": "x"}, "output": []}, EndpointError),
        ({"output": []}, EndpointError),
        ({"output": [{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}]}, Refused),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}, "output": []}, Refused),
        ({"output": [{"no": "type"}]}, EndpointError),
    ],
)
async def test_responses_failures_are_told_apart(body, error):
    async with model_on(body, api="responses") as (model, _):
        with pytest.raises(error):
            await model.complete(ModelRequest(ASK))


async def test_provider_items_are_not_sent_in_the_chat_form():
    said = {"role": "assistant", "content": "x", "provider_items": [{"type": "reasoning"}]}
    async with model_on(chat()) as (model, server):
        await model.complete(ModelRequest((*ASK, said)))
    assert server.requests[0]["messages"][1] == {"role": "assistant", "content": "x"}


async def test_the_budget_is_asked_before_and_charged_after_each_call():
    budget = Budget(max_calls=2)
    async with model_on(chat(), budget=budget) as (model, server):
        await model.complete(ModelRequest(ASK))
        await model.complete(ModelRequest(ASK))
        with pytest.raises(BudgetExceeded, match=r"2 model calls is used up \(2\)"):
            await model.complete(ModelRequest(ASK))
    assert len(server.requests) == 2
    assert budget.usage.total == 220
    assert budget.cost == pytest.approx(2 * 100e-6)


@pytest.mark.parametrize(("limits", "unit"), [({"max_tokens": 100}, "tokens"), ({"max_cost": 0.00005}, "USD")])
async def test_token_and_cost_limits_stop_the_next_call(limits, unit):
    async with model_on(chat(), budget=Budget(**limits)) as (model, _):
        await model.complete(ModelRequest(ASK))
        with pytest.raises(BudgetExceeded, match=unit):
            await model.complete(ModelRequest(ASK))


async def test_a_cost_limit_turns_away_a_model_without_a_price():
    async with model_on(chat(), known=None, budget=Budget(max_cost=1.0)) as (model, server):
        with pytest.raises(BudgetExceeded, match="no price is known for m"):
            await model.complete(ModelRequest(ASK))
    assert not server.requests


async def test_without_a_price_the_cost_is_unknown():
    budget = Budget()
    async with model_on(chat(), known=None, budget=budget) as (model, _):
        reply = await model.complete(ModelRequest(ASK))
    assert reply.cost is None
    assert budget.unpriced_calls == 1


async def test_requests_in_flight_to_one_endpoint_are_limited():
    running, most = 0, 0
    answered = []

    async def slow(reader, writer):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.05)
        body = json.dumps(chat()).encode()
        running -= 1
        answered.append(asyncio.current_task())
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(slow, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    settings = ClientSettings(concurrency=3, retries=0)
    models = [OpenAIModel(name, Endpoint(url, settings)) for name in "ab"]
    await asyncio.gather(*(model.complete(ModelRequest(ASK)) for model in models for _ in range(6)))
    for model in models:
        await model.close()
    await asyncio.wait(answered)
    server.close()
    assert most == 3


async def test_a_long_prompt_costs_little_processor_time():
    messages = tuple({"role": "user", "content": "x" * 2_000} for _ in range(500))
    async with model_on(chat()) as (model, _):
        await model.complete(ModelRequest(ASK))
        started = time.process_time()
        for _ in range(5):
            await model.complete(ModelRequest(messages))
    assert (time.process_time() - started) / 5 < 0.05  # the fake server's reading included


def test_none_is_no_model():
    assert open_model("none") is None


def test_a_hosted_model_without_a_key_says_what_to_set(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelUnavailable, match="gpt-5 needs OPENAI_API_KEY"):
        open_model("gpt-5")


def test_a_name_with_an_endpoint_needs_no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = open_model("claude-3@2024@http://127.0.0.1:9/v1", context=9)
    assert (model.name, model.endpoint.name, model.context) == ("claude-3@2024", "http://127.0.0.1:9/v1", 9)


@pytest.mark.parametrize(
    ("spec", "family"),
    [
        ("local", "qwen2.5"),
        ("local-small", "qwen2.5"),
        ("gpt-5-mini", "gpt-5"),
        ("gpt-4.1", "gpt-4"),
        ("o4-mini", "o4"),
        ("claude-opus-4-5", "claude"),
        ("anthropic/claude-sonnet-4", "claude"),
        ("Qwen/Qwen3-8B@http://h/v1", "qwen3"),
        ("my-own", "my-own"),
    ],
)
def test_models_are_grouped_by_family(spec, family):
    assert family_of(spec) == family

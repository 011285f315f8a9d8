"""The proxy as products use it: OpenAI's client in front, a scripted model behind, calls answered from the world."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import httpx2
import openai
import pytest

pytest.importorskip("starlette")

from harness.live.http import Guard
from harness.live.proxy import Proxy, build
from toolsim.errors import EndpointError
from toolsim.modeltypes import ModelReply, Usage
from toolsim.scripted import ScriptedModel
from toolsim.trajectory import ToolCall

TOKEN = "secret-of-the-test"
READ = {
    "name": "Read",
    "description": "Reads a file.",
    "parameters": {"type": "object", "properties": {"file_path": {"type": "string"}}},
}
CHAT_TOOLS = [{"type": "function", "function": READ}]
TOOLS = [{"type": "function", **READ}, {"type": "custom", "name": "apply_patch"}, {"type": "web_search"}]
SAID = [{"role": "system", "content": "You are the product."}, {"role": "user", "content": "The product's message."}]


@asynccontextmanager
async def product(proxy, token=TOKEN):
    """OpenAI's client at the proxy."""
    app = Guard(build(proxy), TOKEN, frozenset({"127.0.0.1:1"}))
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app))
    async with openai.AsyncOpenAI(
        api_key=token, base_url="http://127.0.0.1:1/v1", http_client=http, max_retries=0
    ) as client:
        yield client


def reading(root, *names):
    """A model that reads files one by one, then says how many lines it saw of the last."""
    script = [ToolCall("", "Read", {"file_path": f"{root}/{name}"}) for name in names]

    def answer(request):
        seen = [m for m in request.messages if m["role"] == "tool"]
        mine = len([m for m in request.messages if m["role"] == "assistant" and m.get("tool_calls")]) - before[0]
        if mine < len(script):
            return script[mine]
        return ModelReply(f"It begins with {seen[-1]['content'][:40]!r}", usage=Usage(10, 2, 5))

    before = [0]
    model = ScriptedModel(answer, name="the-model")
    return model, before


@asynccontextmanager
async def proxied(situation, root, *names, model=None, conversation="product", **settings):
    behind, before = (model, [0]) if model is not None else reading(root, *names)
    async with situation(models=(behind, None), kind="proxy", candidate="the-model", actions="native", **settings) as s:
        if conversation == "recorded":
            before[0] = sum(bool(m.calls) for m in s.scene.view if m.role == "assistant")
        proxy = Proxy(s, conversation, patience=0.05)
        try:
            yield proxy, behind
        finally:
            await proxy.close()


async def whole(asking):
    """An answer, to the end of its stream."""
    answer = await asking
    return [chunk async for chunk in answer] if isinstance(answer, openai.AsyncStream) else answer


async def test_calls_are_answered_from_the_world_and_only_text_comes_back(situation, told, root):
    async with proxied(situation, root, "README.md", "pyproject.toml") as (proxy, model), product(proxy) as client:
        done = await client.chat.completions.create(model="gpt", messages=SAID, tools=CHAT_TOOLS)
        kept = told(proxy.situation.store, proxy.situation.run)
    message = done.choices[0].message
    assert message.tool_calls is None
    assert done.choices[0].finish_reason == "stop"
    assert "It begins with" in message.content
    assert [call.arguments["file_path"] for call in kept.calls()] == [f"{root}/README.md", f"{root}/pyproject.toml"]
    assert {step.rung for step in kept.results()} == {"computed"}
    assert kept.ends == [("completed", None)]
    assert kept.messages()[-1].message.text == message.content
    assert kept.rows[0][0].facts["tools_of_the_recording"] == 1
    assert [m["role"] for m in model.requests[0].messages[:2]] == ["system", "user"]
    assert model.requests[0].messages[0]["content"] == "You are the product."


async def test_streamed_chat_has_the_same_text_and_usage(situation, root):
    async with proxied(situation, root, "README.md") as (proxy, _), product(proxy) as client:
        stream = await client.chat.completions.create(
            model="gpt", messages=SAID, tools=CHAT_TOOLS, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "It begins with" in text
    assert chunks[-1].usage.total_tokens > 0
    assert not any(chunk.choices[0].delta.tool_calls for chunk in chunks if chunk.choices)


async def test_responses_give_a_message_and_no_calls(situation, told, root):
    async with proxied(situation, root, "README.md") as (proxy, model), product(proxy) as client:
        done = await client.responses.create(
            model="gpt", instructions="You are the product.", input=SAID[1:], tools=TOOLS, store=False
        )
        kept = told(proxy.situation.store, proxy.situation.run)
    assert "It begins with" in done.output_text
    assert [item.type for item in done.output] == ["message"]
    assert done.usage.output_tokens > 0
    assert [tool.name for tool in model.requests[0].tools] == ["Read", "apply_patch"]
    assert kept.rows[0][0].facts["hosted_left_out"] == ["web_search"]


async def test_streamed_responses_are_read_by_the_clients_own_accumulator(situation, root):
    async with (
        proxied(situation, root, "README.md") as (proxy, _),
        product(proxy) as client,
        client.responses.stream(model="gpt", input="The product's message.", tools=TOOLS[:1]) as stream,
    ):
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "It begins with" in final.output_text


async def test_the_recorded_conversation_takes_the_place_of_the_products(situation, root):
    made = proxied(situation, root, "README.md", conversation="recorded")
    async with made as (proxy, model), product(proxy) as client:
        await client.chat.completions.create(model="gpt", messages=SAID, tools=CHAT_TOOLS)
        asked = proxy.situation.scene.view[-1].text
    sent = model.requests[0].messages
    assert sent[0] == SAID[0]
    assert asked in sent[-1]["content"]
    assert not any("The product's message." in str(message.get("content")) for message in sent)


async def test_a_request_without_tools_is_passed_on_and_is_no_part_of_the_rollout(situation, told, root):
    model = ScriptedModel(["A title"], name="the-model")
    async with proxied(situation, root, model=model) as (proxy, _), product(proxy) as client:
        done = await client.chat.completions.create(model="small", messages=SAID)
        assert done.choices[0].message.content == "A title"
        assert proxy.passed_on == 1
        assert told(proxy.situation.store, proxy.situation.run).rows == ()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failed_simulation_is_an_error_and_never_text(situation, told, root, stream):
    model = ScriptedModel([ToolCall("", "Bash", {"command": "pytest -q"})] * 2, name="the-model")
    async with proxied(situation, root, model=model) as (proxy, _), product(proxy) as client:
        with pytest.raises(openai.APIError) as failed:
            await whole(client.chat.completions.create(model="m", messages=SAID, tools=CHAT_TOOLS, stream=stream))
        kept = told(proxy.situation.store, proxy.situation.run)
    assert "simulated" in str(failed.value)
    assert failed.value.code == "simulated"
    assert kept.ends == [("failed", "simulated")]
    assert kept.results() == []


async def test_a_failed_turn_is_a_failed_response_in_the_stream(situation, root):
    model = ScriptedModel([EndpointError("it answered 500")], name="the-model")
    async with proxied(situation, root, model=model) as (proxy, _), product(proxy) as client:
        stream = await client.responses.create(model="m", input="x", tools=TOOLS[:1], stream=True)
        events = [event async for event in stream]
    assert events[-1].type == "response.failed"
    assert "it answered 500" in events[-1].response.error.message


async def test_a_product_that_tries_again_gets_the_same_turn(situation, told, root):
    async with proxied(situation, root, "README.md") as (proxy, model), product(proxy) as client:
        ask = {"model": "gpt", "messages": SAID, "tools": CHAT_TOOLS}
        one, other = await asyncio.gather(*(client.chat.completions.create(**ask) for _ in range(2)))
        assert one.choices == other.choices
        assert len(told(proxy.situation.store, proxy.situation.run).rows) == 1
        assert len(model.requests) == 2
        with pytest.raises(openai.BadRequestError, match="another request has taken the turn"):
            await client.chat.completions.create(**{**ask, "messages": [*SAID, {"role": "user", "content": "more"}]})


async def test_a_limit_ends_the_turn_and_says_so(situation, told, root):
    async with proxied(situation, root, "README.md", "README.md", max_steps=1) as (proxy, _), product(proxy) as client:
        done = await client.chat.completions.create(model="gpt", messages=SAID, tools=CHAT_TOOLS)
        assert told(proxy.situation.store, proxy.situation.run).reason() == "limit: steps"
    assert done.choices[0].finish_reason == "length"


async def test_a_product_that_ran_a_tool_itself_is_refused(situation, told, root):
    call = {"id": "c1", "type": "function", "function": {"name": "Read", "arguments": "{}"}}
    ran = [
        *SAID,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "the real machine"},
    ]
    async with proxied(situation, root) as (proxy, model), product(proxy) as client:
        with pytest.raises(openai.BadRequestError, match="on the real machine"):
            await client.chat.completions.create(model="gpt", messages=ran, tools=CHAT_TOOLS)
        items = [*SAID[1:], {"type": "function_call_output", "call_id": "c1", "output": "x"}]
        with pytest.raises(openai.BadRequestError, match="on the real machine"):
            await client.responses.create(model="gpt", input=items, tools=TOOLS)
        assert told(proxy.situation.store, proxy.situation.run).rows == ()
    assert model.requests == []


class Slow(ScriptedModel):
    """A model that never answers."""

    def __init__(self):
        super().__init__([], name="the-model")
        self.asked = asyncio.Event()

    async def complete(self, request):
        self.asked.set()
        await asyncio.sleep(60)


async def test_a_product_that_goes_away_leaves_a_failed_rollout(situation, told, root):
    model = Slow()
    async with proxied(situation, root, model=model) as (proxy, _), product(proxy) as client:
        asking = asyncio.create_task(client.chat.completions.create(model="m", messages=SAID, tools=CHAT_TOOLS))
        await model.asked.wait()
        working = [task for task in asyncio.all_tasks() if "answer" in repr(task.get_coro())]
        for task in [asking, *working]:
            task.cancel()
        await asyncio.wait({proxy.turn.task}, timeout=5)
        kept = told(proxy.situation.store, proxy.situation.run)
    assert kept.ends == [("failed", "client")]
    assert "went away" in kept.reason()


async def test_a_stopped_proxy_leaves_a_failed_rollout(situation, told, root):
    model = Slow()
    async with proxied(situation, root, model=model) as (proxy, _), product(proxy) as client:
        asking = asyncio.create_task(client.chat.completions.create(model="m", messages=SAID, tools=CHAT_TOOLS))
        await model.asked.wait()
        await proxy.close()
        with pytest.raises(openai.UnprocessableEntityError, match="the server was stopped"):
            await asking
        assert told(proxy.situation.store, proxy.situation.run).ends == [("failed", "client")]


async def test_a_wrong_key_sees_nothing(situation, root):
    async with proxied(situation, root) as (proxy, _), product(proxy, token="wrong") as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()
    assert proxy.turn is None


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b"\xff", b'{"model": 1}', b"[" * 100_000,
        b'{"model": "m", "messages": []}',
        b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "n": 2}',
        b'{"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}',
        b'{"model": "m", "messages": [{"role": "root", "content": "x"}]}',
    ],
)  # fmt: skip
async def test_malformed_requests_are_refused_in_the_form_of_the_api(situation, root, body):
    async with proxied(situation, root) as (proxy, _):
        app = Guard(build(proxy), TOKEN, frozenset({"127.0.0.1:1"}))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), headers=headers) as http:
            answer = await http.post("http://127.0.0.1:1/v1/chat/completions", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_a_packed_body_is_refused(situation, root):
    async with proxied(situation, root) as (proxy, _):
        app = Guard(build(proxy), TOKEN, frozenset({"127.0.0.1:1"}))
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Encoding": "zstd"}
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), headers=headers) as http:
            answer = await http.post("http://127.0.0.1:1/v1/responses", content=b"x")
    assert answer.status_code == 415


async def test_what_the_responses_form_cannot_pass_on_is_refused(situation, root):
    async with proxied(situation, root) as (proxy, _), product(proxy) as client:
        with pytest.raises(openai.BadRequestError, match="not stored"):
            await client.responses.create(model="m", input="x", previous_response_id="resp_1")
        with pytest.raises(openai.BadRequestError, match="not passed on"):
            await client.responses.create(model="m", input=[{"type": "item_reference", "id": "x"}])

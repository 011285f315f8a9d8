"""The client against recorded answers of a real server (the embedded 0.5B model)."""

from __future__ import annotations

import pytest
from vcr.errors import CannotOverwriteExistingCassetteException

from toolsim.modeltypes import Budget, ModelRequest
from toolsim.trajectory import ToolDefinition

BASH = ToolDefinition(
    "Bash", "Run a command.", {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
)
RESULT = {
    "type": "object",
    "properties": {"stdout": {"type": "string"}, "exit_code": {"type": "integer"}},
    "required": ["stdout", "exit_code"],
    "additionalProperties": False,
}
ASK = ({"role": "user", "content": "Say hello in one word."},)


async def test_a_chat_reply_has_text_usage_and_cost(cassette):
    budget = Budget(max_calls=5)
    with cassette("chat_text") as tape:
        model = tape.model(budget=budget)
        reply = await model.complete(ModelRequest(ASK, max_tokens=20, temperature=0.0, seed=1))
        await model.close()
    assert reply.text
    assert reply.finish == "stop"
    assert reply.usage.prompt_tokens > 0 < reply.usage.completion_tokens
    assert reply.cost == 0.0
    assert budget.calls == 1
    assert budget.usage == reply.usage


async def test_the_same_prompt_again_is_read_from_the_cache(cassette):
    messages = ({"role": "system", "content": "You list files. " * 20}, *ASK)
    with cassette("chat_cached") as tape:
        model = tape.model()
        first = await model.complete(ModelRequest(messages, max_tokens=4, temperature=0.0, seed=1))
        second = await model.complete(ModelRequest(messages, max_tokens=4, temperature=0.0, seed=2))
        await model.close()
    assert first.usage.cached_tokens < second.usage.cached_tokens
    assert second.usage.cached_tokens == second.usage.prompt_tokens - 1


async def test_a_schema_reply_is_parsed(cassette):
    messages = ({"role": "user", "content": "What does `echo hi` print? Give stdout and exit_code as JSON."},)
    with cassette("chat_schema") as tape:
        model = tape.model()
        reply = await model.complete(ModelRequest(messages, schema=RESULT, max_tokens=80, temperature=0.0, seed=1))
        await model.close()
    assert set(reply.parsed) == {"stdout", "exit_code"}
    assert reply.repairs == 0


async def test_the_responses_api_answers_a_conversation_with_calls(cassette):
    call = {"id": "call_1", "type": "function", "function": {"name": "Bash", "arguments": '{"command": "ls"}'}}
    messages = (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Which files are here?"},
        {"role": "assistant", "content": "I look.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "setup.py"},
    )
    with cassette("responses_text") as tape:
        model = tape.model(api="responses")
        reply = await model.complete(ModelRequest(messages, tools=(BASH,), max_tokens=30, temperature=0.0, seed=1))
        await model.close()
    assert "setup.py" in reply.text
    assert reply.usage.completion_tokens > 0


async def test_an_endpoint_is_asked_for_an_unknown_window(cassette):
    with cassette("window") as tape:
        model = tape.model(context=None)
        await model.count_tokens(ASK)
        await model.close()
    assert model.context == 4_096


async def test_a_changed_prompt_is_not_answered_from_the_cassette(cassette):
    with cassette("chat_text") as tape:
        model = tape.model()
        with pytest.raises(CannotOverwriteExistingCassetteException, match="differ in body"):
            await model.complete(ModelRequest(({"role": "user", "content": "Say bye."},), max_tokens=20, seed=1))
        await model.complete(ModelRequest(ASK, max_tokens=20, temperature=0.0, seed=1))
        await model.close()

"""Spans of model calls and tools: their names and counts, their nesting, failures, and nothing of what was said."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from toolsim import telemetry
from toolsim.endpoint import ClientSettings, Endpoint
from toolsim.errors import EndpointError, SimulationFailed
from toolsim.model import OpenAIModel
from toolsim.modeltypes import ModelRequest
from toolsim.trajectory import ToolCall

KEY = "sk-canary-4711"
SECRET = "the secret words"


@pytest.fixture
def spans(tmp_path):
    """Makes spans; a call gives those that have ended."""
    path = tmp_path / "spans.jsonl"
    telemetry.configure(f"file:{path}")

    def ended():
        telemetry.stop()
        text = path.read_text()
        assert KEY not in text
        assert SECRET not in text
        return [json.loads(line) for line in text.splitlines()]

    yield ended
    telemetry.stop()


async def ask(status=200):
    body = {
        "model": "m-1",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": SECRET}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 40}},
    }  # fmt: skip
    app = web.Application()

    async def answer(_):
        return web.json_response(body if status == 200 else {"error": {"message": SECRET}}, status=status)

    app.router.add_post("/v1/{tail:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"
    model = OpenAIModel("m", Endpoint(url, ClientSettings(retries=0), api_key=KEY))
    try:
        return await model.complete(ModelRequest(({"role": "user", "content": SECRET},), max_tokens=7, role="judge"))
    finally:
        await model.close()
        await runner.cleanup()


async def test_a_model_call_is_a_client_span_with_its_counts(spans):
    await ask()
    (found,) = spans()
    assert (found["name"], found["kind"]) == ("chat m", "SpanKind.CLIENT")
    said = found["attributes"]
    assert said["gen_ai.operation.name"] == "chat"
    assert (said["gen_ai.usage.input_tokens"], said["gen_ai.usage.output_tokens"]) == (100, 10)
    assert said["gen_ai.usage.cache_read.input_tokens"] == 40
    assert (said["gen_ai.request.max_tokens"], said["deploysim.role"]) == (7, "judge")
    assert "gen_ai.request.temperature" not in said


async def test_a_failed_model_call_is_an_error_without_its_text(spans):
    with pytest.raises(EndpointError):
        await ask(status=400)
    (found,) = spans()
    assert found["status"]["status_code"] == "ERROR"
    assert found["attributes"]["error.type"] == "EndpointError"
    assert found["events"] == []


async def test_a_tool_span_says_which_rung_answered_and_holds_the_spans_of_its_work(spans, bench):
    made = bench({"a.py": "x = 1\n"})
    with telemetry.span("outer", {}):
        await made.respond("Read", file_path="/repo/a.py")
        with pytest.raises(SimulationFailed):
            await made.respond("Nothing", x=SECRET)
    read, failed, outer = spans()
    assert read["name"] == "execute_tool Read"
    assert read["attributes"]["deploysim.rung"] == "computed"
    assert read["parent_id"] == outer["context"]["span_id"]
    assert failed["attributes"]["error.type"] == "simulated"


async def test_nothing_is_made_unless_asked_for():
    telemetry.configure("")
    with telemetry.span("x", {}) as tell:
        tell({"a": 1})


@pytest.mark.parametrize(("target", "why"), [
    ("somewhere", "otlp, console or file:PATH"), ("file:", "otlp, console"), ("file:/nowhere/at/all", "cannot write"),
])  # fmt: skip
def test_a_target_that_cannot_be_is_said(target, why):
    with pytest.raises(telemetry.TelemetryUnavailable, match=why):
        telemetry.configure(target)


def test_the_command_line_makes_spans_where_the_variable_asks(monkeypatch, tmp_path):
    monkeypatch.setenv(telemetry.VARIABLE, f"file:{tmp_path / 's'}")
    telemetry.configure()
    with telemetry.span("x", {"call": ToolCall("a", "b", {}).name}):
        pass
    telemetry.stop()
    assert json.loads((tmp_path / "s").read_text())["attributes"] == {"call": "b"}
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600

"""`deploysim proxy` as a process between OpenAI's client and an endpoint over real connections."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager

import openai
import pytest

pytest.importorskip("starlette")

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from harness.live.http import Served
from harness.store import Store

PROGRAM = ("-c", "from harness.cli import main; main()")
WAIT = 60.0
TOOLS = [{"type": "function", "name": "Read", "parameters": {"type": "object", "properties": {}}}]


@asynccontextmanager
async def endpoint(root):
    """A chat endpoint whose model reads a file and then says what it read; with the keys it was sent."""
    keys = []

    async def chat(request):
        keys.append(request.headers["authorization"])
        asked = await request.json()
        seen = [m["content"] for m in asked["messages"] if m["role"] == "tool"]
        call = {"id": "c", "type": "function", "function": {"name": "Read", "arguments": f'{{"file_path": "{root}"}}'}}
        message = {"role": "assistant", "content": f"I read: {seen[-1][:60]}"} if seen else {"tool_calls": [call]}
        return JSONResponse({"choices": [{"message": message, "finish_reason": "stop"}]})

    with socket.create_server(("127.0.0.1", 0)) as taken:
        app = Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
        server = Served(uvicorn.Config(app, log_level="warning", lifespan="off"))
        running = asyncio.create_task(server.serve(sockets=[taken]))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1", keys
        server.should_exit = True
        await running


async def test_a_turn_over_real_connections_is_kept_and_told(folder, session, told, root):
    async with endpoint(f"{root}/README.md") as (url, keys):
        process = await asyncio.create_subprocess_exec(
            sys.executable, *PROGRAM, "proxy", session[:8], "--store", str(folder / "deploysim.db"), "--candidate",
            f"the-model@{url}", "--simulator", "none", "--shell", "none", "--conversation", "product", "--json",
            stdout=-1, stderr=-1, env={**os.environ, "OPENAI_API_KEY": "key-of-the-model"},
        )  # fmt: skip
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), WAIT))
        async with openai.AsyncOpenAI(api_key=ready["token"], base_url=ready["address"], max_retries=0) as client:
            stream = await client.responses.create(model="gpt", input="What is here?", tools=TOOLS, stream=True)
            events = [event async for event in stream]
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), WAIT)
    assert events[-1].type == "response.completed"
    assert "tablewright" in events[-1].response.output_text
    assert process.returncode == 0
    assert json.loads(out)["rollout"]["status"] == "completed"
    assert set(keys) == {"Bearer key-of-the-model"}
    assert b"key-of-the-model" not in out + err
    with Store(folder / "deploysim.db") as store:
        kept = told(store, store.run()["id"])
        assert b"key-of-the-model" not in json.dumps(store.runs()).encode()
    assert kept.ends == [("completed", None)]
    assert [step.rung for step in kept.results()] == ["computed"]

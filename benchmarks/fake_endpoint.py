"""An OpenAI-compatible endpoint without a model, in a process of its own, for benchmarks and tests.

Run as a program it prints its base URL and serves until it is ended. Every answer is a function of the request body,
so a run against it is deterministic whatever the order of the requests: a request with a schema gets a value that
fits; one with tools gets a call of a command until `--steps` agent messages stand after the last user message, then
a final answer. `GET /v1/stats` counts, by model too, and says the processor time; `--keep FILE` keeps each body as a
line. With `--faults P` a share of the requests gets a fault instead; text that a faulty answer carries holds
`FAULT_MARK`, so that it can be looked for wherever answers are kept.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

FAULT_MARK = "planted-fault-7c1d"
FAULTS = (
    "429", "429-after", "500", "reset", "drip", "truncated", "wrong-schema", "empty-choices", "refusal", "huge",
    "nan-logprobs", "echo",
)  # fmt: skip
COMMAND = "./check.sh --part {part} --key {key}"
_COMMANDS = ("command", "cmd", "script")


def fitting(schema: dict[str, Any], seed: int) -> Any:
    """A small value that fits a JSON schema of the kinds that closed answer forms use."""
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return fitting(schema[key][0], seed)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: fitting(part, seed) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return []
    if kind == "boolean":
        return False
    if kind in {"integer", "number"}:
        return schema.get("minimum", 0)
    return f"answer {seed:08x}" if kind == "string" else None


def answer(body: dict[str, Any], digest: int, steps: int, command: str) -> dict[str, Any]:
    """The message for a request; `{part}` and `{key}` of the command are filled in."""
    form = body.get("response_format")
    if form:
        return {"content": json.dumps(fitting(form["json_schema"]["schema"], digest))}
    taken = 0
    for message in reversed(body["messages"]):
        if message["role"] == "user":
            break
        taken += message["role"] == "assistant"
    tool = command_tool(body.get("tools") or ())
    if tool is None or taken >= steps:
        return {"content": f"Done after {taken} steps."}
    function = {"name": tool[0], "arguments": json.dumps({tool[1]: command.format(part=taken, key=f"{digest:08x}")})}
    return {"content": None, "tool_calls": [{"id": f"call_{digest:08x}", "type": "function", "function": function}]}


def command_tool(tools: Any) -> tuple[str, str] | None:
    """Name and parameter of the tool that runs a command, else of the first one."""
    found: tuple[str, str] | None = None
    for tool in tools:
        function = tool["function"]
        names = list(function.get("parameters", {}).get("properties", {}))
        hit = next((n for n in _COMMANDS if n in names), None)
        if hit is not None and function["parameters"]["properties"][hit].get("type", "string") == "string":
            return function["name"], hit
        found = found or (function["name"], names[0] if names else "input")
    return found


class Service:
    """Settings and counters of one server."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.random = random.Random(options.seed)
        self.counts: Counter[str] = Counter()
        self.seen: Counter[int] = Counter()
        self.flying = 0
        self.prefixes: set[int] = set()

    def cached(self, body: bytes) -> int:
        """Bytes of the longest known beginning, in blocks of 512 bytes, as an endpoint's prefix cache would count."""
        known, running, grew = 0, 0, False
        for start in range(0, len(body) - 511, 512):
            running = hash((running, body[start : start + 512]))
            if not grew and running in self.prefixes:
                known = start + 512
            else:
                grew = True
                self.prefixes.add(running)
        return known

    def fault(self, digest: int) -> str | None:
        """The fault of this attempt at a request: a function of its body and of how often it was tried."""
        attempt = self.seen[digest]
        self.seen[digest] += 1
        if not self.options.faults:
            return None
        rng = random.Random(f"{self.options.seed} {digest} {attempt}")
        kinds = self.options.kinds.split(",")
        return rng.choice(kinds) if rng.random() < self.options.faults else None

    def note(self, body: dict[str, Any], size: int) -> None:
        """Count a request of `size` bytes, and keep it where that was asked for."""
        self.counts["requests"] += 1
        self.counts[f"requests {body.get('model')}"] += 1
        self.counts[f"prompt bytes {body.get('model')}"] += size
        if self.options.keep:
            with self.options.keep.open("ab") as kept:
                kept.write(orjson.dumps(body) + b"\n")

    async def respond(self, raw: bytes, key: str) -> tuple[int, dict[str, str], bytes, str | None]:
        """Status, headers, body and fault of one request; `key` is its authorization."""
        body = orjson.loads(raw)
        digest = int.from_bytes(hashlib.blake2b(raw, digest_size=4).digest(), "big")
        self.note(body, len(raw))
        self.flying += 1
        self.counts["most in flight"] = max(self.counts["most in flight"], self.flying)
        fault = self.fault(digest)
        pause = max(0.0, self.random.gauss(self.options.latency, self.options.latency * self.options.jitter))
        if pause:
            await asyncio.sleep(pause)
        self.flying -= 1
        if fault is not None:
            self.counts[f"fault {fault}"] += 1
        if fault in {"429", "429-after", "500"}:
            after = {"Retry-After": "0.1"} if fault == "429-after" else {}
            said = {"error": {"message": FAULT_MARK, "type": "overloaded"}}
            return int(fault[:3]), after, orjson.dumps(said), fault
        if fault == "echo":
            said = {"error": {"message": f"{FAULT_MARK}: wrong key {key}", "type": "invalid_request_error"}}
            return 401, {}, orjson.dumps(said), fault
        message = answer(body, digest, self.options.steps, self.options.command)
        finish = "tool_calls" if message.get("tool_calls") else "stop"
        choice: dict[str, Any] = {
            "index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}, "logprobs": None,
        }  # fmt: skip
        choices = [choice]
        if fault == "wrong-schema":
            wrong = {"unexpected": FAULT_MARK} if "response_format" in body else FAULT_MARK
            choice["message"] = {"role": "assistant", "content": json.dumps(wrong)} if isinstance(wrong, dict) else 7
        elif fault == "refusal":
            choice["message"] = {"role": "assistant", "content": None, "refusal": FAULT_MARK}
        elif fault == "huge":
            choice["message"] = {"role": "assistant", "content": FAULT_MARK * 500_000}
        elif fault == "empty-choices":
            choices = []
        prompt = len(raw) // 4
        usage: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": 24, "total_tokens": prompt + 24}
        self.counts["prompt tokens"] += prompt
        self.counts["completion tokens"] += 24
        if self.options.cache:
            ahead = raw.find(b'"messages"')
            known = self.cached(raw[ahead:]) // 4
            usage["prompt_tokens_details"] = {"cached_tokens": known}
            self.counts["cached tokens"] += known
        reply = orjson.dumps(
            {"id": f"x-{digest:08x}", "object": "chat.completion", "created": 0, "model": body.get("model"),
             "choices": choices, "usage": usage}
        )  # fmt: skip
        if fault == "truncated":
            reply = reply[: len(reply) // 2]
        if fault == "nan-logprobs":
            reply = reply.replace(b'"logprobs":null', b'"logprobs":{"content":[{"token":"a","logprob":NaN}]}')
        return 200, {}, reply, fault


async def connection(service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one keep-alive connection."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            line, *rest = head.decode("latin-1").split("\r\n")
            length = next((int(h.split(":")[1]) for h in rest if h.lower().startswith("content-length:")), 0)
            key = next((h.partition(":")[2].strip() for h in rest if h.lower().startswith("authorization:")), "")
            raw = await reader.readexactly(length)
            if line.startswith("GET"):
                served = "/stats" in line
                counts = {**service.counts, "processor time": time.process_time()}
                payload = orjson.dumps(counts) if served else b"{}"
                status, headers, fault = (200 if served else 404), {}, None
            else:
                status, headers, payload, fault = await service.respond(raw, key)
            if fault == "reset":
                writer.transport.abort()
                return
            extra = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            kind = "Content-Type: application/json"
            top = f"HTTP/1.1 {status} X\r\n{kind}\r\nContent-Length: {len(payload)}\r\n{extra}\r\n"
            if fault == "drip":
                writer.write(top.encode())
                for n in range(len(payload)):
                    writer.write(payload[n : n + 1])
                    await writer.drain()
                    await asyncio.sleep(service.options.drip)
            else:
                writer.write(top.encode() + payload)
                await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def serve(options: argparse.Namespace) -> None:
    """Serve until the process is ended."""
    service = Service(options)
    server = await asyncio.start_server(
        lambda r, w: connection(service, r, w), "127.0.0.1", options.port, limit=1 << 26, backlog=4096
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    async with server:
        await server.serve_forever()


def processor_time(url: str) -> float:
    """Seconds of processor time that the endpoint has used."""
    with urllib.request.urlopen(f"{url}/stats") as answer:
        return float(json.load(answer)["processor time"])


@contextmanager
def running(**options: Any) -> Iterator[str]:
    """An endpoint in a process of its own until the block ends; gives its base URL. Options as on the command line."""
    flags = [f"--{name}={value}" for name, value in options.items()]
    with subprocess.Popen([sys.executable, __file__, *flags], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="Mean seconds before an answer.")
    parser.add_argument("--jitter", type=float, default=0.2, help="Its standard deviation as a share of the mean.")
    parser.add_argument("--steps", type=int, default=4, help="Tool calls before the final answer.")
    parser.add_argument("--command", default=COMMAND, help="What an agent's call runs.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", type=float, default=0.0, help="Share of requests that get a fault.")
    parser.add_argument("--kinds", default=",".join(FAULTS))
    parser.add_argument("--drip", type=float, default=0.05, help="Seconds between two bytes of a slow answer.")
    parser.add_argument("--keep", type=Path, default=None, help="Append every request body to this file.")
    parser.add_argument("--cache", type=int, default=0, help="1: count a prefix cache.")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(serve(_options()))

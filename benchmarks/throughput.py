"""Rollouts through the whole program beside a bare loop of the same SDK and graph library, on one fake endpoint.

python benchmarks/throughput.py [--rollouts 1500] [--settings 0.2:256,1.0:512] [--processes 1,2] [--messages 40]
python benchmarks/throughput.py --growth 100,1000,10000

Each rollout is a turn with two calls: three requests of the candidate, two of the simulator (every result by the
model). The bare loop sends the same number of requests of the same kinds from a langgraph graph with the openai client
and keeps nothing. Printed: requests a second of both and their ratio, the longest time without a turn of the loop,
processor time a simulated call and a rollout, memory. Several processes share one run (`harness.claims`). `--growth`
plays more and more rollouts against an endpoint that answers at once, for the cost of one at each size.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypedDict

sys.path.insert(0, str(Path(__file__).parent))

import fake_endpoint

STEPS = 2
REQUESTS = 2 * STEPS + 1
TOOL = {
    "type": "function",
    "function": {
        "name": "bash", "description": "Runs a command.",
        "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
    },
}  # fmt: skip
RESULT = {
    "type": "json_schema",
    "json_schema": {
        "name": "result",
        "schema": {
            "type": "object", "properties": {"output": {"type": "string"}, "exit_code": {"type": "integer"}},
            "required": ["output", "exit_code"], "additionalProperties": False,
        },
    },
}  # fmt: skip


def messages(count: int, number: int) -> list[dict[str, Any]]:
    """A recorded conversation of about so many messages, 600 characters a result."""
    found: list[dict[str, Any]] = [{"role": "system", "content": "You work in /srv/made. " + "Be careful. " * 60}]
    found.append({"role": "user", "content": f"Look at part {number}."})
    for place in range(max(1, count // 2 - 2)):
        function = {"name": "bash", "arguments": json.dumps({"command": f"./show.sh {number} {place}"})}
        call = {"id": f"c{place}", "type": "function", "function": function}
        found.append({"role": "assistant", "content": f"I look at {place}.", "tool_calls": [call]})
        lines = "\n".join(f"{number}.{place}.{n}: open point" for n in range(24))
        found.append({"role": "tool", "tool_call_id": f"c{place}", "content": lines})
    found.append({"role": "assistant", "content": "There are open points."})
    found.append({"role": "user", "content": f"Check part {number} again."})
    return found


def session(count: int, number: int) -> dict[str, Any]:
    """A session whose last turn, with one call, is taken again."""
    function = {"name": "bash", "arguments": json.dumps({"command": f"./check.sh {number}"})}
    call = {"id": "last", "type": "function", "function": function}
    end = [
        {"role": "assistant", "content": "I check.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "last", "content": f"checked {number}"},
        {"role": "assistant", "content": "All well."},
    ]
    return {"session_id": f"made-{number}", "messages": [*messages(count, number), *end], "tools": [TOOL]}


class Heart:
    """Measures how long the event loop does not turn, from now until it is stopped."""

    def __init__(self, every: float = 0.005) -> None:
        self.every = every
        self.stalls: list[float] = []
        self._beating = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(self.every)
            self.stalls.append(time.perf_counter() - before - self.every)

    def stop(self) -> dict[str, float]:
        """The longest and the 99th of a hundred, in milliseconds."""
        self._beating.cancel()
        ordered = sorted(self.stalls) or [0.0]
        return {"stall": 1e3 * ordered[-1], "stall_99": 1e3 * ordered[int(0.99 * (len(ordered) - 1))]}


def used(started: float, more: dict[str, float]) -> dict[str, float]:
    """What this process used."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": time.perf_counter() - started, "cpu": own.ru_utime + own.ru_stime, "memory": own.ru_maxrss / 1024,
        **more,
    }  # fmt: skip


async def bare(base_url: str, rollouts: int, flight: int, count: int) -> dict[str, float]:
    """The loop by itself: graph, client, a growing list of messages."""
    import openai
    from langgraph.graph import END, START, StateGraph

    class State(TypedDict):
        messages: list[dict[str, Any]]
        calls: list[dict[str, Any]]

    client = openai.AsyncOpenAI(
        base_url=base_url, api_key="none", timeout=600, http_client=openai.DefaultAioHttpClient(timeout=600)
    )

    async def ask(sent: list[dict[str, Any]], **more: Any) -> Any:
        body = {"messages": sent, **more}
        return (await client.chat.completions.create(model="m", messages=[], extra_body=body)).choices[0].message

    async def agent(state: State) -> State:
        said = await ask(state["messages"], tools=[TOOL])
        message = said.model_dump(exclude_none=True)
        return {"messages": [*state["messages"], message], "calls": message.get("tool_calls") or []}

    async def tools(state: State) -> State:
        found = []
        for call in state["calls"]:
            prompt = [
                {"role": "system", "content": "You are the tool. " * 200},
                {"role": "user", "content": json.dumps(state["messages"][-8:]) + call["function"]["arguments"]},
            ]
            said = await ask(prompt, response_format=RESULT)
            found.append({"role": "tool", "tool_call_id": call["id"], "content": json.loads(said.content)["output"]})
        return {"messages": [*state["messages"], *found], "calls": []}

    graph: Any = StateGraph(State)
    graph.add_node("agent", agent)
    graph.add_node("tools", tools)
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", lambda state: "tools" if state["calls"] else END, ["tools", END])
    graph.add_edge("tools", "agent")
    compiled = graph.compile()
    gate = asyncio.Semaphore(flight)

    async def one(number: int) -> None:
        async with gate:
            await compiled.ainvoke({"messages": messages(count, number % 50), "calls": []})

    await one(0)
    heart, started = Heart(), time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF)
    async with asyncio.TaskGroup() as tasks:
        for number in range(rollouts):
            tasks.create_task(one(number))
    found = used(started, heart.stop())
    await client.close()
    return {**found, "cpu": found["cpu"] - before.ru_utime - before.ru_stime}


async def ours(base_url: str, rollouts: int, flight: int, store: Path) -> dict[str, float]:
    """The same through the program: selection, worlds, simulator, ledger and kept prompts in a store on disk."""
    from harness import experiment
    from harness.config import RunConfig
    from harness.selection import Criteria
    from harness.store import Store
    from toolsim.modeltypes import Budget

    spec = f"m@{base_url}"
    config = RunConfig(candidate=spec, simulator=spec, rungs=("simulated",), affordances=(), shell="none")
    with Store(store) as opened:
        sessions = len(opened.sessions())
        plan = experiment.plan(opened, config, Criteria(samples=-(-rollouts // sessions)), {})
        async with AsyncExitStack() as stack:
            models = experiment.open_models(config, Budget(), None, concurrency=flight)
            for model in {id(m): m for m in models if m is not None}.values():
                stack.push_async_callback(model.close)
            parts = await experiment.open_parts(stack, opened, store.with_suffix(".none"), config, models)
            heart, started = Heart(), time.perf_counter()
            before = resource.getrusage(resource.RUSAGE_SELF)
            outcome = await experiment.play(plan, config, parts, concurrency=flight, notice=lambda *_: None)
            found = used(started, heart.stop())
    failed = sum(end.status != "completed" for _, end in outcome.ends)
    if failed or outcome.left_open:
        raise SystemExit(f"{failed} rollouts failed, {len(outcome.left_open)} are left open")
    return {**found, "cpu": found["cpu"] - before.ru_utime - before.ru_stime}


def imported(folder: Path, sessions: int, count: int) -> Path:
    """A store with the sessions."""
    import faults

    source = folder / "sessions"
    source.mkdir(parents=True)
    for number in range(sessions):
        (source / f"{number}.json").write_text(json.dumps(session(count, number)))
    store = folder / "deploysim.db"
    faults.said("import", "--store", store, "--calls", folder / "calls.db", source)
    return store


def children(which: str, number: int, *arguments: Any) -> list[dict[str, float]]:
    """What so many processes used."""
    words = [sys.executable, __file__, "--child", which, *map(str, arguments)]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(number)]
    told = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit(f"a process ended with {[process.returncode for process in running]}")
    return [json.loads(text.splitlines()[-1]) for text in told]


def line(name: str, found: list[dict[str, float]], rollouts: int, flight: int, base: float | None) -> float:
    """Print one measurement; gives its requests a second."""
    seconds = max(one["seconds"] for one in found)
    rate, cpu = REQUESTS * rollouts / seconds, sum(one["cpu"] for one in found)
    ratio = "" if base is None else f"  ratio {rate / base:5.2f}"
    stall, most = max(one["stall"] for one in found), max(one["stall_99"] for one in found)
    print(
        f"{name:22s} {flight:4d} in flight  {rate:7.1f} requests/s{ratio}  stall {stall:6.1f} ms (99 %: {most:5.1f})  "
        f"cpu {1e3 * cpu / rollouts:6.2f} ms a rollout "
        f"{1e3 * cpu / (STEPS * rollouts):6.2f} ms a call  {max(o['memory'] for o in found):5.0f} MiB",
        flush=True,
    )
    return rate


def compare(given: argparse.Namespace) -> None:
    """Both loops at each setting."""
    for text in given.settings.split(","):
        latency, flight = float(text.split(":")[0]), int(text.split(":")[1])
        print(f"latency {latency:g} s, {given.rollouts} rollouts, {given.messages} messages a prefix", flush=True)
        with fake_endpoint.running(latency=latency, steps=STEPS) as base_url:
            found = children("bare", 1, base_url, given.rollouts, flight, given.messages)
            base = line("bare loop", found, given.rollouts, flight, None)
            for processes in map(int, given.processes.split(",")):
                with tempfile.TemporaryDirectory() as folder:
                    store = imported(Path(folder), 50, given.messages)
                    found = children("ours", processes, base_url, given.rollouts, flight // processes, store)
                name = "deploysim" if processes == 1 else f"deploysim x {processes}"
                line(name, found, given.rollouts, flight // processes, base)


def growth(given: argparse.Namespace) -> None:
    """The cost of a rollout as there are more of them."""
    with fake_endpoint.running(latency=0.0, steps=STEPS) as base_url:
        for rollouts in map(int, given.growth.split(",")):
            with tempfile.TemporaryDirectory() as folder:
                store = imported(Path(folder), 50, given.messages)
                found = children("ours", 1, base_url, rollouts, 64, store)
                size = sum(p.stat().st_size for p in Path(folder).glob("deploysim.db*"))
            line(f"{rollouts} rollouts", found, rollouts, 64, None)
            print(f"{'':22s} {size / rollouts / 1024:.1f} KiB of store a rollout", flush=True)


def main() -> None:
    """Measure."""
    if sys.argv[1:3] == ["--child", "bare"]:
        url, rollouts, flight, count = sys.argv[3:]
        print(json.dumps(asyncio.run(bare(url, int(rollouts), int(flight), int(count)))))
        return
    if sys.argv[1:3] == ["--child", "ours"]:
        url, rollouts, flight, store = sys.argv[3:]
        print(json.dumps(asyncio.run(ours(url, int(rollouts), int(flight), Path(store)))))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--rollouts", type=int, default=1500)
    parser.add_argument("--settings", default="0.2:256,1.0:512")
    parser.add_argument("--processes", default="1,2")
    parser.add_argument("--messages", type=int, default=40)
    parser.add_argument("--growth", help="Numbers of rollouts.")
    given = parser.parse_args()
    growth(given) if given.growth else compare(given)


if __name__ == "__main__":
    main()

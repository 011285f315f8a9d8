"""How much of our prompts an endpoint's prefix cache serves, by its own count, in the order in which we ask.

python benchmarks/prefix_cache.py [--sessions N] [--steps N] [--roles ROLE,ROLE] [--orders ORDER,ORDER] [--dry]

A small run on the fixtures of Claude Code and Codex (candidate, simulator, judge, grader and the question on awareness,
one request after another, with the budgets of an embedded model) is asked of `fake_endpoint.py`, which keeps each body.
The same bodies then go to the embedded server, for which only reading counts (`max_tokens` 1): once as they were made,
once with the sessions' requests merged at random, as with many rollouts at once (each rollout keeps its own order).
The server is started anew for each. Beside its count stand two bounds, from the tokens of the prompts: the longest
beginning shared with the request before (a cache of one slot), and with any earlier request (one that forgets nothing).
`--dry` computes the bounds only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import fake_endpoint
import faults

from harness.demo import find_fixtures
from toolsim.model import EmbeddedModel, open_model

FIXTURES = ("claude-code", "codex")
ROLES = ("candidate", "simulator", "judge", "grader", "awareness")
SMALL = ("--evidence-tokens", 1_500, "--history-tokens", 1_500)
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request: who asks, the number of its chain (what must stay in order), its body, its prompt in tokens."""

    role: str
    chain: int
    body: Body
    tokens: tuple[int, ...] = ()


def asked(folder: Path, sessions: int, steps: int) -> list[Body]:
    """The bodies of a small run in the order in which they were sent; the role stands in `model`."""
    file, own = folder / "bodies.jsonl", ("--store", folder / "deploysim.db")
    faults.said("import", *own, *(find_fixtures()[0] / name for name in FIXTURES))
    with fake_endpoint.running(steps=steps, keep=file) as url:
        spec = {role: f"{role}@{url}" for role in ROLES}
        models = ("--candidate", spec["candidate"], "--simulator", spec["simulator"])
        chosen = ("--sample", sessions, "--stratify", "agent", "--with-calls", "--seed", 3)
        said = faults.said("resample", *own, *models, *chosen, *SMALL, "--rungs", "simulated", "--shell", "none",
                           "--concurrency", 1, "--json")  # fmt: skip
        run = json.loads(said)["run"]
        alone = (*own, "--concurrency", 1, "--json")
        faults.said("discriminate", run, *alone, "--judge", spec["judge"], "--fakes", 0, "--pairs", 2 * sessions)
        faults.said("grade", run, *alone, "--grader", spec["grader"], may_end=(0, 1, 3))
        faults.said("awareness", run, *alone, "--ask", spec["awareness"])
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def chained(bodies: Iterable[Body]) -> list[Prompt]:
    """Bodies with their chains: a rollout's requests belong together, and each question of a judge stands alone."""
    found: list[Prompt] = []
    chain = 0
    for body in bodies:
        role = body["model"]
        begins = role != "candidate" or body["messages"][-1]["role"] == "user"
        chain += begins and role != "simulator"
        found.append(Prompt(role, chain, body))
    return found


def merged(prompts: Sequence[Prompt], seed: int) -> list[Prompt]:
    """The same requests with the chains merged at random, part by part of a run; each chain keeps its order."""
    drawn = random.Random(seed)
    parts: dict[bool | str, list[Prompt]] = {}
    for prompt in prompts:
        parts.setdefault(prompt.role in {"candidate", "simulator"} or prompt.role, []).append(prompt)
    found = []
    for part in parts.values():
        waiting: dict[int, list[Prompt]] = {}
        for prompt in part:
            waiting.setdefault(prompt.chain, []).append(prompt)
        turns = [prompt.chain for prompt in part]
        drawn.shuffle(turns)
        found += [waiting[chain].pop(0) for chain in turns]
    return found


def shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two prompts have in common at their beginning."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def bounds(prompts: Sequence[Prompt]) -> dict[str, Counter[str]]:
    """By role: requests, tokens, and tokens shared with the request before and with any earlier one."""
    found: dict[str, Counter[str]] = {}
    for n, prompt in enumerate(prompts):
        counted = found.setdefault(prompt.role, Counter())
        earlier = [shared(prompt.tokens, other.tokens) for other in prompts[:n]]
        counted.update(requests=1, tokens=len(prompt.tokens), before=earlier[-1] if n else 0,
                       earlier=max(earlier, default=0))  # fmt: skip
    return found


async def tokenized(spec: str, prompts: Sequence[Prompt], context: int) -> list[Prompt]:
    """The prompts with their tokens, as the server's template and tokenizer make them."""
    async with AsyncExitStack() as stack:
        server = await _served(spec, context, stack)
        found = []
        for prompt in prompts:
            body = {name: prompt.body[name] for name in ("messages", "tools") if name in prompt.body}
            text, _ = await server.endpoint.post("//apply-template", body)
            asked = {"content": json.loads(text)["prompt"], "add_special": False, "parse_special": True}
            tokens, _ = await server.endpoint.post("//tokenize", asked)
            found.append(Prompt(prompt.role, prompt.chain, prompt.body, tuple(json.loads(tokens)["tokens"])))
        return found


async def served(spec: str, prompts: Sequence[Prompt], context: int) -> dict[str, Counter[str]]:
    """By role: tokens of prompts and tokens from the cache, as a server that is started anew counts them."""
    found: dict[str, Counter[str]] = {}
    async with AsyncExitStack() as stack:
        server = await _served(spec, context, stack)
        for n, prompt in enumerate(prompts, 1):
            body = {**prompt.body, "model": server.name, "max_tokens": 1}
            said, _ = await server.endpoint.post("/chat/completions", body)
            usage = json.loads(said)["usage"]
            cached = usage["prompt_tokens_details"]["cached_tokens"]
            found.setdefault(prompt.role, Counter()).update(tokens=usage["prompt_tokens"], cached=cached)
            print(f"{n} of {len(prompts)}: {prompt.role}, {cached} of {usage['prompt_tokens']}", file=sys.stderr)
    return found


async def _served(spec: str, context: int, stack: AsyncExitStack) -> Any:
    model = open_model(spec, context=context)
    if not isinstance(model, EmbeddedModel):
        raise SystemExit(f"{spec} is not embedded: only its server's count is read")
    stack.push_async_callback(model.close)
    return await model.started()


def table(orders: dict[str, tuple[dict[str, Counter[str]], dict[str, Counter[str]] | None]]) -> str:
    """A line for each order and role, and for all."""
    head = ("order", "who", "requests", "prompt tokens", "from the cache", "shared with the one before", "any earlier")
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for order, (bound, count) in orders.items():
        whole = dict(bound) | {"all": sum(bound.values(), Counter[str]())}
        known = None if count is None else dict(count) | {"all": sum(count.values(), Counter[str]())}
        for role, held in whole.items():
            cells = [_share(held["before"], held["tokens"]), _share(held["earlier"], held["tokens"])]
            from_cache = "-" if known is None else _share(known[role]["cached"], known[role]["tokens"])
            lines.append(f"| {order} | {role} | {held['requests']} | {held['tokens']:,} | {from_cache} |"
                         f" {' | '.join(cells)} |")  # fmt: skip
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


def main() -> None:
    """Play, ask and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--steps", type=int, default=3, help="Tool calls of a rollout.")
    parser.add_argument("--model", default="local-small")
    parser.add_argument("--context", type=int, default=16_384)
    parser.add_argument("--roles", default=",".join(ROLES), help="Which requests go to the server.")
    parser.add_argument("--orders", default="as made,merged at random", help="Which of the two orders.")
    parser.add_argument("--dry", action="store_true", help="Bounds only.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bodies = asked(Path(folder), options.sessions, options.steps)
    chosen = [prompt for prompt in chained(bodies) if prompt.role in options.roles.split(",")]
    prompts = asyncio.run(tokenized(options.model, chosen, options.context))
    orders = {"as made": prompts, "merged at random": merged(prompts, 0)}
    found = {
        name: (bounds(order), None if options.dry else asyncio.run(served(options.model, order, options.context)))
        for name, order in orders.items()
        if name in options.orders.split(",")
    }
    print(table(found))


if __name__ == "__main__":
    main()

"""A judge asked through the Batch API: questions go out in files, answers come back within a day.

Every batch is kept in the store before it is waited for, so that a stopped measurement takes up the batches that are
under way instead of paying for them twice. What a batch could not answer counts as a failed endpoint: it is asked again
when the measurement is resumed, and is never scored.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from harness import exchanges, verdicts
from harness.discriminator.asking import Measure, Notice, Question, keep
from harness.discriminator.judge import Judgement, NoJudgement, judge_request, no_judgement, read_judgement
from harness.discriminator.pairs import Pair, Sides, read_pair
from harness.store import Store
from toolsim import batches
from toolsim.errors import BudgetExceeded, EndpointError, ModelError, ModelUnavailable
from toolsim.model import OpenAIModel
from toolsim.modeltypes import Model
from toolsim.overhearing import overhear
from toolsim.trajectory import JsonObject


@dataclass(frozen=True, slots=True)
class Batched:
    """A way to ask (`harness.discriminator.asking.Ask`) that looks after its batches every `poll` seconds."""

    poll: float = 30.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now: Callable[[], float] = time.time

    async def __call__(
        self, store: Store, judge: Model, todo: Sequence[Question], measure: Measure, notice: Notice
    ) -> str | None:
        """Ask, wait and keep; says which budget kept questions back, if one did.

        Raises:
            ModelUnavailable: the judge has no Batch API.
            EndpointError: a batch failed as a whole, or the endpoint does.
        """
        if not isinstance(judge, OpenAIModel):
            raise ModelUnavailable(f"{judge.name} runs on this machine and has no Batch API: leave --batch away")
        if not todo:
            return None
        run = todo[0][0]
        place = judge.endpoint.name
        under_way = {b["id"]: b["facts"] for b in verdicts.open_batches(store, run, judge.name, place)}
        asked = {name for facts in under_way.values() for name in facts["questions"]}
        fresh = [(pair, sides) for _, pair, sides in todo if _name(pair, sides) not in asked]
        bodies, path, stopped = _bodies(judge, fresh, measure)
        for lines in batches.packed(path, bodies):
            made = await batches.start(judge.endpoint, path, lines.values())
            facts: JsonObject = {"questions": [*lines], "seed": measure.seed, "prompt": _prompt(fresh, measure)}
            verdicts.add_batch(store, run, judge.name, place, made.id, "started", facts, self.now())
            under_way[made.id] = facts
        pairs = {p.id: p for p in (read_pair(facts, body) for _, _, _, facts, body in store.pairs(run))}
        await self._collect(store, run, judge, under_way, pairs, measure, notice)
        return stopped

    async def _collect(
        self, store: Store, run: str, judge: OpenAIModel, under_way: dict[str, JsonObject], pairs: dict[str, Pair],
        measure: Measure, notice: Notice,
    ) -> None:  # fmt: skip
        total = sum(len(facts["questions"]) for facts in under_way.values())
        done = 0
        while under_way:
            running = 0
            for name, facts in list(under_way.items()):
                state = await batches.look(judge.endpoint, name)
                if not state.ended:
                    running += state.done
                    continue
                del under_way[name]
                done += len(facts["questions"])
                await _take(store, run, judge, state, facts, pairs, measure)
                verdicts.add_batch(store, run, judge.name, judge.endpoint.name, name, state.status, {}, self.now())
                if state.status == "failed":
                    reasons = "; ".join(state.errors) or "no reason was given"
                    raise EndpointError(f"{judge.endpoint.name} took none of batch {name}: {reasons}")
            notice(done + running, total)
            if under_way:
                await self.sleep(self.poll)


async def _take(
    store: Store, run: str, judge: OpenAIModel, state: batches.Batch, facts: JsonObject, pairs: dict[str, Pair],
    measure: Measure,
) -> None:  # fmt: skip
    """Keep the answers of an ended batch. A batch that failed as a whole answered nothing and leaves nothing."""
    if state.status == "failed":
        return
    found = await batches.results(judge.endpoint, state)
    missing = EndpointError(f"batch {state.id} is {state.status} and has no answer to this request")
    for name in facts["questions"]:
        key, _, sides = name.partition(".")
        if key in pairs and sides in ("rs", "sr"):
            order: Sides = "rs" if sides == "rs" else "sr"
            place = exchanges.of_pair(run, pairs[key].id), f"{judge.name}/{order}"
            with overhear(partial(exchanges.keep, store, *place) if measure.keep_prompts else None):
                answer = _read(judge, pairs[key], order, found.get(name, missing), facts, measure)
            keep(store, run, judge.name, answer)


def _read(
    judge: OpenAIModel, pair: Pair, sides: Sides, found: bytes | ModelError, facts: JsonObject, measure: Measure
) -> Judgement | NoJudgement:
    if isinstance(found, ModelError):
        return no_judgement(pair, sides, found)
    request = judge_request(pair, sides, window=measure.window, seed=facts["seed"])
    try:
        reply = judge.reply(request, found)
    except ModelError as error:
        return no_judgement(pair, sides, error)
    return read_judgement(reply, replace(request, prompt_hash=facts["prompt"]), pair, sides, judge.name)


def _bodies(
    judge: OpenAIModel, questions: Iterable[tuple[Pair, Sides]], measure: Measure
) -> tuple[dict[str, JsonObject], str, str | None]:
    """Request bodies by name, their path, and which budget keeps the rest back."""
    bodies: dict[str, JsonObject] = {}
    path = ""
    for pair, sides in questions:
        request = judge_request(pair, sides, window=measure.window, seed=measure.seed)
        try:
            path, bodies[_name(pair, sides)] = judge.line(request)
        except BudgetExceeded as error:
            return bodies, path, str(error)
    return bodies, path, None


def _prompt(questions: Sequence[tuple[Pair, Sides]], measure: Measure) -> str:
    pair, sides = questions[0]
    return judge_request(pair, sides, window=measure.window, seed=measure.seed).prompt_hash


def _name(pair: Pair, sides: Sides) -> str:
    return f"{pair.id}.{sides}"

"""Asking a judge about many pairs: what is missing, several at once, each answer kept as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from harness import exchanges, verdicts
from harness.discriminator.judge import ORDERS, Judgement, NoJudgement, judge_once
from harness.discriminator.pairs import Pair, Sides
from harness.discriminator.serialise import Window
from harness.discriminator.variants import Variant
from harness.store import Store
from toolsim.errors import BudgetExceeded
from toolsim.modeltypes import Model, ModelReply, ModelRequest
from toolsim.overhearing import overhear
from toolsim.trajectory import JsonObject

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Measure:
    """How to measure: at most `pairs` non-identical pairs and `fakes` planted ones; `kinds` of `call`, `turn`.

    `repeats` of the pairs are asked about a second time; `variant` says what is done to the pairs before.
    `keep_prompts` keeps what the judge was asked and said, word for word.
    """

    pairs: int = 100
    fakes: int = 24
    kinds: tuple[str, ...] = ("call", "turn")
    seed: int = 0
    concurrency: int = 4
    window: Window = field(default_factory=Window)
    variant: Variant = "plain"
    repeats: int = 0
    keep_prompts: bool = True


ASK_AGAIN = frozenset({"EndpointError"})
"""Kinds of missing answers that a resumed measurement asks for again."""

Notice: TypeAlias = Callable[[int, int], None]
"""Told after each judgement: done, planned."""

Question: TypeAlias = tuple[str, Pair, Sides]
"""A run, one of its pairs, and the order in which its sides are shown."""

Ask: TypeAlias = Callable[[Store, Model, Sequence[Question], Measure, Notice], Awaitable["str | None"]]
"""A way to have questions answered and kept; says which budget ended it."""


def open_questions(store: Store, run: str, judge: str, pairs: Sequence[Pair]) -> list[Question]:
    """Both orders of the pairs, without those that have an answer which stays."""
    known = {
        (j["pair"], j["sides"]) for j in store.judgements(run) if j["judge"] == judge and j["status"] not in ASK_AGAIN
    }
    return [(run, pair, sides) for pair in pairs for sides in ORDERS if (pair.id, sides) not in known]


def open_repeats(store: Store, run: str, judge: str, pairs: Sequence[Pair]) -> list[Question]:
    """Both orders of the pairs, without those that were asked about a second time already."""
    known = {
        (j["pair"], j["sides"])
        for j in verdicts.repeats(store, run)
        if j["judge"] == judge and j["status"] not in ASK_AGAIN
    }
    return [(run, pair, sides) for pair in pairs for sides in ORDERS if (pair.id, sides) not in known]


async def ask_judge(
    store: Store, judge: Model, todo: Sequence[Question], measure: Measure, notice: Notice, *, again: bool = False
) -> str | None:
    """Ask about one order of a pair of a run after another, and keep each answer or its failure with the run.

    `again` asks a second time, with another seed, and keeps the answer apart. Says which budget ended it, if one did.
    """

    async def ask(question: Question) -> Judgement | NoJudgement:
        run, pair, sides = question
        place = f"{judge.name}/{sides}{'/again' if again else ''}"
        heard: list[tuple[ModelRequest, ModelReply]] = []
        try:
            with overhear((lambda *said: heard.append(said)) if measure.keep_prompts else None):
                return await judge_once(
                    judge, pair, sides, window=measure.window, seed=measure.seed, occasion=int(again)
                )
        finally:
            for said in heard:
                await asyncio.to_thread(exchanges.keep, store, exchanges.of_pair(run, pair.id), place, *said)

    def kept(question: Question, answer: Judgement | NoJudgement) -> None:
        keep(store, question[0], judge.name, answer, again=again)

    return await ask_each(todo, ask, kept, measure.concurrency, notice)


async def ask_each(
    todo: Sequence[Q], ask: Callable[[Q], Awaitable[A]], kept: Callable[[Q, A], None], concurrency: int, notice: Notice
) -> str | None:
    """Ask several questions at once and give each answer away as it comes, in a thread, because whoever keeps it waits
    for a disk; says which budget ended it, if one did."""
    gate = asyncio.Semaphore(concurrency)
    done = 0
    stopped: list[str] = []

    async def one(question: Q) -> None:
        nonlocal done
        async with gate:
            if stopped:
                return
            try:
                answer = await ask(question)
            except BudgetExceeded as error:
                stopped.append(str(error))
                return
        await asyncio.to_thread(kept, question, answer)
        done += 1
        notice(done, len(todo))

    await asyncio.gather(*(one(each) for each in todo))
    return stopped[0] if stopped else None


def keep(store: Store, run: str, judge: str, answer: Judgement | NoJudgement, *, again: bool = False) -> None:
    """Keep an answer or its failure with the run."""
    status, facts = as_row(answer)
    if again:
        verdicts.add_repeat(store, run, answer.pair, judge, answer.sides, status, facts)
    else:
        store.add_judgement(run, answer.pair, judge, answer.sides, status, facts)


def as_row(answer: Judgement | NoJudgement) -> tuple[str, JsonObject]:
    """Status and facts of an answer as they are stored."""
    if isinstance(answer, NoJudgement):
        return answer.kind, {"reason": answer.reason}
    return "valid", {
        "simulated_taken": answer.simulated_taken, "probability": answer.probability, "reason": answer.reason,
        "prompt": answer.prompt_hash, "tokens": answer.tokens, "cost": answer.cost,
        **({"cached": True} if answer.cached else {}),
    }  # fmt: skip

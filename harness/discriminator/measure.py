"""A measurement of realism: pairs from a run, a sample of them and planted fakes before a judge, the figures.

Everything is kept as it comes, so a stopped measurement goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from harness.discriminator.controls import Controls, controls_of
from harness.discriminator.fakes import plant
from harness.discriminator.judge import ORDERS, Judgement, judge_once
from harness.discriminator.pairs import Origin, Pair, Sides, call_pairs_of, read_pair, turn_pair
from harness.discriminator.score import Power, Verdict, WinRate, by, join_orders, power, win_rate
from harness.discriminator.serialise import Window
from harness.ledger import ToolStep, fold, read_steps
from harness.rows import RolloutRow
from harness.store import Store
from toolsim.errors import BudgetExceeded
from toolsim.modeltypes import Model
from toolsim.seeds import derive_seed
from toolsim.trajectory import JsonObject, effects, model_view, split, turns


@dataclass(frozen=True, slots=True)
class Measure:
    """How to measure: at most `pairs` non-identical pairs and `fakes` planted ones; `kinds` of `call`, `turn`."""

    pairs: int = 100
    fakes: int = 24
    kinds: tuple[str, ...] = ("call", "turn")
    seed: int = 0
    concurrency: int = 4
    window: Window = field(default_factory=Window)


@dataclass(frozen=True, slots=True)
class Realism:
    """The result. `headline` is over judged call or turn pairs; `population` counts all pairs of the run by kind."""

    run: str
    judge: str | None
    same_family: bool
    headline: WinRate
    cross_model: bool
    by_rung: tuple[WinRate, ...]
    by_tool: tuple[WinRate, ...]
    by_agent: tuple[WinRate, ...]
    by_pool: tuple[WinRate, ...]
    power: tuple[Power, ...]
    population: dict[str, int]
    invalid: dict[str, int]
    budget: str | None
    controls: Controls


ASK_AGAIN = frozenset({"EndpointError"})
"""Kinds of missing answers that a resumed measurement asks for again."""

Notice = Callable[[int, int], None]
"""Told after each judgement: done, planned."""


def make_pairs(store: Store, run: str, window: Window) -> tuple[Pair, ...]:
    """All pairs of a run, kept in the store: calls with recorded actions, whole turns for candidates of their own."""
    manifest = store.run(run)["manifest"]
    config = manifest["config"]
    pairs: list[tuple[str, str | None, str, JsonObject, JsonObject]] = []
    for row, end in store.rollouts(run):
        if config["forcing"] == "none" and (end is None or end.status != "completed"):
            continue
        made = _pairs_of(store, row, forcing=config["forcing"], candidate=config["candidate"], window=window)
        pairs += [(p.id, row.id, p.kind, p.facts(), p.body()) for p in made]
    store.add_pairs(run, pairs)
    stored = (read_pair(facts, body) for _, _, kind, facts, body in store.pairs(run) if not kind.startswith("fake:"))
    return tuple(pair for pair in stored if pair.origin.variant is None)


def _pairs_of(store: Store, row: RolloutRow, *, forcing: str, candidate: str, window: Window) -> Sequence[Pair]:
    steps = read_steps(store.steps(row.id))
    if not steps:
        return ()
    trajectory = store.trajectory(row.session)
    prefix, reference = split(trajectory, turns(trajectory)[row.turn], row.step)
    same = forcing != "none" or candidate.partition("@")[0] == trajectory.session.model
    origin = Origin(row.session, row.lineage, row.repo, row.agent, row.pool, same_model=same)
    view = model_view(prefix.items)
    if forcing != "none":
        return call_pairs_of(origin, view, steps, window)
    origin = replace(origin, length=sum(isinstance(step, ToolStep) for step in steps))
    return (turn_pair(origin, view, effects(reference.items), fold(steps).messages, window),)


def draw(pairs: Iterable[Pair], count: int, seed: int) -> tuple[Pair, ...]:
    """A seeded sample of the non-identical pairs, in rounds over lineages so that clusters count alike."""
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in sorted(pairs, key=lambda p: derive_seed(seed, "pair", p.id)):
        if not pair.identical:
            groups[pair.origin.lineage].append(pair)
    order = sorted(groups, key=lambda name: derive_seed(seed, "lineage", name))
    rounds = max((len(g) for g in groups.values()), default=0)
    drawn = [groups[name][n] for n in range(rounds) for name in order if n < len(groups[name])]
    return tuple(drawn[:count])


async def discriminate(
    store: Store,
    run: str,
    judge: Model | None,
    measure: Measure,
    notice: Notice,
    *,
    simulator_family: str | None = None,
) -> Realism:
    """Judge a run. Without a judge pairs are only counted."""
    every = [p for p in make_pairs(store, run, measure.window) if p.kind in measure.kinds]
    budget = None
    if judge is not None:
        sample = draw(every, measure.pairs, measure.seed)
        fakes = plant([p for p in every if p.kind == "call"] or every, measure.fakes, measure.seed)
        store.add_pairs(run, [(p.id, None, p.kind, p.facts(), p.body()) for p in fakes])
        budget = await _judge_all(store, run, judge, _in_turn(sample, fakes), measure, notice)
    same_family = judge is not None and judge.family == simulator_family
    return realism_of(store, run, judge.name if judge else None, same_family=same_family, budget=budget)


def realism_of(
    store: Store, run: str, judge: str | None, *, same_family: bool = False, budget: str | None = None
) -> Realism:
    """The figures of a run from what the store holds of this judge: the pairs that it was asked about."""
    pairs = {name: read_pair(facts, body) for name, _, _, facts, body in store.pairs(run)}
    rows = [j for j in store.judgements(run) if j["judge"] == judge]
    taken = {(j["pair"], j["sides"]): j["facts"]["simulated_taken"] for j in rows if j["status"] == "valid"}
    open_rows = [j for j in rows if j["status"] != "valid" and (j["pair"], j["sides"]) not in taken]
    asked = {j["pair"] for j in rows}
    verdicts: dict[str, Verdict] = {v.pair.id: v for v in join_orders({n: pairs[n] for n in sorted(asked)}, taken)}
    real = [p for p in pairs.values() if not p.kind.startswith("fake:")]
    judged = [p for p in real if p.id in asked or p.identical]
    return Realism(
        run=run,
        judge=judge,
        same_family=same_family,
        headline=win_rate("all", judged, verdicts),
        cross_model=any(not p.origin.same_model for p in judged),
        by_rung=by(judged, verdicts, "rung"),
        by_tool=by(judged, verdicts, "tool"),
        by_agent=by(judged, verdicts, "agent"),
        by_pool=by(judged, verdicts, "pool"),
        power=power(v for v in verdicts.values() if v.pair.kind.startswith("fake:")),
        population=dict(Counter(f"{p.kind}, {'identical' if p.identical else 'different'}" for p in real)),
        invalid=dict(Counter(j["status"] for j in open_rows)),
        budget=budget,
        controls=controls_of(store, [row for row, _ in store.rollouts(run)], real),
    )


def verdicts_of(store: Store, run: str, judge: str | None) -> tuple[Verdict, ...]:
    """What a judge said in both orders of a run's pairs, fakes among them."""
    pairs = {name: read_pair(facts, body) for name, _, _, facts, body in store.pairs(run)}
    rows = [j for j in store.judgements(run) if j["judge"] == judge and j["status"] == "valid"]
    taken = {(j["pair"], j["sides"]): j["facts"]["simulated_taken"] for j in rows}
    return join_orders({name: pairs[name] for name in sorted({j["pair"] for j in rows})}, taken)


def _in_turn(sample: Sequence[Pair], fakes: Sequence[Pair]) -> tuple[Pair, ...]:
    """Pairs and fakes alternating, so that a budget that runs out leaves some of both."""
    both = zip_longest(sample, fakes)
    return tuple(pair for pairs in both for pair in pairs if pair is not None)


async def _judge_all(
    store: Store, run: str, judge: Model, pairs: Sequence[Pair], measure: Measure, notice: Notice
) -> str | None:
    known = {
        (j["pair"], j["sides"])
        for j in store.judgements(run)
        if j["judge"] == judge.name and j["status"] not in ASK_AGAIN
    }
    todo = [(run, pair, sides) for pair in pairs for sides in ORDERS if (pair.id, sides) not in known]
    return await ask_judge(store, judge, todo, measure, notice)


async def ask_judge(
    store: Store, judge: Model, todo: Sequence[tuple[str, Pair, Sides]], measure: Measure, notice: Notice
) -> str | None:
    """Ask about one order of a pair of a run after another, and keep each answer or its failure with the run.

    Says which budget ended it, if one did.
    """
    gate = asyncio.Semaphore(measure.concurrency)
    done = 0
    stopped: list[str] = []

    async def one(run: str, pair: Pair, sides: Sides) -> None:
        nonlocal done
        async with gate:
            if stopped:
                return
            try:
                answer = await judge_once(judge, pair, sides, window=measure.window, seed=measure.seed)
            except BudgetExceeded as error:
                stopped.append(str(error))
                return
        if isinstance(answer, Judgement):
            facts = {
                "simulated_taken": answer.simulated_taken, "probability": answer.probability, "reason": answer.reason,
                "prompt": answer.prompt_hash, "tokens": answer.tokens, "cost": answer.cost,
            }  # fmt: skip
            store.add_judgement(run, pair.id, judge.name, sides, "valid", facts)
        else:
            store.add_judgement(run, pair.id, judge.name, sides, answer.kind, {"reason": answer.reason})
        done += 1
        notice(done, len(todo))

    await asyncio.gather(*(one(*each) for each in todo))
    return stopped[0] if stopped else None

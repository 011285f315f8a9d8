"""A measurement of realism: pairs from a run, a sample of them and planted fakes before a judge, the figures.

Everything is kept as it comes, so a stopped measurement goes on where it was.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from harness import verdicts as kept
from harness.discriminator.asking import Ask, Measure, Notice, ask_judge, open_questions, open_repeats
from harness.discriminator.controls import Controls, controls_of
from harness.discriminator.fakes import plant
from harness.discriminator.grouping import grouped
from harness.discriminator.pairs import Origin, Pair, call_pairs_of, read_pair, turn_pair
from harness.discriminator.retest import Retest, retest_of
from harness.discriminator.score import Power, Verdict, WinRate, chance_of, join_orders, power, win_rate
from harness.discriminator.serialise import Window
from harness.discriminator.variants import Variant, variants_of
from harness.ledger import ToolStep, fold, read_steps
from harness.rows import RolloutRow
from harness.store import Store
from toolsim.modeltypes import Model
from toolsim.seeds import derive_seed
from toolsim.trajectory import JsonObject, effects, model_view, split, turns


@dataclass(frozen=True, slots=True)
class Realism:
    """The result. `headline` is over judged call or turn pairs; `population` counts all pairs of the run by kind.

    The `by_…` tables are those of `harness.discriminator.grouping`. `variant` says what was done to the pairs, `retest`
    how the judge answered when asked again (`None`: it was not).
    """

    run: str
    judge: str | None
    same_family: bool
    headline: WinRate
    cross_model: bool
    by_rung: tuple[WinRate, ...]
    by_tool: tuple[WinRate, ...]
    by_agent: tuple[WinRate, ...]
    by_class: tuple[WinRate, ...]
    by_since: tuple[WinRate, ...]
    by_pool: tuple[WinRate, ...]
    power: tuple[Power, ...]
    population: dict[str, int]
    invalid: dict[str, int]
    budget: str | None
    controls: Controls
    variant: Variant = "plain"
    retest: Retest | None = None


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


async def discriminate(  # noqa: PLR0913  a measurement's inputs, all but four by name
    store: Store,
    run: str,
    judge: Model | None,
    measure: Measure,
    notice: Notice,
    *,
    simulator_family: str | None = None,
    controls: Controls | None = None,
    asked: Ask | None = None,
) -> Realism:
    """Judge a run. Without a judge pairs are only counted. `controls` are those of another judge of the same pairs.

    `asked` asks the questions (by default one request after another; a second asking always goes that way).
    """
    plain = [p for p in make_pairs(store, run, measure.window) if p.kind in measure.kinds]
    budget = None
    if judge is not None:
        sample = draw(variants_of(plain, measure.variant), measure.pairs, measure.seed)
        fakes = planted(plain, measure)
        store.add_pairs(run, [(p.id, None, p.kind, p.facts(), p.body()) for p in (*sample, *fakes)])
        ask = asked or ask_judge
        budget = await ask(
            store, judge, open_questions(store, run, judge.name, _in_turn(sample, fakes)), measure, notice
        )
        if budget is None and measure.repeats:
            again = open_repeats(store, run, judge.name, sample[: measure.repeats])
            budget = await ask_judge(store, judge, again, measure, notice, again=True)
    same_family = judge is not None and judge.family == simulator_family
    name = judge.name if judge else None
    return realism_of(
        store, run, name, same_family=same_family, budget=budget, variant=measure.variant, controls=controls
    )


def planted(plain: Sequence[Pair], measure: Measure) -> tuple[Pair, ...]:
    """Planted fakes in the same variant as the pairs, so that the power is that of stripped texts, of like lengths."""
    base = [p for p in plain if p.kind == "call"] or plain
    if measure.variant != "matched":
        return plant(variants_of(base, measure.variant), measure.fakes, measure.seed)
    # most faults change the length: as many are planted as it takes
    for times in (1, 2, 4, 8):
        fakes = variants_of(plant(base, times * measure.fakes, measure.seed), "matched")
        if len(fakes) >= measure.fakes:
            break
    return fakes[: measure.fakes]


def realism_of(
    store: Store,
    run: str,
    judge: str | None,
    *,
    same_family: bool = False,
    budget: str | None = None,
    variant: Variant = "plain",
    controls: Controls | None = None,
) -> Realism:
    """The figures of a run from what the store holds of this judge: the pairs that it was asked about."""
    stored = [read_pair(facts, body) for _, _, _, facts, body in store.pairs(run)]
    plain = [p for p in stored if p.origin.variant is None and not p.kind.startswith("fake:")]
    real = variants_of(plain, variant)
    mark = None if variant == "plain" else variant
    fakes = [p for p in stored if p.kind.startswith("fake:") and p.origin.variant == mark]
    pairs = {p.id: p for p in (*real, *fakes)}
    rows = [j for j in store.judgements(run) if j["judge"] == judge and j["pair"] in pairs]
    asked = {j["pair"] for j in rows}
    verdicts = {v.pair.id: v for v in _joined(rows, pairs)}
    valid = {(j["pair"], j["sides"]) for j in rows if j["status"] == "valid"}
    open_rows = [j for j in rows if (j["pair"], j["sides"]) not in valid]
    judged = [p for p in real if p.id in asked or p.identical]
    tables = grouped(judged, verdicts)
    return Realism(
        run=run,
        judge=judge,
        same_family=same_family,
        headline=win_rate("all", judged, verdicts),
        cross_model=any(not p.origin.same_model for p in judged),
        by_rung=tables["rung"],
        by_tool=tables["tool"],
        by_agent=tables["scaffold"],
        by_class=tables["class"],
        by_since=tables["since"],
        by_pool=tables["pool"],
        power=power(v for v in verdicts.values() if v.pair.kind.startswith("fake:")),
        population=dict(Counter(f"{p.kind}, {'identical' if p.identical else 'different'}" for p in real)),
        invalid=dict(Counter(j["status"] for j in open_rows)),
        budget=budget,
        controls=controls or controls_of(store, [row for row, _ in store.rollouts(run)], real),
        variant=variant,
        retest=retest_of(rows, [j for j in kept.repeats(store, run) if j["judge"] == judge], pairs),
    )


def _joined(rows: Iterable[JsonObject], pairs: Mapping[str, Pair]) -> tuple[Verdict, ...]:
    valid = [j for j in rows if j["status"] == "valid"]
    taken = {(j["pair"], j["sides"]): bool(j["facts"]["simulated_taken"]) for j in valid}
    chances = {
        (j["pair"], j["sides"]): chance_of(bool(j["facts"]["simulated_taken"]), float(j["facts"]["probability"]))
        for j in valid
    }
    return join_orders({name: pairs[name] for name in sorted({j["pair"] for j in valid})}, taken, chances)


def verdicts_of(store: Store, run: str, judge: str | None, variant: Variant = "plain") -> tuple[Verdict, ...]:
    """What a judge said in both orders of a run's pairs in a variant, fakes among them."""
    mark = None if variant == "plain" else variant
    stored = (read_pair(facts, body) for _, _, _, facts, body in store.pairs(run))
    pairs = {p.id: p for p in stored if p.origin.variant == mark}
    return _joined((j for j in store.judgements(run) if j["judge"] == judge and j["pair"] in pairs), pairs)


def _in_turn(sample: Sequence[Pair], fakes: Sequence[Pair]) -> tuple[Pair, ...]:
    """Pairs and fakes alternating, so that a budget that runs out leaves some of both."""
    both = zip_longest(sample, fakes)
    return tuple(pair for pairs in both for pair in pairs if pair is not None)


__all__ = ["Measure", "Notice", "Realism", "discriminate", "draw", "make_pairs", "realism_of", "verdicts_of"]

"""The second outcome of an ablation: how often the answers of each cell pass for recorded ones.

The trained discriminator is asked about every cell, the model judge about a sample of calls, the same in every cell. A
call that the judge gives no valid answer to in one cell is dropped from all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.ablation.arms import Cell
from harness.ablation.measuring import Measured
from harness.ablation.planning import AblationPlan
from harness.discriminator.asking import ASK_AGAIN, Measure, Notice, ask_judge
from harness.discriminator.judge import ORDERS
from harness.discriminator.pairs import Pair, Sides
from harness.discriminator.score import join_orders
from harness.discriminator.trained import Trained, classify
from harness.estimates import Estimate, clustered_share
from harness.store import Store
from toolsim.modeltypes import Model
from toolsim.seeds import derive_seed
from toolsim.trajectory import JsonObject


@dataclass(frozen=True, slots=True)
class Judged:
    """What the judge makes of one cell. `win_rate` is over differing pairs, `with_identical` counts identical ones ½.

    `asked` calls were drawn; `dropped` of them had no valid answer in some cell; `missing` are unanswered here.
    """

    asked: int
    dropped: int
    identical: int
    missing: int
    win_rate: Estimate | None
    with_identical: Estimate | None


def trained(measured: Measured, seed: int) -> dict[str, Trained]:
    """What the trained discriminator makes of each cell that has pairs enough, by the cell's name."""
    found: dict[str, Trained] = {}
    for cell, pairs in measured.pairs.items():
        made = classify([pairs[key] for key in sorted(measured.keys & pairs.keys())], seed=seed)
        if made is not None:
            found[cell.name] = replace(made, scores=())
    return found


def drawn(measured: Measured, count: int, seed: int) -> tuple[str, ...]:
    """A seeded sample of the common calls that differ in some cell, in rounds over the clusters."""
    keys = [key for key in measured.keys if any(key in p and not p[key].identical for p in measured.pairs.values())]
    table = next(iter(measured.table.values()), {})
    groups: dict[str, list[str]] = defaultdict(list)
    for key in sorted(keys, key=lambda k: derive_seed(seed, "judged", k)):
        groups[table[key].cluster].append(key)
    order = sorted(groups, key=lambda name: derive_seed(seed, "cluster", name))
    most = max(map(len, groups.values()), default=0)
    return tuple(groups[name][n] for n in range(most) for name in order if n < len(groups[name]))[:count]


async def judge_cells(
    store: Store,
    made: AblationPlan,
    measured: Measured,
    judge: Model,
    measure: Measure,
    notice: Notice,
) -> str | None:
    """Ask the judge about `measure.pairs` calls in every cell, call by call; what was asked before stays.

    Says which budget ended it, if one did.
    """
    keys = drawn(measured, measure.pairs, measure.seed)
    todo = list(_todo(store, made, measured, judge.name, keys))
    return await ask_judge(store, judge, todo, measure, notice)


def judged(store: Store, made: AblationPlan, measured: Measured, judge: str, keys: Sequence[str]) -> dict[str, Judged]:
    """The judge's figures by cell, over the calls that have a valid answer wherever they were asked about."""
    wins = {cell: _wins(store, made, measured, judge, cell, keys) for cell in measured.pairs}
    table = next(iter(measured.table.values()), {})
    valid = [
        key
        for key in keys
        if all(key not in pairs or pairs[key].identical or key in wins[cell] for cell, pairs in measured.pairs.items())
    ]
    found: dict[str, Judged] = {}
    for cell, pairs in measured.pairs.items():
        there = [key for key in valid if key in pairs]
        differing = [key for key in there if not pairs[key].identical]
        whole = [wins[cell].get(key, 0.5) for key in there]
        found[cell.name] = Judged(
            asked=len(keys),
            dropped=len(keys) - len(valid),
            identical=len(there) - len(differing),
            missing=len(valid) - len(there),
            win_rate=clustered_share([wins[cell][key] for key in differing], [table[key].cluster for key in differing]),
            with_identical=clustered_share(whole, [table[key].cluster for key in there]),
        )
    return found


def _todo(
    store: Store, made: AblationPlan, measured: Measured, judge: str, keys: Sequence[str]
) -> Iterable[tuple[str, Pair, Sides]]:
    rows = _answers(store, made, judge)
    known = {(j["pair"], j["sides"]) for j in rows if j["status"] not in ASK_AGAIN}
    for key in keys:
        for cell, pairs in measured.pairs.items():
            run = made.runs[cell.name]
            if key not in pairs or pairs[key].identical:
                continue
            pair = pairs[key]
            store.add_pairs(run, [(pair.id, None, pair.kind, pair.facts(), pair.body())])
            for sides in ORDERS:
                if (pair.id, sides) not in known:
                    known.add((pair.id, sides))
                    yield run, pair, sides


def _wins(
    store: Store, made: AblationPlan, measured: Measured, judge: str, cell: Cell, keys: Sequence[str]
) -> Mapping[str, float]:
    rows = _answers(store, made, judge)
    taken = {(j["pair"], j["sides"]): j["facts"]["simulated_taken"] for j in rows if j["status"] == "valid"}
    pairs = {key: measured.pairs[cell][key] for key in keys if key in measured.pairs[cell]}
    verdicts = {v.pair.id: v.win for v in join_orders({p.id: p for p in pairs.values()}, taken)}
    return {key: verdicts[pair.id] for key, pair in pairs.items() if pair.id in verdicts}


def _answers(store: Store, made: AblationPlan, judge: str) -> list[JsonObject]:
    """What the judge said in any cell: cells that answer a call alike share the pair, which is asked about once."""
    return [j for run in made.runs.values() for j in store.judgements(run) if j["judge"] == judge]

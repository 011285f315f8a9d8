"""Simulated results graded by rubric: a sample of a run's pairs and planted fakes, and the mean of each dimension."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness import verdicts
from harness.discriminator.asking import ASK_AGAIN, Measure, Notice, ask_each
from harness.discriminator.measure import draw, make_pairs, planted
from harness.discriminator.pairs import Pair, read_pair
from harness.discriminator.rubric import CRITERIA, Dimension, Grade, NoGrade, grade_once
from harness.discriminator.variants import Variant, variants_of
from harness.estimates import clustered_share
from harness.store import Store
from toolsim.modeltypes import Model
from toolsim.trajectory import JsonObject

ALL = "all"
FAKES = "planted fakes"


@dataclass(frozen=True, slots=True)
class MeanGrade:
    """The mean of grades from 1 to 5 with a 95 % interval clustered by lineage; `warning` as in `Estimate`."""

    value: float
    low: float
    high: float
    n: int
    clusters: int
    warning: str | None

    def __str__(self) -> str:
        doubt = f"; {self.warning}" if self.warning else ""
        interval = f"[{self.low:.2f}, {self.high:.2f}]"
        return f"{self.value:.2f} {interval} (n={self.n}, clusters={self.clusters}{doubt})"


@dataclass(frozen=True, slots=True)
class Graded:
    """One dimension of one group of differing pairs: `group` is a rung, `all`, or `planted fakes`.

    `dropped` pairs were asked about and have no valid grade.
    """

    dimension: Dimension
    group: str
    mean: MeanGrade | None
    dropped: int


@dataclass(frozen=True, slots=True)
class Rubric:
    """The grades of a run by one judge. `identical` pairs are not graded; `invalid` counts dropped grades by kind."""

    run: str
    judge: str
    same_family: bool
    variant: Variant
    table: tuple[Graded, ...]
    pairs: int
    identical: int
    invalid: dict[str, int]
    budget: str | None


async def grade_run(
    store: Store, run: str, judge: Model, measure: Measure, notice: Notice, *, simulator_family: str | None = None
) -> Rubric:
    """Grade a sample of a run's differing pairs, and planted fakes beside them; what has a grade is not asked again."""
    plain = [p for p in make_pairs(store, run, measure.window) if p.kind in measure.kinds]
    sample = draw(variants_of(plain, measure.variant), measure.pairs, measure.seed)
    chosen = (*sample, *planted(plain, measure))
    store.add_pairs(run, [(p.id, None, p.kind, p.facts(), p.body()) for p in chosen])
    rows = [g for g in verdicts.gradings(store, run) if g["judge"] == judge.name]
    known = {(g["pair"], g["dimension"]) for g in rows if g["status"] not in ASK_AGAIN}
    todo = [(pair, name) for pair in chosen for name in CRITERIA if (pair.id, name) not in known]

    async def ask(question: tuple[Pair, Dimension]) -> Grade | NoGrade:
        return await grade_once(judge, *question, window=measure.window, seed=measure.seed)

    def keep(_: tuple[Pair, Dimension], answer: Grade | NoGrade) -> None:
        status, facts = _as_row(answer)
        verdicts.add_grading(store, run, answer.pair, judge.name, answer.dimension, status, facts)

    budget = await ask_each(todo, ask, keep, measure.concurrency, notice)
    return rubric_of(
        store, run, judge.name, variant=measure.variant, same_family=judge.family == simulator_family, budget=budget
    )


def rubric_of(
    store: Store, run: str, judge: str, *, variant: Variant = "plain", same_family: bool = False,
    budget: str | None = None,
) -> Rubric:  # fmt: skip
    """The grades of a judge that the store holds."""
    mark = None if variant == "plain" else variant
    stored = [read_pair(facts, body) for _, _, _, facts, body in store.pairs(run)]
    of_variant = {p.id: p for p in stored if p.origin.variant == mark}
    plain = [p for p in stored if p.origin.variant is None and not p.kind.startswith("fake:")]
    rows = [g for g in verdicts.gradings(store, run) if g["judge"] == judge and g["pair"] in of_variant]
    grades = {(g["pair"], g["dimension"]): int(g["facts"]["grade"]) for g in rows if g["status"] == "valid"}
    asked = {(g["pair"], g["dimension"]) for g in rows}
    missing = [g for g in rows if (g["pair"], g["dimension"]) not in grades]
    groups = _groups([of_variant[name] for name in sorted({g["pair"] for g in rows})])
    return Rubric(
        run, judge, same_family, variant,
        table=tuple(_graded(name, label, group, grades, asked) for name in CRITERIA for label, group in groups),
        pairs=len(groups[0][1]) if groups else 0,
        identical=sum(p.identical for p in variants_of(plain, variant)),
        invalid=dict(Counter(g["status"] for g in missing)),
        budget=budget,
    )  # fmt: skip


def _groups(pairs: Iterable[Pair]) -> list[tuple[str, list[Pair]]]:
    """All real pairs, then by rung, then the fakes."""
    real: list[Pair] = []
    fakes: list[Pair] = []
    rungs: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.kind.startswith("fake:"):
            fakes.append(pair)
        else:
            real.append(pair)
            rungs[pair.origin.rung or "-"].append(pair)
    ordered = sorted(rungs.items(), key=lambda item: (-len(item[1]), item[0]))
    return [(ALL, real), *ordered, *([(FAKES, fakes)] if fakes else [])]


def _graded(
    dimension: Dimension, group: str, pairs: Sequence[Pair], grades: dict[tuple[str, str], int],
    asked: set[tuple[str, str]],
) -> Graded:  # fmt: skip
    there = [p for p in pairs if (p.id, dimension) in grades]
    mean = mean_grade([grades[p.id, dimension] for p in there], [p.origin.lineage for p in there])
    dropped = sum((p.id, dimension) in asked and (p.id, dimension) not in grades for p in pairs)
    return Graded(dimension, group, mean, dropped)


def mean_grade(grades: Sequence[int], lineages: Sequence[str]) -> MeanGrade | None:
    """The mean as a clustered share of the way from 1 to 5; `None` without grades."""
    found = clustered_share([(grade - 1) / 4 for grade in grades], lineages)
    if found is None:
        return None
    value, low, high = (1 + 4 * share for share in (found.value, found.low, found.high))
    return MeanGrade(value, low, high, found.n, found.clusters, found.warning)


def _as_row(answer: Grade | NoGrade) -> tuple[str, JsonObject]:
    if isinstance(answer, NoGrade):
        return answer.kind, {"reason": answer.reason}
    return "valid", {
        "grade": answer.grade, "reason": answer.reason, "prompt": answer.prompt_hash, "tokens": answer.tokens,
        "cost": answer.cost,
    }  # fmt: skip

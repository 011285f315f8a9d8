"""Own and public prefixes where the truth is known: `python benchmarks/prefixes.py [--studies N] [--seed S]`.

Part one: two scripted models with planted rates by kind of task and behaviour, on prefixes of one's own mix of tasks
and of a public mix, through the code of `deploysim forecast pick`. The truth is the rate under the own mix.

Part two: rows of chats by task go through the importer; two scripted models take the last turn of each again, a
scripted grader finds the planted phrase by the chat taxonomy, and the graded sets are compared. Prints Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness import experiment
from harness.behaviors.grader import GraderWindow
from harness.behaviors.grading import grade
from harness.behaviors.reading import rollouts
from harness.behaviors.taxonomy import load_taxonomy
from harness.config import resolve
from harness.forecast.prefixes import SURE, Comparison, compare_prefixes
from harness.graded import GradedSet, GradedTurn
from harness.importing import import_paths
from harness.intervals import Array
from harness.selection import Criteria
from harness.store import Store
from toolsim.calldb import CallDatabase
from toolsim.modeltypes import ModelRequest
from toolsim.scripted import Line, ScriptedModel

KINDS, CATEGORIES = 8, 12
NAMES = tuple(f"behaviour-{n}" for n in range(CATEGORIES))
ABOUT = {"taxonomy": "planted", "graders": ["planted"]}


@dataclass(frozen=True)
class Scenario:
    """`other` is the share of public prefixes whose tasks one's own traffic never has; `same` keeps the own mix.

    `spread` is the standard deviation of log rates over kinds of tasks, `apart` that of the models' log ratio.
    """

    name: str
    same: bool = False
    other: float = 0.0
    spread: float = 1.0
    apart: float = 0.5


SCENARIOS = (
    Scenario("public prefixes of the own mix", same=True),
    Scenario("another mix of the same tasks"),
    Scenario("half of them other tasks", other=0.5),
    Scenario("all of them other tasks", other=1.0),
    Scenario("another mix, rates hardly differ by task", spread=0.3, apart=0.15),
)


class World:
    """True rates by model, kind of task and behaviour: the last half of the kinds are in no own traffic."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        rng = self.rng
        base = np.log(np.exp(rng.uniform(np.log(0.004), np.log(0.05), CATEGORIES)))
        kinds = rng.normal(0, scenario.spread, (2 * KINDS, CATEGORIES))
        change = rng.choice([-0.9, -0.5, 0.0, 0.5, 0.9], CATEGORIES) + rng.normal(
            0, scenario.apart, (2 * KINDS, CATEGORIES)
        )
        first = base + kinds
        self.rates = np.minimum(0.5, np.exp(np.stack([first, first + change])))
        self.own = np.concatenate([rng.dirichlet(np.ones(KINDS)), np.zeros(KINDS)])
        mix = self.own[:KINDS] if scenario.same else rng.dirichlet(np.ones(KINDS))
        self.public = np.concatenate([(1 - scenario.other) * mix, scenario.other * rng.dirichlet(np.ones(KINDS))])
        self.truth = np.einsum("k,mkc->mc", self.own, self.rates)

    def acted(self, mix: Array, count: int, name: str) -> tuple[GradedSet, GradedSet]:
        """Both models on the same prefixes, one turn a lineage."""
        kinds = self.rng.choice(2 * KINDS, count, p=mix)
        sets = []
        for model in range(2):
            shown = self.rng.random((count, CATEGORIES)) < self.rates[model, kinds]
            turns = [
                GradedTurn(f"{name}-{n}:0", f"{name}-{n}", {NAMES[c]: 2 for c in np.flatnonzero(row)})
                for n, row in enumerate(shown)
            ]
            sets.append(GradedSet(ABOUT, NAMES, tuple(turns)))
        return sets[0], sets[1]


@dataclass
class Heap:
    """What came out of the studies of one scenario and kind of prefixes, against the true rates."""

    factors: list[float] = field(default_factory=list)
    picked: list[float] = field(default_factory=list)
    sure: list[float] = field(default_factory=list)
    close: list[float] = field(default_factory=list)
    reported: list[float] = field(default_factory=list)

    def add(self, found: Comparison, place: int, truth: Array) -> None:
        """One study."""
        for pick, (first, second) in zip(found.sources[place].picks, truth.T, strict=True):
            self.factors += [float(np.exp(abs(np.log(p / t)))) for p, t in ((pick.first, first), (pick.second, second))]
            right = 0.5 if pick.chosen is None else float(pick.chosen == int(second < first))
            if max(first / second, second / first) < 1.5:
                self.close.append(right)
                continue
            self.picked.append(right)
            if pick.sure >= SURE:
                self.sure.append(right)
        score = found.scores[place]
        if score.picked.of:
            self.reported.append(score.picked.hits / score.picked.of)


def drawn(studies: int, count: int, seed: int) -> None:
    """All scenarios by simulation."""
    rows = []
    for scenario in SCENARIOS:
        heaps = {"own": Heap(), "public": Heap()}
        nearer, pairs = 0.0, 0
        for number in range(studies):
            world = World(scenario, seed + number)
            sources = {
                "own": world.acted(world.own, count, "own"),
                "public": world.acted(world.public, count, "public"),
            }
            traffic = world.acted(world.own, 5 * count, "traffic")
            found = compare_prefixes(sources, traffic, seed=seed)
            for place, heap in enumerate(heaps.values()):
                heap.add(found, place, world.truth)
            duel = found.nearer[0]
            nearer, pairs = nearer + duel.wins + duel.ties / 2, pairs + duel.wins + duel.losses + duel.ties
        for name, heap in heaps.items():
            rows.append([
                scenario.name if name == "own" else "", name, float(np.median(heap.factors)),
                float(np.quantile(heap.factors, 0.9)), percent(heap.picked), percent(heap.sure),
                percent(heap.close), percent(heap.reported),
                f"{100 * nearer / pairs:.1f} %" if name == "own" else "",
            ])  # fmt: skip
    print(
        f"\n{studies} studies of {CATEGORIES} behaviours, {count} prefixes of each kind, {5 * count} turns of traffic:"
    )
    table(("planted", "prefixes", "median factor to the true rate", "90 %", "better one picked, rates x1.5 apart",
           "of sure picks", "rates closer", "as the command says", "own nearer than public"), rows)  # fmt: skip


def percent(values: list[float]) -> str:
    """A mean in percent with its number of values."""
    return f"{100 * sum(values) / len(values):.1f} % of {len(values)}" if values else "-"


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print one table."""
    names = list(header)
    print(f"\n| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in rows:
        print(f"| {' | '.join(f'{c:.2f}' if isinstance(c, float) else str(c) for c in row)} |", flush=True)


TASKS = ("taxes", "pills", "verse", "tables")
CHAT = {"false-claim": "It is surely so.", "sycophancy": "What a great idea."}
CHANCES = {
    "one": {"taxes": (0.30, 0.05), "pills": (0.10, 0.20), "verse": (0.02, 0.30), "tables": (0.15, 0.10)},
    "two": {"taxes": (0.15, 0.10), "pills": (0.05, 0.40), "verse": (0.02, 0.15), "tables": (0.08, 0.20)},
}
MIXES = {"own": (0.5, 0.3, 0.0, 0.2), "public": (0.1, 0.1, 0.7, 0.1)}


def chat_rows(path: Path, mix: tuple[float, ...], count: int, seed: int) -> None:
    """Rows of WildChat's form, each about one task."""
    rng = random.Random(seed)
    with path.open("w") as out:
        for n in range(count):
            task = rng.choices(TASKS, mix)[0]
            turns = [{"role": r, "content": f"{t} {task} {n}"} for r, t in (("user", "about"), ("assistant", "well,"))]
            row = {"conversation_hash": f"{seed:x}-{n:x}", "model": "old", "conversation": turns, "toxic": False}
            out.write(json.dumps(row) + "\n")


def speaker(name: str) -> ScriptedModel:
    """A model that says each planted phrase with the task's chance."""

    def answer(request: ModelRequest) -> Line:
        task = str(request.messages[-1]["content"]).split()[1]
        rng = random.Random(request.seed)
        said = [p for p, chance in zip(CHAT.values(), CHANCES[name][task], strict=True) if rng.random() < chance]
        return " ".join(["Well.", *said])

    return ScriptedModel(answer, name=name)


def grader() -> ScriptedModel:
    """Finds the planted phrases in the turn that it is shown."""

    def answer(request: ModelRequest) -> Line:
        text = str(request.messages[0]["content"])
        step = re.search(r"\[(\d+)\] \(says\) Well\.", text)
        return {"findings": [
            {"category": c, "severity": 2, "step": int(step[1]) if step else 0, "quote": p, "reason": "planted"}
            for c, p in CHAT.items() if p in text
        ]}  # fmt: skip

    return ScriptedModel(answer, name="planted")


async def played(folder: Path, kind: str, model: str, count: int, seed: int) -> GradedSet:
    """Rows imported, the last turn of each taken again by a model, and graded."""
    path = folder / f"{kind}-{seed}.jsonl"
    chat_rows(path, MIXES[kind], count, seed)
    with Store(folder / f"{kind}-{seed}-{model}.db") as store, CallDatabase(folder / "calls.db") as calls:
        import_paths(store, calls, [path])
        config = resolve(
            {"candidate": model, "simulator": "none", "affordances": "none", "shell": "none"}, environment={}
        )
        made = experiment.plan(store, config, Criteria(), {})
        parts = experiment.Parts(store, None, (), speaker(model), None, None)
        await experiment.play(made, config, parts, concurrency=8, notice=lambda *_: None)
        turns, left = rollouts(store, made.run)
        graded = await grade(
            store, made.run, turns, load_taxonomy("chat"), [grader()], window=GraderWindow(), seed=seed, concurrency=8,
            notice=lambda *_: None, left_out=left,
        )  # fmt: skip
        return graded.whole()


async def through(count: int, seed: int) -> None:
    """The same through importer, resampling and grading."""
    with tempfile.TemporaryDirectory(prefix="prefixes-") as name:
        sets = {
            kind: tuple([await played(Path(name), where, model, count, seed + n) for model in CHANCES])
            for n, (kind, where) in enumerate((("own", "own"), ("public", "public"), ("traffic", "own")))
        }
    traffic = sets.pop("traffic")
    found = compare_prefixes(sets, traffic)  # type: ignore[arg-type]
    print(f"\nThrough importer, resampling and grading, {count} conversations of each kind:")
    rows = []
    for source in (*found.sources, found.traffic):
        assert source is not None
        mix = MIXES["public" if source.name == "public" else "own"]
        for place, category in enumerate(CHAT):
            pick = next(p for p in source.picks if p.category == category)
            true = [sum(w * CHANCES[m][t][place] for w, t in zip(mix, TASKS, strict=True)) for m in CHANCES]
            rows.append([
                category, source.name, *(f"{100 * v:.1f} %" for v in (true[0], pick.first, true[1], pick.second)),
                {None: "neither", 0: "first", 1: "second"}[pick.chosen], f"{100 * pick.sure:.0f} %",
            ])  # fmt: skip
    table(("behaviour", "prefixes", "first, planted", "found", "second, planted", "found", "pick", "sure"), rows)


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--prefixes", type=int, nargs="*", default=[300, 2_000])
    parser.add_argument("--conversations", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for count in asked.prefixes:
        drawn(asked.studies, count, asked.seed)
    asyncio.run(through(asked.conversations, asked.seed))


if __name__ == "__main__":
    main()

"""Forecasts where the truth is known: `python benchmarks/study.py [--studies N] [--seed S]`.

Part one: scripted candidates with planted behaviour rates over prefixes shaped like recorded sessions (lineages with
their numbers of turns; with DEPLOYSIM_SESSIONS those of the sessions in that folder, else of a fixed mixture), through
the code that the commands use: rates, freeze, score, split. What is planted: behaviours that the candidate shows more
or less often, a simulator that changes rates, a shift of prefixes, and beginnings written by another model.

Part two: a scripted candidate takes the fixtures' recorded turns again in the simulated world, shows a planted command
at a known rate, and is graded from the ledger: what the machinery itself loses or adds. Prints Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.special import betaincinv

from harness import experiment
from harness.config import resolve
from harness.demo import find_fixtures
from harness.forecast.predict import Plan, Sides, predict
from harness.forecast.record import Method, seal
from harness.forecast.score import Scores, score
from harness.forecast.split import Split, split_errors
from harness.graded import GradedSet, GradedTurn
from harness.importing import import_paths
from harness.intervals import Array
from harness.ledger import ModelStep, read_steps
from harness.rates import measure_rate
from harness.selection import Criteria
from harness.store import Store
from toolsim import shellparse
from toolsim.calldb import CallDatabase
from toolsim.modeltypes import ModelRequest
from toolsim.scripted import Line, ScriptedModel
from toolsim.trajectory import ToolCall

ABOUT = {"taxonomy": "planted", "graders": ["planted"]}
CATEGORIES = 12
CHANGES = (1 / 3, 1 / 2, 1.0, 1.0, 2.0, 3.0)
CUTS = (0.0, 0.25, 0.5, 0.75)
ALIKE = 0.05
PLANTED = "planted-program"


@dataclass(frozen=True)
class Scenario:
    """What is planted: factors on every rate of the simulator, of the new window's prefixes, of others' beginnings."""

    name: str
    environment: float = 1.0
    shift: float = 1.0
    begun: float = 1.0
    changes: tuple[float, ...] = CHANGES
    thin: int = 1


SCENARIOS = (
    Scenario("nothing but the candidate changes"),
    Scenario("the same, a fifth of the lineages", thin=5),
    Scenario("no model change either", changes=(1.0,)),
    Scenario("the simulator doubles every rate", environment=2.0),
    Scenario("new prefixes double every rate", shift=2.0),
    Scenario("others' beginnings double what follows", begun=2.0),
)


class Study:
    """One study: draws true rates, lets scripted models act on every prefix, and has the program estimate."""

    def __init__(self, scenario: Scenario, lineages: list[int], seed: int) -> None:
        self.scenario = scenario
        self.rng = np.random.default_rng(seed)
        order = self.rng.permutation(len(lineages))[:: scenario.thin]
        sizes = [lineages[n] for n in order]
        self.old, self.new = sizes[::2], sizes[1::2]
        self.before = np.exp(self.rng.uniform(np.log(0.003), np.log(0.05), CATEGORIES))
        self.change = self.rng.choice(scenario.changes, CATEGORIES)
        self.after = self.before * self.change
        self.names = tuple(f"behaviour-{n}" for n in range(CATEGORIES))
        self.moods = {"old": self._moods(self.old), "new": self._moods(self.new)}

    def _moods(self, sizes: list[int]) -> Array:
        """Where each lineage stands among all, for each category: both models share it."""
        return np.asarray(self.rng.uniform(size=(len(sizes), CATEGORIES)))

    def acted(self, window: str, rates: Array, cut: float = 0.0) -> GradedSet:
        """A model with these true rates on every prefix of a window; rates vary over lineages with an ICC of 0.05."""
        sizes = self.old if window == "old" else self.new
        weight = (1 - ALIKE) / ALIKE
        by_lineage = betaincinv(rates * weight, (1 - rates) * weight, self.moods[window])
        turns = []
        for number, size in enumerate(sizes):
            shown = self.rng.random((size, CATEGORIES)) < by_lineage[number]
            for turn in range(size):
                found = {self.names[c]: 2 for c in np.flatnonzero(shown[turn])}
                turns.append(GradedTurn(f"{window}-{number}:{turn}", f"{window}-{number}", found, calls=1, cut=cut))
        return GradedSet(ABOUT, self.names, tuple(turns))

    def hard(self) -> GradedSet:
        """The candidate on prompts chosen to be hard: 3 to 20 times as often, by category."""
        return self.acted("old", np.minimum(0.6, self.after * self.rng.uniform(3, 20, CATEGORIES)))

    def cuts(self, window: str, rates: Array, begun: float) -> GradedSet:
        """The candidate from every cut of a window's turns."""
        turns = [t for cut in CUTS for t in self.acted(window, rates * (begun if cut else 1.0), cut).turns]
        return GradedSet(ABOUT, self.names, tuple(turns))

    def run(self, seed: int) -> tuple[Scores, tuple[Split, ...]]:
        """Freeze on the old window, score on the new one, split the error."""
        s = self.scenario
        simulated, real = self.after * s.environment, self.after * s.shift
        candidate = self.acted("old", simulated)
        sides = Sides(
            candidate, self.acted("old", self.before), self.acted("old", self.before * s.environment), self.hard()
        )
        frozen = seal(predict(sides, Plan("study", "uncorrected", seed=seed, thresholds=(1,)), now=0.0))
        window = self.acted("new", real)
        again = self.acted("new", real * s.environment)
        cuts = None
        if s.begun != 1:
            cuts = self.cuts("old", simulated, s.begun), self.cuts("new", real * s.environment, 1.0)
        parts = split_errors(frozen, window, again, 1, cuts=cuts, seed=seed)
        return score(frozen, window, 1), parts


@dataclass
class Heap:
    """Adds up studies of one scenario."""

    factors: dict[str, list[float]] = field(default_factory=dict)
    true_factors: dict[str, list[float]] = field(default_factory=dict)
    held: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    movers: int = 0
    sure: int = 0
    cells: int = 0
    turns: int = 0
    wins: Counter[str] = field(default_factory=Counter)
    logs: Counter[str] = field(default_factory=Counter)
    sources: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)

    def add(self, found: Scores, study: Study) -> None:
        """Count one study's scores."""
        self.cells += len(found.outcomes)
        self.turns += found.turns
        self.movers, self.sure = self.movers + found.movers, self.sure + found.movers_beyond_noise
        truth = study.after * study.scenario.shift
        for outcome, true in zip(found.outcomes, truth, strict=True):
            for m in outcome.methods:
                self.factors.setdefault(m.method, []).append(m.factor)
                self.true_factors.setdefault(m.method, []).append(float(np.exp(abs(np.log(m.predicted / true)))))
                self.held[m.method] += m.covered
                self.right[m.method] += bool(m.direction)
                self.logs[m.method] += m.log_score
        for duel in found.duels:
            self.wins[duel.baseline] += duel.rate * len(found.outcomes)
        for outcome in found.outcomes:
            ours, naive = (outcome.method(name) for name in ("corrected", "previous"))
            assert ours is not None
            assert naive is not None
            won = 1.0 if ours.factor < naive.factor else 0.5 * (ours.factor == naive.factor)
            self.wins["corrected against previous"] += won

    def split(self, parts: Iterable[Split]) -> None:
        """Count the parts of one study's errors."""
        for p in parts:
            for name, c in (("prefix shift", p.prefix_shift), ("environment", p.environment)):
                self.sources.setdefault(name, []).append((c.value, c.low, c.high))
            for a in p.authorship:
                e = a.effect
                self.sources.setdefault(f"begun, cut {a.cut:g}", []).append((e.value, e.low, e.high))


def shapes() -> tuple[list[int], str]:
    """Numbers of turns of lineages: of real sessions if a folder is named, else a fixed mixture like theirs."""
    folder = os.environ.get("DEPLOYSIM_SESSIONS")
    if not folder:
        rng = random.Random(1)
        return [min(60, max(1, round(rng.lognormvariate(0.9, 1.1)))) for _ in range(350)], "a fixed mixture"
    place = Path(tempfile.mkdtemp(prefix="study-"))
    try:
        with Store(place / "s.db") as store, CallDatabase(place / "c.db") as calls:
            import_paths(store, calls, [Path(folder)])
            found: Counter[str] = Counter()
            for row in store.sessions():
                found[row.lineage] += row.turns
    finally:
        shutil.rmtree(place)
    return [n for n in found.values() if n], "the recorded sessions"


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print one table."""
    names = list(header)
    print(f"\n| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in rows:
        print(f"| {' | '.join(f'{c:.2f}' if isinstance(c, float) else str(c) for c in row)} |", flush=True)


def percent(part: float, whole: float) -> str:
    """A share in percent, or a dash."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def intervals(lineages: list[int], studies: int, seed: int) -> None:
    """How often the intervals of rates hold the planted rate."""
    hits: Counter[str] = Counter()
    cells = 0
    for number in range(studies):
        study = Study(SCENARIOS[0], lineages, seed + number)
        graded = study.acted("old", study.after)
        for name, truth in zip(study.names, study.after, strict=True):
            rate = measure_rate(graded, name, 1, rng=study.rng)
            assert rate is not None
            cells += 1
            hits["Jeffreys (turns independent)"] += rate.jeffreys[0] <= truth <= rate.jeffreys[1]
            hits["clustered"] += rate.clustered.low <= truth <= rate.clustered.high
            hits["cluster bootstrap"] += rate.bootstrap.low <= truth <= rate.bootstrap.high
    print(f"\nIntervals of {cells} planted rates (0.1 to 15 %), share that holds the truth, 95 % wanted:")
    table(hits, [[percent(n, cells) for n in hits.values()]])


def forecasts(lineages: list[int], studies: int, seed: int) -> None:
    """All scenarios through freeze, score and split."""
    heaps = {}
    for scenario in SCENARIOS:
        heap = heaps[scenario] = Heap()
        for number in range(studies):
            study = Study(scenario, lineages, seed + 1_000 * number)
            found, parts = study.run(seed + number)
            heap.add(found, study)
            heap.split(parts)
    methods: tuple[Method, ...] = ("uncorrected", "corrected", "previous", "challenging")
    rows = []
    for scenario, h in heaps.items():
        for m in methods:
            f = h.factors[m]
            rows.append([
                scenario.name if m == methods[0] else "", m, float(np.median(f)), float(np.quantile(f, 0.9)), max(f),
                float(np.median(h.true_factors[m])), "-" if m == "previous" else percent(h.right[m], h.movers),
                percent(h.held[m], h.cells), h.logs[m] / h.cells,
            ])  # fmt: skip
    print(f"\nForecasts, {studies} studies of {CATEGORIES} categories in each scenario:")
    table(("planted", "method", "median factor", "90 %", "worst", "median factor to the true rate",
           "direction of movers", "counts held (95 %)", "log score"), rows)  # fmt: skip
    rows = [[s.name, round(h.turns / studies), f"{h.movers} of {h.cells}", h.sure,
             percent(h.wins["previous"], h.cells), percent(h.wins["corrected against previous"], h.cells),
             percent(h.wins["challenging"], h.cells)] for s, h in heaps.items()]  # fmt: skip
    table(("planted", "turns of the window", "movers", "of them beyond noise", "uncorrected nearer than previous",
           "corrected nearer than previous", "uncorrected nearer than challenging"), rows)  # fmt: skip
    print("\nSources of the error as factors (planted: what the scenario says, else 1):")
    table(("planted", "source", "planted factor", "median found", "interval holds it", "interval leaves 1 out"),
          [row for s, h in heaps.items() for row in _sources(s, h)])  # fmt: skip


def _sources(scenario: Scenario, heap: Heap) -> Iterable[list[object]]:
    planted = {"prefix shift": 1 / scenario.shift, "environment": scenario.environment}
    for name, found in heap.sources.items():
        truth = planted.get(name, scenario.begun)
        log = float(np.log(truth))
        yield [
            scenario.name, name, truth, float(np.exp(np.median([v for v, _, _ in found]))),
            percent(sum(low <= log <= high for _, low, high in found), len(found)),
            percent(sum(not low <= 0 <= high for _, low, high in found), len(found)),
        ]  # fmt: skip


class Actor:
    """A scripted candidate: one command a turn, the planted program with the given chance, then its last words."""

    def __init__(self, rate: float) -> None:
        self.rate, self.planted = rate, 0

    def __call__(self, request: ModelRequest) -> Line:
        if request.messages and request.messages[-1].get("role") == "tool":
            return "Done."
        shell = next(((t, n) for t in request.tools for n in ("command", "cmd")
                      if n in t.parameters.get("properties", {})), None)  # fmt: skip
        if shell is None:
            return "Nothing to do."
        planted = random.Random(request.seed).random() < self.rate
        self.planted += planted
        line = f"{PLANTED} --now" if planted else "true"
        tool, name = shell
        whole = tool.parameters["properties"][name].get("type") == "array"
        return ToolCall("c", tool.name, {name: ["bash", "-lc", line] if whole else line})


def simulator() -> ScriptedModel:
    """A simulator that answers every program with nothing; one program in twenty it cannot answer."""

    def answer(request: ModelRequest) -> Line:
        assert request.schema is not None
        if random.Random(request.seed).random() < 0.05:
            return {}
        plain = {"stdout": [], "text": [], "stderr": "", "exit_code": 0, "duration": 0.1, "files_changed": [],
                 "running": False, "is_error": False, "success": True, "problem": "none"}  # fmt: skip
        wanted = request.schema["properties"]
        return {n: "" if n in ("stdout", "text") and wanted[n]["type"] == "string" else plain.get(n) for n in wanted}

    return ScriptedModel(answer)


async def played(folder: Path, rate: float, samples: int) -> tuple[GradedSet, int]:
    """The fixtures' turns taken again; graded from the ledger alone."""
    with Store(folder / f"{rate}.db") as store, CallDatabase(folder / f"{rate}-calls.db") as calls:
        import_paths(store, calls, [find_fixtures()[0]])
        actor = Actor(rate)
        config = resolve({"candidate": f"scripted-{rate}", "simulator": "scripted", "affordances": "none",
                          "rungs": "simulated", "shell": "none"}, environment={})  # fmt: skip
        criteria = Criteria(agents=("claude-code", "codex"), samples=samples, every_turn=True)
        made = experiment.plan(store, config, criteria, {})
        parts = experiment.Parts(store, None, (), ScriptedModel(actor), simulator(), None)
        await experiment.play(made, config, parts, concurrency=8, notice=lambda *_: None)
        turns, failures = [], Counter[str]()
        for row, end in store.rollouts(made.run):
            if end is None or end.status != "completed":
                failures["not ended" if end is None else f"rollout failed: {end.stage}"] += 1
                continue
            said = [s.message for s in read_steps(store.steps(row.id)) if isinstance(s, ModelStep)]
            made_calls = [call for message in said for call in message.calls]
            shown = any(PLANTED in shellparse.programs(_line(call)) for call in made_calls)
            turns.append(GradedTurn(f"{row.session}:{row.turn}", row.lineage, {"planted": 3} if shown else {},
                                    calls=len(made_calls), sample=row.sample))  # fmt: skip
    return GradedSet(ABOUT, ("planted",), tuple(turns), failures), actor.planted


def _line(call: ToolCall) -> str:
    value = next(iter(call.arguments.values()), "")
    return str(value[-1]) if isinstance(value, list) else str(value)


def pipeline(samples: int) -> None:
    """Part two."""
    folder = Path(tempfile.mkdtemp(prefix="study-"))
    rows = []
    try:
        for rate in (0.02, 0.1, 0.3):
            graded, planted = asyncio.run(played(folder, rate, samples))
            found = measure_rate(graded, "planted", 1, rng=np.random.default_rng(0))
            assert found is not None
            rows.append([
                rate, planted, found.events, found.turns, found.missing,
                f"{found.value:.3f} [{found.jeffreys[0]:.3f}, {found.jeffreys[1]:.3f}]",
                f"[{found.clustered.low:.3f}, {found.clustered.high:.3f}]",
                f"[{found.worst[0]:.3f}, {found.worst[1]:.3f}]",
            ])  # fmt: skip
    finally:
        shutil.rmtree(folder)
    print("\nA scripted candidate in the simulated world (fixtures of claude-code and codex, every turn):")
    table(("true rate", "shown by the candidate", "found in the ledgers", "graded turns", "missing",
           "rate [Jeffreys]", "clustered", "worst case"), rows)  # fmt: skip


def main() -> None:
    """Parse, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=40)
    parser.add_argument("--samples", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    lineages, origin = shapes()
    print(f"{len(lineages)} lineages, {sum(lineages)} turns, shaped like {origin}; half of them before the freeze")
    pipeline(options.samples)
    intervals(lineages, options.studies, options.seed)
    forecasts(lineages, options.studies, options.seed)


if __name__ == "__main__":
    main()

"""An ablation from store and settings to its result: planned, played, measured, judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness import experiment
from harness.ablation.figures import CellFigures, Gain
from harness.ablation.measuring import figures, measure
from harness.ablation.planning import AblationPlan, Cost
from harness.ablation.playing import play
from harness.ablation.realism import Judged, drawn, judge_cells, judged, trained
from harness.batch import Notice
from harness.config import RunConfig
from harness.discriminator.measure import Measure
from harness.discriminator.trained import Trained
from harness.leakage import Leakage, leakage
from harness.store import Store
from toolsim.caches import cache_root
from toolsim.calldb import CallDatabase
from toolsim.connectors.package_metadata import public_index
from toolsim.deid.choice import beside
from toolsim.keeping import keeping
from toolsim.model import open_model
from toolsim.modeltypes import Budget, Model
from toolsim.shell.choice import choose
from toolsim.trajectory import JsonObject, content_hash


@dataclass(frozen=True, slots=True)
class Ablation:
    """The result. `calls` are asked in every cell, `open` of them some cell has not behind it yet (a budget).

    `trained` and `judged` go by the cell's name; `reference` says whose turn the affordance `rollout` shows.
    """

    id: str
    reference: str
    simulator: str
    critic: int
    cases: int
    clusters: int
    calls: int
    open: int
    kinds: dict[str, int]
    cells: tuple[CellFigures, ...]
    gains: tuple[Gain, ...]
    trained: dict[str, Trained]
    judge: str | None
    judged: dict[str, Judged]
    excluded: int
    failed: dict[str, int]
    cost: Cost
    model_calls: int
    tokens: int
    budget: str | None
    runs: dict[str, str]
    leakage: JsonObject | None = None

    @property
    def identity(self) -> bool:
        """Whether calls may have been answered from their own record: no measurement."""
        return self.reference == "own"


@dataclass(frozen=True, slots=True)
class Means:
    """What an ablation may use: `budget` for all models, `judge` (`none`: nobody) and what it is asked (`measure`)."""

    budget: Budget
    concurrency: int = 4
    judge: str = "none"
    measure: Measure = field(default_factory=Measure)


async def ablate(
    store: Store,
    calls: Path,
    made: AblationPlan,
    config: RunConfig,
    means: Means,
    notice: Notice,
    judging_notice: Callable[[int, int], None] = lambda _done, _planned: None,
) -> Ablation:
    """Play what is missing, then measure and judge.

    Raises:
        HarnessError, ToolsimError: it cannot start (no weights, no store).
    """
    async with AsyncExitStack() as stack:
        maps = beside(store.path, config.deidentify)
        opened, judge = open_model(config.simulator, budget=means.budget, deidentify=maps), None
        model = keeping(opened, config.reply_cache)
        if means.judge != "none":
            same = means.judge == config.simulator
            other = None if same else open_model(means.judge, budget=means.budget, deidentify=maps)
            judge = model if same else keeping(other, config.reply_cache)
        for one in {id(m): m for m in (model, judge) if m is not None}.values():
            stack.push_async_callback(one.close)
        with _parts(store, calls, model, config) as parts:
            outcome = await play(parts, made, config, concurrency=means.concurrency, notice=notice)
        stopped = outcome.budget
        if judge is not None:
            ended = await judge_cells(store, made, measure(store, made), judge, means.measure, judging_notice)
            stopped = stopped or ended
        name = None if judge is None else judge.name
    return result_of(store, made, config, means, stopped=stopped, judge=name)


def result_of(
    store: Store,
    made: AblationPlan,
    config: RunConfig,
    means: Means,
    *,
    stopped: str | None = None,
    judge: str | None = None,
) -> Ablation:
    """The figures from what the store holds."""
    measured = measure(store, made)
    found = figures(measured, config.seed)
    keys = drawn(measured, means.measure.pairs, means.measure.seed)
    failed: dict[str, int] = {}
    for run in made.runs.values():
        for _, end in store.rollouts(run):
            if end is not None and end.status == "failed":
                failed[f"{end.stage}: {end.reason}"] = failed.get(f"{end.stage}: {end.reason}", 0) + 1
    return Ablation(
        id=made.id,
        reference=made.design.reference,
        simulator=config.simulator,
        critic=made.design.critic,
        cases=len(made.cases),
        clusters=len({case.cluster for case in made.cases}),
        calls=made.calls,
        open=measured.open,
        kinds=made.kinds,
        cells=found.cells,
        gains=found.gains,
        trained=trained(measured, config.seed),
        judge=judge,
        judged={} if judge is None else judged(store, made, measured, judge, keys),
        excluded=len(made.excluded),
        failed=failed,
        cost=made.cost,
        model_calls=means.budget.calls,
        tokens=means.budget.usage.total,
        budget=stopped,
        runs=made.runs,
        leakage=kept_leakage(store),
    )


async def leak(
    store: Store,
    calls: Path,
    made: AblationPlan,
    config: RunConfig,
    budget: Budget,
    notice: Callable[[int, int], None],
) -> Leakage:
    """Measure what leaks and keep the figures; without a simulator the echo answers.

    Raises:
        BudgetExceeded: a limit was reached; nothing is kept then.
        HarnessError, ToolsimError: it cannot start, or a case cannot be played.
    """
    opened = open_model(config.simulator, budget=budget, deidentify=beside(store.path, config.deidentify))
    model = keeping(opened, config.reply_cache)
    try:
        with _parts(store, calls, model, config) as parts:
            found = await leakage(parts, made, config, notice)
    finally:
        if model is not None:
            await model.close()
    about = {"config": config.model_dump(mode="json"), "reference": made.design.reference, "figures": found.record()}
    now = time.time()
    store.begin_run(content_hash(["leakage", made.id, about, str(now)])[:12], "leakage", about, now=now)
    return found


def kept_leakage(store: Store) -> JsonObject | None:
    """The newest figures of leakage in the store, with the settings they were measured under."""
    found = [run["manifest"] for run in store.runs() if run["kind"] == "leakage"]
    return found[-1] if found else None


@contextmanager
def _parts(store: Store, calls: Path, model: Model | None, config: RunConfig) -> Iterator[experiment.Parts]:
    index = public_index()
    connectors = () if index is None else (index,)
    shell = choose(config.shell, config.container)
    parts = experiment.Parts(store, None, store.repositories(), None, model, cache_root() / "shell", connectors, shell)
    if not calls.exists():
        yield parts
        return
    with CallDatabase(calls) as database:
        parts.calls = database
        yield parts

"""The commands' work, without the command line: resample a store, judge a run, and both after an import."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import experiment
from harness.batch import Notice, Outcome
from harness.config import RunConfig
from harness.discriminator.asking import Ask
from harness.discriminator.grading import Rubric, grade_run
from harness.discriminator.judges import Panel, panel
from harness.discriminator.measure import Measure, Realism, discriminate
from harness.engines.here import Engine, Work, here
from harness.errors import ConfigError
from harness.ledger import read_steps
from harness.selection import Criteria
from harness.store import Store
from harness.tallies import Tallies
from toolsim.deid.choice import Mode, beside
from toolsim.keeping import keeping
from toolsim.model import is_embedded, open_model
from toolsim.modeltypes import Budget, Model
from toolsim.shell.choice import choose


@dataclass(frozen=True, slots=True)
class Resampled:
    """What `resample` did.

    `rungs` counts answers by rung (`unanswered` among them), `identical` those that are the recorded text byte for
    byte, `grades` all that have a record by rung and grade (`harness.fidelity`). `failures` says why calls
    are unanswered, by stage and kind; `groups` has rungs and grades by agent and pool; `modes` says how the candidate's
    actions were read (native, schema, text, recorded). `cached_tokens` are those of the prompts that endpoints say they
    had read before.
    """

    run: str
    rollouts: int
    ends: dict[str, int]
    excluded: int
    left_open: int
    budget: str | None
    rungs: dict[str, int]
    identical: dict[str, int]
    grades: dict[str, dict[str, int]]
    failures: dict[str, int]
    groups: tuple[Group, ...]
    modes: dict[str, int]
    identity_run: bool
    shell: str
    model_calls: int
    tokens: int
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class Group:
    """The calls of one agent in one pool: how many, by rung, and the grades of all answered."""

    agent: str
    pool: str
    calls: int
    rungs: dict[str, int]
    grades: dict[str, int]


async def resample(  # noqa: PLR0913  a run's inputs and the ways to tell of it, all by name
    store: Store,
    calls: Path,
    config: RunConfig,
    criteria: Criteria,
    *,
    budget: Budget,
    concurrency: int,
    notice: Notice,
    planned: Callable[[experiment.Plan], None] = lambda _: None,
    engine: Engine = here,
) -> Resampled:
    """Let a candidate take the chosen turns again; started again it does what is missing.

    Raises:
        HarnessError, ToolsimError: the run cannot start (no weights, no store).
    """
    shell = choose(config.shell, config.container)
    config = config.model_copy(update=shell.settings())
    maps = beside(store.path, config.deidentify)
    inputs = {
        "calls": experiment.database_hash(calls), "pools": "frozen", "shell": str(shell),
        "deidentified": [
            role for role, spec in (("candidate", config.candidate), ("simulator", config.simulator))
            if spec not in {"recorded", "none"} and maps.shield_of(embedded=is_embedded(spec)) is not None
        ],
    }  # fmt: skip
    plan = experiment.plan(store, config, criteria, inputs)
    planned(plan)
    outcome = await engine(Work(store, calls, plan, config, budget, concurrency, notice))
    return summarise(store, plan, config, outcome, str(shell), budget)


def summarise(
    store: Store, plan: experiment.Plan, config: RunConfig, outcome: Outcome, shell: str, budget: Budget
) -> Resampled:
    """Count a run from what the store holds."""
    ends: Counter[str] = Counter()
    tallies = Tallies()
    for row, end in store.rollouts(plan.run):
        ends["open" if end is None else end.status if end.stage is None else f"{end.status}: {end.stage}"] += 1
        tallies.add(row, read_steps(store.steps(row.id)))
    whole = tallies.whole
    return Resampled(
        run=plan.run,
        rollouts=len(plan.rows),
        ends=dict(ends),
        excluded=len(store.exclusions(plan.run)),
        left_open=len(outcome.left_open),
        budget=outcome.budget,
        rungs=dict(whole.rungs),
        identical=dict(whole.identical),
        grades={rung: graded for rung in whole.rungs if (graded := whole.grades(rung))},
        failures=dict(whole.failures),
        groups=tuple(
            Group(agent, pool, group.calls, dict(group.rungs), group.grades())
            for (agent, pool), group in sorted(tallies.groups.items())
        ),
        modes=dict(tallies.modes),
        identity_run=config.identity_run,
        shell=shell,
        model_calls=budget.calls,
        tokens=budget.usage.total,
        cached_tokens=budget.usage.cached_tokens,
    )


async def judge_run(  # noqa: PLR0913  a measurement's inputs, all but four by name
    store: Store,
    run: str,
    judge_specs: Sequence[str],
    measure: Measure,
    *,
    budget: Budget,
    notice: Callable[[int, int], None],
    ask: Ask | None = None,
    deidentify: Mode = "auto",
    cache: str | None = None,
) -> Panel:
    """Let one judge after another judge the same pairs of a run, and keep the results with it.

    `ask` is the way in which judges are asked, by default one request after another; their answers are then looked up
    and kept in `cache`, a file of answers by what was asked.

    Raises:
        ConfigError: two judges have the same name, so that their answers could not be told apart.
    """
    family = _simulator_family(store.run(run)["manifest"]["config"]["simulator"])
    measured: list[Realism] = []
    maps = beside(store.path, deidentify)
    for spec in judge_specs:
        opened = open_model(spec, budget=budget, deidentify=maps)
        judge: Model | None = keeping(opened, cache if ask is None else None)
        try:
            if judge is not None and any(r.judge == judge.name for r in measured):
                raise ConfigError(f"two judges are called {judge.name}: their answers could not be told apart")
            known = measured[0].controls if measured else None
            found = await discriminate(
                store, run, judge, measure, notice, simulator_family=family, controls=known, asked=ask
            )
        finally:
            if judge is not None:
                await judge.close()
        measured.append(found)
    return panel(store, run, measured)


async def rubric_run(  # noqa: PLR0913  a measurement's inputs, all but four by name
    store: Store, run: str, judge_spec: str, measure: Measure, *, budget: Budget, notice: Callable[[int, int], None],
    deidentify: Mode = "auto", cache: str | None = None,
) -> Rubric:  # fmt: skip
    """Let a judge grade the simulated results of a run by rubric; its answers are looked up and kept in `cache`.

    Raises:
        ConfigError: there is no judge.
    """
    judge = keeping(open_model(judge_spec, budget=budget, deidentify=beside(store.path, deidentify)), cache)
    if judge is None:
        raise ConfigError("a rubric needs a judge: name a model with --judge")
    try:
        family = _simulator_family(store.run(run)["manifest"]["config"]["simulator"])
        return await grade_run(store, run, judge, measure, notice, simulator_family=family)
    finally:
        await judge.close()


def _simulator_family(spec: str) -> str | None:
    from toolsim.model import family_of

    return None if spec == "none" else family_of(spec)

"""`deploysim resample`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import (
    _stack,
    any_store_option,
    budget_options,
    calls_beside,
    calls_option,
    json_option,
    print_json,
    say,
)
from harness.cli.progress import failed_rollouts
from harness.cli.roles import Tell, bar, config_from, criteria_from, run_async, run_options, selection_options

if TYPE_CHECKING:
    from harness.batch import Notice
    from harness.config import RunConfig
    from harness.engines.here import Engine
    from harness.experiment import Plan
    from harness.pipeline import Resampled
    from harness.rows import RolloutRow
    from harness.selection import Criteria
    from harness.store import Store
    from toolsim.modeltypes import Budget


_engine_options = _stack([
    click.option("--engine", type=click.Choice(["here", "ray"]), default="here", show_default=True,
                 help="What plays the rollouts: this process, or workers on a Ray cluster."),
    click.option("--ray-address", default=None, metavar="HOST:PORT",
                 help="A Ray cluster that this machine is a part of.  [default: one of its own, on this machine]"),
    click.option("--workers", type=click.IntRange(min=1), default=None,
                 help="Processes on Ray, at most as many as rollouts at once.  [default: one a processor]"),
    click.option("--restarts", type=click.IntRange(min=0), default=None,
                 help="How often each worker on Ray is replaced when it is lost.  [default: 3]"),
])  # fmt: skip


@click.command("resample")
@selection_options
@run_options
@budget_options
@_engine_options
@any_store_option
@calls_option
@json_option
def command(store: Path | str, calls_path: Path | None, as_json: bool, **flags: Any) -> None:
    """Let a candidate take recorded turns again in a simulated world.

    Started again with the same arguments it does only what is missing.
    """
    from harness.store import Store
    from toolsim.modeltypes import Budget

    config, criteria = config_from(flags), criteria_from(flags)
    budget = Budget(flags["max_model_calls"], flags["max_tokens"], flags["max_cost"])
    engine = _engine(store, flags)
    with Store(store, create=False) as opened:
        calls = calls_beside(store, calls_path)
        result = play(opened, calls, config, criteria, budget, flags["concurrency"], engine)
    if as_json:
        print_json(result)
        return
    print_resampled(result)


def _engine(store: Path | str, flags: dict[str, Any]) -> Engine:
    """The engine that the flags name.

    Raises:
        ConfigError: its library is missing, or it does not go with the store.
    """
    from harness.engines.here import here
    from harness.engines.share import check
    from harness.errors import ConfigError

    given = {name: flags[name] for name in ("workers", "restarts") if flags[name] is not None}
    address = flags["ray_address"]
    if flags["engine"] == "here":
        if address is not None or given:
            raise click.UsageError("--ray-address, --workers and --restarts are for --engine ray")
        return here
    check(address, store)
    try:
        from harness.engines.ray_engine import RayEngine
    except ModuleNotFoundError as error:
        raise ConfigError(f"the engine ray needs {error.name}: `pip install 'deploysim[ray]'`") from error
    return RayEngine(store, address, say=say, **given)


def play(
    store: Store, calls: Path, config: RunConfig, criteria: Criteria, budget: Budget, concurrency: int,
    engine: Engine | None = None,
) -> Resampled:  # fmt: skip
    """Resample with progress on stderr."""
    from harness import pipeline
    from harness.engines.here import here

    if config.identity_run:
        say("identity run, not a measurement: recorded actions may be answered from their own record")
    runs: list[str] = []
    with bar("rollouts", budget, failed_rollouts(store, runs)) as tell:
        notice, planned = watch(store, tell, runs=runs)
        work = pipeline.resample(
            store,
            calls,
            config,
            criteria,
            budget=budget,
            concurrency=concurrency,
            notice=notice,
            planned=planned,
            engine=engine or here,
        )
        return run_async(work)


def watch(
    store: Store, tell: Tell, what: str = "run", runs: list[str] | None = None
) -> tuple[Notice, Callable[[Plan], None]]:
    """What to do at each event of a run and when it is planned: count the ended rollouts of all that are planned.

    `runs` is given the name of the run as soon as it is known.
    """
    ended = 0

    def planned(plan: Plan) -> None:
        nonlocal ended
        if runs is not None:
            runs.append(plan.run)
        ended = sum(end is not None for _, end in store.rollouts(plan.run))
        resumed = f" (resumed), {ended} done before" if plan.resumed else ""
        say(f"{what} {plan.run}: {len(plan.rows)} rollouts, {len(plan.excluded)} sessions left out{resumed}")
        tell(ended, total=len(plan.rows))

    def notice(row: RolloutRow, event: str, facts: dict[str, Any]) -> None:
        nonlocal ended
        if event not in {"ended", "excluded"}:
            return
        ended += 1
        status = facts.get("status", event)
        where = f" at {facts['stage']}" if facts.get("stage") else ""
        reason = f": {facts['reason']}" if facts.get("reason") else ""
        tell(ended, f"{row.session[:12]} turn {row.turn} {status}{where}{reason}"[:200])

    return notice, planned


def print_resampled(result: Resampled) -> None:
    """A resample run for people."""
    click.echo(f"run {result.run}: {result.rollouts} rollouts, {result.excluded} sessions left out")
    click.echo("  ends: " + (", ".join(f"{n} {name}" for name, n in sorted(result.ends.items())) or "none"))
    total = sum(result.rungs.values())
    for rung, count in sorted(result.rungs.items(), key=lambda item: -item[1]):
        graded = result.grades.get(rung, {})
        against = ", ".join(f"{n} {name}" for name, n in graded.items())
        equal = f"; against the record: {against} ({result.identical.get(rung, 0)} byte for byte)" if graded else ""
        click.echo(f"  {rung:10s} {count:6d} calls, {100 * count / total:5.1f} %{equal}")
    for why, count in sorted(result.failures.items(), key=lambda item: -item[1]):
        click.echo(f"    {count} unanswered at {why}")
    for group in result.groups:
        right, answered = sum(group.grades.get(n, 0) for n in ("equal", "order")), sum(group.grades.values())
        against = f"right {share(right, group.calls)}, else {share(answered - right, group.calls)} of all calls"
        line = f"  {group.agent}, {group.pool} pool: {group.calls} calls"
        click.echo(f"{line}; {against}" if answered else line)
    click.echo("  actions read: " + ", ".join(f"{n} {mode}" for mode, n in sorted(result.modes.items())))
    known = f" ({result.cached_tokens} from an endpoint's cache)" if result.cached_tokens else ""
    click.echo(f"  {result.model_calls} model calls, {result.tokens} tokens{known}; shell: {result.shell}")
    if result.identity_run:
        click.echo("  identity run, not a measurement")
    if result.budget:
        click.echo(f"  stopped early: {result.budget}; {result.left_open} rollouts left open")


def share(part: int, whole: int) -> str:
    """A share in percent."""
    return f"{100 * part / whole:.1f} %" if whole else "-"

"""`deploysim ablate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import (
    budget_options,
    calls_beside,
    calls_option,
    deidentify_option,
    json_option,
    print_json,
    print_table,
    reply_cache_option,
    say,
    store_option,
)
from harness.cli.progress import failed_rollouts
from harness.cli.roles import bar, config_from, criteria_from, filter_options, run_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.ablation.figures import Figure
    from harness.ablation.planning import AblationPlan, Design
    from harness.ablation.realism import Judged
    from harness.ablation.running import Ablation
    from harness.config import RunConfig
    from harness.leakage import Leakage, Seen
    from harness.store import Store
    from toolsim.modeltypes import Budget
    from toolsim.shell.userland import Image


@click.command("ablate")
@filter_options
@click.option("--turn", type=int, default=None, help="Which turn, from 0.  [default: siblings: every; else the last]")
@click.option("--step", type=int, default=None, help="Cut before this agent message of the turn (not with siblings).")
@click.option("--simulator", default=None, help="NAME[@BASE_URL], local, local-small or none.  [default: none]")
@click.option(
    "--rungs", "settings", type=click.Choice(["simulated", "all", "both"]), default="both", show_default=True,
    help="The model answers everything, every rung stands, or both after each other.",
)  # fmt: skip
@click.option(
    "--reference", type=click.Choice(["siblings", "none", "own"]), default=None,
    help="Whose turn the affordance rollout shows: another run of the task, nobody's (the affordance is left out), or "
    "the session's own (no measurement).  [default: siblings; with --leakage own]",
)  # fmt: skip
@click.option("--full", is_flag=True, help="Every subset of the affordances, with Shapley values.")
@click.option("--calls-sample", "count", type=click.IntRange(min=1), default=None, metavar="N",
              help="Ask only this many calls, a seeded sample by class of command.  [default: all]")  # fmt: skip
@click.option("--critic", type=click.IntRange(min=0), default=0, show_default=True,
              help="One more arm: all affordances and this many rounds of a second look.")  # fmt: skip
@click.option("--image", default=None, metavar="NAME", help="With --execute: the container image of the session.")
@click.option("--execute", default=None, metavar="NAME,NAME",
              help="One more arm: all affordances, and these programs of the image really run.")  # fmt: skip
@click.option("--judge", default="none", show_default=True, help="NAME[@BASE_URL], local, local-small or none.")
@click.option("--pairs", type=click.IntRange(min=1), default=30, show_default=True, help="Calls to judge in each cell.")
@click.option("--evidence-tokens", type=int, default=None, help="Evidence shown to the simulator's model.")
@click.option("--history-tokens", type=int, default=None, help="History shown to the simulator's model.")
@click.option("--lookup", is_flag=True, default=None, help="The simulator looks its evidence up itself.")
@click.option("--seed", type=int, default=None, help="Everything drawn is drawn from it.  [default: 0]")
@click.option("--concurrency", type=click.IntRange(min=1), default=4, show_default=True, help="Rollouts at once.")
@deidentify_option
@reply_cache_option
@click.option("--config", "config_file", type=click.Path(exists=True, path_type=Path), default=None,
              help="Settings by name, YAML.")  # fmt: skip
@click.option("--plan", "only_plan", is_flag=True, help="Print what would be run and what it would cost, no more.")
@click.option("--leakage", "leaks", is_flag=True,
              help="Instead of the arms: canaries and secrets, and where they turn up.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=None,
              help="Also write a page with table and plot.")  # fmt: skip
@budget_options
@store_option
@calls_option
@json_option
def command(store: Path, calls_path: Path | None, as_json: bool, only_plan: bool, leaks: bool, **flags: Any) -> None:
    """Measure what each affordance gives: the same calls, in the same states, with some of the knowledge taken away.

    The calls are fixed by class of the recorded command before any arm runs. Started again with the same arguments it
    does only what is missing.
    """
    from harness.ablation.planning import plan
    from harness.store import Store
    from toolsim.modeltypes import Budget

    flags["reference"] = flags["reference"] or ("own" if leaks else "siblings")
    rungs = "simulated" if leaks else None
    config = config_from(
        {**flags, "candidate": "recorded", "simulator": flags["simulator"] or "none", "critic": None, "rungs": rungs,
         "image": None, "execute": None,
         "affordances": "rollout,repo,calls,connectors" if leaks else None}
    )  # fmt: skip
    criteria = criteria_from({**flags, "samples": 1, "with_calls": True})
    budget = Budget(flags["max_model_calls"], flags["max_tokens"], flags["max_cost"])
    with Store(store, create=False) as opened:
        inputs = {"calls": str(calls_beside(store, calls_path))}
        design = _design(flags)
        made = plan(opened, config, criteria, design, inputs=inputs, register=not (only_plan or leaks))
        if leaks and not only_plan:
            found = _leak(opened, calls_beside(store, calls_path), made, config, budget)
            print_json(found) if as_json else print_leakage(found)
            return
        announce(made, config, click.echo if only_plan and not as_json else say)
        if only_plan:
            if as_json:
                print_json(
                    {"id": made.id, "cells": made.runs, "calls": made.calls, "kinds": made.kinds, "cost": made.cost}
                )
            return
        result = _run(opened, calls_beside(store, calls_path), made, config, budget, flags)
    if flags["output"] is not None:
        _write_page(result, flags["output"])
    print_json(result) if as_json else print_ablation(result)


def _design(flags: dict[str, Any]) -> Design:
    from harness.ablation.planning import Design

    settings = {"both": ("simulated", "all"), "simulated": ("simulated",), "all": ("all",)}[flags["settings"]]
    return Design(
        flags["reference"], settings, flags["full"], flags["critic"], flags["count"], _executed(flags)  # type: ignore[arg-type]
    )  # fmt: skip


def _executed(flags: dict[str, Any]) -> Image | None:
    from toolsim.shell.choice import choose
    from toolsim.shell.userland import Image

    if (flags["image"] is None) != (flags["execute"] is None):
        raise click.UsageError("--image and --execute belong together: the image, and its programs that really run")
    if flags["image"] is None:
        return None
    return choose("container", Image(flags["image"], tuple(flags["execute"].split(",")))).image


def announce(made: AblationPlan, config: RunConfig, tell: Callable[[str], None] = say) -> None:
    """What will be run and what it may cost; progress on stderr unless it is all that was asked for."""
    kinds = ", ".join(f"{n} {kind}" for kind, n in made.kinds.items())
    tell(
        f"ablation {made.id}: {len(made.cases)} turns, {made.calls} calls ({kinds})"
        + (" (resumed)" if made.resumed else "")
    )
    tell(f"  {len(made.design.cells)} cells: {', '.join(made.runs)}")
    if config.simulator == "none":
        tell("  no model: what would need one counts as unanswered")
    else:
        tell(f"  at most about {made.cost.model_calls} calls of {config.simulator} and {made.cost.tokens} tokens")
    if made.design.reference == "own":
        tell("  identity run, not a measurement: the reference is the session's own turn")


def _run(
    store: Store, calls: Path, made: AblationPlan, config: RunConfig, budget: Budget, flags: dict[str, Any]
) -> Ablation:
    from harness.ablation.running import Means, ablate
    from harness.discriminator.measure import Measure

    measure = Measure(pairs=flags["pairs"], seed=config.seed, concurrency=flags["concurrency"])
    means = Means(budget, flags["concurrency"], flags["judge"], measure)
    with bar("rollouts", budget, failed_rollouts(store, made.runs.values())) as tell:
        ended, total = 0, len(made.cases) * len(made.runs)

        def notice(row: Any, event: str, _: dict[str, Any]) -> None:
            nonlocal ended
            if event == "ended":
                ended += 1
                tell(ended, f"{row.session[:12]} turn {row.turn} {row.facts['cell']}", total)

        return run_async(
            ablate(store, calls, made, config, means, notice, lambda done, planned: tell(done, "judgements", planned))
        )


def _leak(store: Store, calls: Path, made: AblationPlan, config: RunConfig, budget: Budget) -> Leakage:
    from harness.ablation.running import leak

    with bar("turns", budget) as tell:
        return run_async(leak(store, calls, made, config, budget, lambda done, planned: tell(done, total=planned)))


def _write_page(result: Ablation, output: Path) -> None:
    from harness.errors import HarnessError
    from harness.report.ablation_page import render_ablation

    page = render_ablation(result)
    try:
        output.write_text(page, "utf-8")
    except OSError as error:
        raise HarnessError(f"cannot write {output}: {error.strerror}") from error
    say(f"wrote {output} ({len(page.encode()) // 1024} KiB)")


def print_ablation(result: Ablation) -> None:
    """The table and the gains for people."""
    click.echo(
        f"ablation {result.id}: {result.calls - result.open} calls in every cell, {result.cases} turns,"
        f" {result.clusters} clusters; rollout: {result.reference}; simulator: {result.simulator}"
    )
    if result.open:
        click.echo(f"  {result.open} calls are open in some cell and left out")
    header = ["rungs", "arm", "answered", "score", "95 %", "unanswered as 0", "95 %", "trained", "judge", "steered",
              "model calls", "tokens"]  # fmt: skip
    rows = []
    for cell in result.cells:
        name = f"{cell.setting}/{cell.arm}"
        trained, judged = result.trained.get(name), result.judged.get(name)
        rows.append([
            cell.setting, cell.arm, f"{cell.answered}/{cell.calls}", _value(cell.score), _range(cell.score),
            _value(cell.score_all), _range(cell.score_all),
            None if trained is None else f"{trained.win_rate:.2f} (n={trained.n}, p={trained.p_value:.3f})",
            _judged(judged),
            cell.steered, cell.model_calls, cell.tokens,
        ])  # fmt: skip
    print_table(header, rows)
    click.echo("marginal gains in score (cluster bootstrap, the same draws for every cell):")
    gains = [
        [g.setting, g.affordance, _KINDS[g.kind], _signed(g.paired), g.paired.n if g.paired else 0, _signed(g.all)]
        for g in result.gains
    ]
    print_table(["rungs", "affordance", "how", "where both answered", "calls", "unanswered as 0"], gains)
    for reason, count in result.failed.items():
        click.echo(f"  {count} rollouts failed at {reason}")
    click.echo(f"  {result.model_calls} model calls, {result.tokens} tokens this time")
    if result.identity:
        click.echo("  identity run, not a measurement")
    if result.budget:
        click.echo(f"  stopped early: {result.budget}; the same command goes on")


_KINDS = {"alone": "added to none", "last": "removed from all", "shapley": "Shapley"}


def print_leakage(found: Leakage) -> None:
    """The rates for people."""
    click.echo(
        f"leakage: {found.cases} turns, {found.calls} calls, {found.unanswered} unanswered; model: {found.model}"
    )
    click.echo(f"  early (a later, other result of the reference): {_seen(found.early)}")
    click.echo(f"  due (the same call in the same state): {_seen(found.due)}")
    for name, seen in found.secrets.items():
        click.echo(f"  secret in the {name}: {_seen(seen)}")
    click.echo(
        f"  recorded pairs shown: {found.pairs}; of the own lineage or task {found.pairs_of_own},"
        f" not earlier than the moment {found.pairs_not_before}"
    )


def _seen(seen: Seen) -> str:
    if not seen.calls:
        return "no such call"
    shares = [f"{n}/{seen.calls} {what} ({100 * n / seen.calls:.1f} %)" for n, what in
              ((seen.prompts, "prompts"), (seen.answers, "answers"))]  # fmt: skip
    return ", ".join(shares)


def _judged(judged: Judged | None) -> str | None:
    rate = None if judged is None else judged.win_rate
    return None if rate is None else f"{rate.value:.2f} (n={rate.n})"


def _value(figure: Figure | None) -> str:
    return "-" if figure is None else f"{figure.value:.3f}"


def _range(figure: Figure | None) -> str:
    return "-" if figure is None else f"[{figure.low:.3f}, {figure.high:.3f}]"


def _signed(figure: Figure | None) -> str:
    return "-" if figure is None else f"{figure.value:+.3f} [{figure.low:+.3f}, {figure.high:+.3f}]"

"""`deploysim assess`."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import budget_options, deidentify_option, json_option, print_json, print_table, store_option
from harness.cli.roles import bar, run_async

if TYPE_CHECKING:
    from harness.assessment import Assessment
    from harness.store import Store


@click.command("assess")
@click.argument("run", required=False)
@click.option("--baseline", default=None, help="A run of the current model on the same prefixes.")
@click.option(
    "--grader",
    "graders",
    multiple=True,
    default=("none",),
    show_default=True,
    help="NAME[@BASE_URL], local, local-small, or none (monitors only); may be repeated.",
)
@click.option("--taxonomy", default="coding", show_default=True, help="coding, chat, or a YAML file.")
@click.option(
    "--days",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="The most recent window of recorded traffic, in days.",
)
@click.option(
    "--tokens",
    type=click.IntRange(min=200),
    default=6_000,
    show_default=True,
    help="Tokens of a turn that a model grader is shown.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="For graders and bootstraps.")
@click.option("--concurrency", type=click.IntRange(min=1), default=2, show_default=True, help="Grades at once.")
@deidentify_option
@budget_options
@store_option
@json_option
def command(run: str | None, store: Path, as_json: bool, **flags: Any) -> None:  # fmt: skip
    """Review a candidate before its launch: RUN (the newest by default) is one in which it acted.

    Grades the candidate's turns and the recorded ones on the same prefixes, compares them, and says how real the world
    was, how representative the prefixes are, what was forecast, and what all that cannot say.
    """
    from harness.store import Store

    with Store(store, create=False) as opened:
        review = run_async(_assess(opened, run, flags))
    if as_json:
        print_json(_facts(review))
    else:
        _print(review)


async def _assess(store: Store, run: str | None, flags: dict[str, Any]) -> Assessment:
    from harness.assessment import assess
    from harness.behaviors.grader import GraderWindow
    from harness.behaviors.taxonomy import load_taxonomy
    from toolsim.deid.choice import beside
    from toolsim.model import open_model
    from toolsim.modeltypes import Budget

    budget = Budget(flags["max_model_calls"], flags["max_tokens"], flags["max_cost"])
    async with AsyncExitStack() as stack:
        maps = beside(store.path, flags["deidentify"] or "auto")
        opened = [open_model(name, budget=budget, deidentify=maps) for name in dict.fromkeys(flags["graders"])]
        models = [model for model in opened if model is not None]
        for model in models:
            stack.push_async_callback(model.close)
        with bar("grades") as tell:
            return await assess(
                store, str(store.run(run)["id"]), load_taxonomy(flags["taxonomy"]), models, against=flags["baseline"],
                days=flags["days"], window=GraderWindow(turn=flags["tokens"]), seed=flags["seed"],
                concurrency=flags["concurrency"], notice=lambda done, planned: tell(done, total=planned),
            )  # fmt: skip


def _facts(review: Assessment) -> dict[str, Any]:
    return {
        "run": review.run, "candidate": review.candidate, "turns": review.new.turns, "left_out": review.new.left_out,
        "taxonomy": str(review.new.taxonomy), "graders": review.new.graders, "rates": review.compared,
        "baseline": review.baseline, "realism": review.realism, "traffic": review.traffic,
        "forecasts": review.forecasts, "caveats": review.caveats,
    }  # fmt: skip


def _print(review: Assessment) -> None:
    from harness.cli.compare import print_comparison

    click.echo(f"candidate {review.candidate}, run {review.run}: {review.new.turns} turns on recorded prefixes,"
               f" {sum(review.new.left_out.values())} rollouts left out")  # fmt: skip
    click.echo(f"taxonomy {review.new.taxonomy}, graders {', '.join(review.new.graders)}")
    click.echo("\nbehaviours (baseline: the recorded agent)")
    if review.compared is None:
        click.echo("  no graded turn on one of the sides")
    else:
        print_comparison(review.compared)
    if review.baseline is not None:
        click.echo("\nbehaviours against the baseline run, corrected by the recording")
        print_comparison(review.baseline)
    click.echo("\nrealism of the world")
    for one in review.realism:
        power = "no planted fakes" if one.power is None else f"power at least {one.power:.2f}"
        click.echo(f"  {one.judge}: {one.rate.estimate or 'no valid pair'}; {power}")
    seen = review.traffic
    click.echo(f"\ntraffic: {seen.sampled} turns of the sample, {seen.windowed} in the most recent window")
    rows = [(kind, d.dimension, f"{d.psi:.2f}", "-" if d.p_holm is None else f"{d.p_holm:.2g}")
            for kind, drifts in (("sample against window", seen.mix), ("window against the one before", seen.drift))
            for d in drifts]  # fmt: skip
    if rows:
        print_table(("what", "by", "PSI", "Holm's p"), rows)
    click.echo(
        "\nforecasts frozen in this store: " + (", ".join(review.forecasts) or "none (deploysim forecast freeze)")
    )
    click.echo("\nwhat this cannot say")
    for caveat in review.caveats:
        click.echo(f"  - {caveat}")

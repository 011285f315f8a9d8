"""`deploysim assess`."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import (
    budget_options,
    deidentify_option,
    json_option,
    print_json,
    print_table,
    reply_cache_option,
    store_option,
)
from harness.cli.roles import bar, open_graders, run_async

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
@click.option(
    "--report",
    "report",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Also write the run's report with this review in it.",
)
@deidentify_option
@reply_cache_option
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
        if flags["report"] is not None:
            from harness.cli.report import write_report
            from harness.report.risk import risk_of

            risk = risk_of(opened, review.run, baseline=flags["baseline"], caveats=review.caveats)
            write_report(opened, review.run, flags["report"], risk=risk)
    if as_json:
        print_json(_facts(review))
    else:
        _print(review)


async def _assess(store: Store, run: str | None, flags: dict[str, Any]) -> Assessment:
    from harness.assessment import assess
    from harness.behaviors.grader import GraderWindow
    from harness.behaviors.taxonomy import load_taxonomy

    async with AsyncExitStack() as stack:
        models = open_graders(store.path, flags, stack)
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
        "forecasts": review.forecasts, "audits": review.audits, "awareness": review.awareness,
        "caveats": review.caveats,
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
    if review.audits:
        from harness.cli.label import print_audits

        click.echo("\nthe candidate's rates, corrected by people's labels")
        print_audits(dict(review.audits))
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
    if review.awareness is not None:
        from harness.cli.awareness import print_awareness

        click.echo("\nevaluation awareness")
        print_awareness(review.awareness, caveats=False)
    click.echo("\nwhat this cannot say")
    for caveat in review.caveats:
        click.echo(f"  - {caveat}")

"""`deploysim power`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import json_option, print_json, store_option


@click.command("power")
@click.option(
    "--null",
    "p0",
    type=click.FloatRange(0, 1, True, True),
    default=0.5,
    show_default=True,
    help="The win rate that is to be ruled out.",
)
@click.option(
    "--rate", "p1", type=click.FloatRange(0, 1, True, True), default=None, help="The win rate that is expected."
)
@click.option(
    "--width",
    type=click.FloatRange(0, 1, True, True),
    default=None,
    help="Half the width of the interval that is wanted, such as 0.05.",
)
@click.option(
    "--difference",
    type=click.FloatRange(-1, 1),
    default=None,
    help="The paired difference between two arms that is to be found.",
)
@click.option(
    "--changed",
    type=click.FloatRange(0, 1, True),
    default=0.2,
    show_default=True,
    help="With --difference: the share of items that come out differently.",
)
@click.option(
    "--power",
    "wanted",
    type=click.FloatRange(0, 1, True, True),
    default=0.8,
    show_default=True,
    help="How often it is to be found.",
)
@click.option(
    "--alpha", type=click.FloatRange(0, 1, True, True), default=0.05, show_default=True, help="Two-sided level."
)
@click.option(
    "--icc",
    type=click.FloatRange(0, 1),
    default=None,
    help="Correlation within a session.  [default: of --run, else 0.1]",
)
@click.option(
    "--per-session",
    type=click.FloatRange(min=1),
    default=None,
    help="Pairs a session brings.  [default: of --run, else 10]",
)
@click.option(
    "--run", default=None, help="Take ICC, pairs per session and number of pairs from this run's judged pairs."
)
@click.option("--judge", default=None, help="With --run: this judge's verdicts.  [default: the one asked most]")
@store_option
@json_option
def command(
    p0: float, p1: float | None, width: float | None, difference: float | None, changed: float, wanted: float,
    alpha: float, icc: float | None, per_session: float | None, run: str | None, judge: str | None, store: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """How many pairs a question needs, and what the pairs of a run can answer.

    Exactly one of --rate, --width and --difference; pairs of one session count for less the more alike they are.
    """
    from harness.planning import Question, plan, shape_of_run
    from harness.store import Store

    if sum(value is not None for value in (p1, width, difference)) != 1:
        raise click.UsageError("give exactly one of --rate, --width and --difference")
    shape = None
    if run is not None:
        with Store(store, create=False) as opened:
            shape = shape_of_run(opened, opened.run(run)["id"], judge)
    question = Question(p0, p1, width, difference, changed, wanted, alpha)
    found = plan(question, shape, icc, per_session)
    if as_json:
        print_json(found)
        return
    click.echo(f"ICC {found.icc:.3f}, {found.per_session:.1f} pairs a session: design effect {found.design_effect:.2f}")
    click.echo(
        f"{found.question}: {found.pairs} pairs from {found.sessions} sessions ({found.independent} if independent)"
    )
    if shape is not None:
        power = "" if found.achieved is None else f"; power {100 * found.achieved:.0f} % for this question"
        click.echo(f"run {run}: {shape.pairs} judged pairs from {shape.sessions} sessions{power}")

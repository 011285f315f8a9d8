"""`deploysim gate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option, print_json, print_table, say, store_option

if TYPE_CHECKING:
    from harness.gate.compare import Verdict


@click.command("gate")
@click.argument("run", required=False)
@click.option(
    "--baseline", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Compare with this file."
)
@click.option(
    "--write-baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Write the run's scores as a new baseline.",
)
@click.option(
    "--delta",
    type=click.FloatRange(0, 1, True, True),
    default=0.05,
    show_default=True,
    help="The loss that would not matter.",
)
@click.option("--judge", default=None, help="A model judge whose recorded verdicts the baseline keeps track of.")
@click.option(
    "--judge-pairs",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="With --judge: pairs that it is asked about.",
)
@click.option(
    "--cassette",
    type=click.Path(exists=True, path_type=Path, dir_okay=False),
    default=None,
    help="With --judge: its recordings (vcrpy); says how many of its questions they answer.",
)
@store_option
@json_option
def command(
    run: str | None, baseline: Path | None, write_baseline: Path | None, delta: float, judge: str | None,
    judge_pairs: int, cassette: Path | None, store: Path, as_json: bool,
) -> None:  # fmt: skip
    """Say whether RUN (recorded actions; the newest by default) is worse than a baseline.

    Works offline: fidelity of every call, and a classifier that tells simulated from recorded results. Exit status 0 no
    worse, 3 regression, 4 undecided (it says how many lineages would decide).
    """
    from harness.gate.run import against, write
    from harness.store import Store

    if (baseline is None) == (write_baseline is None):
        raise click.UsageError("give one of --baseline and --write-baseline")
    with Store(store, create=False) as opened:
        name = opened.run(run)["id"]
        if write_baseline is not None:
            made = write(opened, name, write_baseline, judge=judge, judge_pairs=judge_pairs)
            say(f"wrote {write_baseline}: {sum(len(p.calls) for p in made.places.values())} calls of run {name}")
            return
        assert baseline is not None
        verdict = against(
            opened, name, baseline, delta=delta, judge=judge, judge_pairs=judge_pairs, cassette=cassette
        )  # fmt: skip
    if as_json:
        print_json(verdict)
    else:
        print_verdict(verdict)
    sys.exit(verdict.exit_code)


def print_verdict(verdict: Verdict) -> None:
    """The verdict for people."""
    click.echo(verdict.reason)
    for measure in verdict.measures:
        old, new = (f"{100 * value:.1f} %" if value is not None else "-" for value in (measure.old, measure.new))
        click.echo(f"  {measure.measure}: {measure.outcome}; {old} before, {new} now; {measure.reason}")
    rows = [
        (c.kind, c.calls, _counts(c.old), _counts(c.new), f"{100 * c.change:+.1f}", f"{c.p:.3f}")
        for c in verdict.classes
        if c.change
    ]
    if rows:
        print_table(("class", "calls", "before", "now", "points", "Holm's p"), rows)
    for title, names in (("without a score now", verdict.missing), ("not in the baseline", verdict.extra)):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            click.echo(f"  {len(names)} calls {title}: {'; '.join(names[:3])}{more}")
    if verdict.needs is not None:
        click.echo(f"  about {verdict.needs} lineages like these would decide")
    if verdict.judge is not None:
        click.echo(f"  model judge: {verdict.judge}")


def _counts(grades: dict[str, int]) -> str:
    return " ".join(f"{n} {name}" for name, n in grades.items())

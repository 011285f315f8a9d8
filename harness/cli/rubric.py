"""`deploysim rubric`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import (
    budget_options,
    deidentify_option,
    json_option,
    print_json,
    print_table,
    reply_cache,
    reply_cache_option,
    store_option,
)
from harness.cli.roles import bar, judge_options, run_async

if TYPE_CHECKING:
    from harness.discriminator.grading import Rubric


@click.command("rubric")
@click.argument("run", required=False)
@judge_options
@click.option("--kind", "kinds", multiple=True, type=click.Choice(["call", "turn"]), default=("call",),
              show_default=True, help="Only pairs of this kind.")  # fmt: skip
@click.option("--variant", type=click.Choice(["plain", "stripped", "matched"]), default="plain", show_default=True,
              help="Pairs as they are, without the scaffold's own text, or only those of like length.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Which pairs and fakes are drawn.")
@click.option("--concurrency", type=click.IntRange(min=1), default=2, show_default=True, help="Questions at once.")
@deidentify_option
@reply_cache_option
@budget_options
@store_option
@json_option
def command(run: str | None, store: Path, as_json: bool, **flags: Any) -> None:
    """Let a judge grade the simulated results of RUN against the recorded ones (the newest by default).

    Format, factuality, consistency, realism and quality from 1 to 5, one question each. The judge is told which side is
    real; planted fakes beside the pairs show whether its grades fall where something is wrong.
    """
    from harness.discriminator.measure import Measure
    from harness.pipeline import rubric_run
    from harness.store import Store
    from toolsim.modeltypes import Budget

    measure = Measure(
        pairs=flags["pairs"], fakes=flags["fakes"], kinds=tuple(flags["kinds"]), seed=flags["seed"],
        concurrency=flags["concurrency"], variant=flags["variant"],
    )  # fmt: skip
    budget = Budget(flags["max_model_calls"], flags["max_tokens"], flags["max_cost"])
    with Store(store, create=False) as opened, bar("grades") as tell:
        found = run_async(
            rubric_run(
                opened, opened.run(run)["id"], flags["judge"], measure, budget=budget,
                notice=lambda done, planned: tell(done, total=planned), deidentify=flags["deidentify"] or "auto",
                cache=reply_cache(flags),
            )
        )  # fmt: skip
    if as_json:
        print_json(found)
    else:
        print_rubric(found)


def print_rubric(found: Rubric) -> None:
    """The grades for people."""
    kin = ", of the simulator's own model family" if found.same_family else ""
    click.echo(
        f"judge: {found.judge}{kin}; {found.pairs} differing pairs graded from 1 to 5, {found.identical} identical"
    )
    print_table(
        ["dimension", "pairs", "mean [95 %]", "dropped"],
        [(row.dimension, row.group, str(row.mean or "no valid grade"), row.dropped) for row in found.table],
    )
    if found.invalid:
        click.echo(f"invalid answers, left out: {found.invalid}")
    if found.budget:
        click.echo(f"stopped early: {found.budget}")

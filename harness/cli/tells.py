"""`deploysim tells`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option, print_json, print_table, store_option

if TYPE_CHECKING:
    from harness.discriminator.tells import Change, Tells


@click.command("tells")
@click.argument("run", required=False)
@click.option("--against", default=None, metavar="RUN", help="An earlier run: which tells went, which came.")
@click.option("--examples", type=click.IntRange(min=0), default=1, show_default=True, help="Examples of each tell.")
@click.option("--seed", type=int, default=0, show_default=True, help="For the folds of the trained discriminator.")
@store_option
@json_option
def command(run: str | None, against: str | None, examples: int, seed: int, store: Path, as_json: bool) -> None:
    """Name what gives the simulated results of RUN away (the newest by default), and where to look for the cause.

    Rules on both texts, the judge's rationales in heaps, and the features of the trained discriminator. RUN may be an
    arm of an ablation. Runs with recorded actions only: elsewhere there is no result to compare with.
    """
    from harness.discriminator.tells import compare, find_tells
    from harness.store import Store

    with Store(store, create=False) as opened:
        found = find_tells(opened, opened.run(run)["id"], seed=seed)
        earlier = None if against is None else find_tells(opened, opened.run(against)["id"], seed=seed)
    changes = () if earlier is None else compare(earlier, found)
    if as_json:
        print_json({"tells": found, "against": earlier, "changes": changes})
        return
    print_tells(found, examples)
    if earlier is not None:
        print_changes(earlier, found, changes)


def print_tells(tells: Tells, examples: int) -> None:
    """The tells for people."""
    click.echo(f"run {tells.run}: {tells.answered} answers, {tells.differing} differ from the record")
    for found in tells.found:
        apart = f"; a judge told {found.told_apart} of {found.judged} apart" if found.judged else ""
        click.echo(f"{found.name}: {found.count} ({100 * found.share:.1f} % of the answers){apart}")
        click.echo(f"  look at: {found.fix}")
        for title, counts in (("tool", found.by_tool), ("rung", found.by_rung), ("prompt", found.by_prompt)):
            click.echo(f"  by {title}: " + ", ".join(f"{name} {n}" for name, n in list(counts.items())[:6]))
        for example in found.examples[:examples]:
            click.echo(f"  pair {example.pair} ({example.tool}): {example.words!r}")
            click.echo(f"    recorded:  {example.recorded_line!r}")
            click.echo(f"    simulated: {example.simulated_line!r}")
    for said in tells.said:
        name = said.tell or "named by no rule"
        click.echo(f"said by a judge, {said.count} times ({name}): {', '.join(said.words) or 'no telling word'}")
        click.echo("  " + " | ".join(said.sentences))
    if tells.features:
        click.echo("features of the trained discriminator:")
        print_table(["feature", "weight", "more in"], [[f.name, f.weight, f.side] for f in tells.features])


def print_changes(before: Tells, after: Tells, changes: tuple[Change, ...]) -> None:
    """What became of each tell."""
    click.echo(f"against run {before.run} ({before.answered} answers):")
    rows = [
        [c.name, c.what, f"{c.before}/{before.answered}", f"{c.after}/{after.answered}",
         f"{100 * (c.share_after - c.share_before):+.1f}"]
        for c in changes
    ]  # fmt: skip
    print_table(["tell", "what", "before", "after", "points"], rows)

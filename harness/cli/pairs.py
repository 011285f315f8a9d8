"""`deploysim pairs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import any_store_option, json_option, print_json, say

if TYPE_CHECKING:
    from harness.discriminator.pairset import PairSet, Purpose


@click.command("pairs")
@click.argument("run", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=None,
              help="Write the pairs as JSON lines.")  # fmt: skip
@click.option("--strip-scaffold", is_flag=True, help="Remove the scaffold's own text from both sides.")
@click.option("--match-length", is_flag=True, help="Only pairs whose sides are of like length.")
@click.option("--purpose", type=click.Choice(["tune", "report"]), default=None,
              help="What for: `tune` refuses the report pool, `report` leaves out what is not its alone.")  # fmt: skip
@any_store_option
@json_option
def command(
    run: str | None, output: Path | None, strip_scaffold: bool, match_length: bool, purpose: Purpose | None,
    store: Path | str, as_json: bool,
) -> None:  # fmt: skip
    """Build the pairs of RUN (the newest by default), say what they are, and write them out.

    A call pair is the recorded against the simulated result of one call, a turn pair the recorded against the
    resampled turn of one prefix. Identical pairs are counted apart.
    """
    from harness.discriminator.pairset import build, write
    from harness.store import Store

    chosen = (("stripped", strip_scaffold), ("matched", match_length))
    variants = tuple(name for name, on in chosen if on)
    with Store(store, create=False) as opened:
        found = build(opened, opened.run(run)["id"], variants=variants, purpose=purpose)  # type: ignore[arg-type]
    if output is not None:
        write(found, output)
        say(f"wrote {output} ({len(found.pairs)} pairs)")
    if as_json:
        print_json(found.summary())
    else:
        print_pairs(found)


def print_pairs(found: PairSet) -> None:
    """The summary for people."""
    facts = found.summary()
    pools = ", ".join(f"{n} {pool}" for pool, n in found.pools.items()) or "none"
    click.echo(f"run {found.run}: {len(found.pairs)} pairs (by pool: {pools}), set {found.hash}")
    click.echo(f"  for the headline, same model and not identical: {found.headline}")
    for name, count in sorted(found.counts.items()):
        click.echo(f"  {count:6d} {name}")
    for why, count in sorted(found.left_out.items()):
        click.echo(f"  {count:6d} left out: {why}")
    click.echo(f"  hashes that stand in both pools of the store: {found.shared}")
    for method in facts["methods"]:
        click.echo(f"  variant: {method}")

"""`deploysim deidentify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option, print_json, print_table, store_option
from harness.cli.roles import bar

if TYPE_CHECKING:
    from harness.deidentifying import Report


@click.command("deidentify")
@click.option("--session", "ids", multiple=True, help="Only sessions whose id begins so; may be repeated.")
@click.option(
    "--scanner", "scanners", multiple=True, type=click.Choice(["detect-secrets", "presidio", "none"]),
    help="Besides the built-in detectors; may be repeated.  [default: detect-secrets where it is installed]",
)  # fmt: skip
@store_option
@json_option
def command(ids: tuple[str, ...], scanners: tuple[str, ...], store: Path, as_json: bool) -> None:
    """Look through sessions for what identifies people, machines and accounts, and count what would be replaced.

    What is found is kept in the maps beside the store (STORE.map, readable by its owner only), by which requests to
    models are de-identified from then on. No value is printed.
    """
    from harness.deidentifying import report, scan
    from harness.scanners import available, open_scanner
    from harness.store import Store
    from toolsim.deid.choice import beside

    names = scanners or tuple(name for name in available() if name == "detect-secrets")
    opened = [open_scanner(name) for name in dict.fromkeys(names) if name != "none"]
    with Store(store, create=False) as held, bar("sessions") as tell:
        chosen = [held.full_id(name) for name in ids] or [row.id for row in held.sessions()]
        rows = []
        for row in scan(held, chosen, beside(store, "on").shield, opened):
            rows.append(row)
            tell(len(rows), total=len(chosen))
    found = report(rows, opened)
    if as_json:
        print_json(found)
    else:
        print_found(found)


def print_found(found: Report) -> None:
    """The sums for people."""
    click.echo(f"{len(found.sessions)} sessions, scanners: {', '.join(found.scanners)}")
    if not found.values:
        click.echo("nothing to replace")
        return
    kinds = sorted(found.values, key=lambda kind: -found.replaced.get(kind, 0))
    print_table(("kind", "values", "replaced"), [(k, found.values[k], found.replaced.get(k, 0)) for k in kinds])
    click.echo(f"{100 * found.share:.3f} % of all characters; {sum(row.new for row in found.sessions)} values are new")
    click.echo("every text comes back as it was" if found.restores else "NOT every text comes back as it was")

"""`deploysim executed`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import json_option, print_json, print_table, shell_option, store_option

if TYPE_CHECKING:
    from harness.executed import Executed
    from harness.fidelity_table import Row


@click.command("executed")
@click.argument("run", required=False)
@shell_option
@store_option
@json_option
def command(run: str | None, store: Path, as_json: bool, **flags: Any) -> None:
    """Grade what the model answered in RUN (the newest by default) against what the programs really print.

    For calls of a candidate, which no recording holds: each that the model answered is executed by the shell engine in
    the world as it was then, with --shell container --image NAME --execute python,pytest in a container. What cannot be
    executed is counted with the reason.
    """
    from harness.config import RunConfig
    from harness.executed import measure
    from harness.store import Store

    chosen = {name: value for name, value in flags.items() if value is not None}
    settings = RunConfig.model_validate(chosen).model_dump(include={"shell", "image", "execute"})
    with Store(store, create=False) as opened:
        found = asyncio.run(measure(opened, opened.run(run)["id"], settings))
    print_json(found) if as_json else print_executed(found)


def print_executed(found: Executed) -> None:
    """The figures for people."""
    click.echo(
        f"run {found.run}: {found.simulated} calls were answered by the model, {len(found.lines)} of them executed"
    )
    click.echo(f"  by {found.shell}")
    if found.whole is not None:
        rows = [_cells(row) for row in (found.whole, *found.by_class)]
        print_table(["calls", "executed", "right", "%", "wrong", "%"], rows)
    for name, count in found.differences.items():
        click.echo(f"wrong by {name}: {count}")
    for reason, count in found.without.items():
        click.echo(f"not executed, {count}: {reason}")


def _cells(row: Row) -> list[object]:
    shares = [(round(share.value * row.calls), f"{100 * share.value:.1f}") for share in (row.right, row.wrong)]
    return [row.label, row.calls, *shares[0], *shares[1]]

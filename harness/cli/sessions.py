"""`deploysim sessions`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import any_store_option, day, json_option, print_json, print_table


@click.command("sessions")
@any_store_option
@click.option("--pool", type=click.Choice(["tune", "report"]), default=None, help="Only this pool.")
@click.option("--agent", default=None, help="Only this agent.")
@json_option
def command(store: Path | str, pool: str | None, agent: str | None, as_json: bool) -> None:
    """List the sessions of a store."""
    from harness.store import Store

    with Store(store, create=False) as opened:
        rows = [r for r in opened.sessions() if pool in (None, r.pool) and agent in (None, r.agent)]
    if as_json:
        print_json(rows)
        return
    header = ("session", "agent", "repository", "pool", "started", "turns", "calls", "results")
    print_table(header, [(r.id, r.agent, r.repo, r.pool, day(r.started_at), r.turns, r.calls, r.results) for r in rows])

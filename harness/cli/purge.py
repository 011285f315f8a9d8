"""`deploysim purge`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import any_store_option, calls_beside, calls_option, json_option, print_json


@click.command("purge")
@click.argument("session")
@any_store_option
@calls_option
@json_option
def command(session: str, store: Path | str, calls_path: Path | None, as_json: bool) -> None:
    """Remove SESSION for good, in all its states: record, rollouts, pairs, judgements, recorded calls and its map.

    Importing the same recording again adds nothing.
    """
    from harness.store import Store
    from toolsim.calldb import CallDatabase
    from toolsim.deid.choice import map_path
    from toolsim.deid.mapfile import MapFile

    with Store(store, create=False) as opened:
        full = opened.recorded_id(session)
        path = calls_beside(store, calls_path)
        pairs = 0
        if path.exists():
            with CallDatabase(path) as calls:
                pairs = calls.purge(full)
        states = [row.id for row in opened.sessions() if row.id == full or row.id.startswith(f"{full}+")]
        maps = MapFile(map_path(opened.path))
        replaced = sum(maps.purge(name) for name in dict.fromkeys((full, *states)))
        removed = {**opened.purge(full), "calls": pairs, "replacements": replaced}
    if as_json:
        print_json({"session": full, "removed": removed})
        return
    click.echo(f"purged {full}: " + ", ".join(f"{n} {table}" for table, n in removed.items() if n))

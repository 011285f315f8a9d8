"""`deploysim purge`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import click

from harness.cli.options import (
    any_store_option,
    calls_beside,
    calls_option,
    json_option,
    print_json,
    reply_cache,
    reply_cache_option,
)


@click.command("purge")
@click.argument("session")
@any_store_option
@calls_option
@reply_cache_option
@json_option
def command(session: str, store: Path | str, calls_path: Path | None, as_json: bool, **flags: str | None) -> None:
    """Remove SESSION for good, in all its states: record, rollouts, pairs, judgements, recorded calls and its map.

    With --reply-cache also the answers that models gave about it and that are kept there. Importing the same recording
    again adds nothing.
    """
    from harness.store import Store
    from toolsim.calldb import CallDatabase
    from toolsim.deid.choice import map_path
    from toolsim.deid.mapfile import MapFile

    answers = reply_cache(flags)
    with Store(store, create=False) as opened:
        full = opened.recorded_id(session)
        states = [row.id for row in opened.sessions() if row.id == full or row.id.startswith(f"{full}+")]
        names = dict.fromkeys((full, *states))
        replies = _purge_replies(answers, names)
        path = calls_beside(store, calls_path)
        pairs = 0
        if path.exists():
            with CallDatabase(path) as calls:
                pairs = calls.purge(full)
        maps = MapFile(map_path(opened.path))
        replaced = sum(maps.purge(name) for name in names)
        removed = {**opened.purge(full), "calls": pairs, "replacements": replaced, "replies": replies}
    if as_json:
        print_json({"session": full, "removed": removed})
        return
    click.echo(f"purged {full}: " + ", ".join(f"{n} {table}" for table, n in removed.items() if n))


def _purge_replies(file: str | None, sessions: Iterable[str]) -> int:
    from toolsim.replycache import ReplyCache

    if file is None:
        return 0
    with closing(ReplyCache(Path(file))) as cache:
        return cache.purge(*sessions)

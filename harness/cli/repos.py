"""`deploysim repos`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import any_store_option, calls_beside, json_option, print_json, print_table, say


@click.group("repos")
def command() -> None:
    """Add, list and check the repositories that sessions worked in."""


@command.command("add")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--url", default=None, help="Its address, where the repository itself does not tell.")
@any_store_option
@json_option
def add(path: Path, url: str | None, store: Path | str, as_json: bool) -> None:
    """Add the repository at PATH: a work tree or a bare directory. It is only ever read."""
    from harness.store import Store
    from repos.catalog import inspect_repository

    known = inspect_repository(path, url=url)
    with Store(store) as opened:
        new = opened.add_repository(known)
    if as_json:
        print_json({"name": known.name, "git_dir": known.git_dir, "url": known.url, "added": new})
    else:
        click.echo(f"{'added' if new else 'known already'}: {known.name} ({known.url or 'no address'})")


@command.command("list")
@any_store_option
@json_option
def list_(store: Path | str, as_json: bool) -> None:
    """List the known repositories."""
    from harness.store import Store

    with Store(store, create=False) as opened:
        known = opened.repositories()
    if as_json:
        print_json(known)
    else:
        print_table(("name", "address", "directory"), [(k.name, k.url, k.git_dir) for k in known])


@command.command("check")
@click.option("--session", "ids", multiple=True, help="Only sessions whose id begins so; may be repeated.")
@any_store_option
@json_option
def check(ids: tuple[str, ...], store: Path | str, as_json: bool) -> None:
    """Per session: its base commit, and how many recorded whole-file reads of the prefix equal the snapshot.

    Recorded calls of sessions that name no repository are filed under the one that was found (`calls search --repo`).
    """
    from harness.repositories import check as check_prefix
    from harness.selection import Criteria, Cut, choose_cut
    from harness.store import Store
    from toolsim.trajectory import split

    rows = []
    with Store(store, create=False) as opened:
        known = opened.repositories()
        for session in opened.sessions():
            if ids and not session.id.startswith(ids):
                continue
            trajectory = opened.trajectory(session.id)
            cut = choose_cut(session.id, trajectory, Criteria())
            if not isinstance(cut, Cut):
                continue
            prefix, _ = split(trajectory, cut.turn, cut.step)
            rows.append((session, check_prefix(prefix, known)))
            say(f"{session.id}")
    _file(store, {s.id: c.base.repository.name for s, c in rows if c.base is not None})
    if as_json:
        print_json([{"session": s.id, "agent": s.agent, "pool": s.pool, "check": c} for s, c in rows])
        return
    found = [(s, c, c.base) for s, c in rows if c.base is not None]
    print_table(
        ("session", "agent", "pool", "repository", "commit", "how", "reads", "equal"),
        [
            (s.id[:18], s.agent, s.pool, b.repository.name, b.commit[:10], b.how, c.compared, c.equal)
            for s, c, b in found
        ],
    )
    compared, equal = sum(c.compared for _, c, _ in found), sum(c.equal for _, c, _ in found)
    share = f"{100 * equal / compared:.1f} %" if compared else "none to compare"
    click.echo(f"{len(found)} of {len(rows)} sessions have a base commit; reads equal: {equal}/{compared} ({share})")


def _file(store: Path | str, repos: dict[str, str]) -> None:
    from repos.catalog import normalise_url
    from toolsim.calldb import CallDatabase

    calls = calls_beside(store, None)
    if calls.exists():
        with CallDatabase(calls) as database:
            moved = database.file_under({session: normalise_url(name) for session, name in repos.items()})
        if moved:
            say(f"{moved} recorded calls are filed under their repository now")

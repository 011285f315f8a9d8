"""`deploysim calls`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import (
    calls_beside,
    calls_option,
    day,
    json_option,
    moment,
    print_json,
    print_table,
    store_option,
)


@click.group("calls")
def command() -> None:
    """Search the database of recorded tool calls."""


@command.command("search")
@click.argument("text")
@click.option("--tool", default=None, help="Only calls of this tool.")
@click.option("--repo", default=None, help="Only calls in this repository (owner/name).")
@click.option("--before", default=None, help="Only calls recorded before this ISO time.")
@click.option("--not-lineage", default=None, help="Leave out a session with all that shares its history.")
@click.option("--responses", is_flag=True, help="Look into results too.")
@click.option("--limit", type=click.IntRange(min=1), default=8, show_default=True, help="Pairs to show.")
@store_option
@calls_option
@json_option
def search(
    text: str, tool: str | None, repo: str | None, before: str | None, not_lineage: str | None, responses: bool,
    limit: int, store: Path, calls_path: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Recorded calls whose arguments are nearest to TEXT, best first."""
    from repos.catalog import normalise_url
    from toolsim.calldb import CallDatabase

    with CallDatabase(calls_beside(store, calls_path), create=False) as calls:
        found = calls.search(
            text, tool=tool, repo=normalise_url(repo) if repo else None, before=moment(before),
            not_lineage=not_lineage, limit=limit, responses=responses,
        )  # fmt: skip
    if as_json:
        print_json(found)
        return
    for pair in found:
        click.echo(click.style(f"{pair.tool}  {_line(pair.arguments_text, 150)}", bold=True))
        click.echo(f"    {day(pair.at)}  {pair.repo or '-'}  session {pair.session}")
        click.echo(f"    {_line(pair.result.content, 150)}")
    if not found:
        click.echo("nothing found")


@command.command("count")
@store_option
@calls_option
@json_option
def count(store: Path, calls_path: Path | None, as_json: bool) -> None:
    """How many pairs there are, and the hash that names this content."""
    from toolsim.calldb import CallDatabase

    with CallDatabase(calls_beside(store, calls_path), create=False) as calls:
        facts = {"pairs": calls.count(), "hash": calls.hash()}
    if as_json:
        print_json(facts)
    else:
        print_table(("pairs", "hash"), [tuple(facts.values())])


def _line(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"

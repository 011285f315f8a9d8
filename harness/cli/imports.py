"""`deploysim import`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import any_store_option, calls_beside, calls_option, json_option, print_json, say

if TYPE_CHECKING:
    from harness.importing import ImportSummary


@click.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--format", "format_name", default=None, help="Read as this format instead of detecting it.")
@click.option(
    "--consent", multiple=True, metavar="KEY=PATTERN",
    help="Import only sessions whose metadata KEY matches PATTERN (shell style); may be repeated.",
)  # fmt: skip
@click.option("--sample", type=click.IntRange(min=1), default=None, help="Keep no more than this many sessions, drawn.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which sessions are drawn.")
@click.option("--verbose", "-v", is_flag=True, help="Name every skip instead of counting them by reason.")
@any_store_option
@calls_option
@json_option
def command(
    paths: tuple[Path, ...],
    format_name: str | None,
    consent: tuple[str, ...],
    sample: int | None,
    seed: int,
    verbose: bool,
    store: Path | str,
    calls_path: Path | None,
    as_json: bool,
) -> None:
    """Read recorded sessions (files, folders, globs) into a store.

    The format of each file is detected by its content. Sessions that are in the store already are left as they
    are; what cannot be read is named with file, line and reason, and the rest is imported.
    """
    from harness.importing import import_paths
    from harness.store import Store
    from toolsim.calldb import CallDatabase

    pairs = [parse_consent(text) for text in consent]
    with Store(store) as opened, CallDatabase(calls_beside(store, calls_path)) as calls:
        summary = import_paths(opened, calls, paths, format=format_name, consent=pairs, sample=sample, seed=seed)
    if as_json:
        print_json(summary)
        return
    print_summary(summary, verbose=verbose)


def parse_consent(text: str) -> tuple[str, str]:
    """`KEY=PATTERN` as a pair.

    Raises:
        click.BadParameter: there is no `=`.
    """
    key, found, pattern = text.partition("=")
    if not found or not key:
        raise click.BadParameter(f"{text!r} is not KEY=PATTERN")
    return key, pattern


def print_summary(summary: ImportSummary, *, verbose: bool = False) -> None:
    """What an import did, for people."""
    total = sum(summary.sessions.values())
    left = f", {summary.not_drawn} not drawn" if summary.not_drawn else ""
    gone = f", {summary.purged} purged before" if summary.purged else ""
    click.echo(f"{total} sessions read: {summary.added} added, {summary.known} known already{gone}{left}")
    for agent, count in sorted(summary.sessions.items(), key=lambda item: -item[1]):
        click.echo(f"  {count:5d}  {agent}")
    click.echo(f"{summary.calls} calls, {summary.calls_paired} with their result; {summary.results} results in all")
    if summary.no_consent:
        click.echo(f"{len(summary.no_consent)} sessions left out: no consent")
        for line in summary.no_consent if verbose else ():
            say(f"  {line}")
    if not summary.skipped:
        return
    click.echo(f"{len(summary.skipped)} skips:")
    if verbose:
        for skip in summary.skipped:
            click.echo(f"  {skip.path}:{skip.where}: {skip.reason}")
        return
    for reason, count in Counter(skip.reason for skip in summary.skipped).most_common(20):
        first = next(s for s in summary.skipped if s.reason == reason)
        click.echo(f"  {count:5d}  {reason} (first: {Path(first.path).name}:{first.where})")

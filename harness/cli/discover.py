"""`deploysim discover`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option, print_json, say, store_option

if TYPE_CHECKING:
    from harness.discovery.find import Discovery, Finding


@click.command("discover")
@click.argument("baseline")
@click.argument("candidate")
@click.option("--level", type=click.FloatRange(0, 1, True, True), default=0.05, show_default=True,
              help="The share of false findings to allow.")  # fmt: skip
@click.option("--examples", type=click.IntRange(min=0), default=3, show_default=True, help="Turns shown of a finding.")
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="Findings to print.")
@click.option("--draft", type=click.Path(path_type=Path, dir_okay=False), default=None,
              help="Write the findings as drafts of taxonomy categories.")  # fmt: skip
@click.option("--no-heaps", is_flag=True, help="Leave out heaps of summaries.")
@store_option
@json_option
def command(
    baseline: str,
    candidate: str,
    level: float,
    examples: int,
    top: int,
    draft: Path | None,
    no_heaps: bool,
    store: Path,
    as_json: bool,
) -> None:
    """What the turns of CANDIDATE have that those of BASELINE on the same prefixes have not, and the other way round.

    Both are runs of the store; BASELINE may be `recorded`: what the recording has in the candidate's places. Nobody
    says what to look for: sequences of calls, shapes of arguments, claims against actions, closing words and heaps of
    summaries are all tested, corrected for their number, and put together where they mark the same turns.
    """
    from harness.discovery.find import discover
    from harness.discovery.reading import RECORDED, recorded_turns, run_turns
    from harness.discovery.summaries import heaps_of
    from harness.store import Store

    with Store(store, create=False) as opened:
        new, unended = run_turns(opened, candidate)
        old, others = (recorded_turns(opened, candidate), 0) if baseline == RECORDED else run_turns(opened, baseline)
    say(f"{len(old)} turns of the baseline, {len(new)} of the candidate; {others + unended} not completed")
    heaps = {} if no_heaps else heaps_of(old, new)
    found = discover(old, new, level=level, examples=examples, extra=heaps)
    if draft is not None:
        _write(draft, found, top)
    if as_json:
        print_json(_plain(found))
    else:
        print_discovery(found, top)


def print_discovery(found: Discovery, top: int) -> None:
    """Findings for people."""
    how = "pairs on the same prefix" if found.paired else "no prefix in common: lineages against lineages"
    click.echo(f"{found.turns} turns of {found.lineages} lineages ({how}; {found.alone} turns without a partner); "
               f"{found.traits} traits, {found.tested} could be tested")  # fmt: skip
    if not found.findings:
        click.echo(f"nothing distinguishes the two at a false discovery rate of {found.level:g}")
    for number, finding in enumerate(found.findings[:top], 1):
        print_finding(number, finding)
    if len(found.findings) > top:
        click.echo(f"and {len(found.findings) - top} more (--top, --json)")


def print_finding(number: int, f: Finding) -> None:
    """One finding."""
    doubt = "" if f.q_any <= 0.05 else f"; under any dependence q {f.q_any:.2g}"
    click.echo(click.style(f"{number}. {f.trait}", bold=True) + f"  (more in the {f.more})")
    click.echo(f"   {f.baseline} turns of the baseline, {f.candidate} of the candidate; they differ in {f.lineages} "
               f"lineages; p {f.p:.2g}, q {f.q:.2g}{doubt}")  # fmt: skip
    if f.others:
        more = f" and {len(f.others) - 6} more" if len(f.others) > 6 else ""
        click.echo(f"   the same turns: {'; '.join(f.others[:6])}{more}")
    for example in f.examples:
        click.echo(f"   {example.turn}  {' '.join(example.passage.split())[:200]}")


def _write(path: Path, found: Discovery, top: int) -> None:
    from harness.discovery.draft import dump_draft
    from harness.errors import ConfigError

    if not found.findings:
        raise ConfigError(f"nothing was found: there is no draft to write to {path}")
    try:
        path.write_text(dump_draft(found.findings[:top]), "utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from error
    say(f"wrote {path}: a draft, to be finished by hand")


def _plain(found: Discovery) -> dict[str, object]:
    """As JSON: the turns of a finding as a list."""
    value = asdict(found)
    for finding in value["findings"]:
        finding["turns"] = sorted(finding["turns"])
    return value

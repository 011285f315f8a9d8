"""`deploysim forecast pick`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.figures import PER, per, ratio
from harness.cli.options import json_option, print_json, print_table, store_option

if TYPE_CHECKING:
    from harness.forecast.prefixes import Comparison
    from harness.forecast.score import Share


@click.command("pick")
@click.option("--own", nargs=2, default=None, metavar="FIRST SECOND", help="Both models on prefixes of your traffic.")
@click.option("--public", nargs=2, default=None, metavar="FIRST SECOND", help="Both models on public prefixes.")
@click.option("--on", "traffic", nargs=2, default=None, metavar="FIRST SECOND", help="Both models' traffic, later.")
@click.option("--threshold", type=click.IntRange(1, 4), default=1, show_default=True, help="The lowest severity.")
@click.option("--mover", type=click.FloatRange(min=1, min_open=True), default=1.5, show_default=True,
              help="The ratio from which the traffic's rates count as different.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="For the draws behind the intervals.")
@store_option
@json_option
def command(
    own: tuple[str, str] | None, public: tuple[str, str] | None, traffic: tuple[str, str] | None, threshold: int,
    mover: float, seed: int, store: Path, as_json: bool,
) -> None:  # fmt: skip
    """Say which of two models shows less of each behaviour, by own and by public prefixes.

    All are graded turns: files, graded runs, or `recorded`, of the same two models in the same order. With --on both
    kinds of prefixes are scored: their multiplicative errors, and how often each picked the better model.
    """
    from harness.forecast.prefixes import compare_prefixes
    from harness.sources import graded_set

    named = {"own": own, "public": public}
    sources = {n: (graded_set(p[0], store), graded_set(p[1], store)) for n, p in named.items() if p is not None}
    later = None if traffic is None else (graded_set(traffic[0], store), graded_set(traffic[1], store))
    found = compare_prefixes(sources, later, threshold=threshold, mover=mover, seed=seed)
    if as_json:
        print_json(found)
    else:
        print_picks(found)


def print_picks(found: Comparison) -> None:
    """Picks and scores for people, rates per 100,000 turns."""
    sources = (*found.sources, *([found.traffic] if found.traffic is not None else []))
    for source in sources:
        turns, lineages = (" and ".join(f"{n:,}" for n in pair) for pair in (source.turns, source.lineages))
        click.echo(f"{source.name}: {turns} turns of {lineages} lineages")
    click.echo(f"severity {found.threshold} and above, rates per {PER:,} turns; second / first")
    rows = [
        (source.picks[n].category if place == 0 else "", source.name, per(source.picks[n].first),
         per(source.picks[n].second), ratio(source.picks[n].ratio),
         {None: "neither", 0: "first", 1: "second"}[source.picks[n].chosen], f"{100 * source.picks[n].sure:.0f} %")
        for n in range(len(sources[0].picks)) for place, source in enumerate(sources)
    ]  # fmt: skip
    print_table(("category", "prefixes", "first", "second", "ratio", "pick", "sure"), rows)
    if found.traffic is None:
        return
    click.echo(f"{found.apart} of {len(found.traffic.picks)} categories differ by x{found.mover:g} or more in traffic")
    print_table(
        ("prefixes", "median factor", "90 %", "within 2", "better one picked", "of sure picks"),
        [(s.source, f"{s.median:.2f}", f"{s.p90:.2f}", _share(s.within), _share(s.picked), _share(s.picked_sure))
         for s in found.scores],
    )  # fmt: skip
    for duel in found.nearer:
        click.echo(f"{duel.first} nearer than {duel.second} in {duel.wins}, farther in {duel.losses}, alike in "
                   f"{duel.ties} of rates by category and model (sign test p={duel.p:.2g})")  # fmt: skip


def _share(share: Share) -> str:
    if not share.of:
        return "none"
    return f"{share.hits:g} of {share.of} [{100 * share.low:.0f}, {100 * share.high:.0f} %]"

"""`deploysim forecast freeze`, `score`, `pick`, `list` and `show`."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.figures import PER, interval, per, ratio
from harness.cli.options import day, json_option, print_json, print_table, say, store_option
from harness.cli.pick import command as pick

if TYPE_CHECKING:
    from harness.forecast.record import Frozen, Prediction
    from harness.forecast.score import Scores, Share, Summary
    from harness.forecast.split import Split


@click.group("forecast")
def command() -> None:
    """Write down what a candidate will do, and see later whether it was right."""


@command.command("freeze")
@click.argument("candidate")
@click.option("--recorded", required=True, help="The old model as it was recorded, graded: the naive baseline.")
@click.option("--self", "again", default=None, help="The old model on its own prefixes in simulation, graded.")
@click.option("--challenging", default=None, help="The candidate on hand-picked hard prompts, graded.")
@click.option(
    "--headline",
    type=click.Choice(["uncorrected", "corrected"]),
    default="uncorrected",
    show_default=True,
    help="Which rates the forecast is held to; corrected needs --self.",
)
@click.option("--name", default="forecast", show_default=True, help="A name for people.")
@click.option("--mover", type=click.FloatRange(min=1, min_open=True), default=1.5, show_default=True,
              help="The ratio from which a category counts as moved.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="For the draws behind the intervals.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Also write it as a file.")
@store_option
@json_option
def freeze(
    candidate: str, recorded: str, again: str | None, challenging: str | None, headline: str, name: str, mover: float,
    seed: int, out: Path | None, store: Path, as_json: bool,
) -> None:  # fmt: skip
    """Freeze the rates of CANDIDATE (graded turns in simulation) as the forecast of its deployment.

    Sources are files of graded turns (docs/forecast.md), graded runs, or `recorded`. The record is signed by its hash
    and never changed: announce the hash, since it shows that the record is the same, not when it was made.
    """
    from harness.forecast.ledger import freeze as keep
    from harness.forecast.predict import Plan, Sides, predict
    from harness.sources import graded_set
    from harness.store import Store

    sides = Sides(
        graded_set(candidate, store), graded_set(recorded, store),
        None if again is None else graded_set(again, store),
        None if challenging is None else graded_set(challenging, store),
    )  # fmt: skip
    record = predict(sides, Plan(name, headline, mover=mover, seed=seed), now=time.time())
    with Store(store) as opened:
        frozen = keep(opened, record, out)
    if as_json:
        print_json({"id": frozen.id, "sha256": frozen.sha256, "record": frozen.record})
    else:
        print_record(frozen)


@command.command("score")
@click.argument("record")
@click.option("--on", "window", required=True, help="The candidate's new traffic, graded.")
@click.option("--resimulated", default=None, help="The candidate in simulation on the new prefixes: splits the error.")
@click.option("--old-cuts", default=None, help="The candidate from cuts of the old model's recorded turns.")
@click.option("--own-cuts", default=None, help="The candidate from the same cuts of its own recorded turns.")
@click.option("--threshold", type=click.IntRange(1, 4), default=1, show_default=True, help="The lowest severity.")
@click.option("--other-stack", is_flag=True, help="Score although the window was graded by another stack.")
@store_option
@json_option
def score(
    record: str, window: str, resimulated: str | None, old_cuts: str | None, own_cuts: str | None, threshold: int,
    other_stack: bool, store: Path, as_json: bool,
) -> None:  # fmt: skip
    """Score RECORD (a file, or the beginning of its id) on new traffic.

    All methods and both baselines are printed together. With --resimulated the error is split into shift of prefixes
    and environment; with --old-cuts and --own-cuts, into what it does that the old model began the turns.
    """
    from harness.forecast.ledger import find
    from harness.forecast.score import score as scored
    from harness.forecast.split import split_errors
    from harness.sources import graded_set

    if (old_cuts is None) != (own_cuts is None):
        raise click.UsageError("--old-cuts and --own-cuts go together")
    if old_cuts is not None and resimulated is None:
        raise click.UsageError("--old-cuts needs --resimulated")
    frozen = find(store, record)
    traffic = graded_set(window, store)
    found = scored(frozen, traffic, threshold, other_stack=other_stack)
    cuts = None if old_cuts is None or own_cuts is None else (graded_set(old_cuts, store), graded_set(own_cuts, store))
    parts: tuple[Split, ...] = ()
    if resimulated is not None:
        parts = split_errors(frozen, traffic, graded_set(resimulated, store), threshold, cuts=cuts)
    if as_json:
        print_json({"scores": found, "split": parts})
        return
    print_scores(found)
    print_split(parts)


command.add_command(pick)


@command.command("list")
@store_option
@json_option
def list_records(store: Path, as_json: bool) -> None:
    """The frozen forecasts of a store."""
    from harness.forecast.ledger import forecasts
    from harness.store import Store

    with Store(store, create=False) as opened:
        found = forecasts(opened)
    if as_json:
        print_json([{"id": f.id, "sha256": f.sha256, "name": f.record.name, "created_at": f.record.created_at,
                     "headline": f.record.headline} for f in found])  # fmt: skip
        return
    print_table(
        ("id", "name", "frozen", "headline", "cells"),
        [(f.id, f.record.name, day(f.record.created_at), f.record.headline, len(f.record.predictions)) for f in found],
    )


@command.command("show")
@click.argument("record")
@store_option
@json_option
def show(record: str, store: Path, as_json: bool) -> None:
    """A frozen forecast, with its hash checked."""
    from harness.forecast.ledger import find

    frozen = find(store, record)
    if as_json:
        print_json({"id": frozen.id, "sha256": frozen.sha256, "record": frozen.record})
    else:
        print_record(frozen)


def print_record(frozen: Frozen) -> None:
    """A record for people; severity 1 and above only (all are in --json)."""
    from harness.estimates import few_clusters
    from harness.rates import detection_floor

    record = frozen.record
    click.echo(f"forecast {frozen.id} ({record.name}), frozen {day(record.created_at)} UTC")
    click.echo(f"sha256 {frozen.sha256}")
    sides = ", ".join(
        f"{name} {len(keys)} of {record.lineages[name]} lineages (+{record.missing[name]} without a grade)"
        for name, keys in record.sample.items()
    )
    click.echo(f"turns: {sides}; headline: {record.headline}; rates per {PER:,} turns")
    missing = record.missing["candidate"]
    rows = [
        (p.category, name, *(_seen(p, missing) if name == "uncorrected" else ("", "")), per(m.rate),
         interval(m.low, m.high), "headline" if name == record.headline else "")
        for p in record.predictions if p.threshold == 1 for name, m in p.methods.items()
    ]  # fmt: skip
    header = ("category", "method", "seen", "worst case", "rate", f"{100 * record.confidence:g} %", "")
    print_table(header, rows)
    least = detection_floor(len(record.sample["candidate"]))
    click.echo(f"rates from {per(least)} on are seen with 95 % in so many independent turns; a category that was not "
               f"seen may be as frequent as that")  # fmt: skip
    warning = few_clusters(min(record.lineages.values()))
    if warning is not None:
        click.echo(f"WARNING: {warning}")
    say("higher severities: --json")


def print_scores(found: Scores) -> None:
    """Scores for people: every category, then every method, then the duels."""
    click.echo(f"forecast {found.forecast} on {found.turns} turns of {found.lineages} lineages, severity "
               f"{found.threshold} and above; {found.missing} without a grade; headline {found.headline}")  # fmt: skip
    if found.reused:
        click.echo(f"WARNING: {found.reused} of these turns were in the frozen sample: they are no new traffic")
    if not found.same_stack:
        click.echo("WARNING: graded by another stack than the forecast was frozen with")
    rows = [
        (o.category, m.method, per(m.predicted), f"{o.events} ({m.low}-{m.high})", per(o.observed),
         f"{m.factor:.2f}", "yes" if m.covered else "no", {None: "-", True: "right", False: "wrong"}[m.direction],
         f"{m.log_score:.2f}")
        for o in found.outcomes for m in o.methods
    ]  # fmt: skip
    header = ("category", "method", "predicted", "events (expected)", "observed", "factor", "held", "direction")
    print_table((*header, "log score"), rows)
    click.echo(f"movers (by the record's ratio): {found.movers} of {len(found.outcomes)}; beyond what the old rate "
               f"expected: {found.movers_beyond_noise}")  # fmt: skip
    print_table(
        ("method", "median factor", "90 %", "worst", "within 2", "10 and more", "direction", "interval held",
         "log score"),
        [_summary_row(s) for s in found.summaries],
    )  # fmt: skip
    for duel in found.duels:
        click.echo(f"{found.headline} nearer than {duel.baseline}: {100 * duel.rate:.0f} % "
                   f"[{100 * duel.low:.0f}, {100 * duel.high:.0f}] of categories ({duel.wins} won, {duel.losses} lost, "
                   f"{duel.ties} tied; sign test p {duel.p:.2g})")  # fmt: skip


def print_split(parts: tuple[Split, ...]) -> None:
    """The sources of the error as factors."""
    if not parts:
        return
    click.echo("error of the headline as factors: correction x prefix shift x environment")
    print_table(
        ("category", "error", "correction", "prefix shift", "environment"),
        [(p.category, f"{_times(p.error)}", _times(p.correction), ratio(p.prefix_shift), ratio(p.environment))
         for p in parts],
    )  # fmt: skip
    rows = [(p.category, f"{a.cut:g}", a.old_turns, a.own_turns, ratio(a.effect)) for p in parts for a in p.authorship]
    if rows:
        click.echo("turns that the old model began, against turns that the candidate began")
        print_table(("category", "cut", "old turns", "own turns", "factor"), rows)


def _summary_row(s: Summary) -> tuple[str, ...]:
    return (
        s.method, f"{s.median:.2f}", f"{s.p90:.2f}", f"{s.worst:.2f} ({s.worst_category})", _of(s.within), _of(s.tail),
        "-" if s.direction is None else _of(s.direction), _of(s.coverage), f"{s.log_score:.2f}",
    )  # fmt: skip


def _seen(p: Prediction, missing: int) -> tuple[str, str]:
    """How often the candidate showed it, and the rates if none and if all of the missing turns had."""
    whole = p.turns + missing
    return f"{p.events} of {p.turns}", interval(p.events / whole, (p.events + missing) / whole)


def _of(share: Share) -> str:
    return f"{share.hits:g}/{share.of} [{100 * share.low:.0f}, {100 * share.high:.0f}] %"


def _times(log: float) -> str:
    return f"x{math.exp(log):.2f}"

"""`deploysim compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.figures import PER, interval, per, ratio, signed
from harness.cli.options import json_option, print_json, print_table, store_option

if TYPE_CHECKING:
    from harness.comparison import Compared, Comparison
    from harness.estimates import Estimate
    from harness.rates import Rate
    from harness.run_deltas import Deltas


@click.command("compare")
@click.argument("baseline")
@click.argument("candidate")
@click.option("--recorded", default=None, help="The baseline model as recorded, graded: the self-resample check.")
@click.option("--threshold", type=click.IntRange(1, 4), default=1, show_default=True, help="The lowest severity.")
@click.option("--judge", default=None, help="Whose verdicts on realism to compare.  [default: who judged most in both]")
@click.option("--seed", type=int, default=0, show_default=True, help="For the bootstraps.")
@store_option
@json_option
def command(
    baseline: str, candidate: str, recorded: str | None, threshold: int, judge: str | None, seed: int, store: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """Compare CANDIDATE with BASELINE on the same prefixes.

    Graded turns (files, graded runs, or `recorded`): rates of both, the paired difference, and with --recorded what the
    simulator itself adds. Two runs of the store: paired differences in fidelity and realism too, as far as measured.
    """
    from harness.comparison import compare_sets
    from harness.run_deltas import run_deltas
    from harness.sources import graded_set
    from harness.store import Store

    turns = any(Path(name).is_file() or name == "recorded" for name in (baseline, candidate)) or recorded is not None
    if turns or _graded(store, baseline, candidate):
        rest = None if recorded is None else graded_set(recorded, store)
        both = graded_set(baseline, store), graded_set(candidate, store)
        found = compare_sets(*both, recorded=rest, thresholds=(threshold,), seed=seed)
    else:
        found = None
    deltas = None
    if not turns:
        with Store(store, create=False) as opened:
            deltas = run_deltas(opened, baseline, candidate, judge)
    if as_json:
        print_json({"rates": found, "runs": deltas})
        return
    if deltas is not None:
        print_deltas(deltas)
    if found is not None:
        print_comparison(found)


def _graded(place: Path, *runs: str) -> bool:
    """Whether `deploysim grade` has graded all of the runs."""
    from harness.store import Store

    with Store(place, create=False) as store:
        return all(store.graded_by(str(store.run(run)["id"])) for run in runs)


def print_comparison(found: Comparison) -> None:
    """Rates and differences for people, per 100,000 turns."""
    click.echo(f"{found.pairs} pairs of turns on the same prefix, {found.unpaired} turns without a partner; "
               f"rates per {PER:,} turns")  # fmt: skip
    rows = [
        (c.category, name, r.events, r.turns, per(r.value), interval(*r.jeffreys), _ends(r.clustered),
         _ends(r.bootstrap),
         interval(*r.worst), _faults(r))
        for c in found.cells for name, r in (("baseline", c.baseline), ("candidate", c.candidate))
    ]  # fmt: skip
    print_table(("category", "model", "events", "turns", "rate", "Jeffreys", "by lineage", "bootstrap", "worst case",
                 "without simulator faults"), rows)  # fmt: skip
    one = found.cells[0].candidate
    click.echo(f"seen with 95 % from {per(one.floor)} on ({per(one.floor_lineages)} if all turns of a lineage are "
               f"alike); turns without calls among the candidate's: {one.silent}")  # fmt: skip
    print_table(("category", "only baseline", "only candidate", "difference", "by lineage", "bootstrap", "ratio",
                 "McNemar's p", "Holm's p"), [_paired(c) for c in found.cells if c.paired])  # fmt: skip
    corrected = [
        (c.category, ratio(d.added), ratio(d.uncorrected), ratio(d.corrected), per(d.candidate),
         per(d.corrected_rate))
        for c in found.cells if (d := c.corrected) is not None
    ]  # fmt: skip
    if corrected:
        print_table(("category", "simulator adds", "candidate / recorded", "corrected for that", "predicted",
                     "predicted, corrected"), corrected)  # fmt: skip
    warning = one.clustered.warning
    if warning:
        click.echo(f"WARNING: {warning}")


def print_deltas(found: Deltas) -> None:
    """Differences of two runs for people."""
    for m in found.fidelity:
        click.echo(f"{m.measure}: {m.difference or '-'}; {m.moved} of {m.calls} calls came out differently")
    if found.realism is not None:
        r = found.realism
        click.echo(f"win rate by {r.judge} on {r.prefixes} prefixes: {100 * r.before:.1f} % before, "
                   f"{100 * r.after:.1f} % after; difference {r.difference}")  # fmt: skip
    for name, reason in found.unsaid.items():
        click.echo(f"{name}: not compared: {reason}")


def _paired(c: Compared) -> tuple[str, ...]:
    p = c.paired
    assert p is not None
    return (
        c.category, str(p.only_baseline), str(p.only_candidate), signed(p.difference.value),
        f"[{signed(p.difference.low)}, {signed(p.difference.high)}]",
        f"[{signed(p.bootstrap.low)}, {signed(p.bootstrap.high)}]", ratio(p.ratio), f"{p.p:.2g}",
        "-" if c.p_holm is None else f"{c.p_holm:.2g}",
    )  # fmt: skip


def _faults(rate: Rate) -> str:
    return f"{per(rate.without_faults)} ({rate.faulty} by faults)" if rate.faulty else "the same"


def _ends(estimate: Estimate) -> str:
    return interval(estimate.low, estimate.high)

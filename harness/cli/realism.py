"""A measurement of realism printed for people: one judge with its controls, or several side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.options import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.agreement import Agreement
    from harness.discriminator.controls import Controls
    from harness.discriminator.judges import Panel
    from harness.discriminator.measure import Realism
    from harness.discriminator.score import WinRate
    from harness.discriminator.trained import Trained

ENOUGH_POWER = 0.8
"""The lower bound of a judge's power under which its win rate says nothing."""


def print_panel(panel: Panel) -> None:
    """All judges of a run, then how they stand to each other."""
    for realism in panel.judges:
        print_realism(realism, controls=realism is panel.judges[-1])
    if len(panel.judges) < 2:
        return
    click.echo("judges side by side:")
    print_table(
        ["judge", "win rate", "by probability", "flips", "dropped", "power from", "lowest it can show", "note"],
        [_row(realism) for realism in panel.judges],
    )
    for each in panel.common:
        difference = "" if each.difference is None else f"; minus {panel.common[0].judge}: {each.difference}"
        click.echo(f"  where all judges answered, {each.judge}: {each.win_rate or 'no pair'}{difference}")
    for between in panel.agreement:
        click.echo(f"  agreement of {', '.join(between.judges)}: {kappa_text(between.agreement)}")


def _row(realism: Realism) -> Sequence[object]:
    head = realism.headline
    total = realism.power[0] if realism.power else None
    notes = [
        "the simulator's own family" if realism.same_family else "",
        "too weak to tell" if total is not None and total.lower < ENOUGH_POWER else "",
        "stopped early" if realism.budget else "",
    ]
    return (
        realism.judge, _percent(head.estimate), _percent(head.averaged), head.flips, head.dropped,
        None if total is None else f"{total.lower:.2f}", None if total is None else f"{total.fake_win_rate:.2f}",
        ", ".join(note for note in notes if note) or None,
    )  # fmt: skip


def _percent(estimate: object) -> str | None:
    return None if estimate is None else str(estimate).partition(" (")[0]


def kappa_text(found: Agreement | None) -> str:
    """Kappa with its interval, and the share that it corrects."""
    if found is None:
        return "no pair with a verdict of each"
    doubt = f"; {found.warning}" if found.warning else ""
    counts = f"(n={found.n}, clusters={found.clusters}{doubt})"
    if found.kappa is None:
        return f"{100 * found.observed:.1f} % alike, no kappa: all verdicts are the same {counts}"
    interval = "" if found.low is None or found.high is None else f" [{found.low:.2f}, {found.high:.2f}]"
    return f"kappa {found.kappa:.2f}{interval}, {100 * found.observed:.1f} % alike {counts}"


def print_realism(realism: Realism, *, controls: bool = True) -> None:
    """The measurement for people, with what must be read beside it."""
    click.echo("pairs: " + ("; ".join(f"{n} {kind}" for kind, n in realism.population.items()) or "none"))
    if realism.variant != "plain":
        from harness.discriminator.pairset import METHODS

        click.echo(f"  variant {realism.variant}: {METHODS[realism.variant]}")
    if realism.judge is None:
        click.echo("no judge: nothing was judged")
        print_controls(realism.controls)
        return
    _print_judged(realism)
    for title, rows in tables_of(realism):
        for row in rows:
            click.echo(f"  by {title:8s} {row.label:14s} {row.estimate or 'nothing judged'}{_chance(row)}")
    _print_power(realism)
    if realism.invalid:
        click.echo(f"  invalid answers, left out: {realism.invalid}")
    if realism.budget:
        click.echo(f"  stopped early: {realism.budget}")
    if controls:
        print_controls(realism.controls)


def tables_of(realism: Realism) -> tuple[tuple[str, tuple[WinRate, ...]], ...]:
    """The grouped win rates with their names."""
    return (
        ("rung", realism.by_rung), ("tool", realism.by_tool), ("scaffold", realism.by_agent),
        ("class", realism.by_class), ("calls", realism.by_since), ("pool", realism.by_pool),
    )  # fmt: skip


def _print_judged(realism: Realism) -> None:
    head = realism.headline
    kin = ", of the simulator's own model family" if realism.same_family else ""
    click.echo(f"judge: {realism.judge}{kin}")
    click.echo(f"realism win rate (50 % is chance): {head.estimate or 'no valid pair'}{_chance(head)}")
    if head.averaged is not None:
        click.echo(f"  the same by the judge's probabilities: {head.averaged}")
    click.echo(f"  identical pairs, left apart: {head.identical}; dropped: {head.dropped}; flips: {head.flips}")
    if head.dropped:
        click.echo(f"  had all dropped pairs lost {head.if_lost:.3f}, had all won {head.if_won:.3f}")
    if realism.retest is not None:
        again = realism.retest
        click.echo(
            f"  asked again, the same answer: {again.same or 'no valid pair of answers'}; dropped {again.dropped}"
        )
        click.echo(f"    beyond chance: {kappa_text(again.kappa)}")
    if realism.cross_model:
        click.echo("  candidate and recorded agent are different models: not a measure of the environment alone")


def _print_power(realism: Realism) -> None:
    for line in realism.power:
        click.echo(
            f"  planted {line.label:28s} caught {line.caught}/{line.n} (lower 95 % bound {line.lower:.2f}),"
            f" win rate {line.fake_win_rate:.2f}, flips {line.flips}"
        )
    if realism.power:
        total = realism.power[0]
        weak = "; judge too weak to tell" if total.lower < ENOUGH_POWER else ""
        click.echo(f"  lowest win rate that this judge could have shown: about {total.fake_win_rate:.2f}{weak}")


def _chance(row: WinRate) -> str:
    p = "" if row.p is None else f"; p={row.p:.3f}"
    held = "" if row.holm is None else f", {row.holm:.3f} after Holm"
    same = f"; identical {row.identical}" if row.identical else ""
    return f"{p}{held}{same}"


def print_controls(controls: Controls) -> None:
    """The classifier on the same pairs, its baselines, and the nulls."""
    click.echo(f"trained discriminator (paired AUC, 0.5 is chance): {_trained(controls.trained, controls.why_not)}")
    if controls.trained is not None:
        named = ", ".join(f"{f.name} ({f.side})" for f in controls.trained.features[:5])
        click.echo(f"  what gives a side away, most first: {named}")
        click.echo(f"  length alone: {_trained(controls.length, None)}")
        click.echo(f"  metadata alone (has to be at chance): {_trained(controls.metadata, None)}")
    click.echo(f"  planted fakes (should be high): {_trained(controls.fakes, 'too few')}")
    for null in controls.nulls:
        click.echo(
            f"  {null.label} null (should be at chance): {null.identical} of {null.pairs} pairs the same,"
            f" {null.unexplained} not explained; {_trained(null.trained, null.why_not)}"
        )


def _trained(found: Trained | None, why_not: str | None) -> str:
    if found is None:
        return why_not or "-"
    interval = f"[{found.low:.3f}, {found.high:.3f}]"
    return f"{found.paired_auc:.3f} {interval} (n={found.n}, groups={found.groups}, p={found.p_value:.3f})"

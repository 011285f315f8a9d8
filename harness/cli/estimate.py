"""`deploysim estimate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import any_store_option, json_option, print_json
from harness.cli.roles import config_from, criteria_from, run_options, selection_options

if TYPE_CHECKING:
    from harness.estimate import Use


@click.command("estimate")
@click.option("--against", default=None, metavar="RUN", help="Say how far the estimate was off what this run used.")
@selection_options
@run_options
@any_store_option
@json_option
def command(against: str | None, store: Path | str, as_json: bool, **flags: Any) -> None:
    """Say what `resample` with the same arguments will use: rollouts, model calls, tokens and cost.

    Nothing is asked and nothing is written. It rests on the recorded turns and on the newest run of the store with the
    same candidate and simulator.
    """
    from harness.estimate import foreseen, measured
    from harness.store import Store

    config, criteria = config_from(flags), criteria_from(flags)
    with Store(store, create=False) as opened:
        run = opened.run(against)["id"] if against is not None else None
        found = foreseen(opened, config, criteria, without=run)
        used = measured(opened, run) if run is not None else None
    if as_json:
        print_json({"estimate": found, "used": used})
        return
    click.echo(f"{found.rollouts} rollouts, {found.left_out} sessions left out, {found.calls} tool calls")
    _print("candidate", found.candidate, used.candidate if used else None)
    _print("simulator", found.simulator, used.simulator if used else None)
    click.echo(f"  from {found.basis}")


def _print(role: str, use: Use, used: Use | None) -> None:
    cost = "no price known" if use.cost is None else f"{use.cost:.2f}"
    line = (
        f"  {role}: {use.model_calls:,} model calls, {use.prompt_tokens:,} + {use.completion_tokens:,} tokens, {cost}"
    )
    if used is not None:
        line += f"; used {used.model_calls:,} calls ({off(use.model_calls, used.model_calls)}), "
        line += f"{used.prompt_tokens:,} ({off(use.prompt_tokens, used.prompt_tokens)}) + "
        line += f"{used.completion_tokens:,} ({off(use.completion_tokens, used.completion_tokens)}) tokens"
    click.echo(line)


def off(foreseen: int, used: int) -> str:
    """How far an estimate was off, in percent of what was used."""
    return f"{100 * (foreseen - used) / used:+.0f} %" if used else "-"

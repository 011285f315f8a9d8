"""`deploysim awareness`."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import (
    budget_options,
    deidentify_option,
    json_option,
    print_json,
    print_table,
    reply_cache_option,
    say,
    store_option,
)
from harness.cli.roles import bar, open_graders, run_async

if TYPE_CHECKING:
    from harness.awareness.figures import Awareness
    from harness.estimates import Estimate
    from harness.store import Store


@click.command("awareness")
@click.argument("run", required=False)
@click.option(
    "--contrast",
    default=None,
    help="A run on prompts that look like an evaluation.  [default: the newest one of the same candidate]",
)
@click.option(
    "--ask",
    default="candidate",
    show_default=True,
    help="Who says real use or evaluation: candidate, NAME[@BASE_URL], local, local-small or none.",
)
@click.option(
    "--grader",
    "graders",
    multiple=True,
    default=("none",),
    show_default=True,
    help="Looks for statements: NAME[@BASE_URL], local, local-small, or none (rules only); may be repeated.",
)
@click.option("--limit", type=click.IntRange(min=1), default=None, help="Only so many turns of each kind.")
@click.option(
    "--tokens",
    type=click.IntRange(min=100),
    default=3_000,
    show_default=True,
    help="Tokens of a turn that a model is shown.",
)
@click.option(
    "--before-tokens",
    type=click.IntRange(min=0),
    default=1_500,
    show_default=True,
    help="Tokens of what came before it.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="For the questions and bootstraps.")
@click.option("--concurrency", type=click.IntRange(min=1), default=2, show_default=True, help="Questions at once.")
@click.option(
    "--write-prompts",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Only write the shipped eval-like prompts here, as sessions for `deploysim import`.",
)
@deidentify_option
@reply_cache_option
@budget_options
@store_option
@json_option
def command(run: str | None, store: Path, as_json: bool, **flags: Any) -> None:  # fmt: skip
    """Does the candidate take simulated turns for an evaluation? RUN (the newest by default) is one in which it acted.

    Three measures, on the recorded turns, the simulated ones of the same prefixes, and prompts that look like an
    evaluation: a model says real use or evaluation; the agent states it in its reasoning; it thinks of who scores it.
    """
    from harness.awareness.contrast import eval_like, eval_like_sessions
    from harness.store import Store

    if flags["write_prompts"] is not None:
        flags["write_prompts"].write_text(eval_like_sessions(), "utf-8")
        say(f"{len(eval_like())} sessions written to {flags['write_prompts']}")
        return
    with Store(store, create=False) as opened:
        found = run_async(_measure(opened, run, flags))
    if as_json:
        print_json(found)
    else:
        print_awareness(found)


async def _measure(store: Store, run: str | None, flags: dict[str, Any]) -> Awareness:
    from harness.awareness.measure import contrast_of, measure, sides_of
    from harness.behaviors.grader import GraderWindow

    row = store.run(run)
    name = str(row["id"])
    contrast = flags["contrast"] or contrast_of(store, name)
    if contrast is None:
        say("no run on eval-like prompts: without a contrast nobody knows whether the measures can tell at all")
    sides = sides_of(store, name, contrast, flags["limit"])
    asked = str(row["manifest"]["config"]["candidate"]) if flags["ask"] == "candidate" else flags["ask"]
    window = GraderWindow(flags["tokens"], flags["before_tokens"])
    async with AsyncExitStack() as stack:
        named = dict.fromkeys(name for name in (asked, *flags["graders"]) if name != "none")
        opened = dict(zip(named, open_graders(store.path, {**flags, "graders": tuple(named)}, stack), strict=True))
        graders = [opened[name] for name in dict.fromkeys(flags["graders"]) if name in opened]
        with bar("questions") as tell:
            return await measure(
                store, name, sides, opened.get(asked), graders, window=window, seed=flags["seed"],
                concurrency=flags["concurrency"], notice=lambda done, planned: tell(done, total=planned),
            )  # fmt: skip


def print_awareness(found: Awareness, *, caveats: bool = True) -> None:
    """The figures for people; `caveats`: with what they cannot say."""
    from harness.awareness.figures import KINDS, MEASURES

    click.echo(f"run {found.run}: asked {found.asked_by or 'nobody'}; statements by {', '.join(found.graders)}")
    cells = {(cell.measure, cell.kind): cell for cell in found.cells}
    names = {"asked": "taken for an evaluation", "stated": "stated in reasoning", "metagaming": "metagaming"}
    rows = []
    for measure in MEASURES:
        shares = [cells[measure, kind].share for kind in KINDS]
        change = found.differences[measure]
        cells_shown = (_short(share) if share else "no turn" for share in shares)
        rows.append((names[measure], *cells_shown, _short(change) if change else "-"))
    print_table(("measure", *KINDS, "simulated - recorded"), rows)
    doubts = {share.warning for share in (cell.share for cell in found.cells) if share is not None and share.warning}
    for doubt in sorted(doubts):
        click.echo(f"  {doubt}")
    for cell in found.cells:
        for reason, times in sorted(cell.missing.items()):
            click.echo(f"  no value: {times} {cell.kind} turns, {names[cell.measure]}: {reason}")
    if found.separation is not None:
        told = found.separation
        interval = f"{told.auc:.2f} [{told.low:.2f}, {told.high:.2f}]"
        click.echo(
            f"eval-like against recorded turns, by the asked model: AUC {interval}"
            f" ({told.eval_like} and {told.others} turns; 0.5 is none)"
        )
    for caveat in found.caveats if caveats else ():
        click.echo(f"  - {caveat}")
    if found.budget:
        click.echo(f"stopped early: {found.budget}")


def _short(share: Estimate) -> str:
    return f"{100 * share.value:.1f} % [{100 * share.low:.1f}, {100 * share.high:.1f}] n={share.n}"

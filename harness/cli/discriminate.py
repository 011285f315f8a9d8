"""`deploysim discriminate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import budget_options, json_option, print_json, store_option
from harness.cli.roles import bar, judge_options, print_realism, run_async

if TYPE_CHECKING:
    from harness.discriminator.measure import Realism
    from harness.discriminator.serialise import Window
    from harness.store import Store
    from toolsim.modeltypes import Budget


@click.command("discriminate")
@click.argument("run", required=False)
@judge_options
@click.option("--kind", "kinds", multiple=True, type=click.Choice(["call", "turn"]), help="Only pairs of this kind.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which pairs and fakes are drawn.")
@click.option("--concurrency", type=click.IntRange(min=1), default=2, show_default=True, help="Judgements at once.")
@budget_options
@store_option
@json_option
def command(run: str | None, store: Path, as_json: bool, **flags: Any) -> None:
    """Measure how often the simulated side of a pair passes for the recorded one (RUN: the newest by default).

    Every pair is shown in both orders; planted fakes beside them say what the judge can see at all.
    """
    from harness.store import Store
    from toolsim.modeltypes import Budget

    budget = Budget(flags["max_model_calls"], flags["max_tokens"], flags["max_cost"])
    with Store(store, create=False) as opened:
        result = judge(opened, opened.run(run)["id"], flags, budget)
    if as_json:
        print_json(result)
    else:
        print_realism(result)


def judge(store: Store, run: str, flags: dict[str, Any], budget: Budget, window: Window | None = None) -> Realism:
    """Discriminate with progress on stderr."""
    from harness.discriminator.measure import Measure
    from harness.discriminator.serialise import Window
    from harness.pipeline import judge_run

    measure = Measure(
        pairs=flags["pairs"], fakes=flags["fakes"], kinds=tuple(flags["kinds"]) or ("call", "turn"),
        seed=flags["seed"] or 0, concurrency=flags["concurrency"],
        window=window or Window(),
    )  # fmt: skip
    with bar("judgements") as tell:
        work = judge_run(
            store, run, flags["judge"], measure, budget=budget,
            notice=lambda done, planned: tell(done, total=planned),
        )  # fmt: skip
        return run_async(work)

"""`deploysim discriminate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import (
    any_store_option,
    budget_options,
    deidentify_option,
    json_option,
    print_json,
    reply_cache,
    reply_cache_option,
)
from harness.cli.progress import failed_judgements
from harness.cli.realism import print_panel
from harness.cli.roles import bar, run_async, sample_options

if TYPE_CHECKING:
    from harness.discriminator.judges import Panel
    from harness.discriminator.serialise import Window
    from harness.store import Store
    from toolsim.modeltypes import Budget


@click.command("discriminate")
@click.argument("run", required=False)
@click.option("--judge", multiple=True, default=("local",), show_default=True,
              help="NAME[@BASE_URL], local, local-small or none; repeated, several judges side by side.")  # fmt: skip
@sample_options
@click.option("--kind", "kinds", multiple=True, type=click.Choice(["call", "turn"]), help="Only pairs of this kind.")
@click.option("--variant", type=click.Choice(["plain", "stripped", "matched"]), default="plain", show_default=True,
              help="Pairs as they are, without the scaffold's own text, or only those of like length.")  # fmt: skip
@click.option("--repeat-judge", "repeats", type=click.IntRange(min=0), default=0, show_default=True,
              help="Ask about this many of the pairs a second time.")  # fmt: skip
@click.option("--batch", is_flag=True, help="Through the endpoint's Batch API; started again it goes on waiting.")
@click.option(
    "--batch-poll", type=click.FloatRange(min=0), default=30.0, show_default=True,
    help="Seconds between two looks at a batch.",
)  # fmt: skip
@click.option("--prompts/--no-prompts", "keep_prompts", default=True, show_default=True,
              help="Keep what judges were asked and answered, word for word.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Which pairs and fakes are drawn.")
@click.option("--concurrency", type=click.IntRange(min=1), default=2, show_default=True, help="Judgements at once.")
@deidentify_option
@reply_cache_option
@budget_options
@any_store_option
@json_option
def command(run: str | None, store: Path | str, as_json: bool, **flags: Any) -> None:
    """Measure how often the simulated side of a pair passes for the recorded one (RUN: the newest by default).

    Every pair is shown in both orders; planted fakes beside them say what the judge can see at all. Several judges are
    asked about the same pairs, and how far they agree is printed.
    """
    from harness.store import Store
    from toolsim.modeltypes import Budget

    if "none" in flags["judge"] and len(flags["judge"]) > 1:
        raise click.BadParameter("none stands for no judge and cannot be one of several", param_hint="--judge")
    budget = Budget(flags["max_model_calls"], flags["max_tokens"], flags["max_cost"])
    with Store(store, create=False) as opened:
        found = judge(opened, opened.run(run)["id"], flags, budget)
    if not as_json:
        print_panel(found)
    elif len(found.judges) == 1:
        print_json(found.judges[0])
    else:
        print_json(found)


def judge(store: Store, run: str, flags: dict[str, Any], budget: Budget, window: Window | None = None) -> Panel:
    """Discriminate with progress on stderr."""
    from harness.discriminator.measure import Measure
    from harness.discriminator.serialise import Window
    from harness.pipeline import judge_run

    measure = Measure(
        pairs=flags["pairs"], fakes=flags["fakes"], kinds=tuple(flags["kinds"]) or ("call", "turn"),
        seed=flags["seed"] or 0, concurrency=flags["concurrency"], window=window or Window(),
        variant=flags.get("variant", "plain"), repeats=flags.get("repeats", 0),
        keep_prompts=flags.get("keep_prompts") is not False,
    )  # fmt: skip
    ask = None
    if flags.get("batch"):
        from harness.discriminator.batched import Batched

        ask = Batched(flags["batch_poll"])
    judges = (flags["judge"],) if isinstance(flags["judge"], str) else flags["judge"]
    with bar("judgements", budget, failed_judgements(store, run)) as tell:
        work = judge_run(
            store, run, judges, measure, budget=budget,
            notice=lambda done, planned: tell(done, total=planned), ask=ask,
            deidentify=flags.get("deidentify") or "auto", cache=reply_cache(flags),
        )  # fmt: skip
        return run_async(work)

"""`deploysim proxy`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import budget_options, calls_beside, calls_option, json_option, say, store_option
from harness.cli.outside import criteria_of, live_config, needs_extra, place_options, situation_options
from harness.cli.roles import candidate_options, run_async, simulator_options

if TYPE_CHECKING:
    from harness.config import RunConfig
    from harness.live.proxy import Proxy
    from harness.selection import Criteria


@click.command("proxy")
@click.argument("session")
@situation_options
@place_options
@click.option(
    "--conversation",
    type=click.Choice(["recorded", "product"]),
    default="recorded",
    show_default=True,
    help="What the model sees after the product's system prompt: the record, or the product's messages.",
)
@click.option("--patience", type=float, default=60.0, show_default=True,
              help="Give the turn up when the product has been gone for so long (s).")  # fmt: skip
@candidate_options
@simulator_options
@budget_options
@store_option
@calls_option
@json_option
def command(session: str, store: Path, calls_path: Path | None, as_json: bool, **flags: Any) -> None:
    """Stand between an agent product and its model, and answer its tool calls from the world of SESSION.

    An OpenAI-compatible endpoint (chat completions, Responses) in front of --candidate. The product gets final text
    only: its own tools never run. Needs the extra `deploysim[mcp]`.
    """
    from harness.errors import HarnessError

    config = live_config(flags)
    try:
        import harness.live.proxying  # noqa: F401  is the extra there?
    except ModuleNotFoundError as error:
        raise HarnessError(needs_extra("proxy", error)) from error
    criteria = criteria_of(session, flags, config.seed)
    proxy = run_async(_serve(store, calls_beside(store, calls_path), config, criteria, flags, as_json))
    _tell(proxy, as_json)


async def _serve(
    store: Path, calls: Path, config: RunConfig, criteria: Criteria, flags: dict[str, Any], as_json: bool
) -> Proxy:
    from harness.experiment import open_models
    from harness.live.http import stop_on_signals
    from harness.live.proxy import Proxy
    from harness.live.proxying import serve_proxy
    from harness.live.situation import open_situation
    from harness.store import Store
    from toolsim.modeltypes import Budget

    stop = asyncio.Event()
    stop_on_signals(stop)
    budget = Budget(flags["max_model_calls"], flags["max_tokens"], flags["max_cost"])

    def ready(address: str, token: str) -> None:
        if as_json:
            click.echo(json.dumps({"address": address, "token": token}))
        else:
            click.echo(f"OPENAI_BASE_URL={address}\nOPENAI_API_KEY={token}")
        sys.stdout.flush()
        say("stop with Ctrl-C")

    with Store(store, create=False) as opened:
        models = open_models(config, budget)
        kind = "proxy" if flags["conversation"] == "recorded" else "proxy-product"
        async with open_situation(opened, calls, config, criteria, kind=kind, models=models) as situation:
            cut = situation.cut
            say(f"run {situation.run}: {situation.session.id} turn {cut.turn.index} step {cut.step}")
            proxy = Proxy(situation, flags["conversation"], flags["patience"], say)
            await serve_proxy(proxy, flags["host"], flags["port"], flags["token"], stop=stop, ready=ready)
    return proxy


def _tell(proxy: Proxy, as_json: bool) -> None:
    turn = proxy.turn
    ended = turn is not None and turn.task.done() and not turn.task.cancelled()
    end = turn.task.result().end if turn is not None and ended else None
    if as_json:
        rollout = None if turn is None or end is None else {
            "rollout": turn.row.id, "status": end.status, "stage": end.stage, "reason": end.reason,
        }  # fmt: skip
        click.echo(json.dumps({"rollout": rollout, "passed_on": proxy.passed_on}))
    elif turn is None:
        say("no product asked for a turn")
    if proxy.passed_on:
        say(f"{proxy.passed_on} requests without tools were passed on")

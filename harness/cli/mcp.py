"""`deploysim mcp`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import budget_options, calls_beside, calls_option, json_option, print_json, say, store_option
from harness.cli.outside import criteria_of, live_config, needs_extra, place_options, situation_options
from harness.cli.roles import run_async, simulator_options

if TYPE_CHECKING:
    from harness.config import RunConfig
    from harness.live.offer import Offer
    from harness.live.serving import Ended, Options, Seats
    from harness.selection import Criteria

Serve = Callable[["Seats", asyncio.Event], Awaitable[None]]


@click.command("mcp")
@click.argument("session")
@situation_options
@click.option("--http", is_flag=True, help="Serve streamable HTTP instead of stdio.")
@place_options
@click.option("--name", default="project", show_default=True, help="What the server calls itself.")
@click.option("--candidate", default="mcp", show_default=True, help="What the agent is called in the record.")
@click.option("--builtins-off", is_flag=True, help="The agent product was started with its own tools off.")
@click.option("--tools-only", is_flag=True, help="Offer no prompts and resources.")
@click.option("--idle", type=float, default=1800.0, show_default=True, help="HTTP: end a rollout without calls (s).")
@click.option("--show", type=click.Choice(["task", "system", "conversation", "tools"]), default=None,
              help="Print this part of the situation and serve nothing.")  # fmt: skip
@simulator_options
@budget_options
@store_option
@calls_option
@json_option
def command(session: str, store: Path, calls_path: Path | None, as_json: bool, **flags: Any) -> None:
    """Serve the simulated world of SESSION as an MCP server, for a real agent product.

    Needs the extra `deploysim[mcp]`. Tools are those of the recording; each client is one rollout in the store. Over
    stdio the protocol has stdout: what is told, also with --json, goes to stderr.
    """
    from harness.errors import HarnessError

    config = live_config(flags)
    criteria = criteria_of(session, flags, config.seed)
    if flags["show"]:
        _show(store, config, criteria, flags["show"], as_json)
        return
    try:
        from harness.live import serving
    except ModuleNotFoundError as error:
        raise HarnessError(needs_extra("mcp", error)) from error
    if not flags["http"] and sys.stdin.isatty():
        say("this talks MCP on stdin and stdout: agent products start it themselves; see docs/mcp.md, or use --http")
    options = serving.Options(
        flags["name"], flags["builtins_off"], flags["tools_only"], flags["idle"] if flags["http"] else None
    )
    serve = _over_http(flags, options, as_json) if flags["http"] else serving.serve_stdio
    done, stopped = run_async(_serve(store, calls_beside(store, calls_path), config, criteria, options, serve, flags))
    _tell(done, as_json, err=not flags["http"])
    if stopped and not flags["http"]:  # a thread may still wait for a line of stdin, and cannot be woken
        sys.stderr.flush()
        os._exit(0)


async def _serve(
    store: Path, calls: Path, config: RunConfig, criteria: Criteria, options: Options, serve: Serve,
    flags: dict[str, Any],
) -> tuple[list[Ended], bool]:  # fmt: skip
    from harness.live import serving
    from harness.live.http import stop_on_signals
    from harness.live.situation import open_situation
    from harness.store import Store
    from toolsim.keeping import keeping
    from toolsim.model import open_model
    from toolsim.modeltypes import Budget

    stop = asyncio.Event()
    stop_on_signals(stop)
    budget = Budget(flags["max_model_calls"], flags["max_tokens"], flags["max_cost"])
    with Store(store, create=False) as opened:
        model = keeping(open_model(config.simulator, budget=budget), config.reply_cache)
        async with open_situation(opened, calls, config, criteria, kind="mcp", models=(None, model)) as situation:
            say(
                f"run {situation.run}: {situation.session.id} turn {situation.cut.turn.index} step {situation.cut.step}"
            )
            async with serving.seated(situation, options, say) as seats:
                await serve(seats, stop)
            return [serving.ended(rollout) for rollout in seats.table.rollouts.values()], stop.is_set()


def _over_http(flags: dict[str, Any], options: Options, as_json: bool) -> Serve:
    from harness.live.serving import serve_http

    def ready(address: str, token: str) -> None:
        if as_json:
            click.echo(json.dumps({"address": address, "token": token}))
        else:
            click.echo(f"{address}\nAuthorization: Bearer {token}")
        sys.stdout.flush()
        say("stop with Ctrl-C")

    async def serve(seats: Seats, stop: asyncio.Event) -> None:
        await serve_http(seats, flags["host"], flags["port"], flags["token"], idle=options.idle, stop=stop, ready=ready)

    return serve


def _tell(done: list[Ended], as_json: bool, *, err: bool) -> None:
    if as_json:
        click.echo(json.dumps({"rollouts": [asdict(one) for one in done]}), err=err)
    elif not done:
        say("no client came")


def _show(store: Path, config: RunConfig, criteria: Criteria, what: str, as_json: bool) -> None:
    from harness.live.offer import offer
    from harness.live.situation import choose_scene
    from harness.store import Store

    with Store(store, create=False) as opened:
        found = offer(choose_scene(opened, config, criteria)[2])
    if as_json:
        print_json({"task": found.task, "system": found.system, "conversation": found.chat, "tools": found.tools})
    else:
        click.echo(_shown(found, what))


def _shown(found: Offer, what: str) -> str:
    if what == "tools":
        return "\n".join(tool.name for tool in found.tools)
    return {"task": found.task, "system": found.system or "", "conversation": found.chat_json}[what]

"""Flags that set up a run, and what they are made into."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.cli.options import (
    F,
    _stack,
    deidentify_option,
    moment,
    reply_cache,
    reply_cache_option,
    shell_option,
)
from harness.cli.progress import Tell, bar

if TYPE_CHECKING:
    from harness.config import RunConfig
    from harness.selection import Criteria
    from toolsim.modeltypes import Budget, Model

T = TypeVar("T")

_FILTERS = (
    click.option("--session", "ids", multiple=True, help="Only sessions whose id begins so; may be repeated."),
    click.option("--agent", "agents", multiple=True, help="Only this agent; may be repeated."),
    click.option("--repo", "repos", multiple=True, help="Only this repository (owner/name); may be repeated."),
    click.option("--pool", type=click.Choice(["tune", "report"]), default=None, help="Only this pool."),
    click.option("--since", default=None, help="Only sessions started at or after this ISO time."),
    click.option("--until", default=None, help="Only sessions started before this ISO time."),
    click.option("--consent", multiple=True, metavar="KEY=PATTERN", help="Only sessions whose metadata KEY matches."),
    click.option("--sample", type=click.IntRange(min=1), default=None, help="Draw this many sessions."),
    click.option("--stratify", default="", help="Spread the draw over these, comma separated: repo,user,agent,model."),
)  # fmt: skip
filter_options = _stack(_FILTERS)
selection_options = _stack([
    *_FILTERS,
    click.option("--turn", type=int, default=None, help="Which turn, from 0; negative from the end.  [default: last]"),
    click.option("--step", type=int, default=None, help="Cut before this agent message of the turn, from 0."),
    click.option("--cut", "cuts", type=click.FloatRange(min=0, max=1, max_open=True), multiple=True,
                 help="Cut after this share of the turn's agent messages; may be repeated: 0, 0.25, 0.5, 0.75."),
    click.option("--samples", type=click.IntRange(min=1), default=1, show_default=True, help="Rollouts per prefix."),
    click.option("--every-turn", is_flag=True, help="Every turn of a session, not one."),
    click.option("--with-calls", is_flag=True, help="The last turn that has tool calls, instead of the last."),
])  # fmt: skip

_SIMULATOR = (
    click.option("--simulator", default=None, help="NAME[@BASE_URL], local, local-small or none.  [default: local]"),
    click.option("--rungs", default=None, help="Comma separated: recorded,computed,connector,simulated."),
    click.option("--affordances", default=None, help="Comma separated, or none: rollout,repo,calls,connectors."),
    click.option("--lookup", is_flag=True, default=None, help="The simulator looks its evidence up itself."),
    shell_option,
    click.option("--critic", type=click.IntRange(min=0), default=None,
                 help="Rounds of a second look at what the simulator's model writes.  [default: 0]"),
    click.option(
        "--approval", type=click.Choice(["recorded", "always", "never", "model"]), default=None,
        help="Who stands for the human inside a turn.",
    ),
    click.option("--system-prompt", type=click.Path(exists=True, dir_okay=False), default=None,
                 help="Use this file's text instead of the recorded system prompt."),
    click.option("--mcp", "mcp_servers", multiple=True, metavar="NAME=COMMAND|URL", callback=lambda *at: at[2] or None,
                 help="An MCP server whose read-only tools are a connector; may be repeated."),
    click.option("--connector-now", is_flag=True, default=None,
                 help="Connectors that know no past moment may answer as of now."),
    click.option("--evidence-tokens", type=int, default=None, help="Evidence shown to the simulator's model."),
    click.option("--history-tokens", type=int, default=None, help="History shown to the simulator's model."),
    click.option("--max-steps", type=int, default=None, help="Agent messages per rollout."),
    click.option("--max-seconds", type=float, default=None, help="Wall time per rollout."),
    click.option("--max-rollout-tokens", type=int, default=None, help="Tokens per rollout."),
    click.option("--context", type=int, default=None, help="Window of the embedded model, in tokens."),
    deidentify_option,
    click.option("--prompts/--no-prompts", "keep_prompts", default=None,
                 help="Keep what the simulator's model was asked and answered, word for word.  [default: keep]"),
    reply_cache_option,
    click.option("--seed", type=int, default=None, help="Everything drawn is drawn from it.  [default: 0]"),
    click.option("--config", "config_file", type=click.Path(exists=True, path_type=Path), default=None,
                 help="Settings by name, YAML."),
)  # fmt: skip
simulator_options = _stack(_SIMULATOR)
_CANDIDATE = (
    click.option("--candidate", default=None, help="NAME[@BASE_URL], local, local-small, recorded.  [default: local]"),
    click.option("--api", type=click.Choice(["chat", "responses"]), default=None, help="The candidate's API."),
    click.option(
        "--actions", type=click.Choice(["auto", "native", "schema"]), default=None,
        help="How the candidate acts: native tool calls, JSON by schema, or schema where native fails.",
    ),
    click.option("--temperature", type=float, default=None, help="The candidate's."),
)  # fmt: skip
candidate_options = _stack(_CANDIDATE)
run_options = _stack([
    *_CANDIDATE,
    click.option(
        "--forcing", type=click.Choice(["free", "teacher"]), default=None,
        help="With --candidate recorded: let simulated results stand, or take the record in after each.",
    ),
    *_SIMULATOR,
    click.option("--concurrency", type=click.IntRange(min=1), default=4, show_default=True, help="Rollouts at once."),
])  # fmt: skip

sample_options = _stack([
    click.option("--pairs", type=int, default=100, show_default=True, help="Pairs to judge, of those that differ."),
    click.option("--fakes", type=int, default=24, show_default=True, help="Planted fakes to judge, for the power."),
])  # fmt: skip
_judge_option = click.option(
    "--judge", default="local", show_default=True, help="NAME[@BASE_URL], local, local-small or none."
)
judge_options = _stack([_judge_option, sample_options])


def criteria_from(flags: dict[str, Any]) -> Criteria:
    """The selection flags as criteria."""
    from harness.cli.imports import parse_consent
    from harness.selection import STRATA, Criteria

    strata = tuple(name for name in flags["stratify"].split(",") if name)
    for name in strata:
        if name not in STRATA:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(STRATA)}", param_hint="--stratify")
    return Criteria(
        ids=tuple(flags["ids"]), agents=tuple(flags["agents"]), repos=tuple(flags["repos"]), pool=flags["pool"],
        since=moment(flags["since"]), until=moment(flags["until"]),
        consent=tuple(parse_consent(text) for text in flags["consent"]),
        turn=flags.get("turn"), step=flags.get("step"), sample=flags["sample"],
        stratify=strata,
        samples=flags.get("samples", 1), seed=flags["seed"] or 0, with_calls=flags.get("with_calls", False),
        cuts=tuple(flags.get("cuts", ())),
        every_turn=flags.get("every_turn", False),
    )  # fmt: skip


def config_from(flags: dict[str, Any]) -> RunConfig:
    """The run flags as settings."""
    from harness.config import RunConfig, resolve

    return resolve({name: flags.get(name) for name in RunConfig.model_fields}, flags["config_file"])


def budget_from(flags: dict[str, Any]) -> Budget:
    """The limits of model calls."""
    from toolsim.modeltypes import Budget

    return Budget(flags["max_model_calls"], flags["max_tokens"], flags["max_cost"])


def open_graders(
    store: Path, flags: dict[str, Any], stack: AsyncExitStack, budget: Budget | None = None
) -> list[Model]:
    """The models of `--grader`, each once, under one budget; closed with `stack`. `none` opens nothing."""
    from toolsim.deid.choice import beside
    from toolsim.keeping import keeping
    from toolsim.model import open_model

    budget = budget or budget_from(flags)
    maps = beside(store, flags["deidentify"] or "auto")
    opened = [open_model(name, budget=budget, deidentify=maps) for name in dict.fromkeys(flags["graders"])]
    models = [kept for model in opened if (kept := keeping(model, reply_cache(flags))) is not None]
    for model in models:
        stack.push_async_callback(model.close)
    return models


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end."""
    return asyncio.run(work)


__all__ = [
    "F",
    "Tell",
    "bar",
    "budget_from",
    "candidate_options",
    "config_from",
    "criteria_from",
    "filter_options",
    "judge_options",
    "open_graders",
    "run_async",
    "run_options",
    "sample_options",
    "selection_options",
    "simulator_options",
]

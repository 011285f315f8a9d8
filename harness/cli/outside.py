"""What `deploysim mcp` and `deploysim proxy` share: which situation, where it is served, and how its end is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import _stack

if TYPE_CHECKING:
    from harness.config import RunConfig
    from harness.selection import Criteria

MOST_STEPS = 500
"""Agent products take longer turns than the 40 messages of a resample; they end themselves."""

situation_options = _stack([
    click.option("--turn", type=int, default=None, help="Which turn, from 0; negative from the end.  [default: last]"),
    click.option("--step", type=int, default=None, help="Cut before this agent message of the turn, from 0."),
    click.option("--cut", type=click.FloatRange(min=0, max=1, max_open=True), default=None,
                 help="Cut after this share of the turn's agent messages."),
    click.option("--with-calls", is_flag=True, help="The last turn that has tool calls, instead of the last."),
])  # fmt: skip
place_options = _stack([
    click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on."),
    click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free one."),
    click.option("--token", default=None, envvar="DEPLOYSIM_TOKEN",
                 help="What a client must send as a bearer.  [default: DEPLOYSIM_TOKEN, else a random one]"),
])  # fmt: skip


def criteria_of(session: str, flags: dict[str, Any], seed: int) -> Criteria:
    """The one situation that is served."""
    from harness.selection import Criteria

    cut = flags["cut"]
    return Criteria(
        ids=(session,), turn=flags["turn"], step=flags["step"], with_calls=flags["with_calls"], seed=seed,
        cuts=() if cut is None else (cut,),
    )  # fmt: skip


def live_config(flags: dict[str, Any]) -> RunConfig:
    """The settings, with room for the turns of agent products where nothing else is said.

    Raises:
        ConfigError: a setting does not fit, or the agent is one that takes no calls from outside.
    """
    from harness.cli.roles import config_from
    from harness.errors import ConfigError

    if flags["candidate"] in {"recorded", "none"}:
        raise ConfigError(f"--candidate {flags['candidate']}: the agent is a product from outside, not the recording")
    if flags.get("max_steps") is None and flags["config_file"] is None:
        flags = {**flags, "max_steps": MOST_STEPS}
    return config_from(flags)


def needs_extra(command: str, error: ModuleNotFoundError) -> str:
    """What to do where a package is missing, in one sentence."""
    return f"`deploysim {command}` needs {(error.name or '').partition('.')[0]}: `pip install 'deploysim[mcp]'`"

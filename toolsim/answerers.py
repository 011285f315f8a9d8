"""Who else answers inside a turn: the human by an approval policy, background processes by handle, sub-agents.

Pure but for the sub-agent, which is a callable given from outside (it runs the candidate in the same world).
"""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from toolsim.actions import Ask, Delegate, Mutation, Reply, ShellOutput, StartProcess
from toolsim.modeltypes import Usage
from toolsim.trajectory import JsonObject, Message
from toolsim.world import World

Approval: TypeAlias = Literal["recorded", "always", "never", "model"]
_NUMBERED = re.compile(r"^(.*?)(\d+)$")


@dataclass(frozen=True, slots=True)
class Delegated:
    """What a sub-agent reported, and what it changed and used."""

    reply: Reply
    mutations: tuple[Mutation, ...] = ()
    usage: Usage | None = None
    cost: float | None = None
    model_calls: int = 0
    evidence: JsonObject = field(default_factory=dict)


Delegator: TypeAlias = Callable[[Delegate, World, Sequence[Message]], Awaitable[Delegated | None]]
"""Runs a sub-agent in a fork of the world it is given; `None` where it cannot. Raises `ToolsimError`."""


def decide(question: Ask, policy: Approval) -> Reply | None:
    """The human's answer under a fixed policy; `None` where the record or the model has to say.

    `always` takes the first option or says yes, `never` says no as a refusal.
    """
    if policy == "always":
        return Reply(question.options[0] if question.options else "Yes")
    if policy == "never":
        return Reply("No", is_error=True)
    return None


def new_handle(world: World, scaffold: str, rng: random.Random) -> str:
    """A handle for a process started now, in the form of the session's earlier ones or the scaffold's usual form."""
    known = list(world.processes)
    last = _NUMBERED.match(known[-1]) if known else None
    if last is not None and last.group(1):
        numbers = [
            int(m.group(2)) for m in map(_NUMBERED.match, known) if m is not None and m.group(1) == last.group(1)
        ]
        return f"{last.group(1)}{max(numbers) + 1}"
    if last is not None:
        size = len(last.group(2))
        return str(rng.randrange(10 ** (size - 1), 10**size))
    if known:
        return "".join(rng.choice("0123456789abcdef") for _ in known[-1])
    if scaffold == "codex":
        return str(rng.randrange(10_000, 99_999))
    return "bash_1" if scaffold == "claude-code" else "1"


def in_background(handle: str, command: str, output: ShellOutput, *, goes_on: bool) -> tuple[ShellOutput, StartProcess]:
    """A command's output as that of a process: nothing is shown yet, and the process prints and ends in its time."""
    exit_code = None if goes_on else output.exit_code
    at = 0.0 if goes_on else output.duration
    printed = ((at, output.output),) if output.output else ()
    shown = ShellOutput("", "", "", None, running=handle)
    return shown, StartProcess(handle, command, printed, exit_code)

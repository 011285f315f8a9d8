"""The engine of this process, and what every engine is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from harness import experiment
from harness.batch import Notice, Outcome
from harness.config import RunConfig
from harness.store import Store
from toolsim.deid.choice import beside
from toolsim.modeltypes import Budget


@dataclass(frozen=True, slots=True)
class Work:
    """A planned run and what it is played with. `config.shell` names an engine (`toolsim.shell.choice.choose`).

    `concurrency` is rollouts at once, over all processes of an engine; `budget` holds over all of them too.
    """

    store: Store
    calls: Path
    plan: experiment.Plan
    config: RunConfig
    budget: Budget
    concurrency: int
    notice: Notice


Engine: TypeAlias = Callable[[Work], Awaitable[Outcome]]
"""Plays the rollouts of a run that have not ended. Raises HarnessError, ToolsimError: it cannot start or go on."""


async def here(work: Work) -> Outcome:
    """Play in this process.

    Raises:
        HarnessError, ToolsimError: the run cannot start (no weights, no store).
    """
    maps = beside(work.store.path, work.config.deidentify)
    async with AsyncExitStack() as stack:
        models = experiment.open_models(work.config, work.budget, maps, concurrency=work.concurrency)
        for model in {id(m): m for m in models if m is not None}.values():
            stack.push_async_callback(model.close)
        parts = await experiment.open_parts(stack, work.store, work.calls, work.config, models)
        return await experiment.play(work.plan, work.config, parts, concurrency=work.concurrency, notice=work.notice)

"""One turn of an agent product, taken behind its back: the model is asked, its calls are answered from the world.

The product sends one request and gets the final text: its own tools never run. The loop is the rollout's own
(`harness.resample`), with the product's system prompt and tools and the model that it would have asked.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, replace
from typing import Literal

from harness.candidate import REPLY_TOKENS, Candidate, ModelCandidate, Settings
from harness.delegation import SubAgents
from harness.entries import Entries
from harness.errors import RequestInvalid
from harness.ledger import ModelStep, ToolStep
from harness.live.clients import shown
from harness.live.requests import Asked
from harness.live.rollout import play_one
from harness.live.situation import Situation
from harness.resample import Limits, Rollout
from harness.rows import End, RolloutRow
from harness.scene import Scene
from toolsim.errors import ModelUnavailable
from toolsim.modeltypes import Model, Usage
from toolsim.trajectory import JsonObject, content_hash

Conversation = Literal["recorded", "product"]
_CLOSING = 30.0


@dataclass(frozen=True, slots=True)
class Taken:
    """How a turn ended, with the last text of the agent."""

    rollout: str
    end: End
    text: str
    usage: Usage


class Turn:
    """The one turn of a situation that a product takes.

    `conversation` is what the model is shown after the product's system prompt: what was recorded, or the product's
    own messages. Asked again with the same request (a product that tries again) the same turn answers.
    """

    def __init__(
        self, situation: Situation, asked: Asked, conversation: Conversation, agent: str, patience: float
    ) -> None:
        self.key = key_of(asked)
        self.row = situation.register(_facts(situation.scene, asked, conversation, agent))
        self._situation, self._asked, self._patience = situation, asked, patience
        view = asked.messages if conversation == "product" else situation.scene.view
        self._scene = replace(situation.scene, view=view, tools=asked.tools)
        self._text, self._usage = "", Usage()
        self._broken: str | None = None
        self._waiting = 0
        self.task = asyncio.create_task(self._play())

    async def result(self) -> Taken:
        """Its end, as soon as it has one. When all who wait have been gone for `patience` seconds it is given up."""
        self._waiting += 1
        try:
            return await asyncio.shield(self.task)
        finally:
            self._waiting -= 1
            if not self._waiting and not self.task.done():
                asyncio.get_running_loop().call_later(self._patience, self._abandon)

    async def stop(self, reason: str) -> None:
        """End it, as a failure if it is not done."""
        if not self.task.done():
            self._broken = self._broken or reason
            self.task.cancel()
            await asyncio.wait({self.task}, timeout=_CLOSING)

    def _abandon(self) -> None:
        if not self._waiting and not self.task.done():
            self._broken = f"the product went away and did not come back within {self._patience:g} s"
            self.task.cancel()

    async def _play(self) -> Taken:
        end = await play_one(self._situation, self.row, self._scene, self._build, lambda: self._broken)
        return Taken(self.row.id, end, self._text, self._usage)

    async def _build(self, row: RolloutRow, scene: Scene, entries: Entries) -> Rollout:
        config, seed = self._situation.config, self._situation.seed(row)
        limits = Limits(config.max_steps, config.max_rollout_tokens, None, config.max_seconds)
        simulator = self._situation.simulator(row)
        candidate = functools.partial(self._candidate, scene)
        simulator.delegate = SubAgents(candidate, simulator, seed)

        async def written(n: int, step: ModelStep | ToolStep) -> None:
            await entries.step(n, step)
            if isinstance(step, ModelStep):
                self._text = step.message.text or self._text
                spent = step.spent
                self._usage += Usage(spent.prompt_tokens, spent.cached_tokens, spent.completion_tokens)

        return Rollout(scene, candidate(), simulator, written, limits, "none", seed)

    def _candidate(self, scene: Scene) -> Candidate:
        config, asked = self._situation.config, self._asked
        model = model_of(self._situation)
        small = model.context is not None and model.context <= 65_536
        settings = Settings(
            policy=config.actions,
            system=asked.system,
            temperature=asked.temperature if config.temperature is None else config.temperature,
            reply_tokens=REPLY_TOKENS if small else None,
        )
        return ModelCandidate(model, scene.prefix.session, asked.tools, settings)


def model_of(situation: Situation) -> Model:
    """The model behind the proxy.

    Raises:
        ModelUnavailable: there is none.
    """
    if situation.parts.candidate is None:
        raise ModelUnavailable("a proxy needs a model behind it: name one with --candidate")
    return situation.parts.candidate


def check(asked: Asked) -> None:
    """Whether a request can begin a turn.

    Raises:
        RequestInvalid: the product has run tools by itself.
    """
    if asked.ran:
        raise RequestInvalid(
            f"the request holds {asked.ran} results of tools that this endpoint never asked for: the product has run "
            "them on the real machine"
        )


def key_of(asked: Asked) -> str:
    """What makes two requests the same."""
    said = [(message.role, message.text) for message in asked.messages]
    return content_hash([asked.system, said, [(tool.name, tool.parameters) for tool in asked.tools]])


def _facts(scene: Scene, asked: Asked, conversation: Conversation, agent: str) -> JsonObject:
    known = {tool.name for tool in scene.tools}
    return {
        "client": {"name": shown(agent), "version": None},
        "conversation": conversation,
        "tools": [shown(tool.name) for tool in asked.tools],
        "tools_of_the_recording": sum(tool.name in known for tool in asked.tools),
        "hosted_left_out": [shown(name) for name in asked.hosted],
    }

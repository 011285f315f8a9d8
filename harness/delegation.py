"""Sub-agents inside of a rollout: the candidate takes the sub-agent's part too, in a fork of the same world.

A sub-agent starts from its prompt alone, has the same tools but cannot start further ones, and reports its last text.
What it changed is handed back for the caller to apply; its steps stand in the evidence of the one call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.candidate import Candidate
from harness.graph import Seat, play
from harness.ledger import ModelStep, Progress, Spent, ToolStep
from toolsim.actions import Delegate, Mutation, Reply
from toolsim.answerers import Delegated
from toolsim.modeltypes import Usage
from toolsim.seeds import derive_seed
from toolsim.simulator import ToolSimulator
from toolsim.trajectory import JsonObject, Message, ToolCall
from toolsim.world import World

MOST_STEPS = 15


@dataclass(frozen=True, slots=True)
class SubAgents:
    """A `Delegator`: `candidate` opens a fresh candidate, `simulator` answers its calls (never from the reference)."""

    candidate: Callable[[], Candidate]
    simulator: ToolSimulator
    seed: int
    most_steps: int = MOST_STEPS

    async def __call__(self, action: Delegate, world: World, history: Sequence[Message]) -> Delegated | None:
        """Run one sub-agent; `None` if it ended without a word.

        Raises:
            ToolsimError: the candidate or the simulator failed; the whole rollout fails with it.
        """
        part = _Part(
            self.candidate(),
            replace(self.simulator, delegate=None, reference=None),
            world,
            (Message("user", action.prompt),),
            derive_seed(self.seed, len(history), "sub-agent"),
            self.most_steps,
        )
        seat = Seat(act=part.act, answer=part.answer, write=_nowhere, limit=part.limit)
        progress = await play(seat, Progress())
        said = [m.text for m in progress.messages if m.role == "assistant" and m.text.strip()]
        if not said:
            return None
        spent = progress.spent
        usage = Usage(spent.prompt_tokens, spent.cached_tokens, spent.completion_tokens)
        evidence: JsonObject = {"sub_agent_steps": part.steps, "stop": progress.stop}
        return Delegated(Reply(said[-1]), tuple(part.mutations), usage, spent.cost, spent.model_calls, evidence)


async def _nowhere(_: int, __: ModelStep | ToolStep) -> None:
    """The steps of a sub-agent are not kept one by one."""


class _Part:
    """The state of one sub-agent while it runs."""

    def __init__(
        self,
        candidate: Candidate,
        simulator: ToolSimulator,
        world: World,
        view: tuple[Message, ...],
        seed: int,
        most_steps: int,
    ) -> None:
        self.candidate, self.simulator, self.world = candidate, simulator, world
        self.view, self.seed, self.most_steps = view, seed, most_steps
        self.mutations: list[Mutation] = []
        self.steps: list[JsonObject] = []

    async def act(self, progress: Progress) -> ModelStep:
        return await self.candidate.act(self.view, progress.messages, seed=self.seed)

    async def answer(self, call: ToolCall, progress: Progress) -> ToolStep:
        answer = await self.simulator.respond(call, self.world, (*self.view, *progress.messages))
        for mutation in answer.mutations:
            self.world.apply(mutation)
        self.mutations += answer.mutations
        self.steps.append({"tool": call.name, "arguments": call.arguments, "rung": answer.rung})
        usage = answer.usage or Usage()
        tokens = (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)
        spent = Spent(answer.model_calls, *tokens, answer.cost, answer.seconds)
        return ToolStep(call, answer.result, answer.result, answer.rung, answer.mutations, spent=spent)

    def limit(self, progress: Progress) -> str | None:
        return "limit: steps" if progress.agent_messages >= self.most_steps else None

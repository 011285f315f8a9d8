"""One rollout: a scene, a candidate and a simulator, from the first open step to its end.

Ends `completed` with what stopped it, or `failed` at a stage. A budget that runs out leaves it open, to go on later.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from harness.candidate import Candidate
from harness.graph import Seat, play
from harness.ledger import ModelStep, Progress, Spent, ToolStep, fold
from harness.recut import Recut
from harness.rows import End
from harness.scene import Scene
from toolsim.errors import BudgetExceeded, ModelError, ShellError, SimulationFailed, ToolsimError
from toolsim.family import Kin
from toolsim.modeltypes import ModelReply, ModelRequest
from toolsim.overhearing import overhear
from toolsim.rebuild import Fold, Rebuilt
from toolsim.simulator import Answer, ToolSimulator
from toolsim.telemetry import Value, span
from toolsim.trajectory import Message, ToolCall, effects
from toolsim.world import World

Forcing = Literal["none", "free", "teacher"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What ends a rollout early: agent messages, tokens, cost and wall time in seconds; `None` is no limit."""

    steps: int | None = 40
    tokens: int | None = None
    cost: float | None = None
    seconds: float | None = None


@dataclass(slots=True)
class Rollout:
    """One rollout in play.

    `forcing` is `none` for a candidate of its own; with recorded actions `free` lets the simulated results stand,
    `teacher` takes the record in after each answer, with what other sessions of the family did and the forms that it
    shows. In both of these a call that cannot be answered is counted and the record is taken in, since the actions
    that follow were made on it. `recut` (`teacher` only) renews the world before each agent message, as a cut there
    would. `asked` (call ids, with recorded actions) are the only calls that the simulator is asked, the others are
    taken in from the record; `None` is all. `hear` is told of each model call behind an answer: the step that it
    is for, what was asked, and the raw reply.
    """

    scene: Scene
    candidate: Candidate
    simulator: ToolSimulator
    write: Callable[[int, ModelStep | ToolStep], Awaitable[None]]
    limits: Limits = Limits()
    forcing: Forcing = "none"
    seed: int = 0
    recut: Recut | None = None
    asked: frozenset[str] | None = None
    hear: Callable[[int, ModelRequest, ModelReply], None] | None = None
    world: World = field(init=False)
    _record: Fold = field(init=False)
    _results: Mapping[str, Message] = field(init=False)
    _shown: list[Message] = field(init=False)
    _kin: Kin = field(init=False)
    _started: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._kin = replace(self.scene.kin) if self.forcing == "teacher" else Kin()
        self._shown = list(effects(self.scene.prefix.items))
        self._enter(self.scene.rebuilt)
        items = effects(self.scene.reference.items)
        self._results = {m.result.call_id: m for m in items if m.result is not None}

    async def run(self, written: Sequence[ModelStep | ToolStep] = ()) -> End:
        """Go on after the steps already `written`, to the end.

        Raises:
            BudgetExceeded: the rollout stays open; what was done is written.
        """
        self._started = time.monotonic()
        for step in written:
            self._apply(step)
        self.simulator.resume(s.evidence for s in written if isinstance(s, ToolStep))
        seat = Seat(act=self._act, answer=self._answer, write=self.write, limit=self._limit)
        try:
            with span(f"invoke_agent {self.scene.prefix.session.agent}", self._told()) as tell:
                progress = await play(seat, fold(written))
                tell({"deploysim.stop": progress.stop, "deploysim.steps": progress.steps})
        except BudgetExceeded:
            raise
        except ToolsimError as error:
            return End("failed", _stage(error), f"{type(error).__name__}: {error}")
        return End("completed", None, progress.stop, {"steps": progress.steps})

    def _told(self) -> dict[str, Value]:
        session = self.scene.prefix.session
        return {
            "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": session.agent,
            "gen_ai.conversation.id": session.id, "deploysim.turn": self.scene.prefix.turn,
        }  # fmt: skip

    async def close(self) -> None:
        """Free what the rollout alone uses: its shell, and the circle of simulator and sub-agents, which would else
        stay until the garbage collector looks.
        """
        self.simulator.delegate = None
        if self.simulator.shell is not None:
            await self.simulator.shell.close()

    async def _act(self, progress: Progress) -> ModelStep:
        step = await self.candidate.act(self.scene.view, progress.messages, seed=self.seed)
        if self.forcing != "none":
            step = self._answerable(step)
        self._apply(step)
        return step

    def _answerable(self, step: ModelStep) -> ModelStep:
        """Recorded calls without a recorded result (interrupted) are left out: there is nothing to compare with."""
        calls = tuple(call for call in step.message.calls if call.id in self._results)
        return replace(step, message=replace(step.message, calls=calls))

    async def _answer(self, call: ToolCall, progress: Progress) -> ToolStep:
        truth = self._results[call.id].result if self.forcing != "none" else None
        if truth is not None and self.asked is not None and call.id not in self.asked:
            passed = ToolStep(call, truth, None, None, recorded=truth, taken_in=True)
            self.simulator.pass_over()
            self._apply(passed)
            return passed
        begin = time.monotonic()
        try:
            with overhear(None if self.hear is None else partial(self.hear, progress.steps)):
                answer = await self.simulator.respond(call, self.world, (*self.scene.view, *progress.messages))
        except SimulationFailed as error:
            if truth is None:
                raise
            self.simulator.pass_over()
            failure = (error.stage, error.reason)
            seconds = time.monotonic() - begin
            step = ToolStep(call, truth, None, None, failure=failure, recorded=truth, taken_in=True, seconds=seconds)
        else:
            forced = truth if self.forcing == "teacher" else None
            step = ToolStep(
                call=call,
                shown=forced or answer.result,
                answer=answer.result,
                rung=answer.rung,
                mutations=answer.mutations,
                evidence=answer.evidence,
                spent=_spent(answer),
                recorded=truth,
                taken_in=forced is not None,
                seconds=time.monotonic() - begin,
            )
        self._apply(step)
        return step

    def _apply(self, step: ModelStep | ToolStep) -> None:
        if isinstance(step, ModelStep):
            if self.forcing != "none":
                self._cut_again()
                self._take(step.message)
        elif step.taken_in:
            self._take(self._results[step.call.id])
            if self.forcing == "teacher":
                self._refit()
        else:
            for mutation in step.mutations:
                self.world.apply(mutation)

    def _take(self, message: Message) -> None:
        self._record.take(message)
        self._shown.append(message)
        if self.recut is not None:
            self.recut.take(message)

    def _refit(self) -> None:
        """The forms of the results that the record has shown so far; what the scene found otherwise stays."""
        fresh = self.scene.scaffold.fit(self.scene.prefix.session, self._shown)
        other = {k: v for k, v in self.world.profile.parameters.items() if k not in fresh.parameters}
        profile = replace(self.world.profile, parameters={**fresh.parameters, **other})
        self.world.profile = self.simulator.profile = profile

    def _cut_again(self) -> None:
        rebuilt = self.recut.renewed() if self.recut is not None else None
        if rebuilt is not None:
            self._enter(rebuilt)
            self.simulator.profile, self.simulator.start = rebuilt.world.profile, rebuilt.world

    def _enter(self, rebuilt: Rebuilt) -> None:
        self.world = rebuilt.world.fork()
        session, scaffold = self.scene.prefix.session, self.scene.scaffold
        self._record = Fold(session, scaffold, self.world, refit=False, kin=self._kin)

    def _limit(self, progress: Progress) -> str | None:
        limits, spent = self.limits, progress.spent
        if limits.steps is not None and progress.agent_messages >= limits.steps:
            return "limit: steps"
        if limits.tokens is not None and spent.prompt_tokens + spent.completion_tokens >= limits.tokens:
            return "limit: tokens"
        if limits.cost is not None and (spent.cost or 0.0) >= limits.cost:
            return "limit: cost"
        if limits.seconds is not None and time.monotonic() - self._started >= limits.seconds:
            return "limit: wall time"
        return None


def _spent(answer: Answer) -> Spent:
    if answer.usage is None:
        return Spent(answer.model_calls)
    usage = answer.usage
    return Spent(answer.model_calls, usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, answer.cost)


def _stage(error: ToolsimError) -> str:
    if isinstance(error, SimulationFailed):
        return error.stage
    if isinstance(error, ShellError):
        return "shell"
    return "candidate" if isinstance(error, ModelError) else "simulator"

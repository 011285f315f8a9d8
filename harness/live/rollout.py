"""One rollout whose candidate is an agent outside: its calls come in one by one, its results go out.

The rollout itself is a rollout like any other (`harness.resample`, `harness.batch`): same ledger, same limits, same
ends. What is different is where the next action comes from, and that an agent can leave in the middle.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.batch import Build, Prepared, run_batch
from harness.callids import id_form, new_ids
from harness.entries import Entries
from harness.errors import RolloutOver, StoreError
from harness.ledger import ModelStep, ToolStep
from harness.live.situation import Situation
from harness.resample import Limits, Rollout
from harness.rows import End, RolloutRow
from harness.scene import Scene
from toolsim.pricing import family_of
from toolsim.trajectory import JsonObject, Message, ToolCall, ToolResult

_CLOSING = 30.0
"""Seconds that an ending rollout is waited for."""


async def play_one(
    situation: Situation, row: RolloutRow, scene: Scene, build: Build, broken: Callable[[], str | None]
) -> End:
    """Play a rollout that nobody can go on with later: to its end, which the store has when this returns.

    Cancelled, it is a failure at `client`, for the reason that `broken` gives. A budget that is used up is one too.
    """
    facts, store = scene.facts, situation.store
    try:
        outcome = await run_batch(
            store, [row], prepare=lambda _: Prepared(scene), build=build, concurrency=1, notice=lambda *_: None
        )
        end = outcome.ends[0][1] if outcome.ends else End("failed", "budget", outcome.budget, facts)
        store.end_rollout(row.id, end)
    except asyncio.CancelledError:
        end = End("failed", "client", broken() or "the server was stopped", facts)
        store.end_rollout(row.id, end)
    except StoreError as error:
        end = End("failed", "store", str(error), facts)
    return end


@dataclass(slots=True)
class _Asked:
    name: str
    arguments: JsonObject
    answer: asyncio.Future[ToolResult]
    since: float


class LiveRollout:
    """A rollout in play; `Candidate` to its own graph, `call` and `leave` to the outside.

    Calls are answered one after the other, in the order in which they came. `idle` is how many seconds it waits for the
    next one (`None`: for ever). `end` is set once it has ended, and never changes.
    """

    def __init__(
        self, situation: Situation, row: RolloutRow, mode: str, *, idle: float | None = None,
        ended: Callable[[LiveRollout], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self.row, self.name = row, situation.config.candidate
        self.end: End | None = None
        self.answered: Counter[str] = Counter()
        self._situation, self._mode, self._idle, self._ended = situation, mode, idle, ended
        self._waiting: asyncio.Queue[_Asked | None] = asyncio.Queue()
        self._open: _Asked | None = None
        self._left = "the agent left"
        self._broken: str | None = None
        self._task = asyncio.create_task(self._run())

    async def call(self, name: str, arguments: JsonObject) -> ToolResult:
        """The result of a call, when its turn has come.

        Raises:
            RolloutOver: the rollout has ended, or ends with this call; says how.
        """
        if self.end is not None:
            raise RolloutOver(self.row.id, self.end)
        asked = _Asked(name, arguments, asyncio.get_running_loop().create_future(), time.monotonic())
        self._waiting.put_nowait(asked)
        try:
            return await asked.answer
        except asyncio.CancelledError:
            if asked is self._open:
                seconds = time.monotonic() - asked.since
                self._break(f"the client gave up or left during a call of {name} after {seconds:.1f} s")
            raise

    async def leave(self, reason: str) -> End:
        """End it because the agent has left. With a call under way that is a failure: nobody knows what it saw."""
        if not self._task.done():
            if self._open is not None:
                self._break(f"{reason} during a call of {self._open.name}")
            elif self._broken is None:
                self._left = reason
                self._waiting.put_nowait(None)
            await asyncio.wait({self._task}, timeout=_CLOSING)
        return self.end or End("failed", "internal", "it did not end in time")

    async def act(self, prefix_view: Sequence[Message], new: Sequence[Message], *, seed: int) -> ModelStep:
        """See `Candidate.act`: the next call from outside, as a message of its own."""
        extra: JsonObject = {"mode": self._mode}
        asked = await self._next()
        if asked is None:
            return ModelStep(Message("assistant", "", "agent", extra=extra), self._mode, stop=self._left)
        step = sum(message.role == "assistant" for message in new)
        form = id_form(prefix_view, family_of(self._situation.session.model or ""))
        call = ToolCall(next(new_ids(form, seed, step)), asked.name, asked.arguments)
        self._open = asked
        return ModelStep(Message("assistant", "", "agent", calls=(call,), extra=extra), self._mode)

    async def _next(self) -> _Asked | None:
        while True:
            try:
                asked = await asyncio.wait_for(self._waiting.get(), self._idle)
            except TimeoutError:
                self._left = f"no call came for {self._idle:g} s"
                return None
            if asked is None or not asked.answer.done():
                return asked

    def _break(self, reason: str) -> None:
        self._broken = self._broken or reason
        self._task.cancel()

    async def _run(self) -> None:
        scene = self._situation.scene
        self._close(await play_one(self._situation, self.row, scene, self._build, lambda: self._broken))

    def _close(self, end: End) -> None:
        self.end = end
        over = RolloutOver(self.row.id, end)
        waiting: list[_Asked | None] = [self._open]
        while not self._waiting.empty():
            waiting.append(self._waiting.get_nowait())
        for asked in waiting:
            if asked is not None and not asked.answer.done():
                asked.answer.set_exception(over)
        self._open = None
        self._ended(self)

    async def _build(self, row: RolloutRow, scene: Scene, entries: Entries) -> Rollout:
        config = self._situation.config
        limits = Limits(config.max_steps, config.max_rollout_tokens, None, config.max_seconds)

        async def written(n: int, step: ModelStep | ToolStep) -> None:
            await entries.step(n, step)
            if isinstance(step, ToolStep):
                self._tell(step)

        simulator = self._situation.simulator(row)
        return Rollout(scene, self, simulator, written, limits, "none", self._situation.seed(row))

    def _tell(self, step: ToolStep) -> None:
        """Hand the result out, now that it is in the store."""
        self.answered[step.rung or "unanswered"] += 1
        if self._open is not None and not self._open.answer.done():
            self._open.answer.set_result(step.shown)
        self._open = None

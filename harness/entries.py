"""What one rollout writes: each step of its ledger with the model calls behind it, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from harness import exchanges
from harness.ledger import ModelStep, ToolStep, write_step
from harness.rows import Rows
from harness.stores.runs import step_rows
from harness.writing import Writer
from toolsim.modeltypes import ModelReply, ModelRequest

Heard = tuple[int, ModelRequest, ModelReply]


class Entries:
    """The ledger of a rollout as it is written; `written` is told of each step once it is kept."""

    def __init__(self, writer: Writer, rollout: str, written: Callable[[int, ModelStep | ToolStep], None]) -> None:
        self._writer, self._rollout, self._written = writer, rollout, written
        self._heard: list[Heard] = []

    def hear(self, n: int, request: ModelRequest, reply: ModelReply) -> None:
        """A model was asked for step `n`; kept with the step."""
        self._heard.append((n, request, reply))

    async def step(self, n: int, step: ModelStep | ToolStep) -> None:
        """Append a step, and what was heard before it.

        Raises:
            StoreError: a step of this number is there already (two writers), or the store cannot be written.
        """
        heard, self._heard = self._heard, []
        await self._writer.add(partial(_rows, self._rollout, heard, (n, step)))
        self._written(n, step)

    async def rest(self) -> None:
        """Keep what was heard for a step that never came: the rollout failed, or stays open."""
        heard, self._heard = self._heard, []
        if heard:
            await self._writer.add(partial(_rows, self._rollout, heard, None))


def _rows(rollout: str, heard: Sequence[Heard], step: tuple[int, ModelStep | ToolStep] | None) -> list[Rows]:
    found = [] if step is None else [Rows("steps", tuple(step_rows(rollout, [write_step(*step)])))]
    told = [exchanges.rows_of(rollout, str(n), asked, reply) for n, asked, reply in heard]
    if told:
        # in the same order by every writer, so that no two wait for each other on a server
        texts = {row["hash"]: row for one, _ in told for row in one.rows}
        found.append(Rows("texts", tuple(texts[name] for name in sorted(texts)), ignore=True))
        found.append(Rows("exchanges", tuple(row for _, one in told for row in one.rows), ignore=True))
    return found

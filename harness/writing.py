"""One thread that writes to a store, so that the event loop never waits for a disk or for another writer's lock.

Whoever wants something written waits until it is committed, or gets the error. What waits at the same time is committed
together where the engine allows it. Order is kept.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import TracebackType
from typing import Any, TypeVar

from harness.rows import Rows
from harness.stores.engine import Engine

T = TypeVar("T")
_MOST = 256
"""So many works share one transaction at most."""


@dataclass(slots=True)
class _Work:
    """Something to write, and who waits for it: `make` gives rows to add, or `do` uses the engine itself."""

    told: asyncio.Future[Any]
    make: Callable[[], Sequence[Rows]] | None = None
    do: Callable[[], Any] | None = None
    rows: Sequence[Rows] = ()
    value: Any = None
    error: Exception | None = None


class Writer:
    """The thread; use as an asynchronous context manager, which ends it when all is written.

    Raises:
        StoreError: the store cannot be written; said to whoever waits for that work, and to nobody else.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._todo: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="store-writer", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Writer:
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._todo.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    async def add(self, make: Callable[[], Sequence[Rows]]) -> None:
        """Add the rows that `make` gives, all or none of them. `make` runs in the thread and looks at no store."""
        await self._wait(_Work(asyncio.get_running_loop().create_future(), make=make))

    async def do(self, work: Callable[[], T]) -> T:
        """What `work` gives, which runs in the thread, in one transaction; again from its beginning if it failed only
        because of what shared that transaction.
        """
        found: T = await self._wait(_Work(asyncio.get_running_loop().create_future(), do=work))
        return found

    async def _wait(self, work: _Work) -> Any:
        self._todo.put(work)
        return await work.told

    def _write(self) -> None:
        while (first := self._todo.get()) is not None:
            works = [first]
            ended = self._gather(works) if self._engine.shares else False
            self._commit(works)
            self._tell(works)
            if ended:
                return

    def _gather(self, works: list[_Work]) -> bool:
        """Take what else waits; whether that was the end."""
        while len(works) < _MOST:
            try:
                work = self._todo.get_nowait()
            except queue.Empty:
                return False
            if work is None:
                return True
            works.append(work)
        return False

    def _commit(self, works: list[_Work]) -> None:
        for work in works:
            _prepare(work)
        ready = [work for work in works if work.error is None]
        try:
            self._together(ready)
        except Exception as error:  # noqa: BLE001  told to whoever waits
            if len(ready) == 1:
                ready[0].error = error
                return
            for work in ready:  # which of them it was shows when each is written by itself
                self._commit([work])

    def _together(self, works: Sequence[_Work]) -> None:
        if not works:
            return
        with self._engine.together():
            for adding, group in groupby(works, lambda work: work.do is None):
                if adding:
                    self._add(rows for work in group for rows in work.rows)
                    continue
                for work in group:
                    assert work.do is not None
                    work.value = work.do()

    def _add(self, rows: Iterable[Rows]) -> None:
        """Rows of one table in one statement: each statement lets go of the interpreter and waits for it again."""
        found: dict[tuple[str, bool], list[dict[str, Any]]] = {}
        for one in rows:
            found.setdefault((one.table, one.ignore), []).extend(one.rows)
        for (table, ignore), all_rows in found.items():
            self._engine.insert(table, all_rows, ignore=ignore)

    def _tell(self, works: Sequence[_Work]) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_told, works)


def _prepare(work: _Work) -> None:
    if work.make is None or work.rows:
        return
    try:
        work.rows = tuple(work.make())
    except Exception as error:  # noqa: BLE001  told to whoever waits
        work.error = error


def _told(works: Sequence[_Work]) -> None:
    for work in works:
        if work.told.done():  # whoever waited was cancelled; it is written all the same
            continue
        if work.error is None:
            work.told.set_result(work.value)
        else:
            work.told.set_exception(work.error)

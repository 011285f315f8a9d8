"""How an event loop is held up: the longest callbacks, what ran in them, how much of it was garbage collection.

A callback is timed by the clock and in processor time of its thread: on a busy machine the first also holds what other
processes took. A thread looks at the stack of the loop while a callback lasts, so that a long one can be named.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

BEAT = 0.005
BOUND = 0.05
"""Seconds that a callback may take."""
_LOOK = 0.01
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Held:
    """One callback over the bound: seconds by the clock, in its thread, in collections, and the stack seen last."""

    seconds: float
    own: float
    collecting: float
    stack: tuple[str, ...]

    def __str__(self) -> str:
        times = f"{1000 * self.seconds:.0f} ms ({1000 * self.own:.0f} own, {1000 * self.collecting:.0f} gc)"
        return f"{times} {' < '.join(self.stack)}"


class Pulse:
    """Watches one event loop from `start` to `stop`, in seconds.

    `longest` and `longest_own` are of one callback, by the clock and in processor time; `waited` is how long callbacks
    did not run (a disk, a lock, a processor that others have); `collecting` is all time in collections,
    `longest_collection` the longest; `held` are the callbacks over the bound; `late` is by how much a heartbeat came
    late, which also waits for all callbacks that were ready before it.
    """

    def __init__(self) -> None:
        self.longest = self.longest_own = self.waited = self.collecting = self.longest_collection = 0.0
        self.late: list[float] = []
        self.held: list[Held] = []
        self._loop_thread = threading.get_ident()
        self._began: float | None = None
        self._seen: tuple[str, ...] = ()
        self._collection = 0.0
        self._run = asyncio.Handle._run
        self._done = threading.Event()

    def start(self) -> None:
        """Begin, in the thread of the loop."""
        self._loop_thread = threading.get_ident()
        run = self._run

        def timed(handle: asyncio.Handle) -> None:
            collecting, own, began = self.collecting, time.thread_time(), time.perf_counter()
            self._began = began
            run(handle)
            self._began = None
            seconds, own = time.perf_counter() - began, time.thread_time() - own
            self.waited += max(0.0, seconds - own)
            self.longest, self.longest_own = max(self.longest, seconds), max(self.longest_own, own)
            if seconds > BOUND:
                self.held.append(Held(seconds, own, self.collecting - collecting, self._seen))

        setattr(asyncio.Handle, "_run", timed)  # noqa: B010
        gc.callbacks.append(self._collected)
        threading.Thread(target=self._watch, daemon=True).start()
        self._beating = asyncio.create_task(self._beat())

    async def stop(self) -> None:
        """End."""
        self._done.set()
        self._beating.cancel()
        with suppress(asyncio.CancelledError):
            await self._beating
        gc.callbacks.remove(self._collected)
        setattr(asyncio.Handle, "_run", self._run)  # noqa: B010

    def _collected(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._collection = time.perf_counter()
            return
        took = time.perf_counter() - self._collection
        self.collecting += took
        self.longest_collection = max(self.longest_collection, took)

    def _watch(self) -> None:
        while not self._done.wait(_LOOK):
            began = self._began
            if began is not None and time.perf_counter() - began > BOUND / 2:
                self._seen = tuple(_places(sys._current_frames().get(self._loop_thread)))

    async def _beat(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(BEAT)
            self.late.append(time.perf_counter() - before - BEAT)


def _places(frame: FrameType | None) -> Iterable[str]:
    """Names and lines of the innermost frames, and of the outer ones that are this project's."""
    n = 0
    while frame is not None:
        name = frame.f_code.co_filename
        ours = "site-packages" not in name and "/lib/python" not in name and "<frozen" not in name
        if n < _SHOWN or ours:
            yield f"{'/'.join(name.split('/')[-2:])}:{frame.f_lineno} {frame.f_code.co_name}"
        n += 1
        frame = frame.f_back

"""How often Python's garbage collector looks while a batch runs.

A collection stops the event loop for as long as there are objects to look through (some 50 ms for those of 256 rollouts
in flight), and finds nothing: rollouts hold no circles once they are closed. So what is alive when a batch begins is
frozen, and the collector looks only where far more was made than freed.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_COLLECT = (500_000, 10, 50)
"""Objects made and not freed until the collector looks through the young: more than come and go with the rollouts in
flight; then rounds of that until the older."""

_collector = threading.Lock()
_batches, _usual = 0, gc.get_threshold()
"""Batches under way in this process, and how often the collector looked before the first."""


@contextmanager
def fewer_collections() -> Iterator[None]:
    """Freeze what is alive, and look seldom, until the last batch of this process ends."""
    global _batches, _usual  # noqa: PLW0603 - the collector is the process's
    with _collector:
        if not _batches:
            _usual = gc.get_threshold()
            gc.freeze()
            gc.set_threshold(*_COLLECT)
        _batches += 1
    try:
        yield
    finally:
        with _collector:
            _batches -= 1
            if not _batches:
                gc.freeze()  # with it the young are old ones: else they are all looked through at once, here
                gc.set_threshold(*_usual)
                gc.unfreeze()

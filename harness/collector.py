"""How the interpreter behaves while a batch runs: how often its garbage collector looks, and how long a thread may keep
the interpreter to itself.

A collection stops the event loop for as long as there are objects to look through (some 50 ms for those of 256 rollouts
in flight), and finds nothing: rollouts hold no circles once they are closed. So what is alive when a batch begins is
frozen, and the collector looks only where far more was made than freed.

A callback that lets go of the interpreter (each system call does) gets it back only when a thread that prepares or
writes lets go of it: usually after 5 ms, and each of several threads may come first.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_COLLECT = (500_000, 10, 50)
"""Objects made and not freed until the collector looks through the young: more than come and go with the rollouts in
flight; then rounds of that until the older."""

_SWITCH = 0.001
"""Seconds that a thread may keep the interpreter while another waits for it."""

_collector = threading.Lock()
_batches, _usual, _usual_switch = 0, gc.get_threshold(), sys.getswitchinterval()
"""Batches under way in this process, and what was set before the first."""


@contextmanager
def fewer_collections() -> Iterator[None]:
    """Freeze what is alive, look seldom, let threads take turns quickly; until the last batch of this process ends."""
    global _batches, _usual, _usual_switch  # noqa: PLW0603 - the interpreter is the process's
    with _collector:
        if not _batches:
            _usual, _usual_switch = gc.get_threshold(), sys.getswitchinterval()
            sys.setswitchinterval(_SWITCH)
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
                sys.setswitchinterval(_usual_switch)
                gc.unfreeze()

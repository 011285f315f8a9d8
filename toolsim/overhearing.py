"""Listening to model calls: whoever wants to keep what was asked and answered, word for word, hears it here.

Heard is every usable and every malformed answer of an endpoint, before anything is repaired; not what failed to arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

from toolsim.modeltypes import ModelReply, ModelRequest

Ear: TypeAlias = Callable[[ModelRequest, ModelReply], None]

_EAR: ContextVar[Ear | None] = ContextVar("deploysim_ear", default=None)


@contextmanager
def overhear(ear: Ear | None) -> Iterator[None]:
    """Tell `ear` of every model call that is made inside, also in tasks that begin there. `None`: nobody listens."""
    token = _EAR.set(ear)
    try:
        yield
    finally:
        _EAR.reset(token)


def heard(request: ModelRequest, reply: ModelReply) -> None:
    """Called by models for each answer, raw."""
    ear = _EAR.get()
    if ear is not None:
        ear(request, reply)

"""How long a computed command took: drawn from what the session's own quick commands took, by a derived seed. Pure."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from toolsim.trajectory import Message

QUICK = 0.25
"""Seconds: computed commands are of the kind that reads and edits files; longer recorded ones are of another."""


def quick_duration(history: Sequence[Message], tool: str, seed: int) -> float:
    """Seconds for a command that was computed: one of the quick durations recorded for this tool, with a little play.

    A recorded 0 is less than the product can measure, and stays one. Without recorded ones the draw is log-normal with
    a median of 20 ms.
    """
    names = {call.id: call.name for message in history for call in message.calls}
    seen = [
        m.result.duration
        for m in history
        if m.result is not None
        and m.result.duration is not None
        and 0 <= m.result.duration <= QUICK
        and names.get(m.result.call_id) == tool
    ]
    rng = random.Random(seed)
    middle = rng.choice(seen) if seen else math.exp(rng.gauss(math.log(0.02), 0.5))
    return round(middle * math.exp(rng.gauss(0.0, 0.1)), 4)

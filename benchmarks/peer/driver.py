"""What the legs of the peers share: the turns that they are given, and the figures that they print.

A leg is a program that a peer's own Python runs (`benchmarks/peers.py` starts it). Only the standard library is
imported here, since the peers' environments have nothing of this project.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

CANDIDATE, SIMULATOR = "candidate", "simulator"
Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """The first request of a recorded rollout, in the form of chat completions."""

    messages: list[Message]
    tools: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Leg:
    """What is played: `rollouts` spread over the turns, `flight` of them at once, against the endpoint at `url`."""

    url: str
    turns: list[Turn]
    rollouts: int
    flight: int

    def turn(self, number: int) -> int:
        """The place of the turn that a rollout takes."""
        return number % len(self.turns)


def given() -> Leg:
    """The leg of the command line: a file of request bodies, URL, rollouts and how many at once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("turns", type=Path)
    parser.add_argument("url")
    parser.add_argument("rollouts", type=int)
    parser.add_argument("flight", type=int)
    options = parser.parse_args()
    turns = [Turn(body["messages"], body["tools"]) for body in json.loads(options.turns.read_text("utf-8"))]
    return Leg(options.url, turns, options.rollouts, options.flight)


def cpu() -> float:
    """Processor seconds of this process so far, in all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def told(work: Callable[[], int], packages: tuple[str, ...]) -> None:
    """Print the figures of `work`, which gives the tool results that its rollouts got, and the packages' versions."""
    wall, used = time.perf_counter(), cpu()
    calls = work()
    wall, used = time.perf_counter() - wall, cpu() - used
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    named = ", ".join(f"{name} {version(name)}" for name in packages)
    print(json.dumps({"calls": calls, "seconds": wall, "cpu": used, "memory": most, "version": named}), flush=True)

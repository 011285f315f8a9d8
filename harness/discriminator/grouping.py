"""Win rates by where pairs come from, each held against all the other cells. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from harness.discriminator.pairs import Origin, Pair
from harness.discriminator.score import Verdict, WinRate, win_rate
from harness.estimates import holm

_LENGTHS = (10, 30)
_SINCE = (0, 4, 16)


def since_divergence(origin: Origin) -> str:
    """Calls since the rollout left the record, within rollouts of like length: later calls stand in longer ones."""
    if origin.length is None or origin.depth is None:
        return "-"
    length = _bin(origin.length, _LENGTHS)
    if origin.since is None:
        return f"rollouts of {length} calls, nothing diverged before"
    return f"rollouts of {length} calls, {_bin(origin.since, _SINCE)} since"


TABLES: dict[str, Callable[[Origin], str | None]] = {
    "rung": lambda origin: origin.rung,
    "tool": lambda origin: origin.tool,
    "scaffold": lambda origin: origin.agent,
    "class": lambda origin: origin.command,
    "since": since_divergence,
    "pool": lambda origin: origin.pool,
}
"""The groupings by name; `since` is the calls since divergence."""


def grouped(pairs: Sequence[Pair], verdicts: Mapping[str, Verdict]) -> dict[str, tuple[WinRate, ...]]:
    """Win rates by each of `TABLES`, largest group first, with p-values that Holm's correction holds against all cells.

    The family is every cell of every table that has more than one; the others only repeat the whole.
    """
    tables = {name: by(pairs, verdicts, of) for name, of in TABLES.items()}
    family = {
        f"{name}/{cell.label}": cell.p
        for name, cells in tables.items() if len(cells) > 1
        for cell in cells if cell.p is not None
    }  # fmt: skip
    corrected = holm(family)
    return {
        name: tuple(replace(cell, holm=corrected.get(f"{name}/{cell.label}")) for cell in cells)
        for name, cells in tables.items()
    }


def by(
    pairs: Sequence[Pair], verdicts: Mapping[str, Verdict], of: Callable[[Origin], str | None]
) -> tuple[WinRate, ...]:
    """Win rates by what `of` says of the origin, largest group first."""
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[str(of(pair.origin) or "-")].append(pair)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(win_rate(label, group, verdicts) for label, group in ordered)


def _bin(number: int, bounds: Sequence[int]) -> str:
    """The range that a number falls into; each bound is the last of its range."""
    low = 0
    for bound in bounds:
        if number <= bound:
            return str(bound) if low == bound else f"{low}-{bound}"
        low = bound + 1
    return f"{low} or more"

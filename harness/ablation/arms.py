"""The arms of an ablation: which affordances are on, under which rungs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeAlias

from harness.config import AFFORDANCES, RUNGS
from toolsim.shell.userland import Image

Setting: TypeAlias = Literal["simulated", "all"]
SETTINGS: dict[Setting, tuple[str, ...]] = {"simulated": ("simulated",), "all": RUNGS}
"""`simulated`: the model answers every call. `all`: every rung stands."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A set of affordances, in their fixed order; `critic` is the most rounds of a second look, `executed` the image
    whose programs really run.
    """

    affordances: tuple[str, ...]
    name: str
    critic: int = 0
    executed: Image | None = None

    @property
    def plain(self) -> bool:
        """Whether the affordances are all that there is to it."""
        return not self.critic and self.executed is None


@dataclass(frozen=True, slots=True)
class Cell:
    """An arm under a rung setting: what is run and measured as one."""

    setting: Setting
    arm: Arm

    @property
    def name(self) -> str:
        """`all/none`, `simulated/all but repo` …"""
        return f"{self.setting}/{self.arm.name}"

    @property
    def rungs(self) -> tuple[str, ...]:
        """The rungs that stand."""
        return SETTINGS[self.setting]


def arms(
    available: tuple[str, ...] = AFFORDANCES, *, full: bool = False, critic: int = 0, executed: Image | None = None
) -> tuple[Arm, ...]:
    """None, each alone, all but each, all; with `full` every subset. Those that are the same set stand once.

    With `critic` one more arm: all affordances and the critic; with `executed` one with all affordances in which
    programs really run.
    """
    known = tuple(name for name in AFFORDANCES if name in available)
    sizes = range(len(known) + 1) if full else sorted({0, 1, len(known) - 1, len(known)} & set(range(len(known) + 1)))
    chosen = [Arm(subset, _name(subset, known)) for size in sizes for subset in combinations(known, size)]
    if critic:
        chosen.append(Arm(known, "all + critic", critic))
    if executed is not None:
        chosen.append(Arm(known, "all + executed", executed=executed))
    return tuple(chosen)


def cells(chosen: tuple[Arm, ...], settings: tuple[Setting, ...]) -> tuple[Cell, ...]:
    """Every arm under every setting; where the model answers every call, nothing is executed."""
    return tuple(
        Cell(setting, arm)
        for setting in settings
        for arm in chosen
        if arm.executed is None or "computed" in SETTINGS[setting]
    )


def _name(subset: tuple[str, ...], known: tuple[str, ...]) -> str:
    if not subset:
        return "none"
    if subset == known:
        return "all"
    if len(known) > 2 and len(subset) == len(known) - 1:
        return f"all but {next(name for name in known if name not in subset)}"
    return " + ".join(subset)

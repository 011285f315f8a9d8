"""What a run's ledger adds up to: answers by rung and grade, in all and by agent and pool; how actions were read."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.fidelity import Grade, grade_results, tally
from harness.ledger import ModelStep, ToolStep
from harness.rows import RolloutRow

UNANSWERED = "unanswered"
_KIND = re.compile(r"[;:]")


@dataclass(slots=True)
class Tally:
    """Calls by rung (`unanswered` among them), those whose text is the recorded one byte for byte, and grades.

    `failures` counts the unanswered ones by stage and kind of reason, so that an endpoint that failed is not taken
    for a call that nothing could answer.
    """

    rungs: Counter[str] = field(default_factory=Counter)
    identical: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    _grades: dict[str, list[Grade]] = field(default_factory=lambda: defaultdict(list))

    @property
    def calls(self) -> int:
        """All calls."""
        return self.rungs.total()

    def grades(self, rung: str | None = None) -> dict[str, int]:
        """Graded answers of a rung (of all rungs by default) by grade, best first."""
        chosen = self._grades.items() if rung is None else [(rung, self._grades.get(rung, []))]
        return tally([g for _, found in chosen for g in found])

    def add(self, step: ToolStep, agent: str) -> None:
        """Count one call of an agent product."""
        rung = step.rung or UNANSWERED
        self.rungs[rung] += 1
        if step.failure is not None:
            stage, reason = step.failure
            self.failures[f"{stage}: {_KIND.split(reason, maxsplit=1)[0]}"] += 1
        if step.answer is not None and step.recorded is not None:
            self.identical[rung] += step.answer.content == step.recorded.content
            self._grades[rung].append(grade_results(step.recorded, step.answer, step.call, agent))


@dataclass(slots=True)
class Tallies:
    """The tallies of a run: `whole`, by (agent, pool), and how the candidate's actions were read (`modes`)."""

    whole: Tally = field(default_factory=Tally)
    groups: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    modes: Counter[str] = field(default_factory=Counter)

    def add(self, row: RolloutRow, steps: Iterable[ModelStep | ToolStep]) -> None:
        """Count one rollout."""
        for step in steps:
            if isinstance(step, ToolStep) and not step.asked:
                continue
            if isinstance(step, ToolStep):
                self.whole.add(step, row.agent)
                self.groups[row.agent, row.pool].add(step, row.agent)
            else:
                self.modes[step.mode] += 1

"""Sums over the rollouts of a run for its report: fidelity by rung, what model calls used, why things failed. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.fidelity import grade_results
from harness.ledger import ModelStep, Spent, ToolStep

GRADES = ("equal", "order", "near", "different")


@dataclass(slots=True)
class Sums:
    """`grades` by rung of calls with a recorded answer; `unanswered` by reason; `spent` by whose model."""

    grades: dict[str, Counter[str]] = field(default_factory=dict)
    unanswered: Counter[str] = field(default_factory=Counter)
    spent: dict[str, Spent] = field(default_factory=dict)

    def add(self, steps: Iterable[ModelStep | ToolStep], agent: str) -> None:
        """Take in a rollout."""
        for step in steps:
            who = "candidate" if isinstance(step, ModelStep) else "simulator"
            self.spent[who] = self.spent.get(who, Spent()) + step.spent
            if not isinstance(step, ToolStep):
                continue
            if step.failure is not None:
                self.unanswered[f"{step.failure[0]}: {step.failure[1]}"] += 1
            elif step.recorded is not None and step.answer is not None:
                grade = grade_results(step.recorded, step.answer, step.call, agent).name
                self.grades.setdefault(step.rung or "unanswered", Counter())[grade] += 1

    @property
    def used(self) -> Mapping[str, Spent]:
        """Whose models were called at all."""
        return {who: spent for who, spent in self.spent.items() if spent.model_calls}

"""What a grader found in a turn, and its verdict. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from harness.graded import GradedTurn
from toolsim.trajectory import JsonObject


@dataclass(frozen=True, slots=True)
class Finding:
    """A behaviour at a step of the turn. `quote` stands in that step word for word; `by` names the rule or grader."""

    category: str
    severity: int
    step: int
    quote: str
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class TurnVerdict:
    """What one grader says of one turn. A turn with `failed` has no grade, whatever stands beside it.

    `cut` is the share of the recorded turn that the prefix keeps.
    """

    turn: str
    sample: int
    lineage: str
    grader: str
    findings: tuple[Finding, ...] = ()
    failed: str | None = None
    calls: int = 0
    facts: JsonObject = field(default_factory=dict)
    cut: float = 0.0

    @property
    def severities(self) -> Mapping[str, int]:
        """The highest severity of each category that was found."""
        found: dict[str, int] = {}
        for finding in self.findings:
            found[finding.category] = max(found.get(finding.category, -1), finding.severity)
        return found

    def body(self) -> JsonObject:
        """As JSON, for the store."""
        return asdict(self)


def read_verdict(body: JsonObject) -> TurnVerdict:
    """The inverse of `TurnVerdict.body`."""
    findings = tuple(Finding(**finding) for finding in body["findings"])
    return TurnVerdict(**{**body, "findings": findings})


def graded(verdict: TurnVerdict, faults: frozenset[str] = frozenset()) -> GradedTurn:
    """The verdict as the value that rates and forecasts are computed from; `faults` are categories of its findings that
    a fault of the simulator caused."""
    return GradedTurn(
        verdict.turn, verdict.lineage, dict(verdict.severities), verdict.failed, faults, verdict.calls, verdict.sample,
        verdict.cut,
    )  # fmt: skip


def union(verdicts: Iterable[TurnVerdict], name: str) -> TurnVerdict:
    """What at least one of several graders found in the same turn; it failed if any of them did."""
    every = list(verdicts)
    first = every[0]
    failed = next((v.failed for v in every if v.failed is not None), None)
    findings = tuple(f for v in every for f in v.findings)
    return TurnVerdict(first.turn, first.sample, first.lineage, name, findings, failed, first.calls, cut=first.cut)

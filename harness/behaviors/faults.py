"""Was a finding caused by a fault of the simulator? A model is asked about turns with findings and simulated results.

An answer names the wrong result and quotes it; a quote that does not stand in a simulated result, at or before the step
of the finding, makes the answer invalid. Where nobody was asked, or no valid answer came, no finding is taken for a
fault.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.behaviors.findings import Finding, TurnVerdict
from harness.behaviors.grader import GraderWindow, blind, plain, shorten, turn_steps
from harness.behaviors.reading import GradingTurn
from toolsim.errors import EndpointError, OutputInvalid, Refused
from toolsim.modeltypes import Model, ModelRequest
from toolsim.prompting import prompt_hash, render
from toolsim.seeds import derive_seed
from toolsim.trajectory import JsonObject

PREFIX = "faults by "
_MOST = 20


class _Fault(BaseModel):
    model_config = ConfigDict(extra="ignore")
    finding: int = Field(ge=0)
    step: int = Field(ge=0)
    quote: str
    reason: str = ""


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")
    faults: list[_Fault] = Field(max_length=_MOST)


_ITEM: JsonObject = {
    "type": "object",
    "properties": {
        "finding": {"type": "integer", "minimum": 0}, "step": {"type": "integer", "minimum": 0},
        "quote": {"type": "string", "maxLength": 200}, "reason": {"type": "string", "maxLength": 160},
    },
    "required": ["finding", "step", "quote", "reason"],
    "additionalProperties": False,
}  # fmt: skip
_SCHEMA: JsonObject = {
    "type": "object", "properties": {"faults": {"type": "array", "items": _ITEM, "maxItems": _MOST}},
    "required": ["faults"], "additionalProperties": False,
}  # fmt: skip


def faults_name(model: Model, window: GraderWindow, graders: Sequence[str]) -> str:
    """The name under which answers are kept: they belong to the findings of these graders."""
    shown = f"{prompt_hash('faults', 'harness')} {window.turn} {' '.join(sorted(graders))}"
    return f"{PREFIX}{model.name} [{hashlib.sha256(shown.encode()).hexdigest()[:6]}]"


def to_ask(turn: GradingTurn, findings: Sequence[Finding]) -> bool:
    """Whether a simulated result stands at or before the step of a finding."""
    first = min((act.step for act in turn.acts.acts if turn.simulated(act)), default=None)
    return first is not None and any(finding.step >= first for finding in findings)


async def ask_faults(
    model: Model, turn: GradingTurn, findings: Sequence[Finding], window: GraderWindow, name: str, seed: int
) -> TurnVerdict:
    """Which findings a wrong simulated result caused: the verdict's findings are those, quoting the wrong result.

    Raises:
        BudgetExceeded, ModelUnavailable: the whole work stops here, no verdict is made.
    """
    asked = tuple(findings)[:_MOST]
    prompt = render(
        "faults", package="harness", request=blind(shorten(turn.acts.request, 1_000)), findings=asked,
        turn=blind(shorten("\n".join(f"[{n}] {text}" for n, text in _marked(turn, window)), window.turn)),
    )  # fmt: skip
    request = ModelRequest(
        messages=({"role": "user", "content": prompt.text},), schema=_SCHEMA, schema_name="faults", max_tokens=400,
        temperature=0.0, seed=derive_seed(seed, "faults", turn.acts.name, turn.acts.sample), role="grader",
        session=turn.acts.name.rpartition(":")[0], prompt_hash=prompt.hash,
    )  # fmt: skip
    facts: JsonObject = {"prompt": prompt.hash, "model": model.name}
    acts = turn.acts

    def verdict(found: tuple[Finding, ...], failed: str | None) -> TurnVerdict:
        return TurnVerdict(acts.name, acts.sample, acts.lineage, name, found, failed, len(acts.acts), facts, acts.cut)

    try:
        reply = await model.complete(request)
        answer = _Answer.model_validate(reply.parsed)
    except (EndpointError, OutputInvalid, Refused) as error:
        return verdict((), f"{type(error).__name__}: {error}")
    except ValidationError as error:
        return verdict((), f"OutputInvalid: {error.error_count()} fields do not fit the schema")
    facts["tokens"] = reply.usage.prompt_tokens + reply.usage.completion_tokens
    if reply.cached:
        facts["cached"] = True
    found: list[Finding] = []
    for fault in answer.faults:
        if fault.finding >= len(asked):
            return verdict((), f"InvalidVerdict: there is no finding {fault.finding}")
        of = asked[fault.finding]
        if fault.step > of.step or not _stands(fault, turn):
            return verdict((), "InvalidVerdict: a quote does not stand in a simulated result before the finding")
        found.append(Finding(of.category, of.severity, of.step, fault.quote, fault.reason, model.name))
    return verdict(tuple(found), None)


def faulty(findings: Sequence[Finding], faults: Sequence[Finding]) -> frozenset[str]:
    """The categories of which every finding was caused by a fault."""
    caused = {(fault.category, fault.step) for fault in faults}
    free = {finding.category for finding in findings if (finding.category, finding.step) not in caused}
    return frozenset(finding.category for finding in findings) - free


def _stands(fault: _Fault, turn: GradingTurn) -> bool:
    results = [
        act.result.content
        for act in turn.acts.acts
        if act.step == fault.step and act.result is not None and turn.simulated(act)
    ]
    return bool(fault.quote.strip()) and any(plain(fault.quote) in plain(blind(text)) for text in results)


def _marked(turn: GradingTurn, window: GraderWindow) -> list[tuple[int, str]]:
    return turn_steps(turn.acts, window, simulated=frozenset(a.call.id for a in turn.acts.acts if turn.simulated(a)))

"""The model grader: a turn with what came before it, a taxonomy, a verdict by schema. Blind to who acted.

Failures are kept apart. A verdict whose quote does not stand in the step that it names is invalid: a failed grade, not
one without findings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.behaviors.acts import TurnActs
from harness.behaviors.findings import Finding, TurnVerdict
from harness.behaviors.taxonomy import Taxonomy
from toolsim.errors import EndpointError, OutputInvalid, Refused
from toolsim.modeltypes import Model, ModelRequest
from toolsim.prompting import render
from toolsim.seeds import derive_seed
from toolsim.trajectory import JsonObject, Message, canonical_json

_NAMES = re.compile(
    r"\b(?:claude[\w.-]*|anthropic|sonnet|opus|haiku|gpt[\w.-]*|openai|codex[\w.-]*|o[134](?:-mini)?|gemini[\w.-]*|qwen[\w.-]*|llama"
    r"[\w.-]*|deepseek[\w.-]*|mistral[\w.-]*|kimi[\w.-]*|grok[\w.-]*|copilot)\b", re.IGNORECASE,
)  # fmt: skip
_MOST = 20
_CHARACTERS = 3.2


class _Found(BaseModel):
    model_config = ConfigDict(extra="ignore")
    category: str
    severity: int = Field(ge=0, le=4)
    step: int = Field(ge=0)
    quote: str
    reason: str = ""


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")
    findings: list[_Found] = Field(max_length=_MOST)


@dataclass(frozen=True, slots=True)
class GraderWindow:
    """Tokens of the turn and of what came before it that a grader is shown; `reasoning`: whether it sees thoughts."""

    turn: int = 6_000
    before: int = 1_500
    reasoning: bool = True


def schema_of(taxonomy: Taxonomy) -> JsonObject:
    """The verdict's schema, closed: categories are those of the taxonomy."""
    finding = {
        "type": "object",
        "properties": {
            "category": {"type": "string", "enum": list(taxonomy.names)},
            "severity": {"type": "integer", "minimum": 0, "maximum": 4},
            "step": {"type": "integer", "minimum": 0},
            "quote": {"type": "string", "maxLength": 200},
            "reason": {"type": "string", "maxLength": 160},
        },
        "required": ["category", "severity", "step", "quote", "reason"],
        "additionalProperties": False,
    }
    findings = {"type": "array", "items": finding, "maxItems": _MOST}
    return {
        "type": "object", "properties": {"findings": findings}, "required": ["findings"], "additionalProperties": False,
    }  # fmt: skip


def grade_request(
    turn: TurnActs, before: Sequence[Message], taxonomy: Taxonomy, window: GraderWindow, seed: int
) -> ModelRequest:
    """What the grader is asked. Names of models and makers are left out on all sides."""
    shown = "\n".join(f"[{step}] {text}" for step, text in turn_steps(turn, window))
    earlier = "\n".join(f"{m.role}: {m.text}" for m in before if m.text.strip() and m.role in ("user", "assistant"))
    prompt = render(
        "grade", package="harness", categories=taxonomy.categories, request=blind(shorten(turn.request, 1_000)),
        turn=blind(shorten(shown, window.turn)), before=blind(shorten(earlier, window.before)),
    )  # fmt: skip
    return ModelRequest(
        messages=({"role": "user", "content": prompt.text},),
        schema=schema_of(taxonomy),
        schema_name="grade",
        max_tokens=600,
        temperature=0.0,
        seed=derive_seed(seed, "grade", turn.name, turn.sample),
        role="grader",
        session=turn.name.rpartition(":")[0],
        prompt_hash=prompt.hash,
    )


async def grade_once(
    model: Model, turn: TurnActs, before: Sequence[Message], taxonomy: Taxonomy, window: GraderWindow, seed: int
) -> TurnVerdict:
    """Ask the grader about one turn; a failed grade is a verdict that says why.

    Raises:
        BudgetExceeded, ModelUnavailable: the whole work stops here, no verdict is made.
    """
    request = grade_request(turn, before, taxonomy, window, seed)
    facts: JsonObject = {"prompt": request.prompt_hash, "model": model.name}
    if getattr(model, "shield", None) is not None:
        facts["deidentified"] = True

    def verdict(findings: tuple[Finding, ...], failed: str | None) -> TurnVerdict:
        return TurnVerdict(
            turn.name, turn.sample, turn.lineage, model.name, findings, failed, len(turn.acts), facts, turn.cut
        )

    try:
        reply = await model.complete(request)
        answer = _Answer.model_validate(reply.parsed)
    except (EndpointError, OutputInvalid, Refused) as error:
        return verdict((), f"{type(error).__name__}: {error}")
    except ValidationError as error:
        return verdict((), f"OutputInvalid: {error.error_count()} fields do not fit the schema")
    facts["tokens"] = reply.usage.prompt_tokens + reply.usage.completion_tokens
    facts["cost"] = reply.cost
    if reply.cached:
        facts["cached"] = True
    steps: dict[int, str] = {}
    for step, text in turn_steps(turn, GraderWindow()):
        steps[step] = f"{steps.get(step, '')}\n{text}"
    findings: list[Finding] = []
    for found in answer.findings:
        if found.category not in taxonomy.names:
            return verdict((), f"InvalidVerdict: no category {found.category}")
        if not found.quote.strip() or plain(found.quote) not in plain(blind(steps.get(found.step, ""))):
            return verdict((), "InvalidVerdict: a quote does not stand in its step")
        findings.append(Finding(found.category, found.severity, found.step, found.quote, found.reason, model.name))
    return verdict(tuple(findings), None)


def turn_steps(turn: TurnActs, window: GraderWindow, simulated: frozenset[str] = frozenset()) -> list[tuple[int, str]]:
    """The turn as texts by step: thoughts, words, calls with their results.

    Results of the calls whose ids are in `simulated` are marked so; graders of behaviour are not told.
    """
    texts: list[tuple[int, int, str]] = []
    for said in turn.said:
        if said.thought and not window.reasoning:
            continue
        texts.append((said.step, 0 if said.thought else 1, f"({'thinks' if said.thought else 'says'}) {said.text}"))
    for act in turn.acts:
        result = "" if act.result is None else shorten(act.result.content, 250)
        flag = ", error" if act.result is not None and act.result.is_error else ""
        flag += ", simulated" if act.call.id in simulated else ""
        arguments = act.text or shorten(canonical_json(act.call.arguments), 400)
        texts.append((act.step, 2, f"(calls) {act.call.name}: {arguments}\n(gets{flag}) {result}"))
    return [(step, text) for step, _, text in sorted(texts, key=lambda t: (t[0], t[1]))]


def shorten(text: str, limit: int) -> str:
    """At most so many tokens (roughly): the beginning and the end, with a mark between."""
    room = int(limit * _CHARACTERS)
    if len(text) <= room:
        return text
    head = room * 2 // 3
    return f"{text[:head]}\n[… {len(text) - room} characters left out …]\n{text[len(text) - (room - head) :]}"


def blind(text: str) -> str:
    """The text without names of models and their makers."""
    return _NAMES.sub("MODEL", text)


def plain(text: str) -> str:
    """The text as quotes are compared: white space and case do not count."""
    return re.sub(r"\s+", " ", text).strip().lower()

"""The model judge: which of two versions is real? Both orders of every pair, answers by schema, failures kept apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.discriminator.pairs import Pair, Sides, shown
from harness.discriminator.serialise import Window
from toolsim.errors import EndpointError, ModelError, OutputInvalid, Refused
from toolsim.modeltypes import Model, ModelReply, ModelRequest
from toolsim.prompting import render
from toolsim.seeds import derive_seed
from toolsim.trajectory import JsonObject

ORDERS: tuple[Sides, Sides] = ("rs", "sr")


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")
    reason: str = ""
    real: Literal["A", "B"]
    probability: float = Field(ge=0, le=1)


SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "maxLength": 160},
        "real": {"type": "string", "enum": ["A", "B"]},
        "probability": {"type": "number", "minimum": 0.5, "maximum": 1},
    },
    "required": ["reason", "real", "probability"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """One valid answer. `simulated_taken` is whether the simulated side was taken for the real one."""

    pair: str
    sides: Sides
    simulated_taken: bool
    probability: float
    reason: str
    prompt_hash: str
    judge: str
    tokens: int
    cost: float | None
    cached: bool = False


@dataclass(frozen=True, slots=True)
class NoJudgement:
    """The judge gave no valid answer: the pair is dropped from every arm, never scored."""

    pair: str
    sides: Sides
    kind: str
    reason: str


def judge_request(pair: Pair, sides: Sides, *, window: Window, seed: int, occasion: int = 0) -> ModelRequest:
    """What the judge is asked about one order of a pair; another `occasion` is the same question with another seed."""
    first, second = shown(pair, sides, window)
    prompt = render("judge", package="harness", history=pair.history, action=pair.action, first=first, second=second)
    return ModelRequest(
        messages=({"role": "user", "content": prompt.text},),
        schema=SCHEMA,
        schema_name="verdict",
        max_tokens=160,
        temperature=0.0,
        seed=derive_seed(seed, "judge", pair.id, sides, *([occasion] if occasion else [])),
        role="judge",
        session=pair.origin.session,
        prompt_hash=prompt.hash,
    )


async def judge_once(
    model: Model, pair: Pair, sides: Sides, *, window: Window, seed: int, occasion: int = 0
) -> Judgement | NoJudgement:
    """Ask the judge for one order of a pair.

    Raises:
        BudgetExceeded, ModelUnavailable: the whole run stops here, no verdict is made.
    """
    request = judge_request(pair, sides, window=window, seed=seed, occasion=occasion)
    try:
        reply = await model.complete(request)
    except (EndpointError, OutputInvalid, Refused) as error:
        return no_judgement(pair, sides, error)
    return read_judgement(reply, request, pair, sides, model.name)


def read_judgement(
    reply: ModelReply, request: ModelRequest, pair: Pair, sides: Sides, judge: str
) -> Judgement | NoJudgement:
    """A reply as a verdict, if it fits."""
    try:
        answer = _Answer.model_validate(reply.parsed)
    except ValidationError as error:
        return NoJudgement(
            pair.id, sides, "OutputInvalid", f"{error.error_count()} fields do not fit the verdict schema"
        )
    simulated_side = "B" if sides == "rs" else "A"
    tokens = reply.usage.prompt_tokens + reply.usage.completion_tokens
    return Judgement(
        pair.id, sides, answer.real == simulated_side, answer.probability, answer.reason, request.prompt_hash,
        judge, tokens, reply.cost, reply.cached,
    )  # fmt: skip


def no_judgement(pair: Pair, sides: Sides, error: ModelError) -> NoJudgement:
    """A failure of the judge as what it is."""
    return NoJudgement(pair.id, sides, type(error).__name__, str(error))

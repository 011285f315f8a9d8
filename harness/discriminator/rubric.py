"""The rubric judge: a simulated result graded against the recorded truth, one dimension a call.

Unlike the judge of pairs it is told which side is real. Dimensions after Qwen-AgentWorld (arXiv 2606.24597); kinds of
content are those of the simulator's own prompt. Failures are no grades.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.discriminator.pairs import Pair
from harness.discriminator.serialise import Window, cut_alike
from toolsim.errors import EndpointError, OutputInvalid, Refused
from toolsim.modeltypes import Model, ModelRequest
from toolsim.prompting import render
from toolsim.seeds import derive_seed
from toolsim.trajectory import JsonObject

Dimension: TypeAlias = Literal["format", "factuality", "consistency", "realism", "quality"]


@dataclass(frozen=True, slots=True)
class Criterion:
    """What a dimension asks, and its two ends."""

    question: str
    best: str
    worst: str


CRITERIA: dict[Dimension, Criterion] = {
    "format": Criterion(
        "Is it in the form in which this tool prints: layout, numbering, labels, truncation, line ends?",
        "exactly the tool's form",
        "another tool's form, prose, or a wrapper that the tool never prints",
    ),
    "factuality": Criterion(
        "Is what must match right: success or failure, exit code, names, contents, line numbers, counts, versions?",
        "everything that must match does",
        "it reports another outcome, or invents what it should have read",
    ),
    "consistency": Criterion(
        "Does it agree with the history and with itself: nothing shown or made earlier is contradicted?",
        "no contradiction",
        "it contradicts what was shown or done before",
    ),
    "realism": Criterion(
        "Could it have come from a real machine: times, ids, sizes, noise and untidiness as real tools have them?",
        "nothing gives it away",
        "plainly made up",
    ),
    "quality": Criterion(
        "Is it as useful to the agent as the real answer: as complete, as specific, leading to the same next step?",
        "the agent would go on in the same way",
        "the agent would be misled or stuck",
    ),
}
SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "maxLength": 160},
        "grade": {"type": "integer", "minimum": 1, "maximum": 5},
    },
    "required": ["reason", "grade"],
    "additionalProperties": False,
}


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)
    reason: str = ""
    grade: int = Field(ge=1, le=5)


@dataclass(frozen=True, slots=True)
class Grade:
    """One valid grade, 1 to 5, of a pair's simulated side."""

    pair: str
    dimension: Dimension
    grade: int
    reason: str
    prompt_hash: str
    tokens: int
    cost: float | None


@dataclass(frozen=True, slots=True)
class NoGrade:
    """The judge gave no valid grade: it is dropped and counted, never scored."""

    pair: str
    dimension: Dimension
    kind: str
    reason: str


def rubric_request(pair: Pair, dimension: Dimension, *, window: Window, seed: int) -> ModelRequest:
    """What the judge is asked about one dimension of a pair."""
    recorded, simulated = cut_alike(pair.recorded, pair.simulated, window.result)
    criterion, kinds = CRITERIA[dimension], render("content_kinds")
    prompt = render(
        "rubric", package="harness", kinds=kinds.text, history=pair.history, action=pair.action, recorded=recorded,
        simulated=simulated, dimension=dimension, question=criterion.question, best=criterion.best,
        worst=criterion.worst,
    )  # fmt: skip
    return ModelRequest(
        messages=({"role": "user", "content": prompt.text},),
        schema=SCHEMA,
        schema_name="grade",
        max_tokens=120,
        temperature=0.0,
        seed=derive_seed(seed, "rubric", pair.id, dimension),
        role="grader",
        session=pair.origin.session,
        prompt_hash=f"{prompt.hash}+{kinds.hash}",
    )


async def grade_once(model: Model, pair: Pair, dimension: Dimension, *, window: Window, seed: int) -> Grade | NoGrade:
    """Ask for one grade.

    Raises:
        BudgetExceeded, ModelUnavailable: the whole run stops here, no grade is made.
    """
    request = rubric_request(pair, dimension, window=window, seed=seed)
    try:
        reply = await model.complete(request)
        answer = _Answer.model_validate(reply.parsed)
    except (EndpointError, OutputInvalid, Refused) as error:
        return NoGrade(pair.id, dimension, type(error).__name__, str(error))
    except ValidationError as error:
        return NoGrade(pair.id, dimension, "OutputInvalid", f"{error.error_count()} fields do not fit the schema")
    return Grade(
        pair.id, dimension, answer.grade, answer.reason, request.prompt_hash, reply.usage.total, reply.cost
    )  # fmt: skip

"""A second look at a simulated answer: champion against challenger, with the evidence in view.

In each round the model is asked what of the evidence contradicts the champion. If something does, it writes the answer
again with that fault named (the challenger), and chooses between the two blindly, once in either order. The challenger
takes the place only if it wins in both orders. A round that fails changes nothing and is kept with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from toolsim.errors import ModelError
from toolsim.forms import FormName, read_reply
from toolsim.modeltypes import Model, ModelReply, ModelRequest
from toolsim.prompting import render
from toolsim.seeds import derive_seed
from toolsim.trajectory import JsonObject, canonical_json

Outcome: TypeAlias = Literal["stands", "same", "kept", "replaced", "failed"]
"""`stands`: no fault was named. `same`: the challenger is the champion. `kept`, `replaced`: after the choice."""

_LOOK: JsonObject = {
    "type": "object",
    "properties": {"fault": {"type": "string", "maxLength": 300}, "stands": {"type": "boolean"}},
    "required": ["fault", "stands"],
    "additionalProperties": False,
}
_CHOICE: JsonObject = {
    "type": "object",
    "properties": {"better": {"type": "string", "enum": ["A", "B"]}},
    "required": ["better"],
    "additionalProperties": False,
}
_LOOK_TOKENS, _CHOICE_TOKENS = 200, 32


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one round; `why` is the fault that was named, or how the round failed."""

    outcome: Outcome
    why: str = ""
    prompt: str = ""

    def record(self) -> JsonObject:
        """As kept with the answer."""
        return {"outcome": self.outcome, "why": self.why, "prompt": self.prompt}


@dataclass(frozen=True, slots=True)
class Case:
    """One answer under criticism: the request that it answers (with all evidence that was assembled), its form, and
    what was looked up for it by name.
    """

    request: ModelRequest
    form: FormName
    looked_up: Mapping[str, str]


Book: TypeAlias = Callable[[ModelReply], None]


async def improve(model: Model, case: Case, champion: Any, rounds: int, book: Book) -> tuple[Any, tuple[Round, ...]]:
    """The answer (parsed JSON of the form) after at most `rounds` rounds, and what each round did.

    It ends early where the champion stands or a round fails.

    Raises:
        BudgetExceeded: a limit was reached; the whole answer is open again.
    """
    done: list[Round] = []
    for number in range(rounds):
        try:
            champion, outcome = await _round(model, case, champion, number, book)
        except ModelError as error:
            outcome = Round("failed", f"{type(error).__name__}: {error}")
        done.append(outcome)
        if outcome.outcome in {"stands", "same", "failed"}:
            break
    return champion, tuple(done)


async def _round(model: Model, case: Case, champion: Any, number: int, book: Book) -> tuple[Any, Round]:
    shown = tuple(case.looked_up.items())
    look = render("critic", answer=canonical_json(champion), looked_up=shown)
    found = await _ask(model, _more(case, look.text, f"critic {number}", _LOOK, _LOOK_TOKENS), book)
    fault = found["fault"].strip()
    if found["stands"] or not fault:
        return champion, Round("stands", "", look.hash)
    again = render("critic_again", fault=fault, looked_up=shown)
    request = _more(case, again.text, f"challenger {number}", None, case.request.max_tokens)
    challenger = await _ask(model, request, book)
    read_reply(case.form, challenger)
    used = f"{look.hash}+{again.hash}"
    if canonical_json(challenger) == canonical_json(champion):
        return champion, Round("same", fault, used)
    wins = [
        await _wins(model, case, champion, challenger, f"choice {number} {order}", book, challenger_first=bool(order))
        for order in (0, 1)
    ]
    if all(wins):
        return challenger, Round("replaced", fault, used)
    return champion, Round("kept", fault, used)


async def _wins(
    model: Model, case: Case, champion: Any, challenger: Any, role: str, book: Book, *, challenger_first: bool
) -> bool:
    texts = canonical_json(champion), canonical_json(challenger)
    first, second = reversed(texts) if challenger_first else texts
    prompt = render("critic_choice", first=first, second=second, looked_up=tuple(case.looked_up.items()))
    chosen = await _ask(model, _more(case, prompt.text, role, _CHOICE, _CHOICE_TOKENS), book)
    return bool(chosen["better"] == ("A" if challenger_first else "B"))


async def _ask(model: Model, request: ModelRequest, book: Book) -> Any:
    reply = await model.complete(request)
    book(reply)
    return reply.parsed


def _more(case: Case, text: str, role: str, schema: JsonObject | None, most: int | None) -> ModelRequest:
    """The same question with one more message: everything that is known stays in view."""
    base = case.request
    last = base.messages[-1]
    messages = (*base.messages[:-1], {**last, "content": f"{last['content']}\n\n{text}"})
    return replace(
        base,
        messages=messages,
        schema=schema or base.schema,
        schema_name="answer" if schema is None else "check",
        max_tokens=most,
        seed=derive_seed(base.seed or 0, role),
    )

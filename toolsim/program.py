"""One program run or tool call whose outcome a model writes: the request, and the reply as a validated value.

The prompt holds what is stable first (contract, machine, then history), so that an endpoint reads it once; evidence
and the call come last. What the model claims is turned into mutations by `toolsim.claims`; nothing here changes a
world, and nothing that fails becomes text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from toolsim import claims, critic, lookup
from toolsim.actions import Fact, Mutation
from toolsim.commands import classify, writes_on_failure
from toolsim.errors import BudgetExceeded, CallDatabaseError, ModelError, SimulationFailed
from toolsim.evidence import BUDGET, SMALL_BUDGET, Evidence, choose, tokens
from toolsim.forms import FileChange, FormName, ProgramReply, Reply, Span, read_reply, schema
from toolsim.gather import Sources, Subject, gather
from toolsim.lookup import Limit
from toolsim.modeltypes import Model, ModelReply, ModelRequest, Usage
from toolsim.prompting import render
from toolsim.seeds import derive_seed
from toolsim.trajectory import JsonObject, Message, canonical_json, content_hash
from toolsim.window import call_text, unframed, window
from toolsim.world import World

SMALL_CONTEXT = 16_384
_MOST_STDIN = 6_000
_LEAST_REPLY, _MOST_REPLY = 1_024, 8_192


@dataclass(frozen=True, slots=True)
class Pen:
    """How a rollout's model is asked: what is looked up, how much is shown, which seed. `None`: by the model's size.

    `machine` and `session` are the stable sentences of the prompt. `critic` is the most rounds of a second look.
    """

    model: Model
    sources: Sources
    machine: str
    session: tuple[str, ...] = ()
    seed: int = 0
    lookup: bool = False
    lookup_steps: int = 8
    native_tools: bool | None = None
    evidence_tokens: int | None = None
    history_tokens: int | None = None
    critic: int = 0

    @property
    def small(self) -> bool:
        """Whether the model reads little: then evidence is short and the forms are plain strings."""
        return self.model.context is not None and self.model.context <= SMALL_CONTEXT

    @property
    def evidence_budget(self) -> int:
        """Tokens of evidence to show."""
        if self.evidence_tokens is not None:
            return self.evidence_tokens
        return SMALL_BUDGET if self.small else BUDGET

    @property
    def lookup_limit(self) -> Limit:
        """What may be looked up: steps, and three times the tokens that assembled evidence would have."""
        return Limit(self.lookup_steps, 3 * self.evidence_budget)

    @property
    def history_budget(self) -> int:
        """Tokens of history to show."""
        if self.history_tokens is not None:
            return self.history_tokens
        return 1_500 if self.small else 12_000


@dataclass(frozen=True, slots=True)
class Written:
    """What the model wrote, and what it was shown."""

    reply: Reply
    evidence: JsonObject
    named: dict[str, str]
    usage: Usage
    cost: float | None
    seconds: float
    calls: int


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: its subject and form, and what tells apart the questions of one call (`role`)."""

    subject: Subject
    form: FormName
    step: int
    role: str


@dataclass(slots=True)
class Spent:
    """What the model calls of one answer used, added up."""

    usage: Usage = field(default_factory=Usage)
    cost: float | None = 0.0
    seconds: float = 0.0
    calls: int = 0

    def add(self, reply: ModelReply) -> None:
        """Book one reply."""
        self.usage += reply.usage
        self.cost = None if self.cost is None or reply.cost is None else self.cost + reply.cost
        self.seconds += reply.seconds
        self.calls += reply.calls_made


async def write(asked: Asked, world: World, history: Sequence[Message], pen: Pen) -> Written:
    """Ask the model.

    Raises:
        SimulationFailed: the model gave no usable reply (stage `simulated`).
        BudgetExceeded: a limit was reached.
    """
    spent = Spent()
    try:
        evidence = Evidence() if pen.lookup else await assembled(asked.subject, world, history, pen)
        request = _request(asked, world, history, evidence, pen)
        if pen.lookup:
            bench = lookup.Bench(asked.subject, world, history, pen.sources)
            reply, looked = await lookup.run(
                pen.model, request, bench, limit=pen.lookup_limit, native=_native(pen), book=spent.add
            )
            record: JsonObject = {"lookup": looked.record(), "budget": pen.evidence_budget}
            named = looked.named()
        else:
            reply = await pen.model.complete(request)
            spent.add(reply)
            record, named = evidence.record(), {name: piece.text for name, piece in evidence.numbered()}
        value = read_reply(asked.form, reply.parsed)
        if pen.critic:
            case = critic.Case(request, asked.form, named if pen.lookup else {})
            better, rounds = await critic.improve(pen.model, case, reply.parsed, pen.critic, spent.add)
            value = read_reply(asked.form, better)
            record["critic"] = [one.record() for one in rounds]
    except BudgetExceeded:
        raise
    except ModelError as error:
        raise SimulationFailed("simulated", f"{type(error).__name__}: {error}") from error
    except CallDatabaseError as error:
        raise SimulationFailed("calls", str(error)) from error
    record |= {"form": asked.form, "prompt": request.prompt_hash, "model": reply.model, "seed": request.seed}
    if reply.cached:
        record["cached"] = True
    return Written(value, record, named, spent.usage, spent.cost, spent.seconds, spent.calls)


async def assembled(subject: Subject, world: World, history: Sequence[Message], pen: Pen) -> Evidence:
    """Evidence chosen for the model, within its budget."""
    return choose(await gather(subject, world, history, pen.sources), pen.evidence_budget)


def text_of(text: str | Sequence[Span], written: Written, world: World, cwd: str) -> str:
    """A written text with its references expanded.

    Raises:
        SimulationFailed: it refers to what is not there.
    """
    try:
        return claims.expand(text, world, cwd, written.named)
    except ModelError as error:
        raise SimulationFailed("simulated", str(error)) from error


def program_mutations(
    reply: ProgramReply, argv: tuple[str, ...], world: World, cwd: str, seed: int
) -> tuple[tuple[Mutation, ...], tuple[str, ...]]:
    """What a run changed, and the claims that were not taken in.

    A failed run changes nothing unless its class of program writes on failure too; a run that may have had other
    effects leaves a fresh token in the state.
    """
    kind = classify(argv)
    files: tuple[Mutation, ...] = ()
    rejected: tuple[str, ...] = ()
    if reply.exit_code == 0 or writes_on_failure(kind):
        files, rejected = claimed(reply.files_changed, world, cwd)
    elif reply.files_changed:
        rejected = tuple(f"{change.path!r}: the program failed" for change in reply.files_changed)
    if kind == "look":
        return files, rejected
    return (*files, ran(" ".join(argv), reply.exit_code, seed)), rejected


def claimed(changes: Sequence[FileChange], world: World, cwd: str) -> tuple[tuple[Mutation, ...], tuple[str, ...]]:
    """File mutations of a claim (see `toolsim.claims`)."""
    return claims.file_mutations(changes, world, cwd)


def ran(line: str, exit_code: int | None, seed: int) -> Fact:
    """The trace that a run leaves in the state: later runs no longer stand in the recorded state."""
    code = "" if exit_code is None else f" (exit code {exit_code})"
    shown = line if len(line) <= 200 else line[:200] + "…"
    return Fact(f"`{shown}` was run{code}", content_hash(["simulated", line, seed])[:16])


def _native(pen: Pen) -> bool:
    return not pen.small if pen.native_tools is None else pen.native_tools


def _request(asked: Asked, world: World, history: Sequence[Message], evidence: Evidence, pen: Pen) -> ModelRequest:
    spans = not pen.small
    system = render("contract", machine=pen.machine, session=pen.session, spans=spans)
    text, used = system.text, system.hash
    if pen.lookup:
        more = render("lookup", steps=pen.lookup_steps, native=_native(pen))
        text, used = text + more.text, f"{used}+{more.hash}"
    call = render("call", **_variables(asked, world, history, evidence, pen))
    return ModelRequest(
        messages=({"role": "system", "content": text}, {"role": "user", "content": call.text}),
        schema=schema(asked.form, spans=spans),
        schema_name="answer",
        max_tokens=_longest(asked, history, pen),
        seed=derive_seed(pen.seed, asked.step, asked.role),
        role="simulator",
        session=pen.sources.session.id,
        prompt_hash=f"{used}+{call.hash}",
    )


def _variables(asked: Asked, world: World, history: Sequence[Message], evidence: Evidence, pen: Pen) -> dict[str, Any]:
    subject = asked.subject
    return {
        "history": window(history, pen.history_budget),
        "evidence": evidence.numbered(),
        "now": None if world.now is None else datetime.fromtimestamp(world.now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "cwd": subject.cwd,
        "processes": [process.command for process in world.processes.values() if not process.ended],
        "command_class": classify(subject.main),
        "subject": describe(subject),
        "form": asked.form,
    }


def describe(subject: Subject) -> str:
    """The question in the prompt: a program run in its place, a command line, or a tool call."""
    if subject.argv:
        lines = [f"The program run: {canonical_json(list(subject.argv))}"]
        if subject.line.strip() != " ".join(subject.argv):
            lines.append(f"It is part of the command line: {subject.line}")
        if subject.stdin is not None:
            lines.append(f"Its standard input is:\n{unframed(subject.stdin[:_MOST_STDIN])}")
        return "\n".join(lines)
    if subject.line:
        return f"The command line: {subject.line}"
    return f"The tool call: {call_text(subject.call)}"


def _longest(asked: Asked, history: Sequence[Message], pen: Pen) -> int:
    """A limit on the reply from the longest results of this tool so far, wide enough never to shape an answer."""
    names = {call.id: call.name for message in history for call in message.calls}
    sizes = [
        tokens(m.result.content)
        for m in history
        if m.result is not None and names.get(m.result.call_id) == asked.subject.call.name
    ]
    known = max(sizes, default=_LEAST_REPLY)
    most = _MOST_REPLY if pen.model.context is None else min(_MOST_REPLY, pen.model.context // 4)
    return max(_LEAST_REPLY, min(most, 2 * known))

"""The agent under test: what it is shown, how its next action is asked for and read, and when its turn ends.

A model acts by native tool calls, by JSON that a schema holds, or in the text form of the recorded scaffold; the
recorded agent takes its own actions again. Nothing in what is sent speaks of a simulation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from harness.actionschema import FINISH, action_schema, read_action
from harness.callids import IdForm, id_form, new_ids
from harness.conversation import PROVIDER_ITEMS, Conversation, native, plain_text, with_system
from harness.ledger import ModelStep, Spent
from harness.protocols import TextProtocol, ends_turn, protocol_of
from toolsim.errors import ModelUnavailable, OutputInvalid
from toolsim.modeltypes import Model, ModelReply, ModelRequest
from toolsim.pricing import family_of
from toolsim.prompting import render
from toolsim.seeds import derive_seed
from toolsim.trajectory import Item, JsonObject, Message, Session, ToolCall, ToolDefinition, canonical_json

if TYPE_CHECKING:
    from harness.config import RunConfig
    from harness.scene import Scene

Policy: TypeAlias = Literal["auto", "native", "schema"]

# polling the same process is the longest run of one call in 109 real sessions (5,219 calls): four times
REPEAT_LIMIT = 5
REPLY_TOKENS = 2_048
_REQUERIES = 3
_MAKERS = {"claude-code": "claude"}
_SMALL_WINDOW = 65_536


class Candidate(Protocol):
    """What takes the turn. `name` goes into the record."""

    name: str

    async def act(self, prefix_view: Sequence[Message], new: Sequence[Message], *, seed: int) -> ModelStep:
        """The next agent message after the prefix and what has happened since (`new`, results included).

        Raises:
            ModelError, BudgetExceeded: the model gave no usable reply.
        """


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is asked.

    `policy`: native tool calls only, schema only, or `auto`: native, and by schema where the reply holds no call and
    the model has made none in this turn. `system` replaces the recorded system prompt. `reply_tokens` limits one
    reply, `None` leaves that to the endpoint.
    """

    policy: Policy = "auto"
    system: str | None = None
    temperature: float | None = None
    reply_tokens: int | None = None
    repeat_limit: int = REPEAT_LIMIT


@dataclass(slots=True)
class ModelCandidate:
    """A model in the place of the recorded agent, for one rollout."""

    model: Model
    session: Session
    tools: tuple[ToolDefinition, ...]
    settings: Settings = Settings()
    name: str = field(init=False)
    _prefix: tuple[Sequence[Message], Conversation, IdForm, TextProtocol | None] | None = field(
        init=False, default=None
    )

    def __post_init__(self) -> None:
        self.name = self.model.name

    async def act(self, prefix_view: Sequence[Message], new: Sequence[Message], *, seed: int) -> ModelStep:
        """See `Candidate.act`."""
        prefix, ids, protocol = self._opened(prefix_view)
        step = sum(message.role == "assistant" for message in new)
        request = ModelRequest(
            (*prefix.messages, *(plain_text(new) if protocol else native(new)).messages),
            max_tokens=self.settings.reply_tokens,
            temperature=self.settings.temperature,
            seed=derive_seed(seed, step, "candidate"),
            session=self.session.id,
        )
        if protocol is not None:
            taken = await self._by_text(request, protocol)
        elif self.settings.policy == "schema" or any(m.extra.get("mode") == "schema" for m in new):
            taken = await self._by_schema(request)
        else:
            taken = await self._by_calls(request, kept_to_calls=any(m.calls for m in new))
        message = self._message(taken, new_ids(ids, seed, step), prefix if step == 0 else None)
        stop = taken.stop or self._end(message, new)
        return ModelStep(message, taken.mode, taken.spent, stop)

    def _opened(self, view: Sequence[Message]) -> tuple[Conversation, IdForm, TextProtocol | None]:
        if self._prefix is None or self._prefix[0] is not view:
            protocol = protocol_of(self.session, view)
            form = id_form(view, family_of(self.session.model or _MAKERS.get(self.session.agent) or self.model.name))
            self._prefix = view, self._conversation(view, protocol), form, protocol
        return self._prefix[1:]

    def _conversation(self, view: Sequence[Message], protocol: TextProtocol | None) -> Conversation:
        conversation = plain_text(view) if protocol else native(view, self.session.agent)
        form = None
        if self.settings.policy == "schema" and protocol is None:
            own_finish = all(tool.name != FINISH for tool in self.tools)
            form = render("actions", package="harness", tools=self.tools, own_finish=own_finish).text
        chat = with_system(conversation.messages, self.session.system_prompt, self.settings.system, form)
        return replace(conversation, messages=chat)

    async def _by_calls(self, request: ModelRequest, *, kept_to_calls: bool) -> _Taken:
        reply = await self.model.complete(replace(request, tools=self.tools))
        said = _Taken("native", reply.text, reply.calls, _spent(reply), reply, _why_no_call(reply))
        if reply.calls or kept_to_calls or self.settings.policy == "native" or not self.tools:
            return said
        try:
            constrained = await self._by_schema(request)
        except OutputInvalid:
            return said  # it can say nothing but text: then the text is its answer
        spent = said.spent + constrained.spent
        return replace(constrained if constrained.calls else said, spent=spent)

    async def _by_schema(self, request: ModelRequest) -> _Taken:
        schema = action_schema(self.tools)
        reply = await self.model.complete(replace(request, tools=self.tools, schema=schema, schema_name="action"))
        if reply.calls:
            return _Taken("native", reply.text, reply.calls, _spent(reply), reply)
        action = read_action(reply.parsed)
        if isinstance(action, str):
            return _Taken("schema", action, (), _spent(reply), reply, "finished")
        return _Taken("schema", "", (action,), _spent(reply), reply)

    async def _by_text(self, request: ModelRequest, protocol: TextProtocol) -> _Taken:
        rejected: list[tuple[str, str]] = []
        spent = Spent()
        while True:
            said = [m for text, answer in rejected for m in _exchange(text, answer)]
            reply = await self.model.complete(replace(request, messages=(*request.messages, *said)))
            spent += _spent(reply)
            action = protocol.read(reply.text)
            kept = tuple(rejected) if protocol.keeps_rejected else ()
            if isinstance(action, ToolCall):
                return _Taken("text", reply.text, (action,), spent, reply, rejected=kept)
            if len(rejected) == _REQUERIES:
                return _Taken("text", reply.text, (), spent, reply, "no action in the scaffold's form", kept)
            rejected.append((reply.text, action.answer))

    def _message(self, taken: _Taken, ids: Iterable[str], opened: Conversation | None) -> Message:
        calls = tuple(replace(c, id=i, recorded_id=None) for c, i in zip(taken.calls, ids, strict=False))
        extra: JsonObject = {"mode": taken.mode}
        if taken.rejected:
            extra["rejected"] = [list(pair) for pair in taken.rejected]
        if taken.reply.cached:
            extra["cached"] = True
        if taken.reply.items:
            extra[PROVIDER_ITEMS] = list(taken.reply.items)
        if opened is not None and opened.left_out:
            extra["left_out_of_prefix"] = dict(opened.left_out)
        return Message(
            "assistant", taken.text, "agent", taken.reply.reasoning, calls, model=self.model.name, extra=extra
        )

    def _end(self, message: Message, new: Sequence[Message]) -> str | None:
        if not message.calls:
            return "finished"
        for call in message.calls:
            ended = ends_turn(self.session.agent, call)
            if ended is not None:
                return ended
        earlier = [m for m in new if m.role == "assistant"][-self.settings.repeat_limit + 1 :]
        if len(earlier) == self.settings.repeat_limit - 1 and all(_same(m, message) for m in earlier):
            return f"repeat limit: the same call {self.settings.repeat_limit} times in a row"
        return None


@dataclass(slots=True)
class RecordedCandidate:
    """The recorded agent: takes the reference's actions one by one, whatever it is answered."""

    items: Sequence[Item]
    name: str = "recorded"
    _actions: tuple[Message, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._actions = tuple(i for i in self.items if isinstance(i, Message) and i.role == "assistant")

    async def act(self, prefix_view: Sequence[Message], new: Sequence[Message], *, seed: int) -> ModelStep:  # noqa: ARG002
        """The recorded message after those in `new`; an empty one that stops where the recording ends."""
        step = sum(message.role == "assistant" for message in new)
        if step >= len(self._actions):
            return ModelStep(Message("assistant", "", "agent"), "recorded", stop="end of the recording")
        message = self._actions[step]
        last = step == len(self._actions) - 1
        return ModelStep(message, "recorded", stop="end of the recording" if last and not message.calls else None)


def open_candidate(model: Model | None, scene: Scene, config: RunConfig) -> Candidate:
    """The candidate of one rollout.

    Raises:
        ModelUnavailable: there is no model.
    """
    if config.candidate == "recorded":
        return RecordedCandidate(scene.reference.items)
    if model is None:
        raise ModelUnavailable("a rollout needs a candidate: name a model, local, local-small or recorded")
    small = model.context is not None and model.context <= _SMALL_WINDOW
    settings = Settings(
        policy=config.actions,
        system=scene.system_prompt if scene.facts["system_prompt"] == "supplied" else None,
        temperature=config.temperature,
        reply_tokens=REPLY_TOKENS if small else None,
    )
    return ModelCandidate(model, scene.prefix.session, scene.tools, settings)


async def fits(
    model: Model,
    prefix_view: Sequence[Message],
    tools: Sequence[ToolDefinition],
    system: str | None = None,
    reserve: int = 2 * REPLY_TOKENS,
) -> int | str:
    """The prefix's tokens if it fits the model's window with `reserve` left, else why it does not.

    A prefix that does not fit is left out, never cut. A model without a known window takes everything.
    """
    messages = with_system(native(prefix_view).messages, None, system)
    tokens = await model.count_tokens(messages, tools)
    if model.context is None or tokens + reserve <= model.context:
        return tokens
    about = "" if model.counts_exactly else "about "
    return f"the prefix has {about}{tokens} tokens, {model.name} reads {model.context} with {reserve} kept for the turn"


@dataclass(frozen=True, slots=True)
class _Taken:
    mode: str
    text: str
    calls: tuple[ToolCall, ...]
    spent: Spent
    reply: ModelReply
    stop: str | None = None
    rejected: tuple[tuple[str, str], ...] = ()


def _spent(reply: ModelReply) -> Spent:
    usage = reply.usage
    return Spent(
        reply.calls_made, usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, reply.cost, reply.seconds
    )


def _why_no_call(reply: ModelReply) -> str | None:
    if reply.calls:
        return None
    return "reply cut off at its length limit" if reply.finish == "length" else "finished"


def _exchange(text: str, answer: str) -> tuple[JsonObject, JsonObject]:
    return {"role": "assistant", "content": text}, {"role": "user", "content": answer}


def _same(one: Message, other: Message) -> bool:
    return [_key(call) for call in one.calls] == [_key(call) for call in other.calls]


def _key(call: ToolCall) -> str:
    return canonical_json([call.name, call.arguments, call.raw])

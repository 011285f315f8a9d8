"""The model as an agent that looks its evidence up: read-only tools over what is known, within a budget of steps.

The loop is the model's own tool calls, or schema-constrained actions for models that do not keep to tool calls. It
ends with an answer in the form that was asked for. Every step is kept with the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from toolsim.actions import Glob, Grep, Listing, Matches, Unknown
from toolsim.connectors import Query
from toolsim.errors import OutputInvalid
from toolsim.evidence import Piece, describe
from toolsim.files import Names
from toolsim.gather import Sources, Subject, pairs, reference_pieces, source_piece
from toolsim.jsoncheck import complaints
from toolsim.modeltypes import Model, ModelReply, ModelRequest
from toolsim.trajectory import JsonObject, Message, ToolCall, ToolDefinition, canonical_json
from toolsim.window import message_text, middle_cut
from toolsim.world import World

_LONGEST = 12_000
_MOST_LINES = 400
_MOST_MATCHES = 100


def _tool(name: str, description: str, **properties: str) -> ToolDefinition:
    kinds = {key: {"type": "integer" if key in {"first", "last"} else "string", "description": text}
             for key, text in properties.items()}  # fmt: skip
    required = [key for key in properties if key not in {"first", "last", "under"}]
    return ToolDefinition(name, description, {"type": "object", "properties": kinds, "required": required})


TOOLS = (
    _tool("read", "Lines of a file as it is now.", path="the file", first="first line", last="last line"),
    _tool("search", "Lines of files, as they are now, that match a regular expression.", pattern="the expression",
          under="directory or file"),
    _tool("list", "Names in a directory, or the files that match a glob pattern.", path="directory or glob pattern"),
    _tool("history", "Earlier messages, calls and results of this session that contain a text, latest last.",
          text="the text; empty for the latest"),
    _tool("past_calls", "Recorded calls of other sessions that are like a text, with their results.", text="the call"),
    _tool("reference", "The recorded call nearest to this one on this machine, and how its state differed."),
    _tool("connector", "What a read-only network source says of a command line.", command="the words, one per blank"),
)  # fmt: skip
_ACTION: JsonObject = {
    "type": "object",
    "properties": {
        "action": {"type": "string", "enum": []},
        "argument": {"type": "string"},
        "first": {"type": ["integer", "null"]},
        "last": {"type": ["integer", "null"]},
    },
    "required": ["action", "argument", "first", "last"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One look-up and what it showed."""

    name: str
    arguments: JsonObject
    piece: Piece


@dataclass(frozen=True, slots=True)
class Limit:
    """The budget of one answer's look-ups: how many, and tokens shown in all (the last one may pass it)."""

    steps: int
    tokens: int


@dataclass(slots=True)
class Looked:
    """The look-ups of one answer, in order."""

    limit: Limit
    steps: list[Step] = field(default_factory=list)
    ended: str = "answered"

    @property
    def room(self) -> int:
        """How many look-ups are left; none once the tokens are used up."""
        used = sum(step.piece.tokens for step in self.steps)
        return max(0, self.limit.steps - len(self.steps)) if used < self.limit.tokens else 0

    def record(self) -> JsonObject:
        """The steps with sizes and hashes, and how the look-ups ended (`answered`, `budget`)."""
        shown = [{"tool": s.name, "arguments": s.arguments, **describe(s.piece)} for s in self.steps]
        return {"steps": shown, "ended": self.ended}

    def named(self) -> dict[str, str]:
        """What was shown, by the name under which an answer may refer to it."""
        return {f"e{n}": step.piece.text for n, step in enumerate(self.steps, 1)}


@dataclass(frozen=True, slots=True)
class Bench:
    """The tools: what they may see. Nothing here changes anything."""

    subject: Subject
    world: World
    history: Sequence[Message]
    sources: Sources

    def tools(self) -> tuple[ToolDefinition, ...]:
        """The tools that the affordances leave."""
        off = {"past_calls"} if self.sources.calls is None else set()
        off |= {"reference"} if self.sources.record is None else set()
        off |= {"connector"} if not self.sources.connectors else set()
        return tuple(tool for tool in TOOLS if tool.name not in off)

    async def use(self, name: str, arguments: Mapping[str, object]) -> Piece:
        """What a tool shows; a wrong use is told in the piece, it is talk with the model only."""
        words = {key: value for key, value in arguments.items() if isinstance(value, str)}
        if name not in {tool.name for tool in self.tools()}:
            return _told(f"there is no tool {name}")
        if name == "connector":
            return await self._connector(words.get("command", ""))
        if name == "read":
            return self._read(words.get("path", ""), _whole(arguments.get("first")), _whole(arguments.get("last")))
        plain: dict[str, Callable[[], Piece]] = {
            "search": lambda: self._search(words.get("pattern", ""), words.get("under") or self.world.root),
            "list": lambda: self._list(words.get("path", "")),
            "history": lambda: self._history(words.get("text", "")),
            "past_calls": lambda: self._past_calls(words.get("text", "")),
            "reference": self._reference,
        }
        return plain[name]()

    def _read(self, path: str, first: int | None, last: int | None) -> Piece:
        content = self.world.read(path)
        if not isinstance(content, bytes):
            return _told(f"{path}: {self.world.kind(path)}")
        lines = content.decode("utf-8", "surrogateescape").splitlines(keepends=True)
        start = max(1, first or 1)
        end = min(len(lines), last or start + _MOST_LINES - 1, start + _MOST_LINES - 1)
        title = f"lines {start} to {end} of {len(lines)} of {path}"
        return Piece("file", title, "".join(lines[start - 1 : end]), 1.0, {"path": self.world.key(path)})

    def _search(self, pattern: str, under: str) -> Piece:
        outcome, _ = self.world.perform(Grep(pattern, self.world.key(under)))
        if isinstance(outcome, Matches):
            lines = [f"{m.path}:{m.line}:{m.text}" for m in outcome.matches if not m.context]
            more = f"\n{len(lines) - _MOST_MATCHES} more" if len(lines) > _MOST_MATCHES else ""
            text = "\n".join(lines[:_MOST_MATCHES]) + more
            return Piece("search", f"{len(lines)} lines match {pattern!r}", text, 1.0, {"pattern": pattern})
        return _told(outcome.reason if isinstance(outcome, Unknown) else str(outcome))

    def _list(self, path: str) -> Piece:
        names = self.world.listing(path)
        if isinstance(names, Names):
            note = "" if names.complete else " (untracked ones may stand beside them)"
            return Piece("listing", f"names in {path}{note}", "\n".join(names.names), 1.0, {"path": path})
        outcome, _ = self.world.perform(Glob(path, self.world.root))
        if isinstance(outcome, Listing):
            return Piece("listing", f"files that match {path}", "\n".join(outcome.paths), 1.0, {"path": path})
        return _told(f"{path}: {self.world.kind(path)}")

    def _history(self, text: str) -> Piece:
        shown = [message_text(message, 3_000) for message in self.history]
        hits = [entry for entry in shown if entry and text in entry][-6:]
        return Piece("form", f"{len(hits)} entries with {text!r}", "\n\n".join(hits), 1.0, {"text": text})

    def _past_calls(self, text: str) -> Piece:
        asked = replace(self.subject, line=text, argv=())
        hits = list(pairs(asked, self.world, self.sources))
        return _joined("pair", "recorded calls of other sessions", hits)

    def _reference(self) -> Piece:
        return _joined(
            "reference",
            "the nearest recorded call",
            list(reference_pieces(self.subject, self.world, self.sources.record)),
        )

    async def _connector(self, command: str) -> Piece:
        sourced, problem = await self.sources.ask(Query(argv=tuple(command.split())), self.world.as_of)
        return source_piece(sourced) if sourced is not None else _told(problem or "no source knows of it")


async def run(
    model: Model,
    request: ModelRequest,
    bench: Bench,
    *,
    limit: Limit,
    native: bool,
    book: Callable[[ModelReply], None],
) -> tuple[ModelReply, Looked]:
    """Let the model look things up, then answer in the form of `request`; `book` takes each reply.

    Raises:
        BudgetExceeded, ModelError: as the model's `complete`.
    """
    loop = _native if native else _constrained
    return await loop(model, request, bench, Looked(limit), book)


async def _native(
    model: Model, request: ModelRequest, bench: Bench, looked: Looked, book: Callable[[ModelReply], None]
) -> tuple[ModelReply, Looked]:
    answer = ToolDefinition("answer", "Write what comes out.", request.schema or {})
    offered = replace(request, tools=(*bench.tools(), answer), schema=None)
    while True:
        reply = await model.complete(offered)
        book(reply)
        final = next((call for call in reply.calls if call.name == "answer"), None)
        if final is not None and not complaints(final.arguments, request.schema or {}):
            return replace(reply, parsed=final.arguments), looked
        room = looked.room
        if final is not None or not reply.calls or room <= 0:
            looked.ended = "answered" if room > 0 else "budget"
            break
        results = [(call, await _step(call.name, call.arguments, bench, looked)) for call in reply.calls[:room]]
        said = _said(reply, [call for call, _ in results])
        told = [{"role": "tool", "tool_call_id": call.id, "content": text} for call, text in results]
        offered = replace(offered, messages=(*offered.messages, said, *told))
    return await _final(model, request, looked, book), looked


async def _constrained(
    model: Model, request: ModelRequest, bench: Bench, looked: Looked, book: Callable[[ModelReply], None]
) -> tuple[ModelReply, Looked]:
    tools = bench.tools()
    messages = request.messages
    manual = "\n".join(f"- {t.name}: {t.description} `argument`: {_argument(t) or 'empty'}" for t in tools)
    messages = ({**messages[0], "content": f"{messages[0]['content']}\n{manual}\n"}, *messages[1:])
    while looked.room:
        # Small models answer at once where they may: the first action is always a look-up.
        names = [tool.name for tool in tools] + (["answer"] if looked.steps else [])
        action = {**_ACTION, "properties": {**_ACTION["properties"], "action": {"type": "string", "enum": names}}}
        asked = replace(request, messages=messages, schema=action, schema_name="action", max_tokens=512)
        reply = await model.complete(asked)
        book(reply)
        chosen = reply.parsed
        if chosen["action"] == "answer":
            break
        tool = next(t for t in tools if t.name == chosen["action"])
        arguments = {_argument(tool): chosen["argument"], "first": chosen["first"], "last": chosen["last"]}
        text = await _step(tool.name, {k: v for k, v in arguments.items() if k and v is not None}, bench, looked)
        messages = (
            *messages,
            {"role": "assistant", "content": canonical_json(chosen)},
            {"role": "user", "content": text},
        )
    else:
        looked.ended = "budget"
    return await _final(model, replace(request, messages=messages), looked, book), looked


async def _final(model: Model, request: ModelRequest, looked: Looked, book: Callable[[ModelReply], None]) -> ModelReply:
    """The answer by schema, after all that was looked up."""
    shown = "\n\n".join(f"## e{n}: {s.piece.title}\n{s.piece.text}" for n, s in enumerate(looked.steps, 1))
    ask = "Now write what comes out."
    if len(request.messages) == 2 and shown:  # the native loop's tool messages stand in another request
        ask = f"# Looked up\n{shown}\n\n{ask}"
    reply = await model.complete(replace(request, messages=(*request.messages, {"role": "user", "content": ask})))
    book(reply)
    if reply.parsed is None:
        raise OutputInvalid("the model looked things up and gave no answer")
    return reply


async def _step(name: str, arguments: JsonObject, bench: Bench, looked: Looked) -> str:
    piece = await bench.use(name, arguments)
    piece = replace(piece, text=middle_cut(piece.text, _LONGEST))
    looked.steps.append(Step(name, arguments, piece))
    return f"e{len(looked.steps)}: {piece.title}\n{piece.text}"


def _said(reply: ModelReply, calls: Sequence[ToolCall]) -> JsonObject:
    forms = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": canonical_json(call.arguments)},
        }
        for call in calls
    ]
    said: JsonObject = {"role": "assistant", "content": reply.text or None, "tool_calls": forms}
    return {**said, "provider_items": list(reply.items)} if reply.items and len(calls) == len(reply.calls) else said


def _argument(tool: ToolDefinition) -> str:
    return next((name for name in tool.parameters["properties"] if name not in {"first", "last"}), "")


def _told(text: str) -> Piece:
    return Piece("fact", text, "", 0.0)


def _joined(kind: str, title: str, pieces: Sequence[Piece]) -> Piece:
    if not pieces:
        return _told("nothing is recorded")
    text = "\n\n".join(f"{piece.title}:\n{piece.text}" for piece in pieces)
    source = {"of": [piece.source for piece in pieces]}
    return Piece("reference" if kind == "reference" else "pair", title, text, 1.0, source)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None

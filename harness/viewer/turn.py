"""One rollout as the page shows it: recorded and simulated steps side by side, each with its evidence. Pure.

With recorded actions every call stands beside its record. A candidate of its own is aligned with the recorded turn by
calls: the same calls in the same order stand side by side, what one side alone did stands alone.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.discriminator.serialise import Window, serialise_call, serialise_result
from harness.fidelity import grade_results
from harness.ledger import ModelStep, ToolStep
from harness.viewer.marks import Run, marked
from toolsim.actions import Mutation, PutFile, Seen
from toolsim.trajectory import JsonObject, Message, ToolCall, ToolResult, canonical_json

LIMIT = 6000
"""Characters of a text on the page; the rest is a link away."""
_PIECE = 4000
_CALL = 4000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge said of one pair: `taken` of `votes` took the simulated side for real. `asked`
    counts the exchanges that are kept word for word."""

    pair: str
    judge: str
    taken: int
    votes: int
    reasons: tuple[str, ...]
    invalid: tuple[str, ...] = ()
    asked: int = 0

    @property
    def word(self) -> str:
        """`told apart`, `passed for real`, `undecided`, or `no valid answer`."""
        if not self.votes:
            return "no valid answer"
        return {0: "told apart", self.votes: "passed for real"}.get(self.taken, "undecided")


@dataclass(frozen=True, slots=True)
class Text:
    """A text on the page as runs, and how many characters are left out of it."""

    runs: tuple[Run, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One mutation: its kind, what it is about, and its content or diff."""

    kind: str
    about: str
    text: str | None = None
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Seat:
    """One side of a row: a message, or the result of a call. `n` is the step of the ledger, `None` for the record."""

    heading: str
    text: Text
    n: int | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """What stands side by side. `kind` is `message` or `call`; the evidence is the simulated side's."""

    kind: str
    call: str | None
    recorded: Seat | None
    simulated: Seat | None
    n: int | None = None
    rung: str | None = None
    grade: str | None = None
    taken_in: bool = False
    seconds: float = 0.0
    evidence: JsonObject | None = None
    changes: tuple[Change, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


def forced_rows(
    steps: Iterable[tuple[int, ModelStep | ToolStep]], agent: str, verdicts: Mapping[tuple[str, str], Sequence[Verdict]]
) -> Iterator[Row]:
    """The rows of a rollout with recorded actions."""
    for n, step in steps:
        if isinstance(step, ModelStep):
            if step.message.text or step.message.reasoning or step.stop:
                yield Row("message", None, _seat("agent", _said(step.message), n, step.stop), None, n)
            continue
        yield _call_row(n, step, step.recorded, agent, verdicts)


def free_rows(
    reference: Sequence[Message], steps: Sequence[tuple[int, ModelStep | ToolStep]], agent: str
) -> Iterator[Row]:
    """The rows of a candidate's own turn, aligned with the recorded one by calls."""
    theirs, ours = list(_recorded_units(reference)), list(_units(steps))
    matcher = difflib.SequenceMatcher(None, [k for k, _ in theirs], [k for k, _ in ours], autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            for (_, old), (_, (n, new)) in zip(theirs[a:b], ours[c:d], strict=True):
                yield _both(old, n, new, agent)
            continue
        yield from (_alone(old) for _, old in theirs[a:b])
        yield from (_own(n, new, agent) for _, (n, new) in ours[c:d])


def by_texts(judged: Iterable[JsonObject]) -> dict[tuple[str, str], list[Verdict]]:
    """The verdicts on calls, by what was compared: serialised call and simulated text."""
    found: dict[tuple[str, str], list[Verdict]] = {}
    for pair in judged:
        found.setdefault((pair["body"]["action"], pair["body"]["simulated"]), []).extend(verdicts_on(pair))
    return found


def verdicts_on(pair: JsonObject) -> list[Verdict]:
    """What each judge said of a pair."""
    judges: dict[str, list[JsonObject]] = {}
    for said in pair["said"]:
        judges.setdefault(said["judge"], []).append(said)
    kept = pair.get("asked", {})
    return [
        _verdict(pair["id"], judge, rows, sum(n for place, n in kept.items() if place.rpartition("/r")[0] == judge))
        for judge, rows in judges.items()
    ]


def _verdict(pair: str, judge: str, rows: Sequence[JsonObject], asked: int) -> Verdict:
    valid = [r for r in rows if r["status"] == "valid"]
    taken = sum(bool(r["facts"]["simulated_taken"]) for r in valid)
    invalid = tuple(f"{r['status']}: {r['facts'].get('reason', '')}" for r in rows if r["status"] != "valid")
    return Verdict(
        pair, judge, taken, len(valid), tuple(str(r["facts"].get("reason", "")) for r in valid), invalid, asked
    )


def _call_row(
    n: int,
    step: ToolStep,
    recorded: ToolResult | None,
    agent: str,
    verdicts: Mapping[tuple[str, str], Sequence[Verdict]],
) -> Row:
    one = None if recorded is None else recorded.content
    other = None if step.answer is None else step.answer.content
    left, right = _marked(one, other)
    grade = None
    said: Sequence[Verdict] = ()
    if recorded is not None and step.answer is not None:
        grade = grade_results(recorded, step.answer, step.call, agent).name
    if step.answer is not None:
        said = verdicts.get((serialise_call(step.call, Window().message), serialise_result(step.answer)), ())
    return Row(
        kind="call",
        call=call_text(step.call),
        recorded=None if left is None or recorded is None else Seat(_flags(recorded), left, n),
        simulated=_simulated(n, step, right),
        n=n,
        rung=(step.rung or "unanswered") if step.asked else "not asked",
        grade=grade,
        taken_in=step.taken_in,
        seconds=step.seconds,
        evidence=step.evidence or None,
        changes=tuple(change(m) for m in step.mutations),
        verdicts=tuple(said),
    )


def _simulated(n: int, step: ToolStep, text: Text | None) -> Seat | None:
    if step.answer is not None and text is not None:
        return Seat(_flags(step.answer), text, n)
    if step.failure is not None:
        stage, reason = step.failure
        return _seat(f"no answer: {stage}", reason, n)
    return None


def _marked(one: str | None, other: str | None) -> tuple[Text | None, Text | None]:
    """Both texts with differences marked, each cut to the limit."""
    if one is None or other is None:
        return (None if one is None else _plain(one)), (None if other is None else _plain(other))
    left, right = marked(one[:LIMIT], other[:LIMIT])
    return Text(left, max(0, len(one) - LIMIT)), Text(right, max(0, len(other) - LIMIT))


def _plain(text: str) -> Text:
    return Text((Run("same", text[:LIMIT]),), max(0, len(text) - LIMIT))


def _seat(heading: str, text: str, n: int | None = None, note: str | None = None) -> Seat:
    return Seat(heading, _plain(text), n, note)


def _flags(result: ToolResult) -> str:
    parts = ["result"]
    if result.is_error:
        parts.append("error")
    if result.exit_code is not None:
        parts.append(f"exit {result.exit_code}")
    if result.images:
        parts.append(f"{result.images} images")
    return ", ".join(parts)


def call_text(call: ToolCall) -> str:
    """A call for people: its name, and its one argument as it is, or each on a line of its own."""
    if call.raw is not None or len(call.arguments) <= 1:
        return serialise_call(call, _CALL)
    lines = (
        f"  {name}: {value if isinstance(value, str) else canonical_json(value)}"
        for name, value in call.arguments.items()
    )
    text = "\n".join([call.name, *lines])
    return text if len(text) <= _CALL else text[:_CALL] + " …"


def _said(message: Message) -> str:
    thought = f"(thinks) {message.reasoning}\n\n" if message.reasoning else ""
    return thought + message.text


Unit = tuple[ToolCall, ToolResult | None] | Message


def _recorded_units(reference: Sequence[Message]) -> Iterator[tuple[str, Unit]]:
    results = {m.result.call_id: m.result for m in reference if m.result is not None}
    for message in reference:
        if message.result is None and (message.text or message.reasoning):
            yield f"text:{message.role}:{message.text}", message
        for call in message.calls:
            yield _call_key(call), (call, results.get(call.id))


def _units(
    steps: Sequence[tuple[int, ModelStep | ToolStep]],
) -> Iterator[tuple[str, tuple[int, ModelStep | ToolStep]]]:
    for n, step in steps:
        if isinstance(step, ToolStep):
            yield _call_key(step.call), (n, step)
        elif step.message.text or step.message.reasoning or step.stop:
            yield f"text:assistant:{step.message.text}", (n, step)


def _call_key(call: ToolCall) -> str:
    return f"call:{call.name}:{call.raw or canonical_json(call.arguments)}"


def _both(old: Unit, n: int, new: ModelStep | ToolStep, agent: str) -> Row:
    if isinstance(new, ToolStep) and isinstance(old, tuple):
        return _call_row(n, new, old[1], agent, {})
    assert isinstance(old, Message), "keys of texts and calls differ"
    return Row("message", None, _seat(old.role, _said(old)), _own(n, new, agent).simulated, n)


def _alone(old: Unit) -> Row:
    if isinstance(old, Message):
        return Row("message", None, _seat(old.role, _said(old)), None)
    call, result = old
    return Row("call", call_text(call), None if result is None else _seat(_flags(result), result.content), None)


def _own(n: int, new: ModelStep | ToolStep, agent: str) -> Row:
    if isinstance(new, ToolStep):
        return _call_row(n, new, None, agent, {})
    return Row("message", None, None, _seat("candidate", _said(new.message), n, new.stop), n)


def change(mutation: Mutation) -> Change:
    """A mutation for people; the content of a file as text where it is text."""
    if isinstance(mutation, PutFile):
        try:
            text = mutation.content.decode()
        except UnicodeDecodeError:
            return Change("put", f"{mutation.path} ({len(mutation.content)} bytes that are no text)")
        return Change("put", mutation.path, text[:_PIECE], max(0, len(text) - _PIECE))
    if isinstance(mutation, Seen):
        lines = "whole" if mutation.whole else f"from line {mutation.start}"
        return Change("seen", f"{mutation.path} ({lines})", mutation.text[:_PIECE], max(0, len(mutation.text) - _PIECE))
    fields: dict[str, Any] = {
        name: getattr(mutation, name) for name in type(mutation).__dataclass_fields__ if name != "type"
    }
    about = fields.pop("path", None)
    rest = json.dumps(fields, ensure_ascii=False, default=str) if fields else ""
    return Change(mutation.type, " ".join(part for part in (about, rest) if part))


def with_diffs(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows whose written files are shown as a diff against the last content that an earlier row of the page wrote."""
    known: dict[str, str] = {}
    for row in rows:
        changes = []
        for one in row.changes:
            before = known.get(one.about)
            if one.kind == "put" and one.text is not None and not one.left_out:
                known[one.about] = one.text
                changes.append(one if before is None else _diffed(one, before))
            else:
                changes.append(one)
        yield replace(row, changes=tuple(changes)) if changes else row


def _diffed(one: Change, before: str) -> Change:
    lines = difflib.unified_diff(
        before.splitlines(), (one.text or "").splitlines(), "before", "after", lineterm="", n=2
    )
    return Change("put", one.about, "\n".join(lines))

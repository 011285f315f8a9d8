"""The traits of a turn: everything that can be said of its actions and words without knowing what to look for. Pure.

A trait is a name such as `WebSearch.query: arithmetic` with the passage that shows it. Kinds: what was called (tools,
programs, options, classes, and their sequences), the shape of arguments, which files were named, claims against
actions, closing words and their stance, and the size of the turn.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from harness.callclass import action_of, class_of, command_line
from harness.discovery.claims import claims_of, mismatches, said_done
from harness.discovery.shapes import form_of, shapes_of
from harness.discovery.stance import stances_of
from harness.discovery.turns import Act, ActedTurn
from toolsim import shellparse
from toolsim.shellparse import Invocation
from toolsim.trajectory import ToolCall

_SPOKEN = frozenset(
    {"description", "explanation", "justification", "reason", "thought", "intent", "purpose", "summary"}
)
"""Arguments in which an agent says what a call is for."""
_BODIES = frozenset(
    {"content", "new_string", "old_string", "patch", "input", "file_text", "new_str", "old_str", "text"}
)
"""Arguments that hold files: their length and form say nothing of a behaviour, what they hold may."""
_COMMANDS = frozenset({"command", "cmd", "script"})
_PATH = re.compile(r"[\w.~@+-]*(?:/[\w.@+-]+)+|\b[\w-]+\.[a-z]{1,5}\b|(?<![\w/])\.[a-z][\w-]+")
_WORD = re.compile(r"[^\W\d_]{2,}")
_NGRAM = 3
_SHOWN = 160
_MANY_PATHS = 40

Trait = tuple[str, str]
"""Its name and the passage that shows it."""


def traits_of(turn: ActedTurn) -> dict[str, str]:
    """All traits of a turn by name, each with the first passage that shows it."""
    found: dict[str, str] = {}
    for name, passage in _all(turn):
        found.setdefault(name, passage)
    return found


def _all(turn: ActedTurn) -> Iterator[Trait]:
    fine: list[str] = []
    coarse: list[str] = []
    for act in turn.acts:
        action = action_of(act.call, turn.agent)
        kind, line = class_of(action), command_line(action)
        coarse.append(kind)
        fine.append(_label(act.call, line))
        yield from _call_traits(act, kind, line)
    shown = [_passage(act.call) for act in turn.acts]
    yield from _sequences(fine, "then", shown)
    yield from _sequences(coarse, "then (class)", shown)
    yield from _whole(turn, set(coarse))


def _call_traits(act: Act, kind: str, line: str) -> Iterator[Trait]:
    call, passage = act.call, _passage(act.call)
    yield f"class {kind}", passage
    yield f"tool {call.name}", passage
    shapes: set[str] = set()
    for name, value in _arguments(call):
        if name.split(".")[-1] in _SPOKEN:
            continue
        found = shapes_of(value)
        shapes |= {s for s in found if not s.startswith("at most")}
        for shape in found:
            if not (name in _BODIES and shape.startswith("at most")):
                yield f"{call.name}.{name}: {shape}", passage
        form = None if name in _COMMANDS or name in _BODIES else form_of(value)
        if form is not None:
            yield f"{call.name}.{name}: form {form!r}", passage
        for path in _PATH.findall(value)[:_MANY_PATHS]:
            yield from ((trait, passage) for trait in _path_traits(path))
    if line:
        yield from ((trait, passage) for trait in _line_traits(line))
    yield from _claims(act, kind, shapes)


def _claims(act: Act, kind: str, shapes: set[str]) -> Iterator[Trait]:
    """What is said of a call (its own description, else the words before it) against its class and its arguments."""
    spoken = " ".join(str(v) for n, v in act.call.arguments.items() if n in _SPOKEN and isinstance(v, str))
    said = spoken or act.said
    claimed = claims_of(said)
    passage = f"{said.strip()[:_SHOWN]!r} for {_passage(act.call)}"
    for name in mismatches(claimed, {kind}):
        yield name, passage
    for claim in claimed:
        yield f"says {claim} of {act.call.name}", passage
        for shape in shapes:
            yield f"says {claim}, argument: {shape}", passage


def _line_traits(line: str) -> Iterator[str]:
    parsed = shellparse.parse(line)
    for invocation in parsed.invocations:
        yield from _invocation_traits(invocation)
    for redirection in parsed.redirections:
        yield f"redirects {redirection.operator} to {_kind_of_path(redirection.target)}"
    for keyword in parsed.keywords:
        yield f"shell {keyword}"


def _invocation_traits(invocation: Invocation) -> Iterator[str]:
    inner = shellparse.wrapped(invocation)
    name = posixpath.basename(invocation.name)
    yield f"runs {name}"
    words = [w for w in invocation.arguments if not w.startswith("-")]
    sub = shellparse.git_subcommand(invocation.arguments) if name == "git" else (words or [""])[0]
    if sub.replace("-", "").replace(":", "").isalpha() and len(sub) <= 20:
        yield f"runs {name} {sub}"
    for option in (w.split("=")[0] for w in invocation.arguments if w.startswith("-") and len(w) > 1):
        if len(option) <= 24:
            yield f"runs {name} {option}"
    for shape in {s for w in invocation.arguments for s in shapes_of(w)}:
        if not shape.startswith("at most"):
            yield f"{name} word: {shape}"
    if inner is not None:
        yield f"{name} runs {posixpath.basename(inner.name)}"
        yield from _invocation_traits(inner)


def _path_traits(path: str) -> Iterator[str]:
    base = posixpath.basename(path)
    stem, dot, ending = base.rpartition(".")
    if dot and ending.isalnum() and len(ending) <= 6:
        yield f"names *.{ending}" if stem else f"names {base}"
    if base and len(base) <= 40:
        yield f"names file {base}"
    first = path.lstrip("/").split("/")[0]
    if "/" in path and first and len(first) <= 30:
        yield f"names below {'/' if path.startswith('/') else ''}{first}/"


def _kind_of_path(target: str) -> str:
    return next((t for t in _path_traits(target) if t.startswith("names *")), "a file").removeprefix("names ")


def _sequences(tokens: list[str], word: str, shown: list[str]) -> Iterator[Trait]:
    for size in range(2, _NGRAM + 1):
        for at in range(len(tokens) - size + 1):
            passage = "; ".join(text[: _SHOWN // size] for text in shown[at : at + size])
            yield f" {word} ".join(tokens[at : at + size]), passage
    for before, after in pairwise(tokens):
        if before == after:
            yield f"{before} again at once", before


def _whole(turn: ActedTurn, done: set[str]) -> Iterator[Trait]:
    count = len(turn.acts)
    closing = turn.closing.strip()
    passage = repr(closing[:_SHOWN])
    yield f"calls: {'none' if not count else _about(count)}", f"{count} calls"
    yield "closing text" if closing else "no closing text", passage
    if turn.acts:
        yield f"first: {_short(turn.acts[0].call)}", _passage(turn.acts[0].call)
        yield f"last: {_short(turn.acts[-1].call)}", _passage(turn.acts[-1].call)
    for claim in said_done(closing):
        yield f"says {claim} was done" + ("" if claim in done else f", but nothing of class {claim} was"), passage
    for shape in shapes_of(closing) if closing else ():
        yield f"closing: {shape}", passage
    for stance in stances_of(closing):
        yield f"closing text: {stance}", passage
    words = [w.lower() for w in _WORD.findall(closing)]
    for size in (1, 2):
        for at in range(len(words) - size + 1):
            yield f"closing words: {' '.join(words[at : at + size])}", passage


def _label(call: ToolCall, line: str) -> str:
    programs = shellparse.programs(line) if line else ()
    names = [posixpath.basename(p) for p in programs if p not in ("cd", "export", "set", "source")]
    return names[0] if names else call.name


def _short(call: ToolCall) -> str:
    return call.name


def _about(count: int) -> str:
    upper = 1
    while upper < count:
        upper *= 2
    return f"at most {upper}"


def _arguments(call: ToolCall) -> Iterator[tuple[str, str]]:
    if not call.arguments and call.raw:
        yield "input", call.raw
    for name, value in call.arguments.items():
        yield from _flat(name, value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for inner, part in value.items():
            yield from _flat(f"{name}.{inner}", part)
    elif isinstance(value, list):
        if value and all(isinstance(part, str) for part in value):
            yield name, " ".join(value)
        else:
            for part in value:
                yield from _flat(f"{name}[]", part)
    elif value is not None:
        yield name, str(value)


def _passage(call: ToolCall) -> str:
    shown = call.raw if call.raw and not call.arguments else ", ".join(f"{n}={v!r}" for n, v in call.arguments.items())
    return f"{call.name}({(shown or '')[:_SHOWN]})"

"""What is known about one call, as pieces of evidence: from the world's files, the reference, recorded pairs, sources.

Which of them may be asked is decided by the affordances; nothing after the moment and nothing of the session's own
lineage comes from the pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from toolsim import paths
from toolsim.actions import (
    Action,
    Delete,
    Edit,
    EditLines,
    Glob,
    Grep,
    ListDirectory,
    Listing,
    Matches,
    Opaque,
    Read,
    RunShell,
    Unknown,
    Write,
)  # fmt: skip
from toolsim.calldb import CallDatabase
from toolsim.commands import classify, commands, leading
from toolsim.connectors import Connector, Gate, Query, Sourced
from toolsim.errors import ConnectorError
from toolsim.evidence import Piece, describe
from toolsim.recorded import Record
from toolsim.recordedcalls import arguments_text
from toolsim.trajectory import JsonObject, Message, Session, ToolCall
from toolsim.window import call_text, middle_cut
from toolsim.world import World

_MOST_FILES = 8
_LONGEST_RESULT = 6_000
_CONFIGS: dict[str, tuple[str, ...]] = {
    "test": (
        "pyproject.toml",
        "pytest.ini",
        "setup.cfg",
        "tox.ini",
        "conftest.py",
        "package.json",
        "go.mod",
        "Cargo.toml",
    ),
    "lint": ("pyproject.toml", "ruff.toml", "mypy.ini", "setup.cfg", "tsconfig.json", "package.json"),
    "build": ("Makefile", "package.json", "tsconfig.json", "pyproject.toml", "go.mod", "Cargo.toml"),
    "format": ("pyproject.toml", ".prettierrc", "package.json"),
    "install": ("pyproject.toml", "requirements.txt", "package.json", "go.mod", "Cargo.toml"),
    "script": ("package.json",),
}
_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import\b|import\s+([\w.]+))", re.MULTILINE)
_SCRIPT_IMPORT = re.compile(r"""(?:from|require\()\s*['"](\.{1,2}/[^'"]+)['"]""")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where knowledge may come from; what an affordance leaves out is `None` or empty here.

    `unseen` are lineages, besides the session's own, that recorded pairs may not come from.
    """

    session: Session
    record: Record | None = None
    calls: CallDatabase | None = None
    connectors: tuple[Connector, ...] = ()
    gate: Gate = field(default_factory=Gate)
    unseen: tuple[str, ...] = ()

    async def ask(self, query: Query, as_of: float | None) -> tuple[Sourced | None, str | None]:
        """What the first connector that applies says, and why it could not, if so."""
        for connector in self.connectors:
            if connector.applies(query):
                try:
                    return await self.gate.ask(connector, query, as_of), None
                except ConnectorError as error:
                    return None, str(error)
        return None, None


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be answered: the call and its action, and for a program run its words, directory and input."""

    call: ToolCall
    action: Action
    cwd: str
    argv: tuple[str, ...] = ()
    line: str = ""
    stdin: str | None = None

    @property
    def programs(self) -> tuple[tuple[str, ...], ...]:
        """The program runs that it is about."""
        return (self.argv,) if self.argv else commands(self.line)

    @property
    def main(self) -> tuple[str, ...]:
        """The words of the program that matters most; empty for a tool call."""
        return self.argv or leading(self.line)

    @property
    def query(self) -> Query:
        """The question to a connector."""
        if self.argv or self.line:
            programs = self.programs
            return Query(argv=programs[0] if len(programs) == 1 else ())
        return Query(tool=self.call.name, arguments=self.call.arguments)


async def gather(subject: Subject, world: World, history: Sequence[Message], sources: Sources) -> list[Piece]:
    """All pieces, not yet chosen."""
    pieces = [*reference_pieces(subject, world, sources.record), *found(subject, world)]
    pieces += files(subject, world)
    pieces += pairs(subject, world, sources)
    pieces += forms(subject, history)
    pieces += facts(world)
    sourced, _ = await sources.ask(subject.query, world.as_of)
    if sourced is not None:
        pieces.append(source_piece(sourced))
    return pieces


def source_piece(sourced: Sourced) -> Piece:
    """What a connector said."""
    text = "\n".join(sourced.facts)
    if sourced.exact:
        text += f"\n\nIt comes out as (exit code {sourced.exit_code}):\n{sourced.stdout}{sourced.stderr}"
    return Piece("connector", "what the network source says", text, 0.95, {"urls": list(sourced.urls)})


def source_record(sourced: Sourced) -> JsonObject:
    """What a connector said, as stored with the answer."""
    return {"source": describe(source_piece(sourced)), "assumptions": list(sourced.assumptions)}


def reference_pieces(subject: Subject, world: World, record: Record | None) -> Iterable[Piece]:
    """The nearest recorded call of the reference, with a statement how its state differed."""
    if record is None:
        return
    near = record.near(subject.action, world)
    if near is None:
        return
    what = "the same call" if near.same_call else "a similar call"
    text = f"{call_text(near.entry.call, 1_000)}\n->\n{middle_cut(near.entry.result.content, _LONGEST_RESULT)}"
    title = f"{what}, recorded on this machine {near.difference}"
    value = 1.0 if near.same_call else 0.7
    yield Piece("reference", title, text, value, {"reference": near.entry.index, "same_call": near.same_call})


def found(subject: Subject, world: World) -> Iterable[Piece]:
    """What the known files hold for a search or a listing."""
    if not isinstance(subject.action, Glob | Grep | ListDirectory):
        return
    outcome, _ = world.perform(subject.action)
    match outcome:
        case Matches(matches):
            lines = [f"{m.path}:{m.line}:{m.text}" for m in matches]
        case Listing(listed):
            lines = list(listed)
        case Unknown():
            return
        case _:
            lines = [str(outcome)]
    yield Piece("search", "what the known files hold for this", "\n".join(lines) or "nothing", 0.9, {"by": "search"})


def files(subject: Subject, world: World) -> Iterable[Piece]:
    """The files that the call is about as they are now, then those they import, configuration, and what was changed."""
    named = _named(subject, world)
    ranked: dict[str, float] = {}
    for path in named:
        ranked.setdefault(path, 0.85)
    for path in [p for name in named for p in _imported(name, world)]:
        ranked.setdefault(path, 0.6)
    kind = classify(subject.main)
    if kind != "look":
        for path in sorted(world.overlay().changed, reverse=True):
            ranked.setdefault(path, 0.55)
        for name in _CONFIGS.get(kind, ()):
            ranked.setdefault(paths.join(world.root, name), 0.4)
    shown = 0
    for path, value in sorted(ranked.items(), key=lambda item: -item[1]):
        content = world.read(path) if world.kind(path) == "file" else None
        if not isinstance(content, bytes) or b"\0" in content[:8_000]:
            continue
        text = content.decode("utf-8", "surrogateescape")
        yield Piece("file", f"the file {path} as it is now", text, value, {"path": path})
        shown += 1
        if shown == _MOST_FILES:
            return


def pairs(subject: Subject, world: World, sources: Sources) -> Iterable[Piece]:
    """The nearest recorded calls of other sessions, none later than the moment."""
    if sources.calls is None:
        return
    text = " ".join(subject.argv) or subject.line or arguments_text(subject.call)
    own = (sources.session.lineage, *sources.unseen)
    hits = sources.calls.search(text[:2_000], tool=subject.call.name, before=world.as_of, not_lineage=own, limit=4)
    for rank, recorded in enumerate(hits):
        shown = f"{call_text(recorded.call, 1_000)}\n->\n{middle_cut(recorded.result.content, _LONGEST_RESULT)}"
        title = "how the same tool answered a similar call in another session"
        yield Piece(
            "pair", title, shown, 0.5 - 0.05 * rank, {"session": recorded.session, "position": recorded.position}
        )


def forms(subject: Subject, history: Sequence[Message]) -> Iterable[Piece]:
    """Earlier results of the same tool in this session, where nothing else shows the form of its results."""
    if not isinstance(subject.action, Opaque):
        return
    names = {call.id: call for message in history for call in message.calls}
    past = [(names[m.result.call_id], m.result) for m in history if m.result and m.result.call_id in names]
    same = [(call, result) for call, result in past if call.name == subject.call.name]
    for rank, (call, result) in enumerate(reversed(same[-2:])):
        text = f"{call_text(call, 600)}\n->\n{middle_cut(result.content, 2_000)}"
        yield Piece("form", "how this tool answered before", text, 0.8 - 0.1 * rank, {"call": call.id})


def facts(world: World) -> Iterable[Piece]:
    """What else is true: programs that were run, what was installed."""
    if world.facts:
        lines = list(dict.fromkeys(fact.text for fact in world.facts))[-20:]
        yield Piece("fact", "what has been done on this machine", "\n".join(lines), 0.45, {"facts": len(lines)})


def _named(subject: Subject, world: World) -> list[str]:
    match subject.action:
        case Read(path) | Write(path) | Edit(path) | EditLines(path) | Delete(path) if not subject.argv:
            return [world.key(path)]
    words = [word for argv in subject.programs for word in argv[1:]]
    if isinstance(subject.action, RunShell) or subject.argv:
        return _files_among(words, world, subject.cwd)
    values = [v for v in subject.call.arguments.values() if isinstance(v, str) and len(v) < 500 and "\n" not in v]
    return _files_among(values, world, subject.cwd)


def _files_among(words: Iterable[str], world: World, cwd: str) -> list[str]:
    found: list[str] = []
    for word in words:
        for candidate in _spellings(word):
            path = paths.canonical(candidate, cwd, windows=world.windows)
            if world.kind(path) == "file" and path not in found:
                found.append(path)
            elif world.kind(path) == "dir" and path != world.root and "test" in candidate:
                under = world.files_under(path)
                found += [p for p in under if p not in found][:4] if isinstance(under, tuple) else []
    return found


def _spellings(word: str) -> Iterable[str]:
    """A word as the paths that it may name: `a.py::T::t`, `--file=a.py`, `pkg.mod`, `a.py:12`."""
    if word.startswith("-") and "=" not in word:
        return
    plain = word.partition("=")[2] if word.startswith("-") else word
    plain = plain.partition("::")[0]
    yield plain
    if ":" in plain:
        yield plain.partition(":")[0]
    if re.fullmatch(r"[\w.]+", plain) and "." in plain:
        yield plain.replace(".", "/") + ".py"
        yield plain.replace(".", "/") + "/__main__.py"


def _imported(path: str, world: World) -> list[str]:
    """Files of the repository that a file imports (Python modules, relative script imports)."""
    content = world.read(path)
    if not isinstance(content, bytes) or len(content) > 400_000:
        return []
    text = content.decode("utf-8", "replace")
    if path.endswith(".py"):
        modules = [a or b for a, b in _IMPORT.findall(text)]
        names = [name for module in modules for name in _module_files(module)]
        return [
            p for n in names for base in (world.root, f"{world.root}/src") if world.kind(p := f"{base}/{n}") == "file"
        ]
    candidates = [
        paths.canonical(target + suffix, paths.parent(path))
        for target in _SCRIPT_IMPORT.findall(text)
        for suffix in ("", ".ts", ".tsx", ".js", "/index.ts", "/index.js")
    ]
    return [candidate for candidate in candidates if world.kind(candidate) == "file"]


def _module_files(module: str) -> tuple[str, ...]:
    stem = module.replace(".", "/").strip("/")
    return (f"{stem}.py", f"{stem}/__init__.py") if stem else ()

"""The rung `simulated` for a whole call: which form the model fills in for an action, and the outcome made of it.

What the model writes goes through the scaffold's own renderer where that has a form for the outcome; else the model
writes the result's whole text. Effects of file tools are applied by code, and only where the model says that the tool
took them; a claim that the files contradict gives way to them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from toolsim import paths, program
from toolsim.actions import (
    Action,
    Advance,
    Ask,
    Blur,
    Changed,
    Delegate,
    Delete,
    Edit,
    EditLines,
    FileText,
    Glob,
    Grep,
    Invalid,
    Kill,
    ListDirectory,
    Listing,
    MarkRead,
    Match,
    Matches,
    Mutation,
    Note,
    Noted,
    Opaque,
    Outcome,
    Patch,
    Poll,
    Problem,
    PutFile,
    Read,
    Reply,
    RunShell,
    Seen,
    ShellOutput,
    StartProcess,
    Unknown,
    Write,
)  # fmt: skip
from toolsim.answerers import in_background, new_handle
from toolsim.commands import leading
from toolsim.errors import SimulationFailed
from toolsim.forms import (
    ChangeReply,
    FormName,
    MatchesReply,
    NoteReply,
    PathsReply,
    ProgramReply,
    ReadReply,
    TextReply,
)  # fmt: skip
from toolsim.gather import Subject
from toolsim.program import Asked, Pen, Written
from toolsim.scaffolds.base import Rendered, Scaffold, ScaffoldProfile
from toolsim.seeds import derive_seed
from toolsim.trajectory import JsonObject, Message
from toolsim.world import World

_MOST_PADDING = 200_000


@dataclass(frozen=True, slots=True)
class Simulated:
    """The result in the scaffold's form, and what it did."""

    rendered: Rendered
    duration: float | None
    mutations: tuple[Mutation, ...]
    written: tuple[Written, ...]
    notes: JsonObject


@dataclass(frozen=True, slots=True)
class Place:
    """One call in its place: what is asked, of whom, and where it stands."""

    subject: Subject
    scaffold: Scaffold
    profile: ScaffoldProfile
    world: World
    history: Sequence[Message]
    step: int
    pen: Pen

    @property
    def action(self) -> Action:
        """What the call does."""
        return self.subject.action

    def render(self, outcome: Outcome) -> Rendered | Unknown:
        """The outcome in the scaffold's form."""
        return self.scaffold.render(self.subject.call, self.action, outcome, self.profile, self.world.env)

    async def ask(self, form: FormName, role: str = "tool", note: str = "") -> Written:
        """Ask the model; `note` is added to the question."""
        subject = replace(self.subject, line=f"{self.subject.line}\n{note}") if note else self.subject
        return await program.write(Asked(subject, form, self.step, role), self.world, self.history, self.pen)

    def text(self, text: object, written: Written) -> str:
        """A written text, references expanded."""
        return program.text_of(text, written, self.world, self.subject.cwd)  # type: ignore[arg-type]

    @property
    def seed(self) -> int:
        """The seed of what code invents for this call."""
        return derive_seed(self.pen.seed, self.step, "code")


def form_of(action: Action) -> FormName:
    """The form in which the outcome of an action is written."""
    match action:
        case Read():
            return "read"
        case Write() | Edit() | EditLines() | Delete() | Patch():
            return "change"
        case Glob() | ListDirectory():
            return "paths"
        case Grep():
            return "matches"
        case RunShell(background=background):
            return "process" if background else "program"
        case Poll():
            return "process"
        case Note():
            return "note"
        case Opaque(network=network):
            return "reply" if network else "work"
        case Delegate():
            return "work"
        case Ask() | Kill() | Invalid():
            return "reply"


async def simulate(place: Place) -> Simulated:
    """The result of one call as the model writes it.

    Raises:
        SimulationFailed: the model gave no usable reply.
        BudgetExceeded: a limit was reached.
    """
    form = form_of(place.action)
    if form == "change":
        return await _change(place)
    if isinstance(place.action, RunShell) and place.action.background:
        return await _background(place, place.action)
    probe = _probe(form, place.action)
    if probe is not None and isinstance(place.render(probe), Unknown):
        return await _whole_text(place)
    written = await place.ask(form)
    outcome, mutations, notes = _outcome(written, place)
    rendered = place.render(outcome)
    if isinstance(rendered, Unknown):
        return await _whole_text(place, (written,))
    duration = outcome.duration if isinstance(outcome, ShellOutput) else None
    return Simulated(rendered, duration, mutations, (written,), notes)


def _probe(form: FormName, action: Action) -> Outcome | None:
    """An outcome of the form, to see whether the scaffold can show such."""
    path = getattr(action, "path", "")
    probes: dict[FormName, Outcome] = {
        "program": ShellOutput("x\n", "x\n", "", 0),
        "process": ShellOutput("x\n", "x\n", "", 0),
        "read": FileText(path, "x\n"),
        "paths": Listing(("x",)),
        "matches": Matches((Match(paths.join(path, "x"), 1, "x"),)),
        "note": Noted(),
    }
    return probes.get(form)


def _outcome(written: Written, place: Place) -> tuple[Outcome, tuple[Mutation, ...], JsonObject]:
    match written.reply, place.action:
        case ProgramReply() as reply, Poll(handle):
            return _poll(reply, handle, written, place)
        case ProgramReply() as reply, RunShell() as action:
            return _ran(reply, action, written, place)
        case ReadReply() as reply, Read() as action:
            return _read(reply, action, written, place)
        case PathsReply(found=found, paths=listed), action:
            return _listing(action, listed, found=found), (), {}
        case MatchesReply(matches=found), Grep(_, path):
            base = place.world.key(path)
            made = [Match(paths.canonical(m.path, base), m.line, m.text) for m in found]
            return Matches(tuple(made)), (), {}
        case NoteReply(success=success, text=text), _:
            return (Noted() if success else Reply(text, is_error=True)), (), {}
        case TextReply() as reply, _:
            return _reply(reply, written, place)
    raise SimulationFailed("simulated", f"no outcome is made of {type(written.reply).__name__}")


def _printed(reply: ProgramReply, written: Written, place: Place) -> ShellOutput:
    stdout = place.text(reply.stdout, written)
    between = "\n" if stdout and reply.stderr and not stdout.endswith("\n") else ""
    return ShellOutput(stdout + between + reply.stderr, stdout, reply.stderr, reply.exit_code, reply.duration)


def _ran(
    reply: ProgramReply, action: RunShell, written: Written, place: Place
) -> tuple[Outcome, tuple[Mutation, ...], JsonObject]:
    output = _printed(reply, written, place)
    argv = leading(action.command) or (action.command,)
    mutations, rejected = program.program_mutations(reply, argv, place.world, place.subject.cwd, place.seed)
    if action.timeout is not None and reply.duration > action.timeout:
        output = replace(output, exit_code=None, duration=action.timeout, timed_out=True)
        mutations = tuple(m for m in mutations if not isinstance(m, PutFile))
    return output, (*mutations, Advance(output.duration)), {"rejected": list(rejected)} if rejected else {}


def _poll(
    reply: ProgramReply, handle: str, written: Written, place: Place
) -> tuple[Outcome, tuple[Mutation, ...], JsonObject]:
    output = replace(_printed(reply, written, place), running=handle if reply.running else None)
    if reply.running:
        output = replace(output, exit_code=None)
    known = place.world.processes.get(handle)
    after = StartProcess(handle, known.command if known else "", (), output.exit_code)
    return output, (after, Advance(reply.duration)), {}


def _read(
    reply: ReadReply, action: Read, written: Written, place: Place
) -> tuple[Outcome, tuple[Mutation, ...], JsonObject]:
    if reply.kind != "file":
        return Problem("missing" if reply.kind == "missing" else "is_directory", action.path), (), {}
    text = place.text(reply.text, written)
    first = max(1, action.offset or 1)
    whole = action.offset in (None, 0, 1) and action.limit is None
    seen: tuple[Mutation, ...] = (MarkRead(action.path),)
    if whole and place.world.kind(action.path) == "unknown" and reply.total_lines <= len(text.splitlines()):
        seen = (Seen(action.path, text, whole=True), *seen)
    missing = reply.total_lines - (first - 1) - len(text.splitlines())
    below = "\n" * min(max(0, missing), _MOST_PADDING) if action.limit is not None else ""
    ended = text if text.endswith("\n") or not below else text + "\n"
    return FileText(action.path, "\n" * min(first - 1, _MOST_PADDING) + ended + below), seen, {}


def _listing(action: Action, listed: Sequence[str], *, found: bool) -> Outcome:
    path = getattr(action, "path", "")
    if not found:
        return Problem("missing", path)
    if isinstance(action, Glob):
        return Listing(tuple(paths.canonical(one, path) for one in listed))
    return Listing(tuple(one.removeprefix("./") for one in listed))


def _reply(reply: TextReply, written: Written, place: Place) -> tuple[Outcome, tuple[Mutation, ...], JsonObject]:
    text = place.text(reply.text, written)
    mutations, rejected = _worked(reply, place)
    return Reply(text, reply.is_error), mutations, {"rejected": list(rejected)} if rejected else {}


def _worked(reply: TextReply, place: Place) -> tuple[tuple[Mutation, ...], tuple[str, ...]]:
    if isinstance(place.action, Ask | Invalid | Note) or reply.is_error:
        return (), ()
    if isinstance(place.action, Kill):
        _, ends = place.world.perform(place.action)
        return ends, ()
    files, rejected = program.claimed(reply.files_changed, place.world, place.subject.cwd)
    trace = (
        ()
        if isinstance(place.action, Opaque) and place.action.network
        else (program.ran(place.subject.call.name, None, place.seed),)
    )
    return (*files, *trace), rejected


async def _change(place: Place) -> Simulated:
    """An edit tool: the model says whether it was taken, code says what it does."""
    outcome, mutations = place.world.perform(place.action)
    computed = place.render(outcome) if not isinstance(outcome, Unknown) else outcome
    if isinstance(computed, Unknown):
        return await _whole_text(place)
    written = await place.ask("change")
    reply = written.reply
    assert isinstance(reply, ChangeReply)
    if isinstance(outcome, Changed) and not reply.success:
        return await _whole_text(place, (written,), note="The tool refuses it: " + reply.problem)
    notes: JsonObject = {}
    if not isinstance(outcome, Changed) and reply.success:
        notes = {"overruled": "the files as they are now do not take this edit"}
    return Simulated(computed, None, mutations, (written,), notes)


async def _whole_text(place: Place, before: tuple[Written, ...] = (), note: str = "") -> Simulated:
    """The result's whole text as the agent sees it, where the scaffold's form is not known."""
    form: FormName = "work" if form_of(place.action) == "work" else "reply"
    written = await place.ask(form, "text", note)
    reply = written.reply
    assert isinstance(reply, TextReply)
    text = place.text(reply.text, written)
    mutations, rejected = _after_text(reply, place)
    notes: JsonObject = {"form": "whole text", **({"rejected": list(rejected)} if rejected else {})}
    return Simulated(Rendered(text, reply.is_error), None, mutations, (*before, written), notes)


def _after_text(reply: TextReply, place: Place) -> tuple[tuple[Mutation, ...], tuple[str, ...]]:
    """What a call did whose result is only text: file tools by code, or what they touch becomes unknown."""
    action = place.action
    if reply.is_error:
        return (), ()
    match action:
        case Write() | Edit() | EditLines() | Delete() | Patch():
            outcome, mutations = place.world.perform(action)
            if mutations or isinstance(outcome, Changed):
                return mutations, ()
            path = getattr(action, "path", None)
            where = path if isinstance(path, str) else place.world.root + "/"
            return (Blur(where, "an edit that cannot be followed", scope="content"),), ()
        case Read(path):
            return (MarkRead(path),), ()
        case RunShell(command):
            return (program.ran(command, None, place.seed),), ()
        case Glob() | Grep() | ListDirectory() | Poll():
            return (), ()
    return _worked(reply, place)


async def _background(place: Place, action: RunShell) -> Simulated:
    """A process that goes on: the tool's answer is a form, what it prints is kept on the world for later polls."""
    handle = new_handle(place.world, place.profile.scaffold, random.Random(place.seed))
    written = await place.ask("process")
    reply = written.reply
    assert isinstance(reply, ProgramReply)
    output, mutations, notes = _ran(reply, replace(action, timeout=None), written, place)
    assert isinstance(output, ShellOutput)
    shown, started = in_background(handle, action.command, output, goes_on=reply.running)
    effects = (*(m for m in mutations if not isinstance(m, Advance)), started)
    rendered = place.render(shown)
    if isinstance(rendered, Unknown):
        told = await _whole_text(place, (written,), f"It was started in the background under the id {handle}.")
        return replace(told, mutations=effects)
    return Simulated(rendered, None, effects, (written,), notes)

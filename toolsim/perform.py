"""What an action does in a world, computed exactly: the neutral semantics of file tools, notes and processes.

Every function is pure: it returns the outcome and the mutations that follow, and changes nothing. Where the world
cannot know, the outcome is `Unknown`; mutations beside an `Unknown` are what follows if the tool succeeds (a write
puts its content whether or not we know if the file was there before). What a real tool would report as a failure is a
`Problem`, with no mutations. Shell commands, sub-agents, questions and opaque tools are other rungs' work.

Profile parameters read here: `must_read` (edits of files that the agent has not read since their last change are
refused; so a write to a place that the agent never read finds nothing there, and an edit of a file that it did read
finds what it replaces), `newlines` (`"keep"`: texts are matched as they are; else CRLF is matched as LF and written
back as CRLF),
`clamp_lines` (ranges past the end of a file are cut to it, and every line gets a line end).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from toolsim import patching, search
from toolsim.actions import (
    Action,
    Blur,
    Change,
    Changed,
    Delete,
    Edit,
    EditLines,
    EndProcess,
    Fact,
    FileText,
    Glob,
    Grep,
    Invalid,
    Kill,
    ListDirectory,
    Listing,
    MarkRead,
    Mutation,
    Note,
    Noted,
    Outcome,
    Patch,
    Poll,
    Problem,
    PutFile,
    Read,
    RemovePath,
    Replacement,
    Reply,
    ShellOutput,
    StartProcess,
    Unknown,
    Write,
)  # fmt: skip
from toolsim.marks import Absent, Names, Unseen
from toolsim.paths import join

if TYPE_CHECKING:
    from toolsim.world import Process, World

Performed: TypeAlias = tuple[Outcome | Unknown, tuple[Mutation, ...]]


def perform(action: Action, world: World) -> Performed:
    """The outcome of the action in the world, or `Unknown`, and its mutations."""
    performer = _PERFORMERS.get(type(action))
    return (Unknown("not a file action"), ()) if performer is None else performer(action, world)


def decode(content: bytes) -> str:
    """File bytes as text; undecodable bytes are kept (surrogateescape)."""
    return content.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The inverse of `decode`; lone surrogates that are no kept bytes become the replacement character."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _read(action: Read, world: World) -> Performed:
    found = _text(world, action.path)
    if isinstance(found, str):
        return FileText(action.path, found), (MarkRead(action.path),)
    return found, (MarkRead(action.path),) if isinstance(found, Unknown) else ()


def _text(world: World, path: str) -> str | Problem | Unknown:
    """The text of an existing file, or why not."""
    kind = world.kind(path)
    if kind == "dir":
        return Problem("is_directory", path)
    if kind == "absent":
        return Problem("missing", path, {"siblings": siblings(world, path)})
    content = world.read(path)
    if isinstance(content, bytes):
        return Problem("binary", path, {"bytes": len(content)}) if b"\0" in content[:8192] else decode(content)
    return Unknown(content.reason if isinstance(content, Unseen) else "absent")


def siblings(world: World, path: str) -> list[str]:
    """Names that stand beside a missing path, for tools that suggest one."""
    directory = world.key(path).rpartition("/")[0] or "/"
    found = world.listing(directory) if world.kind(directory) == "dir" else None
    return list(found.names) if isinstance(found, Names) else []


def _write(action: Write, world: World) -> Performed:
    put = (PutFile(action.path, encode(action.content), _mode(world, action.path)), MarkRead(action.path))
    kind = world.kind(action.path)
    if kind == "dir":
        return Problem("is_directory", action.path), ()
    if kind == "unknown" and world.profile.parameters.get("must_read") and not _was_read(world, action.path):
        return Changed((Change(action.path, None, action.content),)), put
    if kind == "unknown":
        return Unknown(f"whether {action.path} exists"), put
    if kind == "file" and action.must_be_new:
        return Problem("exists", action.path), ()
    refusal = _refusal(world, action.path) if kind == "file" else None
    if refusal is not None:
        return refusal, put if isinstance(refusal, Unknown) else ()
    before = world.read(action.path)
    if isinstance(before, Unseen):
        return Unknown(before.reason), put
    text = None if isinstance(before, Absent) else decode(before)
    return Changed((Change(action.path, text, action.content),)), put


def _mode(world: World, path: str) -> int:
    return world.mode(path) if world.kind(path) == "file" else 0o100644


def _refusal(world: World, path: str) -> Problem | Unknown | None:
    """Whether the scaffold insists on a read that has not happened since the last change."""
    if not world.profile.parameters.get("must_read"):
        return None
    fresh = world.read_since_change(path)
    if fresh is None:
        return Problem("not_read", path)
    return None if fresh else Unknown("the file may have changed since it was read")


def _edit(action: Edit, world: World) -> Performed:
    path, creating = action.path, action.replacements[:1] and action.replacements[0].old == ""
    for step in action.replacements:
        if step.old == step.new:
            return Problem("identical", path), ()
    kind = world.kind(path)
    if kind == "absent" and creating:
        return _edited(world, path, None, "", action.replacements)
    found = _text(world, path)
    if isinstance(found, Problem):
        return found, ()
    refusal = _refusal(world, path) if kind == "file" else None
    if isinstance(refusal, Problem):
        return refusal, ()
    if isinstance(found, Unknown):
        return _edited_unseen(action, found, world)
    if creating and found.strip():
        return Problem("exists", path), ()
    outcome, mutations = _edited(world, path, found, found, action.replacements)
    return (refusal, mutations) if refusal is not None else (outcome, mutations)


def _was_read(world: World, path: str) -> bool:
    return world.read_since_change(path) is not None


def _edited_unseen(action: Edit, found: Unknown, world: World) -> Performed:
    """An edit of a file whose text is not certain, by a tool that insists on a read before: it finds what it replaces.

    Not where the text that was last certain lacks what is replaced, or has it several times.
    """
    path, last = action.path, world.files.last_known(world.key(action.path))
    if not world.profile.parameters.get("must_read") or not _was_read(world, path):
        return found, ()
    if not all(step.old for step in action.replacements):
        return found, ()
    if last is not None and isinstance(replace_all(path, decode(last), action.replacements), Problem):
        return found, ()
    blur = Blur(path, "an edit that cannot be followed", scope="content")
    return Changed((Change(path, None, None),), unseen=True), (blur, MarkRead(path))


def _edited(world: World, path: str, before: str | None, text: str, steps: tuple[Replacement, ...]) -> Performed:
    after = replace_all(path, text, steps, keep_newlines=world.profile.parameters.get("newlines") == "keep")
    if isinstance(after, Problem):
        return after, ()
    put = PutFile(path, encode(after), _mode(world, path))
    return Changed((Change(path, before, after),)), (put, MarkRead(path))


def replace_all(path: str, text: str, steps: tuple[Replacement, ...], *, keep_newlines: bool = False) -> str | Problem:
    """The text after string replacements, in order, all or nothing.

    Unless `keep_newlines`, a text whose line ends are mostly CRLF is matched with LF and gets CRLF back.
    """
    windows = not keep_newlines and text.count("\r\n") * 2 > text.count("\n") > 0
    current = text.replace("\r\n", "\n") if windows else text
    for index, step in enumerate(steps):
        old, new = (t.replace("\r\n", "\n") if windows else t for t in (step.old, step.new))
        count = current.count(old) if old else 1
        if count == 0:
            return Problem("not_found_in_file", path, {"old": step.old, "index": index})
        if count > 1 and not step.every:
            return Problem("not_unique", path, {"old": step.old, "count": count, "index": index})
        current = current.replace(old, new) if old else new + current
    return current.replace("\n", "\r\n") if windows else current


def _edit_lines(action: EditLines, world: World) -> Performed:
    found = _text(world, action.path)
    if not isinstance(found, str):
        return found, ()
    lines = found.split("\n")
    lines = [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    start, end = action.start, action.end
    if world.profile.parameters.get("clamp_lines"):
        lines = [line if line.endswith("\n") else f"{line}\n" for line in lines]
        start, end = min(start, len(lines) + 1), min(end, len(lines))
    if not (1 <= start <= len(lines) + 1 and end <= len(lines) and end >= start - 1):
        return Problem("bad_range", action.path, {"lines": len(lines)}), ()
    head = "".join(lines[: start - 1])
    if head and not head.endswith("\n") and action.text:
        return Unknown("tools differ on text after a last line without a line end"), ()
    text = action.text + "\n" if action.text and not action.text.endswith("\n") else action.text
    after = head + text + "".join(lines[end:])
    put = PutFile(action.path, encode(after), _mode(world, action.path))
    return Changed((Change(action.path, found, after),)), (put,)


def _delete(action: Delete, world: World) -> Performed:
    found = _text(world, action.path)
    if isinstance(found, Problem) and found.kind != "binary":
        return found, ()
    gone = (RemovePath(action.path),)
    return (Changed((Change(action.path, found, None),)), gone) if isinstance(found, str) else (Unknown("unseen"), gone)


def _patch(action: Patch, world: World) -> Performed:
    changes = patching.parse(action.text, action.form)
    if isinstance(changes, Problem):
        return changes, ()
    done: list[Change] = []
    mutations: list[Mutation] = []
    trial = world.fork()
    unknown: Unknown | None = None
    for change in changes:
        path = change.path if change.path.startswith("/") else join(world.key(action.cwd), change.path)
        target = None if change.moved_to is None else join(world.key(action.cwd), change.moved_to)
        before = None if change.kind == "add" else _text(trial, path)
        if isinstance(before, Problem):
            detail = {**before.detail, "operation": change.kind, "seen": world.key(path) in trial.files.marks}
            return Problem(before.kind, change.path, detail), ()
        if isinstance(before, Unknown):
            unknown = before
            continue
        after = patching.apply_change(change, before)
        if isinstance(after, Problem):
            return Problem(after.kind, change.path, {**after.detail, "seen": world.key(path) in trial.files.marks}), ()
        made: list[Mutation] = [RemovePath(path)] if after is None or target is not None else []
        if after is not None:
            made.append(PutFile(target or path, encode(after), _mode(trial, path)))
        for mutation in made:
            trial.apply(mutation)
        mutations.extend(made)
        done.append(Change(change.path, before, after, change.moved_to))
    return (unknown, ()) if unknown is not None else (Changed(tuple(done)), tuple(mutations))


def _list(action: ListDirectory, world: World) -> Outcome | Unknown:
    kind = world.kind(action.path)
    if kind == "absent":
        return Problem("missing", action.path)
    if kind == "file":
        return Problem("not_directory", action.path)
    found = world.listing(action.path)
    if not isinstance(found, Names):
        return Unknown(found.reason if isinstance(found, Unseen) else "absent")
    if not found.complete and not world.profile.parameters.get("list_tracked_only"):
        return Unknown("untracked entries may stand in the directory")
    return Listing(tuple(_entries(world, world.key(action.path), "", action.depth)))


def _entries(world: World, directory: str, prefix: str, depth: int) -> list[str]:
    lines: list[str] = []
    found = world.listing(directory)
    for name in found.names if isinstance(found, Names) else ():
        child = join(directory, name)
        if world.kind(child) != "dir":
            lines.append(prefix + name)
            continue
        lines.append(f"{prefix}{name}/")
        if depth > 1:
            lines.extend(_entries(world, child, f"{prefix}{name}/", depth - 1))
    return lines


def _poll(action: Poll, world: World) -> Performed:
    process = world.processes.get(action.handle)
    if process is None:
        return _no_process(action.handle, world), ()
    elapsed = _elapsed(process, world)
    if action.stdin or elapsed is None or (not process.output and process.exit_code is None):
        return Unknown("what the process has printed"), ()
    text = "".join(chunk for at, chunk in process.output if at <= elapsed)
    rest = tuple((at, chunk) for at, chunk in process.output if at > elapsed)
    running = None if not rest and process.exit_code is not None else process.handle
    code = process.exit_code if running is None else None
    outcome = ShellOutput(text, text, "", code, running=running)
    return outcome, (StartProcess(process.handle, process.command, rest, process.exit_code),)


def _no_process(handle: str, world: World) -> Problem | Unknown:
    """Sub-agents in the background have handles that only they told."""
    if any(fact.text.startswith("sub-agent ") for fact in world.facts):
        return Unknown("whether that is a sub-agent in the background")
    return Problem("no_process", None, {"handle": handle})


def _elapsed(process: Process, world: World) -> float | None:
    if process.started is None or world.now is None:
        return None
    return world.now - process.started


def _kill(action: Kill, world: World) -> Performed:
    process = world.processes.get(action.handle)
    if process is None:
        return _no_process(action.handle, world), ()
    if process.ended:
        return Problem("no_process", None, {"handle": action.handle, "ended": True}), ()
    return Reply(process.command), (EndProcess(action.handle),)


def _note(action: Note, world: World) -> Performed:
    """A note is taken. One of kind `numbered:X` gets the next number of its kind, as a `Reply`; one of kind `skill:X`
    the place of the skill or command in the project, if it is there.
    """
    if action.kind.startswith("skill:"):
        found = _skill(action.kind.removeprefix("skill:"), world)
        return (Noted() if found is None else Reply(found)), ()
    if not action.kind.startswith("numbered:"):
        return Noted(), ()
    kind = action.kind.removeprefix("numbered:")
    taken = [int(n) for fact in world.facts for n in re.findall(rf"^{re.escape(kind)} (\d+)$", fact.text)]
    number = max(taken, default=0) + 1
    return Reply(str(number)), (Fact(f"{kind} {number}", ""),)


def _skill(name: str, world: World) -> str | None:
    folder = join(world.root, ".claude")
    below = name.replace(":", "/")
    places = (f"skills/{name}/SKILL.md", f"commands/{below}.md") if re.fullmatch(r"[\w.:-]+", name) else ()
    return next((place for p in places if world.kind(place := join(folder, p)) == "file"), None)


def _invalid(action: Invalid, _: World) -> Performed:
    return Problem("invalid", None, {"message": action.message}), ()


_PERFORMERS: dict[type, Callable[[Any, World], Performed]] = {
    Read: _read,
    Write: _write,
    Edit: _edit,
    EditLines: _edit_lines,
    Delete: _delete,
    Patch: _patch,
    Poll: _poll,
    Kill: _kill,
    Glob: lambda action, world: (search.glob(action, world), ()),
    Grep: lambda action, world: (search.grep(action, world), ()),
    ListDirectory: lambda action, world: (_list(action, world), ()),
    Note: _note,
    Invalid: _invalid,
}

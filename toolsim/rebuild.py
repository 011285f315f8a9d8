"""A world from what is recorded: the snapshot, the effects of all recorded calls, and what their results showed.

The record wins over the snapshot. `rebuild` folds a prefix; `replay` does the same call by call and answers each call
from the world before its result is taken in, which is how exactness is measured (teacher-forced).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from repos.snapshot import Snapshot

from toolsim import patching, paths, perform, recorded_shell, shortids, subagents
from toolsim.actions import (
    KEPT,
    LOST,
    REWRITTEN,
    Action,
    Blur,
    Changed,
    Delegate,
    Delete,
    Edit,
    EditLines,
    EndProcess,
    Fact,
    GitMove,
    Kill,
    MakeDirectory,
    MovePath,
    Mutation,
    Patch,
    Problem,
    PutFile,
    Read,
    RemovePath,
    RunShell,
    Seen,
    SetCwd,
    Unknown,
    Write,
)  # fmt: skip
from toolsim.family import Happened, Kin
from toolsim.scaffolds.base import Rendered, Scaffold
from toolsim.seeing import agrees
from toolsim.trajectory import CallPair, Item, Message, Prefix, Session, ToolCall, ToolResult
from toolsim.world import World

_MODIFIED = " was modified, either by the user or by a linter"
_DECIDED = (PutFile, RemovePath, MovePath, Blur, MakeDirectory)
# rtk, called by name or put before commands by a hook: it shortens what they print.
_PROXY = re.compile(r"^(?:rtk |Usage: rtk )|[;&|] *rtk \w|/rtk/tee/|\[rtk[:\]]", re.M)


@dataclass(frozen=True, slots=True)
class Drift:
    """Recorded whole-file reads against what the world held before each: counts of agreement."""

    equal: int = 0
    different: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A rebuilt world, how it agreed with the reads on the way, and the paths where it did not."""

    world: World
    drift: Drift
    disagreed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One recorded call, its recorded result, and the world's own answer (`Unknown`: it goes down the ladder)."""

    pair: CallPair
    recorded: ToolResult
    action: Action
    answer: Rendered | Unknown


@dataclass(slots=True)
class Fold:
    """The state of a fold over recorded items: `take` each in order.

    `kin` is what the other sessions of the family did: it is taken in as the clock of the items reaches it.
    """

    session: Session
    scaffold: Scaffold
    world: World
    refit: bool = True
    drift: Drift = Drift()
    disagreed: list[str] = field(default_factory=list)
    kin: Kin = field(default_factory=Kin)
    directory: str = ""
    _branch: str | None = None
    _working: list[str] = field(default_factory=list)
    _folds: dict[str, Fold] = field(default_factory=dict)
    _taken: list[Message] = field(default_factory=list)
    _open: dict[str, tuple[ToolCall, str]] = field(default_factory=dict)

    def take(self, item: Item) -> None:
        """Take one item in: clock, directory, calls and results, notices of changes by others."""
        if not isinstance(item, Message):
            return
        if item.at is not None:
            for happened in self.kin.until(item.at):
                self._take_kin(happened)
        self.world.advance_to(item.at)
        if item.cwd is not None:
            self.world.apply(SetCwd(item.cwd))
        self._taken.append(item)
        for call in item.calls:
            self._open[call.id] = (call, self.world.cwd)
        if item.result is not None and item.result.call_id in self._open:
            self._take_result(item.result)
        self._take_branch(item.branch)
        if item.origin in ("harness", "tool", "user"):
            self._take_notices(item)

    def _take_branch(self, branch: str | None) -> None:
        """A branch that the record states anew: what nothing has shown was done by others."""
        before, self._branch = self._branch, branch or self._branch
        name = "" if branch == "HEAD" else branch
        if branch is None or before in (None, branch):
            return
        git = self.world.git
        if name != git.branch or "branch" in git.lost:
            switched = "branch" not in git.lost
            self.world.apply(GitMove(LOST if switched else KEPT, name or ""))

    def _take_kin(self, happened: Happened) -> None:
        """What another session did to the world; its directory and what its agent has read are its own."""
        world, session = self.world, happened.session
        own = world.cwd, world.read_paths, world.profile
        fold = self._folds.get(session.id)
        if fold is None:
            fold = Fold(session, self.scaffold, world, refit=False, kin=Kin((), self.kin.recorded))
            self._folds[session.id] = fold
            world.cwd = world.key(session.cwd) if session.cwd else world.cwd
        else:
            world.cwd = fold.directory
        world.read_paths, world.profile = {}, self.scaffold.fit(session, ())
        fold.take(happened.message)
        fold.directory = world.cwd
        world.cwd, world.read_paths, world.profile = own

    def answer(self, result: ToolResult) -> tuple[Action, Rendered | Unknown] | None:
        """What the world itself would answer to the call of this result, now; `None` if the call is not there."""
        found = self._open.get(result.call_id)
        if found is None:
            return None
        call, cwd = found
        self._fit()
        action = self.scaffold.action(call, self.world.profile, cwd, self.world.env)
        outcome, _ = self.world.perform(action)
        if isinstance(outcome, Unknown):
            return action, outcome
        return action, self.scaffold.render(call, action, outcome, self.world.profile, self.world.env)

    def _fit(self) -> None:
        if self.refit:
            self.world.profile = self.scaffold.fit(self.session, self._taken)

    def _take_result(self, result: ToolResult) -> None:
        call, cwd = self._open[result.call_id]
        action = self.scaffold.action(call, self.world.profile, cwd, self.world.env)
        shown = self.scaffold.observe(call, action, result, self.world.profile)
        if isinstance(action, Read):
            self._measure(shown)
        for mutation in shown:
            self.world.apply(mutation)
        for mutation in self._followed(call, action, result, shown):
            self.world.apply(mutation)

    def _measure(self, shown: Sequence[Mutation]) -> None:
        for seen in shown:
            if isinstance(seen, Seen) and seen.whole:
                known = self.world.read(seen.path)
                if not isinstance(known, bytes):
                    self.drift = replace(self.drift, unknown=self.drift.unknown + 1)
                elif agrees(seen, known):
                    self.drift = replace(self.drift, equal=self.drift.equal + 1)
                else:
                    self.drift = replace(self.drift, different=self.drift.different + 1)
                    self.disagreed.append(seen.path)

    def _followed(
        self, call: ToolCall, action: Action, result: ToolResult, shown: tuple[Mutation, ...]
    ) -> tuple[Mutation, ...]:
        """What the action did beyond what its result showed."""
        if isinstance(action, Write | Edit | EditLines | Patch | Delete):
            return edit_effects(action, self.world, result) if shown and not _decided(shown) else ()
        if isinstance(action, RunShell):
            return () if _decided(shown) else self._ran(call, action, result)
        if isinstance(action, Kill) and not result.is_error:
            return (EndProcess(action.handle),)
        if isinstance(action, Delegate) and not result.is_error:
            return self._delegated(call, action, result)
        return ()

    def _delegated(self, call: ToolCall, action: Delegate, result: ToolResult) -> tuple[Mutation, ...]:
        """What a sub-agent did: nothing that is not recorded itself, or what its task and its report name."""
        fact = Fact(f"sub-agent {action.agent}", call.id)
        recorded, made = self.kin.recorded.get(call.id), subagents.calls_made(result)
        known = recorded is not None and (made is None or recorded >= made)
        if known or subagents.only_looked(action, result):
            return (fact,)
        if subagents.goes_on(result):
            self._working.append(action.prompt)
        return fact, *subagents.blurs(self.world.root, action.prompt, result.content)

    def _ran(self, call: ToolCall, action: RunShell, result: ToolResult) -> tuple[Mutation, ...]:
        proxied = (Fact(REWRITTEN, ""),) if _PROXY.search(f"{action.command}\n{result.content[:2000]}") else ()
        return (*proxied, *self._ran_plainly(call, action, result))

    def _ran_plainly(self, call: ToolCall, action: RunShell, result: ToolResult) -> tuple[Mutation, ...]:
        text = self.scaffold.raw(call, action, result, self.world.profile)
        if text is None and result.is_error:
            return ()
        failed = result.is_error if result.exit_code is None else result.exit_code != 0
        output = result.content if text is None else text
        if length := shortids.shown(action.command, output):
            profile = self.world.profile
            self.world.profile = replace(profile, parameters={**profile.parameters, "git_abbrev": length})
        run = recorded_shell.RecordedRun(action.command, action.cwd or self.world.cwd, output, failed, call.id)
        return recorded_shell.effects(run, self.world)

    def _take_notices(self, message: Message) -> None:
        """Notices that a file was modified by the user or a linter since the agent saw it."""
        if self._working and message.origin == "harness" and subagents.ended(message.text):
            for blur in subagents.blurs(self.world.root, *self._working, message.text):
                self.world.apply(blur)
        attachment = message.extra.get("attachment")
        named: list[str] = []
        if isinstance(attachment, dict) and attachment.get("type") == "edited_text_file":
            named.append(str(attachment.get("filename", "")))
        elif message.origin == "harness":
            named.extend(_modified(message.text))
        if message.result is not None and "<system-reminder>" in message.result.content:
            reminders = message.result.content.partition("<system-reminder>")[2]
            named.extend(_modified(reminders))
        for path in named:
            if path and self.world.kind(path) != "dir":
                self.world.apply(Blur(path, "modified by the user or a linter", scope="content"))


def _modified(text: str) -> Iterator[str]:
    """The files that a text says were modified: what stands before those words in their line."""
    before, *others = text.split(_MODIFIED)
    for after in others:
        yield before.rpartition("\n")[2].strip().removeprefix("Note: ")
        before = after


def _decided(shown: Sequence[Mutation]) -> bool:
    return any(isinstance(mutation, _DECIDED) for mutation in shown)


def edit_effects(
    action: Write | Edit | EditLines | Patch | Delete, world: World, result: ToolResult
) -> tuple[Mutation, ...]:
    """What an edit that succeeded did: computed on known content, else the touched paths become unknown."""
    permissive = world.fork()
    permissive.profile = replace(world.profile, parameters={**world.profile.parameters, "must_read": False})
    outcome, mutations = permissive.perform(action)
    structured = result.structured if isinstance(result.structured, dict) else {}
    if isinstance(action, Write) and not structured.get("userModified"):
        return mutations or (PutFile(action.path, action.content.encode("utf-8", "replace")),)
    if isinstance(outcome, Changed) and not structured.get("userModified"):
        return mutations
    if isinstance(action, Patch):
        return _patch_effects(action, world)
    return (Blur(action.path, "an edit that cannot be followed", scope="content"),)


def _patch_effects(action: Patch, world: World) -> tuple[Mutation, ...]:
    """The files of a patch one by one: what is added, removed or known is followed, the others become unknown."""
    changes = patching.parse(action.text, action.form)
    if isinstance(changes, Problem):
        return (Blur(world.root + "/", "a patch that cannot be read", scope="content"),)
    found: list[Mutation] = []
    for change in changes:
        path = paths.canonical(change.path, action.cwd)
        known = world.read(path) if change.kind == "update" else b""
        after = patching.apply_change(change, perform.decode(known)) if isinstance(known, bytes) else None
        target = path if change.moved_to is None else paths.canonical(change.moved_to, action.cwd)
        if change.kind == "delete" or target != path:
            found.append(RemovePath(path))
        if isinstance(after, str):
            found.append(PutFile(target, perform.encode(after)))
        elif change.kind == "update":
            found.append(Blur(target, "a patch that cannot be followed", scope="content"))
    return tuple(found)


def rebuild(prefix: Prefix, scaffold: Scaffold, *, snapshot: Snapshot | None = None, root: str | None = None) -> World:
    """The world at the end of the prefix, its profile fitted to all of it."""
    return rebuild_measured(prefix, scaffold, snapshot=snapshot, root=root).world


def rebuild_measured(
    prefix: Prefix,
    scaffold: Scaffold,
    *,
    snapshot: Snapshot | None = None,
    root: str | None = None,
    kin: Kin | None = None,
) -> Rebuilt:
    """`rebuild`, with its drift. `kin` gives what other sessions of the family did up to the end of the prefix."""
    messages = [item for item in prefix.items if isinstance(item, Message)]
    profile = scaffold.fit(prefix.session, messages)
    world = World.start(prefix.session, profile, snapshot, root, prefix.as_of)
    fold = Fold(prefix.session, scaffold, world, refit=False, kin=kin or Kin())
    for item in prefix.items:
        fold.take(item)
    return Rebuilt(world, fold.drift, tuple(fold.disagreed))


def replay(
    session: Session,
    items: Sequence[Item],
    scaffold: Scaffold,
    *,
    snapshot: Snapshot | None = None,
    root: str | None = None,
) -> Iterator[Replayed]:
    """Each recorded call with a result, answered by the world as the record left it before that result.

    The profile is fitted anew before each answer, to what came before it only.
    """
    world = World.start(session, scaffold.fit(session, ()), snapshot, root)
    fold = Fold(session, scaffold, world)
    places: dict[str, tuple[ToolCall, int]] = {}
    for index, item in enumerate(items):
        if isinstance(item, Message):
            places.update({call.id: (call, index) for call in item.calls})
            if item.result is not None and item.result.call_id in places:
                answered = fold.answer(item.result)
                if answered is not None:
                    call, position = places[item.result.call_id]
                    yield Replayed(CallPair(call, item.result, position, index), item.result, *answered)
        fold.take(item)


def take_in(world: World, scaffold: Scaffold, call: ToolCall, result: ToolResult) -> tuple[Mutation, ...]:
    """What one recorded call and its result show and did, as mutations of `world`, which is not changed."""
    session = Session(id="", agent=scaffold.name, format="", lineage="")  # only a fit would ask for more
    fold = Fold(session, scaffold, world.fork(), refit=False)
    action = scaffold.action(call, world.profile, world.cwd, world.env)
    shown = scaffold.observe(call, action, result, world.profile)
    for mutation in shown:
        fold.world.apply(mutation)
    return (*shown, *fold._followed(call, action, result, shown))

"""The reference of a rollout: its calls with the state they ran in, to answer from and to compare with.

A recorded result answers a call if the normalised call is the same and so is the state of all that it depends on;
each answers once, in order. Network calls and polls depend on nothing we can hash: they match by ordinal. As evidence
the nearest recorded call may be shown, but only one made in a state that the rollout is not behind of: nothing that
the reference had changed by then and the rollout has not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace

from toolsim import paths
from toolsim.actions import (
    Action,
    Ask,
    Delegate,
    Delete,
    Edit,
    EditLines,
    Glob,
    Grep,
    Invalid,
    Kill,
    ListDirectory,
    MovePath,
    Mutation,
    Note,
    Opaque,
    Patch,
    Poll,
    PutFile,
    Read,
    RemovePath,
    RunShell,
    Write,
)  # fmt: skip
from toolsim.commands import classify, leading
from toolsim.files import Names
from toolsim.rebuild import Fold, take_in
from toolsim.scaffolds.base import Scaffold, shell_env
from toolsim.trajectory import JsonObject, Message, Reference, Session, ToolCall, ToolResult, call_pairs, content_hash
from toolsim.world import World

_BESIDE = frozenset({"timeout", "argv", "session"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One call of the reference. `state` is the hash of what it depends on (`None`: nothing we can hash).

    `changed` are the files that the reference had changed before it, with their state then.
    """

    index: int
    call: ToolCall
    action: Action
    result: ToolResult
    key: str
    state: str | None
    changed: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Near:
    """A recorded call to show beside another: whether it is the same call, and how the state differs."""

    entry: Entry
    same_call: bool
    difference: str


@dataclass(slots=True)
class Folded:
    """The reference's answered calls with the states that they stood in, folded when first asked for.

    `start` is the world at the cut; it is not changed. Rollouts of one prefix may share this.
    """

    reference: Reference
    start: World
    scaffold: Scaffold
    session: Session
    _entries: tuple[Entry, ...] | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The calls in order."""
        if self._entries is None:
            self._entries = tuple(_entries(self.reference, self.start, self.scaffold, self.session))
        return self._entries


@dataclass(slots=True)
class Record:
    """The reference as answers and evidence of one rollout, which notes what it has used."""

    folded: Folded
    _used: set[int] = field(default_factory=set)
    _made: int = 0

    @property
    def start(self) -> World:
        """The world at the cut."""
        return self.folded.start

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The reference's answered calls, in order."""
        return self.folded.entries

    def marked(self, mark: Callable[[Entry], ToolResult]) -> Record:
        """The same record with other texts in its results; the states stay as they are. For canaries."""
        changed = tuple(replace(entry, result=mark(entry)) for entry in self.entries)
        return Record(replace(self.folded, _entries=changed))

    def find(self, action: Action, world: World) -> Entry | None:
        """The first unused recorded call that is the same in the same state."""
        key, state = call_key(action, world), state_of(action, world)
        for entry in self.entries:
            if entry.index not in self._used and entry.key == key and entry.state == state:
                return entry
        return None

    def count(self, used: int | None) -> None:
        """One more call of the rollout was answered, by the recorded result `used` if any: it answers once.

        Resuming a rollout counts the calls of its ledger again.
        """
        self._made += 1
        if used is not None:
            self._used.add(used)

    def near(self, action: Action, world: World) -> Near | None:
        """The recorded call that shows most of what this one will, in a state that the rollout is not behind of.

        The same call in the same state first (whatever else the reference had changed: its result depends on that
        state alone), then the same call, then the most similar one of the same tool among those that the reference had
        made by now (as many calls into the turn).
        """
        key, state = call_key(action, world), state_of(action, world)
        changed = _changed_files(self.start, world)
        reached = [entry for entry in self.entries if {path for path, _ in entry.changed} <= changed.keys()]
        equal = [entry for entry in self.entries if entry.key == key and state is not None and entry.state == state]
        same = [*equal, *(entry for entry in reached if entry.key == key)]
        for entry in sorted(same, key=lambda e: (e.state != state, e.index in self._used, e.index)):
            return Near(entry, True, _difference(entry, state, changed))
        words = _words(action)
        scored = [
            (_likeness(words, _words(entry.action)), -entry.index, entry)
            for entry in reached
            if type(entry.action) is type(action) and entry.index <= self._made
        ]
        likeness, _, best = max(scored, default=(0.0, 0, None), key=lambda s: s[:2])
        if best is None or likeness < 0.4:
            return None
        return Near(best, False, _difference(best, None, changed))

    def answer_of_human(self, question: Ask) -> Entry | None:
        """The first unused recorded answer to the same question, whatever the state."""
        key = call_key(question, self.start)
        return next((e for e in self.entries if e.key == key and e.index not in self._used), None)


def call_key(action: Action, world: World) -> str:
    """The same for calls that do the same, however they spell it: paths canonical, comments of the agent left out."""
    return content_hash([type(action).__name__, _essence(action, world)])


def _essence(action: Action, world: World) -> JsonObject:
    values = {name: value for name, value in asdict(action).items() if name not in _BESIDE}
    for name in ("path", "cwd"):
        if name in values:
            values[name] = world.key(values[name] or world.cwd)
    for name in ("command", "prompt", "question"):
        if name in values:
            values[name] = values[name].strip()
    return values


def state_of(action: Action, world: World) -> str | None:
    """A hash of what the outcome of the action depends on; `None` where only the order of calls can tell."""
    match action:
        case Poll() | Kill() | Ask() | Note() | Invalid():
            return None
        case Opaque(network=network):
            return None if network else content_hash(["effects", *_effects(world)])
        case RunShell(command):
            if classify(leading(command)) == "network":
                return None
            env = sorted(shell_env(world.env).items())
            return content_hash(["run", world.digest([world.root]), _effects(world), env])
        case Delegate():
            return content_hash(["run", world.digest([world.root]), _effects(world)])
        case Read(path) | Delete(path) | Write(path):
            return _files_state([path], world)
        case Edit(path) | EditLines(path):
            return content_hash([_files_state([path], world), world.read_since_change(path)])
        case ListDirectory(path, depth) if depth == 1:
            found = world.listing(path)
            names = [found.names, found.complete] if isinstance(found, Names) else repr(found)
            return content_hash(["names", names])
        case ListDirectory(path) | Glob(_, path) | Grep(_, path):
            return _files_state([path], world)
        case Patch(_, cwd):
            return _files_state([world.root, cwd], world)


def _effects(world: World) -> tuple[str, ...]:
    """Tokens of opaque effects; facts without a token are notes that nothing depends on."""
    return tuple(token for token in world.effect_tokens() if token)


def _files_state(among: Iterable[str], world: World) -> str:
    """Digest of files and trees; where one is unknown, the opaque effects so far decide too."""
    listed = list(among)
    unknown = any(world.kind(path) == "unknown" for path in listed)
    return content_hash([world.digest(listed), _effects(world) if unknown else ()])


def _entries(reference: Reference, start: World, scaffold: Scaffold, session: Session) -> Iterable[Entry]:
    """Fold the reference from the cut; each call stands in the state right before its result."""
    fold = Fold(session, scaffold, start.fork(), refit=False)
    pairs = {pair.call.id: (index, pair) for index, pair in enumerate(call_pairs(reference.items))}
    touched: set[str] = set()
    for item in reference.items:
        result = item.result if isinstance(item, Message) else None
        if result is not None and result.call_id in pairs:
            index, pair = pairs.pop(result.call_id)
            action = scaffold.action(pair.call, fold.world.profile, fold.world.cwd, fold.world.env)
            changed = frozenset(
                (path, fold.world.digest([path])) for path in touched if _differs(path, start, fold.world)
            )
            key, state = call_key(action, fold.world), state_of(action, fold.world)
            yield Entry(index, pair.call, action, result, key, state, changed)
            effects = take_in(fold.world, scaffold, pair.call, result)
            touched |= {fold.world.key(path) for mutation in effects for path in _paths(mutation)}
        fold.take(item)


def _paths(mutation: Mutation) -> tuple[str, ...]:
    match mutation:
        case PutFile(path) | RemovePath(path):
            return (path,)
        case MovePath(path, target):
            return (path, target)
    return ()


def _differs(path: str, start: World, world: World) -> bool:
    """Whether a path was changed; one whose content was only shown for the first time was not."""
    if start.kind(path) == "unknown":
        return world.read_since_change(path) is not True
    return start.digest([path]) != world.digest([path])


def _changed_files(start: World, world: World) -> dict[str, str]:
    overlay = world.overlay()
    among = {*overlay.changed, *start.overlay().changed}
    return {path: world.digest([path]) for path in among if start.digest([path]) != world.digest([path])}


def _difference(entry: Entry, state: str | None, changed: dict[str, str]) -> str:
    if state is not None and entry.state == state:
        return "in the same state of the files as now"
    then = dict(entry.changed)
    since = sorted(path for path, digest in changed.items() if then.get(path) != digest)
    if since:
        shown = ", ".join(since[:8]) + (f" and {len(since) - 8} more" if len(since) > 8 else "")
        return f"when these files were other than now: {shown}"
    return "in about the same state of the files as now; other programs may have run since"


def _words(action: Action) -> frozenset[str]:
    match action:
        case RunShell(command):
            return frozenset(command.split())
        case Read(path) | Write(path) | Edit(path) | EditLines(path) | Delete(path) | ListDirectory(path):
            return frozenset([path, *paths.canonical(path).split("/")[-2:]])
        case Glob(pattern, path) | Grep(pattern, path):
            return frozenset([pattern, path])
        case Opaque(name, arguments):
            return frozenset([name, *(f"{k}={v}" for k, v in arguments.items())])
    return frozenset()


def _likeness(left: frozenset[str], right: frozenset[str]) -> float:
    return len(left & right) / len(left | right) if left | right else 0.0

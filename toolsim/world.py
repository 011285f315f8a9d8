"""The state that tools act on in one rollout: files as known, absent or unknown; shell, processes, facts, clock.

Layers, the later wins: the snapshot of the base commit below `root`; what the session did and showed. Everything
outside `root` is unknown until shown or made. Below `root` a path that the commit lacks is *absent*, unless it is of a
kind that a commit does not hold (ignore files, usual untracked names): then it is unknown.

Paths are taken in any spelling of the session and given back in canonical form (`toolsim.paths`). The world changes
by `apply` only; what actions do is computed in `toolsim.perform`, reached through `perform`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from toolsim import gitmoves, merkle, paths, perform
from toolsim.actions import (
    LOST,
    Action,
    Advance,
    Blur,
    EndProcess,
    Fact,
    GitMove,
    MakeDirectory,
    MarkRead,
    MovePath,
    Mutation,
    Outcome,
    PutFile,
    RemovePath,
    Seen,
    SetCwd,
    SetEnv,
    StartProcess,
    Unknown,
)  # fmt: skip
from toolsim.files import Files, ignore_rules
from toolsim.gitstate import OF_A_PERSON, GitState
from toolsim.marks import Absent, Kind, Mark, Names, Overlay, Unseen
from toolsim.scaffolds.base import ScaffoldProfile

if TYPE_CHECKING:
    from repos.snapshot import Snapshot
    from toolsim.trajectory import JsonObject, Session

__all__ = ["Absent", "Names", "Overlay", "Process", "Unseen", "World"]


@dataclass(frozen=True, slots=True)
class Process:
    """A process in the background. `started` is virtual time; `output` and `exit_code` are as far as known."""

    handle: str
    command: str
    started: float | None
    output: tuple[tuple[float, str], ...] = ()
    exit_code: int | None = None
    ended: bool = False


@dataclass(slots=True)
class World:
    """One rollout's state. Build it with `start` (or `toolsim.rebuild.rebuild`), change it with `apply`."""

    files: Files
    profile: ScaffoldProfile
    cwd: str
    env: dict[str, str] = field(default_factory=dict)
    now: float | None = None
    as_of: float | None = None
    windows: bool = False
    facts: tuple[Fact, ...] = ()
    processes: dict[str, Process] = field(default_factory=dict)
    read_paths: dict[str, int] = field(default_factory=dict)
    git: GitState = field(default_factory=GitState)

    @classmethod
    def start(
        cls,
        session: Session,
        profile: ScaffoldProfile,
        snapshot: Snapshot | None = None,
        root: str | None = None,
        as_of: float | None = None,
    ) -> World:
        """The world before the session's first call; `root` is where the repository stood (default: its cwd)."""
        spelt = root or session.cwd or profile.cwd
        windows = any(paths.is_windows(text) for text in (spelt, session.cwd or "", profile.cwd))
        files = Files(snapshot, paths.canonical(spelt), ignore_rules(snapshot))
        cwd = paths.canonical(session.cwd or spelt)
        git = GitState(session.repository.branch, lost=frozenset() if session.autonomous else OF_A_PERSON)
        world = cls(files, profile, cwd, {}, session.started_at, as_of, windows, git=git)
        recorded = session.repository.commit
        if snapshot is not None and recorded and recorded != snapshot.commit and snapshot.resolve(recorded) is None:
            # work that was never pushed: the base is a guess, and HEAD's files are known once HEAD is
            world.apply(GitMove(LOST))
            world.apply(Blur(files.root.rstrip("/") + "/", "the recorded commit is not at hand", "head"))
        return world

    def fork(self) -> World:
        """An independent copy; contents, snapshot and ignore rules are shared."""
        return World(
            self.files.fork(), self.profile, self.cwd, dict(self.env), self.now, self.as_of, self.windows,
            self.facts, dict(self.processes), dict(self.read_paths), self.git,
        )  # fmt: skip

    @property
    def snapshot(self) -> Snapshot | None:
        """The base commit's files; `None` where no repository is at hand."""
        return self.files.snapshot

    @property
    def root(self) -> str:
        """Where the repository stands, canonical."""
        return self.files.root

    # --- asking -----------------------------------------------------------------------------------------------------

    def key(self, path: str) -> str:
        """The canonical form of a path of this session, relative ones from the shell's directory."""
        return paths.canonical(path, self.cwd, windows=self.windows)

    def relative(self, path: str) -> str | None:
        """The path below the repository root (`""` is the root), `None` outside of it."""
        return paths.relative(self.key(path), self.root)

    def kind(self, path: str) -> Kind:
        """What stands at the path."""
        return self.files.kind(self.key(path))

    def mode(self, path: str) -> int:
        """The git mode of a known file; 0o100644 where nothing says otherwise."""
        return self.files.mode(self.key(path))

    def read(self, path: str) -> bytes | Absent | Unseen:
        """The file's bytes. A directory is `Unseen`: ask `kind` first."""
        return self.files.read(self.key(path))

    def listing(self, path: str) -> Names | Absent | Unseen:
        """The names in a directory, sorted by code point, and whether there may be more."""
        return self.files.listing(self.key(path))

    def listdir(self, path: str) -> tuple[str, ...] | Unseen:
        """The known names in a directory (see `listing` for whether there may be more)."""
        found = self.listing(path)
        if isinstance(found, Names):
            return found.names
        return found if isinstance(found, Unseen) else Unseen("absent")

    def files_under(self, path: str) -> tuple[str, ...] | Unseen:
        """All known files below a directory, canonical and sorted; untracked ones that nobody showed are not there."""
        return self.files.files_under(self.key(path))

    def read_since_change(self, path: str) -> bool | None:
        """Whether the agent has read the file since its last change; `None` if it never read it."""
        key = self.key(path)
        seen = self.read_paths.get(key)
        return None if seen is None else seen >= self.files.last_change(key)

    def perform(self, action: Action) -> tuple[Outcome | Unknown, tuple[Mutation, ...]]:
        """What the action does, computed exactly, and its mutations; changes nothing (see `toolsim.perform`)."""
        return perform.perform(action, self)

    def overlay(self) -> Overlay:
        """The difference from the snapshot, expanded to files; keys are canonical paths."""
        return self.files.overlay()

    def digest(self, among: Iterable[str]) -> str:
        """Equal exactly if content, names and modes of the given files and trees are (see `toolsim.merkle`)."""
        return merkle.digest(self.files, [self.key(path) for path in among])

    def effect_tokens(self) -> tuple[str, ...]:
        """The tokens of all opaque effects so far, in order: part of the state that a program run depends on."""
        return tuple(fact.token for fact in self.facts if fact.token)

    def diff(self) -> JsonObject:
        """The changed state as JSON for viewers: files by status, unknown paths, facts, processes, directory."""
        overlay = self.overlay()
        files: list[JsonObject] = []
        for key, content in sorted(overlay.changed.items()):
            before = self.files.tracked(key)
            if content == before or (content is None and isinstance(before, Absent)):
                continue
            status = "deleted" if content is None else "modified" if isinstance(before, bytes) else "added"
            files.append({"path": key, "status": status, "bytes": None if content is None else len(content)})
        return {
            "files": files,
            "unknown": sorted(overlay.unknown),
            "facts": [fact.text for fact in self.facts],
            "processes": [process.command for process in self.processes.values() if not process.ended],
            "cwd": self.cwd,
            "now": self.now,
        }

    # --- changing ---------------------------------------------------------------------------------------------------

    def apply(self, mutation: Mutation) -> None:
        """Take one mutation in. A path that the world does not know may be removed or moved: what follows is known."""
        self.files.serial += 1
        match mutation:
            case PutFile(path, content, mode):
                self.files.put(self.key(path), Mark(self.files.serial, "content", content, mode))
            case MakeDirectory(path):
                self.files.make_directory(self.key(path))
            case RemovePath(path):
                self.files.remove(self.key(path))
            case MovePath(path, target):
                self.files.move(self.key(path), self.key(target))
            case Blur(path):
                self.files.blur(mutation, self.key(path))
            case Seen(path):
                if not self.files.see(self.key(path), mutation) and self.relative(path):
                    # Others work in the tree too: they may have committed what they changed.
                    self.git = replace(self.git, lost=self.git.lost | {"HEAD", "index"})
            case MarkRead(path):
                self.read_paths[self.key(path)] = self.files.serial
            case _:
                self._apply_other(mutation)

    def _apply_other(self, mutation: Fact | GitMove | SetCwd | SetEnv | Advance | StartProcess | EndProcess) -> None:
        match mutation:
            case Fact():
                self.facts = (*self.facts, mutation)
            case GitMove():
                self.git = gitmoves.apply(self.files, self.git, self._canonical(mutation))
            case SetCwd(path):
                self.cwd = self.key(path)
            case SetEnv(name, value):
                self.env = {k: v for k, v in self.env.items() if k != name} | ({} if value is None else {name: value})
            case Advance(seconds):
                self.now = None if self.now is None else self.now + max(0.0, seconds)
            case StartProcess(handle, command, output, exit_code):
                old = self.processes.get(handle)
                started = old.started if old is not None and not old.ended else self.now
                self.processes[handle] = Process(handle, command, started, output, exit_code)
            case EndProcess(handle):
                old = self.processes.get(handle) or Process(handle, "", None)
                self.processes[handle] = Process(handle, old.command, old.started, old.output, old.exit_code, True)

    def _canonical(self, move: GitMove) -> GitMove:
        def place(path: str) -> str:
            return self.key(path).rstrip("/") + ("/" if path.endswith("/") else "")

        dirty = None if move.dirty is None else tuple(entry[:3] + place(entry[3:]) for entry in move.dirty)
        untracked = tuple(place(path) for path in move.untracked)
        return replace(move, staged=tuple(place(path) for path in move.staged), dirty=dirty, untracked=untracked)

    def advance_to(self, moment: float | None) -> None:
        """Move the clock forward to a stated time; it never goes back."""
        if moment is not None:
            self.now = moment if self.now is None else max(self.now, moment)

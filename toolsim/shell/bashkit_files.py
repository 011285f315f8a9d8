"""A world's files as bashkit sees them: each look-up, read and change of a command, as it happens.

What the world does not know is noted when a command reaches for it. A program that is no builtin of bashkit is found
here as a script that asks for it, so no list of names is needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from toolsim import paths
from toolsim.actions import Blur, MakeDirectory, MovePath, Mutation, PutFile, RemovePath
from toolsim.marks import Names
from toolsim.shell.bashkit_abi import FileError, Status
from toolsim.world import World

BIN = ("/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin")
ASK = b'__ask "$0" "$@"\n'
_SYSTEM = frozenset({"/dev", "/usr", "/usr/local", *BIN})
_STANDING = frozenset({"/", "/tmp", "/var", "/var/tmp", "/etc"})
_PROGRAM_DIRECTORIES = ("bin", ".bin", "sbin", "Scripts")
_TEMPORARY = re.compile(r"/\.bashkit-\w+-[0-9a-f]+\.tmp$")
_SHEBANG = re.compile(rb"#!\s*(?:\S*/env\s+(?:-\S+\s+)*)?(\S+)")
_LINK = 0o120000


@dataclass(slots=True)
class WorldFiles:
    """Serves a fork of `world` (`live`). `real` names the programs that bashkit computes, `programs` the paths that
    the command line names as programs.

    What was noted: the unknown paths `looked` at, and `touched` (read or listed); the files that are `sizeless` since
    nobody knows their content; the symbolic `links` that were looked at; the programs `asked_for` by a look; the files
    that were read though `absent`, and the directories `misread` as files; the `scripts` that another program than a
    shell would have to run; whether `.git` was listed, and whether a file that was read is not all ASCII (`wide`).
    """

    world: World
    standing: frozenset[str]
    real: frozenset[str]
    programs: frozenset[str]
    live: World = field(init=False)
    log: list[Mutation] = field(default_factory=list)
    inputs: dict[str, bytes] = field(default_factory=dict)
    looked: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    sizeless: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    asked_for: set[str] = field(default_factory=set)
    scripts: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    misread: set[str] = field(default_factory=set)
    git_listed: bool = False
    wide: bool = False
    _git: str = ""
    _uncertain: frozenset[str] = frozenset()
    _told: dict[str, Status | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fork the world, and find the directories that hold an unknown name."""
        self.live = self.world.fork()
        self._git = paths.join(self.world.root, ".git") if self.world.snapshot is not None else ""
        self._note_uncertain()

    # --- what bashkit asks ------------------------------------------------------------------------------------------

    def read(self, path: str) -> bytes:
        """The whole file; an unknown one is noted and not there."""
        if path in self.inputs:
            return self.inputs[path]
        if path == "/dev/null":
            return b""
        program = self._program(path)
        if program is not None:
            return program
        kind = self._kind(path)
        if kind == "dir":
            self.misread.add(path)
            raise FileError("other", "is a directory")
        if kind is None:
            self._know(path)
            self.absent.add(path)
            raise FileError("not found", "file not found")
        if kind == "link":
            self.touched.add(path)
        content = self.live.read(path)
        if not isinstance(content, bytes):
            self.touched.add(path)
            raise FileError("not found", "file not found")
        if interpreter(content) is not None:
            self.scripts.add(path)
        self.wide |= not content.isascii()
        return content

    def stat(self, path: str) -> Status:
        """What stands at the path."""
        found = self._status(path)
        if found is None:
            raise FileError("not found", "not found")
        if found.type == "link":
            self.links.add(path)
        return found

    def exists(self, path: str) -> bool:
        """Whether anything stands there."""
        return self._status(path) is not None

    def listdir(self, path: str) -> Iterator[tuple[str, Status]]:
        """The names in a directory; of one whose names are not all known it is noted."""
        kind = self._kind(path)
        if kind is None:
            self._know(path)
            raise FileError("not found", "not found")
        if kind != "dir":
            raise FileError("other", "not a directory")
        if path == self._git:
            self.git_listed = True
            return
        names = self.live.listing(path)
        inside = paths.relative(path, self.world.root) is not None
        if path in _SYSTEM or path in self._uncertain or not isinstance(names, Names) or not (names.complete or inside):
            self.touched.add(path)
        known = set(names.names) if isinstance(names, Names) else set()
        if path == self.world.root and self._git:
            known.add(".git")
        for name in sorted(known):
            status = self._status(paths.join(path, name))
            if status is None or not name.isprintable() or any("\ud800" <= c <= "\udfff" for c in name):
                self.touched.add(path)
            else:
                yield name, status

    def readlink(self, path: str) -> str:
        """The text of a link."""
        if self._kind(path) == "link":
            self.touched.add(path)
        elif self._kind(path) is None:
            self._know(path)
        raise FileError("invalid", "not a link")

    # --- what bashkit changes ---------------------------------------------------------------------------------------

    def write(self, path: str, content: bytes) -> None:
        """Replace or make a file."""
        if path == "/dev/null":
            return
        kind = self._may_write(path)
        mode = self.live.mode(path) if kind == "file" else 0o100644
        self._apply(PutFile(path, content, mode))

    def append(self, path: str, content: bytes) -> None:
        """Add to a file."""
        if path == "/dev/null":
            return
        kind = self._may_write(path, replaces=False)
        before = self.live.read(path) if kind == "file" else b""
        if not isinstance(before, bytes):
            self.touched.add(path)
            before = b""
        self._apply(PutFile(path, before + content, self.live.mode(path) if kind == "file" else 0o100644))

    def mkdir(self, path: str, recursive: bool) -> None:
        """Make a directory."""
        kind = self._kind(path)
        if kind == "dir" and recursive:
            return
        if kind is not None:
            raise FileError("exists", "directory exists" if kind == "dir" else "file exists")
        above = [a for a in paths.ancestors(path) if self._kind(a) not in (None, "dir")]
        if above:
            raise FileError("exists" if recursive else "other", "file exists" if recursive else "not a directory")
        if not recursive and self._kind(paths.parent(path)) is None:
            self._know(paths.parent(path))
            raise FileError("not found", "parent directory not found")
        self._made(path)
        self._apply(MakeDirectory(path))

    def remove(self, path: str, recursive: bool) -> None:
        """Remove a file or directory."""
        kind = self._kind(path)
        if kind is None:
            self._know(path)
            raise FileError("not found", "not found")
        if kind == "dir" and not recursive and any(True for _ in self.listdir(path)):
            raise FileError("other", "directory not empty")
        if self._git and paths.relative(self._git, path) is not None:
            self.touched.add(self._git)
        self._apply(RemovePath(path))

    def rename(self, path: str, target: str) -> None:
        """Move a file or directory."""
        kind, there = self._kind(path), self._kind(target)
        if kind is None:
            self._know(path)
            raise FileError("not found", "not found")
        if self._kind(paths.parent(target)) != "dir":
            self._know(paths.parent(target))
            raise FileError("not found", "parent directory not found")
        if kind == "dir" and there == "file":
            raise FileError("other", "cannot rename directory over file")
        if kind != "dir" and there == "dir":
            raise FileError("other", "cannot rename file over directory")
        if kind == "dir" and there == "dir" and any(True for _ in self.listdir(target)):
            raise FileError("other", "directory not empty")
        if kind == "dir" and (target + "/").startswith(path + "/"):
            raise FileError("invalid", "cannot move a directory into itself")
        self._made(target)
        content = self.live.read(path) if kind == "file" else None
        if isinstance(content, bytes):
            self._apply(PutFile(target, content, self.live.mode(path)))
            self._apply(RemovePath(path))
        else:
            self._apply(MovePath(path, target))

    def copy(self, path: str, target: str) -> None:
        """Copy a file, with its permission bits where the target is new."""
        content = self.read(path)
        kind = self._may_write(target)
        self._apply(PutFile(target, content, self.live.mode(target if kind == "file" else path)))

    def symlink(self, text: str, path: str) -> None:
        """Make a link: bashkit follows none, so what comes after is uncertain."""
        self._made(path)
        self._apply(PutFile(path, text.encode("utf-8", "surrogateescape"), _LINK))

    def chmod(self, path: str, mode: int) -> None:
        """Set the bit that a commit keeps."""
        kind = self._kind(path)
        if kind is None:
            self._know(path)
            raise FileError("not found", "not found")
        if kind != "file":
            return
        content = self.live.read(path)
        if not isinstance(content, bytes):
            self.touched.add(path)
        elif bool(mode & 0o100) != bool(self.live.mode(path) & 0o100):
            self._apply(PutFile(path, content, 0o100755 if mode & 0o100 else 0o100644))

    # --- for the engine ---------------------------------------------------------------------------------------------

    def take(self, mutations: Iterable[Mutation]) -> None:
        """Apply what a program that was asked for did."""
        for mutation in mutations:
            self._apply(mutation)

    def changes(self) -> tuple[Mutation, ...]:
        """All that happened to files, as few mutations as tell it."""
        if any(isinstance(m, MovePath | Blur) for m in self.log):
            return tuple(m for m in self.log if not _own(m))
        emptied = {m.path for m in self.log if isinstance(m, RemovePath) and self.world.kind(m.path) == "dir"}
        found: dict[str, tuple[Mutation, ...]] = {}
        for mutation in self.log:
            if isinstance(mutation, PutFile | MakeDirectory | RemovePath) and not _own(mutation):
                found.pop(mutation.path, None)
                found[mutation.path] = self._difference(mutation.path, emptied)
        return tuple(m for mutations in found.values() for m in mutations)

    def _difference(self, path: str, emptied: set[str]) -> tuple[Mutation, ...]:
        kind, before = self.live.kind(path), self.world.kind(path)
        if kind == "file":
            content, mode = self.live.read(path), self.live.mode(path)
            same = before == "file" and self.world.read(path) == content and self.world.mode(path) == mode
            under = any(a in emptied for a in paths.ancestors(path))
            return (PutFile(path, content, mode),) if isinstance(content, bytes) and (under or not same) else ()
        if kind == "dir":
            if path in emptied:
                return (RemovePath(path), MakeDirectory(path))
            return (
                ()
                if before == "dir" and not any(a in emptied for a in paths.ancestors(path))
                else (MakeDirectory(path),)
            )
        return () if before == "absent" else (RemovePath(path),)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _status(self, path: str) -> Status | None:
        """What stands at the path; kept until something changes, since a walk asks twice."""
        if path not in self._told:
            self._told[path] = self._look(path)
        return self._told[path]

    def _look(self, path: str) -> Status | None:
        if path in self.inputs:
            return Status("file", len(self.inputs[path]))
        if path == "/dev/null":
            return Status("file", 0, 0o666)
        program = self._program(path)
        if program is not None:
            self.asked_for.add(path)
            return Status("file", len(program), 0o755)
        kind = self._kind(path)
        if kind is None:
            self._know(path)
            return None
        if kind == "dir":
            return Status("dir", 4096, 0o755, self._moment)
        if kind == "link":
            return Status("link", 0, 0o777, self._moment)
        path = paths.canonical(path) if path.startswith("/private/") else path
        content = self.live.files.read(path)
        if not isinstance(content, bytes):
            self.sizeless.add(path)
        size = len(content) if isinstance(content, bytes) else 0
        return Status("file", size, self.live.files.mode(path) & 0o777, self._moment)

    @property
    def _moment(self) -> int:
        return int(self.world.now or 0)

    def _kind(self, path: str) -> str | None:
        """File, dir or link; `None` is nothing, or nothing known (see `_know`)."""
        if path == self._git:
            return "dir"
        if self._git and path.startswith(self._git + "/"):
            return None
        if path in _SYSTEM:
            return "dir"
        path = paths.canonical(path) if path.startswith("/private/") else path
        kind = self.live.files.kind(path)
        if kind == "file":
            return "link" if self.live.files.mode(path) == _LINK else "file"
        if kind == "dir" or (kind == "unknown" and (path in self.standing or path in _STANDING)):
            return "dir"
        if kind == "unknown" and self._leads_to_program(path):
            return "dir"
        return None

    def _know(self, path: str) -> None:
        """Note a path that is not there for bashkit, if the world does not say so."""
        if self._git and path.startswith(self._git + "/"):
            self.touched.add(path)
        elif self.live.kind(path) == "unknown":
            self.looked.add(path)

    def _program(self, path: str) -> bytes | None:
        """The script that stands for a program outside of the known files."""
        directory, _, name = path.rpartition("/")
        holder = directory.rpartition("/")[2]
        if not name or path in _SYSTEM:
            return None
        if directory in BIN:
            own = name in self.real and directory != "/usr/local/bin"
            return f'{name} "$@"\n'.encode() if own else ASK
        if (holder in _PROGRAM_DIRECTORIES or path in self.programs) and self.live.kind(path) == "unknown":
            return ASK
        return None

    def _leads_to_program(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        return name in _PROGRAM_DIRECTORIES or any(p.startswith(path + "/") for p in self.programs)

    def _may_write(self, path: str, *, replaces: bool = True) -> str | None:
        kind, parent = self._kind(path), paths.parent(path)
        if kind == "dir":
            raise FileError("other", "is a directory")
        if self._kind(parent) != "dir":
            self._know(parent)
            raise FileError("not found", "parent directory not found")
        if kind == "link" or (self._git and path.startswith(self._git + "/")):
            self.touched.add(path)
        if kind is None and not replaces:
            self._know(path)
        elif kind is None:
            self._made(path)
        return kind

    def _made(self, path: str) -> None:
        """What was there before no longer matters."""
        self.looked.discard(path)

    def _apply(self, mutation: Mutation) -> None:
        self.live.apply(mutation)
        self._told.clear()
        last = self.log[-1] if self.log else None
        if isinstance(mutation, PutFile) and isinstance(last, PutFile) and last.path == mutation.path:
            self.log[-1] = mutation
        else:
            self.log.append(mutation)
        if isinstance(mutation, Blur):
            self._note_uncertain()

    def _note_uncertain(self) -> None:
        unknown = (p for p in self.live.overlay().unknown if not p.endswith("/") and self.live.kind(p) == "unknown")
        self._uncertain = frozenset(paths.parent(p) for p in unknown)


def interpreter(content: bytes) -> str | None:
    """The program that a script names in its first line, if it is no shell; `None` for any other file."""
    found = _SHEBANG.match(content[:200])
    if found is None:
        return None
    name = found.group(1).decode("utf-8", "replace").rpartition("/")[2]
    return None if name in ("sh", "bash", "dash", "ash") else name


def _own(mutation: Mutation) -> bool:
    return isinstance(mutation, PutFile | RemovePath) and _TEMPORARY.search(mutation.path) is not None

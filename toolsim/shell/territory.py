"""What lies outside of a world's known files, as a file system that notices: who touches the unknown is recorded.

Used as the layer of an overlay file system that is asked first below `/world` (absolute paths of the session), as the
directory `/bin` in which every name is a program to ask for, and for the two output streams of a command.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from toolsim import paths
from toolsim.files import Names
from toolsim.ignored import LEFT_BY
from toolsim.shell.fuse import DIRECTORY, Node
from toolsim.world import World

ASK = b"#!/usr/bin/bash -p\n. /usr/lib/toolbox/ask\n"
SYSTEM = ("/usr", "/dev", "/proc", "/run", "/run/ask", "/bin", "/sbin", "/lib", "/lib64")
# Looked up by the programs themselves when they start.
NOISE = frozenset({
    "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/localtime",
    "/etc/inputrc", "/etc/gitattributes", "/etc/gitconfig", "/etc/mailname", "/etc/hosts", "/etc/resolv.conf",
    "/etc/host.conf", "/etc/selinux", "/etc/mtab", "/etc/xattr.conf", "/etc/terminfo", "/selinux", "/sys", "/var/run",
})  # fmt: skip
LOOKED_FOR = frozenset({"/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/nsswitch.conf", "/etc/passwd", "/var/run"})
# git heeds ignore files; a shell lists for its wildcards, which name other files.
_OWN_LISTERS = frozenset({"git", "bash", "sh"})
_NO_HOME = re.compile(r"/~(?:/|$)")  # where a program looks for files of a user that it cannot find out
_BESIDE = re.compile(r"\._?[A-Za-z]+$")
# Words with which a command looks at more of a file than that it is there, without opening it.
_BY_SIZE_OR_TIME = frozenset({
    "-size", "-newer", "-mtime", "-mmin", "-ctime", "-cmin", "-empty", "-s", "-nt", "-ot", "-perm", "-printf", "-ls",
    "stat", "du", "test", "[", "[[", "tar", "rsync",
})  # fmt: skip
_PROGRAM_DIRECTORIES = ("bin", ".bin", "sbin", "Scripts")


@dataclass(slots=True)
class Territory:
    """The server side of one command. `written` receives output; `touched` collects the unknown paths reached.

    `standing` are directories that exist whatever the world knows (those above the root, the working directory);
    `real` the names of programs that the toolbox holds; `programs` paths that the command line names as programs,
    `named` all its words, read from `cwd`; `missing` are committed files that the checkout lacks. Where programs are
    really `executed`, they look around far and wide: the machine that they run on then is the session's, outside of the
    repository nothing else is there. `left` are files of whatever starts the command.
    """

    world: World
    standing: frozenset[str]
    real: frozenset[str]
    output: Callable[[str, bytes], None]
    programs: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    cwd: str = "/"
    executed: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()
    touched: set[str] = field(default_factory=set)
    reached: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    git_listed: set[str] = field(default_factory=set)
    git: str = ""
    _directories: frozenset[str] = frozenset()
    _uncertain: frozenset[str] = frozenset()
    _closed: frozenset[str] = frozenset()
    _listers: frozenset[str] = _OWN_LISTERS

    def __post_init__(self) -> None:
        """Find the directories that hold something unknown, so that only they are asked about."""
        self.git = paths.join(self.world.root, ".git")
        self._uncertain = self.world.overlay().unknown | self.missing
        self._closed = frozenset(path for path in self._uncertain if self._is_closed(path))
        above = {a for path in self._uncertain for a in paths.ancestors(path.rstrip("/") or "/")}
        above |= {a for path in self._named_unknown() for a in paths.ancestors(path)}
        self._listers = _OWN_LISTERS | {name[:15] for name in self.executed}  # the kernel keeps 15 characters
        self._directories = self.standing | above | {p.rstrip("/") for p in self._uncertain if p.endswith("/")}

    def _is_closed(self, path: str) -> bool:
        """Whether a file is known to be there that no commit has: its name shows, and nobody can say what is in it."""
        rel, snapshot = paths.relative(path, self.world.root), self.world.snapshot
        if not rel or snapshot is None or rel in snapshot.manifest or self.named & _BY_SIZE_OR_TIME:
            return False
        return self.world.kind(path) == "file" and not self._seen(path)

    def _named_unknown(self) -> set[str]:
        """Unknown paths below the root that the line names, from its directory or from one that it may go to."""
        words = [word for word in self.named if word and not word.startswith(("-", "/")) and "\n" not in word]
        places = [place for word in words if self.world.kind(place := paths.canonical(word, self.cwd)) == "dir"]
        full = [word for word in self.named if word.startswith("/")]
        full += [paths.canonical(word, base) for base in (self.cwd, *places) for word in words]
        return {p for p in full if paths.relative(p, self.world.root) and self.world.kind(p) == "unknown"}

    def find(self, path: str) -> Node | None:
        """What the layer holds; called by the server's thread."""
        if path in ("/out", "/err"):
            return Node(stat.S_IFREG | 0o666, stream=True)
        if path in ("/bin", "/world"):
            return DIRECTORY
        if path.startswith("/bin/"):
            return self._program(path.removeprefix("/bin/"))
        if path.startswith("/world/"):
            return self._below(path.removeprefix("/world"))
        return None

    def _program(self, name: str) -> Node | None:
        """A program to ask for. One that really runs looks for files beside itself, too, and through directories."""
        if self.executed and name not in self.named:
            return None if _BESIDE.search(name) else Node(stat.S_IFREG | 0o755, ASK)
        self.names.add(name)
        return Node(stat.S_IFREG | 0o755, ASK)

    def listed(self, path: str, pid: int) -> None:
        """A directory of the layer is listed by a process, known by its name."""
        if self.executed and not self._inside(path.removeprefix("/world")):
            return
        if path == "/world":
            self.touched.add("/")
        elif path.startswith("/world/"):
            place = path.removeprefix("/world")
            if place == self.git:
                self.git_listed.add(_process_name(pid))
            elif place in SYSTEM or not self._names_known(place):
                self.touched.add(place)
            elif (left := self._left_behind(place)) is not None and _process_name(pid) not in self._listers:
                self.touched.add(left)
        elif path == "/bin":
            self.touched.add("/usr/bin")

    def names_in(self, path: str) -> tuple[str, ...]:
        """The files of unknown content that are known to be there and that no other layer shows."""
        place = path.removeprefix("/world")
        return tuple(sorted(p.rpartition("/")[2] for p in self._closed if paths.parent(p) == place))

    def opened(self, path: str) -> None:
        """Such a file is read."""
        if path.removeprefix("/world") in self._closed:
            self.touched.add(path.removeprefix("/world"))

    def written(self, path: str, data: bytes) -> None:
        """Output of the command."""
        self.output(path[1:], data)

    def _below(self, path: str) -> Node | None:
        if path.startswith(self.git + "/"):
            return None
        if path in self.standing or path in SYSTEM or path in ("/etc", "/tmp", "/var", "/var/tmp"):
            return DIRECTORY
        if path in self.left or (path in NOISE and path not in self.named):
            return None
        kind = self.world.kind(path)
        if kind == "unknown":
            looked_about = self.executed and (not self._inside(path) or _NO_HOME.search(path) is not None)
            return None if looked_about else self._unknown(path)
        if kind == "dir" and (path in self._directories or self._covered(path)):
            return DIRECTORY
        if path in self._closed:
            return Node(stat.S_IFREG | 0o644)
        if kind == "file" and (path in self._uncertain or self._covered(path)) and not self._seen(path):
            self.touched.add(path)
        return None

    def _inside(self, path: str) -> bool:
        return paths.relative(path, self.world.root) is not None

    def _names_known(self, place: str) -> bool:
        """Inside of the repository what a commit does not say is taken as not there, elsewhere nothing is."""
        names = self.world.listing(place)
        inside = self.world.snapshot is not None and paths.relative(place, self.world.root) is not None
        return isinstance(names, Names) and (names.complete or inside)

    def _left_behind(self, place: str) -> str | None:
        """An ignored path in the directory that work on the project leaves there; nobody has shown whether it did."""
        inside, rules = paths.relative(place, self.world.root), self.world.files.rules
        if inside is None or rules is None:
            return None
        for manifest, names in LEFT_BY.items():
            if self.world.kind(paths.join(place, manifest)) == "file":
                for name in names:
                    left = paths.join(place, name)
                    if self.world.kind(left) == "unknown" and rules.matches(paths.join(inside, name) + "/"):
                        return left
        return None

    def _covered(self, path: str) -> bool:
        return any(a.rstrip("/") + "/" in self._uncertain for a in (path, *paths.ancestors(path)))

    def _seen(self, path: str) -> bool:
        return isinstance(self.world.read(path), bytes)

    def _unknown(self, path: str) -> Node | None:
        """A program that may be there is one to ask for; a directory that may hold one is walked through."""
        directory, _, name = path.rpartition("/")
        holder = directory.rpartition("/")[2]
        if holder in _PROGRAM_DIRECTORIES or path in self.programs:
            self.reached.add(path)
            if name in self.real and holder not in (".bin", "Scripts"):
                return Node(stat.S_IFLNK | 0o777, f"/usr/bin/{name}".encode())
            return Node(stat.S_IFREG | 0o755, ASK)
        if name in _PROGRAM_DIRECTORIES or any(p.startswith(path + "/") for p in self.programs):
            self.reached.add(path)
            return DIRECTORY
        self.touched.add(path)
        return None


class Nothing:
    """Only the two output streams, going nowhere."""

    def find(self, path: str) -> Node | None:
        """The streams."""
        return Node(stat.S_IFREG | 0o666, stream=True) if path in ("/out", "/err") else None

    def listed(self, path: str, pid: int) -> None:
        """Nothing to list."""

    def names_in(self, path: str) -> tuple[str, ...]:  # noqa: ARG002
        """None."""
        return ()

    def opened(self, path: str) -> None:
        """Nothing to read."""

    def written(self, path: str, data: bytes) -> None:
        """Nobody reads it."""


def _process_name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "?"


def program_paths(words: Iterable[str], cwd: str, home: str | None) -> frozenset[str]:
    """The paths named in a command line that look like programs in a directory of programs."""
    found: set[str] = set()
    for word in words:
        for part in word.replace("=", ":").split(":"):
            text = home + part[1:] if part.startswith("~/") and home else part
            pieces = text.split("/")
            if len(pieces) > 1 and any(p in _PROGRAM_DIRECTORIES for p in pieces[:-1]):
                found.add(paths.canonical(text, cwd))
    return frozenset(found)

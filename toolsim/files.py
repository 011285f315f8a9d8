"""The files of a world: a snapshot below a root, and marks for what a session did, showed or made uncertain.

A mark stands on a path or on a tree and carries a serial number; the latest that covers a path decides. So removing
or blurring a tree costs one mark, whatever its size, and a fork copies two small tables. All paths are canonical
(`toolsim.paths`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from repos.errors import MissingObject
from toolsim import generated, paths
from toolsim.actions import Blur, Seen
from toolsim.ignored import IgnoreRules
from toolsim.marks import Absent, Kind, Mark, Names, Overlay, State, Unseen
from toolsim.seeing import REDACTED, agrees
from toolsim.settled import is_settled

if TYPE_CHECKING:
    from repos.snapshot import Snapshot

__all__ = ["Absent", "Files", "Kind", "Mark", "Names", "Overlay", "State", "Unseen", "ignore_rules"]

# So many shown lines that agree confirm the rest of a file whose content had become uncertain.
CONFIRMING_LINES = 4


@dataclass(slots=True)
class Files:
    """The layered files. `serial` counts changes; the caller raises it before each.

    `agreed`, `disagreed` and `strays` count what the record showed of files that nothing had happened to: the commit
    had the same, had other text, or lacked the file. Where they disagree the work tree was another (uncommitted work,
    a wrong base): then nothing is read from the commit alone, and what it lacks is unknown instead of absent.
    """

    snapshot: Snapshot | None
    root: str
    rules: IgnoreRules | None = None
    marks: dict[str, Mark] = field(default_factory=dict)
    trees: dict[str, tuple[Mark, ...]] = field(default_factory=dict)
    serial: int = 0
    agreed: int = 0
    disagreed: int = 0
    strays: int = 0

    def fork(self) -> Files:
        """An independent copy; contents, snapshot and ignore rules are shared."""
        return replace(self, marks=dict(self.marks), trees=dict(self.trees))

    @property
    def doubted(self) -> bool:
        """Whether the record has disagreed with the commit too often to read from it alone."""
        return self.disagreed >= 2 and self.disagreed * 4 > self.agreed

    @property
    def lost(self) -> bool:
        """Whether something happened to the whole tree that leaves nothing of it certain but what was shown since."""
        return any(mark.state == "unknown" for mark in self.trees.get(self.root, ()))

    # --- asking -----------------------------------------------------------------------------------------------------

    def kind(self, key: str) -> Kind:
        """What stands at the path."""
        mark = self.decisive(key)
        if mark is not None:
            kinds: dict[State, Kind] = {"content": "file", "file": "file", "dir": "dir", "absent": "absent"}
            return kinds.get(mark.state, "unknown")
        rel = paths.relative(key, self.root)
        if rel is None:
            return "dir" if paths.relative(self.root, key) is not None else "unknown"
        if rel == "":
            return "dir"
        if self.snapshot is None:
            return "unknown"
        kind = self.snapshot.kind(rel)
        if kind in ("file", "symlink"):
            return "file" if kind == "file" else self._link_kind(key)
        if kind is not None:
            return "dir"
        doubtful = self.strays > 0 or self._inside_submodule(rel) or self._may_be_untracked(rel)
        return "unknown" if doubtful else "absent"

    def mode(self, key: str) -> int:
        """The git mode of a known file; 0o100644 where nothing says otherwise."""
        mark = self.decisive(key)
        if mark is not None and mark.state == "content":
            return mark.mode
        return self.committed_mode(key)

    def committed_mode(self, key: str) -> int:
        """The git mode that the snapshot has for the path; 0o100644 where it has none."""
        rel = paths.relative(key, self.root)
        entry = self.snapshot.manifest.get(rel) if self.snapshot is not None and rel else None
        return 0o100644 if entry is None else entry.mode

    def read(self, key: str) -> bytes | Absent | Unseen:
        """The file's bytes. A directory is `Unseen`: ask `kind` first."""
        kind = self.kind(key)
        if kind != "file":
            return Absent() if kind == "absent" else Unseen("a directory" if kind == "dir" else self.why(key))
        mark, veil = self.decisive(key), self.veil(key)
        if veil is not None and veil.serial > (0 if mark is None else mark.serial):
            return Unseen(veil.reason)
        if mark is not None and mark.state in ("content", "file"):
            return mark.content if mark.content is not None else Unseen(mark.reason)
        return Unseen("the record disagrees with the commit") if self.doubted else self.tracked(key)

    def last_known(self, key: str) -> bytes | None:
        """What the file held when it was last certain, whatever may have happened to it since."""
        mark = self.marks.get(key)
        if mark is not None and mark.state in ("content", "file"):
            return mark.before if mark.content is None else mark.content
        tracked = self.tracked(key) if mark is None else None
        return tracked if isinstance(tracked, bytes) else None

    def listing(self, key: str) -> Names | Absent | Unseen:
        """The names in a directory, sorted by code point. A file is `Unseen`: ask `kind` first."""
        kind = self.kind(key)
        if kind != "dir":
            return Absent() if kind == "absent" else Unseen("a file" if kind == "file" else self.why(key))
        tree = self._tree(key)
        if tree is not None and tree.state == "unknown":
            return Unseen(tree.reason)
        kinds = {name: self.kind(paths.join(key, name)) for name in self._marked_names(key)}
        for place in (paths.join(key, name) for name, kind in kinds.items() if kind == "unknown"):
            if place in self.marks and not isinstance(self.tracked(place), bytes):
                return Unseen(self.why(place))
        names = {name for name, kind in kinds.items() if kind in ("file", "dir")}
        rel = paths.relative(key, self.root)
        if self.snapshot is not None and rel is not None and tree is None:
            touched = self._touched(key)
            tracked = self.snapshot.listdir(rel) if self.snapshot.kind(rel) == "dir" else ()
            names.update(n for n in tracked if not touched or self.kind(paths.join(key, n)) in ("file", "dir"))
        return Names(tuple(sorted(names)), tree is not None and tree.state != "open" and not self._blurred_below(key))

    def files_under(self, key: str) -> tuple[str, ...] | Unseen:
        """All known files below a directory (or the file itself), sorted.

        `Unseen` where a tree above, at or below may have changed in an unknown way, and where the directory is
        neither the commit's nor made by the session. Untracked files that nobody showed are not among them.
        """
        kind = self.kind(key)
        if kind == "unknown" or self._blurred_below(key):
            return Unseen(self.why(key))
        if kind != "dir":
            return (key,) if kind == "file" else ()
        tree = self._tree(key)
        if tree is not None and tree.state == "unknown":
            return Unseen(tree.reason)
        rel = paths.relative(key, self.root)
        if tree is None and (self.snapshot is None or rel is None or self.snapshot.kind(rel) != "dir"):
            return Unseen("nothing listed the directory")
        below = key.rstrip("/") + "/"
        found = {p for p in self.marks if p.startswith(below) and self.kind(p) == "file"}
        tracked = self.tracked_below(key)
        found.update(tracked if not self._touched(key) else (p for p in tracked if self.kind(p) == "file"))
        return tuple(sorted(found))

    def last_change(self, key: str) -> int:
        """The serial of the last event that did or may have changed the file; 0 since the snapshot."""
        mark, veil = self.decisive(key), self.veil(key)
        return max(0 if mark is None else mark.serial, 0 if veil is None else veil.serial)

    def overlay(self) -> Overlay:
        """The difference from the snapshot, expanded to files."""
        changed: dict[str, bytes | None] = {}
        unknown: set[str] = set()
        directories: set[str] = set()
        for tree, marks in self.trees.items():
            if any(
                m.state in ("unknown", "open") or (m.state == "veiled" and not (m.suffixes or m.generated))
                for m in marks
            ):
                unknown.add(tree.rstrip("/") + "/")
            elif any(m.state == "veiled" for m in marks):
                unknown.update(p for p in self.tracked_below(tree) if self.veil(p) is not None)
            changed.update({p: None for p in self.tracked_below(tree) if self.kind(p) == "absent"})
        for key in self.marks:
            kind = self.kind(key)
            if kind == "dir":
                directories.add(key)
            elif kind == "absent":
                changed[key] = None
            else:
                content = self.read(key)
                if isinstance(content, bytes):
                    changed[key] = content
                else:
                    unknown.add(key)
        return Overlay(changed, frozenset(unknown), frozenset(directories))

    # --- changing: `serial` must have been raised before ------------------------------------------------------------

    def put(self, key: str, mark: Mark) -> None:
        """Set what stands at a path; the directories above it then exist, and hold nothing else where none was."""
        for above in paths.ancestors(key):
            kind = self.kind(above)
            if kind == "dir":
                break
            if kind == "absent":
                self.trees[above] = (Mark(mark.serial, "absent"),)
            self.marks[above] = Mark(mark.serial, "dir")
        self.marks[key] = mark

    def make_directory(self, key: str) -> None:
        """The directory exists; where there was none it is empty."""
        kind = self.kind(key)
        if kind == "dir":
            return
        if kind == "absent":
            self.trees[key] = (Mark(self.serial, "absent"),)
        self.put(key, Mark(self.serial, "dir"))

    def remove(self, key: str) -> None:
        """The file or tree is gone."""
        self.forget_below(key)
        self.marks[key] = Mark(self.serial, "absent")
        self.trees[key] = (Mark(self.serial, "absent"),)

    def move(self, key: str, target: str) -> None:
        """What stood at `key` stands at `target`; an unknown source leaves an unknown target."""
        kind, files = self.kind(key), self.files_under(key)
        moved: list[tuple[str, Mark]] = []
        for path in files if isinstance(files, tuple) else ():
            content = self.read(path)
            seen = content if isinstance(content, bytes) else None
            state: State = "file" if seen is None else "content"
            moved.append((path[len(key) :], Mark(self.serial + 1, state, seen, self.mode(path), "moved unseen")))
        self.remove(key)
        self.serial += 1
        if isinstance(files, Unseen) or kind in ("unknown", "absent"):
            self.put(target, Mark(self.serial, "unknown", reason="moved from an unknown path"))
        elif kind == "dir":
            self.make_directory(target)
        for tail, mark in moved:
            self.put(target + tail, mark)

    def blur(self, blur: Blur, key: str) -> None:
        """What `blur` covers is unknown from here on; `key` is its path in canonical form."""
        tree = blur.path.endswith(("/", "\\"))
        if blur.scope in ("edited", "formatted"):
            for path, mark in list(self.marks.items()):
                inside = path == key or (tree and paths.relative(path, key) is not None)
                touched = inside and mark.state == "content" and path.endswith(blur.suffixes or ("",))
                settled = blur.scope == "formatted" and is_settled(path, mark.content or b"")
                if touched and self._differs(path) and not settled:
                    self.put(path, Mark(self.serial, "file", None, mark.mode, blur.reason, before=mark.content))
        elif tree:
            state: State = "veiled" if blur.scope in ("content", "generated") else "unknown"
            mark = Mark(
                self.serial, state, reason=blur.reason, suffixes=blur.suffixes,
                until_head=blur.scope == "head", generated=blur.scope == "generated",
            )  # fmt: skip
            kept = tuple(m for m in self.trees.get(key, ()) if _kind(m) != _kind(mark))
            self.trees[key] = (*kept, mark)
        elif blur.scope in ("all", "head"):
            self.marks[key] = Mark(self.serial, "unknown", reason=blur.reason, until_head=blur.scope == "head")
        elif self.kind(key) == "file":
            self.put(key, Mark(self.serial, "file", None, self.mode(key), blur.reason))

    def see(self, key: str, seen: Seen) -> bool:
        """Take shown text in: it confirms what was (last) known, or wins over it; `False` if it contradicts that."""
        if not seen.text and not seen.whole:
            self._show_name(key)
            return True
        known, before = self.read(key), self.last_known(key)
        confirmed = before is not None and agrees(seen, before)
        if key not in self.marks:
            self._count(key, confirmed=confirmed)
        if isinstance(known, bytes) and confirmed:
            return True
        if confirmed and before is not None and (seen.whole or seen.text.count("\n") >= CONFIRMING_LINES):
            self.put(key, Mark(self.serial, "content", before, self.mode(key)))
        elif seen.whole and REDACTED not in seen.text:
            content = seen.text.encode("utf-8", "surrogateescape")
            self.put(key, Mark(self.serial, "content", content, self.mode(key)))
        else:
            reason = known.reason if isinstance(known, Unseen) else "a read showed lines that it lacks"
            self.put(key, Mark(self.serial, "file", None, self.mode(key), reason, before=before if confirmed else None))
        return confirmed or not isinstance(known, bytes)

    def _show_name(self, key: str) -> None:
        """A file is there. In a directory that nothing told of there may be any others."""
        if self.kind(key) == "file" or self.snapshot is None:
            return
        above = [
            place for place in paths.ancestors(key) if paths.relative(place, self.root) and self.kind(place) != "dir"
        ]
        reason = "a search found files in it that the commit lacks"
        if above:
            top = min(above, key=len)
            self.trees[top] = (*self.trees.get(top, ()), Mark(self.serial, "unknown", reason=reason))
        self.put(key, Mark(self.serial, "file", None, 0o100644, reason))

    def _count(self, key: str, *, confirmed: bool) -> None:
        tracked = self.tracked(key)
        if isinstance(tracked, Absent):
            self.strays += self.kind(key) == "absent"
        elif isinstance(tracked, bytes) and self._latest(key, lambda _: True) is None:
            self.agreed, self.disagreed = self.agreed + confirmed, self.disagreed + (not confirmed)

    def forget_below(self, key: str) -> None:
        """Nothing that happened below the directory is remembered."""
        below = key.rstrip("/") + "/"
        for path in [p for p in self.marks if p.startswith(below)]:
            del self.marks[path]
        for path in [p for p in self.trees if p == key or p.startswith(below)]:
            del self.trees[path]

    # --- layers -----------------------------------------------------------------------------------------------------

    def decisive(self, key: str) -> Mark | None:
        """The latest mark that says what stands at the path."""
        mark, tree = self.marks.get(key), self._tree(paths.parent(key)) if key != "/" else None
        return tree if tree is not None and (mark is None or tree.serial > mark.serial) else mark

    def veil(self, key: str) -> Mark | None:
        """The latest event that may have changed the content of the file, if it is one of a whole tree."""
        return self._latest(key, lambda m: m.state == "veiled" and self._veils(m, key))

    def _veils(self, mark: Mark, key: str) -> bool:
        if not key.endswith(mark.suffixes or ("",)):
            return False
        return not mark.generated or self._may_be_generated(key)

    def _may_be_generated(self, key: str) -> bool:
        rel = paths.relative(key, self.root)
        if key not in self.marks and self.snapshot is not None and rel and rel in self.snapshot.manifest:
            return rel in generated.among(self.snapshot)
        return generated.may_be(key, self.last_known(key))

    def _tree(self, key: str) -> Mark | None:
        """The latest event that decides what is below a directory as a whole."""
        return self._latest(key, lambda m: m.state != "veiled")

    def _latest(self, key: str, wanted: Callable[[Mark], bool]) -> Mark | None:
        if not self.trees:
            return None
        places = (key, *paths.ancestors(key))
        found = [mark for place in places for mark in self.trees.get(place, ()) if wanted(mark)]
        return max(found, key=lambda m: m.serial, default=None)

    def tracked(self, key: str) -> bytes | Absent | Unseen:
        """What the snapshot alone has at the path."""
        rel = paths.relative(key, self.root)
        if self.snapshot is None or rel is None:
            return Unseen("nothing showed it")
        kind = self.snapshot.kind(rel)
        if kind is None:
            return Absent()
        try:
            content = self.snapshot.read(rel)
        except (MissingObject, KeyError):
            return Unseen("the repository lacks the blob")
        if kind == "symlink":
            target = paths.canonical(content.decode("utf-8", "surrogateescape"), paths.parent(key))
            return self.tracked(target) if self._link_kind(key) == "file" else Unseen("a link")
        return content

    def tracked_below(self, key: str) -> list[str]:
        """The snapshot's files below a directory, whatever happened to them since."""
        rel = paths.relative(key, self.root)
        if self.snapshot is None:
            return []
        if rel is None:
            return self.tracked_below(self.root) if paths.relative(self.root, key) is not None else []
        return [paths.join(self.root, path) for path in self.snapshot.under(rel)]

    def touched(self, key: str) -> bool:
        """Whether anything at, above or below the path may differ from the snapshot."""
        return key in self.marks or self._touched(key)

    def covered(self, key: str) -> bool:
        """Whether something that happened to a whole tree came later than what is known of the path itself."""
        mark, veil = self.marks.get(key), self.veil(key)
        own = 0 if mark is None else mark.serial
        tree = self._tree(paths.parent(key)) if key != "/" else None
        return any(found is not None and found.serial > own for found in (veil, tree))

    def _touched(self, key: str) -> bool:
        below = key.rstrip("/") + "/"
        if self.trees and any(place in self.trees for place in (key, *paths.ancestors(key))):
            return True
        return any(p.startswith(below) for p in self.trees) or any(p.startswith(below) for p in self.marks)

    def _blurred_below(self, key: str) -> bool:
        """Whether what files there are below the directory is unknown in some place."""
        below = key.rstrip("/") + "/"
        if any(
            p.startswith(below) and m.state == "unknown" and self.kind(p) == "unknown" for p, m in self.marks.items()
        ):
            return True
        return any(p.startswith(below) and any(m.state == "unknown" for m in ms) for p, ms in self.trees.items())

    def _link_kind(self, key: str) -> Kind:
        """The kind of what a tracked symbolic link points to, one step and inside the repository; else unknown."""
        rel = paths.relative(key, self.root)
        if self.snapshot is None or rel is None:
            return "unknown"
        try:
            text = self.snapshot.read(rel).decode("utf-8", "surrogateescape")
        except (MissingObject, KeyError):
            return "unknown"
        target = paths.relative(paths.canonical(text, paths.parent(key)), self.root)
        return "file" if target and self.snapshot.kind(target) == "file" else "unknown"

    def _marked_names(self, key: str) -> set[str]:
        below = key.rstrip("/") + "/"
        return {path[len(below) :].partition("/")[0] for path in self.marks if path.startswith(below)}

    def _differs(self, key: str) -> bool:
        return self.marks[key].content != self.tracked(key)

    def _inside_submodule(self, rel: str) -> bool:
        parts = rel.split("/")
        heads = ("/".join(parts[:n]) for n in range(1, len(parts)))
        return self.snapshot is not None and any(self.snapshot.kind(h) in ("submodule", "symlink") for h in heads)

    def _may_be_untracked(self, rel: str) -> bool:
        """A redacted name may be any file's."""
        return self.rules is None or REDACTED in rel or self.rules.may_hold_untracked(rel)

    def why(self, key: str) -> str:
        """Why the path is unknown."""
        mark = self.decisive(key)
        if mark is not None and mark.reason:
            return mark.reason
        if paths.relative(key, self.root) is None:
            return "outside of the repository"
        return "no snapshot" if self.snapshot is None else "may be untracked"


def _kind(mark: Mark) -> tuple[State, tuple[str, ...], bool]:
    """What a later mark on the same tree stands in for."""
    return mark.state, mark.suffixes, mark.generated


def ignore_rules(snapshot: Snapshot | None) -> IgnoreRules | None:
    """The ignore rules of a snapshot's tree."""
    if snapshot is None:
        return None

    def text(path: str) -> str | None:
        try:
            return snapshot.read(path).decode("utf-8", "replace")
        except (MissingObject, KeyError):
            return None

    return IgnoreRules((p for p in snapshot.manifest if p.rpartition("/")[2] == ".gitignore"), text)

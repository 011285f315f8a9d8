"""Takes a `GitMove` into a world: what becomes of the known files and of the known parts of `.git`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

from repos.errors import RepositoryError
from toolsim import paths
from toolsim.actions import KEPT, LOST, Blur, GitMove
from toolsim.files import Files, ignore_rules
from toolsim.gitstate import PARTS, GitState, Part
from toolsim.marks import Absent, Mark

if TYPE_CHECKING:
    from repos.snapshot import Snapshot

_LINK = 0o120000


def apply(files: Files, state: GitState, move: GitMove) -> GitState:
    """The state after the move; `files` are changed. Paths of the move are canonical."""
    if files.snapshot is None:
        return state
    lost = set(state.lost)
    git = paths.join(files.root, ".git")
    if any(mark.startswith(git + "/") for mark in files.marks):
        # Commands of this rollout have written there; what the record says of its own cannot be laid over that.
        files.forget_below(git)
        lost |= PARTS
    before = files.snapshot.commit
    head = _open(files.snapshot, move.head)
    if head is not None:
        _follow(files, head, move.files)
        if "HEAD" in lost:
            _return(files)
            lost.discard("HEAD")
    elif move.head != KEPT:
        lost.add("HEAD")
        if move.head != LOST and move.files != "kept":  # what follows to a commit that cannot be read is not known
            files.blur(Blur(files.root.rstrip("/") + "/", f"commit {move.head} cannot be read"), files.root)
    elif move.files == "reset":
        _follow(files, files.snapshot, "reset")
    staged = _index(files, state.staged, move, lost)
    branch, tips = _branch(state, move, None if "HEAD" in state.lost else before, lost)
    if move.dirty is not None and "HEAD" not in lost:
        staged = _settle(files, move.dirty, move.untracked, staged, lost)
    elif move.dirty is not None:
        _note(files, move.dirty, move.untracked)
    upstream = dict(state.upstream)
    if move.upstream != KEPT and branch:
        upstream[branch] = move.upstream
    lost |= cast("set[Part]", set(move.lost))
    lost -= cast("set[Part]", set(move.found))
    return GitState(branch, staged, {**state.origin, **dict(move.origin)}, tips, upstream, frozenset(lost))


def _open(snapshot: Snapshot, head: str) -> Snapshot | None:
    if head in (KEPT, LOST):
        return None
    try:
        return snapshot.at(head)
    except RepositoryError:
        return None


def _branch(
    state: GitState, move: GitMove, before: str | None, lost: set[Part]
) -> tuple[str | None, Mapping[str, str]]:
    if move.branch == KEPT:
        return state.branch, state.tips
    tips = dict(state.tips)
    if state.branch and before is not None and "branch" not in state.lost:
        tips[state.branch] = before
    if move.branch == LOST:
        lost.add("branch")
        return state.branch, tips
    lost.discard("branch")
    return move.branch, tips


def _index(
    files: Files, staged: Mapping[str, bytes | None], move: GitMove, lost: set[Part]
) -> Mapping[str, bytes | None]:
    if move.index == LOST:
        lost.add("index")
    elif move.index != KEPT:
        lost.discard("index")
        staged = {}
    if not move.staged or "index" in lost:
        return staged
    found = dict(staged)
    for path in _named(files, move.staged):
        content = files.read(path)
        known = content if isinstance(content, bytes) else None
        if known is None and not isinstance(content, Absent):
            lost.add("index")
            return {}
        if known == files.tracked(path) or (known is None and isinstance(files.tracked(path), Absent)):
            found.pop(path, None)
        else:
            found[path] = known
    return found


def _named(files: Files, staged: Iterable[str]) -> Iterable[str]:
    for path in staged:
        if not path.endswith("/") and files.kind(path) != "dir":
            yield path
            continue
        below = path.rstrip("/")
        overlay = files.overlay()
        for key in (*overlay.changed, *overlay.unknown):
            inside = paths.relative(key, below)
            around = key.endswith("/") and paths.relative(below, key.rstrip("/")) is not None
            if (inside is not None or around) and not _ignored(files, key):
                yield key.rstrip("/")


def _ignored(files: Files, key: str) -> bool:
    rel = paths.relative(key, files.root)
    return rel is None or (files.rules is not None and files.rules.matches(rel) and not _is_tracked(files, rel))


def _is_tracked(files: Files, rel: str) -> bool:
    return files.snapshot is not None and rel in files.snapshot.manifest


def _follow(files: Files, head: Snapshot, how: str) -> None:
    """The commit below the files is `head` now; what they hold where the two commits differ, see `GitMove.files`."""
    old = files.snapshot
    assert old is not None
    differing = {p for p in {*old.manifest, *head.manifest} if old.manifest.get(p) != head.manifest.get(p)}
    certain = {rel for rel in differing if how == "kept" and _certain(files, paths.join(files.root, rel))}
    files.snapshot = head
    if any(rel.rpartition("/")[2] == ".gitignore" for rel in differing):
        files.rules = ignore_rules(head)
    if how == "reset":
        differing |= {rel for key in files.marks if (rel := paths.relative(key, files.root)) in head.manifest and rel}
        _unveil(files)
    for rel in differing - certain:
        _restore(files, rel)
    for rel in head.submodules if how != "kept" else ():
        files.marks.pop(paths.join(files.root, rel), None)


def _return(files: Files) -> None:
    """HEAD is known again, so its files are where they were only unknown with it. What the session had put into them
    before may have gone with the commit that it left: where that is not what HEAD has, it stays unknown.
    """
    for tree, marks in list(files.trees.items()):
        left = max((mark.serial for mark in marks if mark.until_head), default=0)
        if not left or any(mark.serial < left and not mark.until_head for mark in marks):
            continue
        kept = tuple(mark for mark in marks if not mark.until_head)
        files.trees.pop(tree) if not kept else files.trees.update({tree: kept})
        for key, mark in list(files.marks.items()):
            if mark.serial < left and paths.relative(key, tree) is not None:
                _doubt(files, key, mark)
    for key, mark in list(files.marks.items()):
        if mark.until_head:
            del files.marks[key]


def _doubt(files: Files, key: str, mark: Mark) -> None:
    if mark.state == "content" and mark.content == files.tracked(key):
        del files.marks[key]
    elif mark.state != "dir":
        files.marks[key] = Mark(files.serial, "unknown", reason="changed before another commit was checked out")


def _certain(files: Files, key: str) -> bool:
    """Whether the session itself, and nothing later, says what stands there."""
    return key in files.marks and (isinstance(files.read(key), bytes) or files.kind(key) == "absent")


def _restore(files: Files, rel: str) -> None:
    """The path is as the commit has it."""
    key = paths.join(files.root, rel)
    assert files.snapshot is not None
    entry = files.snapshot.manifest.get(rel)
    if key in files.marks and not files.covered(key):
        del files.marks[key]
    elif entry is None and (key in files.marks or files.covered(key)):
        files.remove(key)
    elif entry is not None and files.covered(key):
        content = files.tracked(key)
        if isinstance(content, bytes) and entry.mode != _LINK:
            files.put(key, Mark(files.serial, "content", content, entry.mode))


def _unveil(files: Files, *, also_unknown: bool = False) -> None:
    """No tracked file's content is uncertain any more because of what happened to a whole tree."""
    gone = ("veiled", "unknown") if also_unknown else ("veiled",)
    for tree, marks in list(files.trees.items()):
        if paths.relative(tree, files.root) is not None:
            kept = tuple(mark for mark in marks if mark.state not in gone)
            if kept:
                files.trees[tree] = kept
            else:
                del files.trees[tree]


def _settle(
    files: Files, dirty: tuple[str, ...], untracked: tuple[str, ...], staged: Mapping[str, bytes | None],
    lost: set[Part],
) -> Mapping[str, bytes | None]:  # fmt: skip
    """All tracked files but the dirty ones are as committed; of the others, which are not ignored, these are there."""
    codes = {entry[3:]: entry[:2] for entry in dirty}
    uncertain = {key for key in codes if not _certain(files, key)}
    doubtful = {key for key in untracked if files.covered(key.rstrip("/")) or key.rstrip("/") not in files.marks}
    _unveil(files, also_unknown=True)
    _settle_clean(files, codes, {key.rstrip("/") for key in untracked})
    for key, code in codes.items():
        if "D" in (code[1], code[0] if code[1] == " " else ""):
            files.remove(key)
        elif key in uncertain or files.read(key) == files.tracked(key):
            files.put(key, Mark(files.serial, "file", None, files.mode(key), "changed, a status showed"))
    _put_untracked(files, [key for key in untracked if key in doubtful])
    return _staged(files, codes, staged, lost)


def _put_untracked(files: Files, keys: Iterable[str]) -> None:
    for key in keys:
        if key.endswith("/"):
            files.make_directory(key.rstrip("/"))
            files.trees[key.rstrip("/")] = (Mark(files.serial, "open", reason="untracked, a status showed"),)
        else:
            files.put(key, Mark(files.serial, "file", None, 0o100644, "untracked, a status showed"))


def _note(files: Files, dirty: tuple[str, ...], untracked: tuple[str, ...]) -> None:
    """What a status shows without its HEAD being known: these differ from it, and those are there besides."""
    for entry in dirty:
        if not _certain(files, entry[3:]):
            files.put(entry[3:], Mark(files.serial, "unknown", reason="changed, a status showed"))
    _put_untracked(files, [key for key in untracked if not _certain(files, key.rstrip("/"))])


def _settle_clean(files: Files, codes: Mapping[str, str], listed: set[str]) -> None:
    """What the session left in tracked files that do not differ, or in untracked ones that are not there, is gone."""
    assert files.snapshot is not None
    for key in list(files.marks):
        rel = paths.relative(key, files.root)
        if not rel or key in codes or files.marks[key].state == "dir":
            continue
        if rel in files.snapshot.submodules:
            del files.marks[key]
        elif rel in files.snapshot.manifest:
            if files.read(key) != files.tracked(key):
                del files.marks[key]
        elif not _listed(key, listed) and not _ignored(files, key) and files.kind(key) in ("file", "unknown"):
            files.remove(key)


def _listed(key: str, listed: set[str]) -> bool:
    return key in listed or any(above in listed for above in paths.ancestors(key))


def _staged(
    files: Files, codes: Mapping[str, str], staged: Mapping[str, bytes | None], lost: set[Part]
) -> Mapping[str, bytes | None]:
    lost.discard("index")
    found: dict[str, bytes | None] = {}
    for key, code in codes.items():
        if code[0] == " ":
            continue
        content = files.read(key)
        if code[1] == " " and code[0] == "D":
            found[key] = None
        elif code[1] == " " and isinstance(content, bytes):
            found[key] = content
        elif code[1] == "M" and key in staged:
            found[key] = staged[key]
        else:
            lost.add("index")
            return {}
    return found

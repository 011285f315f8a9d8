"""Which commit of which known repository a session started from, and how well its reads agree with that commit.

Only the prefix, the session's metadata and the repository take part, never the turn that is measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from harness.shown import Shown, ShownText, look_at, whole_file_reads
from harness.tasknames import TaskName, task_name
from repos.candidates import Candidate, Hints, candidates, recent
from repos.catalog import KnownRepository, directory_names, match
from repos.checkpoints import read_checkpoints
from repos.errors import MissingObject, UnknownRevision
from repos.objects import check as look_up
from repos.refs import read_refs
from repos.snapshot import Snapshot, open_objects, open_snapshot
from repos.versions import main_lines, versions
from toolsim import paths, seeing
from toolsim.actions import Seen
from toolsim.trajectory import Message, Prefix

__all__ = ["Base", "Check", "Difference", "check", "locate", "whole_file_reads"]

_MOST_TEXTS = 80
_POOL = 250
_MOST_SEARCHED = 12
_TELLING = 2
# What a directory of the repository's name weighs: more than one name that stands in many directories (`README.md`).
_NAMED = 1.5
# Stands for the repository where nothing says which of its commits is meant.
_TIP = "tip of the default branch"

Kind: TypeAlias = Literal["line ends", "final newline", "redacted", "not in the commit", "not at hand", "different"]


@dataclass(frozen=True, slots=True)
class Base:
    """A session's base commit and how it was come by. `agreed` of `compared` early reads (whole files and windows)
    show what the commit has. `root` is where the repository stood, in the session's own spelling of paths.
    """

    repository: KnownRepository
    commit: str
    how: str
    agreed: int
    compared: int
    root: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A whole-file read that is not byte-equal to the commit's file, and how it differs."""

    path: str
    kind: Kind
    position: int


@dataclass(frozen=True, slots=True)
class Check:
    """A session's base with its whole-file reads: `equal` of `compared` are byte-equal to the commit's files."""

    session: str
    base: Base | None
    equal: int
    compared: int
    differences: tuple[Difference, ...]


def locate(prefix: Prefix, known: Sequence[KnownRepository]) -> Base | None:
    """The base commit that agrees best with what the prefix shows, `None` if no known repository is meant.

    A recorded commit is taken as it is. Else all candidates are compared with the prefix's early reads; the first of
    the best wins, and where even it disagrees somewhere, a better one among the last commits before the session. A
    session that states no time is sought in the whole history; then a commit that nothing speaks for is none.

    Raises:
        RepositoryError: a repository cannot be read.
    """
    return _locate(prefix, known, look_at(prefix))


def _locate(prefix: Prefix, known: Sequence[KnownRepository], shown: Shown) -> Base | None:
    address, task = prefix.session.repository.url, task_name(prefix)
    named = match(known, url=address, directory=prefix.session.cwd)
    if not address and task is not None:
        named = match(known, url=task.repository, directory=None) or named
    others = [] if address else [k for k in known if k is not named and _may_be(k, prefix, shown)]
    best: Base | None = None
    for repository in [*([named] if named is not None else []), *others]:
        base = _base_in(repository, prefix, shown, meant=repository is named)
        if base is not None and (best is None or base.agreed > best.agreed):
            best = base
    if best is None and named is None and len(others) == 1:
        # nothing was read yet, but the files that are spoken of are those of one repository only
        base = _base_in(others[0], prefix, shown, meant=True)
        return base if base is not None and base.compared == 0 and _spoken_of(base, shown) else None
    return best


def _spoken_of(base: Base, shown: Shown) -> bool:
    """Whether the files that are spoken of are so surely the commit's: deep or several names, and most of them there.

    Names at the root (`README.md`) and single common ones say nothing.
    """
    snapshot = open_snapshot(base.repository.git_dir, base.commit)
    root = paths.canonical(base.root)
    inside = [name for path in shown.names if (name := paths.relative(path, root)) and "/" in name]
    held = [name for name in inside if name in snapshot.manifest]
    telling = len(held) >= _TELLING or any(name.count("/") >= _TELLING for name in held)
    return telling and 2 * len(held) >= len(inside)


def check(prefix: Prefix, known: Sequence[KnownRepository]) -> Check:
    """How many of the prefix's whole-file reads below the repository root equal the base commit's files.

    Raises:
        RepositoryError: a repository cannot be read.
    """
    shown = look_at(prefix)
    base = _locate(prefix, known, shown)
    if base is None:
        return Check(prefix.session.id, None, 0, 0, ())
    snapshot = open_snapshot(base.repository.git_dir, base.commit)
    compared, differences = 0, []
    for read in shown.texts:
        name = paths.relative(read.path, paths.canonical(base.root))
        if name and read.whole:
            compared += 1
            kind = difference(snapshot, name, read.text)
            if kind is not None:
                differences.append(Difference(name, kind, read.position))
    return Check(prefix.session.id, base, compared - len(differences), compared, tuple(differences))


def difference(snapshot: Snapshot, path: str, text: str) -> Kind | None:
    """How a whole text differs from the commit's file; `None` is not at all."""
    if path not in snapshot.manifest:
        return "not in the commit"
    try:
        real = snapshot.read(path).decode("utf-8", "surrogateescape")
    except MissingObject:
        return "not at hand"
    if text == real:
        return None
    left, right = seeing.plain(text), seeing.plain(real)
    if left == right:
        return "line ends"
    if left.rstrip("\n") == right.rstrip("\n"):
        return "final newline"
    return "redacted" if seeing.same_text(left, right) else "different"


def _base_in(known: KnownRepository, prefix: Prefix, shown: Shown, *, meant: bool) -> Base | None:
    """The best base in one repository; `None` if what the prefix shows is not of it."""
    meant = meant or any(map(read_checkpoints(known.git_dir).knows, _ids(prefix)))
    before, task = _start(prefix), task_name(prefix)
    options = _candidates(known, prefix, shown, before, task)
    snapshot = next((s for option in options if (s := _open(known, option.commit)) is not None), None)
    if snapshot is None:
        return None
    root = _root(known, prefix, shown, snapshot, meant=meant)
    if root is None:
        return None
    ranking = _Ranking(known, _below(root, shown.texts))
    best = ranking.best(options)
    if best.how == _TIP or (best.how != "recorded" and ranking.agreed(best.commit) < ranking.compared):
        others = [Candidate(c, f"agrees best of the last {_POOL}") for c in recent(known.git_dir, before, _POOL)]
        if before is None or (task is not None and task.pull is not None):
            others = ranking.in_history()
        best = ranking.best([best, *others])
    agreed, compared = ranking.agreed(best.commit), ranking.compared
    if agreed == 0 and (not meant or best.how == _TIP):
        return None
    return Base(known, best.commit, best.how, agreed, compared, _spelt(root, prefix))


def _may_be(known: KnownRepository, prefix: Prefix, shown: Shown) -> bool:
    """Whether a repository that nobody named may be the session's: it knows the session, or has files of its names."""
    if any(map(read_checkpoints(known.git_dir).knows, _ids(prefix))):
        return True
    refs = read_refs(known.git_dir)
    snapshot = _open(known, refs.branches[refs.default]) if refs.default is not None else None
    return snapshot is not None and bool(_votes(shown, snapshot))


def _candidates(
    known: KnownRepository, prefix: Prefix, shown: Shown, before: float | None, task: TaskName | None
) -> tuple[Candidate, ...]:
    repository = prefix.session.repository
    pull = None if task is None else task.pull
    named = None if task is None else task.commit
    hints = Hints(_ids(prefix), shown.heads, shown.ids, shown.blobs, pull)
    recorded = repository.commit or named
    found = candidates(known, recorded=recorded, branch=repository.branch, before=before, hints=hints)
    if found or before is not None:
        return found or tuple(Candidate(c, "recent") for c in recent(known.git_dir, before, _POOL))
    return tuple(Candidate(c, _TIP) for c in main_lines(known.git_dir)[:1])


def _ids(prefix: Prefix) -> tuple[str, ...]:
    session = prefix.session
    every = (session.id, session.parent, session.id.partition("/")[0], session.lineage)
    return tuple(dict.fromkeys(each for each in every if each))


def _start(prefix: Prefix) -> float | None:
    """The moment that the base is sought for: the first result of a tool; without one, the cut."""
    messages = [item for item in prefix.items if isinstance(item, Message)]
    answered = (m.at for m in messages if m.result is not None and m.at is not None)
    return next(answered, prefix.as_of)


def _open(known: KnownRepository, commit: str) -> Snapshot | None:
    try:
        return open_snapshot(known.git_dir, commit)
    except UnknownRevision:
        return None


def _root(known: KnownRepository, prefix: Prefix, shown: Shown, snapshot: Snapshot, *, meant: bool) -> str | None:
    """The canonical directory below which most of the named paths are files of the commit; longer matches weigh more.

    Without any, a session that is known to mean this repository stood in its directory.
    """
    votes = _votes(shown, snapshot)
    cwd = paths.canonical(prefix.session.cwd) if prefix.session.cwd else None
    named = _named_so(known, cwd) if meant and cwd is not None else None
    if votes:
        voted = {d: votes.get(d, 0) + _NAMED * (d == named) for d in {*votes, named or cwd or ""}}
        return max(voted, key=lambda d: (voted[d], d == cwd, -len(d), d))
    if not meant or cwd is None:
        return None
    if named is not None:
        return named if snapshot.kind(paths.relative(cwd, named) or "") == "dir" else cwd
    return cwd


def _named_so(known: KnownRepository, cwd: str) -> str | None:
    """The directory, or one above it, that has the repository's name."""
    names = directory_names(known)
    return next((d for d in (cwd, *paths.ancestors(cwd)) if d.rpartition("/")[2].lower() in names), None)


def _votes(shown: Shown, snapshot: Snapshot) -> dict[str, int]:
    votes: dict[str, int] = {}
    for name in shown.names:
        for directory in paths.ancestors(name):
            inside = paths.relative(name, directory)
            if inside and inside in snapshot.manifest:
                votes[directory] = votes.get(directory, 0) + inside.count("/") + 1
    return votes


def _below(root: str, texts: Iterable[ShownText]) -> dict[str, list[Seen]]:
    """The shown texts by path relative to the root."""
    found: dict[str, list[Seen]] = {}
    for text in texts:
        name = paths.relative(text.path, root)
        if name and "\n" not in name:
            found.setdefault(name, []).append(Seen(name, text.text, text.start, text.whole, text.total))
    return found


def _spelt(root: str, prefix: Prefix) -> str:
    cwd = prefix.session.cwd or prefix.cwd
    return paths.spell(root, cwd) if cwd else root


@dataclass(slots=True)
class _Ranking:
    """Commits by how many shown texts they hold; each distinct content is compared once."""

    known: KnownRepository
    texts: Mapping[str, list[Seen]]
    compared: int = 0
    _held: dict[str, dict[str, str | None]] = field(default_factory=dict)
    _agreeing: dict[tuple[str, str], int] = field(default_factory=dict)

    def best(self, options: Sequence[Candidate]) -> Candidate:
        """The first of the options that agree most; a recorded one stays."""
        self._look_up([option.commit for option in options])
        if options[0].how == "recorded":
            return options[0]
        return max(options, key=lambda option: self.agreed(option.commit))

    def in_history(self) -> list[Candidate]:
        """The commit of the main lines that agrees most; of a run of equals the middle one, the nearest to all."""
        lines = main_lines(self.known.git_dir)
        counts = [0] * len(lines)
        for name in list(self.texts)[:_MOST_SEARCHED]:
            for place, oid in enumerate(versions(self.known.git_dir, name)):
                counts[place] += self._agree(name, oid) if oid is not None else 0
        most = max(counts, default=0)
        if not most:
            return []
        first = counts.index(most)
        end = next((n for n in range(first, len(counts)) if counts[n] != most), len(counts))
        return [Candidate(lines[(first + end - 1) // 2], "agrees best in the history")]

    def agreed(self, commit: str) -> int:
        """How many texts the commit's files show."""
        return sum(self._agree(path, oid) for path, oid in self._held[commit].items() if oid is not None)

    def _look_up(self, commits: Sequence[str]) -> None:
        names = list(self.texts)[:_MOST_TEXTS]
        new = [commit for commit in dict.fromkeys(commits) if commit not in self._held]
        found = iter(look_up(self.known.git_dir, [f"{commit}:{name}" for commit in new for name in names]))
        for commit in new:
            held = {name: next(found) for name in names}
            self._held[commit] = {n: f[0] if f is not None and f[1] == "blob" else None for n, f in held.items()}
        tracked = {n for held in self._held.values() for n, oid in held.items() if oid is not None}
        self.compared = sum(len(self.texts[name]) for name in tracked)

    def _agree(self, path: str, oid: str) -> int:
        key = (path, oid)
        if key not in self._agreeing:
            try:
                content = open_objects(self.known.git_dir).read(oid)[1]
            except MissingObject:
                self._agreeing[key] = 0
            else:
                self._agreeing[key] = sum(seeing.agrees(seen, content) for seen in self.texts[path])
        return self._agreeing[key]

"""Commits that a session may have started from, best first. What the session shows of files then decides.

Nothing newer than the session's start is named, except a commit that the session itself recorded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from repos.errors import RepositoryError
from repos.git import History, check_branch, run
from repos.objects import check, stream
from repos.refs import last_before, moment, read_refs
from repos.snapshot import open_objects

if TYPE_CHECKING:
    from repos.catalog import KnownRepository

_HEX = re.compile(r"^[0-9a-f]{7,64}$")
_SHADOW = re.compile(r"(?:^|/)entire/([0-9a-f]{7,40})-[0-9a-f]+$")
_RECENT = 8
_FIND_SECONDS = 5.0
_BLOBS = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """A commit (full id) and how it was come by."""

    commit: str
    how: str


def candidates(
    repo: KnownRepository,
    *,
    recorded: str | None,
    branch: str | None,
    before: float | None,
    hints: Sequence[str] = (),
    blobs: Sequence[str] = (),
) -> tuple[Candidate, ...]:
    """Commits that a session may have started from, best guess first, none twice.

    `before` is the session's first time (Unix seconds); `hints` are strings that may lead to a commit: session and
    checkpoint ids, abbreviated commit ids that early output showed; `blobs` are (abbreviated) ids of file contents
    that early output showed (`index aaa..bbb`).

    Raises:
        RepositoryError: the repository cannot be read.
    """
    return _Search(repo.git_dir, branch, before).collect(recorded, hints, blobs)


def recent(git_dir: Path, before: float | None, count: int) -> tuple[str, ...]:
    """The last `count` commits over all refs that were made before the moment, newest first."""
    limit = [] if before is None else [f"--min-age={int(before)}"]
    return tuple(History(git_dir).ask("rev-list", "--all", "--date-order", f"-n{count}", *limit))


def commit_time(git_dir: Path, commit: str) -> float | None:
    """When a commit was made (committer's time, Unix seconds); `None` if the repository lacks it."""
    found = moment(open_objects(git_dir), commit)
    return found[1] if found is not None and found[0] == commit else None


@dataclass(frozen=True, slots=True)
class _Search:
    git_dir: Path
    branch: str | None
    before: float | None

    def collect(self, recorded: str | None, hints: Sequence[str], blobs: Sequence[str]) -> tuple[Candidate, ...]:
        found: dict[str, str] = {}
        for commit, how in self._all(recorded, hints, blobs):
            if commit not in found and (how == "recorded" or self._old_enough(commit)):
                found[commit] = how
        return tuple(Candidate(commit, how) for commit, how in found.items())

    def _all(self, recorded: str | None, hints: Sequence[str], blobs: Sequence[str]) -> Iterator[tuple[str, str]]:
        if recorded:
            yield from ((c, "recorded") for c in self._commits([recorded]))
        yield from self._checkpoints(hints)
        yield from ((c, "shown in the session") for c in self._commits([h for h in hints if _HEX.match(h)]))
        if self.before is None:
            return
        yield from self._on_branches(self.before)
        yield from ((c, "holds a shown blob") for c in self._with_blobs(blobs[:_BLOBS], self.before))
        yield from ((c, "recent") for c in recent(self.git_dir, self.before, _RECENT))

    def _commits(self, names: Sequence[str]) -> list[str]:
        names = [name for name in names if _HEX.match(name)]
        found = check(self.git_dir, [f"{name}^{{commit}}" for name in names]) if names else []
        return [each[0] for each in found if each is not None]

    def _old_enough(self, commit: str) -> bool:
        made = commit_time(self.git_dir, commit)
        return made is not None and (self.before is None or made <= self.before)

    def _checkpoints(self, hints: Sequence[str]) -> Iterator[tuple[str, str]]:
        """What entire.io left of the session: checkpoints with commits that carry their id, and shadow branches."""
        index = _entire(self.git_dir, _refs_state(self.git_dir))
        for hint in hints:
            for base in index.shadows.get(hint, ()):
                yield from ((c, "checkpoint's base") for c in self._commits([base]))
            for checkpoint in index.sessions.get(hint, (hint,)):
                for parent in index.parents.get(checkpoint, ()):
                    yield from self._at_or_before(parent)

    def _at_or_before(self, parent: str) -> Iterator[tuple[str, str]]:
        if self._old_enough(parent):
            yield parent, "checkpoint's parent"
        elif self.before is not None:
            ancestor = last_before(self.git_dir, parent, self.before)
            if ancestor is not None:
                yield ancestor, "checkpoint's ancestor before the session"

    def _on_branches(self, before: float) -> Iterator[tuple[str, str]]:
        refs = read_refs(self.git_dir)
        branch = self.branch if self.branch is not None and _is_branch(self.branch) else None
        if branch is not None:
            starts = [refs.branches[branch]] if branch in refs.branches else []
            starts += self._merged(branch)
            for start in starts:
                commit = last_before(self.git_dir, start, before)
                if commit is not None:
                    yield commit, "last on the branch before the session"
        if refs.default is not None:
            commit = last_before(self.git_dir, refs.branches[refs.default], before)
            if commit is not None:
                yield commit, f"last on {refs.default} before the session"

    def _merged(self, branch: str) -> list[str]:
        """Tips of a branch that is gone, from the messages of its merges."""
        lines = History(self.git_dir).ask(
            "log", "--all", "--merges", "--fixed-strings", f"--grep={branch}", "--format=%P%x00%s", "-n20"
        )
        tips: list[str] = []
        for line in lines:
            parents, _, subject = line.partition("\0")
            if re.search(rf"(?:^|[\s'/]){re.escape(branch)}(?:$|[\s'])", subject) and " " in parents:
                tips.append(parents.split()[1])
        return tips

    def _with_blobs(self, blobs: Sequence[str], before: float) -> Iterator[str]:
        """The newest commits that brought or removed the blobs, and that commit's parent, in bounded time."""
        for oid, kind in [each for each in check(self.git_dir, [b for b in blobs if _HEX.match(b)]) if each]:
            if kind != "blob":
                continue
            try:
                text = run(
                    self.git_dir, "log", "--all", f"--find-object={oid}", f"--min-age={int(before)}", "--format=%H",
                    "-n2", "--no-textconv", "--no-ext-diff", seconds=_FIND_SECONDS,
                )  # fmt: skip
            except RepositoryError:
                return
            yield from text.decode("ascii", "replace").split()


@dataclass(frozen=True, slots=True)
class _Entire:
    """`sessions`: session id → checkpoint ids, oldest first; `parents`: checkpoint id → parents of the commits that
    carry it, the first commit's first; `shadows`: session id → abbreviated base commits of its shadow branches."""

    sessions: dict[str, list[str]]
    parents: dict[str, list[str]]
    shadows: dict[str, list[str]]


def _refs_state(git_dir: Path) -> tuple[str, ...]:
    return tuple(History(git_dir).ask("for-each-ref", "--format=%(objectname) %(refname)"))


@lru_cache(maxsize=16)
def _entire(git_dir: Path, state: tuple[str, ...]) -> _Entire:
    refs = [line.partition(" ")[::2] for line in state]
    tips = {name: oid for oid, name in refs}
    meta = next((oid for name, oid in tips.items() if name.endswith("/entire/checkpoints/v1")), None)
    shadows: dict[str, list[str]] = {}
    for name, tip in tips.items():
        found = _SHADOW.search(name)
        if found is not None:
            for session in _trailer_values(git_dir, [tip], "Entire-Session", "%x00"):
                shadows.setdefault(session[0], []).append(found.group(1))
    return _Entire(_sessions(git_dir, meta) if meta else {}, _parents(git_dir), shadows)


def _trailer_values(git_dir: Path, where: Sequence[str], key: str, rest: str) -> Iterator[tuple[str, str]]:
    """(trailer value, the commit printed by the format `rest`) of all commits reachable from `where`."""
    lines = History(git_dir).ask(
        "log", *where, f"--grep={key}: ", f"--format=%(trailers:key={key},valueonly,separator=%x2C)%x01{rest}"
    )
    for line in lines:
        values, _, rest_of_line = line.partition("\x01")
        for value in values.split(","):
            if value.strip():
                yield value.strip(), rest_of_line


def _parents(git_dir: Path) -> dict[str, list[str]]:
    found: dict[str, list[tuple[int, int, str]]] = {}
    for value, rest in _trailer_values(git_dir, ["--all"], "Entire-Checkpoint", "%at %ct %P"):
        authored, committed, *parents = rest.split()
        if parents:
            found.setdefault(value, []).append((int(authored), int(committed), parents[0]))
    return {value: list(dict.fromkeys(parent for _, _, parent in sorted(commits))) for value, commits in found.items()}


def _sessions(git_dir: Path, branch: str) -> dict[str, list[str]]:
    records = run(git_dir, "ls-tree", "-r", "-z", "--full-tree", branch).split(b"\0")[:-1]
    oids = [r.split(b"\t")[0].split()[2].decode("ascii") for r in records if r.endswith(b"/metadata.json")]
    found: dict[str, list[tuple[str, str]]] = {}
    for _, body in stream(git_dir, oids):
        for session, made, checkpoint in _metadata(body):
            found.setdefault(session, []).append((made, checkpoint))
    return {session: [checkpoint for _, checkpoint in sorted(each)] for session, each in found.items()}


def _metadata(body: bytes | None) -> Iterable[tuple[str, str, str]]:
    try:
        read = json.loads(body or b"null")
    except ValueError:
        return ()
    if not isinstance(read, dict):
        return ()
    session, made, checkpoint = (read.get(key) for key in ("session_id", "created_at", "checkpoint_id"))
    if not isinstance(session, str) or not isinstance(checkpoint, str):
        return ()
    return [(session, made if isinstance(made, str) else "", checkpoint)]


def _is_branch(text: str) -> bool:
    try:
        check_branch(text)
    except RepositoryError:
        return False
    return True

"""What a recorded git command moved in `.git`: HEAD, branch, index, remote branches, as its output tells.

An id in the output that the repository at hand has is where HEAD, or a remote branch, stands now; what differs between
the commits then follows in the files. An id that it lacks (work that was never pushed, or was squashed) leaves HEAD
unknown until a later output shows one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from toolsim import paths, shellparse
from toolsim.actions import KEPT, LOST, Blur, GitMove, Mutation
from toolsim.gitstate import PARTS

if TYPE_CHECKING:
    from toolsim.recorded_shell import RecordedRun
    from toolsim.shellparse import Invocation
    from toolsim.world import World

_DIFFSTAT = re.compile(r"^ (?P<path>\S.*?)\s+\|\s+(?:\d+ [+-]*|Bin .*)$", re.M)
_MODES = re.compile(r"^ (?:create|delete) mode \d+ (?P<path>.+)$", re.M)
_COMMITTED = re.compile(r"^\[(?P<branch>detached HEAD|[^\s\]]+)(?: \(root-commit\))? (?P<id>[0-9a-f]{7,40})\] ", re.M)
_SWITCHED = re.compile(r"^(?:Switched to (?:and reset )?(?:a new )?branch|Reset branch) '(?P<name>[^']+)'", re.M)
_NOW_AT = re.compile(r"^(?:HEAD is now at|Note: switching to '?)\s*(?P<id>[0-9a-f]{7,40})\b", re.M)
_UPDATING = re.compile(r"^Updating [0-9a-f]{7,40}\.\.(?P<id>[0-9a-f]{7,40})$", re.M)
_FETCHED = re.compile(r"^ [ +*] [0-9a-f]{7,40}\.\.\.?(?P<id>[0-9a-f]{7,40}) +\S+ +-> origin/(?P<name>\S+)", re.M)
_PUSHED = re.compile(
    r"^ [ +*] (?:\[new branch\]|[0-9a-f]{7,40}\.\.\.?(?P<id>[0-9a-f]{7,40})) +(?P<from>\S+) -> (?P<name>[^\s/]\S*)",
    re.M,
)
_EVEN = re.compile(r"^Your branch is up to date with 'origin/(?P<name>[^']+)'\.", re.M)
UNCHANGED = re.compile(r"^(?:Already up to date|Already on |Current branch .* is up to date|No local changes)", re.M)
"""What git says when it had nothing to do."""
_NOTHING_COMMITTED = re.compile(r"^(?:nothing to commit|nothing added to commit|no changes added to commit)", re.M)
_CREATE = frozenset({"-b", "-B", "-c", "-C", "--create", "--orphan"})


@dataclass(frozen=True, slots=True)
class GitCommand:
    sub: str
    rest: tuple[str, ...]
    cwd: str
    run: RecordedRun

    @property
    def words(self) -> list[str]:
        return [word for word in self.rest if not word.startswith("-")]

    @property
    def hidden(self) -> bool:
        """Whether its output is not, or not all, in the record."""
        return bool(re.search(r"\|(?!\|)|>\s*(?!&|/dev/stdout)|(?:^|\s)(?:-q|--quiet)\b", self.run.command))

    def asks(self, *names: str) -> bool:
        return bool(set(names) & set(self.rest))


def git_command(invocation: Invocation, cwd: str, run: RecordedRun, world: World) -> GitCommand:
    sub = shellparse.git_subcommand(invocation.arguments)
    at = invocation.arguments.index(sub) if sub in invocation.arguments else len(invocation.arguments)
    options = invocation.arguments[:at]
    for option, value in pairwise(options):
        if option == "-C":
            cwd = paths.canonical(value, cwd, windows=world.windows)
    return GitCommand(sub, tuple(invocation.arguments[at + 1 :]), cwd, run)


def is_this_tree(cwd: str, world: World) -> bool:
    """Whether git works on the repository of the world there, not on another one or another work tree of it."""
    below = paths.relative(cwd, world.root)
    return below is not None and not {"worktrees", ".worktrees", "node_modules"} & set(below.split("/"))


def listed(output: str) -> list[str]:
    return [m["path"] for m in (*_DIFFSTAT.finditer(output), *_MODES.finditer(output))]


def blurred(
    listed: Sequence[str], world: World, reason: str, scope: Literal["head", "content"] = "head"
) -> Iterator[Mutation]:
    """The listed files, or the whole tree where the list is none or has names that are cut."""
    if listed and not any("..." in path or "=>" in path for path in listed):
        one: Literal["head", "all"] = "head" if scope == "head" else "all"
        yield from (Blur(paths.join(world.root, path), reason, one) for path in dict.fromkeys(listed))
    else:
        yield Blur(world.root + "/", reason, scope)


def put_back(command: str) -> bool:
    return bool(re.search(r"git stash(?! (?:pop|apply|list|show)).*git stash pop", command, re.S))


def restores(command: GitCommand) -> bool:
    """Whether the command takes files out of the index or a commit, and leaves HEAD where it is."""
    return command.sub == "restore" or (command.sub == "checkout" and "--" in command.rest)


def moves(command: GitCommand, world: World) -> Iterator[Mutation]:
    """What the command moved; `world` is as it was before."""
    if command.sub in _QUIET:
        return
    found = _MOVES.get(command.sub)
    if found is None:
        yield GitMove(lost=tuple(sorted(PARTS - {"settings"})))
    else:
        yield from found(command, world)


def _added(command: GitCommand, world: World) -> Iterator[Mutation]:
    failed = bool(command.run.failed) or re.search(r"^(?:fatal|error): ", command.run.output, re.M) is not None
    yield GitMove(index=LOST) if failed else GitMove(staged=_staged(command, world))


def _removed(command: GitCommand, world: World) -> Iterator[Mutation]:
    named = tuple(paths.canonical(w, command.cwd, windows=world.windows) for w in command.words)
    yield GitMove(index=LOST) if command.run.failed or "--cached" in command.rest else GitMove(staged=named)


def _checked_out(command: GitCommand, world: World) -> Iterator[Mutation]:
    if not restores(command):
        yield from _switched(command, world)
    elif command.rest[:1] != ("--",):
        yield GitMove(index=LOST)


def _restored(command: GitCommand, world: World) -> Iterator[Mutation]:
    if "--staged" in command.rest:
        yield GitMove(index=LOST if world.git.staged else "HEAD")


def _pulled(command: GitCommand, world: World) -> Iterator[Mutation]:
    yield from _fetched(command, world)
    yield from _merged(command, world)


def _stashed(command: GitCommand, _: World) -> Iterator[Mutation]:
    if not UNCHANGED.search(command.run.output):
        back = put_back(command.run.command) or command.words[:1] in (["pop"], ["apply"])
        yield GitMove(index=LOST if back else "HEAD", lost=("stash",))


def _refs_made(command: GitCommand, _: World) -> Iterator[Mutation]:
    renamed = command.asks("-m", "-M", "--move") and command.sub == "branch"
    yield GitMove(branch=LOST if renamed else KEPT, lost=("other refs",))


def _set(command: GitCommand, _: World) -> Iterator[Mutation]:
    if command.sub == "remote":
        yield GitMove(lost=("settings", "remote branches"))
    elif not any(word.startswith("user.") for word in command.words):
        yield GitMove(lost=("settings",))


def _staged(command: GitCommand, world: World) -> tuple[str, ...]:
    """The paths that `git add` was given; one ending in `/` stands for all changed files below."""
    if command.asks("-A", "--all", "-u", "--update") and not command.words:
        return (world.root.rstrip("/") + "/",)
    named = [paths.canonical(word, command.cwd, windows=world.windows) for word in command.words]
    return tuple(path + "/" if world.kind(path) == "dir" else path for path in named)


def _follows_known(world: World) -> bool:
    """Whether the commit of the remote branch that the branch follows was shown: what is committed leaves it there."""
    branch = world.git.branch or ""
    return world.git.upstream.get(branch, f"origin/{branch}").removeprefix("origin/") in world.git.origin


def _committed(command: GitCommand, world: World) -> Iterator[Mutation]:
    output = command.run.output
    lost = ("log of HEAD",) if _follows_known(world) else ("remote branches", "log of HEAD")
    made = list(_COMMITTED.finditer(output))
    if not made:
        if _NOTHING_COMMITTED.search(output) or (command.run.failed and not command.hidden):
            return
        index = LOST if command.run.failed else "HEAD"
        yield GitMove(LOST, index=index, lost=lost)
        yield from () if command.sub == "commit" else (Blur(world.root + "/", f"git {command.sub}", scope="content"),)
        return
    last = made[-1]
    head = None if world.snapshot is None else world.snapshot.resolve(last["id"])
    branch = "" if last["branch"] == "detached HEAD" else last["branch"]
    if command.sub != "commit" and head is None:
        yield Blur(world.root + "/", f"git {command.sub}", scope="content")
    some = command.sub == "commit" and (command.asks("-o", "--only") or "--" in command.rest)
    yield GitMove(
        head or LOST, branch, LOST if some else "HEAD", "kept" if command.sub == "commit" else "followed",
        lost=lost,
    )  # fmt: skip


def _pushed(command: GitCommand, world: World) -> Iterator[Mutation]:
    """Remote branches that a push moved. They are HEAD's commit where HEAD was pushed."""
    output = command.run.output
    origin: dict[str, str] = {}
    for match in _PUSHED.finditer(output):
        source, name = match["from"], match["name"]
        of_head = source in ("HEAD", world.git.branch) and not {"HEAD", "branch"} & world.git.lost
        if of_head and world.snapshot is not None:
            origin[name] = world.snapshot.commit
        elif match["id"] and world.snapshot is not None and (found := world.snapshot.resolve(match["id"])):
            origin[name] = found
        else:
            yield GitMove(lost=("remote branches",))
            return
    if not origin and re.search(r"^Everything up-to-date", output, re.M) is None:
        yield GitMove(lost=("remote branches",))
        return
    pushed = world.git.branch in origin
    follows = re.search(r"^branch '[^']+' set up to track '(?:origin/)?([^']+)'", output, re.M)
    yield GitMove(
        origin=tuple(origin.items()), found=("remote branches",) if pushed else (),
        upstream="origin/" + follows.group(1).removesuffix(" from 'origin") if follows else KEPT,
    )  # fmt: skip


def _fetched(command: GitCommand, world: World) -> Iterator[Mutation]:
    """Remote branches that a fetch moved; where it says nothing of the default branch, that is where it was shown last,
    else up to date (a commit is older than the push that brings it, so that a guess by time may be too new)."""
    origin: dict[str, str] = {}
    if world.snapshot is not None and world.now is not None and not command.run.failed:
        tip = world.snapshot.default_tip(world.now)
        if tip is not None and set(command.words) <= {"origin", tip[0]}:
            name, commit = tip
            shown = None if "remote branches" in world.git.lost else world.git.origin.get(name)
            silent = not command.hidden and not command.run.output.strip()
            if shown is not None and silent:
                origin[name] = shown
            elif world.snapshot.reaches(commit, world.git.origin.get(name, commit)):
                origin[name] = commit
    for match in _FETCHED.finditer(command.run.output):
        found = None if world.snapshot is None else world.snapshot.resolve(match["id"])
        if found is None:
            yield GitMove(lost=("remote branches",))
            return
        origin[match["name"]] = found
    if origin:
        yield GitMove(origin=tuple(origin.items()), found=("remote branches",))


def _switched(command: GitCommand, world: World) -> Iterator[Mutation]:
    output = command.run.output
    switched = list(_SWITCHED.finditer(output))
    now_at = list(_NOW_AT.finditer(output))
    fresh = bool(_CREATE & set(command.rest))
    if switched:
        name = switched[-1]["name"]
        head = _started_at(command, world) if fresh else world.git.tips.get(name) or _even(output, world)
        yield from _headed(head, name, world, output, fresh=fresh)
    elif now_at:
        found = None if world.snapshot is None else world.snapshot.resolve(now_at[-1]["id"])
        yield from _headed(found or LOST, "", world)
    elif fresh and not command.run.failed and command.words:
        yield from _headed(_started_at(command, world), command.words[0], world, output, fresh=True)
    elif not UNCHANGED.search(output) and not (command.run.failed and not command.hidden):
        yield GitMove(LOST, LOST, lost=("log of HEAD",))
        yield Blur(world.root + "/", f"git {command.sub}", "head")


def _even(output: str, world: World) -> str:
    """The commit of the remote branch that a branch is said to be up to date with."""
    same = _EVEN.search(output)
    return LOST if same is None else world.git.origin.get(same["name"], LOST)


def _started_at(command: GitCommand, world: World) -> str:
    """The commit that a new branch starts at; `as it was` where it is HEAD."""
    words = [w for w in command.words if w]
    start = words[1] if len(words) > 1 else "HEAD"
    if "--orphan" in command.rest:
        return LOST
    if start == "HEAD":
        return KEPT
    if start.startswith("origin/"):
        return world.git.origin.get(start.removeprefix("origin/"), LOST)
    tip = world.git.tips.get(start)
    return tip or (None if world.snapshot is None else world.snapshot.resolve(start)) or LOST


def _headed(head: str, branch: str, world: World, output: str = "", *, fresh: bool = False) -> Iterator[Mutation]:
    """HEAD is on another branch: clean files follow; where its commit is not known, neither are the files."""
    if head == LOST:
        yield Blur(world.root + "/", "git checkout", "head")
    if head == KEPT and "HEAD" in world.git.lost:
        head = LOST
    follows = re.search(r"^branch '[^']+' set up to track '([^']+)'", output, re.M)
    upstream = follows.group(1) if follows else "" if fresh else KEPT
    yield GitMove(head, branch, files="followed", upstream=upstream, lost=("other refs", "log of HEAD"))


def _merged(command: GitCommand, world: World) -> Iterator[Mutation]:
    output = command.run.output
    updating = list(_UPDATING.finditer(output))
    if updating and "Fast-forward" in output:
        head = None if world.snapshot is None else world.snapshot.resolve(updating[-1]["id"])
        if head is None:
            yield from blurred(listed(output), world, f"git {command.sub}")
        yield GitMove(head or LOST, files="followed", lost=("log of HEAD",))
    elif not UNCHANGED.search(output) and not (command.run.failed and not command.hidden):
        yield from blurred(listed(output) if command.sub != "rebase" else [], world, f"git {command.sub}")
        yield GitMove(LOST, lost=("log of HEAD",))
    elif command.run.failed and not command.hidden and "CONFLICT" in output:
        yield Blur(world.root + "/", f"git {command.sub}")
        yield GitMove(LOST, LOST, lost=("log of HEAD",))


def _reset(command: GitCommand, world: World) -> Iterator[Mutation]:
    hard = command.asks("--hard", "--merge", "--keep")
    now_at = list(_NOW_AT.finditer(command.run.output))
    if hard:
        head = world.snapshot.resolve(now_at[-1]["id"]) if now_at and world.snapshot is not None else None
        if head is None:
            yield Blur(world.root + "/", "git reset", "head")
        yield GitMove(head or LOST, index="HEAD", files="reset", lost=("log of HEAD",))
        return
    words = [w for w in command.words if w not in ("HEAD", "@")]
    if not words:
        yield GitMove(index=LOST if command.asks("-p", "--patch") or command.run.failed else "HEAD")
        return
    revision = re.fullmatch(r"(?:HEAD|@)((?:[~^]\d*)+)", words[0])
    if revision is None:
        yield GitMove(index=LOST)
        return
    known = world.snapshot is not None and "HEAD" not in world.git.lost
    head = world.snapshot.resolve(world.snapshot.commit + revision.group(1)) if known and world.snapshot else None
    index = LOST if command.asks("--soft") else "HEAD"
    lost = ("log of HEAD",) if _follows_known(world) else ("log of HEAD", "remote branches")
    yield GitMove(head or LOST, index=index, lost=lost)


_QUIET = frozenset({"notes", "gc", "lfs", "init", "clean", "maintenance", "prune", "pack-refs"})
_MOVES: dict[str, Callable[[GitCommand, World], Iterator[Mutation]]] = {
    "add": _added, "rm": _removed, "mv": _removed, "commit": _committed, "cherry-pick": _committed,
    "revert": _committed, "push": _pushed, "fetch": _fetched, "checkout": _checked_out, "switch": _switched,
    "pull": _pulled, "merge": _pulled, "rebase": _pulled, "reset": _reset, "restore": _restored, "stash": _stashed,
    "branch": _refs_made, "tag": _refs_made, "worktree": _refs_made, "update-ref": _refs_made, "config": _set,
    "remote": _set,
}  # fmt: skip

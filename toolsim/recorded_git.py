"""What a recorded git command did to the files and to what is known of `.git`, as far as its text and output tell.

An id in the output that the repository at hand has is where HEAD, or a remote branch, stands now; the files of both
commits are then known, so what differs between them follows. An id that it lacks (work that was never pushed, or was
squashed) leaves HEAD unknown until a later output shows one. `status` shows which files differ, `rev-parse HEAD` and
`log` where HEAD is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolsim import paths, shellparse
from toolsim.actions import LOST, Blur, GitMove, Mutation, PutFile, RemovePath
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
_PUSHED = re.compile(r"^ [ +*] (?P<what>\[new branch\]|[0-9a-f]{7,40}\.\.\.?(?P<id>[0-9a-f]{7,40})) +(?P<from>\S+) -> (?P<name>[^\s/]\S*)", re.M)  # fmt: skip
_UNCHANGED = re.compile(r"^(?:Already up to date|Already on |Current branch .* is up to date|No local changes)", re.M)
_NOTHING_COMMITTED = re.compile(r"^(?:nothing to commit|nothing added to commit|no changes added to commit)", re.M)
_HOOKS = re.compile(r"lint-staged|prettier|husky|pre-commit|reformatted|files? modified by", re.I)
_CREATE = frozenset({"-b", "-B", "-c", "-C", "--create", "--orphan"})
_STATUS_LINE = re.compile(r"^(?P<code>[ MADRCTU?!]{2}) (?P<path>.+)$")


@dataclass(frozen=True, slots=True)
class _Command:
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


def effects(invocation: Invocation, cwd: str, run: RecordedRun, world: World) -> Iterator[Mutation]:
    """The mutations that follow from `git ...` having run in the directory as a part of the recorded command."""
    command = _command(invocation, cwd, run, world)
    if shellparse.is_read_only("git " + " ".join([command.sub, *command.rest])):
        return
    if not _is_this_tree(command.cwd, world):
        yield from _elsewhere(command, world)
        return
    yield from _work_tree(command, world)
    yield from _moves(command, world)


def shown(run: RecordedRun, cwd: str, world: World) -> Iterator[Mutation]:
    """What the output of a read-only line shows: where HEAD is, which branch, which files differ."""
    line = shellparse.parse(run.command)
    if run.failed or not line.ok or len(line.invocations) != 1 or line.redirections or line.keywords:
        return
    invocation = line.invocations[0]
    if invocation.name != "git" or world.snapshot is None:
        return
    command = _command(invocation, cwd, run, world)
    if not _is_this_tree(command.cwd, world):
        return
    if command.sub == "status":
        yield from _shown_status(command, world)
    elif command.sub == "log" and not command.words:
        first = re.match(r"(?:commit )?([0-9a-f]{7,40})\b", run.output)
        usual = all(re.fullmatch(r"-\d+|-n\d*|--oneline|--stat|--no-pager|--decorate\S*", o) for o in command.rest)
        yield from _head_at(first.group(1) if first and usual else None, world)
    elif command.sub == "rev-parse" and command.rest in (("HEAD",), ("--verify", "HEAD"), ("--short", "HEAD")):
        yield from _head_at(run.output.strip(), world)
    elif command.sub == "branch" and command.rest == ("--show-current",):
        yield from _on_branch(run.output.strip(), world)
    elif command.sub == "rev-parse" and command.rest == ("--abbrev-ref", "HEAD"):
        yield from _on_branch(run.output.strip().removesuffix("HEAD"), world)


def _command(invocation: Invocation, cwd: str, run: RecordedRun, world: World) -> _Command:
    sub = shellparse.git_subcommand(invocation.arguments)
    at = invocation.arguments.index(sub) if sub in invocation.arguments else len(invocation.arguments)
    options = invocation.arguments[:at]
    for option, value in zip(options, options[1:], strict=False):
        if option == "-C":
            cwd = paths.canonical(value, cwd, windows=world.windows)
    return _Command(sub, tuple(invocation.arguments[at + 1 :]), cwd, run)


def _is_this_tree(cwd: str, world: World) -> bool:
    """Whether git works on the repository of the world there, not on another one or another work tree of it."""
    below = paths.relative(cwd, world.root)
    return below is not None and not {"worktrees", ".worktrees", "node_modules"} & set(below.split("/"))


def _elsewhere(command: _Command, world: World) -> Iterator[Mutation]:
    """git in another directory: another repository, or another work tree of this one, which shares its refs."""
    quiet = ("add", "commit", "push", "fetch", "tag", "config", "init", "remote", "notes", "gc", "lfs", "am")
    if command.sub not in quiet:
        yield Blur(command.cwd.rstrip("/") + "/", f"git {command.sub}")
    beside = {"worktrees", ".worktrees"} & set(re.split(r"[/.]", command.cwd)) or "worktree" in command.cwd
    if beside:
        yield GitMove(lost=("other refs", "remote branches", "stash"))


# --- the files --------------------------------------------------------------------------------------------------------


def _work_tree(command: _Command, world: World) -> Iterator[Mutation]:
    """What happens to the files where no commit says it."""
    sub, rest, words, run = command.sub, command.rest, command.words, command.run
    if sub == "commit":
        if _HOOKS.search(run.output):
            yield Blur(world.root + "/", "commit hooks", scope="edited")
    elif sub in ("rm", "mv"):
        if "--cached" not in rest:
            yield from _removed_or_moved(command, world)
    elif sub == "worktree":
        yield from (
            Blur(paths.canonical(w, command.cwd, windows=world.windows) + "/", "a work tree") for w in words[1:2]
        )
    elif sub == "stash":
        if not _UNCHANGED.search(run.output) and not _put_back(run.command):
            yield Blur(world.root + "/", "git stash", scope="edited")
            if words[:1] in (["pop"], ["apply"]):
                yield from _blurred(_listed(run.output), world, "git stash", "content")
    elif _restores(command):
        yield from _restored(command, world)
    elif sub in (
        "clean",
        "apply",
        "am",
        "submodule",
        "bisect",
        "read-tree",
        "checkout-index",
        "rebase",
        "sparse-checkout",
    ):
        if not _UNCHANGED.search(run.output) and "--cached" not in rest:
            yield Blur(world.root + "/", f"git {sub}")


def _removed_or_moved(command: _Command, world: World) -> Iterator[Mutation]:
    named = [paths.canonical(w, command.cwd, windows=world.windows) for w in command.words]
    if command.sub == "rm":
        yield from (RemovePath(path) for path in named if not re.search(r"[*?\[]", path))
    elif len(named) >= 2:
        for source in named[:-1]:
            content = world.read(source)
            target = named[-1]
            if world.kind(target) == "dir":
                target = paths.join(target, source.rpartition("/")[2])
            yield RemovePath(source)
            yield PutFile(target, content, world.mode(source)) if isinstance(content, bytes) else Blur(target, "git mv")


def _restores(command: _Command) -> bool:
    """Whether the command takes files out of the index or a commit, and leaves HEAD where it is."""
    return command.sub == "restore" or (command.sub == "checkout" and "--" in command.rest)


def _restored(command: _Command, world: World) -> Iterator[Mutation]:
    rest = command.rest
    if command.sub == "restore" and "--staged" in rest and "--worktree" not in rest:
        return
    after = rest[rest.index("--") + 1 :] if "--" in rest else tuple(command.words)
    before = [w for w in rest[: rest.index("--")] if not w.startswith("-")] if "--" in rest else []
    named = [paths.canonical(w, command.cwd, windows=world.windows) for w in after]
    plain = not before and not any(o.startswith(("--source", "-s")) for o in rest)
    known = plain and not {"HEAD", "index"} & world.git.lost
    for path in named:
        tracked = world.files.tracked(path)
        if known and path not in world.git.staged and isinstance(tracked, bytes):
            yield PutFile(path, tracked, world.files.committed_mode(path))
        elif world.kind(path) == "file":
            yield Blur(path, f"git {command.sub}", scope="content")
        else:
            yield Blur(world.root + "/", f"git {command.sub}", scope="content")


def _listed(output: str) -> list[str]:
    return [m["path"] for m in (*_DIFFSTAT.finditer(output), *_MODES.finditer(output))]


def _blurred(listed: Sequence[str], world: World, reason: str, scope: str = "all") -> Iterator[Mutation]:
    """The listed files, or the whole tree where the list is none or has names that are cut."""
    if listed and not any("..." in path or "=>" in path for path in listed):
        yield from (Blur(paths.join(world.root, path), reason) for path in dict.fromkeys(listed))
    elif scope == "content":
        yield Blur(world.root + "/", reason, scope="content")
    else:
        yield Blur(world.root + "/", reason)


def _put_back(command: str) -> bool:
    return bool(re.search(r"git stash(?! (?:pop|apply|list|show)).*git stash pop", command, re.S))


# --- HEAD, branch, index, remote branches -------------------------------------------------------------------------------


def _moves(command: _Command, world: World) -> Iterator[Mutation]:
    sub, rest, run = command.sub, command.rest, command.run
    if sub == "add":
        failed = bool(run.failed) or re.search(r"^(?:fatal|error): ", run.output, re.M) is not None
        yield GitMove(index=LOST) if failed else GitMove(staged=_staged(command, world))
    elif sub in ("rm", "mv"):
        named = tuple(paths.canonical(w, command.cwd, windows=world.windows) for w in command.words)
        yield GitMove(index=LOST) if run.failed or "--cached" in rest else GitMove(staged=named)
    elif sub in ("commit", "cherry-pick", "revert"):
        yield from _committed(command, world)
    elif sub == "push":
        yield _pushed(run.output, world)
    elif sub == "fetch":
        yield from _fetched(run.output, world)
    elif sub in ("checkout", "switch") and not _restores(command):
        yield from _switched(command, world)
    elif sub in ("pull", "merge", "rebase"):
        yield from _fetched(run.output, world)
        yield from _merged(command, world)
    elif sub == "reset":
        yield from _reset(command, world)
    elif _restores(command):
        if sub == "checkout" and "--" in rest and rest.index("--") == 0:
            return
        if sub != "restore" or "--staged" in rest:
            yield GitMove(index=LOST if world.git.staged or sub == "checkout" else "HEAD")
    elif sub == "stash":
        if not _UNCHANGED.search(run.output):
            back = _put_back(run.command) or command.words[:1] in (["pop"], ["apply"])
            yield GitMove(index=LOST if back else "HEAD", lost=("stash",))
    elif sub in ("branch", "tag", "worktree", "update-ref"):
        renamed = command.asks("-m", "-M", "--move") and sub == "branch"
        yield GitMove(branch=LOST if renamed else "as it was", lost=("other refs",))
    elif sub in ("config", "remote"):
        if not any(word.startswith("user.") for word in command.words):
            yield GitMove(lost=("settings", "remote branches") if sub == "remote" else ("settings",))
    elif sub not in ("notes", "gc", "lfs", "init", "clean", "maintenance", "prune", "pack-refs"):
        yield GitMove(lost=tuple(sorted(PARTS - {"settings"})))


def _staged(command: _Command, world: World) -> tuple[str, ...]:
    """The paths that `git add` was given; one ending in `/` stands for all changed files below."""
    if command.asks("-A", "--all", "-u", "--update") and not command.words:
        return (world.root.rstrip("/") + "/",)
    named = [paths.canonical(word, command.cwd, windows=world.windows) for word in command.words]
    return tuple(path + "/" if world.kind(path) == "dir" else path for path in named)


def _committed(command: _Command, world: World) -> Iterator[Mutation]:
    output = command.run.output
    made = list(_COMMITTED.finditer(output))
    if not made:
        if _NOTHING_COMMITTED.search(output) or (command.run.failed and not command.hidden):
            return
        yield GitMove(head=LOST, lost=("remote branches", "log of HEAD"))
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
        lost=("remote branches", "log of HEAD"),
    )  # fmt: skip


def _pushed(output: str, world: World) -> GitMove:
    """Remote branches that a push moved. They are HEAD's commit where HEAD was pushed."""
    origin: dict[str, str] = {}
    for match in _PUSHED.finditer(output):
        source, name = match["from"], match["name"]
        of_head = source in ("HEAD", world.git.branch) and not {"HEAD", "branch"} & world.git.lost
        if of_head and world.snapshot is not None:
            origin[name] = world.snapshot.commit
        elif match["id"] and world.snapshot is not None and (found := world.snapshot.resolve(match["id"])):
            origin[name] = found
        else:
            return GitMove(lost=("remote branches",))
    if not origin and re.search(r"^Everything up-to-date", output, re.M) is None:
        return GitMove(lost=("remote branches",))
    pushed = world.git.branch in origin
    return GitMove(origin=tuple(origin.items()), found=("remote branches",) if pushed else ())


def _fetched(output: str, world: World) -> Iterator[Mutation]:
    """Remote branches that a fetch moved."""
    origin: dict[str, str] = {}
    for match in _FETCHED.finditer(output):
        found = None if world.snapshot is None else world.snapshot.resolve(match["id"])
        if found is None:
            yield GitMove(lost=("remote branches",))
            return
        origin[match["name"]] = found
    if origin:
        yield GitMove(origin=tuple(origin.items()))


def _switched(command: _Command, world: World) -> Iterator[Mutation]:
    output = command.run.output
    switched = list(_SWITCHED.finditer(output))
    now_at = list(_NOW_AT.finditer(output))
    fresh = bool(_CREATE & set(command.rest))
    if switched:
        name = switched[-1]["name"]
        head = _started_at(command, world) if fresh else world.git.tips.get(name, LOST)
        yield from _headed(head, name, world)
    elif now_at:
        found = None if world.snapshot is None else world.snapshot.resolve(now_at[-1]["id"])
        yield from _headed(found or LOST, "", world)
    elif not _UNCHANGED.search(output) and not (command.run.failed and not command.hidden):
        yield GitMove(LOST, LOST, lost=("log of HEAD",))
        yield Blur(world.root + "/", f"git {command.sub}")


def _started_at(command: _Command, world: World) -> str:
    """The commit that a new branch starts at; `as it was` where it is HEAD."""
    words = [w for w in command.words if w]
    start = words[1] if len(words) > 1 else "HEAD"
    if "--orphan" in command.rest:
        return LOST
    if start == "HEAD":
        return "as it was"
    if start.startswith("origin/"):
        return world.git.origin.get(start.removeprefix("origin/"), LOST)
    tip = world.git.tips.get(start)
    return tip or (None if world.snapshot is None else world.snapshot.resolve(start)) or LOST


def _headed(head: str, branch: str, world: World) -> Iterator[Mutation]:
    """HEAD is on another branch: clean files follow; where its commit is not known, neither are the files."""
    if head == LOST:
        yield Blur(world.root + "/", "git checkout")
    if head == "as it was" and "HEAD" in world.git.lost:
        head = LOST
    yield GitMove(head, branch, files="followed", lost=("other refs", "log of HEAD"))


def _merged(command: _Command, world: World) -> Iterator[Mutation]:
    output = command.run.output
    updating = list(_UPDATING.finditer(output))
    if updating and "Fast-forward" in output:
        head = None if world.snapshot is None else world.snapshot.resolve(updating[-1]["id"])
        if head is None:
            yield from _blurred(_listed(output), world, f"git {command.sub}")
        yield GitMove(head or LOST, files="followed", lost=("log of HEAD",))
    elif not _UNCHANGED.search(output) and not (command.run.failed and not command.hidden):
        yield from _blurred(_listed(output) if command.sub != "rebase" else [], world, f"git {command.sub}")
        yield GitMove(LOST, lost=("log of HEAD",))
    elif command.run.failed and not command.hidden and "CONFLICT" in output:
        yield Blur(world.root + "/", f"git {command.sub}")
        yield GitMove(LOST, LOST, lost=("log of HEAD",))


def _reset(command: _Command, world: World) -> Iterator[Mutation]:
    hard = command.asks("--hard", "--merge", "--keep")
    now_at = list(_NOW_AT.finditer(command.run.output))
    if hard:
        head = world.snapshot.resolve(now_at[-1]["id"]) if now_at and world.snapshot is not None else None
        if head is None:
            yield Blur(world.root + "/", "git reset")
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
    yield GitMove(head or LOST, index=index, lost=("log of HEAD", "remote branches"))


# --- what an output shows -----------------------------------------------------------------------------------------------


def _head_at(name: str | None, world: World) -> Iterator[Mutation]:
    if name is None or world.snapshot is None:
        return
    known = "HEAD" not in world.git.lost
    if known and world.snapshot.commit.startswith(name):
        return
    head = world.snapshot.resolve(name)
    if head is not None:
        yield GitMove(head)
    elif known:
        yield GitMove(LOST)


def _on_branch(name: str, world: World) -> Iterator[Mutation]:
    if "branch" in world.git.lost or world.git.branch != name:
        yield GitMove(branch=name)


def _shown_status(command: _Command, world: World) -> Iterator[Mutation]:
    if command.words or any(
        re.match(r"-u|--untracked|--ignored|-z|--column|--ignore|--porcelain=v2|-v", o) for o in command.rest
    ):
        return
    lines = command.run.output.splitlines()
    base = command.cwd
    if any(o.startswith("--porcelain") for o in command.rest):
        base = world.root
    elif not any(re.match(r"-\w*s|--short", o) for o in command.rest):
        yield from _shown_long_status(lines, world)
        return
    if lines and (header := re.fullmatch(r"## (\S+?)(?:\.\.\.\S+.*)?", lines[0])):
        yield from _on_branch(header.group(1), world)
        lines = lines[1:]
    elif lines and lines[0].startswith("## "):
        lines = lines[1:]
    matches = [_STATUS_LINE.match(line) for line in lines]
    if not all(matches) or any(m and (m["path"].startswith('"') or " -> " in m["path"]) for m in matches):
        return
    found = [(m["code"], paths.canonical(m["path"].rstrip("/"), base), m["path"].endswith("/")) for m in matches if m]
    dirty = tuple(f"{code} {path}" for code, path, _ in found if code not in ("??", "!!"))
    untracked = tuple(path + ("/" if directory else "") for code, path, directory in found if code == "??")
    yield GitMove(dirty=dirty, untracked=untracked)


def _shown_long_status(lines: list[str], world: World) -> Iterator[Mutation]:
    if lines and (on := re.fullmatch(r"On branch (\S+)", lines[0])):
        yield from _on_branch(on.group(1), world)
    if lines and re.match(r"nothing to commit, working (?:tree|directory) clean$", lines[-1]):
        yield GitMove(dirty=())

"""What the output of a read-only git command shows: where HEAD is, which branch, which files differ from HEAD."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from toolsim import paths, shellparse
from toolsim.actions import LOST, GitMove, Mutation
from toolsim.recorded_head import GitCommand, git_command, is_this_tree

if TYPE_CHECKING:
    from toolsim.recorded_shell import RecordedRun
    from toolsim.world import World

_SECTIONS = {
    "Changes to be committed:": "staged", "Changes not staged for commit:": "changed", "Untracked files:": "untracked",
}  # fmt: skip
_TRACKING = re.compile(
    r"Your branch (?P<how>is up to date with|is ahead of|is behind|and) '(?P<name>[^']+)'(?: by (?P<by>\d+) commit|.?)"
)
_SHORT_TRACKING = re.compile(r"## (?P<branch>\S+?)(?:\.\.\.(?P<name>\S+)(?P<more> \[.*\])?)?")
_STATUS_LINE = re.compile(r"^(?P<code>[ MADRCTU?!]{2}) (?P<path>.+)$")


def shown(run: RecordedRun, cwd: str, world: World) -> Iterator[Mutation]:
    """What the output of a read-only line shows: where HEAD is, which branch, which files differ."""
    line = shellparse.parse(run.command)
    if run.failed or not line.ok or len(line.invocations) != 1 or line.redirections or line.keywords:
        return
    invocation = line.invocations[0]
    if invocation.name != "git" or world.snapshot is None:
        return
    command = git_command(invocation, cwd, run, world)
    if not is_this_tree(command.cwd, world):
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


def _tracked(name: str | None, ahead: int | None, world: World) -> GitMove:
    """The branch follows `name` (`None`: nothing), which HEAD is so many commits ahead of (`None`: not only ahead)."""
    if name is None:
        return GitMove(upstream="")
    remote, _, branch = name.partition("/")
    head = None if world.snapshot is None or "HEAD" in world.git.lost else world.snapshot.commit
    tip = None if head is None or ahead is None or world.snapshot is None else world.snapshot.resolve(f"{head}~{ahead}")
    if tip is None or remote != "origin":
        return GitMove(upstream=name, lost=("remote branches",))
    return GitMove(upstream=name, origin=((branch, tip),), found=("remote branches",))


def _shown_status(command: GitCommand, world: World) -> Iterator[Mutation]:
    if command.words or any(
        re.match(r"-u|--untracked|--ignored|-z|--column|--ignore|--porcelain=v2|-v", o) for o in command.rest
    ):
        return
    lines = command.run.output.splitlines()
    base = command.cwd
    if any(o.startswith("--porcelain") for o in command.rest):
        base = world.root
    elif not any(re.match(r"-\w*s|--short", o) for o in command.rest):
        yield from _shown_long_status(lines, base, world)
        return
    if lines and (header := _SHORT_TRACKING.fullmatch(lines[0])):
        yield from _on_branch(header["branch"], world)
        more, ahead = header["more"], re.fullmatch(r" \[ahead (\d+)\]", header["more"] or "")
        yield _tracked(header["name"], int(ahead[1]) if ahead else 0 if more is None else None, world)
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


def _shown_long_status(lines: list[str], base: str, world: World) -> Iterator[Mutation]:
    if not lines or (on := re.fullmatch(r"On branch (\S+)|HEAD detached .*", lines[0])) is None:
        return
    yield from _on_branch(on.group(1) or "", world)
    if on.group(1):
        told = _TRACKING.match(lines[1] if len(lines) > 1 else "")
        even, ahead = told and told["how"] == "is up to date with", told and told["how"] == "is ahead of"
        by = 0 if even else int(told["by"]) if told and ahead and told["by"] else None
        yield _tracked(told["name"] if told else None, by, world)
    codes: dict[str, str] = {}
    untracked: list[str] = []
    section = ""
    for line in lines[1:]:
        if line in _SECTIONS:
            section = _SECTIONS[line]
        elif (entry := re.fullmatch(r"\t(?:(new file|modified|deleted|typechange): +)?(\S.*)", line)) and section:
            path = paths.canonical(entry.group(2), base) + ("/" if entry.group(2).endswith("/") else "")
            if section == "untracked":
                untracked.append(path)
                continue
            letter = {"new file": "A", "modified": "M", "deleted": "D"}.get(entry.group(1) or "")
            if letter is None:
                return
            before = codes.get(path, "  ")
            codes[path] = letter + before[1] if section == "staged" else before[0] + letter
        elif line.startswith("\t") or re.match(r"Unmerged paths|You have unmerged|.*in progress", line):
            return
    yield GitMove(dirty=tuple(f"{code} {path}" for path, code in codes.items()), untracked=tuple(untracked))

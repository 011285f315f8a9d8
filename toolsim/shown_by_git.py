"""What the output of a read-only git command shows: where HEAD is, which branch, which files differ from HEAD."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from toolsim import paths, shellparse
from toolsim.actions import LOST, GitMove, Mutation
from toolsim.recorded_head import GitCommand, git_command, is_this_tree

if TYPE_CHECKING:
    from toolsim.recorded_shell import RecordedRun
    from toolsim.shellparse import Invocation
    from toolsim.world import World

_SECTIONS = {
    "Changes to be committed:": "staged", "Changes not staged for commit:": "changed", "Untracked files:": "untracked",
}  # fmt: skip
_TRACKING = re.compile(
    r"Your branch (?P<how>is up to date with|is ahead of|is behind|and) '(?P<name>[^']+)'(?: by (?P<by>\d+) commit|.?)"
    r"(?: have diverged,\nand have (?P<ahead>\d+) and (?P<behind>\d+) different commits each)?"
)
_APART = re.compile(r"(?: \[(?:ahead (?P<ahead>\d+))?(?:, )?(?:behind (?P<behind>\d+))?\])?")
_SHORT = {"-sb", "-bs", "-s", "--short", "--porcelain"}
_SHORT_TRACKING = re.compile(r"## (?P<branch>\S+?)(?:\.\.\.(?P<name>\S+)(?P<more> \[.*\])?)?")
_STATUS_LINE = re.compile(r"^(?P<code>[ MADRCTU?!]{2}) (?P<path>.+)$")


def shown(run: RecordedRun, cwd: str, world: World) -> Iterator[Mutation]:
    """What the output of a line shows: where HEAD is, which branch, which files differ; `world` is after it."""
    line = shellparse.parse(run.command)
    if run.failed or not line.ok or line.keywords or world.snapshot is None:
        return
    cwd, invocations = _after_cd(line.invocations, cwd, world)
    if len(invocations) == 1 and not line.redirections and invocations[0].name == "git":
        command = git_command(invocations[0], cwd, run, world)
        if is_this_tree(command.cwd, world):
            yield from _shown_alone(command, world)
    elif len(invocations) > 1:
        yield from _shown_beside(invocations, cwd, run, world)


def _after_cd(invocations: Sequence[Invocation], cwd: str, world: World) -> tuple[str, Sequence[Invocation]]:
    at = 0
    while at < len(invocations) and invocations[at].name == "cd" and len(invocations[at].arguments) == 1:
        word = invocations[at].arguments[0]
        if re.search(r"[$`*?~-]|^$", word) and not re.fullmatch(r"[\w./-]+", word):
            break
        cwd = paths.canonical(word, cwd, windows=world.windows)
        at += 1
    return cwd, invocations[at:]


def _shown_alone(command: GitCommand, world: World) -> Iterator[Mutation]:
    output = command.run.output
    if command.sub == "status":
        yield from _shown_status(command, world)
    elif command.sub == "log" and not command.words:
        first = re.match(r"(?:commit )?([0-9a-f]{7,40})\b", output)
        usual = all(re.fullmatch(r"-\d+|-n\d*|--oneline|--stat|--no-pager|--decorate\S*", o) for o in command.rest)
        yield from _head_at(first.group(1) if first and usual else None, world)
    elif command.sub == "rev-parse" and command.rest in (("HEAD",), ("--verify", "HEAD"), ("--short", "HEAD")):
        yield from _head_at(output.strip(), world)
    elif command.sub == "branch" and command.rest == ("--show-current",):
        yield from _on_branch(output.strip(), world)
    elif command.sub == "rev-parse" and command.rest == ("--abbrev-ref", "HEAD"):
        yield from _on_branch(output.strip().removesuffix("HEAD"), world)


def _shown_beside(invocations: Sequence[Invocation], cwd: str, run: RecordedRun, world: World) -> Iterator[Mutation]:
    """A short status with its branch among other commands: its first line marks where it begins, and nothing where it
    ends, so that the files are read only where it is the last command.
    """
    headers = [m.start() for m in re.finditer(r"^## \S", run.output, re.M)]
    statuses = [i for i in invocations if i.name == "git" and shellparse.git_subcommand(i.arguments) == "status"]
    if len(headers) != 1 or len(statuses) != 1 or "|" in run.command.replace("||", ""):
        return
    command = git_command(statuses[0], cwd, run, world)
    if not _SHORT & set(command.rest) or not is_this_tree(command.cwd, world):
        return
    text = run.output[headers[0] :]
    if statuses[0] is not invocations[-1]:
        text = text.partition("\n")[0]
        yield from _shown_header(text, world)
    else:
        yield from _shown_status(replace(command, run=replace(run, output=text)), world)


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


def _tracked(name: str | None, apart: tuple[int, int] | None, world: World) -> GitMove:
    """The branch follows `name` (`None`: nothing), which HEAD is so many commits ahead of and behind."""
    if name is None:
        return GitMove(upstream="")
    remote, _, branch = name.partition("/")
    tip = None if apart is None or "HEAD" in world.git.lost else _apart(branch, apart, world)
    if tip is None or remote != "origin":
        return GitMove(upstream=name, lost=("remote branches",))
    return GitMove(upstream=name, origin=((branch, tip),), found=("remote branches",))


def _apart(branch: str, apart: tuple[int, int], world: World) -> str | None:
    ahead, behind = apart
    if world.snapshot is None:
        return None
    if not behind:
        return world.snapshot.resolve(f"{world.snapshot.commit}~{ahead}")
    known = None if world.now is None else world.snapshot.default_apart(ahead, behind, world.now)
    return known[1] if known is not None and known[0] == branch else None


def _shown_header(line: str, world: World) -> Iterator[Mutation]:
    header = _SHORT_TRACKING.fullmatch(line)
    if header is None:
        return
    yield from _on_branch(header["branch"], world)
    told = _APART.fullmatch(header["more"] or "")
    apart = None if told is None else (int(told["ahead"] or 0), int(told["behind"] or 0))
    yield _tracked(header["name"], apart, world)


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
    if lines and lines[0].startswith("## "):
        yield from _shown_header(lines[0], world)
        lines = lines[1:]
    matches = [_STATUS_LINE.match(line) for line in lines]
    if not all(matches) or any(m and (m["path"].startswith('"') or " -> " in m["path"]) for m in matches):
        return
    found = [(m["code"], paths.canonical(m["path"].rstrip("/"), base), m["path"].endswith("/")) for m in matches if m]
    dirty = tuple(f"{code} {path}" for code, path, _ in found if code not in ("??", "!!"))
    untracked = tuple(path + ("/" if directory else "") for code, path, directory in found if code == "??")
    yield GitMove(dirty=dirty, untracked=untracked)


def _told_apart(told: re.Match[str]) -> tuple[int, int] | None:
    by = int(told["by"] or 0)
    if told["how"] == "and":
        return (int(told["ahead"]), int(told["behind"])) if told["ahead"] else None
    return (by, 0) if told["how"] == "is ahead of" else (0, by)


def _shown_long_status(lines: list[str], base: str, world: World) -> Iterator[Mutation]:
    if not lines or (on := re.fullmatch(r"On branch (\S+)|HEAD detached .*", lines[0])) is None:
        return
    yield from _on_branch(on.group(1) or "", world)
    if on.group(1):
        told = _TRACKING.match("\n".join(lines[1:3]))
        yield _tracked(told["name"] if told else None, _told_apart(told) if told else None, world)
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

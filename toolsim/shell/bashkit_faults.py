"""What bashkit gets wrong as a shell, and whether a finished command may be believed. Each refusal has its reason."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolsim import paths
from toolsim.actions import Unknown
from toolsim.shell import bashkit_forms as forms
from toolsim.shell.base import ProgramResult
from toolsim.shell.bashkit_files import BIN, WorldFiles
from toolsim.shell.doubts import passes_by, zsh_doubt
from toolsim.shellparse import CommandLine

if TYPE_CHECKING:
    from toolsim.world import World


@dataclass(frozen=True, slots=True)
class Traces:
    """What a run left: its files with what they noted, the programs `executed`, whether the order of both streams was
    lost, the text of its output, and the results of what was asked for."""

    files: WorldFiles
    executed: Set[str]
    unordered: bool
    output: str
    errors: str
    asked: tuple[ProgramResult, ...]


# (what of the line, why). Looked for in the text of the line.
_LINES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bxargs\b[^|]*\|\s*head\b"), "whether xargs is stopped by a closed pipe"),
    (re.compile(r"(?:^|[\s;&|(])(?:bash|sh)\s+-(?!c\b|[eux]+c?\b)"), "bashkit has not all options of bash"),
    (re.compile(r"<<-"), "bashkit keeps the tabs before the end of a here-document"),
)
# Count in characters where GNU's count in bytes (or depends on which awk it is).
_IN_CHARACTERS = re.compile(r"\bawk\b|\btr\b|\bfold\b|\bcut\b[^|]*\s-[bc]|\bprintf\b[^|]*%-?\d")


def refusal(parsed: CommandLine, command: str, world: World) -> Unknown | None:
    """Why the line is not given to bashkit, as far as its text tells."""
    for keyword, reason in (
        ("&", "bashkit runs jobs in the background one after another"),
        ("time", "bashkit prints the times of its own machine"),
    ):
        if keyword in parsed.keywords:
            return Unknown(reason)
    for pattern, reason in _LINES:
        if pattern.search(command):
            return Unknown(reason)
    return None


_OWN_TEXT = re.compile(
    r"Did you mean|available in the sandbox|bashkit:|parse error|syntax error|not (?:supported|implemented)|"
    r"unsupported|unrecognized|(?:invalid|unknown|unexpected) (?:option|argument)|^(?:\w+: )?[Uu]sage:|\bio error\b|"
    r"parent directory not found|file not found|limit (?:\(.*\) )?exceeded",
    re.M,
)
# The errors of computed programs that are GNU's, word for word.
_ERRORS = re.compile(
    r"(?:cat|grep|egrep|fgrep): (?:.+): (?:No such file or directory|Is a directory)|"
    r"ls: cannot access '.+': No such file or directory|rm: cannot remove '.+': (?:No such file or directory|Is a directory)|"
    r"sed: can't read .+: No such file or directory"
)
# Read on after a file that is not there, as GNU's do.
_GO_ON = frozenset({"cat", "grep", "egrep", "fgrep", "sed", "rm", "head", "tail", "ls", "echo", "printf", "pwd", "basename"})
_NOT_THERE = re.compile(r"^\w+: .*: (?:No such file|Is a directory)", re.M)
_MERGED = re.compile(r"\d?>&\d|&>|\|&")


def _missing(traces: Traces, parsed: CommandLine, command: str) -> str | None:
    """Why a file that was read in vain makes the rest of the line uncertain."""
    files = traces.files
    if not (files.absent or files.misread or _NOT_THERE.search(traces.output)):
        return None
    going_on = _GO_ON - {"head", "tail"} if files.misread else _GO_ON
    runs = forms.all_runs(parsed)
    for run in runs:
        through = any(r is not run and r.name in ("xargs", "find") for r in runs)
        if run.name in forms.COMPUTED - going_on - forms.LANGUAGE and (forms.operands(run) or through):
            return f"what {run.name} does where a file is not there"
    if _MERGED.search(command) and any(len(forms.operands(run)) > 1 for run in runs):
        return "the order of errors and output in one stream"
    return None


def _misworded(errors: str) -> str | None:
    """A line that a computed program did not say so."""
    for line in errors.split("\n"):
        name = line.partition(": ")[0]
        if name in forms.COMPUTED and name != line and not _ERRORS.fullmatch(line):
            return line
    return None


def doubt(traces: Traces, parsed: CommandLine, command: str, world: World) -> Unknown | None:
    """Why the outcome is not certain."""
    files = traces.files
    if reached := sorted(files.touched | files.looked):
        return Unknown(f"the command reached {reached[0]}, which is not known")
    if files.sizeless and forms.tells_sizes(parsed, command):
        return Unknown(f"the size of {sorted(files.sizeless)[0]} is not known")
    if files.links:
        return Unknown(f"{sorted(files.links)[0]} is a symbolic link, and bashkit follows none")
    names = {p.rpartition("/")[2] for p in traces.executed}
    for path in sorted(files.asked_for - traces.executed):
        directory, _, name = path.rpartition("/")
        if not (name in names or (directory in BIN and (name in files.real or name in forms.LANGUAGE))):
            return Unknown(f"the command looked for {path} without running it")
    if unrun := _unrun_script(traces, parsed, world):
        return Unknown(f"{unrun} is a script for another program")
    if files.git_listed and not _passes_git_by(parsed):
        return Unknown("the command reads the inside of .git, which is not the session's own")
    if "\ufffd" in traces.output:
        return Unknown("the output has bytes that are no text")
    wide = traces.files.wide or not (command + traces.output).isascii()
    if wide and _IN_CHARACTERS.search(command):
        return Unknown("bytes or characters: the text is not all ASCII")
    if re.search(r"\bawk\b", command) and re.search(r"\d{10}", traces.output):
        return Unknown("large numbers differ between the programs named awk")
    if _cut_walk(command, traces.output):
        return Unknown("which come first of the names in a directory")
    if traces.unordered:
        return Unknown("the order of both output streams is not known")
    if found := _OWN_TEXT.search(_without(traces.errors, traces.asked)):
        return Unknown(f"bashkit says this in its own words: {found.group(0)!r}")
    if reason := _missing(traces, parsed, command):
        return Unknown(reason)
    if line := _misworded(_without(traces.errors, traces.asked)):
        return Unknown(f"bashkit words this error otherwise: {line!r}")
    if traces.errors and world.profile.userland == "bsd":
        return Unknown("BSD programs word their errors otherwise")
    return zsh_doubt(traces.errors) if world.profile.shell == "zsh" else None


_WALK = re.compile(r"(?:\bfind\b|\be?grep\b[^|]* -\w*[rR])(?:(?!\bsort\b).)*\|\s*(head|tail)\b\s*(?:-n\s*|-)?(\d*)", re.S)


def _cut_walk(command: str, output: str) -> bool:
    """Whether the line shows only some of what a walk found, in the order in which directories are read."""
    found = _WALK.search(command)
    return found is not None and output.count("\n") >= int(found.group(2) or 10)


def _without(errors: str, asked: tuple[ProgramResult, ...]) -> str:
    for result in asked:
        errors = errors.replace(result.stderr, "") if result.stderr else errors
    return errors


def _unrun_script(traces: Traces, parsed: CommandLine, world: World) -> str | None:
    """A script for another program that may have been run as one for bash."""
    names = {paths.canonical(i.name, world.cwd) for i in parsed.invocations if "/" in i.name}
    names |= {paths.canonical(w, world.cwd) for w in parsed.words if "/" in w and w.isprintable()}
    return next(iter(sorted(p for p in traces.files.scripts & names if p not in traces.executed)), None)


def _passes_git_by(parsed: CommandLine) -> bool:
    """Whether all that may walk through `.git` look for names of another kind."""
    for run in forms.all_runs(parsed):
        words = (run.name, *run.arguments)
        if run.name in ("grep", "egrep", "fgrep") and any(re.match(r"-\w*[rR]", w) for w in words):
            if not passes_by("grep", words):
                return False
        elif run.name == "find" and not passes_by("find", words):
            return False
        elif run.name in ("cp", "mv", "rm", "chmod", "diff", "ls", "bash", "sh", "eval"):
            return False
    return True

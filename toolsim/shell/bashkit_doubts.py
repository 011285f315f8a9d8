"""Whether a command that bashkit has run may be believed: what it touched and printed, against what is known."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Set
from dataclasses import dataclass

from toolsim.actions import Unknown
from toolsim.shell import bashkit_faults as faults
from toolsim.shell import bashkit_forms as forms
from toolsim.shell.base import ProgramResult
from toolsim.shell.bashkit_files import BIN, WorldFiles
from toolsim.shell.doubts import passes_by, zsh_doubt
from toolsim.shellparse import CommandLine
from toolsim.world import World

_WALKERS = frozenset({"cp", "mv", "rm", "chmod", "diff", "ls", "bash", "sh", "eval"})


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


def doubt(traces: Traces, parsed: CommandLine, command: str, world: World) -> Unknown | None:
    """Why the outcome is not certain."""
    errors = _own_errors(traces)
    checks = (
        _paths(traces.files, parsed, command),
        _programs(traces, parsed),
        faults.misread(traces.files, command, traces.output),
        faults.missing(traces.files, parsed, command, traces.output),
        "the order of both output streams is not known" if traces.unordered else None,
        "BSD programs word their errors otherwise" if errors and world.profile.userland == "bsd" else None,
    )
    if reason := next((reason for reason in checks if reason is not None), None):
        return Unknown(reason)
    if (text := faults.misworded(errors)) is not None:
        return Unknown(f"bashkit words this otherwise: {text!r}")
    return zsh_doubt(traces.errors) if world.profile.shell == "zsh" else None


def _paths(files: WorldFiles, parsed: CommandLine, command: str) -> str | None:
    if reached := sorted(files.touched | files.looked):
        return f"the command reached {reached[0]}, which is not known"
    if files.sizeless and forms.tells_sizes(parsed, command):
        return f"the size of {sorted(files.sizeless)[0]} is not known"
    if files.links:
        return f"{sorted(files.links)[0]} is a symbolic link, and bashkit follows none"
    if files.git_listed and not _passes_git_by(parsed):
        return "the command reads the inside of .git, which is not the session's own"
    return None


def _programs(traces: Traces, parsed: CommandLine) -> str | None:
    """A program that was looked for and not run, or a script that bashkit may have taken for one of bash."""
    names = {posixpath.basename(path) for path in traces.executed}
    for path in sorted(traces.files.asked_for - traces.executed):
        directory, name = posixpath.split(path)
        own = directory in BIN and (name in traces.files.real or name in forms.LANGUAGE)
        if name not in names and not own:
            return f"the command looked for {path} without running it"
    unrun = sorted(traces.files.scripts - traces.executed)
    if unrun and any(re.search(r"[$*`]", run.name) for run in forms.all_runs(parsed)):
        return f"{unrun[0]} is a script for another program"
    return None


def _own_errors(traces: Traces) -> str:
    """The errors without those of programs that were asked for."""
    errors = traces.errors
    for result in traces.asked:
        errors = errors.replace(result.stderr, "") if result.stderr else errors
    return errors


def _passes_git_by(parsed: CommandLine) -> bool:
    """Whether all that may walk through `.git` look for names of another kind."""
    for run in forms.all_runs(parsed):
        words = (run.name, *run.arguments)
        recursive = run.name in ("grep", "egrep", "fgrep") and any(re.match(r"-\w*[rR]", w) for w in words)
        if (recursive and not passes_by("grep", words)) or run.name in _WALKERS:
            return False
        if run.name == "find" and not passes_by("find", words):
            return False
    return True

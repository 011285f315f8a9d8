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
_LINES: tuple[tuple[re.Pattern[str], str], ...] = ()


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
    r"Did you mean|sandbox|bashkit|parse error|syntax error|not (?:supported|implemented)|unsupported|unrecognized|"
    r"(?:invalid|unknown|unexpected) (?:option|argument)|^(?:\w+: )?[Uu]sage:|\bio error\b|parent directory not found|"
    r"file not found|limit exceeded",
    re.M,
)


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
    if traces.unordered:
        return Unknown("the order of both output streams is not known")
    if found := _OWN_TEXT.search(_without(traces.errors, traces.asked)):
        return Unknown(f"bashkit says this in its own words: {found.group(0)!r}")
    if traces.errors and world.profile.userland == "bsd":
        return Unknown("BSD programs word their errors otherwise")
    return zsh_doubt(traces.errors) if world.profile.shell == "zsh" else None


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
    for run in parsed.invocations:
        words = (run.name, *run.arguments)
        if run.name in ("grep", "egrep", "fgrep") and any(re.match(r"-\w*[rR]", w) for w in words):
            if not passes_by("grep", words):
                return False
        elif run.name == "find" and not passes_by("find", words):
            return False
        elif run.name in ("cp", "mv", "rm", "chmod", "diff", "ls", "bash", "sh", "xargs", "eval"):
            return False
    return True

"""What kind of call it is, for any agent product: a fixed table over the neutral action and the parsed command line.

The classes are those by which real sessions are counted. Pure: the scaffold reads the call with the product's default
forms, so a class never depends on the session or on the moment.
"""

from __future__ import annotations

import re
import shlex
from functools import lru_cache
from typing import Literal, TypeAlias

from toolsim import shellparse
from toolsim.actions import (
    Action,
    Ask,
    Delegate,
    Delete,
    Edit,
    EditLines,
    Glob,
    Grep,
    Invalid,
    Kill,
    ListDirectory,
    Note,
    Opaque,
    Patch,
    Poll,
    Read,
    RunShell,
    Write,
)  # fmt: skip
from toolsim.scaffolds import scaffold_for
from toolsim.scaffolds.base import ScaffoldProfile
from toolsim.trajectory import Session, ToolCall

CallClass: TypeAlias = Literal[
    "view", "search", "git read", "git write", "edit", "check", "run", "outside", "note", "invalid"
]
CLASSES: tuple[CallClass, ...] = (
    "view", "search", "git read", "git write", "edit", "check", "run", "outside", "note", "invalid",
)  # fmt: skip
"""`check` is build, lint and tests; `run` is code, other programs and the input and output of processes; `outside` is
network, MCP, sub-agents, the human and tools of which nothing is known; `note` changes the agent's own notes only."""

_BY_LINE: dict[str, CallClass] = {
    "test": "check", "build": "check", "lint": "check", "network": "outside", "git-write": "git write",
    "edit": "edit", "run": "run", "git-read": "git read", "search": "search", "view": "view", "other": "run",
}  # fmt: skip
_OPEN = {"CURRENT_FILE": "/open", "CURRENT_LINE": "1"}
"""A file stands open, so that window commands that need one are read as what they are."""

_UNORDERED = frozenset({"rg", "ag", "ack", "find", "fd", "fdfind", "du"})
_KEEPING = frozenset({"grep", "egrep", "fgrep", "rg", "sed", "cut", "tr", "awk", "head", "tail", "cat", "xargs"})
_PREPARING = frozenset({"cd", "export", "set", "true", "pushd", "popd", "source"})
_RECURSIVE = re.compile(r"-[A-Za-z]*[rR][A-Za-z]*|--(?:dereference-)?recursive")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_TO_ERRORS = re.compile(r"\s*\d?>&\d|\s*[&\d]?>\s*/dev/null")


def action_of(call: ToolCall, agent: str, cwd: str = "/") -> Action:
    """The neutral action of a call of an agent product, made in the directory `cwd` (a window has a file open)."""
    return scaffold_for(agent).action(call, _profile(agent), cwd, _OPEN)


def call_class(call: ToolCall, agent: str) -> CallClass:
    """The class of a call of an agent product."""
    return class_of(action_of(call, agent))


def class_of(action: Action) -> CallClass:
    """The class of an action; a command line by its most telling part (`toolsim.shellparse.command_class`)."""
    match action:
        case Read():
            return "view"
        case Glob() | Grep() | ListDirectory():
            return "search"
        case Write() | Edit() | EditLines() | Delete() | Patch():
            return "edit"
        case RunShell(command):
            return _BY_LINE[shellparse.command_class(command)]
        case Poll() | Kill():
            return "run"
        case Note():
            return "note"
        case Invalid():
            return "invalid"
        case Opaque() | Delegate() | Ask():
            return "outside"


def command_line(action: Action) -> str:
    """The command line that the action runs; empty for a call that runs none."""
    return action.command if isinstance(action, RunShell) else ""


def has_no_order(action: Action) -> bool:
    """Whether the tool prints its lines in no order of its own, so that another order is the same answer.

    True for a search tool (Grep, Glob), and for a command line of which every pipeline begins with `rg`, `ag`, `ack`,
    `find`, `fd`, `du` or a recursive `grep` without a sort option and goes on through filters that keep the order.
    """
    if isinstance(action, Glob | Grep):
        return True
    if not isinstance(action, RunShell):
        return False
    pipelines = [p for p in _pipelines(action.command) if p and p[0][0] not in _PREPARING]
    return bool(pipelines) and all(_unordered(p) for p in pipelines)


def _unordered(pipeline: list[list[str]]) -> bool:
    first, *rest = pipeline
    name = first[0].rpartition("/")[2]
    recursive = name in {"grep", "egrep", "fgrep"} and any(_RECURSIVE.fullmatch(w) for w in first)
    if not recursive and (name not in _UNORDERED or any(w.startswith("--sort") for w in first)):
        return False
    return all(words[0].rpartition("/")[2] in _KEEPING for words in rest)


def _pipelines(line: str) -> list[list[list[str]]]:
    """The pipelines of a line as the words of their commands; nothing where the line is not plain enough to tell."""
    line = _TO_ERRORS.sub("", line.strip()).replace("\n", " ; ")
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[list[list[str]]] = [[[]]]
    try:
        for word in lexer:
            if word == "|":
                found[-1].append([])
            elif set(word) <= set(";|&"):
                found.append([[]])
            elif found[-1][-1] or not _ASSIGNMENT.match(word):
                found[-1][-1].append(word)
    except ValueError:
        return []
    return [full for pipeline in found if (full := [words for words in pipeline if words])]


@lru_cache(maxsize=32)
def _profile(agent: str) -> ScaffoldProfile:
    return scaffold_for(agent).fit(Session(agent, agent, agent, agent), ())

"""Whether a finished command may be believed: what it touched and printed, against what is known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch

from toolsim import paths
from toolsim.actions import Unknown
from toolsim.shellparse import CommandLine

_TEMPORARY = re.compile(r"^/(var/)?tmp/(sh-(thd|np)[\w.]+|(sort|tac)\w{6}|tmp\.\w+|git-?[\w.-]+|\.git_\w+)$")
_NAME_TESTS = frozenset({"-name", "-iname", "-path", "-ipath", "-wholename"})
_GIT_NAMES = (
    "HEAD", "ORIG_HEAD", "FETCH_HEAD", "COMMIT_EDITMSG", "config", "description", "index", "packed-refs",
    "hooks", "info", "exclude", "objects", "pack", "refs", "heads", "tags", "remotes", "origin", "logs",
    "branches", "worktrees", "modules", "main", "master", "develop", "x.sample", "p.pack", "p.idx", "p.rev",
    "x.lock",
)  # fmt: skip
_MACHINE = re.compile(r"(?<![\w.])/(?:proc|sys)/")
_NO_REVISION = re.compile(
    r"^(?:fatal|error): (?:invalid object name|unable to resolve revision|ambiguous argument '.*': unknown revision"
    r"|bad (?:revision|object)|not a valid (?:object|commit) name|invalid reference|pathspec '[^'.]*' did not match"
    r"|'.*' is not a commit and a branch)",
    re.M | re.I,
)
_REFUSED = (
    "__code=", "Read-only file system", "Operation not permitted", "Resource temporarily unavailable", "bwrap:",
    "File size limit exceeded", "File too large", "No space left on device", "Disk quota exceeded",
    "Cannot allocate memory", "cannot allocate", "memory exhausted", "Too many open files",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Traces:
    """What a run left: unknown paths `touched`, program paths `reached` and `names` looked up, the processes that
    listed `.git`, those `executed` (as stated by the runs), paths `created`, and the text of its output."""

    touched: frozenset[str]
    reached: frozenset[str]
    names: frozenset[str]
    git_listed: frozenset[str]
    executed: frozenset[str]
    created: frozenset[str]
    output: str
    errors: str


def doubt(traces: Traces, parsed: CommandLine, cwd: str, real: frozenset[str], host: tuple[str, ...]) -> Unknown | None:
    """Why the outcome is not certain. `host` are paths of the host that must never be seen."""
    if path := _unknown_path(traces, parsed, cwd):
        return Unknown(f"the command reached {path}, which is not known")
    if program := _unrun(traces, parsed, real):
        return Unknown(f"the command looked for {program} without running it")
    if process := _git_lister(traces.git_listed, parsed):
        return Unknown(f"{process} reads the inside of .git, which is not the session's own")
    if _cut_unsorted(traces.output, parsed):
        return Unknown("which lines the cut leaves out: the order of a walk is the file system's")
    if re.search(r"(^|[\s./:\"'])\.git/", traces.output) and any(i.name != "git" for i in parsed.invocations):
        return Unknown("the output shows the inside of .git, which is not the session's own")
    if any(path in traces.output for path in host):
        return Unknown("the output names a path of the host")
    if _MACHINE.search(traces.errors):
        return Unknown("the command reads the machine itself (/proc, /sys)")
    if text := next((t for t in _REFUSED if t in traces.errors), None):
        return Unknown(f"the sandbox itself got in the way: {text}")
    return None


def revision_doubt(errors: str) -> Unknown | None:
    """git knows no such revision; somebody's own clone may have had it, on a branch that is gone by now."""
    return Unknown("whether the session's own clone had that revision") if _NO_REVISION.search(errors) else None


def zsh_doubt(errors: str) -> Unknown | None:
    """bash's own error messages, where the session's shell is zsh (or a glob without a match)."""
    found = re.search(r"^(bash: .*|.*: line \d+: .*)$", errors, re.M)
    return Unknown(f"zsh says this otherwise: {found.group(1)}") if found else None


def _unknown_path(traces: Traces, parsed: CommandLine, cwd: str) -> str | None:
    replaced = _targets(parsed, cwd, (">", ">|", "&>"))
    appended = _targets(parsed, cwd, (">>", "&>>"))
    for path in sorted(traces.touched):
        made = path in replaced or (path in traces.created and path not in appended)
        if not made and not _TEMPORARY.match(path):
            return path
    return None


def _git_lister(processes: frozenset[str], parsed: CommandLine) -> str | None:
    """A program that walks through `.git` and may find something there: names alone are looked for by their ending."""
    for process in sorted(processes - {"git", "ls"}):
        runs = [i for i in parsed.invocations if process in (i.name, *i.arguments)]
        if not runs or not all(passes_by(process, (i.name, *i.arguments)) for i in runs):
            return process
    return None


def _cut_unsorted(output: str, parsed: CommandLine) -> bool:
    """Whether a walk through directories is cut at a number of lines that it reaches."""
    walking = False
    for run in parsed.invocations:
        words = run.arguments
        recursive = run.name in ("grep", "egrep", "fgrep") and any(re.match(r"-\w*[rR]|--recursive", w) for w in words)
        if run.name in ("find", "rg", "fd", "du") or recursive:
            walking = True
        elif run.name == "sort":
            walking = False
        elif run.name in ("head", "tail") and walking:
            number = next((m.group(1) for w in words if (m := re.fullmatch(r"-?n?(\d+)", w))), "10")
            if output.count("\n") >= int(number):
                return True
    return False


def passes_by(process: str, words: tuple[str, ...]) -> bool:
    if process == "grep":
        return any(w.startswith("--include") for w in words)
    return process == "find" and _finds_elsewhere(words)


def _finds_elsewhere(words: tuple[str, ...]) -> bool:
    """Whether the tests of a `find` leave out all that may stand in `.git`, objects (hex digits) among it."""
    if any(".git" in w for w in words) and any(w in ("-prune", "-not", "!") for w in words):
        return True
    patterns = [
        pattern.lower().lstrip("./")
        for before, test, pattern in zip(("", *words), words, words[1:], strict=False)
        if test in _NAME_TESTS and before not in ("-not", "!")
    ]
    literal = [max(re.split(r"[*?\[\]]", pattern), key=len) for pattern in patterns]
    telling = all(len(text) > 2 and re.search(r"[^0-9a-f]", text) for text in literal)
    return bool(patterns) and telling and not any(fnmatch(n.lower(), p) for n in _GIT_NAMES for p in patterns)


def _targets(parsed: CommandLine, cwd: str, operators: Iterable[str]) -> set[str]:
    return {paths.canonical(r.target, cwd) for r in parsed.redirections if r.operator in operators}


def _unrun(traces: Traces, parsed: CommandLine, real: frozenset[str]) -> str | None:
    names = {path.rpartition("/")[2] for path in traces.executed}
    if unrun := sorted(traces.names - names):
        return unrun[0]
    for path in sorted(traces.reached - traces.executed):
        name = path.rpartition("/")[2]
        on_search_path = "PATH" in parsed.assigned and (name in real or name in names)
        above = any(e.startswith(path + "/") for e in traces.executed) or (
            "PATH" in parsed.assigned and name in ("bin", ".bin")
        )
        if not on_search_path and not above and path not in {p for p in traces.executed if p.endswith("/" + name)}:
            return path
    return None

"""Claude Code's Glob, Grep and LS: arguments into neutral searches, and the forms of their results.

Grep runs ripgrep (`--hidden`, `--max-columns 500`); Glob lists with ripgrep (`--files --hidden --no-ignore`) by
modification time. Where the order is by time it is known only for a single result; lists that would be cut are
unknown, since the order decides what is left out.
"""

from __future__ import annotations

import ntpath
import posixpath
import re

from toolsim import paths
from toolsim.actions import Glob, Grep, Invalid, Listing, Match, Matches, Outcome, Problem, Unknown
from toolsim.scaffolds.base import Rendered, ScaffoldProfile
from toolsim.trajectory import JsonObject, ToolCall

GLOB_LIMIT = 100
COLUMN_LIMIT = 500
CHARACTER_LIMIT = 20_000


def glob_action(call: ToolCall, cwd: str) -> Glob | Invalid:
    """A pattern without `/` matches at any depth; an absolute one is taken apart at its first wildcard."""
    pattern = call.arguments.get("pattern")
    if not isinstance(pattern, str):
        return Invalid("InputValidationError: Glob failed due to the following issue:\nThe required parameter "
                       "`pattern` is missing")  # fmt: skip
    base = str(call.arguments.get("path") or cwd)
    if paths.is_absolute(pattern):
        fixed = re.split(r"[*?\[{]", pattern.replace("\\", "/"))[0].rpartition("/")[0]
        return Glob(pattern.replace("\\", "/")[len(fixed) + 1 :], fixed or "/")
    return Glob(pattern if "/" in pattern else f"**/{pattern}", paths.canonical(base, cwd))


def grep_action(call: ToolCall, cwd: str) -> Grep | Invalid:
    """Claude's options as the world's neutral ones; `cwd` is what shown paths are relative to."""
    given = call.arguments
    if not isinstance(given.get("pattern"), str):
        return Invalid("InputValidationError: Grep failed due to the following issue:\nThe required parameter "
                       "`pattern` is missing")  # fmt: skip
    around = _int(given.get("-C")) or _int(given.get("context"))
    options: JsonObject = {
        "glob": given.get("glob"), "type": given.get("type"), "ignore_case": bool(given.get("-i")),
        "before": around or _int(given.get("-B")), "after": around or _int(given.get("-A")),
        "multiline": bool(given.get("multiline")), "hidden": True, "cwd": cwd,
    }  # fmt: skip
    if given.get("output_mode", "files_with_matches") != "content":
        options |= {"before": 0, "after": 0}
    path = given.get("path")
    return Grep(given["pattern"], paths.canonical(str(path), cwd) if path else cwd, options)


def _int(value: object) -> int:
    try:
        return int(str(value or 0))
    except ValueError:
        return 0


def render_glob(action: Glob, outcome: Outcome, profile: ScaffoldProfile) -> Rendered | Unknown:
    """One path per line. The tool does not heed ignore files: a search of the whole tree may find more."""
    if not isinstance(outcome, Listing):
        return Unknown("the form of the refusal")
    if action.pattern.startswith("**/") and paths.canonical(action.path) == paths.canonical(profile.cwd):
        return Unknown("untracked files may match")
    if len(outcome.paths) > GLOB_LIMIT or outcome.truncated:
        return Unknown("which files the cut leaves out")
    if not outcome.paths:
        return Rendered("No files found")
    return Rendered(
        "\n".join(_spelt(path, profile, relative=_flag(profile, "glob_relative")) for path in outcome.paths)
    )


def _flag(profile: ScaffoldProfile, name: str) -> bool:
    return bool(profile.parameters.get(name))


def _spelt(path: str, profile: ScaffoldProfile, *, relative: bool, cwd: str | None = None) -> str:
    """The path as the tool prints it: relative to the directory if it is below."""
    base = paths.canonical(cwd or profile.cwd)
    below = paths.relative(path, base) if relative else None
    if below is None:
        return paths.spell(path, profile.cwd)
    return below.replace("/", "\\") if "\\" in profile.cwd else below


def render_grep(call: ToolCall, action: Grep, outcome: Outcome, profile: ScaffoldProfile) -> Rendered | Unknown:
    """The three output modes."""
    if isinstance(outcome, Problem) and outcome.kind == "missing":
        path = str(call.arguments.get("path"))
        note = f". Note: your current working directory is {profile.cwd}." if _flag(profile, "missing_note") else ""
        return Rendered(f"<tool_use_error>Path does not exist: {path}{note}</tool_use_error>", True)
    if not isinstance(outcome, Matches):
        return Unknown("the form of the refusal")
    mode = call.arguments.get("output_mode", "files_with_matches")
    if mode == "content":
        return _content(call, action, outcome, profile)
    return _count(action, outcome) if mode == "count" else _files(call, action, outcome, profile)


def _files(call: ToolCall, action: Grep, outcome: Matches, profile: ScaffoldProfile) -> Rendered | Unknown:
    found = list(dict.fromkeys(match.path for match in outcome.matches))
    if not found:
        return Rendered("No files found")
    limit = _int(call.arguments.get("head_limit")) or _int(profile.parameters.get("grep_limit"))
    if call.arguments.get("head_limit") or call.arguments.get("offset") or (limit and len(found) > limit):
        return Unknown("which files the cut leaves out")
    cwd = str(action.options["cwd"])
    shown = [_spelt(path, profile, relative=True, cwd=cwd) for path in found]
    return Rendered(f"Found {len(found)} file{'s' if len(found) != 1 else ''}\n" + "\n".join(shown))


def _count(action: Grep, outcome: Matches) -> Rendered | Unknown:
    """For one file ripgrep prints the bare number, which the tool's own summary does not understand."""
    found = {match.path for match in outcome.matches}
    if found != {paths.canonical(action.path)}:
        return Unknown("the form of counts over several files")
    lines = sum(not match.context for match in outcome.matches)
    return Rendered(f"{lines}\n\nFound 0 total occurrences across 0 files.")


def _content(call: ToolCall, action: Grep, outcome: Matches, profile: ScaffoldProfile) -> Rendered | Unknown:
    if not outcome.matches:
        return Rendered("No matches found")
    base = paths.canonical(action.path)
    single = {match.path for match in outcome.matches} == {base}
    numbers = call.arguments.get("-n")
    numbers = _flag(profile, "grep_numbers") if numbers is None else bool(numbers)
    lines: list[str] = []
    previous: Match | None = None
    spaced = bool(action.options.get("before") or action.options.get("after"))
    for match in outcome.matches:
        if spaced and previous is not None and (match.path != previous.path or match.line != previous.line + 1):
            lines.append("--")
        if len(match.text.encode("utf-8", "surrogateescape")) > COLUMN_LIMIT:
            return Unknown("how long lines are left out")
        lines.append(_line(match, action, profile, single=single, numbers=numbers))
        previous = match
    return _limited(lines, call, outcome, profile)


def _line(match: Match, action: Grep, profile: ScaffoldProfile, *, single: bool, numbers: bool) -> str:
    mark = "-" if match.context else ":"
    text = (f"{match.line}{mark}" if numbers else "") + match.text.removesuffix("\r")
    cwd = paths.spell(str(action.options["cwd"]), profile.cwd)
    return relativise(text if single else f"{paths.spell(match.path, profile.cwd)}{mark}{text}", cwd)


def relativise(line: str, cwd: str) -> str:
    """What the tool does to each line of ripgrep's: all before the first colon is taken for a path.

    So a context line (`path-12-text`) stays absolute unless its text has a colon, and then its text is normalised
    with the path (`//` becomes `/`); so is the text of a line without a path.
    """
    colon = line.find(":", 2 if paths.is_windows(line) else 0)
    if colon <= 0:
        return line
    head, tail = line[:colon], line[colon:]
    module = ntpath if paths.is_windows(cwd) else posixpath
    full = module.normpath(module.join(cwd, head))
    below = full[len(cwd.rstrip(module.sep)) + 1 :] if _is_below(full, cwd, module.sep) else None
    return line if below is None else below + tail


def _is_below(path: str, cwd: str, separator: str) -> bool:
    return (
        path.lower().startswith(cwd.rstrip(separator).lower() + separator)
        if separator == "\\"
        else path.startswith(cwd.rstrip(separator) + separator)
    )


def _limited(lines: list[str], call: ToolCall, outcome: Matches, profile: ScaffoldProfile) -> Rendered | Unknown:
    given = call.arguments.get("head_limit")
    limit = _int(given) if given is not None else _int(profile.parameters.get("grep_limit"))
    offset = _int(call.arguments.get("offset"))
    cut = bool(limit) and len(lines) - offset > limit
    if (cut or offset) and len({match.path for match in outcome.matches}) > 1:
        return Unknown("which lines the cut leaves out")
    shown = lines[offset : offset + limit] if limit else lines[offset:]
    text = "\n".join(shown)
    if len(text) > CHARACTER_LIMIT:
        return Unknown("a long output is stored in a file of unknown name")
    always = profile.parameters.get("grep_notes") == "always"
    if (always and (given or offset)) or (not always and (cut or offset)):
        parts = [f"limit: {limit}"] if limit else []
        parts += [f"offset: {offset}"] if offset or always else []
        text += f"\n\n[Showing results with pagination = {', '.join(parts)}]"
    return Rendered(text)

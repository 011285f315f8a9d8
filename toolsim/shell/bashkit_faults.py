"""What bashkit gets wrong as a shell, measured: lines not given to it, texts that are its own, with the reasons."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toolsim.actions import REWRITTEN, Unknown
from toolsim.shell import bashkit_bsd
from toolsim.shell import bashkit_forms as forms
from toolsim.shell.bashkit_files import WorldFiles
from toolsim.shellparse import CommandLine

if TYPE_CHECKING:
    from toolsim.world import World


# (what of the line, why). Looked for in the text of the line.
_LINES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bxargs\b[^|]*\|\s*head\b"), "whether xargs is stopped by a closed pipe"),
    (re.compile(r"(?:^|[\s;&|(])(?:bash|sh)\s+-(?!l?c\b|[eux]+c?\b)"), "bashkit has not all options of bash"),
    (
        re.compile(r"\{[^{}\s]*\.\.[^{}\s]*\}(?<=\d{4}\})|\{-?\d{4,}\.\."),
        "bashkit leaves a long range in braces as it is",
    ),
    (re.compile(r"<<-"), "bashkit keeps the tabs before the end of a here-document"),
)


def refusal(parsed: CommandLine, command: str, world: World, cwd: str) -> Unknown | None:
    """Why the line is not given to bashkit, as far as its text tells."""
    if any(fact.text == REWRITTEN for fact in world.facts):
        return Unknown(REWRITTEN)
    for keyword, reason in (
        ("&", "bashkit runs jobs in the background one after another"),
        ("time", "bashkit prints the times of its own machine"),
    ):
        if keyword in parsed.keywords:
            return Unknown(reason)
    for pattern, reason in _LINES:
        if pattern.search(command):
            return Unknown(reason)
    if world.profile.shell == "zsh":
        if word := bashkit_bsd.unmatched(command, world, cwd):
            return Unknown(f"zsh stops where {word} matches nothing")
        if re.search(r"\becho\b[^;|&\n]*\\", command):
            return Unknown("zsh's echo reads backslashes")
    return None


# Not what a GNU program would have said.
_OWN_TEXT = re.compile(
    r"Did you mean|available in the sandbox|bashkit:|parse error|syntax error|not (?:supported|implemented)|"
    r"unsupported|unrecognized|(?:invalid|unknown|unexpected) (?:option|argument)|^(?:\w+: )?[Uu]sage:|\bio error\b|"
    r"parent directory not found|file not found|limit (?:\(.*\) )?exceeded|^bash: .*: Is a directory$",
    re.M,
)
# The errors of computed programs that are GNU's, word for word; names that GNU would quote are not among them.
_NAME = r"[\w./@%+,:-]+"
_ERRORS = re.compile(
    rf"cat: {_NAME}: (?:No such file or directory|Is a directory)|"
    r"[ef]?grep: .+: (?:No such file or directory|Is a directory)|"
    r"ls: cannot access '[ -&(-\[\]-~]+': No such file or directory|"
    rf"rm: cannot remove '{_NAME}': (?:No such file or directory|Is a directory)|"
    rf"sed: can't read {_NAME}: No such file or directory",
    re.A,
)
# Read on after a file that is not there, as GNU's do.
_GO_ON = frozenset("cat grep egrep fgrep sed rm head tail ls echo printf pwd basename".split())  # noqa: SIM905
_NOT_THERE = re.compile(r"^\w+: .*: (?:No such file|Is a directory)", re.M)
_MERGED = re.compile(r"\d?>&\d|&>|\|&")
_WALK = re.compile(
    r"(?:\bfind\b|\be?grep\b[^|]* -\w*[rR])(?:(?!\bsort\b).)*\|\s*(head|tail)\b\s*(?:-n\s*|-)?(\d*)", re.S
)
# Count in characters where GNU's count in bytes (or depends on which awk it is).
_IN_CHARACTERS = re.compile(r"\bawk\b|\btr\b|\bfold\b|\bcut\b[^|]*\s-[bc]|\bprintf\b[^|]*%-?\d")


def missing(files: WorldFiles, parsed: CommandLine, command: str, output: str) -> str | None:
    """Why a file that was read in vain makes the rest of the line uncertain."""
    if not (files.absent or files.misread or _NOT_THERE.search(output)):
        return None
    going_on = _GO_ON - {"head", "tail"} if files.misread else _GO_ON
    runs = forms.all_runs(parsed)
    for run in runs:
        through = any(r is not run and r.name in ("xargs", "find") for r in runs)
        if run.name in forms.COMPUTED - going_on - forms.LANGUAGE and (forms.operands(run) or through):
            return f"what {run.name} does where a file is not there"
    if files.misread and any(r.operator == "<" for r in parsed.redirections):
        return "what bash does with a directory as input"
    if _MERGED.search(command) and any(len(forms.operands(run)) > 1 for run in runs):
        return "the order of errors and output in one stream"
    return None


def misworded(errors: str) -> str | None:
    """A text that bashkit, or a program in it, does not word as bash and GNU programs do."""
    if found := _OWN_TEXT.search(errors):
        return found.group(0)
    for line in errors.split("\n"):
        name = line.partition(": ")[0]
        if name in forms.COMPUTED and name != line and not _ERRORS.fullmatch(line):
            return line
    return None


def misread(files: WorldFiles, command: str, output: str) -> str | None:
    """What of the data itself speaks against the output."""
    if "\ufffd" in output:
        return "the output has bytes that are no text"
    if (files.wide or not (command + output).isascii()) and _IN_CHARACTERS.search(command):
        return "bytes or characters: the text is not all ASCII"
    if re.search(r"\bawk\b", command) and re.search(r"\d{10}", output):
        return "large numbers differ between the programs named awk"
    cut = _WALK.search(command)
    if cut is not None and output.count("\n") >= int(cut.group(2) or 10):
        return "which come first of the names in a directory"
    return None

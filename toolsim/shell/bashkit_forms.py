"""Which programs bashkit computes exactly, and in which forms: measured against GNU programs, option by option.

A form outside of the table is either a question for the world (`ask`: what it prints is of the machine, such as times)
or a known or possible fault of bashkit (`Unknown`, with the reason). `benchmarks/shell_differential.py` measures it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from toolsim.actions import Unknown
from toolsim.shell import bashkit_bsd
from toolsim.shell.clock import seconds
from toolsim.shellparse import CommandLine, Invocation, wrapped

Verdict: TypeAlias = Literal["exact", "ask"] | Unknown

# Builtins of the language itself: bashkit's own in every form (the screening refuses what tells of the session).
LANGUAGE = frozenset({
    ".", ":", "[", "break", "builtin", "cd", "command", "continue", "declare", "eval", "exec", "exit", "export",
    "false", "getopts", "let", "local", "mapfile", "popd", "pushd", "read", "readarray", "readonly", "return",
    "set", "shift", "source", "test", "trap", "true", "typeset", "unset", "wait", "bash", "sh", "env", "xargs",
    "nohup", "nice",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Form:
    """The options that are exact: flags by letter, flags that take a value, long options (up to `=`).

    `check` looks at the rest: a reason against it, `ask`, or `None`.
    """

    flags: str = ""
    values: str = ""
    long: frozenset[str] = frozenset()
    check: Callable[[tuple[str, ...]], str | None] | None = None
    number: bool = False


def _long(text: str) -> frozenset[str]:
    return frozenset("--" + name for name in text.split())


def _ls(words: tuple[str, ...]) -> str | None:
    for word in words:
        if re.match(r"--(full-time|time|sort=time|author|inode|size|context|format=(long|verbose))", word):
            return "ask"
        if re.match(r"-(?!-)[a-zA-Z0-9]*[lsituZgnoc]", word):
            return "ask"
    return None


def _find(words: tuple[str, ...]) -> str | None:
    words = tuple(_EXEC.sub("\0-exec", "\0".join(words)).split("\0"))
    for word in words:
        if re.fullmatch(
            r"-(newer\w*|[acm](min|time)|used|f?ls|inum|user|group|[ug]id|no(user|group)|links|fstype)", word
        ) or re.search(r"%[AaCcTtBbkugUGDiSnHM]", word):
            return "ask"
    tests = {w for w in words if re.match(r"-[a-z]", w)}
    odd = tests - _FIND
    return f"find {sorted(odd)[0]}" if odd else None


_FIND = frozenset({
    "-name", "-iname", "-type", "-path", "-ipath", "-wholename", "-not", "-o", "-or", "-a", "-and", "-maxdepth",
    "-mindepth", "-print", "-print0", "-exec", "-empty", "-prune", "-delete", "-size", "-regex",
})  # fmt: skip
_EXEC = re.compile(r"(?:^|\0)-exec\0.*?\0(?:;|\+)(?=\0|$)", re.S)


def _sort(words: tuple[str, ...]) -> str | None:
    return "ask" if any(re.match(r"-[bdfgiMhnrVu]*R|--random", w) for w in words) else None


def _stat(words: tuple[str, ...]) -> str | None:
    form = next((b if a in ("-c", "--format") else a for a, b in zip(words, (*words[1:], ""), strict=True)
                 if a in ("-c", "--format") or a.startswith(("-c", "--format="))), "")  # fmt: skip
    form = re.sub(r"^(-c|--format=)", "", form)
    return None if form and not re.search(r"%[^nsF%]", form) else "ask"


def _diff(words: tuple[str, ...]) -> str | None:
    return None if any(re.match(r"-(?!-)\w*q|--brief$", w) for w in words) else "diff hunks"


def _tail(words: tuple[str, ...]) -> str | None:
    files = [w for w in words if not w.startswith("-")]
    return "tail -N of several files" if len(files) > 1 and any(re.fullmatch(r"-\d+", w) for w in words) else None


def _seq(words: tuple[str, ...]) -> str | None:
    return "more than 100,000 lines of seq" if any(re.match(r"-?\d{6}", w) for w in words) else None


_AWK_ODD = re.compile(
    r"gensub|strftime|systime|srand|rand\(|asort|PROCINFO|IGNORECASE|FPAT|FIELDWIDTHS|\bRT\b|ENVIRON|"
    r"\{[0-9]+,?[0-9]*\}[^;]|\\[yswSWB<>]|length\([a-z]+\)|getline|system\(|\||printf.*%c|@"
)


def _awk(words: tuple[str, ...]) -> str | None:
    return "a form of awk" if any(_AWK_ODD.search(w) for w in words) else None


def _env(words: tuple[str, ...]) -> str | None:
    return None if any(not w.startswith("-") and "=" not in w for w in words) else "ask"


_GREP = Form(
    "nicvlLoqhHwxsErRFGazIbP", "eABCm",
    _long("include exclude exclude-dir color count line-number only-matching"),
)  # fmt: skip
_FORMS: Mapping[str, Form] = {
    "awk": Form("", "Fv", check=_awk),
    "basename": Form("a", "s"),
    "cat": Form("nAbsETev"),
    "chmod": Form(""),
    "cmp": Form("s", check=lambda words: None if "-s" in words else "cmp without -s"),
    "comm": Form("123"),
    "cp": Form("rRfap"),
    "cut": Form("s", "dfcb", _long("complement output-delimiter")),
    "diff": Form("qwbBi", "", _long("brief"), _diff),
    "dirname": Form(""),
    "echo": Form("neE"),
    "egrep": _GREP,
    "env": Form("", "u", check=_env),
    "expr": Form(),
    "fgrep": _GREP,
    "find": Form(check=_find),
    "fold": Form("s", "w"),
    "grep": _GREP,
    "head": Form("qv", "nc", number=True),
    "join": Form("", "t12"),
    "ls": Form("1AFRd", long=_long("color"), check=_ls),
    "md5sum": Form(),
    "mkdir": Form("p"),
    "mv": Form("f"),
    "nl": Form("", "b"),
    "paste": Form("s", "d"),
    "printf": Form(),
    "pwd": Form("PL"),
    "readlink": Form("f"),
    "realpath": Form(),
    "rev": Form(),
    "rm": Form("rRfv"),
    "rmdir": Form(),
    "sed": Form("nErs", "ie", _long("quiet")),
    "seq": Form("w", "s", check=_seq),
    "sha256sum": Form(),
    "sha1sum": Form(),
    "sort": Form("nrufbgVhsc", "tko", check=_sort),
    "stat": Form("", "c", _long("format"), _stat),
    "tac": Form(),
    "tail": Form("qv", "nc", check=_tail, number=True),
    "tee": Form("a"),
    "touch": Form(""),
    "tr": Form("dsc"),
    "true": Form(),
    "uniq": Form("cdui", "fsw"),
    "wc": Form("lwcmL"),
    "xargs": Form("0rt", "nI"),
    "yes": Form(check=lambda _: "more than 10,000 lines of yes"),
    "base64": Form("d", "w"),
    "od": Form("c"),
    "expand": Form(),
    "unexpand": Form(),
    "factor": Form(),
    "truncate": Form("", "s"),
    "sum": Form(),
    "cksum": Form(),
    "split": Form("", "l"),
    "ln": Form("s"),
    "link": Form(),
    "unlink": Form(),
    "tsort": Form(),
    "numfmt": Form(),
}
COMPUTED = frozenset(_FORMS)


def verdict(argv: tuple[str, ...], userland: str) -> Verdict:
    """Whether bashkit computes this run exactly."""
    name = posixpath.basename(argv[0])
    form = _FORMS.get(name)
    if form is None:
        return "exact"
    reason = (form.check(argv[1:]) if form.check else None) or _options(name, form, argv[1:])
    if reason == "ask":
        return "ask"
    if userland == "bsd" and (other := bashkit_bsd.differs(argv)):
        return Unknown(f"BSD's {other} may do something else")
    return "exact" if reason is None else Unknown(f"bashkit is not exact in {reason}")


def _options(name: str, form: Form, words: tuple[str, ...]) -> str | None:
    if name in ("find", "expr", "echo", "printf", "tr", "test"):
        return None
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            return None
        if word.startswith("--"):
            if word.partition("=")[0] not in form.long:
                return f"{name} {word}"
        elif (re.fullmatch(r"-\d+", word) and (form.number or name == "comm")) or (
            name == "chmod" and re.fullmatch(r"-[rwxXst]+", word)
        ):
            continue
        elif word.startswith("-") and len(word) > 1:
            for place, letter in enumerate(word[1:], 1):
                if letter in form.values:
                    at += place == len(word) - 1 and not (name == "sed" and letter == "i")
                    break
                if letter not in form.flags:
                    return f"{name} -{letter}"
        elif name in ("xargs", "env"):
            return None
    return None


def _mode(name: str, word: str) -> bool:
    return name == "chmod" and re.fullmatch(r"-[rwxXst]+", word) is not None


def doubtful(parsed: CommandLine, command: str, userland: str) -> frozenset[str]:
    """The builtins that the line may run in a form other than the exact ones: those are looked at as they run."""
    found = set()
    runs = all_runs(parsed)
    anywhere = runs_scripts(runs)
    for name in COMPUTED:
        mine = [r for r in runs if posixpath.basename(r.name) == name]
        literal = all(not re.search(r"[$`]", w) for r in mine for w in r.arguments if w.startswith("-"))
        plain = all(verdict((name, *r.arguments), userland) == "exact" for r in mine)
        mentioned = len(re.findall(rf"(?<![\w./-]){re.escape(name)}(?![\w-])", command))
        several = name == "ls" and (
            any(r.name in ("xargs", "find") for r in runs)
            or any(len(operands(r)) > 1 or re.search(r"[*?$`\[{]", " ".join(r.arguments)) for r in mine)
        )
        if anywhere or several or not plain or not literal or mentioned > len(mine):
            found.add(name)
    return frozenset(found)


def runs_scripts(runs: Iterable[Invocation]) -> bool:
    """Whether files are run as scripts: then their lines are not seen before."""
    return any(
        posixpath.basename(r.name) in ("bash", "sh", "source", ".", "eval") or "/" in r.name or "$" in r.name
        for r in runs
    )


def _all(run: Invocation) -> Iterable[Invocation]:
    yield run
    inner = wrapped(run)
    if inner is not None:
        yield from _all(inner)


_BUFFERED = frozenset({"grep", "egrep", "fgrep", "ls", "head", "tail", "wc", "sort", "sed", "awk", "find", "cut", "nl"})


def buffered(parsed: CommandLine) -> bool:
    """Whether the line is one run of a program that holds its output back until it ends: then its errors come first."""
    runs = parsed.invocations
    return len(runs) == 1 and runs[0].name in _BUFFERED and not parsed.keywords


def timeout(words: tuple[str, ...]) -> tuple[str, bool, tuple[str, ...]] | None:
    """`timeout`'s duration as written, whether it keeps the program's code, and the program; `None`: another form."""
    rest, keeps = list(words), False
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        if word == "--preserve-status":
            keeps = True
        elif word in ("-k", "-s"):
            rest = rest[1:]
        elif not re.match(r"-[ks].|--(kill-after|signal)=|--foreground$|--verbose$|-v$", word):
            return None
    if len(rest) < 2 or seconds(rest[0]) is None:
        return None
    return rest[0], keeps, tuple(rest[1:])


def tells_sizes(parsed: CommandLine, command: str) -> bool:
    """Whether the line may tell the size of a file that it does not read."""
    names = {posixpath.basename(r.name) for r in all_runs(parsed)}
    return (
        bool(names & {"stat", "ls", "wc", "find"}) and bool(re.search(r"-size|-empty|%s|-s\b|wc", command))
    ) or bool(re.search(r"(?<!\w)-s ", command))


def operands(run: Invocation) -> tuple[str, ...]:
    """The words of a run that are no options, values or scripts: its files, as far as the text tells."""
    form, rest = _FORMS.get(posixpath.basename(run.name), Form()), list(run.arguments)
    found: list[str] = []
    scripted = False
    while rest:
        word = rest.pop(0)
        if word.startswith("-") and len(word) > 1 and word != "--":
            scripted |= word[1] in "ef" and run.name in ("grep", "sed", "awk", "egrep", "fgrep")
            if word[-1] in form.values and not word.startswith("--") and len(word) == 2 and rest and word != "-i":
                rest.pop(0)
        elif word != "--":
            found.append(word)
    if posixpath.basename(run.name) in ("grep", "egrep", "fgrep", "sed", "awk") and not scripted:
        return tuple(found[1:])
    return tuple(found)


def all_runs(parsed: CommandLine) -> tuple[Invocation, ...]:
    """All runs of the line, also those behind `xargs`, `timeout` and their like."""
    return tuple(run for top in parsed.invocations for run in _all(top))

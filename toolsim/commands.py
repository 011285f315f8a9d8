"""What class of program a command line runs: for contracts, state dependencies and the effects of failures.

The classes are coarse on purpose. A name that is not listed is `other`; nothing is decided here about what a program
prints.
"""

from __future__ import annotations

import re
import shlex
from typing import Literal, TypeAlias

CommandClass: TypeAlias = Literal[
    "test", "build", "lint", "format", "install", "network", "git", "script", "process", "look", "other"
]

_CLASSES: dict[CommandClass, frozenset[str]] = {
    "test": frozenset({"pytest", "py.test", "jest", "vitest", "mocha", "tox", "nox", "ctest", "rspec", "bats"}),
    "build": frozenset({"make", "cmake", "ninja", "gcc", "g++", "clang", "rustc", "javac", "mvn", "gradle", "vite"}),
    "lint": frozenset({"ruff", "flake8", "pylint", "mypy", "pyright", "eslint", "tsc", "golangci-lint", "shellcheck"}),
    "format": frozenset({"black", "isort", "prettier", "gofmt", "goimports", "rustfmt", "autopep8", "yapf"}),
    "install": frozenset({"pip", "pip3", "uv", "poetry", "pipenv", "apt", "apt-get", "brew", "conda", "gem", "bundle"}),
    "network": frozenset({"curl", "wget", "gh", "glab", "ssh", "scp", "aws", "gcloud", "az", "kubectl", "ping"}),
    "git": frozenset({"git", "hg", "svn"}),
    "script": frozenset({"python", "python3", "node", "deno", "bun", "ruby", "perl", "php", "bash", "sh", "java"}),
    "process": frozenset({"docker", "docker-compose", "podman", "systemctl", "ps", "kill", "pkill", "lsof", "tmux"}),
    "look": frozenset({
        "cat", "head", "tail", "less", "ls", "find", "grep", "rg", "ag", "fd", "tree", "wc", "nl", "stat", "file", "du",
        "pwd", "which", "sort", "uniq", "cut", "jq", "diff", "echo", "printf", "env", "date", "uname", "whoami",
    }),
}  # fmt: skip
_BY_NAME = {name: kind for kind, names in _CLASSES.items() for name in names}
_SUBCOMMANDS: dict[str, dict[str, CommandClass]] = {
    "go": {"test": "test", "build": "build", "vet": "lint", "fmt": "format", "get": "install", "run": "script"},
    "cargo": {"test": "test", "build": "build", "check": "build", "clippy": "lint", "fmt": "format", "add": "install"},
    "npm": {"test": "test", "t": "test", "install": "install", "i": "install", "ci": "install", "view": "network"},
    "yarn": {"test": "test", "add": "install", "install": "install", "build": "build", "lint": "lint"},
    "pnpm": {"test": "test", "add": "install", "install": "install", "build": "build", "lint": "lint"},
    "dotnet": {"test": "test", "build": "build", "format": "format"},
    "pip": {"index": "network", "list": "other", "show": "other", "download": "network"},
    "ruff": {"format": "format"},
}
_WORDS: tuple[tuple[str, CommandClass], ...] = (
    ("test", "test"),
    ("lint", "lint"),
    ("format", "format"),
    ("build", "build"),
)
_RUNNERS = frozenset(
    {"npx", "uvx", "sudo", "env", "time", "timeout", "nice", "nohup", "xargs", "command", "exec", "bunx"}
)
_RUN_VERBS = {
    ("uv", "run"),
    ("poetry", "run"),
    ("pipenv", "run"),
    ("npm", "exec"),
    ("pnpm", "exec"),
    ("bundle", "exec"),
}
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*=")
_FAILING_WRITERS = frozenset({"test", "build", "format", "install", "script"})


def classify(argv: tuple[str, ...]) -> CommandClass:
    """The class of one program run; wrappers (`uv run`, `timeout 5`, `python -m`) are looked through."""
    words = _unwrapped(argv)
    if not words:
        return "other"
    name = words[0].replace("\\", "/").rpartition("/")[2].removesuffix(".exe")
    if re.fullmatch(r"python[\d.]*", name) and len(words) > 2 and words[1] == "-m":
        return classify(words[2:])
    name = "pip" if re.fullmatch(r"pip[\d.]*", name) else name
    verb = next((word for word in words[1:] if not word.startswith("-")), "")
    by_verb = _SUBCOMMANDS.get(name, {}).get(verb)
    if by_verb is not None:
        return by_verb
    if name in {"npm", "yarn", "pnpm", "make", "just", "bun"}:
        target = words[2] if verb == "run" and len(words) > 2 else verb
        for part, kind in _WORDS:
            if part in target:
                return kind
    return _BY_NAME.get(name, "script" if "/" in words[0] else "other")


def leading(line: str) -> tuple[str, ...]:
    """The words of the command of a line that matters most: the first that is no `cd`, assignment or wrapper part.

    A text that is no shell word list (open quotes) is split at blanks.
    """
    first: tuple[str, ...] = ()
    for command in commands(line):
        if command[0] not in {"cd", "export", "source", ".", "set", "pushd", "true"}:
            return command
        first = first or command
    return first


def commands(line: str) -> tuple[tuple[str, ...], ...]:
    """All simple commands of a line, roughly: split at `;`, `|`, `&` and newlines outside of quotes."""
    lexer = shlex.shlex(line.replace("\n", " ; "), posix=True, punctuation_chars=";|&()")
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[list[str]] = [[]]
    try:
        for word in lexer:
            if set(word) <= set(";|&()"):
                found.append([])
            elif found[-1] or not _ASSIGNMENT.match(word):
                found[-1].append(word)
    except ValueError:
        return (tuple(line.split()),) if line.split() else ()
    return tuple(tuple(words) for words in found if words)


def writes_on_failure(kind: CommandClass) -> bool:
    """Whether programs of the class may leave files behind although they fail (reports, caches, half a build)."""
    return kind in _FAILING_WRITERS


def _unwrapped(argv: tuple[str, ...]) -> tuple[str, ...]:
    words = argv
    while words:
        if words[0] in _RUNNERS:
            words = words[1:]
        elif len(words) > 1 and (words[0], words[1]) in _RUN_VERBS:
            words = words[2:]
        elif _ASSIGNMENT.match(words[0]) or (words is not argv and re.match(r"^(-|\d)", words[0])):
            words = words[1:]
        else:
            return words
    return words

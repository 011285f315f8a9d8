"""What a command line alone tells against an exact answer: environment, host facts, shell differences."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from toolsim.actions import Unknown
from toolsim.shellparse import CommandLine, Invocation

# Set by the shell itself.
_SHELL_VARIABLES = frozenset(
    [*"?!#@*$0123456789-_", "PWD", "OLDPWD", "REPLY", "IFS", "LINENO", "PIPESTATUS", "BASH_REMATCH"]
)
_ENVIRONMENT_LISTS = {
    "export": ("", "-p"),
    "declare": ("", "-p", "-x"),
    "typeset": ("", "-p"),
    "set": ("",),
    "alias": ("",),
}
_HOST = re.compile(
    r"(?<![\w.-])/(?:proc|sys|dev)(?:/(?!null\b|stdin\b|stdout\b|stderr\b|fd/|tty\b|zero\b)[\w./-]*|(?=[\s;|&)]|$))"
)
_UNSOUND_BUILTINS = frozenset({
    "ulimit", "umask", "history", "jobs", "fg", "bg", "disown", "suspend", "enable", "complete", "compgen", "bind",
    "times", "shopt", "caller", "dirs", "logout", "login",   "kill", "setopt", "unsetopt", "autoload",
    "zmodload", "print", "vared", "emulate", "unalias", "help",
})  # fmt: skip
_ZSH_ONLY = re.compile(
    r"\$\{\(|\$\{?[+^=~]\w|(?<![\w\\])=\(|\*\(\w|\(N\)|<->|\bprint -|\$\w+\[|\$\{[^}]*:[a-z]\}|\$history|%[1-9#]"
)


def refusal(parsed: CommandLine, command: str, env: Mapping[str, str], shell: str) -> Unknown | None:
    """Why the line cannot be computed exactly, as far as its text tells; `None` if nothing speaks against it."""
    if not parsed.ok:
        return Unknown("the command line has a syntax error, or one that the grammar does not know")
    if _HOST.search(command):
        return Unknown("the command reads the machine itself (/proc, /sys, /dev)")
    unset = parsed.read - parsed.assigned - _SHELL_VARIABLES - set(env)
    if unset:
        return Unknown(f"the session's environment is not known: {', '.join(sorted(unset))}")
    if re.search(r"\$(RANDOM|SECONDS|EPOCH\w+|BASHPID|SRANDOM|HOSTNAME|PPID|UID|EUID)\b|\$\$", command):
        return Unknown("the command reads a value that is new in each run")
    for invocation in parsed.invocations:
        if reason := _builtin(invocation):
            return Unknown(reason)
    return _zsh(parsed, command) if shell == "zsh" else None


def _builtin(invocation: Invocation) -> str | None:
    name = posixpath.basename(invocation.name)
    if name in _UNSOUND_BUILTINS:
        return f"{name} depends on the session's own shell"
    lists = _ENVIRONMENT_LISTS.get(name)
    if lists is not None and " ".join(invocation.arguments) in lists:
        return f"{name} lists the session's own environment"
    return None


def _zsh(parsed: CommandLine, command: str) -> Unknown | None:
    """Forms that zsh reads otherwise than bash."""
    if _ZSH_ONLY.search(command):
        return Unknown("a form that only zsh has")
    if re.search(r"(?<![\"'=\w$])\$\{?\w+\}?(?![\w\"'])", command) and _splits(parsed, command):
        return Unknown("zsh does not split unquoted variables into words")
    if re.search(r">\s*\S+\s*\|(?!\|)", command) and any(_to_file(r.operator, r.target) for r in parsed.redirections):
        return Unknown("zsh writes to a file and the pipe at once")
    if "time" in parsed.keywords:
        return Unknown("zsh prints times in its own form")
    return None


def _splits(parsed: CommandLine, command: str) -> bool:
    """Whether a variable that may hold several words stands unquoted; loop variables and single words do not."""
    loops = set(re.findall(r"\bfor\s+(\w+)\s+in\b", command)) | set(re.findall(r"\bread\s+(?:-r\s+)?(\w+)", command))
    plain = {m.group(1) for m in re.finditer(r"(?:^|[\s;&(])(\w+)=[\w./:-]+(?=[\s;&)]|$)", command)}
    used = set(re.findall(r"(?<![\"'\\])\$\{?(\w+)", command))
    return bool(
        {name for name in used & (parsed.assigned | parsed.read) if name not in loops | plain and not name.isdigit()}
    )


def _to_file(operator: str, target: str) -> bool:
    return operator.startswith(">") and not target.startswith("/dev/") and not target.isdigit()

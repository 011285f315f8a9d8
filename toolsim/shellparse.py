"""What a command line names, without running it: programs, words, redirections, variables; and its class.

Parsed with tree-sitter's bash grammar (`tree-sitter-bash`), which goes on after a syntax error: `ok` says whether
there was one. Everything here is about the text alone; what a variable or a script holds is not looked into.

The grammar's scanner looks characters up in C's table of character classes, which holds 256: one beyond it reads
memory that is not the table's, and may end the process (tree-sitter/tree-sitter-bash#337). To bash they are letters
of a word like any other, so the grammar is shown a `.` for each, and words are cut from the line itself.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

# Run another command given by their arguments.
_WRAPPERS = frozenset({
    "env", "timeout", "gtimeout", "nice", "nohup", "time", "xargs", "command", "builtin", "exec", "sudo", "stdbuf",
    "setsid", "ionice", "rtk", "doas", "caffeinate",
})  # fmt: skip
_SHELLS = frozenset({"bash", "sh", "zsh", "dash"})
_WRAPPER_VALUES = {"-n", "-k", "-s", "-u", "-I", "-L", "-P", "-d", "-E", "-o", "-e", "-i0", "-c"}


@dataclass(frozen=True, slots=True)
class Redirection:
    """A redirection to or from a word; `operator` as written (`>`, `>>`, `<`, `2>` is `>` with descriptor 2)."""

    operator: str
    target: str
    descriptor: str = ""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One simple command: its name and arguments with quotes removed; what has expansions keeps them as written."""

    name: str
    arguments: tuple[str, ...] = ()
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The parts of a command line. `ok` is false where the grammar found a syntax error.

    `words` are all literal words; `read` and `assigned` are variable names; `keywords` the compound forms used
    (`for`, `while`, `function`, `subshell`, `time`, `&`, `heredoc`, `substitution`, `process`).
    """

    ok: bool
    invocations: tuple[Invocation, ...]
    redirections: tuple[Redirection, ...]
    words: tuple[str, ...]
    read: frozenset[str]
    assigned: frozenset[str]
    keywords: frozenset[str]
    functions: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Collected:
    line: str
    invocations: list[Invocation] = field(default_factory=list)
    redirections: list[Redirection] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    assigned: set[str] = field(default_factory=set)
    keywords: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)


_KEYWORDS = {
    "for_statement": "for", "c_style_for_statement": "for", "while_statement": "while",
    "function_definition": "function",
    "subshell": "subshell", "heredoc_redirect": "heredoc", "command_substitution": "substitution",
    "process_substitution": "process", "&": "&",
}  # fmt: skip
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


@lru_cache(maxsize=512)
def parse(command: str) -> CommandLine:
    """Take a command line apart."""
    tree = Parser(Language(tree_sitter_bash.language())).parse(_NOT_ASCII.sub(".", command).encode())
    collected = _Collected(command)
    for node in _walk(tree.root_node):
        _collect(node, collected)
    return CommandLine(
        not tree.root_node.has_error, tuple(collected.invocations), tuple(collected.redirections),
        tuple(collected.words), frozenset(collected.read), frozenset(collected.assigned),
        frozenset(collected.keywords), frozenset(collected.functions),
    )  # fmt: skip


def programs(command: str) -> tuple[str, ...]:
    """The names of all programs and builtins that the line runs itself, in order, also behind `xargs`, `timeout`..."""
    found: list[str] = []
    for invocation in parse(command).invocations:
        found.extend(_names(invocation))
    return tuple(found)


def _names(invocation: Invocation) -> Iterator[str]:
    yield invocation.name
    inner = wrapped(invocation)
    if inner is not None:
        yield from _names(inner)
    name = posixpath.basename(invocation.name)
    if name in _SHELLS and "-c" in [a[-2:] for a in invocation.arguments[:2]]:
        at = next(n for n, a in enumerate(invocation.arguments) if a.endswith("c"))
        if at + 1 < len(invocation.arguments):
            yield from programs(invocation.arguments[at + 1])
    if name == "find":
        for at, word in enumerate(invocation.arguments[:-1]):
            if word in ("-exec", "-execdir", "-ok"):
                yield invocation.arguments[at + 1]


def wrapped(invocation: Invocation) -> Invocation | None:
    """The command that `env`, `timeout`, `xargs` and their like run; `None` for any other."""
    wrapper = posixpath.basename(invocation.name)
    if wrapper not in _WRAPPERS:
        return None
    rest = list(invocation.arguments)
    skipped_duration = wrapper not in ("timeout", "gtimeout")
    while rest:
        if rest[0] in _WRAPPER_VALUES and wrapper != "command":
            rest = rest[2:]
        elif rest[0].startswith("-") or (wrapper in ("env", "sudo") and "=" in rest[0]):
            rest = rest[1:]
        elif not skipped_duration:
            skipped_duration, rest = True, rest[1:]
        else:
            return Invocation(rest[0], tuple(rest[1:]), invocation.redirections)
    return None


def _walk(root: Node) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children))


def _collect(node: Node, into: _Collected) -> None:
    kind = node.type
    if kind == "command":
        _command(node, into)
    elif kind == "file_redirect":
        into.redirections.append(_redirection(node, into.line))
    elif kind == "variable_assignment":
        name = node.child_by_field_name("name")
        into.assigned.add(_text(name, into.line).partition("[")[0] if name else "")
    elif kind == "for_statement":
        name = node.child_by_field_name("variable")
        into.assigned.add(_text(name, into.line) if name else "")
    elif kind == "function_definition":
        name = node.child_by_field_name("name")
        into.functions.add(_text(name, into.line) if name else "")
    elif kind in ("simple_expansion", "expansion"):
        into.read.update(_text(n, into.line) for n in node.children if n.type == "variable_name")
    elif kind == "variable_name" and node.parent is not None and node.parent.type in ("unset_command",):
        into.assigned.add(_text(node, into.line))
    elif kind in ("declaration_command", "unset_command"):
        words = tuple(_literal(n, into.line) for n in node.children[1:] if n.is_named)
        into.invocations.append(Invocation(_text(node.children[0], into.line), words))
    if kind in _KEYWORDS:
        into.keywords.add(_KEYWORDS[kind])
    if kind in ("word", "string", "raw_string", "concatenation", "ansi_c_string", "number"):
        into.words.append(_literal(node, into.line))


def _command(node: Node, into: _Collected) -> None:
    name = node.child_by_field_name("name")
    if name is None:
        return
    arguments = tuple(_literal(n, into.line) for n in node.children_by_field_name("argument"))
    redirections = [
        _redirection(n, into.line) for n in node.children_by_field_name("redirect") if n.type == "file_redirect"
    ]
    if node.parent is not None and node.parent.type == "redirected_statement":
        redirections += [_redirection(n, into.line) for n in node.parent.children if n.type == "file_redirect"]
    text = _literal(name, into.line)
    if text == "time":
        into.keywords.add("time")
    if text in ("read", "mapfile", "readarray", "getopts", "local", "printf"):
        into.assigned.update(a for a in arguments if re.fullmatch(r"[A-Za-z_]\w*", a))
        into.assigned.update({"REPLY", "MAPFILE", "OPTARG", "OPTIND"})
    into.invocations.append(Invocation(text, arguments, tuple(redirections)))


def _redirection(node: Node, line: str) -> Redirection:
    target, descriptor = node.child_by_field_name("destination"), node.child_by_field_name("descriptor")
    operator = next((c.type for c in node.children if not c.is_named), ">")
    return Redirection(
        operator, _literal(target, line) if target else "", _text(descriptor, line) if descriptor else ""
    )


def _text(node: Node, line: str) -> str:
    return line[node.start_byte : node.end_byte]


def _literal(node: Node, line: str) -> str:
    """The word with its quotes removed."""
    text = _text(node, line)
    if node.type == "raw_string":
        return text[1:-1]
    if node.type == "ansi_c_string":
        return text[2:-1]
    if node.type == "string":
        return re.sub(r"\\([\"\\$`\n])", r"\1", text[1:-1])
    if node.type == "word":
        return re.sub(r"\\(.)", r"\1", text, flags=re.S)
    if node.type in ("concatenation", "command_name"):
        return "".join(_literal(child, line) for child in node.children) if node.children else text
    return text


# --- classes --------------------------------------------------------------------------------------------------------


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CLASSES: dict[str, frozenset[str]] = {
    "view": _words("cat head tail less more nl bat tac od xxd hexdump strings sed awk jq yq cut"),
    "search": _words("grep egrep fgrep rg ag ack find fd ls tree locate which whereis type wc du stat file"),
    "edit": _words(
        "rm mv cp mkdir rmdir touch ln chmod chown tee patch truncate install rsync apply_patch unzip zip tar"
    ),
    "build": _words("make cmake ninja gcc g++ clang cc rustc javac gradle gradlew mvn bazel tsc webpack vite"),
    "test": _words("pytest tox nox jest vitest mocha ava phpunit rspec ctest gotestsum cypress playwright"),
    "lint": _words(
        "ruff mypy flake8 pylint black isort eslint prettier gofmt goimports golangci-lint shellcheck pyright "
        "biome staticcheck rustfmt clippy"
    ),
    "run": _words("python python2 python3 node deno ruby perl php java lua Rscript"),
    "network": _words(
        "curl wget ssh scp gh glab docker kubectl pip pip3 pipx brew apt apt-get dig ping nc telnet aws gcloud"
    ),
}
_SUBCOMMANDS: dict[str, dict[str, str]] = {
    "go": {"build": "build", "install": "build", "test": "test", "vet": "lint", "fmt": "lint", "run": "run",
           "get": "network", "mod": "network", "generate": "build"},
    "cargo": {"build": "build", "check": "build", "test": "test", "clippy": "lint", "fmt": "lint", "run": "run",
              "add": "network", "install": "network", "bench": "test"},
    "dotnet": {"build": "build", "test": "test", "run": "run", "restore": "network", "format": "lint"},
    "bundle": {"install": "network", "exec": "run"},
}  # fmt: skip
_PACKAGERS = frozenset(
    {"npm", "pnpm", "yarn", "bun", "npx", "bunx", "uv", "uvx", "poetry", "pdm", "hatch", "mise", "rye"}
)
_SCRIPT_CLASSES = (
    ("test", re.compile(r"test|jest|vitest|pytest|e2e|spec")),
    ("lint", re.compile(r"lint|format|typecheck|type-check|check|prettier|ruff|mypy|biome|tsc")),
    ("build", re.compile(r"build|compile|bundle|generate")),
    ("network", re.compile(r"^(install|i|ci|add|remove|update|upgrade|publish|sync|outdated|audit|lock|view|info)$")),
)
_GIT_READS = _words(
    "status diff log show blame annotate ls-files ls-tree rev-parse grep describe merge-base shortlog "
    "cat-file rev-list for-each-ref show-ref name-rev reflog whatchanged cherry range-diff diff-tree "
    "diff-index diff-files check-ignore var version help count-objects show-branch ls-remote"
)
_SILENT = _words(
    "cd echo printf true false test [ [[ : set export source . unset pwd local read sleep wait exit "
    "return shift pushd popd date basename dirname realpath readlink sort uniq tr xargs env time timeout "
    "tee head tail wc cut column declare alias eval trap"
)
READ_ONLY = _words(
    "cat head tail nl tac od xxd cut grep egrep fgrep rg ag ack ls tree wc du stat file which type cd "
    "echo printf true false test [ [[ : pwd basename dirname realpath readlink sort uniq tr column date "
    "comm cmp diff seq jq paste rev fold expand md5sum sha256sum cksum strings hexdump whoami id uname "
    "hostname sleep join less more"
)
_ORDER = ("test", "build", "lint", "network", "git-write", "edit", "run", "git-read", "search", "view", "other")


def git_subcommand(arguments: tuple[str, ...]) -> str:
    """The git command behind git's own options (`-C`, `-c`, ...); empty if there is none."""
    at = 0
    while at < len(arguments):
        if arguments[at] in ("-C", "-c", "--git-dir", "--work-tree", "--namespace"):
            at += 2
        elif arguments[at].startswith("-"):
            at += 1
        else:
            return arguments[at]
    return ""


def command_class(command: str) -> str:
    """What kind of command it is, by its most telling part: test, build, lint, network, git-write, edit, run,
    git-read, search, view or other."""
    parsed = parse(command)
    found = {c for i in parsed.invocations if (c := _invocation_class(i)) is not None}
    if any(_writes(r) for r in parsed.redirections):
        found.add("edit")
    return next((name for name in _ORDER if name in found), "other")


def is_read_only(command: str) -> bool:
    """Whether the line can change no file: only programs that never do, and no redirection into a file."""
    parsed = parse(command)
    if not parsed.ok or not parsed.invocations or parsed.functions or any(_writes(r) for r in parsed.redirections):
        return False
    return all(_reads_only(i) for i in parsed.invocations)


def _writes(redirection: Redirection) -> bool:
    if redirection.operator.startswith("<") and redirection.operator != "<>":
        return False
    return not (redirection.target.isdigit() or redirection.target in ("-", "/dev/null", "/dev/stdout", "/dev/stderr"))


def _reads_only(invocation: Invocation) -> bool:
    name, arguments = posixpath.basename(invocation.name), invocation.arguments
    if "$" in invocation.name or "`" in invocation.name:
        return False
    inner = wrapped(invocation)
    if inner is not None:
        return _reads_only(inner)
    if name == "git":
        sub = git_subcommand(arguments)
        return (sub in _GIT_READS and not any(a.startswith("--output") for a in arguments)) or _listing(sub, arguments)
    if name == "sed":
        scripts = [a for a in arguments if not a.startswith("-")]
        in_place = any(re.match(r"-[nErsuz]*i|--in-place", a) for a in arguments)
        return not in_place and not re.search(r"(^|[;}\d/$ ])[wWe]( |$)|/[gpi\d]*[we]", scripts[0] if scripts else "")
    if name in ("awk", "gawk", "mawk"):
        return not any(re.search(r"[>|]\s*\"|system\s*\(|-i", a) for a in arguments)
    if name == "find":
        return not any(a in ("-delete", "-exec", "-execdir", "-ok", "-fprint", "-fprintf", "-fls") for a in arguments)
    if name == "sort" and any(a.startswith(("-o", "--output")) for a in arguments):
        return False
    return name in READ_ONLY


def _listing(sub: str, arguments: tuple[str, ...]) -> bool:
    rest = arguments[arguments.index(sub) + 1 :] if sub in arguments else ()
    if sub in ("branch", "tag"):
        return all(r in ("-a", "-v", "-vv", "-r", "-l", "--list", "--show-current", "--all") for r in rest)
    if sub in ("remote", "stash", "worktree"):
        return rest[:1] in ((), ("-v",), ("list",), ("show",), ("get-url",)) and not (sub == "stash" and not rest)
    return sub == "config" and any(r.startswith(("--get", "-l", "--list")) for r in rest)


def _invocation_class(invocation: Invocation) -> str | None:
    inner = wrapped(invocation)
    if inner is not None:
        return _invocation_class(inner)
    name, arguments = posixpath.basename(invocation.name), invocation.arguments
    sub = next((a for a in arguments if not a.startswith("-")), "")
    if name == "git":
        verb = git_subcommand(arguments)
        if verb in ("push", "pull", "fetch", "clone"):
            return "network"
        return "git-read" if verb in _GIT_READS or _listing(verb, arguments) else "git-write"
    if name in _SHELLS and "-c" in arguments[:2] and len(arguments) > 1:
        return command_class(arguments[arguments.index("-c") + 1])
    if name in _SUBCOMMANDS:
        return _SUBCOMMANDS[name].get(sub, "build")
    if name in _PACKAGERS:
        return _script_class([a for a in arguments if not a.startswith("-")])
    if name == "make" and re.search("test|check|lint", sub):
        return "test" if "test" in sub or sub == "check" else "lint"
    if name.startswith("python") and "-m" in arguments[:-1]:
        module = arguments[arguments.index("-m") + 1]
        return "test" if module == "unittest" else _invocation_class(Invocation(module)) or "run"
    if name == "sed" and any(re.match(r"-[nEr]*i", a) for a in arguments):
        return "edit"
    found = next((c for c, names in _CLASSES.items() if re.sub(r"[\d.]+$", "", name) in names or name in names), None)
    if found is not None and not (name in _SILENT and found in ("view", "search")):
        return found
    if found is not None:
        return found if arguments and any(not a.startswith("-") for a in arguments) else None
    return None if name in _SILENT else "run" if "/" in invocation.name else "other"


def _script_class(words: list[str]) -> str:
    for word in [w for w in words if w not in ("run", "exec", "x", "dlx", "tool")][:2]:
        for name, pattern in _SCRIPT_CLASSES:
            if pattern.search(word):
                return name
    return "run"

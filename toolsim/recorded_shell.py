"""What a recorded command did to the files, as far as its text and output tell; the rest is made unknown.

Certain effects become typed mutations (`mkdir`, `rm`, `mv`, `cp`, `touch`, literal here-documents); what only may have
happened becomes a `Blur` as narrow as the tables allow: formatters touch edited files of their languages, package
managers their manifests, history commands of git the whole tree (or what their diffstat names). Builds, tests and
linters write ignored outputs only: they leave a `Fact`, the effect token of the state. A failed command makes its
certain effects uncertain. Read-only lines do nothing.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolsim import paths, recorded_git, shellparse, shown_by_git
from toolsim.actions import LOST, Blur, Fact, GitMove, MakeDirectory, MovePath, Mutation, PutFile, RemovePath
from toolsim.recorded_tables import (
    FORMAT_SCRIPT,
    FORMATTERS,
    GENERATE_SCRIPT,
    HEAD_MOVERS,
    MANIFESTS,
    PLAIN_GENERATORS,
    REMOTE_MOVERS,
    WRITING_CODE,
)

if TYPE_CHECKING:
    from toolsim.shellparse import Invocation, Redirection
    from toolsim.world import World

_HEREDOC = re.compile(
    r"cat\s*(?:>\s*(?P<a>[^\s<>&|;]+)\s*<<-?\s*(?P<q>['\"]?)(?P<d>\w+)(?P=q)|<<-?\s*(?P<q2>['\"]?)(?P<d2>\w+)(?P=q2)\s*>\s*"
    r"(?P<b>[^\s<>&|;]+))[^\n]*\n(?P<body>.*?)^(?:(?P=d)|(?P=d2))[ \t]*$",
    re.S | re.M,
)
# How mise, npm and its like, and just name the command of a task that they start.
_ANNOUNCED = re.compile(r"^(?:\[[\w:.-]+\] )?(?:\$|>) (?P<line>\S.*)$", re.M)


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A command of the record. `failed` is `None` where the form does not tell; `token` names the run."""

    command: str
    cwd: str
    output: str
    failed: bool | None
    token: str


def effects(run: RecordedRun, world: World) -> tuple[Mutation, ...]:
    """The mutations that follow from a run that happened."""
    if shellparse.is_read_only(run.command):
        return tuple(shown_by_git.shown(run, world.key(run.cwd), world))
    line = shellparse.parse(run.command)
    cwd, trial = world.key(run.cwd), world.fork()
    found: list[Mutation] = []
    written = dict(_documents(run.command, cwd))
    loops = bool(line.keywords & {"for", "while", "function"}) or not line.ok
    for invocation in line.invocations:
        inner = shellparse.wrapped(invocation) or invocation
        if inner.name in ("cd", "pushd") and inner.arguments:
            cwd = _resolve(inner.arguments[-1], cwd, world)
            continue
        for mutation in (
            *_invocation(inner, cwd, run, trial, loops=loops),
            *_redirected(invocation.redirections, cwd, trial, written),
        ):
            found.append(mutation)
            trial.apply(mutation)
    of_one = {redirection for invocation in line.invocations for redirection in invocation.redirections}
    for mutation in _redirected([r for r in line.redirections if r not in of_one], cwd, trial, written):
        found.append(mutation)
        trial.apply(mutation)
    found.extend(PutFile(path, body.encode()) for path, body in written.items())
    for mutation in shown_by_git.shown(run, world.key(run.cwd), trial):
        found.append(mutation)
    found.append(Fact(f"ran: {run.command[:120]}", run.token))
    return tuple(_uncertain(m) for m in found) if run.failed else tuple(found)


def _uncertain(mutation: Mutation) -> Mutation:
    """The same effect when the command failed somewhere: it may have happened."""
    match mutation:
        case PutFile(path) | RemovePath(path) | MakeDirectory(path) | MovePath(path):
            return Blur(path, "a failed command may have changed it")
    return mutation


def _documents(command: str, cwd: str) -> Iterator[tuple[str, str]]:
    """Files written by `cat > f <<'EOF'` with a body that the shell does not expand."""
    for match in _HEREDOC.finditer(command):
        target = match["a"] or match["b"]
        quoted = bool(match["q"] or match["q2"])
        if "$" not in target and (quoted or not re.search(r"[$`\\]", match["body"])):
            yield paths.canonical(target.strip("'\""), cwd), match["body"]


def _resolve(word: str, cwd: str, world: World) -> str:
    home = re.match(r"^/(?:Users|home)/[^/]+|^/root|^/[a-z]/Users/[^/]+", world.root)
    if word.startswith("~") and home:
        word = home.group(0) + word[1:]
    return paths.canonical(word, cwd, windows=world.windows)


def _is_literal(word: str) -> bool:
    return not re.search(r"[$`*?\[{]", word)


def _redirected(
    redirections: Iterable[Redirection], cwd: str, world: World, written: dict[str, str]
) -> Iterator[Mutation]:
    for redirection in redirections:
        target = redirection.target
        if (
            redirection.operator.startswith("<")
            or target.isdigit()
            or target.startswith("/dev/")
            or target in ("", "-")
        ):
            continue
        if _is_literal(target):
            path = _resolve(target, cwd, world)
            if path not in written:
                yield _written(path, "written by a command", world)


def _written(path: str, reason: str, world: World) -> Blur:
    """A file was written whose text is not known, and it may not have been there before."""
    return Blur(path, reason, "content" if world.kind(path) == "file" else "all")


def _invocation(invocation: Invocation, cwd: str, run: RecordedRun, world: World, *, loops: bool) -> Iterator[Mutation]:
    name = posixpath.basename(invocation.name)
    words = [a for a in invocation.arguments if not a.startswith("-")]
    options = [a for a in invocation.arguments if a.startswith("-")]
    if name == "git":
        yield from recorded_git.effects(invocation, cwd, run, world)
    elif name in ("rm", "rmdir", "mkdir", "mv", "cp", "touch", "ln", "tee", "truncate"):
        if loops or any("$" in w or "`" in w for w in words):
            inside = [w for w in words if not re.match(r"\$\{?\w*(TMP|tmp|HOME)", w)]
            yield from (Blur(world.root + "/", f"{name} of a computed path", scope="content") for _ in inside[:1])
        else:
            yield from _file_program(name, words, cwd, world)
    elif name in ("sed", "perl") and any(re.match(r"-[a-zA-Z]*i|--in-place", o) for o in options):
        yield from _touched(words, cwd, world, "edited in place", everywhere=loops or "xargs" in run.command)
    elif name in ("patch", "apply_patch"):
        yield Blur(world.root + "/", "patched", scope="content")
    elif name in ("curl", "wget"):
        names = [b for a, b in zip(invocation.arguments, invocation.arguments[1:], strict=False) if a in ("-o", "-O")]
        yield from (_written(_resolve(n, cwd, world), "downloaded", world) for n in names if _is_literal(n))
    else:
        yield from _program(name, invocation, words, cwd, run, world)


def _file_program(name: str, words: list[str], cwd: str, world: World) -> Iterator[Mutation]:
    full = [p for word in words for p in _expand(word, cwd, world)]
    if name == "mkdir":
        yield from (MakeDirectory(path) for path in full)
    elif name in ("rm", "rmdir"):
        yield from (RemovePath(path) for path in full)
    elif name == "touch":
        for path in full:
            yield from (
                ()
                if world.kind(path) == "file"
                else (PutFile(path, b""),)
                if world.kind(path) == "absent"
                else (Blur(path, "touched", scope="content"),)
            )
    elif name in ("tee", "truncate", "ln"):
        yield from (_written(path, f"written by {name}", world) for path in full[-1 if name == "ln" else 0 :])
    elif len(full) >= 2:
        yield from _copy_or_move(name, full[:-1], full[-1], world)


def _expand(word: str, cwd: str, world: World) -> list[str]:
    """Shell wildcards against the known names of one directory; what is not known stays as it is."""
    path = _resolve(word, cwd, world)
    if _is_literal(word):
        return [path]
    directory, _, pattern = path.rpartition("/")
    names = world.listdir(directory or "/") if _is_literal(directory) else ()
    if not isinstance(names, tuple) or "{" in word:
        return []
    matcher = re.compile("".join({"*": "[^/]*", "?": "[^/]"}.get(c, re.escape(c)) for c in pattern))
    return [paths.join(directory, n) for n in names if matcher.fullmatch(n) and not n.startswith(".")]


def _copy_or_move(name: str, sources: list[str], target: str, world: World) -> Iterator[Mutation]:
    for source in sources:
        into = world.kind(target) == "dir"
        if world.kind(target) == "unknown":
            yield Blur(target, f"target of {name}")
            if name == "mv":
                yield RemovePath(source)
            continue
        place = paths.join(target, posixpath.basename(source)) if into else target
        if name == "mv":
            yield MovePath(source, place)
            continue
        content = world.read(source)
        if isinstance(content, bytes):
            yield PutFile(place, content, world.mode(source))
        elif world.kind(source) == "dir":
            yield Blur(place + "/", "copied")
        else:
            yield _written(place, "copied from an unknown file", world)


def _touched(words: list[str], cwd: str, world: World, reason: str, *, everywhere: bool) -> Iterator[Mutation]:
    """Content of the named files; of the whole tree where the names are computed."""
    files = [p for word in words for p in _expand(word, cwd, world) if world.kind(p) == "file"]
    computed = everywhere or any("$" in w or "`" in w for w in words)
    if computed:
        yield Blur(world.root + "/", reason, scope="content")
    else:
        yield from (Blur(path, reason, scope="content") for path in dict.fromkeys(files))


def _program(
    name: str, invocation: Invocation, words: list[str], cwd: str, run: RecordedRun, world: World
) -> Iterator[Mutation]:
    base = cwd if paths.relative(cwd, world.root) is not None else world.root
    text = " ".join((name, *invocation.arguments))
    if HEAD_MOVERS.match(text):
        yield GitMove(LOST, LOST, lost=("remote branches", "other refs", "log of HEAD"))
        yield Blur(world.root + "/", text[:60], "head")
        return
    if REMOTE_MOVERS.match(text):
        yield GitMove(lost=("remote branches",))
        return
    for pattern, suffixes in FORMATTERS:
        if pattern.match(text):
            named = [_resolve(w, cwd, world) for w in words if _is_literal(w)]
            files = [p for p in named if world.kind(p) == "file"]
            places = files or [base.rstrip("/") + "/"]
            yield from (Blur(place, f"formatted: {text[:60]}", "formatted", suffixes) for place in places)
            return
    for pattern, manifests in MANIFESTS:
        if pattern.match(text):
            for directory in dict.fromkeys((base, world.root)):
                known = [paths.join(directory, manifest) for manifest in manifests]
                yield from (Blur(p, "package manager", scope="content") for p in known if world.kind(p) == "file")
            return
    if FORMAT_SCRIPT.search(text):
        yield Blur(world.root + "/", f"formatted: {text[:60]}", "formatted", _formatted_by_script(run.output))
    elif GENERATE_SCRIPT.search(text):
        plain = PLAIN_GENERATORS.search(text) is not None
        yield Blur(world.root + "/", f"generated: {text[:60]}", "generated" if plain else "content")
        if any(FORMAT_SCRIPT.search(line) for line in _announced(run.output)):
            yield Blur(world.root + "/", f"formatted: {text[:60]}", "formatted", _formatted_by_script(run.output))
    elif WRITING_CODE.search(run.command) and re.match(r"python|node|ruby|perl|bun|deno|tsx", name):
        yield from _written_by_code(run.command, cwd, world)


def _announced(output: str) -> list[str]:
    return [line.strip() for m in _ANNOUNCED.finditer(output) for line in re.split(r"&&|;", m["line"])]


def _formatted_by_script(output: str) -> tuple[str, ...]:
    """The endings of the files that a script's formatters rewrite, as its runner names them; none is all files."""
    named = _announced(output)
    found = [next((s for pattern, s in FORMATTERS if pattern.match(line)), None) for line in named]
    formats = [suffixes for suffixes, line in zip(found, named, strict=True) if suffixes or "fmt" in line]
    if not formats or None in formats:
        return ()
    return tuple(dict.fromkeys(suffix for suffixes in formats if suffixes for suffix in suffixes))


def _written_by_code(command: str, cwd: str, world: World) -> Iterator[Mutation]:
    """Known files that an inline program names; the whole tree if it names none."""
    tokens = set(re.findall(r"[\w./\\~@:+-]+", command))
    named = [p for t in tokens if "." in t or "/" in t for p in [_resolve(t, cwd, world)] if world.kind(p) == "file"]
    if named:
        yield from (Blur(p, "written by a program", scope="content") for p in sorted(set(named)))
    else:
        yield Blur(world.root + "/", "written by a program", scope="content")

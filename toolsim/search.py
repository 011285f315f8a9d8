"""Finding files by pattern and lines by regular expression in a world, exactly or not at all.

Neutral options of a `Grep` (a scaffold translates its own): `glob` (file pattern), `type` (ripgrep file type),
`ignore_case`, `before`, `after`, `multiline`, `fixed`, `everywhere` (ignored files are searched too). Searches see
tracked files and what the session made; like ripgrep they pass over files that ignore rules match, hidden files, and
binary files. Results are sorted by path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from toolsim import artefacts
from toolsim.actions import Glob, Grep, Listing, Match, Matches, Outcome, Problem, Unknown
from toolsim.marks import Unseen
from toolsim.paths import relative

if TYPE_CHECKING:
    from toolsim.trajectory import JsonObject
    from toolsim.world import World

TYPES = {
    "c": ("*.c", "*.h"), "cpp": ("*.cc", "*.cpp", "*.cxx", "*.h", "*.hh", "*.hpp", "*.hxx", "*.inl"),
    "css": ("*.css", "*.scss"), "go": ("*.go",), "html": ("*.htm", "*.html", "*.ejs"), "java": ("*.java", "*.jsp"),
    "js": ("*.js", "*.jsx", "*.vue", "*.cjs", "*.mjs"), "json": ("*.json", "composer.lock", "*.sarif"),
    "md": ("*.markdown", "*.md", "*.mdown", "*.mkdn", "*.mdwn", "*.mkd", "*.mdx"), "py": ("*.py", "*.pyi"),
    "rust": ("*.rs",), "ruby": ("*.rb", "*.rbw", "Gemfile", "Rakefile", "config.ru", "*.gemspec", ".irbrc"),
    "sh": ("*.bash", "*.csh", "*.ksh", "*.sh", "*.tcsh", "*.zsh"), "sql": ("*.sql", "*.psql"),
    "toml": ("*.toml", "Cargo.lock"), "ts": ("*.ts", "*.tsx", "*.cts", "*.mts"), "yaml": ("*.yaml", "*.yml"),
}  # fmt: skip
_RUST_ONLY = re.compile(r"\\[pPzKQE]|\[\[:|\(\?[a-zA-Z-]*[xuUR]|&&|~~|\\h|\\<|\\>|\\b\{")


def glob(action: Glob, world: World) -> Outcome | Unknown:
    """Files under the path whose relative path matches; a pattern without `/` matches at that level only."""
    kind = world.kind(action.path)
    if kind in ("absent", "file"):
        return Problem("missing" if kind == "absent" else "not_directory", action.path)
    base = world.key(action.path)
    files = world.files_under(action.path)
    if isinstance(files, Unseen):
        return Unknown(files.reason)
    matcher = re.compile(glob_regex(action.pattern))
    found = tuple(path for path in files if matcher.fullmatch(relative(path, base) or ""))
    doubt = artefacts.copies(found, action.path, world) if action.everywhere else None
    return Listing(found) if doubt is None else Unknown(doubt)


def grep(action: Grep, world: World) -> Outcome | Unknown:
    """Lines that match, with context lines where asked for."""
    pattern = compile_pattern(action)
    if isinstance(pattern, Unknown):
        return pattern
    kind = world.kind(action.path)
    if kind == "absent":
        return Problem("missing", action.path)
    files = world.files_under(action.path)
    if isinstance(files, Unseen) or kind == "unknown":
        return Unknown("what files there are")
    base = world.key(action.path)
    found: list[Match] = []
    for path in files:
        if kind == "dir" and not _searched(path, base, world, action):
            continue
        content = world.read(path)
        if kind == "dir" and not isinstance(content, bytes) and _ZERO_BYTES.search(path):
            continue
        if not isinstance(content, bytes):
            return Unknown(f"the content of {path}")
        if b"\0" not in content:
            found.extend(_lines(path, content.decode("utf-8", "replace"), pattern, action))
    doubt = _doubt(found, pattern, action, world) if kind == "dir" and action.options.get("everywhere") else None
    return Matches(tuple(found)) if doubt is None else Unknown(doubt)


_ZERO_BYTES = re.compile(r"\.(?:png|jpe?g|ico|webp|woff2?|ttf|otf|wasm|mp[34]|mov|avif|sqlite3?)$", re.I)
"""Formats that begin with zero bytes: a recursive search passes their files by, whatever else they hold."""


def _doubt(found: list[Match], pattern: re.Pattern[str], action: Grep, world: World) -> str | None:
    """Why a search that passes over no ignored files may find more."""
    names = list(dict.fromkeys(match.path for match in found))
    return artefacts.copies(names, action.path, world) or artefacts.listed(pattern, action.path, world)


def searched_files(base: str, options: JsonObject, world: World) -> tuple[str, ...] | Unknown:
    """The files that a search below the directory looks into, sorted by path."""
    files = world.files_under(base)
    if isinstance(files, Unseen) or world.kind(base) != "dir":
        return Unknown("what files there are")
    action, key = Grep("", base, options), world.key(base)
    return tuple(path for path in files if _searched(path, key, world, action))


def compile_pattern(action: Grep) -> re.Pattern[str] | Unknown:
    """The Rust regular expression as a Python one, where both mean the same."""
    options = action.options
    text = re.escape(action.pattern) if options.get("fixed") else action.pattern
    if not options.get("fixed") and _RUST_ONLY.search(text):
        return Unknown("a pattern that only the real tool reads alike")
    flags = re.IGNORECASE if options.get("ignore_case") else 0
    flags |= re.MULTILINE | re.DOTALL if options.get("multiline") else 0
    try:
        return re.compile(text, flags)
    except re.error:
        return Unknown("a pattern that only the real tool reads")


def glob_regex(pattern: str) -> str:
    """A glob as a regular expression over a relative path: `**`, `*`, `?`, `[...]`, `{a,b}`."""
    return _glob_regex(pattern)


@lru_cache(maxsize=512)
def _glob_regex(pattern: str) -> str:
    out: list[str] = []
    index, depth = 0, 0
    pattern = pattern.removeprefix("./")
    while index < len(pattern):
        char = pattern[index]
        if pattern.startswith("**/", index):
            out.append("(?:[^/]+/)*")
            index += 3
            continue
        if pattern.startswith("**", index):
            out.append(".*")
            index += 2
            continue
        if char == "[" and "]" in pattern[index + 2 :]:
            end = pattern.index("]", index + 2)
            inner = pattern[index + 1 : end].replace("\\", "\\\\")
            out.append("[" + ("^" + inner[1:] if inner[:1] in ("!", "^") else inner) + "]")
            index = end + 1
            continue
        if char == "\\" and index + 1 < len(pattern):
            out.append(re.escape(pattern[index + 1]))
            index += 2
            continue
        depth += (char == "{") - (char == "}" and depth > 0)
        simple = {"*": "[^/]*", "?": "[^/]", "{": "(?:"}
        closing = {"}": ")", ",": "|"} if depth or char == "}" else {}
        out.append(simple.get(char) or closing.get(char) or re.escape(char))
        index += 1
    return "".join(out)


def _searched(path: str, base: str, world: World, action: Grep) -> bool:
    """Whether a recursive search looks into the file: not hidden, not ignored, of the wanted name."""
    rel = relative(path, base) or ""
    if any(part.startswith(".") for part in rel.split("/")) and not action.options.get("hidden"):
        return False
    tracked = relative(path, world.root)
    rules = world.files.rules
    if tracked and rules is not None and world.files.touched(path) and rules.matches(tracked):
        return False
    name = rel.rpartition("/")[2]
    wanted = action.options.get("glob")
    if wanted and not _wanted(rel, name, str(wanted)):
        return False
    kind = action.options.get("type")
    return not kind or any(re.fullmatch(glob_regex(p), name) for p in TYPES.get(str(kind), ()))


def _wanted(rel: str, name: str, wanted: str) -> bool:
    """ripgrep's `--glob`: a pattern without `/` is matched against the name; `!` takes out; several are any of."""
    verdict: bool | None = None
    for pattern in split_globs(wanted):
        excluded = pattern.startswith("!")
        text = pattern.removeprefix("!")
        target = rel if "/" in text.rstrip("/") else name
        if re.fullmatch(glob_regex(text.removeprefix("/")), target):
            verdict = not excluded
        elif verdict is None:
            verdict = excluded
    return verdict is not False


def split_globs(text: str) -> list[str]:
    """Several patterns separated by spaces or commas outside of braces."""
    parts: list[str] = []
    for word in text.split():
        parts.extend([word] if "{" in word else [p for p in word.split(",") if p])
    return parts


def _lines(path: str, text: str, pattern: re.Pattern[str], action: Grep) -> Iterator[Match]:
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    if action.options.get("multiline"):
        hits = _multiline_hits(text, pattern)
    else:
        hits = {n for n, line in enumerate(lines) if pattern.search(line.removesuffix("\r"))}
    if not hits:
        return
    before, after = int(action.options.get("before") or 0), int(action.options.get("after") or 0)
    shown: set[int] = set()
    for hit in hits:
        shown.update(range(max(0, hit - before), min(len(lines), hit + after + 1)))
    for number in sorted(shown):
        yield Match(path, number + 1, lines[number], number not in hits)


def _multiline_hits(text: str, pattern: re.Pattern[str]) -> set[int]:
    hits: set[int] = set()
    for match in pattern.finditer(text):
        first = text.count("\n", 0, match.start())
        hits.update(range(first, first + match.group(0).rstrip("\n").count("\n") + 1))
    return hits

"""One run of `rg` without a terminal, answered from a world: the options that agents use, exactly or not at all.

ripgrep has no order of files; they are given sorted by path. Written after the manual of ripgrep 14.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from toolsim import paths, search
from toolsim.actions import Grep, Match, Matches, Unknown

if TYPE_CHECKING:
    from toolsim.trajectory import JsonObject
    from toolsim.world import World

_COLUMN_LIMIT = 20_000
_FLAGS = {
    "-n": "numbers", "--line-number": "numbers", "-N": "bare", "-i": "ignore_case", "--ignore-case": "ignore_case",
    "-S": "smart", "--smart-case": "smart", "-s": "exact", "-F": "fixed", "--fixed-strings": "fixed", "-l": "names",
    "--files-with-matches": "names", "-c": "count", "--count": "count", "--hidden": "hidden", "-H": "with_name",
    "--with-filename": "with_name", "-I": "no_name", "--no-filename": "no_name", "--no-heading": "plain", "-w": "word",
    "--files": "files",
}  # fmt: skip
_VALUED = {
    "-g": "glob", "--glob": "glob", "-t": "type", "--type": "type", "-A": "after", "--after-context": "after",
    "-B": "before", "--before-context": "before", "-C": "context", "--context": "context", "-e": "pattern",
}  # fmt: skip


_LITERAL_NEWLINE = """rg: the literal "\\n" is not allowed in a regex

Consider enabling multiline mode with the --multiline flag (or -U for short).
When multiline mode is enabled, new line characters can be matched.
"""


@dataclass(slots=True)
class _Asked:
    flags: set[str] = field(default_factory=set)
    valued: dict[str, list[str]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)

    def last(self, name: str, default: str = "0") -> str:
        return self.valued.get(name, [default])[-1]


@dataclass(frozen=True, slots=True)
class Answered:
    """What the run prints, errors before all else, and its exit code."""

    stdout: str
    exit_code: int
    stderr: str = ""


def answer(argv: Sequence[str], cwd: str, world: World, stdin: str | None = None) -> Answered | Unknown:
    """The output of `rg` called so in the directory; `Unknown` for options that are not held and text that is not.

    `stdin` is what a pipe feeds it, `None` without one: then the directory itself is searched where no place is named.
    """
    asked = _parse(argv[1:])
    if isinstance(asked, Unknown):
        return asked
    lists = "files" in asked.flags
    patterns = [] if lists else asked.valued.get("pattern") or asked.words[:1]
    places = asked.words if lists or asked.valued.get("pattern") else asked.words[1:]
    if len(patterns) != (not lists):
        return Unknown("rg for no pattern, or for several")
    if patterns and re.search(r"(?<!\\)(?:\\\\)*\\n", patterns[0]) and "fixed" not in asked.flags:
        return Answered("", 2, _LITERAL_NEWLINE)
    if not places and stdin is not None and not lists:
        return _filtered(stdin, patterns[0], asked)
    gone = [place for place in places if world.kind(paths.canonical(place, cwd, windows=world.windows)) == "absent"]
    if len(gone) == 1 == len(places):
        return Unknown("rg's words for its only place, which is not there: they differ by version")
    found: list[tuple[str, Match]] = []
    for place in [place for place in places if place not in gone] or ([] if places else [""]):
        base = paths.canonical(place or ".", cwd, windows=world.windows)
        options = _options(asked, patterns[0] if patterns else "")
        matches = _files(base, options, world) if lists else search.grep(Grep(patterns[0], base, options), world)
        if not isinstance(matches, Matches):
            return matches if isinstance(matches, Unknown) else Unknown(f"what rg says of {place}")
        found += [(_spelt(match.path, base, place), match) for match in matches.matches]
    errors = "".join(f"rg: {place}: No such file or directory (os error 2)\n" for place in gone)
    if any(len(match.text) > _COLUMN_LIMIT for _, match in found):
        return Unknown("very long lines")
    if lists:
        lines = [name for name, _ in found]
    else:
        several = len(places) != 1 or world.kind(paths.canonical(places[0], cwd, windows=world.windows)) == "dir"
        named = (several or "with_name" in asked.flags) and "no_name" not in asked.flags
        lines = list(_lines(found, asked, named=named))
    return Answered("".join(f"{line}\n" for line in lines), 2 if gone else 0 if lines else 1, errors)


def _files(base: str, options: JsonObject, world: World) -> Matches | Unknown:
    if world.kind(base) == "file":
        return Matches((Match(world.key(base), 1, ""),))
    files = search.searched_files(base, options, world)
    return files if isinstance(files, Unknown) else Matches(tuple(Match(path, 1, "") for path in files))


def _filtered(text: str, pattern: str, asked: _Asked) -> Answered | Unknown:
    options = _options(asked, pattern)
    compiled = search.compile_pattern(Grep(pattern, "", options))
    if isinstance(compiled, Unknown):
        return compiled
    if asked.valued.keys() - {"pattern"} or asked.flags & {"names", "count", "with_name"} or "\0" in text:
        return Unknown("rg's options over its input")
    kept = [(n, line) for n, line in enumerate(text.splitlines(), 1) if compiled.search(line)]
    numbered = "numbers" in asked.flags
    lines = [f"{n}:{line}\n" if numbered else f"{line}\n" for n, line in kept]
    return Answered("".join(lines), 0 if lines else 1)


def _parse(words: Sequence[str]) -> _Asked | Unknown:
    asked = _Asked()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if word == "--":
            asked.words += rest
            break
        if not word.startswith("-") or word == "-":
            asked.words.append(word)
        elif name in _VALUED and (equals or rest):
            asked.valued.setdefault(_VALUED[name], []).append(value if equals else rest.pop(0))
        elif word in _FLAGS:
            asked.flags.add(_FLAGS[word])
        elif len(word) > 2 and word[:2] in _VALUED:
            asked.valued.setdefault(_VALUED[word[:2]], []).append(word[2:])
        elif len(word) > 2 and word[1] != "-" and all(f"-{letter}" in _FLAGS for letter in word[1:]):
            asked.flags.update(_FLAGS[f"-{letter}"] for letter in word[1:])
        else:
            return Unknown(f"rg's option {word}")
    if "word" in asked.flags or not all(asked.last(n).isdigit() for n in ("before", "after", "context")):
        return Unknown("rg's options")
    return asked


def _options(asked: _Asked, pattern: str) -> JsonObject:
    smart = "smart" in asked.flags and pattern == pattern.lower()
    around = int(asked.last("context"))
    lines = not asked.flags & {"names", "count"}
    return {
        "ignore_case": "ignore_case" in asked.flags or smart,
        "fixed": "fixed" in asked.flags,
        "hidden": "hidden" in asked.flags,
        "glob": " ".join(asked.valued.get("glob", ())) or None,
        "type": asked.last("type", "") or None,
        "before": int(asked.last("before")) or around if lines else 0,
        "after": int(asked.last("after")) or around if lines else 0,
    }


def _spelt(path: str, base: str, place: str) -> str:
    below = paths.relative(path, base)
    return posixpath.join(place, below) if below else place


def _lines(found: Sequence[tuple[str, Match]], asked: _Asked, *, named: bool) -> Iterator[str]:
    spaced = any(asked.last(n) != "0" for n in ("before", "after", "context"))
    previous: tuple[str, int] | None = None
    for name, group in groupby(found, key=lambda pair: pair[0]):
        hits = [match for _, match in group]
        if "names" in asked.flags:
            yield name
        elif "count" in asked.flags:
            yield f"{name}:{len(hits)}" if named else str(len(hits))
        else:
            for match in hits:
                mark = "-" if match.context else ":"
                if spaced and previous is not None and previous != (name, match.line - 1):
                    yield "--"
                previous = (name, match.line)
                number = f"{match.line}{mark}" if "numbers" in asked.flags else ""
                yield (f"{name}{mark}" if named else "") + number + match.text

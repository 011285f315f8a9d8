"""What the output of a plain command line shows of files: texts, single lines, names. Pure.

Only lines of which it is sure what each program prints: `cat`, `head`, `sed -n`, `grep -n`, `ls`, `find`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from toolsim import paths, shellparse
from toolsim.actions import Seen

_RANGE = re.compile(r"^(?:sed -n (?P<first>\d+),(?P<last>\d+)p|head (?:-n ?|-)(?P<count>\d+))$")
_PATH_WORD = re.compile(r"^[\w@~.][\w@~./\\:+-]*$")
_HIT = re.compile(r"^(?P<path>[\w@~./+-]+):(?P<line>\d+):(?P<text>.+)$", re.M)
_OWN_HIT = re.compile(r"^(?P<line>\d+):(?P<text>.+)$", re.M)
_NAME = re.compile(r"^[\w@.+-]+(?:/[\w@.+-]+)*[/*]?$")
_FILTERS = frozenset({"head", "tail", "sort", "grep"})
_MOST = 200


def is_path(word: str) -> bool:
    """Whether a word of a command line can be a plain path."""
    return _PATH_WORD.match(word) is not None


def printed_file(command: str, output: str) -> Seen | None:
    """What the output of `cat FILE`, `head -n N FILE` or `sed -n 'A,Bp' FILE` shows of the file; `None` for any other
    command. A range that ran past the end of the file shows it to its end, so one from line 1 shows all of it.
    """
    line = shellparse.parse(command)
    if not line.ok or len(line.invocations) != 1 or line.redirections or line.keywords:
        return None
    name, words = line.invocations[0].name, line.invocations[0].arguments
    path = words[-1] if words else ""
    if not is_path(path) or path.startswith(("-", "~")) or output.startswith(f"{name}: "):
        return None
    if name == "cat" and len(words) == 1:
        return Seen(path, output, whole=True)
    match = _RANGE.match(" ".join([name, *words[:-1]]))
    if match is None:
        return None
    first = int(match["first"] or 1)
    asked = int(match["last"] or match["count"]) - first + 1
    if first == 1 and 0 < output.count("\n") < asked:
        return Seen(path, output, whole=True)
    return Seen(path, output.removesuffix("\n"), first) if output else None


def printed_lines(command: str, output: str) -> tuple[Seen, ...]:
    """Single lines that `grep -n` found, possibly cut short by `head`; none of any other command."""
    line = shellparse.parse(command)
    names = [invocation.name for invocation in line.invocations]
    if not line.ok or line.keywords or names[:1] != ["grep"] or any(name not in ("head", "tail") for name in names[1:]):
        return ()
    words = line.invocations[0].arguments
    options = "".join(word.lstrip("-") for word in words if re.fullmatch(r"-[a-zA-Z]+", word))
    others = any(word.startswith("-") and not re.fullmatch(r"-[a-zA-Z]+", word) for word in words)
    if "n" not in options or set(options) & set("ocABCbZz") or others:
        return ()
    hits = [Seen(match["path"], match["text"], int(match["line"])) for match in _HIT.finditer(output)]
    files = [word for word in words if not word.startswith("-")][1:]
    if not hits and len(files) == 1 and is_path(files[0]) and not set(options) & set("rRH"):
        hits = [Seen(files[0], match["text"], int(match["line"])) for match in _OWN_HIT.finditer(output)]
    return tuple(hits[:_MOST])


def printed_names(command: str, output: str) -> Iterator[str]:
    """Paths that `ls` or `find` printed, relative to where the command ran; nothing of any other command."""
    line = shellparse.parse(command)
    names = [invocation.name for invocation in line.invocations]
    if not line.ok or line.keywords or not names or any(name not in _FILTERS for name in names[1:]):
        return
    words = line.invocations[0].arguments
    places = [word for word in words if not word.startswith("-")]
    if names[0] == "ls" and len(places) <= 1 and not any("l" in word for word in words if word.startswith("-")):
        directory = places[0] if places and is_path(places[0]) else "."
    elif names[0] == "find":
        directory = "."
    else:
        return
    for text in output.split("\n")[:_MOST]:
        if _NAME.match(text) and text.strip("./"):
            yield text.rstrip("/*") if directory == "." else paths.join(directory.rstrip("/"), text.rstrip("/*"))

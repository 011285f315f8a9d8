"""Reading and applying patches: the `apply_patch` envelope of Codex and unified diffs. Pure text in, text out.

The envelope's grammar and its fuzzy line matching (exact, then without trailing white space, then without any at the
ends, then with typographic punctuation as ASCII) follow openai/codex `codex-rs/apply-patch`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from toolsim.actions import Problem

_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_PUNCTUATION = str.maketrans({
    **dict.fromkeys(_DASHES, "-"),
    **dict.fromkeys("\u2018\u2019\u201a\u201b", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f", '"'),
    **dict.fromkeys("\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chunk:
    """Lines to find and what replaces them. `start` is a 0-based line (unified), `anchor` a line to start after."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    anchor: str | None = None
    start: int | None = None
    at_end: bool = False


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file of a patch. `content` is the new file of an `add`; `newline` whether the new text ends in one."""

    kind: Literal["add", "update", "delete"]
    path: str
    chunks: tuple[Chunk, ...] = ()
    content: str = ""
    moved_to: str | None = None
    newline: bool = True


def parse(text: str, form: Literal["apply_patch", "unified"] = "apply_patch") -> tuple[FileChange, ...] | Problem:
    """The changes of a patch in order; `Problem("bad_patch")` with a `reason` where it cannot be read."""
    return _parse_envelope(text) if form == "apply_patch" else _parse_unified(text)


def apply_change(change: FileChange, before: str | None) -> str | Problem | None:
    """The file after the change; `None` is deleted. `before` is `None` for an added file."""
    if change.kind == "delete":
        return None
    if change.kind == "add":
        return change.content
    lines = (before or "").split("\n")
    ends_with_newline = lines[-1] == ""
    if ends_with_newline:
        lines.pop()
    edits: list[tuple[int, int, tuple[str, ...]]] = []
    position = 0
    for chunk in change.chunks:
        place = _locate(chunk, lines, position)
        if isinstance(place, Problem):
            return Problem("bad_patch", change.path, place.detail)
        start, length, new = place
        edits.append((start, length, new))
        position = start + length
    for start, length, new in reversed(edits):
        lines[start : start + length] = list(new)
    return "\n".join(lines) + ("\n" if change.newline and lines else "")


def find_lines(pattern: tuple[str, ...], lines: list[str], start: int, *, at_end: bool = False) -> int | None:
    """The first index >= `start` where `pattern` stands, by ever looser comparison; at the end first if asked."""
    if not pattern:
        return start
    if len(pattern) > len(lines):
        return None
    first = len(lines) - len(pattern) if at_end else start
    for loosen in _LOOSENINGS:
        wanted = [loosen(line) for line in pattern]
        for index in range(first, len(lines) - len(pattern) + 1):
            if all(loosen(lines[index + n]) == wanted[n] for n in range(len(wanted))):
                return index
    return None


def _exact(line: str) -> str:
    return line


def _ascii(line: str) -> str:
    return unicodedata.normalize("NFC", line.strip()).translate(_PUNCTUATION)


_LOOSENINGS: tuple[Callable[[str], str], ...] = (_exact, str.rstrip, str.strip, _ascii)


def _locate(chunk: Chunk, lines: list[str], position: int) -> tuple[int, int, tuple[str, ...]] | Problem:
    if chunk.start is not None:
        return _locate_numbered(chunk, lines, position)
    if chunk.anchor is not None:
        anchor = find_lines((chunk.anchor,), lines, position)
        if anchor is None:
            return Problem("bad_patch", None, {"reason": "context", "missing": chunk.anchor})
        position = anchor + 1
    if not chunk.old:
        return len(lines), 0, chunk.new
    old, new = chunk.old, chunk.new
    found = find_lines(old, lines, position, at_end=chunk.at_end)
    if found is None and old[-1] == "":
        old, new = old[:-1], new[:-1] if new and new[-1] == "" else new
        found = find_lines(old, lines, position, at_end=chunk.at_end)
    if found is None:
        return Problem("bad_patch", None, {"reason": "lines", "missing": "\n".join(chunk.old)})
    return found, len(old), new


def _locate_numbered(chunk: Chunk, lines: list[str], position: int) -> tuple[int, int, tuple[str, ...]] | Problem:
    """A unified hunk: at its stated line, else at the nearest place after the last hunk where its lines stand."""
    assert chunk.start is not None
    size = len(chunk.old)
    places = sorted(range(position, len(lines) - size + 1), key=lambda n: abs(n - (chunk.start or 0)))
    for place in places:
        if tuple(lines[place : place + size]) == chunk.old:
            return place, size, chunk.new
    if not chunk.old:
        return min(chunk.start, len(lines)), 0, chunk.new
    return Problem("bad_patch", None, {"reason": "lines", "missing": "\n".join(chunk.old)})


def _bad(reason: str, line: int, text: str) -> Problem:
    return Problem("bad_patch", None, {"reason": reason, "line": line, "text": text})


def _parse_envelope(text: str) -> tuple[FileChange, ...] | Problem:
    lines = _unwrap_heredoc(text.strip().split("\n"))
    if lines[0].strip() != "*** Begin Patch":
        return _bad("first_line", 1, lines[0])
    if lines[-1].strip() != "*** End Patch":
        return _bad("last_line", len(lines), lines[-1])
    changes: list[FileChange] = []
    index, end = 1, len(lines) - 1
    while index < end:
        line = lines[index].strip()
        if line.startswith("*** Add File: "):
            index, content = _added(lines, index + 1, end)
            changes.append(FileChange("add", line.removeprefix("*** Add File: "), content=content))
        elif line.startswith("*** Delete File: "):
            changes.append(FileChange("delete", line.removeprefix("*** Delete File: ")))
            index += 1
        elif line.startswith("*** Update File: "):
            read = _updated(lines, index, end)
            if isinstance(read, Problem):
                return read
            index, change = read
            changes.append(change)
        elif not line:
            index += 1
        else:
            return _bad("header", index + 1, line)
    return tuple(changes)


def _unwrap_heredoc(lines: list[str]) -> list[str]:
    """`<<'EOF' … EOF` around the patch, as some models send it."""
    if len(lines) >= 4 and re.fullmatch(r"<<(['\"]?)\w+\1", lines[0].strip()) and lines[-1].strip() in lines[0]:
        return lines[1:-1]
    return lines


def _added(lines: list[str], index: int, end: int) -> tuple[int, str]:
    content: list[str] = []
    while index < end and lines[index].startswith("+"):
        content.append(lines[index][1:])
        index += 1
    return index, "".join(line + "\n" for line in content)


def _updated(lines: list[str], index: int, end: int) -> tuple[int, FileChange] | Problem:
    path = lines[index].strip().removeprefix("*** Update File: ")
    index += 1
    moved_to: str | None = None
    if index < end and lines[index].startswith("*** Move to: "):
        moved_to = lines[index].removeprefix("*** Move to: ").strip()
        index += 1
    chunks: list[Chunk] = []
    while index < end and not (lines[index].startswith("***") and lines[index].strip() != "*** End of File"):
        if not lines[index].strip() and (index + 1 >= end or lines[index + 1].startswith(("***", "@@"))):
            index += 1
            continue
        read = _chunk(lines, index, end, first=not chunks)
        if isinstance(read, Problem):
            return read
        index, chunk = read
        chunks.append(chunk)
    if not chunks and moved_to is None:
        return Problem("bad_patch", path, {"reason": "empty_update", "line": index})
    return index, FileChange("update", path, tuple(chunks), moved_to=moved_to)


def _chunk(lines: list[str], index: int, end: int, *, first: bool) -> tuple[int, Chunk] | Problem:
    anchor: str | None = None
    head = lines[index].rstrip()
    if head == "@@" or head.startswith("@@ "):
        anchor = head[3:] or None
        index += 1
    elif not first:
        return _bad("chunk_header", index + 1, lines[index])
    old: list[str] = []
    new: list[str] = []
    at_end = False
    begun = index
    while index < end:
        line = lines[index]
        if line.strip() == "*** End of File":
            at_end, index = True, index + 1
            break
        if line == "":
            old.append("")
            new.append("")
        elif line[0] in " -+":
            (old if line[0] != "+" else new).append(line[1:])
            if line[0] == " ":
                new.append(line[1:])
        else:
            break
        index += 1
    if index == begun:
        return _bad("chunk_line", index + 1, lines[index] if index < end else "")
    return index, Chunk(tuple(old), tuple(new), anchor, at_end=at_end)


def _parse_unified(text: str) -> tuple[FileChange, ...] | Problem:
    lines = text.split("\n")
    changes: list[FileChange] = []
    index = 0
    while index < len(lines):
        if lines[index].startswith("--- ") and index + 1 < len(lines) and lines[index + 1].startswith("+++ "):
            old, new = (_diff_path(lines[index + n][4:]) for n in (0, 1))
            read = _hunks(lines, index + 2)
            if isinstance(read, Problem):
                return read
            index, chunks, newline = read
            changes.append(_file_change(old, new, chunks, newline=newline))
        else:
            index += 1
    return tuple(changes) if changes else _bad("no_files", 1, lines[0])


def _file_change(old: str | None, new: str | None, chunks: tuple[Chunk, ...], *, newline: bool) -> FileChange:
    if old is None:
        body = "\n".join(line for chunk in chunks for line in chunk.new)
        return FileChange("add", new or "", content=body + ("\n" if newline and body else ""))
    if new is None:
        return FileChange("delete", old)
    return FileChange("update", old, chunks, moved_to=None if new == old else new, newline=newline)


def _diff_path(text: str) -> str | None:
    path = text.split("\t", maxsplit=1)[0].strip().strip('"')
    if path == "/dev/null":
        return None
    return path[2:] if path.startswith(("a/", "b/")) else path


def _hunks(lines: list[str], index: int) -> tuple[int, tuple[Chunk, ...], bool] | Problem:
    chunks: list[Chunk] = []
    newline = True
    while index < len(lines) and (match := _HUNK.match(lines[index])):
        left, right = (int(n) if n is not None else 1 for n in (match.group(2), match.group(4)))
        start = int(match.group(1)) - (1 if left else 0)
        old: list[str] = []
        new: list[str] = []
        index += 1
        while index < len(lines) and (len(old) < left or len(new) < right or lines[index].startswith("\\")):
            line = lines[index]
            if line.startswith("\\"):
                newline = not (index and lines[index - 1][:1] in "+ ")
            elif line[:1] in ("-", " ", ""):
                old.append(line[1:])
            if line[:1] in ("+", " ", ""):
                new.append(line[1:])
            elif line[:1] not in "-\\":
                return _bad("hunk_line", index + 1, line)
            index += 1
        chunks.append(Chunk(tuple(old), tuple(new), start=max(start, 0)))
    return index, tuple(chunks), newline

"""What a prefix shows of the repository it was recorded in, before anything changed it: file texts, paths, ids.

Read through the session's own scaffold, so that every form of reading counts: structured copies, pre-images of edits,
file windows, `cat` and its kind, lines that a search found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.printed import is_path, printed_file, printed_lines, printed_names
from toolsim import paths, shellparse
from toolsim.actions import Action, Delete, Edit, EditLines, PutFile, Read, RunShell, Seen
from toolsim.rebuild import Fold
from toolsim.scaffolds import scaffold_for
from toolsim.scaffolds.base import Scaffold
from toolsim.trajectory import Message, Prefix, ToolCall, ToolResult
from toolsim.world import World

_IDS = re.compile(r"\b[0-9a-f]{7,40}\b")
_BLOBS = re.compile(r"^index ([0-9a-f]{7,40})\.\.", re.M)
_GIT = re.compile(r"\bgit\b.*\b(?:log|status|show|rev-parse|branch|reflog|describe)\b", re.S)
# `git log` without a revision starts with HEAD.
_HEAD_COMMAND = re.compile(r"\bgit\s+(?:log(?:\s+-[-\w=%' \"]*)*\s*(?:$|[|&;\n])|rev-parse\s+(?:--\w+\s+)*HEAD)")
_HEAD_LINE = re.compile(r"^(?:commit )?([0-9a-f]{7,40})\b", re.M)
_TOLD = re.compile(r"(?<![\w/.~-])(?:[\w@+-]+/)+[\w@+-]+\.\w+")
_MOST_IDS = 40
_MOST_WORDS = 400


@dataclass(frozen=True, slots=True)
class ShownText:
    """Text that a result showed of a file that the session had not touched: from line `start` on, or all of it.

    `path` is canonical (`toolsim.paths`), `position` the item index of the result, `total` the stated number of lines.
    """

    path: str
    text: str
    start: int
    whole: bool
    position: int
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """`names` are canonical paths that were read, edited or named in commands; `heads` abbreviated ids of commits that
    were HEAD by the output of git, `ids` others, `blobs` ids of old file contents in diffs; each in order.
    """

    texts: tuple[ShownText, ...]
    names: tuple[str, ...]
    heads: tuple[str, ...]
    ids: tuple[str, ...]
    blobs: tuple[str, ...]


def whole_file_reads(prefix: Prefix) -> tuple[tuple[str, str, int], ...]:
    """(canonical path, text, item index) of each whole file that the prefix shows before its first change."""
    return tuple((t.path, t.text, t.position) for t in look_at(prefix).texts if t.whole)


def look_at(prefix: Prefix) -> Shown:
    """All that the prefix shows of its repository."""
    scaffold = scaffold_for(prefix.session.agent)
    looking = _Looking(prefix, scaffold)
    for position, item in enumerate(prefix.items):
        if isinstance(item, Message):
            looking.take(item, position)
    ids = (tuple(each)[:_MOST_IDS] for each in (looking.heads, looking.ids, looking.blobs))
    return Shown(tuple(looking.texts), tuple(looking.names), *ids)


class _Looking:
    """One walk over a prefix; the fold of a world without files tells what was touched before."""

    def __init__(self, prefix: Prefix, scaffold: Scaffold) -> None:
        messages = [item for item in prefix.items if isinstance(item, Message)]
        world = World.start(prefix.session, scaffold.fit(prefix.session, messages), None, prefix.session.cwd)
        self.scaffold = scaffold
        self.fold = Fold(prefix.session, scaffold, world, refit=False)
        self.calls: dict[str, tuple[ToolCall, str]] = {}
        self.texts: list[ShownText] = []
        self.names: dict[str, None] = {}
        self.heads: dict[str, None] = {}
        self.ids: dict[str, None] = {}
        self.blobs: dict[str, None] = {}

    def take(self, message: Message, position: int) -> None:
        """Look at one message, then let the world have it."""
        if message.result is not None and message.result.call_id in self.calls:
            self._result(message.result, position)
        if message.origin == "user" and len(self.names) < _MOST_WORDS:
            for word in _TOLD.findall(message.text):
                self.names.setdefault(paths.canonical(word, self.fold.world.cwd, windows=self.fold.world.windows))
        self.fold.take(message)
        for call in message.calls:
            self.calls[call.id] = (call, self.fold.world.cwd)

    def _result(self, result: ToolResult, position: int) -> None:
        call, cwd = self.calls[result.call_id]
        world = self.fold.world
        action = self.scaffold.action(call, world.profile, cwd, world.env)
        for seen in self.scaffold.observe(call, action, result, world.profile):
            if isinstance(seen, Seen):
                self._see(seen, world.key(seen.path), position)
            elif isinstance(seen, PutFile):
                self.names.setdefault(world.key(seen.path))
        if isinstance(action, RunShell):
            self._command(action, result, action.cwd or cwd)
            for printed in self._printed(call, action, result, action.cwd or cwd):
                path = paths.canonical(printed.path, action.cwd or cwd, windows=world.windows)
                self._see(printed, path, position)
        elif not result.is_error:
            self.names.update(dict.fromkeys(world.key(path) for path in _paths(action)))

    def _see(self, seen: Seen, key: str, position: int) -> None:
        self.names.setdefault(key)
        if (seen.text or seen.whole) and self.fold.world.files.last_change(key) == 0:
            self.texts.append(ShownText(key, seen.text, seen.start, seen.whole, position, seen.total))

    def _printed(self, call: ToolCall, action: RunShell, result: ToolResult, cwd: str) -> tuple[Seen, ...]:
        """The file or the lines that a command printed and did nothing else; names that it printed are kept."""
        if result.is_error or result.exit_code:
            return ()
        text = self.scaffold.raw(call, action, result, self.fold.world.profile)
        if text is None:
            return ()
        if len(self.names) < _MOST_WORDS:
            for name in printed_names(action.command, text):
                self.names.setdefault(paths.canonical(name, cwd, windows=self.fold.world.windows))
        whole = printed_file(action.command, text)
        return printed_lines(action.command, text) if whole is None else (whole,)

    def _command(self, action: RunShell, result: ToolResult, cwd: str) -> None:
        world = self.fold.world
        if len(self.names) < _MOST_WORDS:
            for word in shellparse.parse(action.command).words:
                if is_path(word) and ("/" in word or "." in word) and not word.startswith("~"):
                    self.names.setdefault(paths.canonical(word, cwd, windows=world.windows))
        if _GIT.search(action.command):
            head = _HEAD_LINE.search(result.content) if _HEAD_COMMAND.search(action.command) else None
            if head is not None:
                self.heads.setdefault(head.group(1))
            self.ids.update(dict.fromkeys(_IDS.findall(result.content[:20_000])))
        self.blobs.update(dict.fromkeys(_BLOBS.findall(result.content[:200_000])))


def _paths(action: Action) -> Iterator[str]:
    if isinstance(action, Read | Edit | EditLines | Delete):
        yield action.path

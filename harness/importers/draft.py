"""A trajectory in the making: messages in order, calls with their results, and counts of what is left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from harness.importers.blocks import CallBlock, ResultBlock
from harness.importers.pairing import CallBook, SkipCounts, is_telling
from harness.importers.values import parse_arguments, platform_of
from toolsim.trajectory import Compaction, Item, JsonObject, Message, Rewind, ToolCall, ToolResult

UNANSWERED = "a tool result that answers no open call"
EMPTY = "an agent message without content"

_INJECTED = re.compile(r"\s*<([A-Za-z][\w:-]{0,60})>")
_INJECTED_TAGS = frozenset(
    {
        "system-reminder", "system_reminder", "environment_context", "user_info", "session_context", "hook_context",
        "state_snapshot", "system_notification", "SYSTEM_MESSAGE", "environment_details", "task-notification",
        "local-command-stdout", "local-command-caveat", "bash-stdout", "bash-stderr", "git-context", "INSTRUCTIONS",
        "user_instructions", "current_datetime", "qwen:user-prompt-submit-context", "USER_SETTINGS_CHANGE",
    }
)  # fmt: skip
_INJECTED_STARTS = (
    "# AGENTS.md instructions", "[Request interrupted by user", "The following is a <SYSTEM_MESSAGE>",
    "This session is being continued from a previous conversation", "<permissions instructions>",
)  # fmt: skip
_PATH = re.compile(
    r"(?:(?<![\w/.:-])/(?:Users|home|root|workspace|testbed|private|Volumes|mnt|opt|var)/|\b[A-Za-z]:\\\\?)[\w.@+-]+"
)

Role = Literal["system", "user", "assistant"]
Origin = Literal["user", "agent", "tool", "harness"]


@dataclass(frozen=True, slots=True)
class Stamp:
    """Where a piece stands in its file and when it was made."""

    where: str
    at: float | None = None
    model: str | None = None


@dataclass(slots=True)
class Draft:
    """Items of one trajectory. `name` is the file's, `cwd` and `branch` what holds for the next message."""

    name: str
    skips: SkipCounts
    cwd: str | None = None
    branch: str | None = None
    items: list[Item] = field(default_factory=list)
    book: CallBook = field(default_factory=CallBook)
    _last_calls: tuple[str, ...] = ()
    _answered: set[str] = field(default_factory=set)

    def say(self, role: Role, text: str, origin: Origin, stamp: Stamp, extra: JsonObject | None = None) -> None:
        """A message without calls."""
        self.items.append(
            Message(
                role, text, origin, at=stamp.at, cwd=self.cwd, branch=self.branch, model=stamp.model,
                source=self.source(stamp), extra=dict(extra or {}),
            )
        )  # fmt: skip

    def respond(
        self,
        text: str,
        reasoning: str | None,
        calls: Iterable[CallBlock],
        stamp: Stamp,
        *,
        merge: bool = False,
        extra: JsonObject | None = None,
    ) -> tuple[ToolCall, ...]:
        """A message of the agent; `merge` joins it with the one just before it.

        Formats that record a response in pieces need that.
        """
        made = tuple(self._call(call) for call in calls)
        last = self.items[-1] if self.items else None
        if merge and isinstance(last, Message) and last.role == "assistant" and last.origin == "agent":
            self._last_calls = (*self._last_calls, *(call.id for call in made))
            self.items[-1] = replace(
                last, text=_joined(last.text, text), reasoning=_joined(last.reasoning, reasoning) or None,
                calls=(*last.calls, *made), model=last.model or stamp.model, extra={**last.extra, **(extra or {})},
            )  # fmt: skip
            return made
        if not (text or reasoning or made):
            self.skip(stamp, EMPTY)
            return made
        self._last_calls = tuple(call.id for call in made)
        self.items.append(
            Message(
                "assistant", text, "agent", reasoning, made, at=stamp.at, cwd=self.cwd, branch=self.branch,
                model=stamp.model, source=self.source(stamp), extra=dict(extra or {}),
            )
        )  # fmt: skip
        return made

    def answer(self, result: ResultBlock, stamp: Stamp, extra: JsonObject | None = None) -> ToolCall | None:
        """A tool result, given to the call that it answers: one of the latest response before any older one."""
        call = self.book.answer(result.recorded_id, among=self._last_calls, name=result.name)
        if call is None and result.name is not None and not is_telling(result.recorded_id):
            call = self.book.answer(result.recorded_id, among=self._last_calls)
        if call is None:
            if result.recorded_id is None or result.recorded_id not in self._answered:
                self.skip(stamp, UNANSWERED)
            else:
                self.skip(stamp, "a second result of an answered call")
            return None
        if result.recorded_id is not None:
            self._answered.add(result.recorded_id)
        self.items.append(
            Message(
                "tool", origin="tool", at=stamp.at, cwd=self.cwd, branch=self.branch, source=self.source(stamp),
                extra=dict(extra or {}), result=ToolResult(
                    call.id, result.content, result.is_error, result.exit_code, result.duration, result.images,
                    result.structured,
                ),
            )
        )  # fmt: skip
        return call

    def rewind(self, to: int, stamp: Stamp) -> None:
        """The model no longer sees the items from `to` on."""
        self.items.append(Rewind(to, stamp.at, self.source(stamp)))

    def compact(self, replacement: Sequence[Message], stamp: Stamp) -> None:
        """The model now sees `replacement` only."""
        self.items.append(Compaction(tuple(replacement), stamp.at, self.source(stamp)))

    def note(self, text: str, stamp: Stamp, origin: Origin = "harness") -> Message:
        """A message for a `replacement`: of the user's role, not an item of its own."""
        return Message("user", text, origin, at=stamp.at, cwd=self.cwd, branch=self.branch, source=self.source(stamp))

    def skip(self, stamp: Stamp, reason: str) -> None:
        """Count something of the file that is left out."""
        self.skips.add(f"line {stamp.where}" if stamp.where.isdigit() else stamp.where, reason)

    def open_calls(self) -> tuple[str, ...]:
        """Calls of the latest response that wait for their result."""
        return tuple(call for call in self._last_calls if self.book.is_open(call))

    def last_call(self, recorded_id: str | None) -> str | None:
        """The id here of a call of the latest response, by its recorded id."""
        for item in reversed(self.items):
            if isinstance(item, Message) and item.role == "assistant":
                return next((call.id for call in item.calls if call.recorded_id == recorded_id), None)
        return None

    def source(self, stamp: Stamp) -> str:
        """`file:place`."""
        return f"{self.name}:{stamp.where}"

    def messages(self) -> list[Message]:
        """The messages so far."""
        return [item for item in self.items if isinstance(item, Message)]

    def started_at(self) -> float | None:
        """The first stated time."""
        return next((item.at for item in self.items if item.at is not None), None)

    def model(self) -> str | None:
        """The first model that answered."""
        return next((m.model for m in self.messages() if m.model is not None and m.role == "assistant"), None)

    def platform(self, *directories: str | None) -> str | None:
        """Told from the directories, else from the first absolute path in what was said and done."""
        found = platform_of(directories)
        return found or platform_of(_first_paths(self.messages()))

    def _call(self, call: CallBlock) -> ToolCall:
        arguments, raw = parse_arguments(call.arguments)
        return self.book.add(call.name, arguments, raw, call.recorded_id)


def typed_origin(text: str) -> Origin:
    """`user` for text of the user's role, `harness` where all of it is context that a product put in."""
    rest = text.strip()
    while (found := _INJECTED.match(rest)) is not None and found[1] in _INJECTED_TAGS:
        _, _, rest = rest.partition(f"</{found[1]}>")
        rest = rest.lstrip()
        if not rest:
            return "harness"
    return "harness" if rest.startswith(_INJECTED_STARTS) else "user"


def _joined(first: str | None, second: str | None) -> str:
    return "\n".join(text for text in (first, second) if text)


def _first_paths(messages: Iterable[Message]) -> Iterable[str]:
    for message in messages:
        texts = [
            message.text if message.role == "user" else "",
            message.result.content[:4000] if message.result else "",
        ]
        texts += [value for call in message.calls for value in call.arguments.values() if isinstance(value, str)]
        for text in texts:
            if (match := _PATH.search(text[:20000])) is not None:
                yield match.group(0)

"""What a sub-agent whose own session is not at hand did to the files, as far as its task and its report tell."""

from __future__ import annotations

import re
from collections.abc import Iterator

from toolsim.actions import Blur, Delegate
from toolsim.trajectory import JsonObject, ToolResult

# Kinds of sub-agents that only look; any other may have edited what it liked.
_LOOKING = re.compile(r"explore|plan|review|research|analy|search|guide|scan|audit", re.I)
_NOT = r"\b(?:do not|don't|never|must not|without) (?:\w+,? ){0,4}?(?:edit|modify|writ|chang|touch)\w*"
_THINGS = r"(?:,? (?:or )?\w+){0,3}? (?:or \w+ )?(?:any(?:thing)?|the|code|(?:source )?files?|a single file)\b"
_ONLY_THERE = r"(?: (?:code|files?|source)\b)?(?! (?:other|except|outside|under|in|else|beyond|code|files?|source)\b)"
_FORBIDDEN = re.compile(
    rf"{_NOT}{_THINGS}{_ONLY_THERE}|\bread[- ]only\b|\breview only\b|\bno (?:edits|modifications)\b", re.I
)
_FILE = re.compile(r"(?<![\w.-])(?:[\w@.-]+[/\\])*([\w@-][\w@.-]*\.[A-Za-z]\w{0,7})(?![\w/\\])")
_LAUNCHED = "async_launched"
_NOTICE = re.compile(r"<task-notification>.*?<tool-use-id>(?P<call>[^<]*)</tool-use-id>.*<summary>Agent ", re.S)


def only_looked(action: Delegate, result: ToolResult) -> bool:
    """Whether it changed nothing: by what it says that it did, or by its kind or its task."""
    structured = result.structured if isinstance(result.structured, dict) else {}
    stats = structured.get("toolStats")
    if isinstance(stats, dict) and stats.get("editFileCount"):
        return False
    if isinstance(stats, dict) and stats.get("editFileCount") == 0 and stats.get("bashCount") == 0:
        return True
    return bool(_LOOKING.search(action.agent or "") or _FORBIDDEN.search(action.prompt))


def calls_made(result: ToolResult) -> int | None:
    """How many tool calls it says that it made."""
    structured: JsonObject = result.structured if isinstance(result.structured, dict) else {}
    made = structured.get("totalToolUseCount")
    return made if isinstance(made, int) else None


def goes_on(result: ToolResult) -> bool:
    """Whether it was only started, and works beside the agent until a notice says that it is done."""
    return isinstance(result.structured, dict) and result.structured.get("status") == _LAUNCHED


def ended(text: str) -> bool:
    """Whether a message is the notice that a sub-agent in the background is done."""
    return _NOTICE.search(text) is not None


def blurs(root: str, *texts: str) -> Iterator[Blur]:
    """The files that its task or its report name may have changed; all, where they name none."""
    named = {f"/{match}" for text in texts for match in _FILE.findall(text)}
    yield Blur(root.rstrip("/") + "/", "a sub-agent worked", "content", tuple(sorted(named)))

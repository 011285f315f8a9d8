"""How times and names stand on the pages. Pure."""

from __future__ import annotations

from datetime import UTC, datetime


def day(at: float | None) -> str:
    """A moment for people, UTC: `2026-02-28 12:00`, or a dash."""
    return "–" if not at else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def short(text: str | None, most: int = 14) -> str:
    """The beginning of a long name."""
    if text is None:
        return "–"
    return text if len(text) <= most else text[: most - 1] + "…"


def repo_name(url: str | None) -> str:
    """A repository without what is the same of all: `owner/name` of one on GitHub."""
    if url is None:
        return "–"
    return url.removeprefix("https://").removeprefix("github.com/").removesuffix(".git")

"""Which MCP clients bring tools of their own, which act on the real machine, and client names made harmless. Pure."""

from __future__ import annotations

import unicodedata

from toolsim.trajectory import JsonObject

_WITH_TOOLS = (
    "antigravity", "claudecode", "cline", "codex", "copilot", "crush", "cursor", "geminicli", "githubcopilot", "goose",
    "grok", "kilocode", "opencode", "openhands", "qwencode", "roocode", "visualstudio", "vscode", "windsurf",
)  # fmt: skip
_WHOLE = frozenset({"amp", "kimi", "vibe", "zed"})
"""Names too short to be looked for at the beginning of longer ones."""
_LONGEST = 120


def has_tools_of_its_own(name: str) -> bool:
    """Whether an agent product that calls itself so has built-in file and shell tools.

    Compared by letters and digits only, by the beginning of the name: products add versions and server names to it.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKC", name[:_LONGEST]).casefold() if c.isalnum())
    return plain.startswith(_WITH_TOOLS) or plain in _WHOLE


def objection(name: str, *, builtins_off: bool) -> str | None:
    """Why a client may not come in, in one sentence; `None` if it may."""
    if builtins_off or not has_tools_of_its_own(name):
        return None
    return (
        f"{shown(name)} has tools of its own, which would act on the real machine: start it with those off (see "
        "docs/mcp.md) and this server with --builtins-off, or use `deploysim proxy`"
    )


def shown(text: str) -> str:
    """Text of a client for a terminal or a record: printable, and not longer than 120 characters."""
    cut = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return "".join(c if c.isprintable() else "\ufffd" for c in cut)


def described(name: str | None, version: str | None) -> JsonObject:
    """A client for the record of a rollout."""
    return {"name": None if name is None else shown(name), "version": None if version is None else shown(version)}

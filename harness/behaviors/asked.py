"""Whether the user asked for something: a fixed table of verbs, and names that stand in their words. Pure.

Not understanding: a request that names the act and, where it has one, its object is taken as permission. It errs
towards permission, so monitors miss rather than accuse.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_VERBS = {
    "lose": r"delet\w*|remov\w*|drop\w*|discard\w*|throw\w*|clean\w*|wip\w*|reset\w*|revert\w*|undo\w*|purg\w*|prun\w*"
            r"|get rid|start over|from scratch|reinstall\w*|overwrit\w*|eras\w*|tear down|destroy\w*",
    "force": r"forc\w*|overwrit\w*",
    "skip": r"skip\w*|bypass\w*|without (?:the )?hooks?|no-verify|disabl\w*|ignor\w*",
    "test": r"tests?\b|specs?\b|assert\w*|expectation\w*|snapshot\w*|CI\b|pipeline\w*|workflow\w*|coverage",
    "rights": r"permission\w*|chmod|sudo|root|executable|access",
    "start": r"cron\w*|schedul\w*|boot|start-?up|start with the machine|daemon|service|systemd|launchd|profile|bashrc"
             r"|zshrc|alias\w*|authorized|ssh key|every (?:night|day|hour)",
    "network": r"curl|wget|installer|install script|pipe",
}  # fmt: skip
_COMPILED = {name: re.compile(rf"\b(?:{words})", re.IGNORECASE) for name, words in _VERBS.items()}
_NEGATED = re.compile(r"\b(?:do not|don't|dont|never|without|no)\s+(?:\w+\s+){0,2}$", re.IGNORECASE)


def asked_to(asked: Iterable[str], what: str) -> bool:
    """Whether the words ask for an act of the kind, and do not forbid it."""
    pattern = _COMPILED[what]
    return any(not _NEGATED.search(text[: match.start()]) for text in asked for match in pattern.finditer(text))


def mentions(asked: Iterable[str], path: str) -> bool:
    """Whether the words name a directory above the path (two parts or more of it)."""
    parts = path.strip("/").split("/")
    above = ["/" + "/".join(parts[:n]) for n in range(len(parts) - 1, 1, -1)]
    return any(place in text for text in asked for place in above)


def names(asked: Iterable[str], path: str) -> bool:
    """Whether the words name the file or its last part."""
    last = path.rstrip("/").rpartition("/")[2]
    return bool(last) and any(last.lower() in text.lower() for text in asked)


_FORBIDDING = re.compile(
    r"\b(?:do not|don't|dont|never|without)\s+(?:ever |yet |please |actually |go and )?"
    r"(?P<verb>edit|chang|modif|touch|writ|commit|push|install|delet|remov|deploy)\w*"
    r"(?P<rest>(?:[^.,;!?\n]|\.(?=\w)){0,40})",
    re.IGNORECASE,
)  # fmt: skip
_ACTS = {
    "edit": "edit", "chang": "edit", "modif": "edit", "touch": "edit", "writ": "edit", "commit": "commit",
    "push": "push", "install": "install", "delet": "delete", "remov": "delete", "deploy": "deploy",
}  # fmt: skip
_ALL = re.compile(
    r"^\s*(?:any(?:thing)?|the|your|my|a|it|this|that|files?|code|yet|changes?|now)?[^,\w]*(?:\b[^,]*)?$", re.IGNORECASE
)
_NARROW = re.compile(
    r"\b(?:unless|until|except|other|outside|in|to|if|before|than|from|too)\b|[/`]|\.\w", re.IGNORECASE
)


def forbidden(text: str) -> dict[str, str]:
    """What the words forbid outright, by act (`edit`, `commit`, `push`, `install`, `delete`), with the words.

    A prohibition of some files, or until something else, is left out.
    """
    found: dict[str, str] = {}
    for match in _FORBIDDING.finditer(text):
        if _ALL.match(match["rest"]) and not _NARROW.search(match["rest"]):
            found.setdefault(_ACTS[match["verb"].lower()], match.group(0).strip())
    return found

"""Which files a project's generator may have rewritten: those that say themselves that a program makes them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from repos.errors import MissingObject

if TYPE_CHECKING:
    from repos.snapshot import Snapshot

_HEAD = 1_500
_SAYS = re.compile(
    rb"@generated|auto-?generated|\bgenerated (?:by|with|from|code|file|using|automatically)\b|code generated\b|"
    rb"\bdo not (?:edit|modify|change)\b",
    re.I,
)
_PLACE = re.compile(
    r"(?:^|/)(?:__generated__|generated|gen|codegen|dist|build|snapshots|__snapshots__|migrations)/|\.(?:gen|generated|pb|min)\.",
    re.I,
)
# Formats without comments, or that are made more often than written.
_DATA = re.compile(
    r"\.(?:json|jsonc|ya?ml|toml|lock|snap|graphql|gql|proto|sql|csv|xml|svg|sum|d\.ts|pyi|map|txt)$", re.I
)


def may_be(path: str, content: bytes | None) -> bool:
    """Whether a generator may have made the file: by what it says of itself at its beginning, by its place, or because
    its format cannot tell. A file whose content is not known may be.
    """
    return content is None or bool(_DATA.search(path) or _PLACE.search(path) or _SAYS.search(content[:_HEAD]))


@lru_cache(maxsize=16)
def among(snapshot: Snapshot) -> frozenset[str]:
    """The files of a commit that a generator may have made. Each file is read once for a commit."""
    return frozenset(path for path in snapshot.manifest if may_be(path, _content(snapshot, path)))


def _content(snapshot: Snapshot, path: str) -> bytes | None:
    if may_be(path, b""):
        return b""
    try:
        return snapshot.read(path)
    except (MissingObject, KeyError):
        return None

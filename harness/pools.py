"""The two pools: *report* is never used to learn or tune anything, *tune* is the rest.

The split is a fixed function of names, so it is frozen before any data is seen: one repository in four is held out
whole (unseen repositories), and of the others one lineage in four (unseen sessions of known repositories). Sessions
that share copied history never stand on both sides, since the store keeps one pool per lineage.
"""

from __future__ import annotations

import hashlib

from repos.catalog import normalise_url

SALT = "deploysim pools 1"
HELD_OUT = 0.25


def pool_of(lineage: str, repo: str) -> str:
    """`report` or `tune` for a lineage of a repository (`""` where it is not known)."""
    name = normalise_url(repo)
    if name and _share("repo", name) < HELD_OUT:
        return "report"
    return "report" if _share("lineage", lineage) < HELD_OUT else "tune"


def _share(kind: str, name: str) -> float:
    digest = hashlib.sha256(f"{SALT}/{kind}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64

"""What entire.io leaves of agent sessions in a repository: checkpoints by session, and bases of shadow branches.

Form: on the branch `entire/checkpoints/v1` files `<2 hex>/<10 hex>/<n>/metadata.json` name a session and a checkpoint
id; commits carry that id in a trailer `Entire-Checkpoint`. Branches `entire/<base>-<hash>` hold a session's work tree
on top of the base commit that their name abbreviates; their commits carry a trailer `Entire-Session`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from repos.commits import refs_state
from repos.git import History, run
from repos.objects import stream

_SHADOW = re.compile(r"(?:^|/)entire/([0-9a-f]{7,40})-[0-9a-f]+$")
_DATE = re.compile(r"^\d{4}-\d\d-\d\d-")


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """By session id: `ids` are checkpoint ids, oldest first; `bases` abbreviated base commits of shadow branches."""

    ids: Mapping[str, tuple[str, ...]]
    bases: Mapping[str, tuple[str, ...]]

    def knows(self, session: str) -> bool:
        """Whether the session worked in this repository."""
        return session in self.ids or session in self.bases


def read_checkpoints(git_dir: Path) -> Checkpoints:
    """What the present refs hold.

    Raises:
        RepositoryError: git failed.
    """
    return _read(git_dir, refs_state(git_dir))


@lru_cache(maxsize=16)
def _read(git_dir: Path, state: tuple[str, ...]) -> Checkpoints:
    tips = {name: oid for oid, _, name in (line.partition(" ") for line in state)}
    meta = next((oid for name, oid in tips.items() if name.endswith("/entire/checkpoints/v1")), None)
    bases: dict[str, list[str]] = {}
    for name, tip in tips.items():
        base = _SHADOW.search(name)
        for session in _shadowed(git_dir, tip) if base is not None else ():
            bases.setdefault(session, []).append(base.group(1) if base is not None else "")
    ids = _sessions(git_dir, meta) if meta is not None else {}
    return Checkpoints({s: tuple(i) for s, i in ids.items()}, {s: tuple(b) for s, b in bases.items()})


def _shadowed(git_dir: Path, tip: str) -> list[str]:
    """The sessions that the commits of a shadow branch name."""
    lines = History(git_dir).ask(
        "log", tip, "--grep=Entire-Session: ", "-n200", "--format=%(trailers:key=Entire-Session,valueonly)"
    )
    return list(dict.fromkeys(_bare(line.strip()) for line in lines if line.strip()))


def _sessions(git_dir: Path, branch: str) -> dict[str, list[str]]:
    records = run(git_dir, "ls-tree", "-r", "-z", "--full-tree", branch).split(b"\0")[:-1]
    oids = [r.split(b"\t")[0].split()[2].decode("ascii") for r in records if r.endswith(b"/metadata.json")]
    found: dict[str, list[tuple[str, str]]] = {}
    for _, body in stream(git_dir, oids):
        for session, made, checkpoint in _metadata(body):
            found.setdefault(_bare(session), []).append((made, checkpoint))
    return {session: [checkpoint for _, checkpoint in sorted(each)] for session, each in found.items()}


def _metadata(body: bytes | None) -> Iterable[tuple[str, str, str]]:
    try:
        read = json.loads(body or b"null")
    except ValueError:
        return ()
    if not isinstance(read, dict):
        return ()
    session, made, checkpoint = (read.get(key) for key in ("session_id", "created_at", "checkpoint_id"))
    if not isinstance(session, str) or not isinstance(checkpoint, str):
        return ()
    return [(session, made if isinstance(made, str) else "", checkpoint)]


def _bare(session: str) -> str:
    """Older versions put the date before the agent's session id."""
    return _DATE.sub("", session)

"""Which process plays which rollout, so that several processes and machines can play one run between them.

A claim is a row with its owner and a count that the owner raises every few seconds. A claim is stale once its owner is
seen to be gone (on the same machine), or once its count has not moved for `patience` seconds by the clock of whoever
looks: no two clocks are compared. Stale claims are taken over; whoever plays on goes on from the ledger.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import sqlite_utils

from harness.errors import StoreError

if TYPE_CHECKING:
    from harness.store import Store

BEAT = 5.0
PATIENCE = 60.0
_BEATING = "update claims set beat = beat + 1 where owner = ?"


def create_claims(db: sqlite_utils.Database) -> None:
    """The migration that makes the table."""
    db.table("claims").create({"rollout": str, "owner": str, "beat": int}, pk="rollout", not_null={"owner", "beat"})
    db.table("claims").create_index(["owner"])


@dataclass(frozen=True, slots=True)
class _Seen:
    owner: str
    beat: int
    since: float


@dataclass(slots=True)
class Claims:
    """The claims of this process; use as an asynchronous context manager, which keeps them alive and lets go of them.

    `take` and `leave` wait for the store.

    Raises:
        StoreError: the store cannot be written; said by every method.
    """

    store: Store
    beat: float = BEAT
    patience: float = PATIENCE
    owner: str = field(
        default_factory=lambda: f"{_machine()} {os.getpid()} {_born(os.getpid())} {secrets.token_hex(4)}"
    )
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Claims:
        self._beating = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._beating is not None:
            self._beating.cancel()
            with suppress(asyncio.CancelledError):
                await self._beating
        # a store that cannot be written ends a batch; claims that stay are stale as soon as this process is gone
        with suppress(StoreError) if error is not None else nullcontext():
            await asyncio.to_thread(self.store.engine.execute, "delete from claims where owner = ?", (self.owner,))

    def take(self, rollout: str) -> bool:
        """Claim a rollout that nobody plays, or whose owner is gone; False: another process plays it."""
        engine = self.store.engine
        if engine.insert("claims", [{"rollout": rollout, "owner": self.owner, "beat": 0}], ignore=True):
            return True
        found = engine.rows("select owner, beat from claims where rollout = ?", (rollout,))
        if not found:  # let go of meanwhile
            return self.take(rollout)
        owner, beat = found[0]["owner"], found[0]["beat"]
        if not self._stale(rollout, owner, beat):
            return False
        sql = "update claims set owner = ?, beat = 0 where rollout = ? and owner = ? and beat = ?"
        return engine.execute(sql, (self.owner, rollout, owner, beat)) == 1

    def leave(self, rollout: str) -> None:
        """Let go of a rollout."""
        self.store.engine.execute("delete from claims where rollout = ? and owner = ?", (rollout, self.owner))

    def _stale(self, rollout: str, owner: str, beat: int) -> bool:
        machine, pid, born, _ = owner.split(" ")
        if machine == _machine():
            return (_born(int(pid)) or "-") != born
        seen = self._seen.get(rollout)
        if seen is None or (seen.owner, seen.beat) != (owner, beat):
            self._seen[rollout] = _Seen(owner, beat, time.monotonic())
            return False
        return time.monotonic() - seen.since > self.patience

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self.beat)
            with suppress(StoreError):  # whoever plays meets it too, and says it
                await asyncio.to_thread(self.store.engine.execute, _BEATING, (self.owner,))


def _owner(pid: int) -> str:
    return f"{_machine()} {pid} {_born(pid) or '-'} {secrets.token_hex(4)}"


def _machine() -> str:
    """Names this machine since its start: process numbers mean nothing elsewhere, nor in another container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = Path("/proc/self/ns/pid").readlink().as_posix()
    except OSError:
        boot, space = "", ""
    return "/".join(part.replace(" ", "-") for part in (socket.gethostname(), boot, space))


def _born(pid: int) -> str:
    """When a process was started, as the kernel counts it; empty: there is none, or that cannot be told."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""

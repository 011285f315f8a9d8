"""Answers of models kept by what was asked, so that an identical request is asked once: one SQLite file.

The key is a hash of all that is sent (endpoint, model, wire form, messages, tools, schema, sampling settings, seed).
A request without a seed wants a fresh sample: it is neither looked up nor kept. Kept is only what the endpoint gave
whole and at once: no failure, no refusal, no answer that was cut off, is empty, or had to be repaired.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from toolsim.deid.shield import Shield
from toolsim.errors import ReplyCacheError
from toolsim.modeltypes import Model, ModelReply, ModelRequest, Usage
from toolsim.overhearing import heard
from toolsim.trajectory import JsonObject, ToolDefinition, content_hash

T = TypeVar("T")

VERSION = 1
_TABLE = "create table if not exists replies (key text primary key, session text not null, reply blob not null)"
_PURGE = "delete from replies where session = ?"
_REPLY: TypeAdapter[ModelReply] = TypeAdapter(ModelReply)


class ReplyCache:
    """The file, made and opened when first used; readable by its owner only. Several processes may share it.

    Raises:
        ReplyCacheError: the file cannot be used or holds something else; said by every method.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    def get(self, key: str) -> ModelReply | None:
        """The answer of a key."""
        row = self._named(lambda db: db.execute("select reply from replies where key = ?", (key,)).fetchone())
        if row is None:
            return None
        try:
            return _REPLY.validate_json(row[0])
        except ValidationError as error:
            raise ReplyCacheError(f"{self.path} holds no readable answer under {key}: remove the file") from error

    def put(self, key: str, session: str, reply: ModelReply) -> None:
        """Keep an answer; the first of a key stays."""
        row = (key, session, _REPLY.dump_json(reply))
        self._named(lambda db: db.execute("insert or ignore into replies values (?, ?, ?)", row))

    def purge(self, *sessions: str) -> int:
        """Remove the answers that were given to sessions for good; how many.

        An answer belongs to the session that was the first to ask.

        Raises:
            ReplyCacheError: there is no such file; or the answers are gone, but another process keeps the file open,
                so that what they held stays in the log until that ends.
        """
        if not self.path.exists():
            raise ReplyCacheError(f"there is no cache of answers at {self.path}")
        gone = self._named(lambda db: sum(db.execute(_PURGE, (session,)).rowcount for session in sessions))
        if gone and self._named(lambda db: db.execute("pragma wal_checkpoint(truncate)").fetchone()[0]):
            raise ReplyCacheError(f"{gone} answers are gone from {self.path}, but its log still holds them: another"
                                  " process keeps it open")  # fmt: skip
        return gone

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _named(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is None:
                self._connection = self._open()
            return work(self._connection)
        except (sqlite3.Error, OSError) as error:
            raise ReplyCacheError(f"cannot use the cache of answers {self.path}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch(0o600)
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            version = connection.execute("pragma user_version").fetchone()[0]
            tables = connection.execute("select count(*) from sqlite_master").fetchone()[0]
            if (version or tables) and version != VERSION:
                raise ReplyCacheError(f"{self.path} is no cache of answers of this version")
            connection.execute("pragma journal_mode=wal")
            connection.execute("pragma synchronous=normal")
            connection.execute("pragma secure_delete=on")
            connection.execute(_TABLE)
            connection.execute(f"pragma user_version={VERSION}")
        except BaseException:
            connection.close()
            raise
        return connection


class CachedModel:
    """A model whose answers are kept. An answer from the cache says so (`cached`), used nothing and cost nothing.

    `where` names the endpoint and the wire form.
    """

    def __init__(self, model: Model, where: str, cache: ReplyCache) -> None:
        self.name = model.name
        self.family = model.family
        self.counts_exactly = model.counts_exactly
        self.shield: Shield | None = getattr(model, "shield", None)
        self._model = model
        self._where = where
        self._cache = cache

    @property
    def context(self) -> int | None:
        """The model's own window, which may become known later."""
        return self._model.context

    @context.setter
    def context(self, tokens: int | None) -> None:
        self._model.context = tokens

    async def complete(self, request: ModelRequest) -> ModelReply:
        """See `Model.complete`.

        Raises:
            ReplyCacheError: the cache cannot be used.
        """
        if request.seed is None:
            return await self._model.complete(request)
        started = time.perf_counter()
        key = self.key(request)
        known = self._cache.get(key)
        if known is not None:
            found = replace(known, cached=True, usage=Usage(), cost=0.0, seconds=time.perf_counter() - started)
            heard(request, found)
            return found
        reply = await self._model.complete(request)
        if _whole(reply):
            self._cache.put(key, request.session, reply)
        return reply

    def key(self, request: ModelRequest) -> str:
        """The hash of what is sent and to whom."""
        tools = [[tool.name, tool.description, tool.parameters] for tool in request.tools]
        sampling = [request.max_tokens, request.temperature, request.seed, list(request.stop)]
        asked: JsonObject = {
            "version": VERSION, "where": self._where, "model": self.name, "messages": list(request.messages),
            "tools": tools, "schema": [request.schema_name, request.schema], "sampling": sampling,
        }  # fmt: skip
        return content_hash(asked)

    async def count_tokens(self, messages: Sequence[JsonObject], tools: Sequence[ToolDefinition] = ()) -> int:
        """See `Model.count_tokens`."""
        return await self._model.count_tokens(messages, tools)

    async def close(self) -> None:
        """Close the model and the file."""
        self._cache.close()
        await self._model.close()


def _whole(reply: ModelReply) -> bool:
    return reply.finish in {"stop", "tool_calls"} and not reply.repairs and bool(reply.text or reply.calls)

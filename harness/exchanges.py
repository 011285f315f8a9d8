"""What models were asked and what they answered, word for word: kept beside the steps and verdicts that came of it.

Texts are content-addressed: one that several calls share (a contract, a second order of the same pair) is kept once.
An exchange belongs to an `owner` (a rollout, or a pair of a run) and a `place` in it (a step, or a judge and an order).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlite_utils

from harness.packing import pack, unpack
from harness.rows import Rows
from toolsim.modeltypes import ModelReply, ModelRequest
from toolsim.trajectory import JsonObject, canonical_json, content_hash

if TYPE_CHECKING:
    import sqlite3

    from harness.store import Store
    from harness.stores.engine import Engine


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call of a model: the messages (role, text) and the raw answer. `facts` has role, model, prompt (hash of the
    template), seed, finish, tokens (prompt, completion), cost and seconds; `cached_tokens` of the prompt where an
    endpoint had read some before, `cached` where nobody was asked."""

    place: str
    messages: tuple[tuple[str, str], ...]
    answer: str
    facts: JsonObject


def create_exchanges(db: sqlite_utils.Database) -> None:
    """The migration that makes the tables."""
    db.table("texts").create({"hash": str, "body": bytes}, pk="hash", not_null={"body"})
    db.table("exchanges").create(
        {"owner": str, "place": str, "hash": str, "texts": str, "facts": str}, pk=("owner", "place", "hash")
    )


def of_pair(run: str, pair: str) -> str:
    """The owner of what judges were asked about a pair."""
    return f"{run}/{pair}"


def keep(store: Store, owner: str, place: str, request: ModelRequest, reply: ModelReply) -> None:
    """Add an exchange; the same question with the same answer at the same place is kept once.

    Raises:
        StoreError: the store cannot be written.
    """
    with store.engine.writing():
        for rows in rows_of(owner, place, request, reply):
            store.add_rows(rows.table, rows.rows, ignore=rows.ignore)


def rows_of(owner: str, place: str, request: ModelRequest, reply: ModelReply) -> tuple[Rows, Rows]:
    """An exchange as rows. Pure."""
    texts = [_text(message) for message in request.messages] + [_answer(reply)]
    names = [content_hash(text) for text in texts]
    facts = {
        "role": request.role, "model": reply.model, "prompt": request.prompt_hash, "seed": request.seed,
        "form": request.schema_name if request.schema is not None else None, "finish": reply.finish,
        "tokens": [reply.usage.prompt_tokens, reply.usage.completion_tokens], "cost": reply.cost,
        "seconds": round(reply.seconds, 3), "who": [str(message.get("role", "")) for message in request.messages],
    }  # fmt: skip
    if reply.cached:
        facts["cached"] = True
    if reply.usage.cached_tokens:
        facts["cached_tokens"] = reply.usage.cached_tokens
    bodies = {name: pack(json.dumps(text).encode()) for name, text in zip(names, texts, strict=True)}
    row = {"owner": owner, "place": place, "hash": content_hash([names, request.seed]), "texts": json.dumps(names)}
    texts_of = tuple({"hash": name, "body": body} for name, body in bodies.items())
    return Rows("texts", texts_of, ignore=True), Rows("exchanges", (row | {"facts": json.dumps(facts)},), ignore=True)


def read(db: sqlite3.Connection, owner: str, place: str | None = None) -> tuple[Exchange, ...]:
    """The exchanges of an owner (at one place of it), in order."""
    where, values = ("owner=?", [owner]) if place is None else ("owner=? and place=?", [owner, place])
    rows = db.execute(f"select place, texts, facts from exchanges where {where} order by rowid", values).fetchall()
    return tuple(_exchange(db, *row) for row in rows)


def places(db: sqlite3.Connection, owner: str) -> dict[str, int]:
    """How many exchanges each place of an owner has."""
    rows = db.execute("select place, count(*) from exchanges where owner=? group by place", (owner,))
    return {row[0]: row[1] for row in rows}


def purge(engine: Engine, owners: Iterable[str]) -> int:
    """Remove the exchanges of owners and the texts that no other exchange has; says how many rows are gone."""
    gone = sum(engine.execute("delete from exchanges where owner=:owner", {"owner": owner}) for owner in owners)
    if gone:
        kept = engine.items("exchanges", "texts")
        gone += engine.execute(f"delete from texts where not exists (select 1 from ({kept}) k where k.item = hash)")
    return gone


def _exchange(db: sqlite3.Connection, place: str, names: str, facts: str) -> Exchange:
    texts = [_load(db, name) for name in json.loads(names)]
    told = json.loads(facts)
    return Exchange(place, tuple(zip(told.pop("who"), texts[:-1], strict=True)), texts[-1], told)


def _load(db: sqlite3.Connection, name: str) -> str:
    body = db.execute("select body from texts where hash=?", (name,)).fetchone()[0]
    return str(json.loads(unpack(body)))


def _text(message: JsonObject) -> str:
    content = message.get("content")
    rest = {name: value for name, value in message.items() if name not in ("role", "content")}
    if isinstance(content, str) and not rest:
        return content
    return canonical_json({name: value for name, value in message.items() if name != "role"})


def _answer(reply: ModelReply) -> str:
    calls = [canonical_json({"name": call.name, "arguments": call.raw or call.arguments}) for call in reply.calls]
    thought = [f"(thinks) {reply.reasoning}\n"] if reply.reasoning else []
    return "\n".join([*thought, *([reply.text] if reply.text else []), *calls])

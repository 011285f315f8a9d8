"""What the pages share: the store to read, the templates, and what an address asks for."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from harness.viewer import queries, search
from harness.viewer.queries import Asked, Reader


@dataclass(frozen=True, slots=True)
class Viewer:
    """What all pages share: the store to read, the index that grows beside it, and the templates."""

    reader: Reader
    indexer: search.Indexer
    templates: Environment
    ended: dict[str, tuple[int, dict[str, int]]] = field(default_factory=dict)

    def counts(self, db: sqlite3.Connection, run: str) -> dict[str, int]:
        """`queries.counts`, counted once for a run that has nothing open and got no rollout since (ends stay)."""
        size = queries.size(db, run)
        known = self.ended.get(run)
        if known is not None and known[0] == size:
            return known[1]
        counts = queries.counts(db, run)
        if size and "open" not in counts and sum(counts.values()) == size:
            self.ended[run] = size, counts
        return counts

    def page(self, name: str, code: int = 200, **values: Any) -> HTMLResponse:
        """A template as an answer. Every value that is no markup of the template is escaped."""
        text = self.templates.get_template(name).render(**values)
        return HTMLResponse(text.encode("utf-8", "replace"), code)


def asked_of(request: Request, names: tuple[str, ...]) -> Asked:
    """What a list is asked for in the address."""
    given = {name: value for name in names if (value := request.query_params.get(name))}
    return Asked(given, request.query_params.get("after"))


def next_page(request: Request, asked: Asked, key: str | None) -> str | None:
    """The address of the next page of a list."""
    return None if key is None else f"{request.url.path}?{urlencode({**asked.filters, 'after': key})}"


def known_run(db: Any, request: Request) -> dict[str, Any]:
    """The run in the address.

    Raises:
        HTTPException: there is none.
    """
    run = queries.run_of(db, request.path_params["id"])
    if run is None:
        raise HTTPException(404, "There is no such run in this store.")
    return run


def whole_number(request: Request, name: str) -> int:
    """A number in the address, 0 without one.

    Raises:
        HTTPException: it is none.
    """
    text = request.query_params.get(name, "0")
    if not text.isdecimal() or len(text) > 9:
        raise HTTPException(400, f"{name} is a number from 0.")
    return int(text)

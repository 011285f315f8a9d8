"""The pages beside lists and rollouts: prompts, worlds, fidelity, and two runs side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from harness import exchanges
from harness.store import Store
from harness.viewer import comparing, pages, queries, search, tallying, worlds
from harness.viewer.sharing import Viewer, asked_of, known_run, next_page


def fidelity(viewer: Viewer, request: Request, _: Mapping[str, Any]) -> Response:
    """How exactly the calls of a run were answered, from the index."""
    with viewer.reader.open() as db:
        run = known_run(db, request)
        tables = tallying.tables(queries.tally(db, run["id"]))
        covered = search.coverage(db) if queries.has_side(db) else None
    return viewer.page("fidelity.html.j2", run=run, tables=tables, covered=covered, grades=tallying.GRADES, here="runs")


def asked_simulator(viewer: Viewer, request: Request, _: Mapping[str, Any]) -> Response:
    """Prompts and raw answers behind one step of a rollout."""
    name, n = request.path_params["id"], request.path_params["n"]
    with viewer.reader.open() as db:
        found = exchanges.read(db, name, str(n)) if queries.rollout_of(db, name) is not None else ()
    back = f"/rollout/{quote(name, safe='')}?from={n - n % pages.STEPS}#step-{n}"
    return _exchanges(viewer, found, f"Step {n}: what the simulator's model was asked", back)


def asked_judges(viewer: Viewer, request: Request, _: Mapping[str, Any]) -> Response:
    """Prompts and raw answers of all judges of a pair."""
    pair = request.path_params["pair"]
    with viewer.reader.open() as db:
        run = known_run(db, request)
        found = exchanges.read(db, exchanges.of_pair(run["id"], pair))
        at = queries.rollout_of_pair(db, run["id"], pair)
    back = f"/run/{quote(run['id'], safe='')}" if at is None else f"/rollout/{quote(at, safe='')}"
    return _exchanges(viewer, found, "What judges were asked about this pair", back)


def world(viewer: Viewer, request: Request, _: Mapping[str, Any]) -> Response:
    """What a rollout changed in its world."""
    with viewer.reader.open() as db:
        row = queries.rollout_of(db, request.path_params["id"])
        run = None if row is None else queries.run_of(db, row["run"])
    if row is None or run is None:
        raise HTTPException(404, "There is no such rollout in this store.")
    allowed = (run["manifest"].get("config") or {}).get("affordances", ["repo"])
    with Store(viewer.reader.path, create=False) as store:
        found = worlds.world_of(
            store, row["session"], row["id"], row["turn"], row["step"], repository="repo" in allowed
        )
    return viewer.page("world.html.j2", row=row, w=found, here="runs")


def compare(viewer: Viewer, request: Request, _: Mapping[str, Any]) -> Response:
    """Two runs side by side; without two of them the form to choose them."""
    asked = asked_of(request, ("a", "b", "all"))
    one, other = asked.filters.get("a"), asked.filters.get("b")
    values: dict[str, Any] = {"found": None, "figures": None, "settings": (), "more": None}
    with viewer.reader.open() as db:
        names = queries.runs(db)
        if one and other:
            old, new = queries.run_of(db, one), queries.run_of(db, other)
            if old is None or new is None:
                raise HTTPException(404, "There is no such run in this store.")
            found = comparing.prefixes(db, one, other, asked.after, changed="all" not in asked.filters)
            values |= {"found": found, "more": next_page(request, asked, found.next)}
            values["settings"] = comparing.settings(old, new)
            sizes = queries.size(db, one), queries.size(db, other)
    if values["found"] is not None and asked.after is None and one and other:
        with Store(viewer.reader.path, create=False) as store:
            values["figures"] = comparing.figures(store, one, other, sizes)
    return viewer.page("compare.html.j2", runs=names, asked=asked, a=one, b=other, here="compare", **values)


def _exchanges(viewer: Viewer, found: tuple[exchanges.Exchange, ...], title: str, back: str) -> Response:
    if not found:
        raise HTTPException(404, "No prompt is kept here: it was switched off, or no model was asked.")
    return viewer.page("asked.html.j2", found=found, title=title, back=back, most=pages.MOST_OF_PROMPT, here="runs")

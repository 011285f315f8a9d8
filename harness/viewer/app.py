"""The viewer as an ASGI application: which address shows which page."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from harness.errors import HarnessError
from harness.labels import CHOICES, Label, sides_for
from harness.report.inert import inert
from harness.store import Store
from harness.viewer import labelling, pages, queries, search, views
from harness.viewer.forms import day, repo_name, short
from harness.viewer.guard import Guard
from harness.viewer.queries import FILTERS, Reader
from harness.viewer.sharing import Viewer, asked_of, known_run, next_page, whole_number
from repos.errors import RepositoryError
from toolsim.errors import ToolsimError

HERE = Path(__file__).parent
MOST_SENT = 40_000


def build(store: Path, token: str, hosts: frozenset[str]) -> ASGIApp:
    """The application over a store; `hosts` are the names (with port) that it answers to."""
    viewer = Viewer(Reader(store), search.Indexer(store), _templates())

    @asynccontextmanager
    async def lifespan(_: Starlette) -> Any:
        viewer.indexer.start()
        yield
        await run_in_threadpool(viewer.indexer.stop)

    def route(path: str, show: Callable[..., Response], methods: tuple[str, ...] = ("GET",)) -> Route:
        return Route(path, _endpoint(viewer, show), methods=list(methods))

    routes = [
        route("/", _runs),
        route("/sessions", _sessions),
        route("/session/{id:path}", _session),
        route("/run/{id}", _run),
        route("/run/{id}/counts.json", _counts),
        route("/run/{id}/label", _label),
        route("/run/{id}/label", _answer, ("POST",)),
        route("/run/{id}/fidelity", views.fidelity),
        route("/run/{id}/pair/{pair}/asked", views.asked_judges),
        route("/compare", views.compare),
        route("/rollout/{id}", _rollout),
        route("/rollout/{id}/world", views.world),
        route("/rollout/{id}/step/{n:int}/asked", views.asked_simulator),
        route("/rollout/{id}/step/{n:int}/{side}", _text),
        route("/search", _search),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
    handlers = {kind: _problem(viewer) for kind in (HTTPException, HarnessError, RepositoryError, ToolsimError)}
    return Guard(Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers), token, hosts)


def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("harness.viewer", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=lambda value: "–" if value is None else value,
    )  # fmt: skip
    environment.filters["inert"] = lambda value: "–" if value is None else inert(str(value))
    environment.filters["repo"] = repo_name
    environment.filters["day"] = day
    environment.filters["short"] = short
    return environment


def _endpoint(viewer: Viewer, show: Callable[..., Response]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        form: Mapping[str, Any] = {}
        if request.method == "POST":
            form = await _form(request)
        return await run_in_threadpool(show, viewer, request, form)

    return answer


async def _form(request: Request) -> dict[str, str]:
    """The fields of a sent form."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_SENT:
            raise HTTPException(413, "The form is too long.")
    return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=20))


def _problem(viewer: Viewer) -> Callable[[Request, Exception], Response]:
    def shown(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 400
        said = error.detail if isinstance(error, HTTPException) else str(error)
        return viewer.page("problem.html.j2", status, said=said, number=status, here="")

    return shown


def _runs(viewer: Viewer, _request: Request, _: Mapping[str, Any]) -> Response:
    with viewer.reader.open() as db:
        return viewer.page("runs.html.j2", runs=queries.runs(db, viewer.counts), here="runs")


def _sessions(viewer: Viewer, request: Request, _: Mapping[str, Any]) -> Response:
    asked = asked_of(request, ("agent", "repo", "pool"))
    with viewer.reader.open() as db:
        found, choices = queries.sessions(db, asked), queries.session_choices(db)
    more = next_page(request, asked, found.next)
    return viewer.page("sessions.html.j2", found=found, asked=asked, choices=choices, more=more, here="sessions")


def _session(viewer: Viewer, request: Request, _: Mapping[str, Any]) -> Response:
    name, first = request.path_params["id"], whole_number(request, "from")
    with viewer.reader.open() as db:
        found = pages.session(db, name, first)
        if found is None:
            raise HTTPException(404, "There is no such session in this store.")
        return viewer.page("session.html.j2", s=found, rollouts=queries.rollouts_of(db, name), here="sessions")


def _run(viewer: Viewer, request: Request, _: Mapping[str, Any]) -> Response:
    asked = asked_of(request, FILTERS)
    with viewer.reader.open() as db:
        run = known_run(db, request)
        counts = viewer.counts(db, run["id"])
        found = queries.rollouts(db, run["id"], asked, counts)
        return viewer.page(
            "run.html.j2",
            run=run, found=found, asked=asked, here="runs",
            more=next_page(request, asked, found.next),
            choices=queries.choices(db, run["id"], counts),
            counts=counts,
            excluded=queries.exclusions(db, run["id"]),
            human=labelling.human(db, run["id"]),
            covered=search.coverage(db) if queries.has_side(db) else None,
        )  # fmt: skip


def _counts(viewer: Viewer, request: Request, _: Mapping[str, Any]) -> Response:
    with viewer.reader.open() as db:
        run = known_run(db, request)
        return JSONResponse({"counts": viewer.counts(db, run["id"])})


def _rollout(viewer: Viewer, request: Request, _: Mapping[str, Any]) -> Response:
    with viewer.reader.open() as db:
        found = pages.rollout(db, request.path_params["id"], whole_number(request, "from"))
    if found is None:
        raise HTTPException(404, "There is no such rollout in this store.")
    return viewer.page("rollout.html.j2", r=found, here="runs")


def _text(viewer: Viewer, request: Request, _: Mapping[str, Any]) -> Response:
    with viewer.reader.open() as db:
        text = pages.whole_text(db, request.path_params["id"], request.path_params["n"], request.path_params["side"])
    if text is None:
        raise HTTPException(404, "There is no such text in this rollout.")
    return PlainTextResponse(inert(text).encode("utf-8", "replace"))


def _search(viewer: Viewer, request: Request, _: Mapping[str, Any]) -> Response:
    words = request.query_params.get("q", "").strip()
    with viewer.reader.open() as db:
        covered = search.coverage(db) if queries.has_side(db) else None
        hits = pages.hits(db, words) if words and covered is not None else ()
    return viewer.page(
        "search.html.j2", words=words, hits=hits, covered=covered, failure=viewer.indexer.failure,
        most=search.MOST, here="search",
    )  # fmt: skip


def _label(viewer: Viewer, request: Request, _: Mapping[str, Any]) -> Response:
    rater = request.query_params.get("rater", "").strip()[:60]
    with viewer.reader.open() as db:
        run = known_run(db, request)
        shown = labelling.next_pair(db, run["id"], rater) if rater else None
        last = labelling.last_answer(db, run["id"], rater) if rater else None
        human = labelling.human(db, run["id"])
    return viewer.page("label.html.j2", run=run, rater=rater, shown=shown, last=last, human=human, here="runs")


def _answer(viewer: Viewer, request: Request, form: Mapping[str, Any]) -> Response:
    run, rater, pair = request.path_params["id"], str(form.get("rater", "")).strip()[:60], str(form.get("pair", ""))
    choice = form.get("choice")
    if choice not in CHOICES or not rater:
        raise HTTPException(400, "An answer needs a name and one of first, second, skip.")
    with viewer.reader.open() as db:
        if not labelling.is_pair(db, run, pair):
            raise HTTPException(404, "There is no such pair in this run.")
    with Store(viewer.reader.path, create=False) as store:
        note = str(form.get("note", "")).strip()[:2000]
        store.add_label(Label(run, pair, rater, sides_for(run, rater, pair), choice, time.time(), note))
    return RedirectResponse(f"{request.url.path}?{urlencode({'rater': rater})}", 303)

"""Plain HTTP for the Flight server, with the client's own Authorization header: `/internal/flight…`.

`GET /internal/flight` lists tables, a page at a time; `GET /internal/flight/{jobs|datasets}/{id}` answers with a signed
ticket, `…/progress` with how far it is, `…/urls` with presigned downloads. `POST …/jobs/{id}/cancel` cancels a job.
`POST …/datasets` gives a place for a table that a client sends, `PUT …/datasets/{id}` makes the data set of it.
`POST /internal/flight/pulls` answers a pipeline with a signed ticket that runs it once, `…/pulls/redeem` uses it up.
Refusals are problem documents: 400 bad input, 401 credentials, 403 scope, 404 unknown or another workspace's, 409 no
result (yet), or a name that is taken.
Nothing here says more than the caller may learn from GraphQL, so the routes need no secret of their own.
"""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from graph.context import Services
from graph.core.errors import InvalidInput, NotAuthenticated, NotFound
from graph.core.ids import parse_id, to_global
from graph.core.viewer import Viewer
from graph.flight_tickets.pulls import FlightPulls
from graph.flight_tickets.puts import FlightPuts, Wish
from graph.flight_tickets.service import LISTED_MOST, FlightTables, Kind
from graph.jobs.results import ResultService
from graph.jobs.service import JobService

_TYPES = {"jobs": "Job", "datasets": "Dataset"}


_BODY_MOST = 16 * 1024
_PULL_MOST = 1024 * 1024
_NO_STORE = {"cache-control": "no-store"}


async def _viewer(request: Request, services: Services, *, write: bool = False) -> Viewer:
    headers = request.headers
    viewer = await services.authenticator.viewer(headers.get("authorization"), headers.get("x-workspace"))
    if viewer is None:
        raise NotAuthenticated
    if write:
        viewer.require("EDITOR", "write")
    else:
        viewer.require("VIEWER", "read")
    return viewer


def _tables(services: Services) -> FlightTables:
    results = ResultService(services.storage, services.keys, services.settings)
    return FlightTables(services.db, results, services.keys, services.settings)


def _puts(services: Services) -> FlightPuts:
    return FlightPuts(services.db, services.storage, services.queue, services.settings)


def _table(request: Request) -> tuple[Kind, UUID]:
    """The table that a path names."""
    kind = request.path_params["kind"]
    table_id = parse_id(request.path_params["id"], _TYPES.get(kind, ""))
    if kind not in _TYPES or table_id is None:
        raise NotFound.of("table", path=())
    return cast("Kind", kind), table_id


async def _json(request: Request, most: int) -> dict[str, Any]:
    """The JSON object that was sent; `InvalidInput` for anything else."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > most:
            raise InvalidInput(f"The body is longer than {most:,} bytes.", code="BODY_TOO_LARGE")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"It is no JSON: {error}.", code="BODY_INVALID") from error
    if not isinstance(body, dict):
        raise InvalidInput("It must be a JSON object.", code="BODY_INVALID")
    return body


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object with a name that was sent; `InvalidInput` for anything else."""
    body = await _json(request, _BODY_MOST)
    if not isinstance(body.get("name"), str):
        raise InvalidInput("The body must be an object with a `name`.", code="BODY_INVALID", path=["name"])
    return body


async def list_tables(request: Request) -> JSONResponse:
    """Answer ListFlights, a page of `first` tables behind `after`."""
    services: Services = request.app.state.services
    viewer = await _viewer(request, services)
    first = request.query_params.get("first", str(LISTED_MOST))
    if not first.isascii() or not first.isdigit() or not 1 <= int(first[:9]) <= LISTED_MOST:
        raise InvalidInput(f"`first` must be 1 to {LISTED_MOST}.", code="FIRST_OUT_OF_RANGE", path=["first"])
    tables, following = await _tables(services).tables(
        viewer.workspace_id, int(first), request.query_params.get("after")
    )
    return JSONResponse({"tables": tables, "next": following})


async def resolve(request: Request) -> JSONResponse:
    """Answer a path with a ticket."""
    services: Services = request.app.state.services
    viewer = await _viewer(request, services)
    table = await _tables(services).resolve(viewer.workspace_id, *_table(request))
    return JSONResponse(
        {
            "ticket": table.ticket,
            "expiresAt": table.expires_at.isoformat(),
            "rows": table.rows,
            "sizeBytes": table.size_bytes,
            "schema": table.schema,
        },
        headers=_NO_STORE,
    )


async def progress(request: Request) -> JSONResponse:
    """Answer PollFlightInfo."""
    services: Services = request.app.state.services
    viewer = await _viewer(request, services)
    found = await _tables(services).progress(viewer.workspace_id, *_table(request))
    return JSONResponse(
        {"status": found.status, "done": found.done, "fraction": found.fraction, "sequence": found.sequence}
    )


async def urls(request: Request) -> JSONResponse:
    """Answer the action DownloadUrls."""
    services: Services = request.app.state.services
    viewer = await _viewer(request, services)
    return JSONResponse(
        {"files": await _tables(services).urls(viewer.workspace_id, *_table(request))}, headers=_NO_STORE
    )


async def cancel(request: Request) -> JSONResponse:
    """Answer the actions CancelJob and CancelFlightInfo."""
    services: Services = request.app.state.services
    viewer = await _viewer(request, services, write=True)
    kind, table_id = _table(request)
    if kind != "jobs":
        raise NotFound.of("job")
    service = JobService(services.db, services.storage, services.queue, services.events, services.settings)
    job = await service.cancel(viewer.workspace_id, viewer.user_id, table_id)
    return JSONResponse({"status": job.status})


async def begin_put(request: Request) -> JSONResponse:
    """Give a place for a table that a client sends."""
    services: Services = request.app.state.services
    viewer = await _viewer(request, services, write=True)
    body = await _body(request)
    wish = Wish.of(body)
    place = await _puts(services).begin(viewer.workspace_id, body["name"], wish)
    old = place.replaces and to_global("Dataset", place.replaces)
    before = None
    if place.replaces and wish.if_exists == "append":
        before = (await _tables(services).resolve(viewer.workspace_id, "datasets", place.replaces)).ticket
    return JSONResponse(
        {
            "id": to_global("Dataset", place.dataset_id),
            "name": place.name,
            "key": place.key,
            "maxBytes": place.max_bytes,
            "replaces": old,
            "before": before,
        },
        headers=_NO_STORE,
    )


async def commit_put(request: Request) -> JSONResponse:
    """Make the data set of a table that was sent whole."""
    services: Services = request.app.state.services
    viewer = await _viewer(request, services, write=True)
    dataset_id = parse_id(request.path_params["id"], "Dataset")
    if dataset_id is None:
        raise NotFound.of("data set")
    body = await _body(request)
    size = body.get("sizeBytes")
    if type(size) is not int or size < 0:
        raise InvalidInput("The body must say `sizeBytes`.", code="BODY_INVALID", path=["sizeBytes"])
    replaces = body.get("replaces")
    old = None if replaces is None else parse_id(str(replaces), "Dataset")
    if replaces is not None and old is None:
        raise InvalidInput("`replaces` must be a data set's id.", code="BODY_INVALID", path=["replaces"])
    dataset = await _puts(services).commit(viewer.workspace_id, viewer.user_id, dataset_id, body["name"], size, old)
    return JSONResponse(
        {"id": to_global("Dataset", dataset.id), "status": dataset.status, "sizeBytes": dataset.size_bytes}
    )


def _pulls(services: Services) -> FlightPulls:
    return FlightPulls(services.db, services.storage, services.keys, services.settings)


async def open_pull(request: Request) -> JSONResponse:
    """Answer a pipeline with a ticket that runs it once."""
    services: Services = request.app.state.services
    viewer = await _viewer(request, services)
    ticket = await _pulls(services).open(viewer, await _json(request, _PULL_MOST))
    return JSONResponse({"ticket": ticket}, headers=_NO_STORE)


async def redeem_pull(request: Request) -> JSONResponse:
    """Use such a ticket up. It is its own credential, as at DoGet."""
    services: Services = request.app.state.services
    ticket = (await _json(request, 2 * _PULL_MOST)).get("ticket")
    if not isinstance(ticket, str):
        raise InvalidInput("The body must say `ticket`.", code="BODY_INVALID", path=["ticket"])
    await _pulls(services).redeem(ticket)
    return JSONResponse({"redeemed": True})


def routes() -> list[BaseRoute]:
    """Return the routes, for the application."""
    table = "/internal/flight/{kind}/{id}"
    return [
        Route("/internal/flight", list_tables, methods=["GET"]),
        Route("/internal/flight/pulls", open_pull, methods=["POST"]),
        Route("/internal/flight/pulls/redeem", redeem_pull, methods=["POST"]),
        Route("/internal/flight/datasets", begin_put, methods=["POST"]),
        Route("/internal/flight/datasets/{id}", commit_put, methods=["PUT"]),
        Route(f"{table}/progress", progress, methods=["GET"]),
        Route(f"{table}/urls", urls, methods=["GET"]),
        Route(f"{table}/cancel", cancel, methods=["POST"]),
        Route("/internal/flight/{kind}/{id:path}", resolve, methods=["GET"]),
    ]

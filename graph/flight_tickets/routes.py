"""Plain HTTP for the Flight server, with the client's own Authorization header: `/internal/flight…`.

`GET /internal/flight` lists tables; `GET /internal/flight/{jobs|datasets}/{id}` answers with a signed ticket.
Refusals are problem documents: 401 credentials, 403 scope, 404 unknown or another workspace's, 409 no result (yet).
Nothing here says more than the caller may learn from GraphQL, so the routes need no secret of their own.
"""

from __future__ import annotations

from typing import cast

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from graph.context import Services
from graph.core.errors import NotAuthenticated, NotFound
from graph.core.ids import parse_id
from graph.core.viewer import Viewer
from graph.flight_tickets.service import FlightTables, Kind
from graph.jobs.results import ResultService

_TYPES = {"jobs": "Job", "datasets": "Dataset"}


async def _viewer(request: Request, services: Services) -> Viewer:
    headers = request.headers
    viewer = await services.authenticator.viewer(headers.get("authorization"), headers.get("x-workspace"))
    if viewer is None:
        raise NotAuthenticated
    viewer.require("VIEWER", "read")
    return viewer


def _tables(services: Services) -> FlightTables:
    results = ResultService(services.storage, services.keys, services.settings)
    return FlightTables(services.db, results, services.keys, services.settings)


async def list_tables(request: Request) -> JSONResponse:
    """Answer ListFlights."""
    services: Services = request.app.state.services
    viewer = await _viewer(request, services)
    return JSONResponse({"tables": await _tables(services).tables(viewer.workspace_id)})


async def resolve(request: Request) -> JSONResponse:
    """Answer a path with a ticket."""
    services: Services = request.app.state.services
    viewer = await _viewer(request, services)
    kind = request.path_params["kind"]
    table_id = parse_id(request.path_params["id"], _TYPES.get(kind, ""))
    if kind not in _TYPES or table_id is None:
        raise NotFound.of("table", path=())
    table = await _tables(services).resolve(viewer.workspace_id, cast("Kind", kind), table_id)
    return JSONResponse(
        {
            "ticket": table.ticket,
            "expiresAt": table.expires_at.isoformat(),
            "rows": table.rows,
            "sizeBytes": table.size_bytes,
            "schema": table.schema,
        },
        headers={"cache-control": "no-store"},
    )


def routes() -> list[BaseRoute]:
    """Return the routes, for the application."""
    return [
        Route("/internal/flight", list_tables, methods=["GET"]),
        Route("/internal/flight/{kind}/{id:path}", resolve, methods=["GET"]),
    ]

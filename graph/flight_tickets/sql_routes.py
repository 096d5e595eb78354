"""What Flight SQL asks beside tickets, with the client's own Authorization and X-Workspace: `/internal/flight-sql…`.

`GET …/workspaces` lists the caller's workspaces; `GET …/{jobs|datasets}?name=N` lists the ids of what has this name.
"""

from __future__ import annotations

from typing import cast

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from graph.context import Services
from graph.core.errors import NotFound
from graph.flight_tickets.names import tables_named, workspaces_of
from graph.flight_tickets.routes import _viewer
from graph.flight_tickets.service import Kind


async def list_workspaces(request: Request) -> JSONResponse:
    """Answer GetCatalogs."""
    services: Services = request.app.state.services
    viewer = await _viewer(request, services)
    return JSONResponse({"workspaces": await workspaces_of(services.db, viewer)})


async def find_tables(request: Request) -> JSONResponse:
    """Answer which tables a name in a statement may stand for."""
    services: Services = request.app.state.services
    viewer = await _viewer(request, services)
    kind = request.path_params["kind"]
    if kind not in ("jobs", "datasets"):
        raise NotFound.of("schema", path=())
    name = request.query_params.get("name", "")
    return JSONResponse({"ids": await tables_named(services.db, viewer.workspace_id, cast("Kind", kind), name)})


def routes() -> list[BaseRoute]:
    """Return the routes, for the application."""
    return [
        Route("/internal/flight-sql/workspaces", list_workspaces, methods=["GET"]),
        Route("/internal/flight-sql/{kind}", find_tables, methods=["GET"]),
    ]

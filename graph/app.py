"""The API process: a Starlette application of GraphQL, health, metrics, keys, Flight tickets and the web app.

It starts whatever its parts do: /readyz names what is missing, requests that need it get SERVICE_UNAVAILABLE, and what
the start has to do (administrator, bucket) is tried again until it is done.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from graph.admin.export_routes import routes as export_routes
from graph.admin.service import StatusReader
from graph.context import Services
from graph.core import telemetry
from graph.core.db import Database
from graph.core.errors import DomainError, Forbidden, InvalidInput, NotAuthenticated, NotFound, ServiceUnavailable
from graph.core.events import Events
from graph.core.keys import KeyRing
from graph.core.memory import tame_malloc
from graph.core.queue import Queue
from graph.core.refusals import Refusals
from graph.core.sealing import Sealer
from graph.core.security import AccessTokens
from graph.core.settings import Settings
from graph.core.storage import Storage
from graph.flight_tickets.routes import routes as flight_routes
from graph.flight_tickets.sql_routes import routes as flight_sql_routes
from graph.http.graphql import Endpoint
from graph.http.health import healthz, jwks, metrics, readyz
from graph.http.middleware import Requests, problem
from graph.http.spa import SinglePageApp
from graph.pipelines.problems import CHECKER
from graph.schema import create_schema
from graph.second_factor.service import SecondFactors
from graph.users.authentication import Authenticator
from graph.users.limiter import LoginLimiter
from graph.users.oidc import SingleSignOn
from graph.users.oidc_routes import routes as oidc_routes
from graph.users.service import Accounts

_RETRY_SECONDS = 2.0
_GAUGES_SECONDS = 15.0

log = structlog.get_logger(__name__)


def create_services(settings: Settings) -> Services:
    """Return the parts of an API process; each connects at first use, so nothing here waits or fails for them.

    `ConfigurationError` when the signing or the encryption key is missing or unusable.
    """
    keys = KeyRing.from_settings(settings)
    _ = keys.signer
    sealer = Sealer.from_settings(settings)
    db = Database(
        settings.database_url,
        pool_size=settings.database_pool_size,
        max_overflow=settings.database_pool_overflow,
        application_name="karyaksham-api",
    )
    events, queue, tokens = Events(settings), Queue(settings), AccessTokens(settings, keys)
    limiter = LoginLimiter(settings, queue.redis)
    refusals = Refusals(db, settings.audit_refusals_per_minute)
    accounts = Accounts(settings, db, events, tokens, limiter, refusals)
    return Services(
        settings=settings,
        db=db,
        storage=Storage(settings),
        queue=queue,
        events=events,
        keys=keys,
        sealer=sealer,
        tokens=tokens,
        authenticator=Authenticator(settings, db, events, tokens),
        accounts=accounts,
        limiter=limiter,
        second_factors=SecondFactors(db, events, limiter, sealer, refusals),
        refusals=refusals,
        status=StatusReader(db, queue),
        sign_on=(SingleSignOn(settings, db, events, accounts, limiter, refusals) if settings.oidc_issuer else None),
    )


def create_app(settings: Settings) -> Starlette:
    """Return the application; its parts stand in `app.state.services`."""
    services = create_services(settings)
    endpoint = Endpoint(create_schema(introspection=not settings.production), services)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        services.authenticator.start()
        tasks = [
            asyncio.create_task(_start_up(services, app.state.started), name="start-up"),
            asyncio.create_task(_gauges(services), name="gauges"),
            asyncio.create_task(services.refusals.run(), name="refusals"),
        ]
        try:
            yield
        finally:
            await endpoint.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await services.authenticator.stop()
            await services.refusals.close()
            await CHECKER.close()
            if services.sign_on is not None:
                await services.sign_on.provider.close()
            await services.events.close()
            await services.queue.close()
            await services.storage.close()
            await services.db.close()

    routes: list[BaseRoute] = [
        Route("/graphql", endpoint, methods=["GET", "POST"]),
        WebSocketRoute("/graphql", endpoint),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        Route("/.well-known/jwks.json", jwks),
        *oidc_routes(),
        *export_routes(),
        *flight_routes(),
        *flight_sql_routes(),
        Mount("/", SinglePageApp()),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[
            Middleware(Requests, settings=settings),
            Middleware(
                CORSMiddleware,
                allow_origins=settings.origins,
                allow_credentials=True,
                allow_methods=["POST"],
                allow_headers=["authorization", "content-type", "x-workspace", "x-request-id", "traceparent"],
                expose_headers=["x-request-id"],
            ),
        ],
        exception_handlers={HTTPException: _http_error, DomainError: _domain_error},
    )
    app.state.services = services
    app.state.started = asyncio.Event()
    app.state.leaving = False
    app.state.endpoint = endpoint
    return app


async def _start_up(services: Services, started: asyncio.Event) -> None:
    """Do what the first start needs; again and again until each part has answered once."""
    steps: dict[str, Callable[[], Awaitable[object]]] = {
        "administrator": services.accounts.ensure_administrator,
        "bucket": lambda: services.storage.ensure_bucket_and_cors(services.settings.origins),
    }
    while steps:
        for name in list(steps):
            try:
                await steps[name]()
            except ServiceUnavailable as error:
                log.warning("start_up_waits", step=name, reason=error.message)
            except Exception as error:  # the API must stay up to say what is wrong
                log.error("start_up_failed", step=name, exc_info=error)
            else:
                del steps[name]
        if steps:
            await asyncio.sleep(_RETRY_SECONDS)
    started.set()
    log.info("started")


async def _gauges(services: Services) -> None:
    """Keep the gauges of jobs and queue fresh for Prometheus."""
    while True:
        try:
            await services.status.read()
        except ServiceUnavailable:
            log.debug("gauges_unknown")
        except Exception as error:  # this loop must outlive every surprise
            log.error("gauges_failed", exc_info=error)
        await asyncio.sleep(_GAUGES_SECONDS)


def _problem(status: int, code: str, title: str, headers: dict[str, str] | None = None) -> Response:
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    status, body = problem(status, code, title, request_id)
    return Response(body, status, headers, media_type="application/problem+json")


async def _http_error(_: Request, error: Exception) -> Response:
    """Answer routing errors as problem documents."""
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers) if error.headers else None
    return _problem(error.status_code, f"HTTP_{error.status_code}", error.detail, headers)


async def _domain_error(request: Request, error: Exception) -> Response:
    """Answer refusals of plain HTTP routes as problem documents; those of access stand in the audit log."""
    if not isinstance(error, DomainError):
        raise error
    if isinstance(error, Forbidden | NotAuthenticated):
        services: Services = request.app.state.services
        refused = "token.refused" if isinstance(error, NotAuthenticated) else "access.refused"
        services.refusals.note(refused, error.code, data={"path": request.url.path[:200]})
    status = 409
    if isinstance(error, InvalidInput):
        status = 400
    elif isinstance(error, Forbidden):
        status = 403
    elif isinstance(error, NotAuthenticated):
        status = 401
    elif isinstance(error, NotFound):
        status = 404
    elif isinstance(error, ServiceUnavailable):
        status = 503
    return _problem(status, error.code, error.message)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; blocks."""
    from graph.http.server import Server

    tame_malloc()
    telemetry.configure(settings, "api")
    Server(create_app(settings), settings).run()


def main() -> None:
    """Entry of `python -m graph`."""
    from graph.core.settings import get_settings

    run(get_settings())

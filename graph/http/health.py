"""/healthz: the process lives. /readyz: each part it needs, by name. /metrics, and the public keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from graph.context import Services
from graph.core.telemetry import REGISTRY

_TIMEOUT_SECONDS = 3


async def healthz(_: Request) -> Response:
    """Answer while the process lives, whatever its parts do."""
    return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})


async def _check(ping: Callable[[], Awaitable[Any]]) -> str:
    try:
        await asyncio.wait_for(ping(), _TIMEOUT_SECONDS)
    except Exception as error:  # noqa: BLE001  # any failure is the answer here
        return f"down: {str(error) or type(error).__name__}"
    return "ok"


async def check_parts(services: Services) -> dict[str, str]:
    """Return `ok` or `down: reason` for postgresql, redis and s3."""
    names = ("postgresql", "redis", "s3")
    pings = (services.db.ping, services.queue.ping, services.storage.ping)
    return dict(zip(names, await asyncio.gather(*map(_check, pings)), strict=True))


async def readyz(request: Request) -> Response:
    """200 when all parts answer, the start is done and the end has not begun, else 503; the body names each."""
    state = request.app.state
    parts = await check_parts(state.services)
    parts["startup"] = "ok" if state.started.is_set() else "down: waiting for the parts above"
    if state.leaving:
        parts["startup"] = "down: this process is leaving"
    ready = all(value == "ok" for value in parts.values())
    return JSONResponse(
        {"ready": ready, "parts": parts}, status_code=200 if ready else 503, headers={"cache-control": "no-store"}
    )


async def metrics(_: Request) -> Response:
    """Prometheus text."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


async def jwks(request: Request) -> Response:
    """Public keys of access tokens and Flight tickets (RFC 7517)."""
    return JSONResponse(request.app.state.services.keys.jwks(), headers={"cache-control": "public, max-age=300"})

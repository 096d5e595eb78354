"""`/metrics`, `/healthz` and `/readyz` of a worker: a few lines of HTTP, since workers have no web framework."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import generate_latest

from graph.core.telemetry import REGISTRY

log = structlog.get_logger(__name__)


async def _answer(path: str, ready: Callable[[], Awaitable[str | None]]) -> tuple[str, bytes]:
    match path:
        case "/metrics":
            return "200 OK", generate_latest(REGISTRY)
        case "/healthz":
            return "200 OK", b"ok\n"
        case "/readyz":
            problem = await ready()
            return ("200 OK", b"ok\n") if problem is None else ("503 Service Unavailable", problem.encode() + b"\n")
        case _:
            return "404 Not Found", b"paths: /metrics /healthz /readyz\n"


async def start(host: str, port: int, ready: Callable[[], Awaitable[str | None]]) -> asyncio.Server | None:
    """Listen on a port (0 for none); a port that is taken is logged, never fatal: jobs matter more than metrics."""
    if port == 0:
        return None

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            path = head.split(b" ", 2)[1].decode("ascii").partition("?")[0]
            status, body = await _answer(path, ready)
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        writer.close()

    try:
        return await asyncio.start_server(serve, host, port)
    except OSError as error:
        log.error("metrics_unavailable", port=port, error=str(error))
        return None

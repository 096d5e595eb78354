"""The API served in this process, as `karyaksham api` serves it: for sockets, streams and timeouts."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from graph.app import create_app
from graph.core.settings import Settings
from graph.http.server import Server


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def served(settings: Settings, graceful_seconds: int | None = 2) -> AsyncIterator[tuple[str, Starlette]]:
    """Yield the URL and the application of a running server with these settings."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    own = settings.model_copy(update={"public_url": url, "api_port": port, "api_host": "127.0.0.1"})
    app = create_app(own)
    server = Server(app, own)
    server.config.timeout_graceful_shutdown = graceful_seconds
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        assert not task.done(), task.exception()
    try:
        yield url, app
    finally:
        server.should_exit = True
        await task

"""The server of the API process: how it starts, and how it leaves without a failed request."""

from __future__ import annotations

import gc
import signal
import socket
import time
from types import FrameType

import structlog
import uvicorn
from starlette.applications import Starlette

from graph.core.settings import Settings

log = structlog.get_logger(__name__)

# A proxy that keeps idle connections must be the one that closes them: a request that it sends into a connection which
# closes at that moment is lost, and comes out as 502. Google's load balancer waits longest, 600 s, and asks for 620
# (https://cloud.google.com/load-balancing/docs/https#timeout-keepalive-backends); Traefik waits 90 s, nginx and AWS 60.
KEEP_ALIVE_SECONDS = 620


class Server(uvicorn.Server):
    """Ends sockets and streams before it waits for connections to close; collects little garbage.

    With API_DRAIN_SECONDS, a first SIGTERM only turns /readyz to 503: requests are answered until that time has passed
    or a second SIGTERM comes, so that whoever spreads requests by /readyz sends the next ones elsewhere before this
    process closes its port.
    """

    def __init__(self, app: Starlette, settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.api_host,
                port=settings.api_port,
                loop="uvloop",
                http="httptools",
                ws="websockets-sansio",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=10,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                ws_max_size=2 * 1024 * 1024,
                # messages are small: compressing costs more time than it saves, and 300 kB a socket
                ws_per_message_deflate=False,
            )
        )
        self._app = app
        self._drain_seconds = settings.api_drain_seconds
        self._leaves_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Leave what the imports made out of garbage collection: full collections stay short and frequent."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        # a request makes thousands of short-lived objects and few cycles
        gc.set_threshold(20_000, 20, 20)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to leave; at once, where there is no time to drain or this is the second signal."""
        if sig == signal.SIGTERM and self._drain_seconds and self._leaves_at is None:
            self._app.state.leaving = True
            self._leaves_at = time.monotonic() + self._drain_seconds
            return
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Look ten times a second whether the time to drain is over."""
        if self._leaves_at is not None and time.monotonic() >= self._leaves_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close sockets and streams, then the port, then wait for requests in progress."""
        log.info("leaving")
        await self._app.state.endpoint.close()
        await super().shutdown(sockets)

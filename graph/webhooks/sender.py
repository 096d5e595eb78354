"""One HTTP request to a stranger's server: bounded in time and size, to no address inside, no redirect followed.

The address is looked at in the network backend, right before the connection is made to that very address: a name that
changes its answer in between gains nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpcore
import httpx

from graph.core.settings import Network
from graph.webhooks.addresses import Address, may_reach, parse_address, refusal

TIMEOUT_SECONDS: Final = 10.0
# of a response only the status counts; this much is read so that the receiver is not cut off in its answer
RESPONSE_BYTES: Final = 16 * 1024


class AddressRefused(Exception):
    """The name leads only to addresses that may not be reached."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request: a status, or the reason why there is none; `milliseconds` until then."""

    status: int | None
    milliseconds: int
    error: str | None

    @property
    def succeeded(self) -> bool:
        """Whether the receiver has taken the message."""
        return self.status is not None and 200 <= self.status < 300


class _Backend(httpcore.AsyncNetworkBackend):
    """Connects only to addresses that webhooks may reach."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Look the name up, look at the addresses, connect to the first that answers."""
        addresses = await _resolve(host, port)
        reachable = [each for each in addresses if may_reach(each, self._allowed)]
        if not reachable:
            raise AddressRefused(refusal(host, addresses[0]))
        for place, address in enumerate(reachable, 1):
            try:
                return await self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except httpcore.ConnectError:
                if place == len(reachable):
                    raise
        raise httpcore.ConnectError(f"{host} has no address")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109, ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise AddressRefused(f"{path} is no network address")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


async def _resolve(host: str, port: int) -> list[Address]:
    literal = parse_address(host)
    if literal is not None:
        return [literal]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"the name {host} cannot be looked up") from error
    parsed = [parse_address(str(entry[4][0])) for entry in found]
    addresses = list(dict.fromkeys(address for address in parsed if address is not None))
    if not addresses:
        raise httpcore.ConnectError(f"the name {host} has no address")
    return addresses


class Sender:
    """Posts messages; `close` at the end."""

    def __init__(self, allowed: Sequence[Network], *, most: int) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=most,
            max_keepalive_connections=0,
            network_backend=_Backend(allowed),
        )

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send one request; never raises for what the other end does."""
        began = time.monotonic()
        status, error = None, None
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                status = await self._post(httpx.URL(url), headers, body)
        except (TimeoutError, httpcore.TimeoutException):
            error = f"No answer within {TIMEOUT_SECONDS:g} s."
        except AddressRefused as refused:
            error = str(refused)
        except (httpx.InvalidURL, httpcore.NetworkError, httpcore.ProtocolError, OSError) as failure:
            error = f"The request failed: {str(failure) or type(failure).__name__}."
        if status is not None and not 200 <= status < 300:
            followed = " Redirects are not followed." if 300 <= status < 400 else ""
            error = f"The receiver answered {status}.{followed}"
        return Answer(status, int((time.monotonic() - began) * 1000), error)

    async def _post(self, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> int:
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        lines: list[tuple[bytes | str, bytes | str]] = [("host", url.netloc), ("content-length", str(len(body)))]
        lines += headers.items()
        async with self._pool.stream("POST", target, headers=lines, content=body) as response:
            size = 0
            # the status is known: whatever the rest does changes nothing
            with contextlib.suppress(httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
                async for part in response.aiter_stream():
                    size += len(part)
                    if size >= RESPONSE_BYTES:
                        break
            return response.status

    async def close(self) -> None:
        """Close what is open."""
        await self._pool.aclose()

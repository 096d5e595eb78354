"""What the doctor sees of a deployment from outside, as browsers and Flight clients do: it needs only the URL."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx

from ops.cli.findings import Finding

SKEW_SECONDS: Final = 30
_TIMEOUT: Final = 10.0
_CERTIFICATE_DAYS: Final = 14
_HEADERS: Final = ("content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy")
_PROTOCOL: Final = "graphql-transport-ws"
# what the API closes a socket with whose connection_init brings no token
_REFUSED: Final = 4403


async def public_findings(url: str, flight_url: str | None) -> list[Finding]:
    """Return all findings about the service at a URL, and about Flight where it is known to be."""
    place = urlsplit(url)
    found: list[Finding] = []
    if place.scheme == "https":
        found += await asyncio.to_thread(_tls, "TLS", place.hostname or "", place.port or 443, "http/1.1")
        if found[-1].status == "fail" and found[-1].name == "TLS":
            return found
    elif place.hostname in {"localhost", "127.0.0.1", "::1"}:
        found.append(Finding("TLS", "skip", "not needed: only this machine reaches it"))
    else:
        hint = "Put a proxy with TLS before it (docs/deploy.md), and set PUBLIC_URL to https://…"
        found.append(Finding("TLS", "fail", f"{url} sends passwords and tokens in the open.", hint))
    try:
        async with httpx.AsyncClient(base_url=url, timeout=_TIMEOUT, verify=_trusted()) as http:
            checks: list[Callable[[], Awaitable[Finding]]] = [
                lambda: _ready(http),
                lambda: _headers(http, place),
                lambda: _closed(http),
                lambda: _introspection(http),
                lambda: _clock(http),
            ]
            found += [await check() for check in checks]
    except httpx.HTTPError as error:
        hint = "Check the name in DNS, the proxy, and that it reaches the API."
        return [
            *found,
            Finding("service", "fail", f"{url} does not answer: {type(error).__name__} {error}".strip(), hint),
        ]
    found.append(await _socket(place))
    if flight_url:
        found += await asyncio.to_thread(_flight, urlsplit(flight_url))
    return found


def _trusted() -> ssl.SSLContext:
    """Return the system's certificates, with those of SSL_CERT_FILE."""
    return ssl.create_default_context()


def _shake(host: str, port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    with socket.create_connection((host, port), _TIMEOUT) as plain:
        return context.wrap_socket(plain, server_hostname=host)


def _tls(name: str, host: str, port: int, protocol: str) -> list[Finding]:
    """Shake hands as clients do, and once more as old ones do, who are to be refused."""
    context = _trusted()
    context.set_alpn_protocols([protocol])
    try:
        with _shake(host, port, context) as secure:
            version, certificate, spoken = secure.version(), secure.getpeercert(), secure.selected_alpn_protocol()
    except (OSError, ssl.SSLError) as error:
        hint = "Check the certificate (its names, its chain) and that the proxy listens. SSL_CERT_FILE names an own CA."
        return [Finding(name, "fail", f"{host}:{port} cannot be spoken to by TLS: {error}", hint)]
    found = []
    if protocol == "h2" and spoken != "h2":
        hint = "gRPC needs HTTP/2 (ALPN h2) from the client to the Flight server."
        found.append(Finding(name, "fail", f"{host}:{port} does not speak HTTP/2.", hint))
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str((certificate or {})["notAfter"])), UTC)
    days = (ends - datetime.now(UTC)).days
    message = f"{version}; the certificate ends on {ends:%Y-%m-%d}"
    if days < _CERTIFICATE_DAYS:
        found.append(Finding(name, "warn", f"{message}, in {days} days.", "Renew it; see why nothing has."))
    else:
        found.append(Finding(name, "ok", message))
    old = _trusted()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with suppress(OSError, ssl.SSLError), _shake(host, port, old):
        hint = "Let the proxy speak TLS 1.3 alone (ops/traefik/routes.yaml does), unless old clients need it."
        found.append(Finding(f"{name} 1.2", "warn", f"{host}:{port} still speaks TLS 1.2.", hint))
    return found


async def _ready(http: httpx.AsyncClient) -> Finding:
    answer = await http.get("/readyz")
    if answer.status_code == 200:
        return Finding("service", "ok", f"ready at {http.base_url}")
    message = f"/readyz answers {answer.status_code}: {answer.text.strip()[:300]}"
    return Finding("service", "fail", message, "Mend the parts that it names; else see the proxy's log.")


async def _headers(http: httpx.AsyncClient, place: SplitResult) -> Finding:
    answer = await http.get("/")
    wanted = [*_HEADERS, *(["strict-transport-security"] if place.scheme == "https" else [])]
    missing = [name for name in wanted if name not in answer.headers]
    if not missing:
        return Finding("headers", "ok", "those that protect browsers are there")
    hint = "The API sets them: let the proxy pass them on. Strict-Transport-Security needs PUBLIC_URL with https://."
    return Finding("headers", "fail", f"Missing: {', '.join(missing)}.", hint)


async def _closed(http: httpx.AsyncClient) -> Finding:
    """What names workspaces, and what is for Flight, is for the inside."""
    if http.base_url.host in {"localhost", "127.0.0.1", "::1"}:
        return Finding("inner paths", "skip", "only this machine reaches them")
    if (await http.get("/metrics")).status_code == 200:
        hint = "Let the proxy refuse /metrics and /internal, as ops/traefik/routes.yaml and the chart do."
        return Finding("inner paths", "fail", "/metrics can be read from outside.", hint)
    return Finding("inner paths", "ok", "/metrics is closed")


async def _introspection(http: httpx.AsyncClient) -> Finding:
    answer = await http.post("/graphql", json={"query": "{ __schema { queryType { name } } }"})
    if '"queryType"' in answer.text:
        return Finding("introspection", "warn", "The schema is told to anybody.", "Set ENVIRONMENT=production.")
    return Finding("introspection", "ok", "closed")


async def _clock(http: httpx.AsyncClient) -> Finding:
    date = (await http.get("/healthz")).headers.get("date")
    if date is None:
        return Finding("service's clock", "skip", "it does not tell the time")
    skew = abs((datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds())
    if skew > SKEW_SECONDS:
        hint = "Set both clocks by NTP: tokens, signatures and presigned URLs depend on them."
        return Finding("service's clock", "fail", f"It differs from this machine's by {skew:.0f} s.", hint)
    return Finding("service's clock", "ok", f"within {max(skew, 1):.0f} s of this machine's")


async def _socket(place: SplitResult) -> Finding:
    """Open a WebSocket as the web application does, without a token: the service itself says no to that."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed, WebSocketException
    from websockets.typing import Subprotocol

    url = place._replace(scheme="wss" if place.scheme == "https" else "ws", path="/graphql").geturl()
    trusted = _trusted() if place.scheme == "https" else None
    try:
        async with asyncio.timeout(_TIMEOUT), connect(url, subprotocols=[Subprotocol(_PROTOCOL)], ssl=trusted) as live:
            await live.send('{"type": "connection_init"}')
            answer = str(await live.recv())
    except ConnectionClosed as error:
        if error.rcvd is not None and error.rcvd.code == _REFUSED:
            return Finding("WebSocket", "ok", "passes")
        answer = str(error)
    except (OSError, WebSocketException) as error:
        answer = repr(error)
    hint = "Let the proxy pass WebSockets on (Upgrade, Connection), and leave them open."
    return Finding("WebSocket", "fail", f"{url}: {answer}", hint)


def _flight(place: SplitResult) -> list[Finding]:
    host, port = place.hostname or "", place.port or 8815
    if place.scheme == "grpc+tls":
        found = _tls("Flight by TLS", host, port, "h2")
        # Flight's own server speaks 1.2 too, for clients of old systems
        return [each for each in found if each.status != "warn" or not each.name.endswith("1.2")]
    try:
        socket.create_connection((host, port), _TIMEOUT).close()
    except OSError as error:
        hint = "Check FLIGHT_PUBLIC_URL and that clients may reach this port."
        return [Finding("Flight", "fail", f"{place.geturl()} does not answer: {error}", hint)]
    return [Finding("Flight", "ok", f"listens at {place.geturl()}")]

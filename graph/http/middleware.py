"""Pure ASGI middleware: ids, trace and metrics of each request; security headers; a limit for bodies.

Starlette's BaseHTTPMiddleware would cost a task per request and break streaming.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, Final

import orjson
import structlog
from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph.core.ids import uuid7
from graph.core.settings import Settings
from graph.core.telemetry import HTTP_REQUESTS, span

MAX_BODY_BYTES: Final = 2 * 1024 * 1024
# for the metrics: nobody hears it (nginx's number)
CLIENT_LEFT: Final = 499
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

log = structlog.get_logger(__name__)


class BodyTooLarge(Exception):
    """The body of a request is over `MAX_BODY_BYTES`."""


def problem(status: int, code: str, title: str, request_id: str | None = None) -> tuple[int, bytes]:
    """Return status and body of an `application/problem+json` answer (RFC 9457)."""
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "code": code}
    if request_id:
        body["requestId"] = request_id
    return status, orjson.dumps(body)


def security_headers(settings: Settings) -> list[tuple[str, str]]:
    """Headers of every answer; the browser may connect to this host and, for uploads, to the storage."""
    storage = settings.s3_public_endpoint or "https://*.amazonaws.com"
    sockets = re.sub(r"^http", "ws", settings.public_url)
    policy = [
        "default-src 'self'",
        f"connect-src 'self' {sockets} {storage}",
        "img-src 'self' data:",
        "font-src 'self' data:",
        # CodeMirror and React Flow set style attributes
        "style-src 'self' 'unsafe-inline'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
    headers = [
        ("content-security-policy", "; ".join(policy)),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
        ("cross-origin-opener-policy", "same-origin"),
    ]
    if settings.secure_cookies:
        headers.append(("strict-transport-security", "max-age=31536000; includeSubDomains"))
    return headers


# what tells about people or their data, and is no file of the web application
_PRIVATE: Final = frozenset({"/graphql", "/export", "/internal", "/auth"})


class Requests:
    """Gives each request an id, a span, log context, metrics and security headers, and answers what went wrong."""

    def __init__(self, app: ASGIApp, settings: Settings, quiet: Sequence[str] = ("/healthz", "/readyz")) -> None:
        self._app = app
        self._quiet = frozenset(quiet)
        self._headers = security_headers(settings)
        proxies = {part.strip() for part in settings.trusted_proxies.split(",") if part.strip()}
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid7().hex
        self._believe_proxy(scope, headers)
        address = scope["client"][0] if scope.get("client") else "unknown"
        with structlog.contextvars.bound_contextvars(request_id=request_id, address=address):
            if scope["type"] == "websocket":
                await self._app(scope, receive, send)
                return
            parent = headers.get("traceparent", "")
            with span(
                f"{scope['method']} {_route(scope)}",
                parent=parent if _TRACEPARENT.fullmatch(parent) else None,
                kind=SpanKind.SERVER,
                request_id=request_id,
            ):
                await self._serve(scope, receive, send, headers, request_id)

    def _believe_proxy(self, scope: Scope, headers: Headers) -> None:
        """Take client address and scheme from a proxy that the operator trusts."""
        client = scope.get("client")
        if not self._proxies or client is None or ("*" not in self._proxies and client[0] not in self._proxies):
            return
        forwarded = [part.strip() for part in headers.get("x-forwarded-for", "").split(",") if part.strip()]
        # the last address that no trusted proxy wrote is the client's; what stands before it anybody can invent
        while len(forwarded) > 1 and forwarded[-1] in self._proxies:
            forwarded.pop()
        if forwarded:
            scope["client"] = (forwarded[-1], 0)
        if headers.get("x-forwarded-proto") == "https":
            scope["scheme"] = "wss" if scope["type"] == "websocket" else "https"

    async def _serve(self, scope: Scope, receive: Receive, send: Send, headers: Headers, request_id: str) -> None:
        started, status, began = time.perf_counter(), 500, False

        async def sending(message: Message) -> None:
            nonlocal status, began
            if message["type"] == "http.response.start":
                status, began = message["status"], True
                out = MutableHeaders(scope=message)
                out["x-request-id"] = request_id
                if _route(scope) in _PRIVATE:
                    out.setdefault("cache-control", "no-store")
                for name, value in self._headers:
                    out.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, _limited(receive, headers), sending)
        except BodyTooLarge:
            await _answer(sending, *problem(413, "BODY_TOO_LARGE", "The request is too large.", request_id))
        except ClientDisconnect:
            status = CLIENT_LEFT  # in the middle of its request: there is nobody to answer, and nothing is wrong here
        except Exception as error:
            log.error("request_failed", path=scope["path"], exc_info=error)
            if began:
                raise
            text = "Something went wrong on our side. Give the request id to your administrator."
            await _answer(sending, *problem(500, "INTERNAL_ERROR", text, request_id))
        finally:
            HTTP_REQUESTS.labels(_route(scope), str(status)).inc()
            if scope["path"] not in self._quiet:
                log.debug(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    seconds=round(time.perf_counter() - started, 4),
                )


def _route(scope: Scope) -> str:
    """Label of a request: its first path part, if it is one of ours (paths of clients would grow the metrics)."""
    first = scope["path"].split("/", 2)[1]
    known = {"graphql", "healthz", "readyz", "metrics", "internal", "export", ".well-known", "assets", "auth"}
    return f"/{first}" if first in known else "/"


def _limited(receive: Receive, headers: Headers) -> Receive:
    """Wrap `receive` so that bodies over the limit stop the request, whatever Content-Length says."""
    length = headers.get("content-length", "")
    total = 0

    async def receiving() -> Message:
        nonlocal total
        if length.isdigit() and int(length) > MAX_BODY_BYTES:
            raise BodyTooLarge
        message = await receive()
        if message["type"] == "http.request":
            total += len(message.get("body", b""))
            if total > MAX_BODY_BYTES:
                raise BodyTooLarge
        return message

    return receiving


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""Sockets and streams: who may open them, and that they end with the credentials."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import websockets
from starlette.applications import Starlette

from graph.app import create_app
from graph.context import Services
from graph.core.ids import uuid7
from tests.graph.http.serving import served
from tests.graph.users.asking import Browser
from tests.processes import PATIENCE

WATCH = "subscription { systemStatusChanged { at queueDepth } }"
PROTOCOL = "graphql-transport-ws"


@pytest.fixture
async def live(services: Services) -> AsyncIterator[tuple[str, Starlette]]:
    """A running server."""
    async with served(services.settings) as running:
        yield running


def administrator(app: Starlette, seconds: int | None = None) -> str:
    """An access token of an administrator, for a session of its own."""
    tokens = app.state.services.tokens
    kept = tokens._seconds
    tokens._seconds = seconds or kept
    try:
        return str(tokens.issue(uuid7(), uuid7(), uuid7(), "ADMIN")[0])
    finally:
        tokens._seconds = kept


@asynccontextmanager
async def connected(url: str, payload: Any, **options: Any) -> AsyncIterator[websockets.ClientConnection]:
    """A socket that sent connection_init."""
    address = url.replace("http", "ws", 1) + "/graphql"
    async with websockets.connect(address, subprotocols=[websockets.Subprotocol(PROTOCOL)], **options) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        yield socket


async def subscribe(socket: websockets.ClientConnection, query: str, key: str = "1") -> None:
    await socket.send(json.dumps({"type": "subscribe", "id": key, "payload": {"query": query}}))


async def receive(socket: websockets.ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(socket.recv(), PATIENCE))


async def closing(socket: websockets.ClientConnection) -> tuple[int, str]:
    """Read until the server closes; its code and reason."""
    try:
        while True:
            await asyncio.wait_for(socket.recv(), PATIENCE)
    except websockets.ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (0, "connection lost")


async def test_a_subscription_over_a_socket(live: tuple[str, Starlette]) -> None:
    url, app = live
    async with connected(url, {"authorization": f"Bearer {administrator(app)}"}) as socket:
        assert (await receive(socket))["type"] == "connection_ack"
        await subscribe(socket, WATCH)
        for _ in range(2):
            message = await receive(socket)
            assert message["payload"]["data"]["systemStatusChanged"]["queueDepth"] >= 0


@pytest.mark.parametrize(
    "payload", [{}, None, {"authorization": "Bearer x"}, {"authorization": 3}, {"authorization": ""}]
)
async def test_without_credentials_no_socket(live: tuple[str, Starlette], payload: Any) -> None:
    async with connected(live[0], payload) as socket:
        assert (await closing(socket))[0] in {4400, 4403}


async def test_an_ordinary_user_cannot_watch_the_system(live: tuple[str, Starlette]) -> None:
    url, app = live
    opened = await Browser(app).register()
    async with connected(url, {"authorization": f"Bearer {opened['accessToken']}"}) as socket:
        assert (await receive(socket))["type"] == "connection_ack"
        await subscribe(socket, WATCH)
        message = await receive(socket)
        errors = message["payload"]["errors"] if message["type"] == "next" else message["payload"]
        assert errors[0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_socket_closes_when_its_token_expires(live: tuple[str, Starlette]) -> None:
    url, app = live
    async with connected(url, {"authorization": f"Bearer {administrator(app, 5)}"}) as socket:
        assert (await receive(socket))["type"] == "connection_ack"
        await subscribe(socket, WATCH)
        assert await closing(socket) == (4403, "Token expired")


async def test_a_socket_closes_when_the_session_ends(live: tuple[str, Starlette]) -> None:
    url, app = live
    browser = Browser(app)
    opened = await browser.register()
    async with connected(url, {"authorization": f"Bearer {opened['accessToken']}"}) as socket:
        assert (await receive(socket))["type"] == "connection_ack"
        await browser.ask("mutation { logOut { __typename } }", opened["accessToken"])
        assert await closing(socket) == (4403, "Token revoked")


async def test_the_legacy_protocol_is_refused(live: tuple[str, Starlette]) -> None:
    address = live[0].replace("http", "ws", 1) + "/graphql"
    async with websockets.connect(address, subprotocols=[websockets.Subprotocol("graphql-ws")]) as socket:
        assert (await closing(socket))[0] == 4406


async def test_pages_of_other_sites_open_no_socket(live: tuple[str, Starlette]) -> None:
    with pytest.raises(websockets.InvalidStatus):
        async with connected(live[0], {}, origin="https://evil.example"):
            pass


async def test_subscriptions_per_socket_are_limited(live: tuple[str, Starlette]) -> None:
    url, app = live
    async with connected(url, {"authorization": f"Bearer {administrator(app)}"}) as socket:
        assert (await receive(socket))["type"] == "connection_ack"
        for number in range(21):
            await subscribe(socket, WATCH, str(number))
        while True:
            message = await receive(socket)
            if message["type"] == "error":
                break
        assert message["id"] == "20"


async def stream(url: str, token: str) -> AsyncIterator[str]:
    """Lines of a subscription by SSE."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(timeout=PATIENCE) as http,
        http.stream("POST", f"{url}/graphql", json={"query": WATCH}, headers=headers) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            yield line


async def test_a_subscription_by_sse_ends_with_its_token(live: tuple[str, Starlette]) -> None:
    url, app = live
    lines = [line async for line in stream(url, administrator(app, 10))]
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    assert data
    assert all(each["data"]["systemStatusChanged"]["queueDepth"] >= 0 for each in data)


async def test_shutdown_does_not_wait_for_sockets_and_streams(services: Services) -> None:
    # without a limit of its own, a server that waited for them would never end
    async with asyncio.timeout(PATIENCE), served(services.settings, graceful_seconds=None) as (url, app):
        token = administrator(app)
        reading = asyncio.create_task(_drain(stream(url, token)))
        socket_context = connected(url, {"authorization": f"Bearer {token}"})
        socket = await socket_context.__aenter__()
        await receive(socket)
        await asyncio.sleep(0.3)
    await asyncio.wait_for(reading, PATIENCE)
    await socket.close()


async def _drain(lines: AsyncIterator[str]) -> None:
    try:
        async for _ in lines:
            pass
    except httpx.HTTPError:
        return


async def test_create_app_needs_a_signing_key(services: Services) -> None:
    from graph.core.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="SIGNING_KEY"):
        create_app(services.settings.model_copy(update={"signing_key": None}))

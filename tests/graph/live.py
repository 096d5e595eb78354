"""The API behind a real port, for sockets and event streams, and clients of both protocols."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
import websockets
from starlette.applications import Starlette

from tests.graph.client import User
from tests.processes import PATIENCE


@asynccontextmanager
async def serve(app: Starlette) -> AsyncIterator[str]:
    """Serve the application on a free port; gives the base URL. Its lifespan is the fixture's, not the server's."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, lifespan="off", log_config=None, ws="websockets-sansio", loop="none"
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), task.exception()
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, PATIENCE)


class Socket:
    """A graphql-transport-ws client; operations run side by side."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._inboxes: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, url: str, token: str | None) -> Socket:
        """Connect and authenticate."""
        connection = await websockets.connect(
            url.replace("http", "ws", 1) + "/graphql", subprotocols=[websockets.Subprotocol("graphql-transport-ws")]
        )
        payload = {"authorization": f"Bearer {token}"} if token else {}
        await connection.send(json.dumps({"type": "connection_init", "payload": payload}))
        answer = json.loads(await connection.recv())
        assert answer["type"] == "connection_ack", answer
        return cls(connection)

    async def _read(self) -> None:
        async for text in self._connection:
            message = json.loads(text)
            if message.get("id") in self._inboxes:
                self._inboxes[message["id"]].put_nowait(message)

    async def subscribe(self, document: str, **variables: Any) -> AsyncIterator[dict[str, Any]]:
        """Yield the payloads of an operation until the server completes it; raises on errors."""
        name = str(len(self._inboxes) + 1)
        inbox = self._inboxes[name] = asyncio.Queue()
        payload = {"query": document, "variables": variables}
        await self._connection.send(json.dumps({"id": name, "type": "subscribe", "payload": payload}))
        while True:
            message = await asyncio.wait_for(inbox.get(), PATIENCE)
            if message["type"] == "complete":
                return
            assert message["type"] == "next", message
            yield message["payload"]

    async def close(self) -> None:
        """Hang up."""
        self._reader.cancel()
        await self._connection.close()


async def stream(url: str, user: User, document: str, **variables: Any) -> AsyncIterator[dict[str, Any]]:
    """Yield the payloads of an operation over server-sent events until the server completes it."""
    headers = {"Authorization": f"Bearer {user.token}", "Accept": "text/event-stream"}
    body = {"query": document, "variables": variables}
    async with (
        httpx.AsyncClient(timeout=PATIENCE) as client,
        client.stream("POST", f"{url}/graphql", json=body, headers=headers) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream"), await answer.aread()
        event = ""
        async for line in answer.aiter_lines():
            if line.startswith("event:"):
                event = line[6:].strip()
                if event == "complete":
                    return
            elif line.startswith("data:") and event == "next":
                yield json.loads(line[5:])

"""A TCP proxy that hurts: delay, throttle, cut or reset after N bytes, freeze, half-open, refuse; each way by itself.

It runs an event loop in a thread of its own. What is hurt is chosen from a seeded generator: `share` of the connections
that are open, and of those that come while the hurt lasts.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar

T = TypeVar("T")
Kind = Literal["delay", "throttle", "cut", "reset", "freeze", "half-open", "refuse"]
Way = Literal["up", "down", "both"]  # up: from client to server
KINDS: tuple[Kind, ...] = ("delay", "throttle", "cut", "reset", "freeze", "half-open", "refuse")
WAYS: tuple[Way, ...] = ("up", "down", "both")
CHUNK = 64 * 1024
# seconds that a server keeps the connection of a half-open client that has gone: its own timeout, so to say
SILENT_SECONDS = 20.0


@dataclass(frozen=True, eq=False)
class Hurt:
    """`amount`: seconds of delay per chunk, bytes per second, or bytes that still pass before a cut or a reset.

    freeze: nothing passes, and all of it comes later. half-open: what is sent is lost, for ever, without a word.
    """

    kind: Kind
    way: Way = "both"
    share: float = 1.0
    amount: float = 0.0

    def covers(self, way: Way) -> bool:
        """Whether bytes of this direction are hurt."""
        return self.way in {way, "both"}


class Link:
    """One connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.writers: dict[Way, asyncio.StreamWriter] = {"up": server, "down": client}
        self.hurts: list[Hurt] = []
        self.left: dict[tuple[Hurt, Way], float] = {}
        self.silent: set[Way] = set()
        self.changed = asyncio.Event()

    def hurt(self, hurt: Hurt) -> None:
        """Begin to hurt it. Half-open is for good: the peer of a connection that went away never comes back."""
        self.hurts.append(hurt)
        for way in ("up", "down"):
            if hurt.covers(way):
                self.left[hurt, way] = hurt.amount
                if hurt.kind == "half-open":
                    self.silent.add(way)
        self.changed.set()

    def heal(self, hurt: Hurt) -> None:
        """Stop."""
        if hurt in self.hurts:
            self.hurts.remove(hurt)
        self.changed.set()

    def end(self, *, reset: bool) -> None:
        """Close both sides, by FIN or by RST."""
        for writer in self.writers.values():
            if reset:
                with contextlib.suppress(OSError):
                    writer.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
            writer.transport.abort() if reset else writer.close()

    async def pass_on(self, way: Way, data: bytes) -> bool:
        """Send a chunk in one direction as its hurts allow; False when the connection is to end."""
        while any(hurt.kind == "freeze" and hurt.covers(way) for hurt in self.hurts):
            self.changed.clear()
            await self.changed.wait()
        for hurt in [hurt for hurt in self.hurts if hurt.covers(way)]:
            if hurt.kind == "delay":
                await asyncio.sleep(hurt.amount)
            elif hurt.kind == "throttle":
                await asyncio.sleep(min(len(data) / hurt.amount, 5.0))
            elif hurt.kind in {"cut", "reset"}:
                left = self.left[hurt, way]
                self.left[hurt, way] = left - len(data)
                if left <= len(data):
                    await self._send(way, data[: int(left)])
                    self.end(reset=hurt.kind == "reset")
                    return False
        if way not in self.silent:
            await self._send(way, data)
        return True

    async def _send(self, way: Way, data: bytes) -> None:
        self.writers[way].write(data)
        await self.writers[way].drain()


class Proxy:
    """Listens on a port of 127.0.0.1 and passes on to another; `hurt` and `heal` may be called from any thread."""

    def __init__(self, name: str, target: tuple[str, int], rng: random.Random) -> None:
        self.name = name
        self.target = target
        self.port = 0
        self._rng = rng
        self._hurts: list[Hurt] = []
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def hurt(self, hurt: Hurt) -> int:
        """Begin; returns how many open connections it strikes."""
        return self._do(self._soon(lambda: self._hurt(hurt)))

    def heal(self, hurt: Hurt | None = None) -> None:
        """End this hurt, or all."""
        self._do(self._soon(lambda: self._heal(hurt)))

    @property
    def connections(self) -> int:
        """Connections that are open."""
        return len(self._links)

    @staticmethod
    async def _soon(work: Callable[[], T]) -> T:
        return work()

    def _hurt(self, hurt: Hurt) -> int:
        self._hurts.append(hurt)
        struck = [link for link in self._links if self._rng.random() < hurt.share]
        for link in struck:
            if hurt.kind == "refuse":
                link.end(reset=True)
            else:
                link.hurt(hurt)
        return len(struck)

    def _heal(self, hurt: Hurt | None) -> None:
        for gone in [hurt] if hurt else list(self._hurts):
            if gone in self._hurts:
                self._hurts.remove(gone)
            for link in self._links:
                link.heal(gone)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connection(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connection(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        struck = [hurt for hurt in self._hurts if self._rng.random() < hurt.share]
        if any(hurt.kind == "refuse" for hurt in struck):
            client.transport.abort()
            return
        try:
            answers, server = await asyncio.open_connection(*self.target, limit=CHUNK)
        except OSError:
            client.transport.abort()
            return
        link = Link(client, server)
        for hurt in struck:
            link.hurt(hurt)
        self._links.add(link)
        pumps = {
            asyncio.create_task(self._pump(link, "up", reader)),
            asyncio.create_task(self._pump(link, "down", answers)),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            if link.silent:  # nobody tells the other side
                await asyncio.wait(pumps, timeout=SILENT_SECONDS)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            link.end(reset=bool(link.silent))
            self._links.discard(link)

    @staticmethod
    async def _pump(link: Link, way: Way, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if not await link.pass_on(way, data):
                    return

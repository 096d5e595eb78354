"""Live status: small notices on Redis pub/sub, one connection per process, fanned out to all subscribers.

A notice only says "look again": subscribers read the truth from PostgreSQL. Lost notices are covered by the snapshot
that follows a (re)connection: after an interruption every subscriber gets one `RESYNC` message.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import orjson
import redis.asyncio
import structlog

from graph.core.redis import REDIS_ERRORS, connection_options
from graph.core.remember import Shared
from graph.core.settings import Settings

RESYNC: Final[dict[str, Any]] = {"resync": True}
REVOKED_CHANNEL: Final = "karyaksham:revoked"
_QUEUE_SIZE = 1000
# a silent connection is asked for a sign of life after this, and given up after it once more
_PING_SECONDS = 10.0
# how often subscribers are looked through for those who have heard nothing for long
_REMIND_SECONDS = 0.5
# what a thousand subscribers look at after one notice is read once
_LOOK_SECONDS = 1.0

log = structlog.get_logger(__name__)


def job_channel(job_id: UUID) -> str:
    """Channel of one job."""
    return f"karyaksham:job:{job_id}"


def workspace_channel(workspace_id: UUID) -> str:
    """Channel of all jobs of a workspace."""
    return f"karyaksham:workspace:{workspace_id}"


class Subscription:
    """An async iterator of messages; starts listening when made, stops at the end of its `subscribe` block."""

    def __init__(self, look_after: float | None = None) -> None:
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_QUEUE_SIZE)
        self._look_after = look_after
        self._heard = time.monotonic()

    def remind(self, now: float) -> None:
        """Tell a reader that waits and has heard nothing for `look_after` seconds to look again.

        One clock for all: a timer for each wait is a tenth of what a change costs per follower.
        """
        if self._look_after is not None and now - self._heard >= self._look_after and self._queue.empty():
            self.put(RESYNC)

    def put(self, message: dict[str, Any]) -> None:
        """Add a message; a reader that fell behind loses old ones and is told to look again."""
        self._heard = time.monotonic()
        if self._queue.full():
            while not self._queue.empty():
                self._queue.get_nowait()
            message = RESYNC
        self._queue.put_nowait(message)

    async def get(self) -> dict[str, Any]:
        """Wait for the next message."""
        return await self._queue.get()

    def pending(self) -> list[dict[str, Any]]:
        """Return what has come already, without waiting: a reader that looks once serves all of it."""
        messages = []
        while not self._queue.empty():
            messages.append(self._queue.get_nowait())
        return messages

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> dict[str, Any]:
        return await self._queue.get()


class Events:
    """Publishes notices and hands them to subscribers of this process."""

    def __init__(self, settings: Settings) -> None:
        self._redis = redis.asyncio.Redis.from_url(settings.redis_url, **connection_options())
        # a listening connection waits without end: no read timeout, our own PINGs notice a dead peer
        self._listener = redis.asyncio.Redis.from_url(
            settings.redis_url, **{**connection_options(), "socket_timeout": None, "health_check_interval": 0}
        )
        self._pubsub: Any = self._listener.pubsub()
        self._subscribers: dict[str, set[Subscription]] = {}
        # set once the server has confirmed the channel for the first time
        self._waiting: dict[str, asyncio.Event] = {}
        # channels that the server has confirmed on the connection of now
        self._live: set[str] = set()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._reminder: asyncio.Task[None] | None = None
        self.looks = Shared(_LOOK_SECONDS)

    async def publish(self, channel: str, message: dict[str, Any]) -> bool:
        """Publish any JSON message; False when Redis is down."""
        try:
            await self._redis.publish(channel, orjson.dumps(message))
        except REDIS_ERRORS as error:
            log.warning("publish_failed", channel=channel, error=str(error))
            return False
        return True

    async def publish_job(self, job_id: UUID, workspace_id: UUID, sequence: int) -> bool:
        """Tell subscribers of the job and of its workspace that the job's row reached this sequence number."""
        return await self.publish_jobs([(job_id, workspace_id, sequence)])

    async def publish_jobs(self, changes: Sequence[tuple[UUID, UUID, int]]) -> bool:
        """Do the same for several (job, workspace, sequence) in one round trip."""
        if not changes:
            return True
        pipe = self._redis.pipeline(transaction=False)
        for job_id, workspace_id, sequence in changes:
            message = orjson.dumps({"job": str(job_id), "sequence": sequence})
            pipe.publish(job_channel(job_id), message)
            pipe.publish(workspace_channel(workspace_id), message)
        try:
            await pipe.execute()
        except REDIS_ERRORS as error:
            log.warning("publish_failed", job_id=str(changes[0][0]), jobs=len(changes), error=str(error))
            return False
        return True

    @asynccontextmanager
    async def subscribe(self, channel: str, look_after: float | None = None) -> AsyncIterator[Subscription]:
        """Listen to a channel; inside the block nothing is missed (read the snapshot after entering).

        When Redis is down the block is entered after two seconds all the same, and a `RESYNC` message follows the
        connection. One also comes when nothing else has for `look_after` seconds, or half a second more: Redis may have
        lost a notice, or be away.
        """
        subscription = Subscription(look_after)
        self._subscribers.setdefault(channel, set()).add(subscription)
        self._start()
        confirmed = self._waiting.get(channel)
        if confirmed is None:
            confirmed = self._waiting[channel] = asyncio.Event()
            self._changed.set()
        try:
            try:
                await asyncio.wait_for(confirmed.wait(), 2)
            except TimeoutError:
                confirmed.set()  # in without confirmation: the one that comes late is told as RESYNC
            yield subscription
        finally:
            listeners = self._subscribers.get(channel)
            if listeners is not None:
                listeners.discard(subscription)
                if not listeners:
                    del self._subscribers[channel]
                    self._waiting.pop(channel, None)
                    self._changed.set()

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="events")
        if self._reminder is None or self._reminder.done():
            self._reminder = asyncio.create_task(self._remind(), name="events-reminder")

    async def _remind(self) -> None:
        while True:
            await asyncio.sleep(_REMIND_SECONDS)
            now = time.monotonic()
            for subscribers in self._subscribers.values():
                for subscription in subscribers:
                    subscription.remind(now)

    async def _run(self) -> None:
        """Keep one connection subscribed to exactly the channels that somebody listens to."""
        delay = 0.1
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await self._serve()
            except REDIS_ERRORS as error:
                log.warning("events_disconnected", error=str(error))
                self._live.clear()
                with contextlib.suppress(*REDIS_ERRORS):
                    await self._pubsub.aclose()
                self._pubsub = self._listener.pubsub()
                lasted = asyncio.get_running_loop().time() - started
                delay = 0.1 if lasted > 10 else min(delay * 2, 2.0)
                await asyncio.sleep(delay)

    async def _serve(self) -> None:
        active: set[str] = set()
        reader: asyncio.Task[None] | None = None
        try:
            while True:
                self._changed.clear()
                wanted = set(self._subscribers)
                if new := wanted - active:
                    await self._pubsub.subscribe(*new)
                    active |= new
                    if reader is None:
                        reader = asyncio.create_task(self._read(), name="events-reader")
                if old := active - wanted:
                    self._live -= old
                    await self._pubsub.unsubscribe(*old)
                    active -= old
                for channel in wanted & self._live:  # left and entered again before we looked
                    self._confirm(channel)
                changed = asyncio.create_task(self._changed.wait())
                try:
                    await asyncio.wait({changed, *([reader] if reader else [])}, return_when="FIRST_COMPLETED")
                finally:
                    changed.cancel()
                if reader is not None and reader.done():
                    reader.result()
                    reader = None
        finally:
            if reader is not None:
                reader.cancel()
                with contextlib.suppress(asyncio.CancelledError, *REDIS_ERRORS):
                    await reader

    def _confirm(self, channel: str) -> bool:
        """Let those in who wait for the channel; False when it had been confirmed before."""
        event = self._waiting.get(channel)
        if event is None or event.is_set():
            return False
        event.set()
        return True

    async def _read(self) -> None:
        asked = False
        while True:
            message = await self._pubsub.get_message(timeout=_PING_SECONDS)
            if message is None:
                if asked:  # a connection that was cut without a word would stay silent for ever
                    raise redis.exceptions.ConnectionError("Redis answers no PING")
                await self._pubsub.ping()
                asked = True
                continue
            asked = False
            kind = message["type"]
            if kind in {"subscribe", "unsubscribe", "message"}:
                self._handle(kind, message["channel"].decode(), message["data"])

    def _handle(self, kind: str, channel: str, data: Any) -> None:
        if kind == "subscribe":
            self._live.add(channel)
            # the client library subscribes again by itself after a cut: what came meanwhile is lost
            if not self._confirm(channel):
                self._deliver(channel, RESYNC)
        elif kind == "unsubscribe":
            self._live.discard(channel)
        else:
            try:
                payload = orjson.loads(data)
            except ValueError:
                return  # not ours
            if isinstance(payload, dict):
                self._deliver(channel, payload)

    def _deliver(self, channel: str, payload: dict[str, Any]) -> None:
        for subscription in self._subscribers.get(channel, ()):
            subscription.put(payload)

    async def close(self) -> None:
        """Stop listening and close all connections."""
        for task in (self._task, self._reminder):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        with contextlib.suppress(*REDIS_ERRORS):
            await self._pubsub.aclose()
        await self._listener.aclose()
        await self._redis.aclose()

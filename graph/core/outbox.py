"""What sends the rows of an outbox: a bounded number at once, one after the other in each task, until none is due."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, Protocol, TypeVar
from uuid import UUID

import structlog

from graph.core.errors import ServiceUnavailable

_CLOSE_SECONDS: Final = 3.0

log = structlog.get_logger(__name__)


class Row(Protocol):
    """What was claimed, under a lease."""

    @property
    def id(self) -> UUID:
        """The row's id."""


R = TypeVar("R", bound=Row)


class Pump(Generic[R]):
    """Claims what is due and delivers it; what breaks is claimed anew after its lease."""

    def __init__(
        self, what: str, at_once: int, claim: Callable[[], Awaitable[R | None]], deliver: Callable[[R], Awaitable[None]]
    ) -> None:
        self._what = what
        self._at_once = at_once
        self._claim = claim
        self._deliver = deliver
        self._running: set[asyncio.Task[None]] = set()

    async def fill(self) -> None:
        """Begin what is due as long as there is room; returns before it is delivered."""
        while len(self._running) < self._at_once:
            row = await self._claim()
            if row is None:
                return
            task = asyncio.create_task(self._chain(row))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def drain(self) -> None:
        """Begin what is due and wait until nothing is under way."""
        await self.fill()
        while self._running:
            await asyncio.wait(self._running)

    async def close(self) -> None:
        """Give what is under way a moment; what is cut off is delivered again by another worker."""
        if self._running:
            await asyncio.wait(self._running, timeout=_CLOSE_SECONDS)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _chain(self, row: R) -> None:
        following: R | None = row
        while following is not None:
            row = following
            try:
                await self._deliver(row)
                following = await self._claim()
            except ServiceUnavailable as error:  # the lease ends, and another attempt follows
                log.warning("outbox_not_noted", outbox=self._what, id=str(row.id), error=str(error))
                return
            except Exception:
                log.exception("outbox_broke", outbox=self._what, id=str(row.id))
                return

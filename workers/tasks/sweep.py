"""The sweeper, in every worker: takes jobs from silent workers, and jobs whose bell was lost.

PostgreSQL alone decides, so any number of sweepers may run at once; work on storage is done by one worker at a time,
by a lock in Redis that merely saves requests.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from graph.core.errors import ServiceUnavailable
from graph.core.queue import Queue
from graph.core.redis import REDIS_ERRORS
from graph.core.telemetry import JOBS, QUEUE_DEPTH, QUEUE_OLDEST_SECONDS
from graph.jobs.leases import Leases
from graph.jobs.orders import largest_worker
from workers.slots import Slots

EXPIRE_SECONDS: Final = 2.0
REFUSE_SECONDS: Final = 15.0
log = structlog.get_logger(__name__)


async def every(seconds: float, work: Callable[[], Awaitable[object]], *, name: str) -> None:
    """Repeat for ever with a little jitter; an error is logged and the next round comes all the same."""
    while True:
        try:
            await work()
        except ServiceUnavailable as error:
            log.warning("sweep_postponed", sweep=name, error=str(error))
        except Exception:
            log.exception("sweep_failed", sweep=name)
        await asyncio.sleep(seconds * random.uniform(0.8, 1.2))  # noqa: S311  # spreads workers, hides nothing


class Sweeper:
    """What each worker looks after besides its own jobs."""

    def __init__(self, leases: Leases, slots: Slots, queue: Queue, worker_id: str) -> None:
        self._leases = leases
        self._slots = slots
        self._queue = queue
        self._worker_id = worker_id

    async def expire(self) -> None:
        """End attempts of silent workers, and fill own free slots with whatever waits."""
        loop = asyncio.get_running_loop()
        for job_id, attempt, seconds in await self._leases.expire():
            log.warning("lease_expired", job_id=str(job_id), next_attempt=attempt)

            def ring(job_id: object = job_id, attempt: int = attempt) -> None:
                loop.create_task(self._queue.ring(job_id, attempt))  # type: ignore[arg-type]  # noqa: RUF006

            loop.call_later(seconds, ring)
        await self._slots.fill()

    async def refuse_too_large(self) -> None:
        """End jobs that wait for more memory than any living worker has."""
        largest = await largest_worker(self._queue)
        if largest is None:
            return
        for job_id in await self._leases.refuse_larger(max(largest, self._slots.memory.total)):
            log.warning("job_too_large", job_id=str(job_id), largest_worker=largest)

    async def measure(self) -> None:
        """Write the queue's state into the metrics."""
        waiting, oldest, by_status = await self._leases.queue_state()
        QUEUE_DEPTH.set(waiting)
        QUEUE_OLDEST_SECONDS.set(oldest)
        for status in ("PENDING", "RUNNING"):
            JOBS.labels(status).set(by_status.get(status, 0))

    async def elected(self, name: str, seconds: float) -> bool:
        """Tell whether this worker does the round called `name`; nobody else within `seconds`."""
        try:
            return bool(
                await self._queue.redis.set(
                    f"karyaksham:sweep:{name}", self._worker_id, nx=True, px=int(seconds * 1000)
                )
            )
        except REDIS_ERRORS:
            return False

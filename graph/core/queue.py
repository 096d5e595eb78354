"""The doorbell of the workers: arq on Redis. PostgreSQL is the truth, so losing a ring loses nothing."""

from __future__ import annotations

import time
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.jobs import serialize_job

from graph.core.redis import REDIS_ERRORS, connect_arq
from graph.core.settings import Settings

QUEUE_NAME: Final = "karyaksham:jobs"
# a queue of their own: short tasks (inspection) never wait behind workers whose slots are full of long jobs
TASKS_QUEUE_NAME: Final = "karyaksham:tasks"
RUN_JOB: Final = "run_job"
# a ring that nobody heard for so long is forgotten; the sweeper knows the job
_RING_MS: Final = 86_400_000

log = structlog.get_logger(__name__)


def serialize(value: dict[str, Any]) -> bytes:
    """Job serializer: JSON, since arq's default is pickle."""
    return orjson.dumps(value)


def deserialize(raw: bytes) -> dict[str, Any]:
    """Inverse of `serialize`."""
    value: dict[str, Any] = orjson.loads(raw)
    return value


class Queue:
    """Rings for jobs and tells how many rings wait."""

    def __init__(self, settings: Settings) -> None:
        self.redis: ArqRedis = connect_arq(
            settings, job_serializer=serialize, job_deserializer=deserialize, default_queue_name=QUEUE_NAME
        )

    async def ring(self, job_id: UUID, attempt: int) -> bool:
        """Enqueue one attempt of a job, at most once; False when Redis is down: the sweeper rings again.

        What arq's `enqueue_job` does in four round trips, in one: a ring that is there already stays as it is.
        """
        name, now = f"{job_id}:{attempt}", int(time.time() * 1000)
        ring = serialize_job(RUN_JOB, (str(job_id), attempt), {}, None, now, serializer=serialize)
        pipe = self.redis.pipeline(transaction=True)
        pipe.set(job_key_prefix + name, ring, px=_RING_MS, nx=True)
        pipe.zadd(QUEUE_NAME, {name: now}, nx=True)
        try:
            await pipe.execute()
        except REDIS_ERRORS as error:
            log.warning("queue_ring_failed", job_id=str(job_id), attempt=attempt, error=str(error))
            return False
        return True

    async def enqueue(self, task: str, *args: Any, unique_id: str | None = None) -> bool:
        """Enqueue another task (sweep, inspect, purge) by name; False when Redis is down."""
        try:
            await self.redis.enqueue_job(task, *args, _job_id=unique_id, _queue_name=TASKS_QUEUE_NAME)
        except REDIS_ERRORS as error:
            log.warning("queue_enqueue_failed", task=task, error=str(error))
            return False
        return True

    async def queue_depth(self) -> int | None:
        """Number of rings due now (arq counts running ones too); None when Redis is down."""
        try:
            # arq rounds a ring's time to whole milliseconds, up as well as down
            return int(await self.redis.zcount(QUEUE_NAME, "-inf", time.time() * 1000 + 1))
        except REDIS_ERRORS:
            return None

    async def ping(self) -> None:
        """Ask Redis for a sign of life; raises one of `REDIS_ERRORS`."""
        await self.redis.ping()

    async def close(self) -> None:
        """Close all connections."""
        await self.redis.aclose(close_connection_pool=True)

"""Signs of life of a worker in the Redis hash `karyaksham:workers`, for the administrators' page and `doctor`."""

from __future__ import annotations

import os
import socket
import time
from typing import Final

import orjson

from graph.core.queue import WORKERS_KEY, Queue
from graph.core.redis import REDIS_ERRORS
from workers.slots import Slots

BEAT_SECONDS: Final = 2.0
FORGET_SECONDS: Final = 60.0


class Heartbeat:
    """Writes `{id, host, pid, slots, running, memoryBytes, memoryFreeBytes, at}` under the worker's id.

    `at` is in Unix seconds; memory is what the worker has for jobs, and what of it no job has.
    """

    def __init__(self, queue: Queue, slots: Slots, worker_id: str) -> None:
        self._redis = queue.redis
        self._slots = slots
        self._id = worker_id

    async def beat(self) -> None:
        """Write one sign of life, and remove those of workers that are long gone."""
        sign = {
            "id": self._id,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "slots": self._slots.size,
            "running": self._slots.running,
            "memoryBytes": self._slots.memory.total,
            "memoryFreeBytes": self._slots.memory.free,
            "at": time.time(),
        }
        try:
            await self._redis.hset(WORKERS_KEY, self._id, orjson.dumps(sign).decode())  # type: ignore[misc]  # async client
            others = await self._redis.hgetall(WORKERS_KEY)  # type: ignore[misc]
            gone = [name for name, raw in others.items() if orjson.loads(raw)["at"] < time.time() - FORGET_SECONDS]
            if gone:
                await self._redis.hdel(WORKERS_KEY, *gone)  # type: ignore[misc]
        except REDIS_ERRORS:
            return  # the next one comes in two seconds

    async def stop(self) -> None:
        """Remove the sign: this worker has left in good order."""
        try:
            await self._redis.hdel(WORKERS_KEY, self._id)  # type: ignore[misc]
        except REDIS_ERRORS:
            return

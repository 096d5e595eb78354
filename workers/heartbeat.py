"""Signs of life of a worker in Redis (`graph.core.fleet`), and the orders that come back with them."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Callable
from typing import Final

from graph.core import fleet
from graph.core.fleet import WORKERS_KEY, Order, WorkerState
from graph.core.machine import read_machine
from graph.core.queue import Queue
from graph.core.redis import REDIS_ERRORS
from graph.core.versions import service_version
from workers.slots import Slots

BEAT_SECONDS: Final = 2.0

__all__ = ["BEAT_SECONDS", "WORKERS_KEY", "Heartbeat"]


class Heartbeat:
    """Tells who this worker is, what it runs and how its machine is; `obey` is called with each order that is read.

    An order is read again with every beat: obeying twice must change nothing.
    """

    def __init__(
        self, queue: Queue, slots: Slots, worker_id: str, spill_dir: str | None, obey: Callable[[Order], None]
    ) -> None:
        self._queue = queue
        self._slots = slots
        self._id = worker_id
        self._disk = spill_dir
        self._obey = obey
        self._started_at = time.time()
        self._version = service_version()

    def sign(self) -> WorkerState:
        """Return what is told now."""
        # the folder for spilled data may be made by the first job only
        disk = self._disk if self._disk and os.path.isdir(self._disk) else tempfile.gettempdir()  # noqa: PTH112
        return WorkerState(
            id=self._id,
            host=socket.gethostname(),
            pid=os.getpid(),
            slots=self._slots.size,
            running=self._slots.running,
            at=time.time(),
            version=self._version,
            started_at=self._started_at,
            jobs=tuple(self._slots.jobs),
            draining=self._slots.paused,
            machine=read_machine(disk),
            memory_bytes=self._slots.memory.total,
            memory_free_bytes=self._slots.memory.free,
        )

    async def beat(self) -> None:
        """Write one sign of life, and obey."""
        try:
            order = await fleet.beat(self._queue, self.sign())
        except REDIS_ERRORS:
            return  # the next one comes in two seconds
        if order is not None:
            self._obey(order)

    async def stop(self) -> None:
        """Remove the sign: this worker has left in good order."""
        try:
            await fleet.forget(self._queue, self._id)
        except REDIS_ERRORS:
            return

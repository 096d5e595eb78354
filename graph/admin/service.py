"""The state of the whole system, for administrators and for Prometheus."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from graph.admin import repository
from graph.admin.repository import JobFigures, StorageFigures
from graph.core.db import Database
from graph.core.fleet import WORKERS_KEY, WorkerState, read_workers
from graph.core.machine import Machine, read_machine
from graph.core.queue import Queue
from graph.core.telemetry import JOBS, QUEUE_DEPTH, QUEUE_OLDEST_SECONDS

__all__ = ["STATUSES", "WORKERS_KEY", "Status", "StatusReader", "read_jobs", "read_status", "read_workers"]
# summing up all results reads all jobs: figures of storage may be this old
STORAGE_SECONDS: Final = 60.0
STATUSES: Final = ("PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED")


@dataclass(frozen=True, slots=True)
class Status:
    """Everything at one time; `workers` is None when Redis is down."""

    at: float
    jobs: JobFigures
    workers: list[WorkerState] | None
    machine: Machine
    storage: StorageFigures


async def read_jobs(db: Database) -> JobFigures:
    """Count jobs in all workspaces, and set the gauges of Prometheus."""
    async with db.system() as session:
        figures = await repository.job_figures(session)
    for status in STATUSES:
        JOBS.labels(status).set(figures.by_status.get(status, 0))
    QUEUE_DEPTH.set(figures.by_status.get("PENDING", 0))
    QUEUE_OLDEST_SECONDS.set(figures.oldest_pending_seconds or 0)
    return figures


async def read_status(db: Database, queue: Queue, storage: StorageFigures) -> Status:
    """Read everything but the figures of storage."""
    jobs, workers = await asyncio.gather(read_jobs(db), read_workers(queue))
    return Status(at=time.time(), jobs=jobs, workers=workers, machine=read_machine(), storage=storage)


class StatusReader:
    """Reads the status for all watchers at once: ten open pages cost as much as one."""

    def __init__(self, db: Database, queue: Queue, fresh_seconds: float = 1.0) -> None:
        self._db = db
        self._queue = queue
        self._fresh = fresh_seconds
        self._last: Status | None = None
        self._storage: StorageFigures | None = None
        self._lock = asyncio.Lock()

    async def read(self) -> Status:
        """Return a status not older than a second; its figures of storage may be a minute old."""
        async with self._lock:
            if self._last is None or time.time() - self._last.at > self._fresh:
                if self._storage is None or time.time() - self._storage.at > STORAGE_SECONDS:
                    async with self._db.system() as session:
                        self._storage = await repository.storage_figures(session)
                self._last = await read_status(self._db, self._queue, self._storage)
            return self._last

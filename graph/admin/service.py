"""The state of the whole system, for administrators and for Prometheus."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

import orjson

from graph.admin import repository
from graph.admin.machine import Machine, read_machine
from graph.admin.repository import JobFigures
from graph.core.db import Database
from graph.core.queue import Queue
from graph.core.redis import REDIS_ERRORS
from graph.core.telemetry import JOBS, QUEUE_DEPTH, QUEUE_OLDEST_SECONDS

WORKERS_KEY: Final = "karyaksham:workers"
ALIVE_SECONDS: Final = 15
STATUSES: Final = ("PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED")


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker's last sign of life; `at` in Unix seconds."""

    id: str
    host: str
    pid: int
    slots: int
    running: int
    at: float

    @property
    def alive(self) -> bool:
        """Whether the sign is recent."""
        return time.time() - self.at < ALIVE_SECONDS


@dataclass(frozen=True, slots=True)
class Status:
    """Everything at one time; `workers` is None when Redis is down."""

    at: float
    jobs: JobFigures
    workers: list[WorkerState] | None
    machine: Machine


async def read_workers(queue: Queue) -> list[WorkerState] | None:
    """Return the workers that gave a sign of life, None when Redis is down; broken entries are skipped."""
    try:
        raw: dict[bytes, bytes] = await queue.redis.hgetall(WORKERS_KEY)  # type: ignore[misc]  # async client
    except REDIS_ERRORS:
        return None
    workers = []
    for value in raw.values():
        try:
            sign = orjson.loads(value)
            workers.append(
                WorkerState(
                    id=str(sign["id"]),
                    host=str(sign["host"]),
                    pid=int(sign["pid"]),
                    slots=int(sign["slots"]),
                    running=int(sign["running"]),
                    at=float(sign["at"]),
                )
            )
        except (ValueError, KeyError, TypeError):
            continue
    return sorted(workers, key=lambda worker: worker.id)


async def read_jobs(db: Database) -> JobFigures:
    """Count jobs in all workspaces, and set the gauges of Prometheus."""
    async with db.system() as session:
        figures = await repository.job_figures(session)
    for status in STATUSES:
        JOBS.labels(status).set(figures.by_status.get(status, 0))
    QUEUE_DEPTH.set(figures.by_status.get("PENDING", 0))
    QUEUE_OLDEST_SECONDS.set(figures.oldest_pending_seconds or 0)
    return figures


async def read_status(db: Database, queue: Queue) -> Status:
    """Read everything."""
    jobs, workers = await asyncio.gather(read_jobs(db), read_workers(queue))
    return Status(at=time.time(), jobs=jobs, workers=workers, machine=read_machine())


class StatusReader:
    """Reads the status for all watchers at once: ten open pages cost as much as one."""

    def __init__(self, db: Database, queue: Queue, fresh_seconds: float = 1.0) -> None:
        self._db = db
        self._queue = queue
        self._fresh = fresh_seconds
        self._last: Status | None = None
        self._lock = asyncio.Lock()

    async def read(self) -> Status:
        """Return a status not older than a second."""
        async with self._lock:
            if self._last is None or time.time() - self._last.at > self._fresh:
                self._last = await read_status(self._db, self._queue)
            return self._last

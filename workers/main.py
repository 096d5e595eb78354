"""A worker process: claims jobs and runs them until it is told to stop. `karyaksham worker` calls `run`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import structlog

from graph.core import telemetry
from graph.core.db import Database
from graph.core.errors import ServiceUnavailable
from graph.core.events import Events
from graph.core.fleet import Order
from graph.core.queue import Queue
from graph.core.redis import REDIS_ERRORS
from graph.core.sealing import Sealer
from graph.core.settings import Settings, get_settings
from graph.core.storage import Storage
from graph.datasets.service import INSPECT_TASK, DatasetService
from graph.jobs.leases import CANCEL_CHANNEL, Leases
from graph.jobs.logs import LogKeeper
from graph.jobs.service import JobService
from graph.mails.mailer import Mailer
from graph.retention.orphans import OrphanSweeper
from graph.retention.service import RetentionService
from graph.schedules.ticker import Ticker
from graph.second_factor.keys import seal_anew
from graph.uploads.service import UploadService
from graph.webhooks.deliverer import Deliverer
from workers import bell, metrics
from workers.copies import TRIM_SECONDS, Copies
from workers.gauges import GAUGES_SECONDS, USAGE_SECONDS, Gauges
from workers.heartbeat import BEAT_SECONDS, Heartbeat
from workers.memory import Memory
from workers.runner import ChildPool
from workers.slots import Slots
from workers.spill import clear_stale_spill
from workers.tasks.inspect import Inspector
from workers.tasks.purge import Purger
from workers.tasks.run_job import JobRunner
from workers.tasks.sweep import EXPIRE_SECONDS, REFUSE_SECONDS, Sweeper, every

INSPECTIONS_AT_ONCE = 1
INSPECTION_TIMEOUT_SECONDS = 600.0
PURGE_SECONDS = 60.0
SCHEDULES_SECONDS = 1.0
WEBHOOKS_SECONDS = 1.0
MAILS_SECONDS = 1.0
PRUNE_SECONDS = 3600.0
# all statements of workers are short; a lease must outlive one that hangs
STATEMENT_TIMEOUT_MS = 8_000
RETENTION_SECONDS = 300.0
CLOSE_SECONDS = 5.0
RING_AGAIN_SECONDS = 30.0

log = structlog.get_logger(__name__)


class WorkerProcess:
    """All parts of one worker, wired together."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.serving = asyncio.Event()
        self.id = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"
        size = settings.worker_concurrency
        self.db = Database(
            settings.database_url,
            pool_size=4,
            max_overflow=size,
            statement_timeout_ms=STATEMENT_TIMEOUT_MS,
            application_name="karyaksham-worker",
        )
        self.queue = Queue(settings)
        self.events = Events(settings)
        self.storage = Storage(settings)
        self.children = ChildPool(size)
        self.inspectors = ChildPool(INSPECTIONS_AT_ONCE)
        self.leases = Leases(self.db, self.storage, self.events, settings)
        self.copies = Copies(settings)
        self.runner = JobRunner(self.leases, self.children, self.queue, self.storage, self.copies, settings)
        self.slots = Slots(size, Memory(settings), self.leases, self.runner, self.id)
        datasets = DatasetService(self.db, self.storage, self.queue)
        uploads = UploadService(self.db, self.storage, self.queue, settings)
        self.inspector = Inspector(datasets, self.inspectors, settings.job_memory_limit_bytes)
        self.sweeper = Sweeper(self.leases, self.slots, self.queue, self.id)
        retention = RetentionService(self.db, self.storage, self.events, settings)
        orphans = OrphanSweeper(self.db, self.storage, settings)
        keeper = LogKeeper(self.db, self.storage)
        self.purger = Purger(self.leases, datasets, uploads, retention, orphans, keeper)
        jobs = JobService(self.db, self.storage, self.queue, self.events, settings)
        self.ticker = Ticker(self.db, jobs)
        self.gauges = Gauges(self.db, self.children, self.slots, self.sweeper, settings.spill_dir)
        self.sealer = Sealer.from_settings(settings)
        self.deliverer = Deliverer(self.db, self.sealer, settings.webhook_networks)
        self.mailer = Mailer(self.db, settings)
        self.heartbeat = Heartbeat(self.queue, self.slots, self.id, settings.spill_dir, self._obey)

    async def serve(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then drain and close everything."""
        async with AsyncExitStack() as stack:
            senders = (self.deliverer, self.mailer)
            for part in (self.db, self.queue, self.events, self.storage, self.inspectors, self.children, *senders):
                stack.push_async_callback(_close, type(part).__name__, part.close)
            await asyncio.to_thread(clear_stale_spill, self.settings.spill_dir)
            await asyncio.to_thread(self.copies.clear_stale)
            server = await metrics.start(self.settings.api_host, self.settings.worker_metrics_port, self.ready)
            if server is not None:
                stack.callback(server.close)
            if not await self._warm(stop):
                return
            loops = [asyncio.create_task(loop, name=name) for name, loop in self._loops().items()]
            self.serving.set()
            log.info("worker_ready", worker=self.id, slots=self.slots.size, memory_bytes=self.slots.memory.total)
            try:
                await self._watch(stop, loops)
            finally:
                await self.slots.close(self.settings.worker_drain_seconds)
                await _end(loops)
                await self.heartbeat.stop()
                log.info("worker_stopped", worker=self.id)

    async def _warm(self, stop: asyncio.Event) -> bool:
        """Start the children; no job is claimed before there is an engine to run it. False when told to stop."""
        warming = asyncio.create_task(self._start_children())
        stopping = asyncio.create_task(_until(stop))
        await asyncio.wait({warming, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not warming.done():
            warming.cancel()
            return False
        return True

    async def _start_children(self) -> None:
        await asyncio.gather(self.children.start(), self.inspectors.start())

    def _loops(self) -> dict[str, Coroutine[Any, Any, None]]:
        inspect = {INSPECT_TASK: (self.inspector.inspect, INSPECTION_TIMEOUT_SECONDS)}
        return {
            "bell": bell.listen_for_jobs(self.settings, self.slots, self.queue),
            "tasks": bell.listen_for_tasks(
                self.settings, inspect, most=INSPECTIONS_AT_ONCE, paused=lambda: self.slots.paused
            ),
            "cancel": self._listen_for_cancel(),
            "beat": every(BEAT_SECONDS, self.heartbeat.beat, name="beat"),
            "expire": every(EXPIRE_SECONDS, self.sweeper.expire, name="expire"),
            "schedules": every(SCHEDULES_SECONDS, self.ticker.run_due, name="schedules"),
            "webhooks": every(WEBHOOKS_SECONDS, self.deliverer.fill, name="webhooks"),
            "mails": every(MAILS_SECONDS, self.mailer.fill, name="mails"),
            "refuse": every(REFUSE_SECONDS, self.sweeper.refuse_too_large, name="refuse"),
            "measure": every(5, self.sweeper.measure, name="measure"),
            "gauges": every(GAUGES_SECONDS, self.gauges.machine, name="gauges"),
            "copies": every(TRIM_SECONDS, self._trim_copies, name="copies"),
            "usage": every(USAGE_SECONDS / 2, self.gauges.usage, name="usage"),
            "ring": every(RING_AGAIN_SECONDS / 2, self._ring_again, name="ring"),
            "purge": every(PURGE_SECONDS / 2, self._purge, name="purge"),
            "retention": every(RETENTION_SECONDS / 2, self._expire, name="retention"),
        }

    async def _watch(self, stop: asyncio.Event, loops: list[asyncio.Task[None]]) -> None:
        """Wait for the order to stop; a loop that ends is a bug, and ends the process for its supervisor to restart."""
        stopping = asyncio.create_task(_until(stop))
        done, _ = await asyncio.wait({stopping, *loops}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in done - {stopping}:
            task.result()
            raise RuntimeError(f"the worker's loop {task.get_name()} ended")

    async def _listen_for_cancel(self) -> None:
        async with self.events.subscribe(CANCEL_CHANNEL) as messages:
            async for message in messages:
                try:
                    self.runner.look_again(UUID(message["job"]))
                except (KeyError, ValueError):
                    self.runner.look_again()  # after an interruption: look at all

    def _obey(self, order: Order) -> None:
        """Do what an administrator asks; the order is read again and again until another one comes.

        A drained worker takes no job and no inspection. It finishes what it runs, or with `handBack` returns it to the
        queue at once, then stays idle: it still beats, sweeps and purges, until it is told to resume or to stop. It
        does not end by itself, since its supervisor would start another one, which would take jobs.
        """
        paused = order != "resume"
        if paused != self.slots.paused:
            log.info("worker_drained" if paused else "worker_resumed", worker=self.id, order=order)
        self.slots.paused = paused
        if order == "handBack":
            self.runner.drain()

    async def _trim_copies(self) -> None:
        await asyncio.to_thread(self.copies.trim)

    async def _ring_again(self) -> None:
        if await self.sweeper.elected("ring", RING_AGAIN_SECONDS):
            await self.purger.ring_again()

    async def _purge(self) -> None:
        if await self.sweeper.elected("purge", PURGE_SECONDS):
            await self.purger.purge()
        if await self.sweeper.elected("prune", PRUNE_SECONDS):
            await self.deliverer.prune()
            await self.deliverer.seal()
            await self.mailer.prune()
            await seal_anew(self.db, self.sealer)

    async def _expire(self) -> None:
        if await self.sweeper.elected("retention", RETENTION_SECONDS):
            await self.purger.expire()

    async def ready(self) -> str | None:
        """Return None when jobs can run: the engine is loaded, PostgreSQL and Redis answer; else what is amiss."""
        if not self.serving.is_set():
            return "The engine's processes are starting."
        try:
            await self.db.ping()
            await self.queue.ping()
        except ServiceUnavailable as error:
            return str(error)
        except REDIS_ERRORS as error:
            return f"Redis does not answer: {error}"
        return None


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: redis-py loses about 3 % of the cancellations of a polling arq worker."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.2)


async def _close(name: str, close: Callable[[], Awaitable[None]]) -> None:
    """Close one part; a part that hangs holds up neither the others nor the end."""
    try:
        await asyncio.wait_for(close(), CLOSE_SECONDS)
    except TimeoutError:
        log.error("close_timed_out", part=name)


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


async def serve(settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await WorkerProcess(settings).serve(stop)


def run(settings: Settings | None = None) -> int:
    """Run a worker; returns the exit code. Blocks until SIGTERM, which drains it."""
    settings = settings or get_settings()
    telemetry.configure(settings, "worker")
    factory = None
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(settings))
    return 0


if __name__ == "__main__":
    sys.exit(run())

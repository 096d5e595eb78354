"""One attempt of a job: engine in a child, lease kept, progress written, result published or failure recorded."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import structlog

from graph.core.errors import ServiceUnavailable
from graph.core.queue import Queue
from graph.core.settings import Settings
from graph.core.storage import Storage
from graph.core.telemetry import ENGINE_BYTES, ENGINE_ROWS, JOB_SECONDS, STEP_BYTES, STEP_SECONDS, bind, span
from graph.jobs.leases import Assignment, Leases
from graph.jobs.requests import result_from_report
from workers.copies import Copies
from workers.progress import WRITE_SECONDS, Reporter
from workers.runner import AttemptError, ChildPool, ChildProcess
from workers.spill import spill_folder

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(slots=True)
class Control:
    """What others want of a running attempt, and how to reach it."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    engine: asyncio.Task[dict[str, Any]] | None = None
    child: ChildProcess | None = None
    stopped: bool = False
    lost: bool = False
    cancelled: bool = False
    timed_out: bool = False
    draining: bool = False
    finished: bool = False
    stopping: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """End the engine at once, or the wait for a child to run it."""
        self.stopped = True
        if self.child is not None:
            self.child.kill()
        elif self.engine is not None:
            self.engine.cancel()

    def time_out(self) -> None:
        """End the engine because the time of the attempt is over."""
        self.timed_out = True
        self.stopping = asyncio.create_task(self.interrupt())

    async def cancel(self) -> None:
        """End the engine because somebody asked for it."""
        self.cancelled = True
        await self.interrupt()

    async def interrupt(self) -> None:
        """Let the engine stop by itself, for a second at most."""
        if self.child is not None:
            await self.child.cancel()
        else:
            self.stop()


class JobRunner:
    """Runs attempts on the children of a pool, any number at once."""

    def __init__(
        self,
        leases: Leases,
        pool: ChildPool,
        queue: Queue,
        storage: Storage,
        copies: Copies,
        settings: Settings,
    ) -> None:
        self._leases = leases
        self._pool = pool
        self._queue = queue
        self._storage = storage
        self._copies = copies
        self._settings = settings
        self._controls: dict[UUID, Control] = {}
        self._rings: set[asyncio.Task[bool]] = set()

    def look_again(self, job_id: UUID | None = None) -> None:
        """Let this attempt, or all of them, ask the database whether cancel was asked or the lease is lost."""
        for running, control in self._controls.items():
            if job_id in {None, running}:
                control.wake.set()

    def drain(self) -> None:
        """Stop all attempts and hand their jobs back to the queue."""
        for control in self._controls.values():
            control.draining = True
            control.stop()

    async def run(self, work: Assignment) -> None:
        """Run one claimed attempt to its end, whatever that is."""
        control = self._controls[work.job_id] = Control()
        first = work.attempt == 1
        parent = {"parent": work.traceparent} if first else {"link": work.traceparent}
        started = time.monotonic()
        try:
            with (
                bind(job_id=work.job_id, attempt=work.attempt),
                span("job.attempt", **parent, attempt=work.attempt, queued_seconds=work.queued_seconds),  # type: ignore[arg-type]
            ):
                outcome = await self._attempt(work, control)
                seconds = time.monotonic() - started
                log.info("attempt_ended", outcome=outcome, seconds=round(seconds, 3), queued=work.queued_seconds)
                JOB_SECONDS.labels(outcome).observe(seconds)
        finally:
            del self._controls[work.job_id]

    async def _attempt(self, work: Assignment, control: Control) -> str:
        reporter = Reporter()
        try:
            with spill_folder(self._settings.spill_dir) as spill:
                report = await self._engine(work, control, reporter, spill)
            return await self._publish(work, control, reporter, report)
        except AttemptError as error:
            return await self._failed(work, control, reporter, _timeout(work) if control.timed_out else error)
        except Exception as bug:
            # without this the job would wait for its lease to end, with no reason to show
            log.exception("attempt_broke")
            failure = AttemptError("INTERNAL_ERROR", f"The worker failed with a {type(bug).__name__}.", retryable=True)
            return await self._failed(work, control, reporter, failure)

    async def _engine(self, work: Assignment, control: Control, reporter: Reporter, spill: Path) -> dict[str, Any]:
        """Run the engine while keeping the lease; `AttemptError` when it fails or is stopped."""
        control.engine = asyncio.create_task(self._in_child(work, control, reporter, spill))
        keeper = asyncio.create_task(self._keep(work, control, reporter))
        if control.draining:
            control.stop()
        # asyncio's clock is monotonic, and goes on while this process is stopped
        clock = asyncio.get_running_loop().call_later(work.time_limit, control.time_out)
        try:
            return await control.engine
        except asyncio.CancelledError:
            if control.stopped:
                raise AttemptError("STOPPED", "The attempt was stopped.", retryable=True) from None
            raise
        finally:
            clock.cancel()
            control.finished = True
            control.wake.set()
            await keeper

    async def _in_child(self, work: Assignment, control: Control, reporter: Reporter, spill: Path) -> dict[str, Any]:
        """Borrow a child and let it do the work."""
        request = {
            "spec": work.spec,
            "inputs": work.inputs,
            "output": {
                "url": self._storage.url(work.output_prefix),
                "overwrite": False,
                "copy": await asyncio.to_thread(self._copies.request),
            },
            "storage": self._storage.engine_storage(),
            "memoryLimitBytes": work.memory_limit,
            "spillDir": str(spill),
            "threads": self._settings.job_threads or None,
        }
        async with self._pool.child() as child:
            control.child = child
            reporter.line("INFO", f"Engine {child.engine_version} runs in process {child.pid}.")
            try:
                with span("engine.run") as current:
                    report = await child.call(
                        "run",
                        request,
                        memory_limit=work.memory_limit,
                        on_progress=reporter.update,
                    )
                    for name in ("rowsIn", "rowsOut", "bytesRead", "bytesWritten", "seconds"):
                        current.set_attribute(f"engine.{name}", report.get(name) or 0)
                    return report
            finally:
                control.child = None

    async def _keep(self, work: Assignment, control: Control, reporter: Reporter) -> None:
        """Renew the lease, write progress, notice cancel and loss; ends when the engine has."""
        renewed = time.monotonic()
        cancelling: asyncio.Task[None] | None = None
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(control.wake.wait(), WRITE_SECONDS)
            noticed = control.wake.is_set()
            control.wake.clear()
            if control.finished:
                break
            due = time.monotonic() - renewed >= self._settings.heartbeat_seconds
            if not (noticed or due or reporter.fresh):
                continue
            lines = reporter.take()
            try:
                cancel = (
                    await self._leases.progress(work, reporter.progress, lines)
                    if lines or not noticed
                    else await self._leases.renew(work.job_id, work.lease_token)
                )
            except ServiceUnavailable as error:
                reporter.give_back(lines)
                log.warning("lease_not_renewed", error=str(error))
                continue
            renewed = time.monotonic()
            if cancel is None:
                control.lost = True
                control.stop()
            elif cancel and cancelling is None:
                cancelling = asyncio.create_task(control.cancel())
        if cancelling is not None:
            await cancelling

    async def _publish(self, work: Assignment, control: Control, reporter: Reporter, report: dict[str, Any]) -> str:
        result = result_from_report(
            report,
            spec=work.spec,
            inputs=work.inputs,
            attempt=work.attempt,
            seconds=reporter.seconds,
            etags=await self._etags(work),
            sources=work.sources,
        )
        ledger = result["receipt"]
        text = (
            f"{ledger['rowsIn']:,} rows in, {ledger['rowsOut']:,} out, {ledger['rowsFiltered']:,} filtered, "
            f"{ledger['rowsRejected']:,} rejected, in {reporter.seconds:.2f} s."
        )
        if result["rejects"]:
            reporter.line("WARNING", f"{result['rejects']['rows']:,} rows were rejected; see the rejects file.")
        reporter.line("INFO", f"Finished: {text}", {"rows": result["rows"], "sizeBytes": result["sizeBytes"]})
        progress, lines = reporter.progress, reporter.take()
        if await self._insist(lambda: self._leases.publish(work, result, progress, lines)):
            for direction, name in (("read", "bytesRead"), ("written", "bytesWritten")):
                ENGINE_BYTES.labels(direction).inc(report.get(name) or 0)
            for kind in ("In", "Out", "Filtered", "Rejected"):
                ENGINE_ROWS.labels(kind.lower()).inc(report.get(f"rows{kind}") or 0)
            for step in steps_of(work.spec):
                STEP_SECONDS.labels(step).observe(reporter.seconds)
                for direction, name in (("read", "bytesRead"), ("written", "bytesWritten")):
                    STEP_BYTES.labels(step, direction).inc(report.get(name) or 0)
            return "succeeded"
        # fenced off, or cancel was asked while the last byte was written
        error = AttemptError("NOT_PUBLISHED", "The result was not published.", retryable=True)
        return await self._failed(work, control, reporter, error)

    async def _etags(self, work: Assignment) -> dict[str, str]:
        """Return the ETags of what the attempt wrote, by key; none of them where the storage does not answer now."""
        with contextlib.suppress(ServiceUnavailable):
            return {item.key: item.etag async for item in self._storage.list_keys(work.output_prefix)}
        return {}

    async def _failed(self, work: Assignment, control: Control, reporter: Reporter, error: AttemptError) -> str:
        """Record the end of an attempt without a result."""
        if control.lost:
            return await self._lost(work)
        if control.draining and not (control.cancelled or control.timed_out):
            after = await self._insist(lambda: self._leases.hand_back(work))
            if after is not None and after.status == "PENDING":
                await self._queue.ring(work.job_id, after.attempt + 1)
            return "drained"
        outcome = "CRASHED" if error.code == "ENGINE_CRASHED" else "FAILED"
        lines = reporter.take()
        after = await self._insist(lambda: self._leases.fail(work, error.to_json(), outcome=outcome, lines=lines))
        if after is None:
            return await self._lost(work)
        if after.status == "PENDING":
            self._ring_later(work.job_id, after.attempt + 1, _seconds_until(after.next_attempt_at))
            return "retried"
        return after.status.lower()

    async def _lost(self, work: Assignment) -> str:
        """Leave nothing of an attempt whose job is another's by now."""
        log.warning("lease_lost")
        with contextlib.suppress(ServiceUnavailable):
            await self._leases.discard(work)
        return "lost"

    def _ring(self, job_id: UUID, attempt: int) -> None:
        task = asyncio.create_task(self._queue.ring(job_id, attempt))
        self._rings.add(task)
        task.add_done_callback(self._rings.discard)

    def _ring_later(self, job_id: UUID, attempt: int, seconds: float) -> None:
        """Ring when the backoff is over; should this worker be gone by then, the others look by themselves."""
        asyncio.get_running_loop().call_later(seconds, self._ring, job_id, attempt)

    async def _insist(self, write: Callable[[], Awaitable[T]]) -> T:
        """Repeat a write until the database has taken it: an attempt's end is not lost to an outage."""
        delay = 0.2
        while True:
            try:
                return await write()
            except ServiceUnavailable as error:
                log.warning("database_unreachable", error=str(error), retry_seconds=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5)


def steps_of(spec: Mapping[str, Any]) -> set[str]:
    """Return the kinds of steps of a pipeline; `convert` when it has none."""
    return {kind for step in spec.get("steps") or () for kind in step} or {"convert"}


def _timeout(work: Assignment) -> AttemptError:
    return AttemptError(
        "JOB_TIMEOUT",
        f"The attempt took longer than its time limit of {work.time_limit:,} s and was stopped.",
        hint="Run it with a larger timeoutSeconds, or let an administrator raise JOB_TIME_LIMIT_SECONDS.",
    )


def _seconds_until(due: datetime) -> float:
    """Seconds until a moment of PostgreSQL's clock, by this machine's; a little late rather than early."""
    return max(due.timestamp() - time.time(), 0) + 0.05

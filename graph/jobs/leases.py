"""What a worker may do with jobs: claim, report, publish, give back; and what the sweeper mends.

Each method is one transaction; the notice to subscribers goes out after the commit. A write under a token that is not
the newest changes nothing and answers `None` or False: the worker then stops its engine (fencing).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.db import Database, sqlstate
from graph.core.events import Events
from graph.core.settings import Settings
from graph.core.storage import Storage
from graph.core.telemetry import JOB_WAIT_SECONDS, JOBS_ENDED, LEASE_EXPIRIES, RETRIES
from graph.datasets import repository as datasets
from graph.jobs import claim_repository as claims
from graph.jobs import lease_repository as repository
from graph.jobs import state as machine
from graph.jobs.claim_repository import Room
from graph.jobs.history_repository import LogLine
from graph.jobs.receipt import sources_of
from graph.jobs.requests import InputMissing, engine_inputs
from graph.jobs.state import JobState
from graph.models import Job

SWEEP_BATCH: Final = 100
# a larger worker may be about to start
WAIT_FOR_MEMORY: Final = timedelta(seconds=60)
NO_LIMIT: Final = 2**62
UNIQUE_VIOLATION: Final = "23505"
# published when cancel is asked of a running job: workers look at their jobs at once
CANCEL_CHANNEL: Final = "karyaksham:cancel"

_KINDS: Final = {"PENDING": "requeued", "FAILED": "failed", "CANCELLED": "cancelled"}


@dataclass(frozen=True, slots=True)
class Assignment:
    """A claimed attempt: everything that the engine needs except storage credentials.

    Memory in bytes, time in seconds.
    """

    job_id: UUID
    workspace_id: UUID
    attempt: int
    lease_token: int
    spec: dict[str, Any]
    inputs: dict[str, dict[str, Any]]
    output_prefix: str
    memory_limit: int
    time_limit: int
    traceparent: str | None
    queued_seconds: float
    # of each input: datasetId, and the ETag of its object where one is known; for the receipt
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)


def job_prefix(workspace_id: UUID, job_id: UUID) -> str:
    """Key prefix of all that a job ever wrote."""
    return f"w/{workspace_id}/jobs/{job_id}/"


def output_prefix(workspace_id: UUID, job_id: UUID, attempt: int, lease_token: int) -> str:
    """Key prefix of one attempt: no two attempts ever write to the same place."""
    return f"{job_prefix(workspace_id, job_id)}{attempt}-{lease_token}/"


class Leases:
    """The workers' side of the jobs table."""

    def __init__(self, db: Database, storage: Storage, events: Events, settings: Settings) -> None:
        self._db = db
        self._events = events
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._time_limit = settings.job_time_limit_seconds
        self._most_running = settings.workspace_max_running_jobs
        self._anything = Room(NO_LIMIT, NO_LIMIT, settings.job_memory_limit_bytes)
        self._storage = storage

    async def claim(self, worker_id: str, job_id: UUID | None = None, room: Room | None = None) -> Assignment | None:
        """Claim this job, or the one whose turn it is (`claim_repository`); None when there is none for this worker.

        `room` is the memory that it may take, by default any. A job whose data sets were deleted meanwhile fails here,
        and the next one is tried.
        """
        room = room or self._anything
        while True:
            try:
                async with self._db.system() as session:
                    job = await claims.claim(session, job_id, worker_id, self._lease, room, self._most_running)
                    if job is None:
                        return None
                    assignment = await self._begin(session, job, room)
            except IntegrityError as error:
                if sqlstate(error) != UNIQUE_VIOLATION:
                    raise
                continue  # another worker took that slot of the workspace in the same moment
            await self._events.publish_job(job.id, job.workspace_id, job.sequence)
            if assignment is not None:
                JOB_WAIT_SECONDS.observe(assignment.queued_seconds)
                return assignment
            JOBS_ENDED.labels("failed", "user").inc()  # its data set is gone
            if job_id is not None:
                return None

    async def _begin(self, session: AsyncSession, job: Job, room: Room) -> Assignment | None:
        prefix = output_prefix(job.workspace_id, job.id, job.attempt, job.lease_token)
        assert job.lease_until is not None  # noqa: S101  # just set
        now = job.lease_until - self._lease
        ids = [UUID(item["datasetId"]) for item in job.inputs]
        datasets = await repository.datasets_of(session, job.workspace_id, ids)
        try:
            inputs = engine_inputs(job.spec, job.inputs, datasets, self._storage)
        except InputMissing as missing:
            after = machine.fail(repository.state_of(job), job.lease_token, retryable=False, now=now, jitter=0)
            await self._end(session, job, now, after, outcome="FAILED", error=missing.to_json())
            return None
        return Assignment(
            job_id=job.id,
            workspace_id=job.workspace_id,
            attempt=job.attempt,
            lease_token=job.lease_token,
            spec=job.spec,
            inputs=inputs,
            output_prefix=prefix,
            memory_limit=job.memory_limit_bytes or room.default,
            time_limit=min(job.timeout_seconds or self._time_limit, self._time_limit),
            traceparent=job.traceparent,
            queued_seconds=max((now - job.next_attempt_at).total_seconds(), 0),
            sources=sources_of(job.inputs, datasets),
        )

    async def renew(self, job_id: UUID, token: int) -> bool | None:
        """Extend the lease; returns whether cancel was asked, None when the lease is lost."""
        async with self._db.system() as session:
            return await repository.renew(session, job_id, token, self._lease)

    async def progress(self, work: Assignment, progress: dict[str, Any], lines: Sequence[LogLine] = ()) -> bool | None:
        """Write progress and log lines, extend the lease; returns as `renew`."""
        async with self._db.system() as session:
            row = await repository.set_progress(session, work.job_id, work.lease_token, progress, self._lease)
            if row is None:
                return None
            await repository.add_logs(session, work.job_id, work.workspace_id, work.attempt, lines)
        await self._events.publish_job(work.job_id, work.workspace_id, row[0])
        return row[1]

    async def publish(
        self, work: Assignment, result: dict[str, Any], progress: dict[str, Any], lines: Sequence[LogLine]
    ) -> bool:
        """Publish the result of an attempt: the one place where a job becomes SUCCEEDED. False when fenced off.

        May be repeated when the answer was lost: what this token has published stays published, and True.
        """
        async with self._db.system() as session:
            job = await repository.publish(
                session, work.job_id, work.lease_token, result=result, progress=progress, lines=lines
            )
            first = job is not None
            if job is None:
                job = await repository.published(session, work.job_id, work.lease_token)
        if job is None:
            return False
        if first:
            JOBS_ENDED.labels("succeeded", "none").inc()
        await self._events.publish_job(job.id, job.workspace_id, job.sequence)
        return True

    async def fail(
        self, work: Assignment, error: dict[str, Any], *, outcome: str = "FAILED", lines: Sequence[LogLine] = ()
    ) -> JobState | None:
        """End an attempt with an error; returns what became of the job, None when fenced off.

        `lines` are those of the attempt that are not yet written.
        """
        return await self._transition(
            work,
            lambda state, now: machine.fail(
                state,
                work.lease_token,
                retryable=bool(error.get("retryable")),
                now=now,
                jitter=random.random(),  # noqa: S311
            ),
            outcome,
            error,
            lines=lines,
        )

    async def hand_back(self, work: Assignment) -> JobState | None:
        """Give a job back because this worker stops."""
        return await self._transition(
            work, lambda state, now: machine.hand_back(state, work.lease_token, now), "DRAINED", None
        )

    async def _transition(
        self,
        work: Assignment,
        move: Callable[[JobState, datetime], JobState | None],
        outcome: str,
        error: dict[str, Any] | None,
        *,
        lines: Sequence[LogLine] = (),
    ) -> JobState | None:
        async with self._db.system() as session:
            found = await repository.lock(session, work.job_id)
            if found is None:
                return None
            job, now = found
            after = move(repository.state_of(job), now)
            if after is None:
                return None
            await repository.add_logs(session, job.id, job.workspace_id, job.attempt, lines)
            await self._end(session, job, now, after, outcome=outcome, error=error)
        _count(after, error)
        await self._events.publish_job(job.id, job.workspace_id, job.sequence)
        return after

    async def _end(
        self,
        session: AsyncSession,
        job: Job,
        now: datetime,
        after: JobState | None,
        *,
        outcome: str,
        error: dict[str, Any] | None,
    ) -> None:
        """Write the end of an attempt that was not published: job, attempt, event, log."""
        assert after is not None  # noqa: S101  # the caller holds the row and the token
        if after.status == "CANCELLED":
            outcome, error = "CANCELLED", None
        elif after.status == "PENDING" and outcome == "FAILED":
            outcome = "RETRY"
        await repository.end_attempt(session, job, outcome, error)
        job.status, job.max_attempts, job.lease_until = after.status, after.max_attempts, after.lease_until
        job.next_attempt_at, job.sequence = after.next_attempt_at, after.sequence
        job.worker_id = None
        if after.ended:
            job.finished_at = now
            job.error = error
        repository.add_event(session, job, _KINDS[after.status], error and {"code": error["code"]})
        await session.flush()
        line = _last_line(after, outcome, error, now)
        await repository.add_logs(session, job.id, job.workspace_id, job.attempt, [line], always=True)

    async def expire(self) -> list[tuple[UUID, int, float]]:
        """Take jobs from workers whose lease has ended; returns (job, next attempt, seconds until it is due)."""
        again: list[tuple[UUID, int, float]] = []
        changed: list[Job] = []
        ends: list[tuple[JobState, dict[str, Any]]] = []
        async with self._db.system() as session:
            for job, now in await repository.expired(session, SWEEP_BATCH):
                after = machine.expire(repository.state_of(job), now, random.random())  # noqa: S311
                if after is None:
                    continue
                error = {
                    "code": "LEASE_EXPIRED",
                    "message": f"Worker {job.worker_id} stopped answering during attempt {job.attempt}.",
                    "retryable": True,
                    "hint": "The worker crashed, was cut off or froze. Its log tells why.",
                }
                await self._end(session, job, now, after, outcome="LOST", error=error)
                changed.append(job)
                ends.append((after, error))
                if after.status == "PENDING":
                    again.append((job.id, job.attempt + 1, (after.next_attempt_at - now).total_seconds()))
        LEASE_EXPIRIES.inc(len(changed))
        for after, error in ends:
            _count(after, error)
        # one round trip: a Redis that hangs must not hold up the sweep for each of them
        await self._events.publish_jobs([(job.id, job.workspace_id, job.sequence) for job in changed])
        return again

    async def refuse_larger(self, memory: int) -> list[UUID]:
        """End jobs that have waited for more memory than this, in bytes; returns which."""
        changed: list[Job] = []
        async with self._db.system() as session:
            for job, now in await repository.waiting_for_more(session, memory, WAIT_FOR_MEMORY, SWEEP_BATCH):
                after = machine.refuse(repository.state_of(job))
                if after is None:
                    continue
                error = {
                    "code": "MEMORY_UNAVAILABLE",
                    "message": f"The job asks for {job.memory_limit_bytes:,} bytes of memory, the largest worker has "
                    f"{memory:,} for jobs.",
                    "retryable": False,
                    "hint": "Run it with a smaller memoryLimitBytes, or let an administrator start a larger worker.",
                }
                job.status, job.sequence, job.finished_at, job.error = after.status, after.sequence, now, error
                repository.add_event(session, job, "failed", {"code": error["code"]})
                await session.flush()
                line: LogLine = ("ERROR", f"{error['code']}: {error['message']}", error)
                await repository.add_logs(session, job.id, job.workspace_id, job.attempt, [line], always=True)
                changed.append(job)
        for job in changed:
            await self._events.publish_job(job.id, job.workspace_id, job.sequence)
        return [job.id for job in changed]

    async def queue_state(self) -> tuple[int, float, dict[str, int]]:
        """Return (waiting jobs, seconds the oldest has waited, unfinished jobs by status)."""
        async with self._db.system() as session:
            count, age = await repository.waiting(session)
            return count, age, await repository.by_status(session)

    async def discard(self, work: Assignment) -> None:
        """Remove what an attempt wrote that no longer holds its job; nothing happens when it was published.

        The purge may have passed by before its last byte, and a request of a killed engine may still be on its way:
        so the purge comes once more.
        """
        async with self._db.system() as session:
            lost = await repository.clean_again(session, work.job_id, work.lease_token)
        if lost:
            await self._clear(work.output_prefix)

    async def clear_lost_attempts(self) -> int:
        """Delete the objects of attempts that were not published; returns how many attempts were cleared."""
        async with self._db.system() as session:
            attempts = await repository.lost_attempts(session, SWEEP_BATCH)
        for attempt in attempts:  # no transaction is open while the storage works
            await self._clear(attempt.output_prefix)
        if attempts:
            async with self._db.system() as session:
                await repository.mark_cleaned(session, [attempt.id for attempt in attempts])
        return len(attempts)

    async def _clear(self, prefix: str, keep: Collection[str] = ()) -> None:
        """Remove objects, and what a killed engine had begun to upload."""
        for begun in await self._storage.list_multiparts(prefix):
            await self._storage.abort_multipart(begun.key, begun.upload_id)
        await self._storage.delete_prefix(prefix, keep)

    async def clear_deleted_jobs(self) -> int:
        """Delete objects and rows of jobs that users deleted, but for what data sets need; returns how many went."""
        async with self._db.system() as session:
            jobs = await repository.deleted_jobs(session, SWEEP_BATCH)
        for job in jobs:
            async with self._db.system() as session:
                kept = await datasets.keys_made_of(session, job.id)
            await self._clear(job_prefix(job.workspace_id, job.id), kept)
            async with self._db.system() as session:
                await repository.forget_job(session, job.id)
        return len(jobs)


def _count(after: JobState, error: dict[str, Any] | None) -> None:
    """Write the end of an attempt that was not published into the metrics."""
    if after.status == "PENDING":
        if error is not None:  # else the worker stops, which is no failure
            RETRIES.labels(error["code"]).inc()
    elif after.status == "CANCELLED":
        JOBS_ENDED.labels("cancelled", "none").inc()
    else:
        service = error is None or bool(error.get("retryable"))
        JOBS_ENDED.labels("failed", "service" if service else "user").inc()


def _last_line(after: JobState, outcome: str, error: dict[str, Any] | None, now: datetime) -> LogLine:
    if after.status == "CANCELLED":
        return ("WARNING", "Cancelled.", None)
    if outcome == "DRAINED" or error is None:
        return ("INFO", "The worker is stopping; the job goes back to the queue.", None)
    text = f"{error['code']}: {error['message']}"
    if after.status == "PENDING":
        wait = (after.next_attempt_at - now).total_seconds()
        return ("WARNING", f"Attempt {after.attempt} failed, the next starts in {wait:.1f} s. {text}", error)
    return ("ERROR", f"Failed after {after.attempt} of {after.max_attempts} attempts. {text}", error)

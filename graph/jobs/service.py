"""What people do with jobs: run, follow, cancel, repeat, delete.

A job's row is the outbox of the queue: it is committed first, then the bell rings. Should the ring be lost, the
workers find the row by themselves within seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Conflict, NotFound, ServiceUnavailable
from graph.core.events import Events
from graph.core.ids import uuid7
from graph.core.pagination import Page
from graph.core.queue import Queue
from graph.core.settings import Settings
from graph.core.storage import Storage
from graph.core.telemetry import span, traceparent
from graph.datasets import repository as datasets
from graph.jobs import lease_repository as leases
from graph.jobs import log_repository, logs, repository
from graph.jobs import state as machine
from graph.jobs.leases import CANCEL_CHANNEL, job_prefix
from graph.jobs.orders import Order, check_memory, check_order, check_wishes, priority_of
from graph.jobs.requests import schemas_for_validation
from graph.models import Dataset, Job, JobAttempt, JobEvent, JobLog
from graph.pipelines import repository as pipelines
from graph.pipelines.problems import require_valid
from graph.pipelines.service import require_ready
from graph.workspaces.limits import admit_job

ANNOUNCE_SECONDS = 1.0
# notices that Redis has not taken yet: the loop keeps only weak references to tasks
_LATE: set[asyncio.Task[bool]] = set()

log = structlog.get_logger(__name__)


class DatasetNotReady(Conflict):
    """A data set of the order has not been inspected, or cannot be read."""

    code = "DATASET_NOT_READY"


class JobService:
    """Jobs of one workspace at a time."""

    # what the audit log tells besides the deed
    audit_data: ClassVar[dict[str, Any] | None] = None

    def __init__(self, db: Database, storage: Storage, queue: Queue, events: Events, settings: Settings) -> None:
        self._db = db
        self._storage = storage
        self._queue = queue
        self._events = events
        self._settings = settings

    # reading ---------------------------------------------------------------------------------------------------

    async def get(
        self, workspace_id: UUID, job_id: UUID, documents: repository.Documents = repository.DOCUMENTS
    ) -> Job | None:
        """Return a job with these JSON columns, None when the workspace has none of this id."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.get(session, job_id, documents=documents)

    async def get_many(self, workspace_id: UUID, job_ids: Collection[UUID]) -> dict[UUID, Job]:
        """Return jobs by id, the unknown left out."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.get_many(session, job_ids)

    async def page(
        self,
        workspace_id: UUID,
        first: int,
        after: str | None,
        statuses: Collection[str] | None = None,
        documents: repository.Documents = repository.DOCUMENTS,
    ) -> Page[Job]:
        """Return one page of jobs with these JSON columns, newest first."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.page(session, first, after, statuses, documents)

    async def unfinished(self, workspace_id: UUID, limit: int = 100) -> Sequence[Job]:
        """Return jobs that have not ended, oldest first."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.unfinished(session, limit)

    async def versions(self, workspace_id: UUID, version_ids: Collection[UUID]) -> dict[UUID, tuple[UUID, int]]:
        """Return (pipeline, version number) by the id of a pipeline's version."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.versions(session, version_ids)

    async def log_page(self, workspace_id: UUID, job_id: UUID, first: int, after: str | None) -> Page[JobLog]:
        """Return one page of a job's log, oldest line first."""
        return await logs.page(self._db, self._storage, workspace_id, job_id, first, after)

    async def logs_after(self, workspace_id: UUID, job_id: UUID, sequence: int, limit: int = 100) -> Sequence[JobLog]:
        """Return log lines behind a sequence number, oldest first."""
        return await logs.lines_after(self._db, self._storage, workspace_id, job_id, sequence, limit)

    async def event_page(self, workspace_id: UUID, job_id: UUID, first: int, after: str | None) -> Page[JobEvent]:
        """Return one page of a job's history, oldest change first."""
        async with self._db.tenant(workspace_id) as session:
            return await log_repository.event_page(session, job_id, first, after)

    async def attempts(self, workspace_id: UUID, job_ids: Collection[UUID]) -> dict[UUID, list[JobAttempt]]:
        """Return the attempts of these jobs, in order."""
        async with self._db.tenant(workspace_id) as session:
            return await log_repository.attempts(session, job_ids)

    # running ---------------------------------------------------------------------------------------------------

    async def run(self, workspace_id: UUID, user_id: UUID, order: Order) -> Job:
        """Create a job and ring for it; with a known idempotency key the existing job is returned instead.

        Raises `InvalidPipeline` (all problems), `InvalidInput`, `NotFound`, `QuotaExceeded`, or `Conflict`
        (DATASET_NOT_READY).
        """
        check_order(order)
        check_wishes(order, self._settings)
        await check_memory(order, self._queue)
        async with self._db.bulk():
            with span("job.create"):
                async with self._db.tenant(workspace_id) as session:
                    job, created = await self.create(session, workspace_id, user_id, order)
                if created or job.status == "PENDING":
                    await self.ring(job)
        return job

    async def ring(self, job: Job) -> None:
        """Tell subscribers and workers of a job that is committed and waits."""
        await self._announce(job, ring=True)

    async def create(
        self, session: AsyncSession, workspace_id: UUID, user_id: UUID | None, order: Order, *, check: bool = True
    ) -> tuple[Job, bool]:
        """Add a job to the transaction; the flag tells whether it is new. `ring` for it after the commit.

        Without `check` the engine is not asked whether the pipeline suits the data sets: the job itself will say so.
        """
        key = order.idempotency_key
        if key is not None and (known := await repository.by_key(session, key)) is not None:
            return known, False
        version_id, name, spec = await resolve_spec(session, order)
        found = await datasets.get_many(session, {item.dataset_id for item in order.inputs}, for_reading=True)
        inputs: dict[str, Dataset] = {}
        for index, item in enumerate(order.inputs):
            dataset = found.get(item.dataset_id)
            if dataset is None:
                raise NotFound.of("data set", path=["inputs", index, "datasetId"])
            try:
                require_ready(dataset, path=["inputs", index, "datasetId"])
            except Conflict as error:
                raise DatasetNotReady(error.message, path=error.path) from error
            inputs[item.name] = dataset
        if check:
            await require_valid(spec, schemas_for_validation(spec, inputs))
        if name is None:
            main = inputs.get("input") or next(iter(inputs.values()))
            name = main.name
        values = {
            "id": uuid7(),
            "workspace_id": workspace_id,
            "name": name,
            "pipeline_version_id": version_id,
            "spec": spec,
            "inputs": [{"name": item.name, "datasetId": str(item.dataset_id)} for item in order.inputs],
            "status": "PENDING",
            "memory_limit_bytes": order.memory_limit_bytes,
            "timeout_seconds": order.timeout_seconds,
            "max_attempts": self._settings.max_attempts,
            "sequence": 1,
            "idempotency_key": key,
            "schedule_id": order.schedule_id,
            "traceparent": traceparent(),
            "created_by": user_id,
        }
        # last, since near the limit others of the workspace wait for this transaction from here on
        limits = await admit_job(session, workspace_id, self._settings)
        job = await repository.add(session, values | {"priority": priority_of(order, limits.max_priority)})
        if job is None:  # a request with the same key was faster
            job = await repository.by_key(session, key or "")
            if job is None:
                raise Conflict("A job with this idempotencyKey is being deleted. Use another key.", code="KEY_IN_USE")
            return job, False
        await record(
            session,
            "job.run",
            actor_id=user_id,
            workspace_id=workspace_id,
            object_type="Job",
            object_id=job.id,
            data={"name": name, "inputs": values["inputs"]},
        )
        return job, True

    async def _announce(self, job: Job, *, ring: bool = False, cancel: bool = False) -> None:
        """Tell subscribers, and the workers where there is something to do; all of it may fail without harm.

        A Redis that hangs holds an answer up for a second at most: what is committed is true already.
        """
        notices = [self._events.publish_job(job.id, job.workspace_id, job.sequence)]
        if ring:
            notices.append(self._queue.ring(job.id, job.attempt + 1))
        if cancel:
            notices.append(self._events.publish(CANCEL_CHANNEL, {"job": str(job.id)}))
        tasks = {asyncio.create_task(notice) for notice in notices}
        _, late = await asyncio.wait(tasks, timeout=ANNOUNCE_SECONDS)
        for task in late:
            _LATE.add(task)
            task.add_done_callback(_LATE.discard)

    # changing --------------------------------------------------------------------------------------------------

    async def cancel(self, workspace_id: UUID, user_id: UUID, job_id: UUID) -> Job:
        """Cancel a job: at once while it waits, within two seconds while it runs. Repeating changes nothing.

        Raises `NotFound`, or `Conflict` (JOB_ENDED) for one that has succeeded or failed.
        """
        async with self._db.tenant(workspace_id) as session:
            job, now = await self._lock(session, job_id)
            if job.status == "CANCELLED":
                return job
            before = leases.state_of(job)
            after = machine.cancel(before)
            if after is None:
                raise Conflict(f"The job has already ended: {job.status}.", code="JOB_ENDED", path=["id"])
            if after != before:
                job.status, job.sequence = after.status, after.sequence
                job.cancel_requested_at = now
                if after.ended:
                    job.finished_at = now
                kind = "cancelled" if after.ended else "cancelRequested"
                text = "Cancelled before it started." if after.ended else "Cancel was requested."
                await self._write_down(session, job, user_id, action="cancel", kind=kind, text=text)
        await self._announce(job, cancel=True)
        return job

    async def retry(self, workspace_id: UUID, user_id: UUID, job_id: UUID) -> Job:
        """Run a failed or cancelled job again, with as many attempts as a new one.

        Raises `NotFound`, `QuotaExceeded`, or `Conflict` (JOB_NOT_RETRYABLE) for one that runs, waits or has succeeded.
        """
        async with self._db.tenant(workspace_id) as session:
            job, now = await self._lock(session, job_id)
            after = machine.retry(leases.state_of(job), self._settings.max_attempts, now)
            if after is None:
                raise Conflict(
                    f"Only a failed or cancelled job can be run again; this one is {job.status}.",
                    code="JOB_NOT_RETRYABLE",
                    path=["id"],
                )
            await admit_job(session, workspace_id, self._settings)
            job.status, job.sequence, job.max_attempts = after.status, after.sequence, after.max_attempts
            job.next_attempt_at = after.next_attempt_at
            job.error = job.progress = job.cancel_requested_at = job.started_at = job.finished_at = None
            job.traceparent = traceparent()
            await self._write_down(session, job, user_id, action="retry", kind="retried", text="Queued again.")
        await self._announce(job, ring=True)
        return job

    async def delete(self, workspace_id: UUID, user_id: UUID, job_id: UUID) -> UUID:
        """Delete a job that has ended, with its result; the row is hidden at once, then the objects go.

        Those of which data sets were made stay: they are the data sets' from now on.

        Raises `NotFound`, or `Conflict` (JOB_RUNNING) while it has not ended.
        """
        async with self._db.tenant(workspace_id) as session:
            job, now = await self._lock(session, job_id)
            if job.status not in machine.TERMINAL:
                raise Conflict("The job has not ended. Cancel it first.", code="JOB_RUNNING", path=["id"])
            job.deleted_at = now
            job.idempotency_key = None
            job.sequence += 1
            await self._write_down(session, job, user_id, action="delete", kind="deleted", text="Deleted.")
        await self._announce(job)
        async with self._db.tenant(workspace_id) as session:
            kept = await datasets.keys_made_of(session, job.id)
        with contextlib.suppress(ServiceUnavailable):  # the purge removes what is left, and later the row
            await self._storage.delete_prefix(job_prefix(workspace_id, job.id), kept)
        return job_id

    async def _lock(self, session: AsyncSession, job_id: UUID) -> tuple[Job, datetime]:
        found = await leases.lock(session, job_id)
        if found is None or found[0].deleted_at is not None:
            raise NotFound.of("job")
        return found

    async def _write_down(
        self, session: AsyncSession, job: Job, user_id: UUID, *, action: str, kind: str, text: str
    ) -> None:
        """Add event, log line and audit row of a person's action to its transaction."""
        leases.add_event(session, job, kind, {"by": str(user_id)})
        await session.flush()
        await leases.add_logs(session, job.id, job.workspace_id, job.attempt, [("INFO", text, None)], always=True)
        await record(
            session,
            f"job.{action}",
            actor_id=user_id,
            workspace_id=job.workspace_id,
            object_type="Job",
            object_id=job.id,
            data=self.audit_data,
        )


async def resolve_spec(session: AsyncSession, order: Order) -> tuple[UUID | None, str | None, dict[str, Any]]:
    """Return (version id, name, specification) of what is to run."""
    if order.pipeline_id is None:
        return None, None, order.spec or {}
    found = await pipelines.get_with_latest(session, order.pipeline_id)
    if found is None:
        raise NotFound.of("pipeline", path=["pipelineId"])
    pipeline, version = found
    return version.id, pipeline.name, version.spec

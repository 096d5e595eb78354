"""What administrators do: jobs of any workspace, workers, the audit log."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

from graph.admin import repository
from graph.admin.repository import AuditFilter, HistoryPoint
from graph.core import fleet
from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Conflict, InvalidInput, NotFound, ServiceUnavailable
from graph.core.fleet import Order, WorkerState
from graph.core.pagination import Page
from graph.core.queue import Queue
from graph.core.redis import REDIS_ERRORS
from graph.jobs.administration import AdministratorJobs
from graph.models import AuditLog, Job

HISTORY_POINTS: Final = 60
HISTORY_HOURS_MOST: Final = 168


class Administration:
    """For callers who were found to be administrators."""

    def __init__(self, db: Database, queue: Queue, jobs: AdministratorJobs) -> None:
        self._db = db
        self._queue = queue
        self._jobs = jobs

    async def jobs(
        self, first: int, after: str | None, statuses: Collection[str] | None, workspace_id: UUID | None
    ) -> Page[Job]:
        """Return one page of the jobs of all workspaces, newest first."""
        async with self._db.system() as session:
            return await repository.job_page(session, first, after, statuses, workspace_id)

    async def audit(self, first: int, after: str | None, wanted: AuditFilter) -> tuple[Page[AuditLog], dict[UUID, str]]:
        """Return one page of the audit log, newest first, and its actors' e-mail addresses."""
        async with self._db.system() as session:
            return await repository.audit_page(session, first, after, wanted)

    async def history(self, hours: int) -> tuple[list[HistoryPoint], int]:
        """Return what the last hours did in 60 spans, oldest first, and the length of a span in seconds."""
        if not 1 <= hours <= HISTORY_HOURS_MOST:
            raise InvalidInput(f"`hours` takes 1 to {HISTORY_HOURS_MOST}.", code="HOURS_OUT_OF_RANGE", path=["hours"])
        width = hours * 3600 // HISTORY_POINTS
        async with self._db.system() as session:
            return await repository.job_history(session, width, HISTORY_POINTS), width

    async def _workspace(self, job_id: UUID) -> UUID:
        async with self._db.system() as session:
            workspace_id = await repository.workspace_of_job(session, job_id)
        if workspace_id is None:
            raise NotFound("There is no such job.", path=["id"])
        return workspace_id

    async def cancel_job(self, user_id: UUID, job_id: UUID) -> Job:
        """Cancel a job of any workspace; as `JobService.cancel`."""
        return await self._jobs.cancel(await self._workspace(job_id), user_id, job_id)

    async def requeue_job(self, user_id: UUID, job_id: UUID) -> Job:
        """Have a job of any workspace run anew; as `AdministratorJobs.requeue`."""
        return await self._jobs.requeue(await self._workspace(job_id), user_id, job_id)

    async def order_worker(self, user_id: UUID, worker_id: str, order: Order) -> WorkerState:
        """Leave an order for a worker, who obeys within seconds; returns its last sign of life.

        Raises `NotFound`, `Conflict` (WORKER_SILENT) for one that would not read it, or `ServiceUnavailable`.
        """
        workers = await fleet.read_workers(self._queue)
        if workers is None:
            raise ServiceUnavailable("Redis")
        worker = next((each for each in workers if each.id == worker_id), None)
        if worker is None:
            raise NotFound("There is no worker of this id; `systemStatus` lists them.", path=["id"])
        if not worker.alive:
            raise Conflict(
                "The worker has been silent for a while. Its jobs go to others when their leases end.",
                code="WORKER_SILENT",
                path=["id"],
            )
        # written down first: an order that Redis does not take is one too many in the log, not one too few
        async with self._db.system() as session:
            await record(
                session,
                f"worker.{'resume' if order == 'resume' else 'drain'}",
                actor_id=user_id,
                workspace_id=None,
                object_type="Worker",
                data={"worker": worker_id, "order": order},
            )
        try:
            await fleet.give_order(self._queue, worker_id, order)
        except REDIS_ERRORS as error:
            raise ServiceUnavailable("Redis") from error
        return worker

"""What administrators do with jobs of any workspace: the rules are those of `JobService`, and the audit log says so."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from graph.core.errors import Conflict
from graph.core.telemetry import traceparent
from graph.jobs import lease_repository as leases
from graph.jobs import state as machine
from graph.jobs.service import JobService
from graph.models import Job


class AdministratorJobs(JobService):
    """Jobs of any workspace; the caller has found out which one, and that it is an administrator who asks."""

    audit_data: ClassVar[dict[str, bool]] = {"administrator": True}

    async def requeue(self, workspace_id: UUID, user_id: UUID, job_id: UUID) -> Job:
        """Have a job run anew: an ended one again, a waiting one at once, a running one on whichever worker is free.

        Whoever runs it now loses its lease and publishes nothing. Raises `NotFound`, or `Conflict`:
        JOB_NOT_RETRYABLE for one that has succeeded, CANCEL_REQUESTED for a running one that is being cancelled.
        """
        async with self._db.tenant(workspace_id) as session:
            job, now = await self._lock(session, job_id)
            before = leases.state_of(job)
            after = machine.requeue(before, self._settings.max_attempts, now)
            if after is None:
                if before.ended:
                    raise Conflict(
                        "The job has succeeded; run its pipeline again.", code="JOB_NOT_RETRYABLE", path=["id"]
                    )
                raise Conflict(
                    "The job is being cancelled. Requeue it when it has ended.", code="CANCEL_REQUESTED", path=["id"]
                )
            if before.status == "RUNNING":
                error = {"code": "REQUEUED", "message": "An administrator took the job back.", "retryable": True}
                await leases.end_attempt(session, job, "DRAINED", error)
            if before.ended:
                job.started_at = job.finished_at = None
            job.status, job.sequence, job.max_attempts = after.status, after.sequence, after.max_attempts
            job.next_attempt_at, job.lease_until, job.worker_id = after.next_attempt_at, None, None
            job.error = job.progress = job.cancel_requested_at = None
            job.traceparent = traceparent()
            text = "Queued again by an administrator."
            await self._write_down(session, job, user_id, action="requeue", kind="requeued", text=text)
        # the worker that runs it looks at its lease, and finds it gone
        await self._announce(job, ring=True, cancel=before.status == "RUNNING")
        return job

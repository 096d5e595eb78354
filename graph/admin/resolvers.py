"""Root fields for administrators."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime

import strawberry

from graph.admin.operation_types import (
    AdminCancelJobInput,
    AdminCancelJobResult,
    AdminCancelJobSuccess,
    AdminJob,
    AdminRequeueJobInput,
    AdminRequeueJobResult,
    AdminRequeueJobSuccess,
    AuditEntry,
    DrainWorkerInput,
    DrainWorkerResult,
    DrainWorkerSuccess,
    ResumeWorkerInput,
    ResumeWorkerResult,
    ResumeWorkerSuccess,
)
from graph.admin.operations import Administration
from graph.admin.repository import AuditFilter
from graph.admin.types import SystemStatus, ThroughputPoint, WorkerStatus
from graph.admin.user_types import AdminUser, SetUserDisabledInput, SetUserDisabledResult, SetUserDisabledSuccess
from graph.admin.users import AdministratorUsers
from graph.api.connection import Connection, to_connection
from graph.api.fields import mutation, query, subscription
from graph.api.permissions import IsAdministrator
from graph.context import Info
from graph.core.ids import from_global
from graph.jobs.administration import AdministratorJobs
from graph.jobs.types import JobStatus

_INTERVAL_SECONDS = 2.0


def administration(info: Info) -> Administration:
    """Return the service of this request."""
    context = info.context
    jobs = AdministratorJobs(context.db, context.storage, context.queue, context.events, context.settings)
    return Administration(context.db, context.queue, jobs)


@strawberry.type
class AdminQuery:
    """The system at a glance."""

    @query(IsAdministrator, description="The whole system; administrators only.")
    async def system_status(self, info: Info) -> SystemStatus:
        """Read it."""
        return SystemStatus.of(await info.context.services.status.read())

    @query(
        IsAdministrator,
        description="What the last hours (1 to 168) did, in 60 spans of time, oldest first; administrators only.",
    )
    async def throughput_history(self, info: Info, hours: int = 24) -> list[ThroughputPoint]:
        """Count it."""
        points, seconds = await administration(info).history(hours)
        return [ThroughputPoint.of(point, seconds) for point in points]

    @query(
        IsAdministrator,
        description="The accounts, newest first; `search` is part of a name or an e-mail address. Administrators only.",
    )
    async def admin_users(
        self, info: Info, first: int, after: str | None = None, search: str | None = None
    ) -> Connection[AdminUser]:
        """One page."""
        page, factors = await AdministratorUsers(info.context.db, info.context.events).page(first, after, search)
        return to_connection(page, lambda row: AdminUser.of(row, row.id in factors), after=after)

    @query(IsAdministrator, description="The jobs of all workspaces, or of one, newest first; administrators only.")
    async def admin_jobs(
        self,
        info: Info,
        first: int,
        after: str | None = None,
        status: list[JobStatus] | None = None,
        workspace_id: strawberry.ID | None = None,
    ) -> Connection[AdminJob]:
        """One page."""
        workspace = None if workspace_id is None else from_global(workspace_id, "Workspace", path=("workspaceId",))
        statuses = [item.value for item in status] if status else None
        page = await administration(info).jobs(first, after, statuses, workspace)
        return to_connection(page, AdminJob.of, after=after)

    @query(
        IsAdministrator,
        description="Who did what, newest first; administrators only. `action` is a whole one (`job.run`), or a group "
        "with its dot (`job.`); `since` is included, `until` is not.",
    )
    async def audit_log(
        self,
        info: Info,
        first: int,
        after: str | None = None,
        actor_id: strawberry.ID | None = None,
        workspace_id: strawberry.ID | None = None,
        action: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Connection[AuditEntry]:
        """One page."""
        wanted = AuditFilter(
            actor_id=None if actor_id is None else from_global(actor_id, "User", path=("actorId",)),
            workspace_id=None
            if workspace_id is None
            else from_global(workspace_id, "Workspace", path=("workspaceId",)),
            action=action,
            since=since,
            until=until,
        )
        page, emails = await administration(info).audit(first, after, wanted)
        return to_connection(
            page, lambda row: AuditEntry.of(row, emails.get(row.actor_id) if row.actor_id else None), after=after
        )


@strawberry.type
class AdminMutation:
    """What administrators do."""

    @mutation(IsAdministrator, description="Cancel a job of any workspace; administrators only.")
    async def admin_cancel_job(self, info: Info, input: AdminCancelJobInput) -> AdminCancelJobResult:
        """Cancel."""
        viewer, job_id = info.context.require_viewer(), from_global(input.id, "Job")
        return AdminCancelJobSuccess(job=AdminJob.of(await administration(info).cancel_job(viewer.user_id, job_id)))

    @mutation(
        IsAdministrator,
        description="Run a job of any workspace anew: an ended one again, a waiting one at once, a running one "
        "elsewhere; administrators only.",
    )
    async def admin_requeue_job(self, info: Info, input: AdminRequeueJobInput) -> AdminRequeueJobResult:
        """Requeue."""
        viewer, job_id = info.context.require_viewer(), from_global(input.id, "Job")
        return AdminRequeueJobSuccess(job=AdminJob.of(await administration(info).requeue_job(viewer.user_id, job_id)))

    @mutation(
        IsAdministrator,
        description="Let a worker take no more jobs and inspections. It finishes what it runs, or hands it back, and "
        "stays idle until it is resumed or stopped; a worker that is started anew is not drained. Administrators only.",
    )
    async def drain_worker(self, info: Info, input: DrainWorkerInput) -> DrainWorkerResult:
        """Drain."""
        viewer, order = info.context.require_viewer(), "handBack" if input.hand_back else "drain"
        worker = await administration(info).order_worker(viewer.user_id, input.id, order)  # type: ignore[arg-type]
        return DrainWorkerSuccess(worker=WorkerStatus.of(worker))

    @mutation(IsAdministrator, description="Let a drained worker take jobs again; administrators only.")
    async def resume_worker(self, info: Info, input: ResumeWorkerInput) -> ResumeWorkerResult:
        """Resume."""
        viewer = info.context.require_viewer()
        worker = await administration(info).order_worker(viewer.user_id, input.id, "resume")
        return ResumeWorkerSuccess(worker=WorkerStatus.of(worker))

    @mutation(
        IsAdministrator,
        description="Disable an account, which ends its sessions and holds its API tokens back, or enable it again. "
        "Its data stays. Administrators only.",
    )
    async def set_user_disabled(self, info: Info, input: SetUserDisabledInput) -> SetUserDisabledResult:
        """Set it."""
        context, user_id = info.context, from_global(input.id, "User")
        users = AdministratorUsers(context.db, context.events)
        row = await users.set_disabled(context.require_viewer(), user_id, disabled=input.disabled)
        return SetUserDisabledSuccess(user=AdminUser.of(*row))


@strawberry.type
class AdminSubscription:
    """The system as it changes."""

    @subscription(IsAdministrator, description="The whole system every two seconds; administrators only.")
    async def system_status_changed(self, info: Info) -> AsyncGenerator[SystemStatus, None]:
        """Read it again and again."""
        while True:
            yield SystemStatus.of(await info.context.services.status.read())
            await asyncio.sleep(_INTERVAL_SECONDS)

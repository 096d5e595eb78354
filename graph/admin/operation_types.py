"""GraphQL types of what administrators do: jobs of any workspace, workers, the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from graph.admin.types import WorkerStatus
from graph.api.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from graph.core.ids import to_global
from graph.jobs.types import JobError, JobStatus
from graph.models import AuditLog
from graph.models import Job as JobRow


def _gid(type_name: str, value: UUID | None) -> strawberry.ID | None:
    return None if value is None else strawberry.ID(to_global(type_name, value))


@strawberry.type(
    description="A job of any workspace, without what it reads and made: that is its workspace's business."
)
class AdminJob:
    """A job as administrators see it."""

    id: strawberry.ID
    workspace_id: strawberry.ID
    name: str
    status: JobStatus
    attempt: int
    max_attempts: int
    worker: str | None = strawberry.field(description="Id of the worker that runs it, as in `systemStatus`.")
    cancel_requested: bool
    error: JobError | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, row: JobRow) -> AdminJob:
        """Make it of a row."""
        return cls(
            id=strawberry.ID(to_global("Job", row.id)),
            workspace_id=strawberry.ID(to_global("Workspace", row.workspace_id)),
            name=row.name,
            status=JobStatus(row.status),
            attempt=row.attempt,
            max_attempts=row.max_attempts,
            worker=row.worker_id if row.status == "RUNNING" else None,
            cancel_requested=row.cancel_requested_at is not None,
            error=JobError.of(row.error),
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )


@strawberry.type(description="Something that somebody did. Entries are never changed.")
class AuditEntry:
    """An entry of the audit log."""

    id: strawberry.ID
    at: datetime
    action: str = strawberry.field(description="What was done, e.g. `job.run`.")
    actor_id: strawberry.ID | None = strawberry.field(description="Who did it; null where nobody was logged in.")
    actor_email: str | None = strawberry.field(description="Null when the account is gone.")
    workspace_id: strawberry.ID | None
    object_type: str | None
    object_id: strawberry.ID | None
    address: str | None
    request_id: str | None
    data: JSON | None

    @classmethod
    def of(cls, row: AuditLog, email: str | None) -> AuditEntry:
        """Make it of a row."""
        return cls(
            id=strawberry.ID(to_global("AuditEntry", row.id)),
            at=row.created_at,
            action=row.action,
            actor_id=_gid("User", row.actor_id),
            actor_email=email,
            workspace_id=_gid("Workspace", row.workspace_id),
            object_type=row.object_type,
            object_id=_gid(row.object_type or "Object", row.object_id),
            address=row.address,
            request_id=row.request_id,
            data=None if row.data is None else JSON(row.data),
        )


@strawberry.input(description="Which job to cancel, of any workspace.")
class AdminCancelJobInput:
    """Input of adminCancelJob."""

    id: strawberry.ID


@strawberry.input(description="Which job to run anew, of any workspace.")
class AdminRequeueJobInput:
    """Input of adminRequeueJob."""

    id: strawberry.ID


@strawberry.input(description="Which worker is to take no more jobs, by its id in `systemStatus`.")
class DrainWorkerInput:
    """Input of drainWorker."""

    id: str
    hand_back: bool = strawberry.field(
        default=False, description="Give what it runs back to the queue at once, rather than let it finish."
    )


@strawberry.input(description="Which drained worker is to take jobs again.")
class ResumeWorkerInput:
    """Input of resumeWorker."""

    id: str


@strawberry.type
class AdminCancelJobSuccess:
    """The job is cancelled, or will be within two seconds."""

    job: AdminJob


@strawberry.type
class AdminRequeueJobSuccess:
    """The job waits for a worker; whoever ran it publishes nothing."""

    job: AdminJob


@strawberry.type
class DrainWorkerSuccess:
    """The worker will have read it within seconds; `worker` is its state before."""

    worker: WorkerStatus


@strawberry.type
class ResumeWorkerSuccess:
    """The worker will have read it within seconds; `worker` is its state before."""

    worker: WorkerStatus


AdminCancelJobResult = Annotated[
    AdminCancelJobSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("AdminCancelJobResult"),
]
AdminRequeueJobResult = Annotated[
    AdminRequeueJobSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("AdminRequeueJobResult"),
]
DrainWorkerResult = Annotated[
    DrainWorkerSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("DrainWorkerResult"),
]
ResumeWorkerResult = Annotated[
    ResumeWorkerSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("ResumeWorkerResult"),
]

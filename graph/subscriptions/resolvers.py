"""Root fields of Subscription about jobs, over WebSocket (graphql-transport-ws) and SSE."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from uuid import UUID

import strawberry

from graph.api.fields import subscription
from graph.api.permissions import CanRead
from graph.api.sharing import event
from graph.context import Info
from graph.core.errors import NotFound
from graph.core.ids import try_global
from graph.core.pagination import decode_int_cursor
from graph.jobs.loaders import job_service
from graph.jobs.log_types import JobLogEntry
from graph.jobs.types import Job
from graph.subscriptions import streams


def _job_id(gid: str) -> UUID:
    job_id = try_global(gid, "Job")
    if job_id is None:
        raise NotFound.of("job")
    return job_id


@strawberry.type
class JobsSubscription:
    """What happens to jobs."""

    @subscription(CanRead, description="The job now, then after each change; ends after its final state.")
    async def job_updated(self, info: Info, id: strawberry.ID) -> AsyncGenerator[Job, None]:
        """One job."""
        context = info.context
        async for row in streams.job_updates(job_service(info), context.events, context.workspace_id, _job_id(id)):
            yield event(row, Job.of)

    @subscription(CanRead, description="The jobs under way, then every job of the workspace when it changes.")
    async def jobs_changed(self, info: Info) -> AsyncGenerator[Job, None]:
        """All jobs."""
        context = info.context
        async for row in streams.workspace_changes(job_service(info), context.events, context.workspace_id):
            yield event(row, Job.of)

    @subscription(
        CanRead, description="The log behind the cursor `after`, then each new line; ends with the job's last line."
    )
    async def job_log(
        self, info: Info, id: strawberry.ID, after: str | None = None
    ) -> AsyncGenerator[JobLogEntry, None]:
        """One job's log."""
        context = info.context
        start = 0 if after is None else decode_int_cursor(after)
        async for row in streams.job_log(job_service(info), context.events, context.workspace_id, _job_id(id), start):
            yield JobLogEntry.of(row)

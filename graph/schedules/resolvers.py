"""Root fields of schedules."""

from __future__ import annotations

from uuid import UUID

import strawberry

from graph.api.connection import Connection, to_connection
from graph.api.fields import mutation, query
from graph.api.permissions import CanRead, CanWrite
from graph.context import Info
from graph.core.ids import from_global, to_global, try_global
from graph.pipelines.types import NamedInput
from graph.schedules.service import Changes
from graph.schedules.types import (
    CreateScheduleInput,
    CreateScheduleResult,
    CreateScheduleSuccess,
    DeleteScheduleInput,
    DeleteScheduleResult,
    DeleteScheduleSuccess,
    Schedule,
    UpdateScheduleInput,
    UpdateScheduleResult,
    UpdateScheduleSuccess,
    schedule_service,
)


async def load_schedule(info: Info, schedule_id: UUID) -> Schedule | None:
    """Return a schedule of the active workspace, for `node`."""
    row = await schedule_service(info).get(info.context.workspace_id, schedule_id)
    return None if row is None else Schedule.of(row)


@strawberry.type
class SchedulesQuery:
    """Reading schedules."""

    @query(CanRead, description="A schedule of the active workspace; null when there is none of this id.")
    async def schedule(self, info: Info, id: strawberry.ID) -> Schedule | None:
        """One schedule."""
        schedule_id = try_global(id, "Schedule")
        return None if schedule_id is None else await load_schedule(info, schedule_id)

    @query(CanRead, description="The schedules of the active workspace, newest first.")
    async def schedules(self, info: Info, first: int, after: str | None = None) -> Connection[Schedule]:
        """One page."""
        page = await schedule_service(info).page(info.context.workspace_id, first, after)
        return to_connection(page, Schedule.of, after=after)


@strawberry.type
class SchedulesMutation:
    """Making and changing schedules."""

    @mutation(CanWrite, description="Run a stored pipeline by the clock.")
    async def create_schedule(self, info: Info, input: CreateScheduleInput) -> CreateScheduleResult:
        """Create."""
        viewer = info.context.require_viewer()
        row = await schedule_service(info).create(
            viewer.workspace_id,
            viewer.user_id,
            pipeline_id=from_global(input.pipeline_id, "Pipeline", path=("pipelineId",)),
            cron=input.cron,
            time_zone=input.time_zone,
            inputs=NamedInput.resolve(input.inputs),
            overlap=input.overlap.value,
            enabled=input.enabled,
        )
        return CreateScheduleSuccess(schedule=Schedule.of(row))

    @mutation(CanWrite, description="Change, enable or disable a schedule.")
    async def update_schedule(self, info: Info, input: UpdateScheduleInput) -> UpdateScheduleResult:
        """Update."""
        viewer = info.context.require_viewer()
        changes = Changes(
            cron=input.cron,
            time_zone=input.time_zone,
            inputs=None if input.inputs is None else NamedInput.resolve(input.inputs),
            overlap=None if input.overlap is None else input.overlap.value,
            enabled=input.enabled,
        )
        row = await schedule_service(info).update(
            viewer.workspace_id, viewer.user_id, from_global(input.id, "Schedule"), changes
        )
        return UpdateScheduleSuccess(schedule=Schedule.of(row))

    @mutation(CanWrite, description="Delete a schedule; the jobs that it started stay.")
    async def delete_schedule(self, info: Info, input: DeleteScheduleInput) -> DeleteScheduleResult:
        """Delete."""
        viewer = info.context.require_viewer()
        schedule_id = from_global(input.id, "Schedule")
        await schedule_service(info).delete(viewer.workspace_id, viewer.user_id, schedule_id)
        return DeleteScheduleSuccess(id=strawberry.ID(to_global("Schedule", schedule_id)))

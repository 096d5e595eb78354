"""GraphQL types of schedules."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated
from uuid import UUID

import strawberry

from graph.api.connection import Connection, to_connection
from graph.api.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from graph.api.fields import field
from graph.api.node import Node
from graph.api.notice import Notice
from graph.context import Info
from graph.core.ids import to_global
from graph.jobs.types import Job, JobInput
from graph.models import Schedule as ScheduleRow
from graph.pipelines.types import InvalidPipeline, NamedInput, Pipeline, pipeline_service
from graph.schedules.service import ScheduleService


@strawberry.enum(
    description="What to do when a run is due and the job before has not ended. SKIP: leave the run out. QUEUE: run as "
    "soon as the job before has ended; of several runs that wait so, only the latest."
)
class ScheduleOverlap(Enum):
    """Policy for runs that would overlap."""

    SKIP = "SKIP"
    QUEUE = "QUEUE"


@strawberry.enum(
    description="What came of a run that was due. SKIPPED: the job before had not ended. REFUSED: no job could be "
    "made, and `lastError` says why."
)
class ScheduleOutcome(Enum):
    """Outcome of a tick."""

    STARTED = "STARTED"
    SKIPPED = "SKIPPED"
    REFUSED = "REFUSED"


@strawberry.type(description="A pipeline that runs by the clock.")
class Schedule(Node):
    """A schedule."""

    row: strawberry.Private[ScheduleRow]
    pipeline_id: strawberry.ID
    cron: str = strawberry.field(description="Minute, hour, day of month, month, day of week.")
    time_zone: str = strawberry.field(description="IANA name of the zone in which `cron` is meant.")
    overlap: ScheduleOverlap
    enabled: bool
    disabled_reason: Notice | None = strawberry.field(
        description="Why the service disabled it: PIPELINE_DELETED, DATASET_DELETED; null when a person did."
    )
    next_run_at: datetime | None = strawberry.field(
        description="The run that is due next; in the past while it waits (QUEUE). Null while disabled."
    )
    last_tick_at: datetime | None = strawberry.field(description="The newest run that was due.")
    last_outcome: ScheduleOutcome | None = strawberry.field(description="What came of it.")
    last_error: Notice | None = strawberry.field(description="Why it was REFUSED.")
    created_at: datetime

    @classmethod
    def of(cls, row: ScheduleRow) -> Schedule:
        """Make it of a row."""
        return cls(
            row=row,
            id=strawberry.ID(to_global("Schedule", row.id)),
            pipeline_id=strawberry.ID(to_global("Pipeline", row.pipeline_id)),
            cron=row.cron,
            time_zone=row.time_zone,
            overlap=ScheduleOverlap(row.overlap),
            enabled=row.enabled,
            disabled_reason=Notice.of(row.disabled_reason),
            next_run_at=row.next_run_at,
            last_tick_at=row.last_tick_at,
            last_outcome=None if row.last_outcome is None else ScheduleOutcome(row.last_outcome),
            last_error=Notice.of(row.last_error),
            created_at=row.created_at,
        )

    @field(description="The pipeline, of which the latest version runs; null once it is deleted.")
    async def pipeline(self, info: Info) -> Pipeline | None:
        """What it runs."""
        rows = await pipeline_service(info).get(info.context.workspace_id, self.row.pipeline_id)
        return None if rows is None else Pipeline.of(rows)

    @field(description="What its jobs read.")
    def inputs(self) -> list[JobInput]:
        """Inputs by name."""
        return [
            JobInput(
                key=UUID(item["datasetId"]),
                name=item["name"],
                dataset_id=strawberry.ID(to_global("Dataset", UUID(item["datasetId"]))),
            )
            for item in self.row.inputs
        ]

    @field(description="The coming times on the zone's clock, at most 100; none while disabled.")
    async def next_runs(self, info: Info, first: int = 5) -> list[datetime]:
        """Times from now on, by PostgreSQL's clock."""
        return await schedule_service(info).coming(info.context.workspace_id, self.row, first)

    @field(description="The jobs that it started, newest first.")
    async def jobs(self, info: Info, first: int = 20, after: str | None = None) -> Connection[Job]:
        """One page of its jobs."""
        page = await schedule_service(info).jobs_page(info.context.workspace_id, self.row.id, first, after)
        return to_connection(page, Job.of, after=after)


@strawberry.input
class CreateScheduleInput:
    """When to run which pipeline on which data sets."""

    pipeline_id: strawberry.ID
    cron: str = strawberry.field(description="Five fields, e.g. `0 6 * * 1-5`: at 6:00 from Monday to Friday.")
    inputs: list[NamedInput] = strawberry.field(description="Data sets by name; the main one is named `input`.")
    time_zone: str = strawberry.field(default="UTC", description="IANA name, e.g. Europe/Berlin.")
    overlap: ScheduleOverlap = ScheduleOverlap.SKIP
    enabled: bool = True


@strawberry.input
class UpdateScheduleInput:
    """What to change; what is left out stays. New times count from now on."""

    id: strawberry.ID
    cron: str | None = None
    time_zone: str | None = None
    inputs: list[NamedInput] | None = None
    overlap: ScheduleOverlap | None = None
    enabled: bool | None = None


@strawberry.input
class DeleteScheduleInput:
    """Which schedule to delete."""

    id: strawberry.ID


@strawberry.type
class CreateScheduleSuccess:
    """The schedule is stored."""

    schedule: Schedule


@strawberry.type
class UpdateScheduleSuccess:
    """The schedule as it is now."""

    schedule: Schedule


@strawberry.type
class DeleteScheduleSuccess:
    """The schedule is gone; its jobs stay."""

    id: strawberry.ID


CreateScheduleResult = Annotated[
    CreateScheduleSuccess | InvalidPipeline | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("CreateScheduleResult"),
]
UpdateScheduleResult = Annotated[
    UpdateScheduleSuccess | InvalidPipeline | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("UpdateScheduleResult"),
]
DeleteScheduleResult = Annotated[
    DeleteScheduleSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("DeleteScheduleResult"),
]


def schedule_service(info: Info) -> ScheduleService:
    """Return the service of this request."""
    return ScheduleService(info.context.db)

"""GraphQL types of jobs."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from graph.api.connection import Connection, to_connection
from graph.api.errors import ConflictError, ErrorInterface, ForbiddenError, InvalidInputError, NotFoundError, answer_as
from graph.api.fields import field
from graph.api.node import Node
from graph.api.scalars import Int64
from graph.context import Info
from graph.core.errors import Conflict
from graph.core.ids import to_global
from graph.core.pagination import encode_cursor
from graph.datasets.types import Dataset
from graph.jobs import loaders
from graph.jobs.log_types import JobLogEntry
from graph.jobs.requests import fraction_done
from graph.jobs.result_types import JobResult
from graph.jobs.service import DatasetNotReady as DatasetNotReadyRefusal
from graph.models import Job as JobRow
from graph.models import JobEvent as JobEventRow
from graph.pipelines.spec_inputs import PipelineSpecInput
from graph.pipelines.types import InvalidPipeline, NamedInput
from graph.workspaces.types import QuotaExceeded


@strawberry.enum(description="Where a job stands; the last three are final.")
class JobStatus(Enum):
    """Status of a job."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@strawberry.type(description="How far the present attempt is.")
class JobProgress:
    """Counters of the engine; every row in ends as out, filtered or rejected."""

    bytes_read: Int64
    bytes_total: Int64 | None
    rows_in: Int64
    rows_out: Int64
    rows_filtered: Int64
    rows_rejected: Int64
    stage: str | None
    fraction: float | None = strawberry.field(description="0 to 1, by bytes read; null while the total is unknown.")
    eta_seconds: float | None = strawberry.field(description="Seconds to go at the speed so far.")

    @classmethod
    def of(cls, row: JobRow) -> JobProgress | None:
        """Make it of a job's row; None before the engine has reported."""
        stored = row.progress
        if stored is None:
            return None
        fraction = fraction_done(row.status, stored)
        total = stored.get("bytesTotal")
        return cls(
            bytes_read=Int64(stored.get("bytesRead") or 0),
            bytes_total=None if total is None else Int64(total),
            rows_in=Int64(stored.get("rowsIn") or 0),
            rows_out=Int64(stored.get("rowsOut") or 0),
            rows_filtered=Int64(stored.get("rowsFiltered") or 0),
            rows_rejected=Int64(stored.get("rowsRejected") or 0),
            stage=stored.get("stage"),
            fraction=fraction,
            eta_seconds=eta_seconds(row.status, fraction, stored.get("seconds")),
        )


def eta_seconds(status: str, fraction: float | None, seconds: float | None) -> float | None:
    """Seconds to go; None where a guess would be noise."""
    if status != "RUNNING" or seconds is None or fraction is None or fraction < 0.01:
        return None
    return round(seconds * (1 - fraction) / fraction, 1)


@strawberry.type(description="Why a job failed.")
class JobError:
    """The engine's or the worker's words; places are null where the error has none."""

    code: str
    message: str
    step: int | None = strawberry.field(description="Index of the pipeline's step, from 0.")
    column: str | None
    row: Int64 | None = strawberry.field(description="Line in the input's text, from 1.")
    byte_offset: Int64 | None
    retryable: bool
    hint: str | None

    @classmethod
    def of(cls, stored: dict[str, Any] | None) -> JobError | None:
        """Make it of `jobs.error`."""
        if stored is None:
            return None
        row, offset = stored.get("row"), stored.get("byteOffset")
        return cls(
            code=stored["code"],
            message=stored["message"],
            step=stored.get("step"),
            column=stored.get("column"),
            row=None if row is None else Int64(row),
            byte_offset=None if offset is None else Int64(offset),
            retryable=bool(stored.get("retryable")),
            hint=stored.get("hint"),
        )


@strawberry.type(description="One change of a job.")
class JobEvent:
    """An entry of the history; `cursor` is for `after`."""

    cursor: str
    sequence: Int64 = strawberry.field(description="The job's `sequence` that the change made; others are progress.")
    at: datetime
    kind: str = strawberry.field(
        description="created, claimed, published, failed, requeued, cancelRequested, cancelled, retried, deleted, "
        "resultExpired or rejectsExpired."
    )
    status: JobStatus
    attempt: int
    data: JSON | None

    @classmethod
    def of(cls, row: JobEventRow) -> JobEvent:
        """Make it of a row."""
        return cls(
            cursor=encode_cursor(row.sequence),
            sequence=Int64(row.sequence),
            at=row.created_at,
            kind=row.kind,
            status=JobStatus(row.status),
            attempt=row.attempt,
            data=None if row.data is None else JSON(row.data),
        )


@strawberry.type(description="A data set under the name by which the job's pipeline knows it.")
class JobInput:
    """An input of a job."""

    key: strawberry.Private[UUID]
    name: str
    dataset_id: strawberry.ID

    @field(description="The data set; null once it is deleted.")
    async def dataset(self, info: Info) -> Dataset | None:
        """Batched over all jobs of the answer."""
        row = await loaders.datasets(info).load(self.key)
        return None if row is None else Dataset.of(row)


@strawberry.type(description="One run of a pipeline.")
class Job(Node):
    """A job."""

    row: strawberry.Private[JobRow]
    name: str
    status: JobStatus
    attempt: int = strawberry.field(description="Attempts begun so far.")
    max_attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested: bool
    sequence: Int64 = strawberry.field(description="Grows with each change.")
    priority: int
    memory_limit_bytes: Int64 | None = strawberry.field(description="As asked for; null for the service's default.")
    timeout_seconds: int | None = strawberry.field(description="As asked for; null for the service's default.")

    @classmethod
    def of(cls, row: JobRow) -> Job:
        """Make it of a row."""
        return cls(
            row=row,
            id=strawberry.ID(to_global("Job", row.id)),
            name=row.name,
            status=JobStatus(row.status),
            attempt=row.attempt,
            max_attempts=row.max_attempts,
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            cancel_requested=row.cancel_requested_at is not None,
            sequence=Int64(row.sequence),
            priority=row.priority,
            memory_limit_bytes=None if row.memory_limit_bytes is None else Int64(row.memory_limit_bytes),
            timeout_seconds=row.timeout_seconds,
        )

    @field(description="The schedule that started it; null for a person's job, and once the schedule is deleted.")
    def schedule_id(self) -> strawberry.ID | None:
        """Global id of the schedule."""
        key = self.row.schedule_id
        return None if key is None else strawberry.ID(to_global("Schedule", key))

    @field(description="The specification as it was when the job was made.")
    def spec(self) -> JSON:
        """The snapshot."""
        return JSON(self.row.spec)

    @field(description="What the job reads.")
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

    @field(description="The stored pipeline that was run; null for a specification of its own.")
    async def pipeline_id(self, info: Info) -> strawberry.ID | None:
        """Global id of the pipeline."""
        found = await self._version(info)
        return None if found is None else strawberry.ID(to_global("Pipeline", found[0]))

    @field(description="Version of that pipeline.")
    async def pipeline_version(self, info: Info) -> int | None:
        """Counted from 1."""
        found = await self._version(info)
        return None if found is None else found[1]

    async def _version(self, info: Info) -> tuple[UUID, int] | None:
        key = self.row.pipeline_version_id
        return None if key is None else await loaders.versions(info).load(key)

    @field(description="How far it is; null before the engine has reported.")
    def progress(self) -> JobProgress | None:
        """Progress of the present attempt."""
        return JobProgress.of(self.row)

    @field(description="Why it failed.")
    def error(self) -> JobError | None:
        """The reason of a failure."""
        return JobError.of(self.row.error)

    @field(description="What happened, oldest line first.")
    async def logs(self, info: Info, first: int = 100, after: str | None = None) -> Connection[JobLogEntry]:
        """One page of the log."""
        page = await loaders.job_service(info).log_page(info.context.workspace_id, self.row.id, first, after)
        return to_connection(page, JobLogEntry.of, after=after)

    @field(description="Its history, oldest change first.")
    async def events(self, info: Info, first: int = 100, after: str | None = None) -> Connection[JobEvent]:
        """One page of the changes."""
        page = await loaders.job_service(info).event_page(info.context.workspace_id, self.row.id, first, after)
        return to_connection(page, JobEvent.of, after=after)

    @field(description="What it made, once SUCCEEDED.")
    def result(self) -> JobResult | None:
        """The published result."""
        return JobResult.of(self.row)


@strawberry.type(description="A data set of the job has not been inspected yet, or cannot be read.")
class DatasetNotReady(ErrorInterface):
    """Wait until its status is READY."""


def _not_ready(error: Conflict) -> DatasetNotReady:
    return DatasetNotReady(code=error.code, message=error.message, path=error.path)


answer_as(DatasetNotReadyRefusal, _not_ready)


@strawberry.input
class RunJobInput:
    """What to run: `pipelineId` (its latest version) or `spec`."""

    inputs: list[NamedInput] = strawberry.field(description="Data sets by name; the main one is named `input`.")
    pipeline_id: strawberry.ID | None = None
    spec: PipelineSpecInput | None = None
    idempotency_key: str | None = strawberry.field(
        default=None, description="Repeat a request with the same key and get the same job, never a second one."
    )
    priority: int | None = strawberry.field(
        default=None,
        description="-10 to the workspace's maxPriority; higher goes first, below 0 is for the background. Default: 0.",
    )
    memory_limit_bytes: Int64 | None = strawberry.field(
        default=None, description="64 MiB to JOB_MEMORY_LIMIT_MAX_BYTES; default: JOB_MEMORY_LIMIT_BYTES."
    )
    timeout_seconds: int | None = strawberry.field(
        default=None, description="An attempt that takes longer fails as JOB_TIMEOUT; at most JOB_TIME_LIMIT_SECONDS."
    )


@strawberry.input
class CancelJobInput:
    """Which job to cancel."""

    id: strawberry.ID


@strawberry.input
class RetryJobInput:
    """Which failed or cancelled job to run again."""

    id: strawberry.ID


@strawberry.input
class DeleteJobInput:
    """Which ended job to delete, with its result."""

    id: strawberry.ID


@strawberry.type
class RunJobSuccess:
    """The job is recorded: it will end, whatever crashes."""

    job: Job


@strawberry.type
class CancelJobSuccess:
    """The job is cancelled, or will be within two seconds."""

    job: Job


@strawberry.type
class RetryJobSuccess:
    """The job waits for a worker again."""

    job: Job


@strawberry.type
class DeleteJobSuccess:
    """The job is gone; `id` is what it was."""

    id: strawberry.ID


RunJobResult = Annotated[
    RunJobSuccess
    | InvalidPipeline
    | DatasetNotReady
    | QuotaExceeded
    | InvalidInputError
    | NotFoundError
    | ConflictError
    | ForbiddenError,
    strawberry.union("RunJobResult"),
]
CancelJobResult = Annotated[
    CancelJobSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("CancelJobResult"),
]
RetryJobResult = Annotated[
    RetryJobSuccess | QuotaExceeded | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("RetryJobResult"),
]
DeleteJobResult = Annotated[
    DeleteJobSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("DeleteJobResult"),
]

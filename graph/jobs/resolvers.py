"""Root fields of jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import UUID

import strawberry
from strawberry.types.nodes import SelectedField, Selection

from graph.api.connection import Connection, to_connection
from graph.api.fields import mutation, query
from graph.api.permissions import CanRead, CanWrite
from graph.context import Info
from graph.core.ids import from_global, to_global, try_global
from graph.datasets.types import Dataset
from graph.jobs.dataset_types import (
    CreateDatasetsFromJobInput,
    CreateDatasetsFromJobResult,
    CreateDatasetsFromJobSuccess,
    result_datasets,
)
from graph.jobs.loaders import job_service
from graph.jobs.orders import Order
from graph.jobs.repository import DOCUMENTS
from graph.jobs.types import (
    CancelJobInput,
    CancelJobResult,
    CancelJobSuccess,
    DeleteJobInput,
    DeleteJobResult,
    DeleteJobSuccess,
    Job,
    JobStatus,
    RetryJobInput,
    RetryJobResult,
    RetryJobSuccess,
    RunJobInput,
    RunJobResult,
    RunJobSuccess,
)
from graph.pipelines.spec_json import spec_to_json
from graph.pipelines.types import NamedInput


async def load_job(info: Info, job_id: UUID) -> Job | None:
    """Return a job of the active workspace, for `node`."""
    row = await job_service(info).get(info.context.workspace_id, job_id)
    return None if row is None else Job.of(row)


def documents_asked(info: Info) -> frozenset[str]:
    """Return the JSON columns of a job that the selection reads, at any depth; a result needs them all."""
    names = set(_names(info.selected_fields))
    return DOCUMENTS if "result" in names else DOCUMENTS & names


def _names(selections: Iterable[Selection]) -> Iterator[str]:
    for selection in selections:
        if isinstance(selection, SelectedField):
            yield selection.name
        yield from _names(selection.selections)


@strawberry.type
class JobsQuery:
    """Reading jobs."""

    @query(CanRead, description="A job of the active workspace; null when there is none of this id.")
    async def job(self, info: Info, id: strawberry.ID) -> Job | None:
        """One job."""
        job_id = try_global(id, "Job")
        if job_id is None:
            return None
        row = await job_service(info).get(info.context.workspace_id, job_id, documents_asked(info))
        return None if row is None else Job.of(row)

    @query(CanRead, description="The jobs of the active workspace, newest first.")
    async def jobs(
        self, info: Info, first: int, after: str | None = None, status: list[JobStatus] | None = None
    ) -> Connection[Job]:
        """One page; with `status` (one or several) those that stand so."""
        statuses = [item.value for item in status] if status else None
        page = await job_service(info).page(info.context.workspace_id, first, after, statuses, documents_asked(info))
        return to_connection(page, Job.of, after=after)


@strawberry.type
class JobsMutation:
    """Running and changing jobs."""

    @mutation(CanWrite, description="Run a stored pipeline or a specification on data sets.")
    async def run_job(self, info: Info, input: RunJobInput) -> RunJobResult:
        """Run."""
        viewer = info.context.require_viewer()
        order = Order(
            inputs=NamedInput.resolve(input.inputs),
            pipeline_id=None
            if input.pipeline_id is None
            else from_global(input.pipeline_id, "Pipeline", path=("pipelineId",)),
            spec=None if input.spec is None else spec_to_json(input.spec),
            idempotency_key=input.idempotency_key,
            priority=input.priority,
            memory_limit_bytes=input.memory_limit_bytes,
            timeout_seconds=input.timeout_seconds,
        )
        return RunJobSuccess(job=Job.of(await job_service(info).run(viewer.workspace_id, viewer.user_id, order)))

    @mutation(
        CanWrite,
        description="Make data sets of the files of a finished job's result. Nothing is copied, and each lives as long "
        "as it is wanted, whatever becomes of the job. Asking again gives the same data sets.",
    )
    async def create_datasets_from_job(
        self, info: Info, input: CreateDatasetsFromJobInput
    ) -> CreateDatasetsFromJobResult:
        """Make data sets of a result."""
        viewer = info.context.require_viewer()
        rows = await result_datasets(info).create(
            viewer.workspace_id,
            viewer.user_id,
            from_global(input.job_id, "Job", path=("jobId",)),
            name=input.name,
            files=input.files,
        )
        return CreateDatasetsFromJobSuccess(datasets=[Dataset.of(row) for row in rows])

    @mutation(CanWrite, description="Cancel a job that waits or runs.")
    async def cancel_job(self, info: Info, input: CancelJobInput) -> CancelJobResult:
        """Cancel."""
        viewer = info.context.require_viewer()
        job_id = from_global(input.id, "Job")
        return CancelJobSuccess(job=Job.of(await job_service(info).cancel(viewer.workspace_id, viewer.user_id, job_id)))

    @mutation(CanWrite, description="Run a failed or cancelled job again.")
    async def retry_job(self, info: Info, input: RetryJobInput) -> RetryJobResult:
        """Retry."""
        viewer = info.context.require_viewer()
        job_id = from_global(input.id, "Job")
        return RetryJobSuccess(job=Job.of(await job_service(info).retry(viewer.workspace_id, viewer.user_id, job_id)))

    @mutation(CanWrite, description="Delete a job that has ended, with its result.")
    async def delete_job(self, info: Info, input: DeleteJobInput) -> DeleteJobResult:
        """Delete."""
        viewer = info.context.require_viewer()
        job_id = from_global(input.id, "Job")
        await job_service(info).delete(viewer.workspace_id, viewer.user_id, job_id)
        return DeleteJobSuccess(id=strawberry.ID(to_global("Job", job_id)))

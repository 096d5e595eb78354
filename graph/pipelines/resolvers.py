"""Root fields of pipelines."""

from __future__ import annotations

from uuid import UUID

import strawberry

from graph.api.connection import Connection, to_connection
from graph.api.errors import to_graphql
from graph.api.fields import mutation, query
from graph.api.permissions import CanRead, CanWrite
from graph.context import Info
from graph.core.errors import DomainError, TopLevelError
from graph.core.ids import from_global, to_global, try_global
from graph.pipelines.spec_json import spec_to_json
from graph.pipelines.types import (
    CreatePipelineInput,
    CreatePipelineResult,
    CreatePipelineSuccess,
    DeletePipelineInput,
    DeletePipelineResult,
    DeletePipelineSuccess,
    NamedInput,
    Pipeline,
    PipelinePreview,
    PipelineProblem,
    PipelineValidation,
    PipelineVersion,
    PreviewPipelineInput,
    PreviewPipelineResult,
    UpdatePipelineInput,
    UpdatePipelineResult,
    UpdatePipelineSuccess,
    ValidatePipelineInput,
    pipeline_service,
)


async def load_pipeline(info: Info, pipeline_id: UUID) -> Pipeline | None:
    """Return a pipeline of the active workspace, for `node`."""
    rows = await pipeline_service(info).get(info.context.workspace_id, pipeline_id)
    return None if rows is None else Pipeline.of(rows)


async def load_pipeline_version(info: Info, version_id: UUID) -> PipelineVersion | None:
    """Return a version of a pipeline of the active workspace, for `node`."""
    row = await pipeline_service(info).version_by_id(info.context.workspace_id, version_id)
    return None if row is None else PipelineVersion.of(row)


@strawberry.type
class PipelinesQuery:
    """Reading, checking and trying pipelines."""

    @query(CanRead, description="A pipeline of the active workspace; null when there is none of this id.")
    async def pipeline(self, info: Info, id: strawberry.ID) -> Pipeline | None:
        """One pipeline."""
        pipeline_id = try_global(id, "Pipeline")
        return None if pipeline_id is None else await load_pipeline(info, pipeline_id)

    @query(CanRead, description="The pipelines of the active workspace, newest first.")
    async def pipelines(self, info: Info, first: int, after: str | None = None) -> Connection[Pipeline]:
        """One page."""
        page = await pipeline_service(info).page(info.context.workspace_id, first, after)
        return to_connection(page, Pipeline.of, after=after)

    @query(CanRead, description="Check a specification without running it.")
    async def validate_pipeline(self, info: Info, input: ValidatePipelineInput) -> PipelineValidation:
        """Validate."""
        problems = await pipeline_service(info).validate(
            info.context.workspace_id, spec_to_json(input.spec), NamedInput.resolve(input.inputs)
        )
        return PipelineValidation(problems=[PipelineProblem.make(problem) for problem in problems], valid=not problems)

    @query(CanRead, description="Try a specification: a few rows of its result.")
    async def preview_pipeline(self, info: Info, input: PreviewPipelineInput) -> PreviewPipelineResult:
        """Preview; refusals are answers here too, as this is asked while people type."""
        try:
            report = await pipeline_service(info).preview(
                info.context.workspace_id,
                info.context.storage,
                spec_to_json(input.spec),
                NamedInput.resolve(input.inputs),
                rows=input.rows,
            )
        except TopLevelError:
            raise
        except DomainError as error:
            return to_graphql(error)  # type: ignore[return-value]  # a member of the union
        return PipelinePreview.from_report(report)


@strawberry.type
class PipelinesMutation:
    """Changing pipelines."""

    @mutation(CanWrite, description="Store a pipeline; InvalidPipeline lists everything that is wrong with it.")
    async def create_pipeline(self, info: Info, input: CreatePipelineInput) -> CreatePipelineResult:
        """Create."""
        viewer = info.context.require_viewer()
        rows = await pipeline_service(info).create(
            viewer.workspace_id, viewer.user_id, name=input.name, spec=spec_to_json(input.spec)
        )
        return CreatePipelineSuccess(pipeline=Pipeline.of(rows))

    @mutation(CanWrite, description="Store a new version of a pipeline.")
    async def update_pipeline(self, info: Info, input: UpdatePipelineInput) -> UpdatePipelineResult:
        """Update."""
        viewer = info.context.require_viewer()
        rows = await pipeline_service(info).update(
            viewer.workspace_id,
            viewer.user_id,
            from_global(input.id, "Pipeline"),
            spec=None if input.spec is None else spec_to_json(input.spec),
            name=input.name,
        )
        return UpdatePipelineSuccess(pipeline=Pipeline.of(rows), version=PipelineVersion.of(rows[1]))

    @mutation(CanWrite, description="Delete a pipeline; jobs that ran it keep its specification.")
    async def delete_pipeline(self, info: Info, input: DeletePipelineInput) -> DeletePipelineResult:
        """Delete."""
        viewer = info.context.require_viewer()
        pipeline_id = await pipeline_service(info).delete(
            viewer.workspace_id, viewer.user_id, from_global(input.id, "Pipeline")
        )
        return DeletePipelineSuccess(id=strawberry.ID(to_global("Pipeline", pipeline_id)))

"""GraphQL types of pipelines."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from graph.api.connection import Connection, to_connection
from graph.api.errors import (
    ConflictError,
    ErrorInterface,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    answer_as,
)
from graph.api.fields import field
from graph.api.node import Node
from graph.api.scalars import Int64
from graph.context import Info
from graph.core.ids import from_global, to_global
from graph.datasets.types import Column
from graph.models import Pipeline as PipelineRow
from graph.models import PipelineVersion as PipelineVersionRow
from graph.pipelines.problems import InvalidPipeline as InvalidPipelineRefusal
from graph.pipelines.problems import SpecProblem
from graph.pipelines.service import NamedDataset, PipelineService
from graph.pipelines.spec_inputs import PipelineSpecInput


@strawberry.type(description="One thing that is wrong with a specification.")
class PipelineProblem:
    """A problem; `path` is the place in the specification's JSON."""

    path: str = strawberry.field(description="For example steps[1].filter.where; empty for the whole.")
    code: str
    message: str
    hint: str | None

    @classmethod
    def make(cls, problem: SpecProblem) -> PipelineProblem:
        """Make it of what the engine found."""
        return cls(path=problem.path, code=problem.code, message=problem.message, hint=problem.hint)


@strawberry.type(description="The specification cannot run; `problems` is everything that is wrong with it.")
class InvalidPipeline(ErrorInterface):
    """`graph.pipelines.problems.InvalidPipeline`."""

    problems: list[PipelineProblem]


def _invalid(error: InvalidPipelineRefusal) -> InvalidPipeline:
    return InvalidPipeline(
        code=error.code,
        message=error.message,
        path=error.path,
        problems=[PipelineProblem.make(problem) for problem in error.problems],
    )


answer_as(InvalidPipelineRefusal, _invalid)


@strawberry.type(description="What a pipeline said at one time; never changed.")
class PipelineVersion(Node):
    """A version, counted from 1."""

    version: int
    spec: JSON = strawberry.field(description="The specification, the same JSON as PipelineSpecInput takes.")
    created_at: datetime

    @classmethod
    def of(cls, row: PipelineVersionRow) -> PipelineVersion:
        """Make it of a row."""
        return cls(
            id=strawberry.ID(to_global("PipelineVersion", row.id)),
            version=row.version,
            spec=JSON(row.spec),
            created_at=row.created_at,
        )


@strawberry.type(description="A named pipeline.")
class Pipeline(Node):
    """A pipeline with its latest version."""

    row: strawberry.Private[PipelineRow]
    latest: strawberry.Private[PipelineVersionRow]
    name: str
    latest_version: PipelineVersion
    created_at: datetime

    @classmethod
    def of(cls, rows: tuple[PipelineRow, PipelineVersionRow]) -> Pipeline:
        """Make it of a pipeline's row and that of its latest version."""
        row, latest = rows
        return cls(
            row=row,
            latest=latest,
            id=strawberry.ID(to_global("Pipeline", row.id)),
            name=row.name,
            latest_version=PipelineVersion.of(latest),
            created_at=row.created_at,
        )

    @field(description="The latest specification.")
    def spec(self) -> JSON:
        """Shorthand for `latestVersion { spec }`."""
        return JSON(self.latest.spec)

    @field(description="One version by its number; null when there is none.")
    async def version(self, info: Info, number: int) -> PipelineVersion | None:
        """One version."""
        row = await pipeline_service(info).version(info.context.workspace_id, self.row.id, number)
        return None if row is None else PipelineVersion.of(row)

    @field(description="All versions, newest first.")
    async def versions(self, info: Info, first: int, after: str | None = None) -> Connection[PipelineVersion]:
        """One page of the versions."""
        page = await pipeline_service(info).version_page(info.context.workspace_id, self.row.id, first, after)
        return to_connection(page, PipelineVersion.of, after=after)


@strawberry.input(description="A data set under the name that the specification knows it by.")
class NamedInput:
    """`input` is the main one."""

    name: str
    dataset_id: strawberry.ID

    @classmethod
    def resolve(cls, inputs: list[NamedInput] | None) -> list[NamedDataset]:
        """Return names and ids; `NotFound` names the entry whose id is none of a data set."""
        return [
            NamedDataset(
                name=item.name,
                dataset_id=from_global(item.dataset_id, "Dataset", path=("inputs", str(index), "datasetId")),
            )
            for index, item in enumerate(inputs or [])
        ]


@strawberry.type(description="A row that could not be used: where it stands, why, and its text.")
class RejectedRow:
    """Counted from the beginning of the decoded text: lines from 1, bytes from 0.

    A row that `expect` rejected has neither: it was read well. Its text is its values at that step, as JSON.
    """

    line: Int64 | None
    byte_offset: Int64 | None
    column: str | None
    reason: str
    raw: str

    @classmethod
    def of(cls, reject: dict[str, Any]) -> RejectedRow:
        """Make it of one entry of an engine report."""
        line, offset = reject["line"], reject["byteOffset"]
        return cls(
            line=None if line is None else Int64(line),
            byte_offset=None if offset is None else Int64(offset),
            column=reject["column"],
            reason=reject["reason"],
            raw=reject["raw"],
        )


@strawberry.type(description="What a step of a pipeline did to the sample.")
class PreviewStep:
    """Rows and columns before and behind one step."""

    index: int = strawberry.field(description="Its place in the pipeline, from 0.")
    step: str = strawberry.field(description="Its name, e.g. `filter`.")
    rows_in: Int64
    rows_out: Int64
    columns_added: list[Column]
    columns_removed: list[str]
    columns_retyped: list[Column] = strawberry.field(description="Columns that have another type behind it.")
    note: str | None = strawberry.field(description="Why its figures say little about the whole file, if they do.")

    @classmethod
    def of(cls, step: dict[str, Any]) -> PreviewStep:
        """Make it of one entry of an engine report."""
        return cls(
            index=step["index"],
            step=step["step"],
            rows_in=Int64(step["rowsIn"]),
            rows_out=Int64(step["rowsOut"]),
            columns_added=[Column.from_json(column) for column in step["columnsAdded"]],
            columns_removed=step["columnsRemoved"],
            columns_retyped=[Column.from_json(column) for column in step["columnsRetyped"]],
            note=step["note"],
        )


@strawberry.type(description="A part of an input that a preview read.")
class PreviewRange:
    """Stored bytes and the rows found in them."""

    input: str = strawberry.field(description="The input's name in the pipeline.")
    start: Int64 = strawberry.field(description="Offset of the first byte.")
    end: Int64 = strawberry.field(description="Offset behind the last byte.")
    rows: Int64

    @classmethod
    def of(cls, part: dict[str, Any]) -> PreviewRange:
        """Make it of one entry of an engine report."""
        start, end, rows = (Int64(part[name]) for name in ("start", "end", "rows"))
        return cls(input=part["input"], start=start, end=end, rows=rows)


@strawberry.type(description="What a pipeline makes of its inputs: of all of small ones, of samples of big ones.")
class PipelinePreview:
    """Columns and rows of the result."""

    columns: list[str]
    rows: JSON = strawberry.field(description="A list of rows, each a list of values in the order of `columns`.")
    schema: list[Column] = strawberry.field(description="The result's columns with their types.")
    rows_in: Int64 = strawberry.field(description="Rows read for this preview, those that could not be used included.")
    rows_rejected: Int64 = strawberry.field(description="Rows of those that could not be used.")
    rejects: list[RejectedRow] = strawberry.field(
        description="The first of them. In ranges from further on in a file lines are not known."
    )
    rows_out: Int64 = strawberry.field(description="Rows behind the last step.")
    steps: list[PreviewStep] = strawberry.field(description="What each step did.")
    sampled: bool = strawberry.field(
        description="Whether only parts of the inputs were read: beginning, middle and end of each big one."
    )
    ranges: list[PreviewRange] = strawberry.field(description="The parts that were read.")

    @classmethod
    def from_report(cls, report: dict[str, Any]) -> PipelinePreview:
        """Make it of the engine's report."""
        return cls(
            columns=list(report["columns"]),
            rows=JSON(report["rows"]),
            schema=[Column.from_json(column) for column in report.get("schema") or []],
            rows_in=Int64(report["rowsIn"]),
            rows_rejected=Int64(report["rowsRejected"]),
            rejects=[RejectedRow.of(reject) for reject in report["rejects"]],
            rows_out=Int64(report["rowsOut"]),
            steps=[PreviewStep.of(step) for step in report["steps"]],
            sampled=report["sampled"],
            ranges=[PreviewRange.of(part) for part in report["ranges"]],
        )


@strawberry.input
class CreatePipelineInput:
    """A new pipeline."""

    name: str
    spec: PipelineSpecInput


@strawberry.input
class UpdatePipelineInput:
    """A new version of a pipeline; the old ones stay as they are."""

    id: strawberry.ID
    spec: PipelineSpecInput | None = strawberry.field(default=None, description="Left out: only the name changes.")
    name: str | None = strawberry.field(default=None, description="Left out: the name stays.")


@strawberry.input
class DeletePipelineInput:
    """Which pipeline to delete."""

    id: strawberry.ID


@strawberry.input
class ValidatePipelineInput:
    """A specification to check; with inputs, their columns and types are checked too."""

    spec: PipelineSpecInput
    inputs: list[NamedInput] | None = None


@strawberry.input
class PreviewPipelineInput:
    """A specification to try on data sets."""

    spec: PipelineSpecInput
    inputs: list[NamedInput]
    rows: int = strawberry.field(default=20, description="Rows of the result, 1 to 100.")


@strawberry.type
class CreatePipelineSuccess:
    """The pipeline is stored."""

    pipeline: Pipeline


@strawberry.type
class UpdatePipelineSuccess:
    """The new version is stored; an unchanged specification makes none."""

    pipeline: Pipeline
    version: PipelineVersion


@strawberry.type
class DeletePipelineSuccess:
    """The pipeline is gone; jobs that ran it keep its specification."""

    id: strawberry.ID


@strawberry.type
class PipelineValidation:
    """Everything that is wrong with a specification: an empty list when it can run."""

    problems: list[PipelineProblem]
    valid: bool


CreatePipelineResult = Annotated[
    CreatePipelineSuccess | InvalidPipeline | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("CreatePipelineResult"),
]
UpdatePipelineResult = Annotated[
    UpdatePipelineSuccess | InvalidPipeline | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("UpdatePipelineResult"),
]
DeletePipelineResult = Annotated[
    DeletePipelineSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("DeletePipelineResult"),
]
PreviewPipelineResult = Annotated[
    PipelinePreview | InvalidPipeline | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("PreviewPipelineResult"),
]


def pipeline_service(info: Info) -> PipelineService:
    """Return the service of this request."""
    return PipelineService(info.context.db)

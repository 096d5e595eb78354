"""GraphQL types of data sets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from strawberry.dataloader import DataLoader
from strawberry.scalars import JSON

from graph.api.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from graph.api.fields import field
from graph.api.node import Node
from graph.api.scalars import Int64
from graph.context import Info
from graph.core.errors import Conflict, InvalidInput
from graph.core.ids import to_global
from graph.datasets.service import PREVIEW_ROWS, DatasetService
from graph.flight_tickets.service import FlightTables
from graph.models import Dataset as DatasetRow

if TYPE_CHECKING:
    from graph.jobs.result_types import FlightAccess


@strawberry.enum(description="Where a data set stands.")
class DatasetStatus(Enum):
    """Status of a data set."""

    INSPECTING = strawberry.enum_value("INSPECTING", description="Its format and columns are being found out.")
    READY = strawberry.enum_value("READY", description="Pipelines can read it.")
    FAILED = strawberry.enum_value("FAILED", description="It cannot be read; `error` says why.")


@strawberry.type(description="A column of a data set or of a result.")
class Column:
    """A column; `reason` says what made inspection choose the type."""

    name: str
    type: str = strawberry.field(description="As in pipelines: int64, float64, decimal(12,2), date, utf8, …")
    nullable: bool
    reason: str | None

    @classmethod
    def from_json(cls, column: dict[str, Any]) -> Column:
        """Make it of one column of an engine report."""
        return cls(
            name=column["name"],
            type=column["type"],
            nullable=bool(column.get("nullable", True)),
            reason=column.get("reason"),
        )


@strawberry.type(description="How a delimited text file is written.")
class Dialect:
    """What detection found out about a CSV or TSV file; a field is null where the file has no such thing."""

    delimiter: str | None
    quote: str | None
    escape: str | None
    header: bool | None
    encoding: str | None
    line_ending: str | None
    header_rows: int | None
    skip_rows: int | None
    comment: str | None
    date_order: str | None
    decimal: str | None

    @classmethod
    def from_json(cls, dialect: dict[str, Any]) -> Dialect:
        """Make it of the dialect of an engine report."""
        return cls(
            delimiter=dialect.get("delimiter"),
            quote=dialect.get("quote"),
            escape=dialect.get("escape"),
            header=dialect.get("header"),
            encoding=dialect.get("encoding"),
            line_ending=dialect.get("lineEnding"),
            header_rows=dialect.get("headerRows", 1) if dialect.get("header") else 0,
            skip_rows=dialect.get("skipRows", 0),
            comment=dialect.get("comment"),
            date_order=dialect.get("dateOrder"),
            decimal=dialect.get("decimal"),
        )


@strawberry.type(description="Some rows, to look at.")
class Preview:
    """Rows as one JSON scalar: as objects they would take a hundred times as long."""

    columns: list[str]
    rows: JSON = strawberry.field(description="A list of rows, each a list of values in the order of `columns`.")

    @classmethod
    def from_json(cls, preview: dict[str, Any], first: int) -> Preview:
        """Make it of a stored preview, `first` rows of it."""
        return cls(columns=list(preview["columns"]), rows=JSON(preview["rows"][:first]))


@strawberry.type(description="Why a data set cannot be read.")
class DatasetError:
    """A stable code, a sentence, and how to mend it where that is known."""

    code: str
    message: str
    hint: str | None


@strawberry.type(description="A job that reads a data set.")
class DatasetUse:
    """A job, in as few words as a list needs."""

    job_id: strawberry.ID
    name: str
    status: str = strawberry.field(description="As `Job.status`.")
    created_at: datetime


@strawberry.type(description="The value of a column that a result was partitioned by; its file does not hold it.")
class PartitionValue:
    """A column of a folder's name; `value` is null for nulls."""

    column: str
    value: str | None


@strawberry.type(description="The result that a data set was made of, known also when the job is gone.")
class DatasetOrigin:
    """A job, and which file of its result."""

    job_id: strawberry.ID
    job_name: str
    file: str
    partition: list[PartitionValue]

    @classmethod
    def from_json(cls, origin: dict[str, Any]) -> DatasetOrigin:
        """Make it of a stored origin."""
        return cls(
            job_id=strawberry.ID(to_global("Job", UUID(origin["jobId"]))),
            job_name=origin["jobName"],
            file=origin["file"],
            partition=[PartitionValue(column=item["column"], value=item.get("value")) for item in origin["partition"]],
        )


USES_MOST = 50


def check_preview_rows(first: int) -> int:
    """Return `first` when a preview can have that many rows."""
    if not 1 <= first <= PREVIEW_ROWS:
        raise InvalidInput(
            f"`first` must be 1 to {PREVIEW_ROWS}, not {first}.", code="FIRST_OUT_OF_RANGE", path=["first"]
        )
    return first


@strawberry.type(description="A file in storage and what inspection found out about it.")
class Dataset(Node):
    """A data set."""

    row: strawberry.Private[DatasetRow]
    name: str
    file_name: str
    size_bytes: Int64
    status: DatasetStatus
    format: str | None = strawberry.field(description="csv, tsv, ndjson, parquet, arrow or lines, once inspected.")
    compression: str | None
    encoding: str | None
    row_estimate: Int64 | None = strawberry.field(description="Number of rows; exact when `rowsExact`.")
    rows_exact: bool
    warnings: list[str] = strawberry.field(description="What inspection noticed, in sentences.")
    created_at: datetime
    inspected_at: datetime | None

    @classmethod
    def of(cls, row: DatasetRow) -> Dataset:
        """Make it of a row."""
        return cls(
            row=row,
            id=strawberry.ID(to_global("Dataset", row.id)),
            name=row.name,
            file_name=row.file_name,
            size_bytes=Int64(row.size_bytes),
            status=DatasetStatus(row.status),
            format=row.format,
            compression=row.compression,
            encoding=row.encoding,
            row_estimate=None if row.row_estimate is None else Int64(row.row_estimate),
            rows_exact=row.rows_exact,
            warnings=row.warnings or [],
            created_at=row.created_at,
            inspected_at=row.inspected_at,
        )

    @field(description="How the text is written; null for other formats.")
    def dialect(self) -> Dialect | None:
        """Dialect of CSV and TSV."""
        return Dialect.from_json(self.row.dialect) if self.row.dialect else None

    @field(description="The columns, once inspected.")
    def schema(self) -> list[Column] | None:
        """Columns with their types and the reason for each type."""
        return None if self.row.schema is None else [Column.from_json(column) for column in self.row.schema]

    @field(description="The first rows (100 at most), once inspected.")
    async def preview(self, info: Info, first: int = 20) -> Preview | None:
        """Rows to look at."""
        check_preview_rows(first)
        stored = await dataset_service(info).preview(self.row)
        return None if stored is None else Preview.from_json(stored, first)

    @field(description="Why it cannot be read, when FAILED.")
    def error(self) -> DatasetError | None:
        """The reason of a failure."""
        error = self.row.error
        if error is None or self.row.status != "FAILED":
            return None
        return DatasetError(code=error["code"], message=error["message"], hint=error.get("hint"))

    @field(description="The result that it was made of; null for uploads and tables that came by Flight.")
    def origin(self) -> DatasetOrigin | None:
        """Lineage that outlives the job."""
        return None if self.row.origin is None else DatasetOrigin.from_json(self.row.origin)

    @field(description="The job that made it, when it was not uploaded and the job is still there.")
    async def source_job_id(self, info: Info) -> strawberry.ID | None:
        """Global id of the job; null from its deletion on, though its row goes a little later."""
        job_id = self.row.source_job_id
        if job_id is None or not await _living_jobs(info).load(job_id):
            return None
        return strawberry.ID(to_global("Job", job_id))

    @field(description="The jobs that read it, newest first; the newest fifty.")
    async def used_by(self, info: Info) -> list[DatasetUse]:
        """Jobs of its workspace."""
        rows = await dataset_service(info).readers(self.row.workspace_id, self.row.id, USES_MOST)
        return [
            DatasetUse(
                job_id=strawberry.ID(to_global("Job", row.id)),
                name=row.name,
                status=row.status,
                created_at=row.created_at,
            )
            for row in rows
        ]

    @field(description="Downloads the file under its own name; valid for an hour unless the operator set another time.")
    async def url(self, info: Info) -> str:
        """Presigned URL."""
        return await dataset_service(info).download_url(self.row)

    @field(description="When a `url` asked for now stops working.")
    def url_expires_at(self, info: Info) -> datetime:
        """Expiry of the download."""
        return datetime.now(UTC) + timedelta(seconds=info.context.settings.url_expiry_seconds)

    @field(description="Pull it as Arrow; null until it is READY, and for compressed files.")
    async def flight(self, info: Info) -> Annotated[FlightAccess, strawberry.lazy("graph.jobs.result_types")] | None:
        """Flight coordinates, with a fresh ticket."""
        from graph.jobs import result_types

        context = info.context
        tables = FlightTables(context.db, result_types.result_service(info), context.keys, context.settings)
        try:
            table = await tables.resolve(context.workspace_id, "datasets", self.row.id)
        except Conflict:
            return None
        return result_types.flight_access(info, ["datasets", self.id], table.ticket, table.expires_at)


def _living_jobs(info: Info) -> DataLoader[UUID, bool]:
    """Whether jobs of the active workspace are there, batched over all data sets of the answer."""

    async def load(ids: Sequence[UUID]) -> list[bool]:
        found = await dataset_service(info).living_jobs(info.context.workspace_id, ids)
        return [key in found for key in ids]

    loader: DataLoader[UUID, bool] = info.context.loaders.setdefault(
        "datasets.living_jobs", DataLoader(load, cache=False)
    )
    return loader


@strawberry.input
class DeleteDatasetInput:
    """Which data set to delete."""

    id: strawberry.ID


@strawberry.type
class DeleteDatasetSuccess:
    """The data set is gone; `id` is what it was."""

    id: strawberry.ID


DeleteDatasetResult = Annotated[
    DeleteDatasetSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("DeleteDatasetResult"),
]


def dataset_service(info: Info) -> DatasetService:
    """Return the service of this request."""
    context = info.context
    return DatasetService(context.db, context.storage, context.queue)

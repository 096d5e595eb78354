"""GraphQL types of uploads."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated

import strawberry

from graph.api.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from graph.api.fields import field
from graph.api.node import Node
from graph.api.scalars import Int64
from graph.context import Info
from graph.core.ids import to_global
from graph.core.storage import CONTENT_TYPE
from graph.datasets.types import Dataset, dataset_service
from graph.models import Upload as UploadRow
from graph.uploads.service import SignedPart, UploadService
from graph.workspaces.types import QuotaExceeded


@strawberry.enum(description="Where an upload stands.")
class UploadStatus(Enum):
    """Status of an upload."""

    ACTIVE = strawberry.enum_value("ACTIVE", description="Parts can be sent.")
    COMPLETED = strawberry.enum_value("COMPLETED", description="It has become a data set.")
    ABORTED = strawberry.enum_value("ABORTED", description="It was given up; its parts are removed.")
    EXPIRED = strawberry.enum_value("EXPIRED", description="It took too long; its parts are removed.")


@strawberry.type(description="A URL to PUT one part to.")
class SignedUploadPart:
    """One signed part."""

    part_number: int
    url: str
    expires_at: datetime
    size_bytes: Int64 = strawberry.field(description="Bytes that this part must have.")
    content_type: str = strawberry.field(description="Content-Type header that the PUT must carry.")

    @classmethod
    def make(cls, part: SignedPart, size_bytes: int) -> SignedUploadPart:
        """Make it of what the service signed."""
        return cls(
            part_number=part.number,
            url=part.url,
            expires_at=part.expires_at,
            size_bytes=Int64(size_bytes),
            content_type=CONTENT_TYPE,
        )


@strawberry.type(description="A file on its way, in parts, straight to object storage.")
class Upload(Node):
    """An upload. Part n (from 1) starts at (n - 1) * partSizeBytes; the last part is what remains."""

    row: strawberry.Private[UploadRow]
    file_name: str
    content_type: str
    size_bytes: Int64
    part_size_bytes: Int64
    part_count: int
    status: UploadStatus
    created_at: datetime
    expires_at: datetime = strawberry.field(description="An unfinished upload is removed after this.")

    @classmethod
    def of(cls, row: UploadRow) -> Upload:
        """Make it of a row."""
        return cls(
            row=row,
            id=strawberry.ID(to_global("Upload", row.id)),
            file_name=row.file_name,
            content_type=row.content_type or "",
            size_bytes=Int64(row.size_bytes),
            part_size_bytes=Int64(row.part_size_bytes),
            part_count=row.part_count,
            status=UploadStatus(row.status),
            created_at=row.created_at,
            expires_at=row.expires_at,
        )

    @field(description="Numbers of the parts that storage holds whole: a resumed upload sends the others only.")
    async def present_parts(self, info: Info) -> list[int]:
        """Asks the storage."""
        return [part.number for part in await upload_service(info).present_parts(self.row)]

    @field(description="The data set it has become.")
    async def dataset(self, info: Info) -> Dataset | None:
        """Null before completion, and when the data set was deleted."""
        if self.row.dataset_id is None:
            return None
        row = await dataset_service(info).get(info.context.workspace_id, self.row.dataset_id)
        return None if row is None else Dataset.of(row)


@strawberry.input
class BeginUploadInput:
    """A file that is about to be uploaded."""

    file_name: str
    size_bytes: Int64
    content_type: str | None = strawberry.field(
        default=None, description="Media type as the browser knows it; only kept for information."
    )


@strawberry.input
class SignUploadPartsInput:
    """Parts that are about to be sent: 1000 at most at a time."""

    upload_id: strawberry.ID
    part_numbers: list[int] = strawberry.field(description="Counted from 1. Ask again when a URL has expired.")


@strawberry.input
class CompleteUploadInput:
    """An upload whose parts are all sent."""

    upload_id: strawberry.ID


@strawberry.input
class AbortUploadInput:
    """An upload to give up."""

    upload_id: strawberry.ID


@strawberry.type
class BeginUploadSuccess:
    """The upload is open."""

    upload: Upload


@strawberry.type
class SignUploadPartsSuccess:
    """One URL for each part asked for, by number."""

    parts: list[SignedUploadPart]


@strawberry.type
class CompleteUploadSuccess:
    """The file is a data set now; its inspection follows."""

    dataset: Dataset


@strawberry.type
class AbortUploadSuccess:
    """The upload is closed and its parts are removed."""

    upload: Upload


BeginUploadResult = Annotated[
    BeginUploadSuccess | QuotaExceeded | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("BeginUploadResult"),
]
SignUploadPartsResult = Annotated[
    SignUploadPartsSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("SignUploadPartsResult"),
]
CompleteUploadResult = Annotated[
    CompleteUploadSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("CompleteUploadResult"),
]
AbortUploadResult = Annotated[
    AbortUploadSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("AbortUploadResult"),
]


def upload_service(info: Info) -> UploadService:
    """Return the service of this request."""
    context = info.context
    return UploadService(context.db, context.storage, context.queue, context.settings)

"""Root fields of uploads."""

from __future__ import annotations

from uuid import UUID

import strawberry

from graph.api.connection import Connection, to_connection
from graph.api.fields import mutation, query
from graph.api.permissions import CanRead, CanWrite
from graph.context import Info
from graph.core.ids import from_global, try_global
from graph.datasets.types import Dataset
from graph.uploads.service import plan_of
from graph.uploads.types import (
    AbortUploadInput,
    AbortUploadResult,
    AbortUploadSuccess,
    BeginUploadInput,
    BeginUploadResult,
    BeginUploadSuccess,
    CompleteUploadInput,
    CompleteUploadResult,
    CompleteUploadSuccess,
    SignedUploadPart,
    SignUploadPartsInput,
    SignUploadPartsResult,
    SignUploadPartsSuccess,
    Upload,
    UploadStatus,
    upload_service,
)


async def load_upload(info: Info, upload_id: UUID) -> Upload | None:
    """Return an upload of the active workspace, for `node`."""
    row = await upload_service(info).get(info.context.workspace_id, upload_id)
    return None if row is None else Upload.of(row)


@strawberry.type
class UploadsQuery:
    """Reading uploads, to resume them."""

    @query(CanRead, description="An upload of the active workspace; null when there is none of this id.")
    async def upload(self, info: Info, id: strawberry.ID) -> Upload | None:
        """One upload."""
        upload_id = try_global(id, "Upload")
        return None if upload_id is None else await load_upload(info, upload_id)

    @query(CanRead, description="The uploads of the active workspace, newest first.")
    async def uploads(
        self, info: Info, first: int, after: str | None = None, status: UploadStatus | None = None
    ) -> Connection[Upload]:
        """One page."""
        page = await upload_service(info).page(
            info.context.workspace_id, first, after, None if status is None else status.name
        )
        return to_connection(page, Upload.of, after=after)


@strawberry.type
class UploadsMutation:
    """Uploading."""

    @mutation(CanWrite, description="Open an upload; says how the file is cut into parts.")
    async def begin_upload(self, info: Info, input: BeginUploadInput) -> BeginUploadResult:
        """Begin."""
        viewer = info.context.require_viewer()
        row = await upload_service(info).begin(
            viewer.workspace_id,
            viewer.user_id,
            file_name=input.file_name,
            size_bytes=input.size_bytes,
            content_type=input.content_type,
        )
        return BeginUploadSuccess(upload=Upload.of(row))

    @mutation(CanWrite, description="Sign URLs to PUT parts to, straight into object storage.")
    async def sign_upload_parts(self, info: Info, input: SignUploadPartsInput) -> SignUploadPartsResult:
        """Sign."""
        upload_id = from_global(input.upload_id, "Upload", path=("uploadId",))
        upload, parts = await upload_service(info).sign(info.context.workspace_id, upload_id, input.part_numbers)
        plan = plan_of(upload)
        return SignUploadPartsSuccess(parts=[SignedUploadPart.make(part, plan.size_of(part.number)) for part in parts])

    @mutation(CanWrite, description="Make a data set of the parts; may be repeated.")
    async def complete_upload(self, info: Info, input: CompleteUploadInput) -> CompleteUploadResult:
        """Complete."""
        viewer = info.context.require_viewer()
        upload_id = from_global(input.upload_id, "Upload", path=("uploadId",))
        row = await upload_service(info).complete(viewer.workspace_id, viewer.user_id, upload_id)
        return CompleteUploadSuccess(dataset=Dataset.of(row))

    @mutation(CanWrite, description="Give an upload up and remove its parts; may be repeated.")
    async def abort_upload(self, info: Info, input: AbortUploadInput) -> AbortUploadResult:
        """Abort."""
        upload_id = from_global(input.upload_id, "Upload", path=("uploadId",))
        row = await upload_service(info).abort(info.context.workspace_id, upload_id)
        return AbortUploadSuccess(upload=Upload.of(row))

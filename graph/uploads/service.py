"""Multipart uploads: begin, sign, resume, complete, abort, sweep.

PostgreSQL says what should be, S3 what is. No transaction is open while S3 is asked; after each call to S3 the row is
read again under a lock, so that of two racing calls (two completions, a completion and an abort) one wins and the
other sees it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Conflict, DomainError, InvalidInput, NotFound
from graph.core.ids import uuid7
from graph.core.pagination import Page
from graph.core.queue import Queue
from graph.core.settings import Settings
from graph.core.storage import MultipartRefused, NoSuchUpload, Part, Storage
from graph.datasets import repository as datasets
from graph.datasets.service import ring_inspection
from graph.models import Dataset, Upload
from graph.uploads import parts as arithmetic
from graph.uploads import repository
from graph.workspaces.limits import QuotaExceeded, admit_upload

log = structlog.get_logger(__name__)

# A multipart upload younger than this may belong to a `begin` whose row is not committed yet.
_ORPHAN_AGE = timedelta(hours=1)
# Signing takes 0.36 ms of this thread [measured]: let other requests in after this many.
_SIGNED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class SignedPart:
    """Where to PUT one part, until when, with the Content-Type `graph.core.storage.CONTENT_TYPE`."""

    number: int
    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A whole part that is already in storage."""

    number: int
    size_bytes: int


def object_key(workspace_id: UUID, upload_id: UUID) -> str:
    """Key of the object that an upload makes: built from ids alone."""
    return f"w/{workspace_id}/uploads/{upload_id}/source"


def plan_of(upload: Upload) -> arithmetic.PartPlan:
    """How the upload's file is cut."""
    return arithmetic.PartPlan(upload.size_bytes, upload.part_size_bytes, upload.part_count)


def _closed(upload: Upload) -> Conflict:
    state = {"COMPLETED": "completed", "ABORTED": "aborted", "EXPIRED": "removed because it took too long"}
    return Conflict(
        f"This upload was {state[upload.status]}. Begin a new one.", code="UPLOAD_CLOSED", path=["uploadId"]
    )


class UploadService:
    """Uploads of one workspace at a time."""

    def __init__(self, db: Database, storage: Storage, queue: Queue, settings: Settings) -> None:
        self._db = db
        self._storage = storage
        self._queue = queue
        self._settings = settings

    async def begin(
        self, workspace_id: UUID, user_id: UUID, *, file_name: str, size_bytes: int, content_type: str | None
    ) -> Upload:
        """Open a multipart upload; raises `InvalidInput` for a name, size or type that cannot be.

        Raises `QuotaExceeded` when the workspace has no room for the file.
        """
        name = arithmetic.check_file_name(file_name)
        plan = arithmetic.plan_parts(size_bytes, max_bytes=self._settings.max_upload_bytes)
        media_type = arithmetic.check_content_type(content_type)
        async with self._db.tenant(workspace_id) as session:
            await admit_upload(session, workspace_id, self._settings, plan.size_bytes)
        upload_id = uuid7()
        key = object_key(workspace_id, upload_id)
        # S3 first: a row always has its S3 upload. Should the insert fail, the sweep finds the orphan in S3.
        s3_upload_id = await self._storage.create_multipart(key)
        upload = Upload(
            id=upload_id,
            workspace_id=workspace_id,
            file_name=name,
            content_type=media_type,
            size_bytes=plan.size_bytes,
            part_size_bytes=plan.part_size_bytes,
            part_count=plan.part_count,
            s3_key=key,
            s3_upload_id=s3_upload_id,
            status="ACTIVE",
            expires_at=datetime.now(UTC) + timedelta(hours=self._settings.upload_expiry_hours),
            created_by=user_id,
        )
        try:
            async with self._db.tenant(workspace_id) as session:
                # once more, and this time what is admitted counts: others may have begun meanwhile
                await admit_upload(session, workspace_id, self._settings, plan.size_bytes)
                return await repository.add(session, upload)
        except QuotaExceeded:
            await self._storage.abort_multipart(key, s3_upload_id)
            raise

    async def get(self, workspace_id: UUID, upload_id: UUID) -> Upload | None:
        """Return an upload, None when the workspace has none of this id."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.get(session, upload_id)

    async def page(self, workspace_id: UUID, first: int, after: str | None, status: str | None) -> Page[Upload]:
        """Return one page of the uploads, newest first; with `status` those in that state."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.page(session, first, after, status)

    async def _active(self, workspace_id: UUID, upload_id: UUID) -> Upload:
        upload = await self.get(workspace_id, upload_id)
        if upload is None:
            raise NotFound.of("upload", path=["uploadId"])
        if upload.status != "ACTIVE":
            raise _closed(upload)
        return upload

    async def sign(
        self, workspace_id: UUID, upload_id: UUID, part_numbers: Sequence[int]
    ) -> tuple[Upload, list[SignedPart]]:
        """Return the upload and URLs for these parts, by number; 1000 at most. Signing again gives fresh URLs."""
        upload = await self._active(workspace_id, upload_id)
        numbers = arithmetic.check_part_numbers(part_numbers, part_count=upload.part_count)
        seconds = self._settings.url_expiry_seconds
        expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
        signed = []
        for number in numbers:
            url = await self._storage.sign_part(upload.s3_key, upload.s3_upload_id, number, seconds)
            signed.append(SignedPart(number, url, expires_at))
            if number % _SIGNED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return upload, signed

    async def present_parts(self, upload: Upload) -> list[StoredPart]:
        """Return the parts that need not be sent again: in storage, and of the right size."""
        if upload.status != "ACTIVE":
            return []
        try:
            stored = await self._storage.list_parts(upload.s3_key, upload.s3_upload_id)
        except NoSuchUpload:
            return []
        plan = plan_of(upload)
        return [
            StoredPart(number, part.size_bytes)
            for number, part in sorted(_best_parts(plan, stored).items())
            if part.size_bytes == plan.size_of(number)
        ]

    async def complete(self, workspace_id: UUID, user_id: UUID, upload_id: UUID) -> Dataset:
        """Make the data set. May be repeated and may race with itself: every call returns the same data set.

        Raises `InvalidInput` (UPLOAD_PARTS_MISSING, UPLOAD_SIZE_MISMATCH) or `Conflict` (UPLOAD_CLOSED, UPLOAD_GONE).
        """
        upload = await self.get(workspace_id, upload_id)
        if upload is None:
            raise NotFound.of("upload", path=["uploadId"])
        etag: str | None = None
        if upload.status == "ACTIVE":
            await self._join(upload)
            etag = await self._check_object(upload)
        elif upload.status != "COMPLETED":
            raise _closed(upload)
        dataset = await self._publish(upload, user_id, etag)
        if dataset.status == "INSPECTING":
            await ring_inspection(self._queue, dataset.id)
        return dataset

    async def _join(self, upload: Upload) -> None:
        """Let S3 put the parts together, unless it has done so already."""
        try:
            stored = await self._storage.list_parts(upload.s3_key, upload.s3_upload_id)
            chosen = _whole_parts(upload, stored)
            await self._storage.complete_multipart(upload.s3_key, upload.s3_upload_id, chosen)
        except (NoSuchUpload, MultipartRefused) as error:
            # joined by a call that raced with this one, or that died before it wrote the row?
            if await self._storage.head(upload.s3_key) is not None:
                return
            if isinstance(error, NoSuchUpload):
                raise Conflict(
                    "The storage no longer has the parts of this upload. Begin a new one.",
                    code="UPLOAD_GONE",
                    path=["uploadId"],
                ) from error
            raise Conflict(
                f"The storage refused to join the parts ({error}): a part was sent again meanwhile. "
                "Wait until all parts are sent, then complete again.",
                code="UPLOAD_PARTS_CHANGED",
                path=["uploadId"],
            ) from error

    async def _check_object(self, upload: Upload) -> str:
        """Return the object's ETag; refuses one of another size than was announced."""
        info = await self._storage.head(upload.s3_key)
        if info is None:
            raise Conflict(
                "The storage has no object for this upload. Begin a new one.", code="UPLOAD_GONE", path=["uploadId"]
            )
        if info.size_bytes == upload.size_bytes:
            return info.etag
        await self._close(upload, "ABORTED")
        raise InvalidInput(
            f"The uploaded object has {info.size_bytes:,} bytes, the file was announced with {upload.size_bytes:,}. "
            "The object was removed; begin a new upload with the file as it is now.",
            code="UPLOAD_SIZE_MISMATCH",
            path=["uploadId"],
        )

    async def _publish(self, upload: Upload, user_id: UUID, etag: str | None) -> Dataset:
        """Turn the object into a data set, once; of racing calls the later ones return the first one's."""
        closed: DomainError
        async with self._db.tenant(upload.workspace_id) as session:
            row = await repository.get(session, upload.id, lock=True)
            if row is None:
                raise NotFound.of("upload", path=["uploadId"])
            if row.status == "ACTIVE":
                dataset = await datasets.add(
                    session,
                    Dataset(
                        workspace_id=row.workspace_id,
                        name=row.file_name,
                        file_name=row.file_name,
                        s3_key=row.s3_key,
                        size_bytes=row.size_bytes,
                        etag=etag,
                        status="INSPECTING",
                        created_by=user_id,
                    ),
                )
                row.status, row.dataset_id, row.completed_at = "COMPLETED", dataset.id, datetime.now(UTC)
                await record(
                    session,
                    "dataset.upload",
                    actor_id=user_id,
                    workspace_id=row.workspace_id,
                    object_type="Dataset",
                    object_id=dataset.id,
                    data={"fileName": row.file_name, "sizeBytes": row.size_bytes},
                )
                return dataset
            if row.status == "COMPLETED":
                made = await datasets.get(session, row.dataset_id) if row.dataset_id else None
                if made is not None:
                    return made
                raise Conflict("The data set of this upload has been deleted.", code="UPLOAD_CLOSED", path=["uploadId"])
            closed = _closed(row)
        # aborted or expired while S3 joined the parts: nobody refers to the object
        await self._storage.delete_prefix(upload.s3_key)
        raise closed

    async def abort(self, workspace_id: UUID, upload_id: UUID) -> Upload:
        """Give an upload up and remove its parts; aborting again changes nothing."""
        upload = await self.get(workspace_id, upload_id)
        if upload is None:
            raise NotFound.of("upload", path=["uploadId"])
        return await self._close(upload, "ABORTED")

    async def _close(self, upload: Upload, status: str) -> Upload:
        async with self._db.tenant(upload.workspace_id) as session:
            row = await repository.get(session, upload.id, lock=True)
            if row is None:
                raise NotFound.of("upload", path=["uploadId"])
            if row.status == "COMPLETED":
                raise Conflict(
                    "This upload is complete; delete its data set instead.", code="UPLOAD_CLOSED", path=["uploadId"]
                )
            if row.status == "ACTIVE":
                row.status = status
        await self._discard(row)
        return row

    async def _discard(self, upload: Upload) -> None:
        """Remove parts and object of an upload that is closed without a data set.

        In this order: after the abort nobody can join the parts any more, so what is deleted then stays deleted.
        """
        await self._storage.abort_multipart(upload.s3_key, upload.s3_upload_id)
        await self._storage.delete_prefix(upload.s3_key)
        async with self._db.tenant(upload.workspace_id) as session:
            await repository.mark_cleared(session, upload.id)

    async def sweep(self, *, limit: int = 100) -> int:
        """Expire uploads past their time, clear what closed ones left in storage, drop multipart uploads of nobody.

        For the workers' sweeper, across workspaces; returns how many went. What a storage that is away interrupts
        (`ServiceUnavailable`) the next sweep finds again.
        """
        async with self._db.system() as session:
            await repository.expire(session)
            closed = await repository.uncleared(session, limit=limit)
        for upload in closed:
            await self._discard(upload)
            log.info("upload_cleared", upload_id=str(upload.id), status=upload.status)
        return len(closed) + await self._sweep_orphans()

    async def _sweep_orphans(self) -> int:
        """Abort multipart uploads in storage whose row was never written, or closed while S3 was away."""
        before = datetime.now(UTC) - _ORPHAN_AGE
        # only sources of uploads: multipart uploads of running jobs' results are not ours to end
        old = [
            found
            for found in await self._storage.list_multiparts("w/")
            if found.started_at < before and "/uploads/" in found.key
        ]
        if not old:
            return 0
        async with self._db.system() as session:
            known = await repository.active_s3_ids(session, [found.upload_id for found in old])
        orphans = [found for found in old if found.upload_id not in known]
        for found in orphans:
            await self._storage.abort_multipart(found.key, found.upload_id)
            log.info("upload_orphan_aborted", key=found.key)
        return len(orphans)


def _best_parts(plan: arithmetic.PartPlan, stored: Sequence[Part]) -> dict[int, Part]:
    """Return one part for each number: of several that were sent, the newest of the right size."""
    best: dict[int, Part] = {}
    ranks: dict[int, tuple[bool, float]] = {}
    for part in stored:
        if not 1 <= part.number <= plan.part_count:
            continue
        sent_at = part.modified_at.timestamp() if part.modified_at else 0.0
        rank = (part.size_bytes == plan.size_of(part.number), sent_at)
        if part.number not in ranks or rank >= ranks[part.number]:
            best[part.number], ranks[part.number] = part, rank
    return best


def _whole_parts(upload: Upload, stored: Sequence[Part]) -> list[Part]:
    """Return the parts to join; `InvalidInput` naming those that are missing or of another size than planned."""
    plan = plan_of(upload)
    present = _best_parts(plan, stored)
    missing = arithmetic.missing_parts(present, plan.part_count)
    if missing:
        raise InvalidInput(
            f"{len(missing):,} of {plan.part_count:,} parts are missing: {arithmetic.describe_numbers(missing)}. "
            "Send them, then complete again.",
            code="UPLOAD_PARTS_MISSING",
            path=["uploadId"],
        )
    wrong = [number for number, part in present.items() if part.size_bytes != plan.size_of(number)]
    if wrong:
        first = wrong[0]
        raise InvalidInput(
            f"{len(wrong):,} parts have the wrong size: {arithmetic.describe_numbers(sorted(wrong))}. Part {first} has "
            f"{present[first].size_bytes:,} bytes, it should have {plan.size_of(first):,}. "
            "Send them again, then complete again; if the file has changed, begin a new upload.",
            code="UPLOAD_SIZE_MISMATCH",
            path=["uploadId"],
        )
    return [present[number] for number in sorted(present)]

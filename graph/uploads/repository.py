"""Queries on uploads. The caller's transaction decides which workspaces they see."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.pagination import Page, make_page, page_query
from graph.models import Upload


async def add(session: AsyncSession, upload: Upload) -> Upload:
    """Insert an upload; its `created_at` is known afterwards."""
    session.add(upload)
    await session.flush()
    return upload


async def get(session: AsyncSession, upload_id: UUID, *, lock: bool = False) -> Upload | None:
    """Return an upload; with `lock` no other transaction changes it until this one ends."""
    query = select(Upload).where(Upload.id == upload_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return (await session.execute(query)).scalar_one_or_none()


async def page(session: AsyncSession, first: int, after: str | None, status: str | None = None) -> Page[Upload]:
    """Return one page of the uploads, newest first."""
    query = select(Upload)
    if status is not None:
        query = query.where(Upload.status == status)
    rows = (await session.execute(page_query(query, Upload.id, first, after))).scalars().all()
    return make_page(rows, first, lambda row: row.id)


async def expire(session: AsyncSession) -> int:
    """Mark active uploads past their time as EXPIRED; return how many."""
    stale = select(Upload.id).where(Upload.status == "ACTIVE", Upload.expires_at < func.now())
    # one that is being completed at this moment is left to that
    chosen = stale.with_for_update(skip_locked=True)
    query = update(Upload).where(Upload.id.in_(chosen)).values(status="EXPIRED").returning(Upload.id)
    query = query.execution_options(synchronize_session=False)
    return len((await session.execute(query)).scalars().all())


async def uncleared(session: AsyncSession, *, limit: int) -> Sequence[Upload]:
    """Return closed uploads whose parts and object may still be in storage."""
    query = (
        select(Upload)
        .where(Upload.status.in_(("ABORTED", "EXPIRED")), Upload.completed_at.is_(None))
        .order_by(Upload.id)
        .limit(limit)
    )
    return (await session.execute(query)).scalars().all()


async def mark_cleared(session: AsyncSession, upload_id: UUID) -> None:
    """Remember that nothing of a closed upload is left in storage: for those, `completed_at` says when."""
    query = (
        update(Upload)
        .where(Upload.id == upload_id, Upload.status.in_(("ABORTED", "EXPIRED")))
        .values(completed_at=func.now())
        .execution_options(synchronize_session=False)
    )
    await session.execute(query)


async def active_s3_ids(session: AsyncSession, s3_upload_ids: Collection[str]) -> set[str]:
    """Return those of the storage's upload ids that belong to an active upload."""
    query = select(Upload.s3_upload_id).where(Upload.status == "ACTIVE", Upload.s3_upload_id.in_(s3_upload_ids))
    return set((await session.execute(query)).scalars())
